//! One process at a time: an advisory lock of the operating system on a file beside the spool.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// How long a process that was killed may take to be gone: a successor that was started at once should not fail for it.
const DYING: Duration = Duration::from_millis(500);

/// Holds the right to use a spool until it is dropped, or the process ends in whatever way.
///
/// The lock is on `PATH.lock`. That file stays: deleting it would let two processes hold locks on two files of one name.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock for the spool at `path`. Where it is held, waits half a second at most.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] or [`Error::Access`].
    pub(crate) fn take(path: &Path) -> Result<Self> {
        let mut lock_path = path.as_os_str().to_owned();
        lock_path.push(".lock");
        let access = |source| Error::Access { path: lock_path.clone().into(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&lock_path).map_err(access)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if begun.elapsed() < DYING => thread::sleep(DYING / 20),
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::Locked { path: path.to_owned(), process: holder(&mut file) });
                }
                Err(TryLockError::Error(error)) => return Err(access(error)),
            }
        }
        // Only a help for whoever meets the lock: that it could not be written is no reason to stop.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

/// The process that wrote its number into the lock's file.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
