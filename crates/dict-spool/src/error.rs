//! What can go wrong with a spool's file, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Why a spool's file could not be opened or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file, its directory or its lock cannot be read or written by this process.
    #[error(
        "the spool {} cannot be opened: {source}: check the path, its permissions and those of its directory",
        path.display()
    )]
    Access {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not an SQLite database, or one of another program.
    #[error("{} is not a spool ({found}): nothing was changed; choose another path", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        found: String,
    },
    /// It was written by a later version of this software.
    #[error(
        "the spool {} has schema version {found}, and this program knows versions up to {known}: use a newer \
         version of it", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// Another process, or another client of this one, has it.
    #[error("the spool {} is in use by another program{}: stop that one, or choose another path", path.display(),
        process.map_or_else(String::new, |id| format!(" (process {id})")))]
    Locked {
        /// The file.
        path: PathBuf,
        /// The process that holds the lock, if it said so.
        process: Option<u32>,
    },
    /// What the file holds is not what was written there.
    #[error(
        "the spool {} is damaged ({what}): nothing was changed; put it aside, and publish again what was in it",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// There is no room on the disk.
    #[error("no room on the disk for the spool {}: free some space, and start the program again", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// A setting did not take.
    #[error(
        "SQLite did not take {pragma} = {wanted} for the spool {}: it needs a local disk", path.display()
    )]
    Setting {
        /// The file.
        path: PathBuf,
        /// The pragma.
        pragma: &'static str,
        /// What it was set to.
        wanted: String,
    },
    /// SQLite, or the disk below it, failed.
    #[error("the spool {} cannot be written: {source}: check the disk, and start the program again", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// An earlier error was the end of it.
    #[error("nothing is kept any more in the spool {} since an earlier error: {reason}", path.display())]
    Stopped {
        /// The file.
        path: PathBuf,
        /// That error.
        reason: String,
    },
}

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whether the disk had no room.
    pub const fn is_disk_full(&self) -> bool {
        matches!(self, Self::DiskFull { .. })
    }

    /// What an error of SQLite's means.
    pub(crate) fn of(path: &Path, error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, DiskFull, NotADatabase};
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(DiskFull) => Self::DiskFull { path },
            Some(DatabaseCorrupt | NotADatabase) => Self::Damaged { path, what: error.to_string() },
            _ => Self::Failed { path, source: error },
        }
    }
}
