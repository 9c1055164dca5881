//! One writer at a time: an advisory lock of the operating system on a file beside the timeline.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// How long a process that was killed may take to be gone: it finishes a sync that it is in first, and a successor that
/// was started at once should not fail for that.
const DYING: Duration = Duration::from_millis(500);

/// Holds the right to write a timeline until it is dropped, or the process ends in whatever way.
///
/// The lock is on a file of its own, not on the timeline itself, whose locks are SQLite's business. The file stays when
/// the lock is gone: deleting it would let two writers hold locks on two files of one name.
#[derive(Debug)]
pub(crate) struct WriterLock {
    _file: File,
}

impl WriterLock {
    /// Takes the lock for the timeline at `path`, on the file `lock_path`. Where it is held, waits half a second at most.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] or [`Error::Access`].
    pub(crate) fn take(path: &Path, lock_path: &Path) -> Result<Self> {
        let access = |source| Error::Access { path: lock_path.to_owned(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(lock_path)
            .map_err(access)?;
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

/// `path` with `suffix` after its last character.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
