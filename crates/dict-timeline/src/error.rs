//! What can go wrong with a timeline, each with what to do about it.

use std::io;
use std::path::PathBuf;

use dict_protocol::time::Time;

use crate::export::write_time;

/// Why a timeline could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no file there, and readers create none.
    #[error("there is no timeline at {}: check the path, or start a logger that writes it", path.display())]
    NotFound {
        /// The path as given.
        path: PathBuf,
    },
    /// The directory that the file should stand in is not there.
    #[error("the directory {} does not exist: create it, or choose another path", path.display())]
    NoDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// The file, its directory or its lock cannot be read or written by this process.
    #[error("{} cannot be opened: {source}: check its permissions and those of its directory", path.display())]
    Access {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not an SQLite database, or one of another program.
    #[error("{} is not a timeline ({found}): nothing was changed; choose another path", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        found: String,
    },
    /// It was written by a later version of this software.
    #[error(
        "{} has schema version {found}, and this program knows versions up to {known}: use a newer version of it",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// It was written by an earlier version; only a writer brings it up to date.
    #[error(
        "{} has schema version {found}, older than {known}: let a logger open it once, which brings it up to date",
        path.display()
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The version that readers know.
        known: i64,
    },
    /// It is one file, and was to be a folder of files.
    #[error(
        "{} is one file, and only a folder of files can be rotated: choose another path, or leave out --rotate",
        path.display()
    )]
    OneFile {
        /// The file.
        path: PathBuf,
    },
    /// It is one of the files of a folder, which are written as one.
    #[error("{} is a part of the timeline {}: name that folder", path.display(), folder.display())]
    PartOfFolder {
        /// The file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// Another process, or another part of this one, writes it.
    #[error("{} is being written by another logger{}: stop that one, or choose another path", path.display(),
        process.map_or_else(String::new, |id| format!(" (process {id})")))]
    Locked {
        /// The file.
        path: PathBuf,
        /// The process that holds the lock, if it said so.
        process: Option<u32>,
    },
    /// It stands on a file system that processes on several machines share; SQLite's shared memory does not work there.
    #[error(
        "{} is on a network file system ({kind}), where a timeline cannot be kept safely: choose a local disk",
        path.display()
    )]
    Network {
        /// The file.
        path: PathBuf,
        /// The file system's type.
        kind: String,
    },
    /// The SQLite library is one with a known fault in its checkpoints.
    #[error(
        "SQLite {found} is too old: this program needs {needed} or later; rebuild it with the bundled SQLite"
    )]
    SqliteVersion {
        /// The version found.
        found: &'static str,
        /// The least that will do.
        needed: &'static str,
    },
    /// A setting did not take.
    #[error("SQLite did not take {pragma} = {wanted}, it is {found}: the file system may not support it")]
    Setting {
        /// The pragma.
        pragma: &'static str,
        /// What it was set to.
        wanted: String,
        /// What it is.
        found: String,
    },
    /// After an unclean end, what the log holds could not be brought into the database and synced, since somebody reads
    /// in one transaction from before. Nothing is changed, and opening may be tried again.
    #[error(
        "{} was not closed cleanly, and a program that reads it, as for a backup, keeps it from being recovered: wait \
         until that is done, or end it", path.display()
    )]
    RecoveryBlocked {
        /// The file.
        path: PathBuf,
    },
    /// What was asked of a time is said by rows that are not there: the file, or folder, begins after them.
    #[error(
        "what was then is not in {}, which begins at {}: ask for a later time, or look where earlier files are kept",
        path.display(), written(*first)
    )]
    TooEarly {
        /// The first file.
        path: PathBuf,
        /// The time of its first row.
        first: Time,
    },
    /// There is no room on the disk. Nothing of what was to be stored is.
    #[error("the disk is full: free some space")]
    DiskFull,
    /// Another program held a lock on the file for longer than it is waited for. Nothing of what was to be stored is.
    #[error("another program keeps the timeline locked: end what it is doing there")]
    Busy,
    /// What the file holds is not what was written there.
    #[error("row {n} of the timeline is damaged: {what}; run `logger verify`")]
    Corrupt {
        /// The number of the record.
        n: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A batch refers to a stream that none declared, or has bodies outside its bytes.
    #[error("a batch was made wrongly: {0}")]
    Batch(&'static str),
    /// The committing thread ended because of an earlier error.
    #[error("nothing is stored any more since an earlier error: {0}")]
    Stopped(String),
    /// SQLite, or the disk below it, failed.
    #[error("the timeline's database failed: {0}")]
    Sqlite(rusqlite::Error),
    /// Reading or writing beside the database failed.
    #[error("{0}")]
    Io(io::Error),
}

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whether the disk had no room.
    pub const fn is_disk_full(&self) -> bool {
        matches!(self, Self::DiskFull)
    }

    /// Whether nothing was stored and nothing harmed, so that the same can be tried again later.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::DiskFull | Self::Busy)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Io(error),
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        /// The shared-memory file could not grow: `SQLITE_IOERR_SHMSIZE`.
        const NO_ROOM_FOR_SHARED_MEMORY: i32 = 10 | (19 << 8);
        match &error {
            rusqlite::Error::SqliteFailure(failure, _)
                if failure.code == rusqlite::ErrorCode::DiskFull
                    || failure.extended_code == NO_ROOM_FOR_SHARED_MEMORY =>
            {
                Self::DiskFull
            }
            rusqlite::Error::SqliteFailure(failure, _)
                if failure.code == rusqlite::ErrorCode::DatabaseBusy =>
            {
                Self::Busy
            }
            _ => Self::Sqlite(error),
        }
    }
}

fn written(time: Time) -> String {
    let mut text = String::new();
    write_time(time, &mut text);
    text
}
