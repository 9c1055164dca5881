//! Standard output.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// There is one standard output; whatever error tells that it is closed may be wrapped in any other on its way.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Standard output, buffered: [`flush`](Write::flush) when there is nothing more for now.
///
/// When it is a pipe whose reader has gone, writing fails, and [`run`](crate::run) ends quietly. A connection that breaks
/// in the same way is still an error.
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
        self.inner.write(bytes).map_err(note_closed_pipe)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_all(bytes).map_err(note_closed_pipe)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush().map_err(note_closed_pipe)
    }
}

fn note_closed_pipe(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        CLOSED.store(true, Ordering::Relaxed);
    }
    error
}

/// Whether standard output was found to be closed by whoever read it: whatever went wrong since is a consequence.
pub(crate) fn is_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}
