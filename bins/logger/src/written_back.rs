//! A file whose content goes to the disk while more is written, so that there is little to wait for in the end.

use std::fs::File;
use std::io::{self, Write};
use std::thread::{self, JoinHandle};

/// So many bytes are worth a thread that brings them to the disk.
const MANY: u64 = 64 << 20;

pub(crate) struct WrittenBack<'a> {
    file: &'a File,
    /// Bytes that were written since the last time.
    new: u64,
    syncing: Option<JoinHandle<io::Result<()>>>,
}

impl<'a> WrittenBack<'a> {
    pub(crate) const fn new(file: &'a File) -> Self {
        Self { file, new: 0, syncing: None }
    }

    fn begin(&mut self) {
        self.new = 0;
        // Where the system gives no thread, or no descriptor, the end is waited for longer.
        let syncing = |file: File| thread::Builder::new().spawn(move || file.sync_data());
        self.syncing = self.file.try_clone().and_then(syncing).ok();
    }

    /// Waits for what is on its way. That it failed is told only once, here.
    fn finish(&mut self) -> io::Result<()> {
        let Some(syncing) = self.syncing.take() else { return Ok(()) };
        syncing.join().map_err(|_| io::Error::other("the thread that syncs the file panicked"))?
    }
}

impl Write for WrittenBack<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.new += written as u64;
        if self.new >= MANY && self.syncing.as_ref().is_none_or(JoinHandle::is_finished) {
            self.finish()?;
            self.begin();
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.finish()?;
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_in_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut out = WrittenBack::new(file.as_file());
        let piece = vec![7; 8 << 20];
        for _ in 0..20 {
            out.write_all(&piece).unwrap();
        }
        out.flush().unwrap();
        assert!(out.syncing.is_none());
        assert_eq!(file.as_file().metadata().unwrap().len(), 20 * piece.len() as u64);
    }
}
