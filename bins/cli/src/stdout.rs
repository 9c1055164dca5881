//! Standard output.

use std::error::Error;
use std::io::{self, BufWriter, IsTerminal, Write};

/// Whoever read standard output has closed it: there is nobody to write for.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub struct ClosedPipe;

/// Standard output, buffered: [`flush`](Write::flush) when there is nothing more for now.
///
/// When it is a pipe whose reader has gone, writing fails with an error that [`run`](crate::run) takes for a quiet end.
/// A connection that breaks in the same way is still an error.
#[derive(Debug)]
pub struct Stdout {
    inner: BufWriter<io::Stdout>,
}

impl Stdout {
    /// Standard output.
    pub fn new() -> Self {
        Self { inner: BufWriter::with_capacity(64 << 10, io::stdout()) }
    }

    /// Whether a person reads it.
    pub fn is_terminal() -> bool {
        io::stdout().is_terminal()
    }

    /// Whether it is to be coloured: on a terminal, unless `NO_COLOR` or its like is set.
    pub fn is_coloured() -> bool {
        anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
    }
}

impl Default for Stdout {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes).map_err(name_closed_pipe)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_all(bytes).map_err(name_closed_pipe)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush().map_err(name_closed_pipe)
    }
}

fn name_closed_pipe(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::BrokenPipe, ClosedPipe),
        _ => error,
    }
}

/// Whether an error, or one of its causes, is that nobody reads standard output any more.
pub(crate) fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(current) = error {
        if current.is::<ClosedPipe>() {
            return true;
        }
        // An io::Error does not name what it wraps as its source, but what that names.
        let wrapped = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if wrapped.is_some_and(<dyn Error + Send + Sync>::is::<ClosedPipe>) {
            return true;
        }
        error = current.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Outer(#[from] io::Error);

    #[test]
    fn a_closed_pipe_is_told_from_a_broken_connection() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_closed_pipe(&name_closed_pipe(broken())));
        assert!(is_closed_pipe(&Outer(name_closed_pipe(broken()))));
        assert!(is_closed_pipe(
            anyhow::Error::new(Outer(name_closed_pipe(broken()))).context("export").as_ref()
        ));
        assert!(!is_closed_pipe(&broken()));
        assert!(!is_closed_pipe(&Outer(broken())));
    }
}
