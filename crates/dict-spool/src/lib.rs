//! Dictwire's spool in a file: what a program has published, and no logger has on disk yet, outlives the program.
//!
//! A [`SpoolFile`] stores what a [`Session`] says is
//! [to be kept](dict_protocol::kept): the client id, and for each source the epochs that are not acknowledged in full
//! with their updates, the dictionary as of the last update that left, and the program's bookmark. While the program
//! runs nothing is read from it; the next run begins from it.
//!
//! # What it covers, and when it is synced
//!
//! [`SpoolFile::write`] stores all that is new in one transaction. It is called before the session's output is sent, and
//! before the program is told that something was published.
//!
//! - **The program ends**, is killed or crashes, at any moment: nothing is lost that it was told to be published, and
//!   whatever was sent is in the file.
//! - **The power fails**, or the operating system crashes: with [`Durability::Power`] the same holds, since each write of
//!   updates is synced before it counts. With [`Durability::Process`] the file is synced when it is made, each time that
//!   its log has grown by 4 MiB, and when it is closed. What was written after that may be missing; what is there is an
//!   earlier moment, whole. A missing update that was sent is with the hub and its loggers; one that was not is lost, and
//!   the timeline says of its epoch that its end was unseen.
//! - **The disk is full or fails**: the write is an error, and the file is not written again until it is opened anew:
//!   what a disk did not take once must not be taken for granted because it does not complain a second time. What was
//!   kept before stays kept.
//!
//! Acknowledgements are written and not waited for: what a logger has is replayed once more at worst, and known there.
//!
//! The file is as large as the session's limits let a spool be, with SQLite's overhead and a log of about 4 MiB beside
//! it. It belongs to one process at a time, and on a local disk.
//!
//! ```
//! use dict_protocol::dictionary;
//! use dict_protocol::session::{Session, Settings};
//! use dict_protocol::time::Now;
//! use dict_spool::{Durability, SpoolFile};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("psu.spool");
//! # let settings = || Settings {
//! #     name: "a".into(), product: "a".into(), credentials: "".into(), client_id: [0; 16], limits: Default::default(),
//! # };
//!
//! let (mut file, kept) = SpoolFile::open(&path, [7; 16], Durability::Process)?;
//! let mut session = Session::restore(settings(), kept);
//! let psu = session.add_writer(Now::default(), "psu", Default::default())?;
//! session.publish(Now::default(), psu, &dictionary! { "voltage" => 12.5 })?;
//! file.write(&mut session)?;
//! drop((file, session));
//!
//! let (_file, kept) = SpoolFile::open(&path, [0; 16], Durability::Process)?;
//! assert_eq!((kept.client_id(), kept.updates()), ([7; 16], 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod error;
mod load;
mod lock;
mod open;
mod rows;

use std::path::{Path, PathBuf};

use dict_protocol::kept::Kept;
use dict_protocol::session::Session;
use rusqlite::Connection;

pub use error::{Error, Result};
use lock::Lock;
use rows::Rows;

/// What a write survives once it has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// The program's end, by whatever cause: the operating system has it.
    #[default]
    Process,
    /// A power failure too: it is synced, which takes the disk some milliseconds.
    Power,
}

/// A spool's file, open; see the [crate](self).
#[derive(Debug)]
pub struct SpoolFile {
    path: PathBuf,
    database: Connection,
    rows: Rows,
    durability: Durability,
    /// The log is synced with each commit.
    synced: bool,
    /// Bytes written since the last checkpoint, about.
    unsynced: usize,
    /// What went wrong, after which nothing is tried on the file again.
    failed: Option<String>,
    // Last, so that another process can begin only when the database is closed.
    _lock: Lock,
}

impl SpoolFile {
    /// Bytes in the write-ahead log at which it is copied into the database, and synced.
    const LOG: usize = 4 << 20;
    /// What a transaction takes in the log besides what is stored, about: the pages that it touches.
    const TRANSACTION: usize = 8 << 10;

    /// Opens the spool at `path`, or makes one for a client with this id where there is no file. Returns it with what it
    /// keeps, to [restore](Session::restore) a session from.
    ///
    /// # Errors
    ///
    /// Each of [`Error`]'s variants says what to do. A file that is no spool, or a damaged one, is not changed.
    pub fn open(path: impl AsRef<Path>, client_id: [u8; 16], durability: Durability) -> Result<(Self, Kept)> {
        let path = open::canonical(path.as_ref())?;
        open::look(&path)?;
        let lock = Lock::take(&path)?;
        let database = open::database(&path, client_id)?;
        let (rows, kept) = load::load(&path, &database)?;
        tracing::debug!(path = %path.display(), updates = kept.updates(), "spool opened");
        let (synced, unsynced) = (false, 0);
        let file = Self { path, database, rows, durability, synced, unsynced, failed: None, _lock: lock };
        Ok((file, kept))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Stores what `session` wants to be kept, in one transaction, if there is anything.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFull`] or [`Error::Failed`], and [`Error::Stopped`] each time after that. The session's output must
    /// not be sent then: some of it is not kept.
    pub fn write(&mut self, session: &mut Session) -> Result<()> {
        if !session.has_news() {
            return Ok(());
        }
        if let Some(reason) = &self.failed {
            return Err(Error::Stopped { path: self.path.clone(), reason: reason.clone() });
        }
        self.try_write(session).map_err(|error| {
            let error = Error::of(&self.path, error);
            self.failed = Some(error.to_string());
            error
        })
    }

    fn try_write(&mut self, session: &mut Session) -> rusqlite::Result<()> {
        let synced = self.durability == Durability::Power && session.has_new_updates();
        if std::mem::replace(&mut self.synced, synced) != synced {
            open::set_synced(&self.database, synced)?;
        }
        let written = self.rows.write(&self.database, session)?;
        if written == 0 {
            return Ok(());
        }
        self.unsynced += written + Self::TRANSACTION;
        if self.unsynced >= Self::LOG {
            self.unsynced = 0;
            open::checkpoint(&self.database)?;
        }
        Ok(())
    }
}

impl Drop for SpoolFile {
    /// Leaves one file, synced, unless the disk has failed. What an error here leaves in the log is read the next time.
    fn drop(&mut self) {
        if self.failed.is_none()
            && let Err(error) = open::checkpoint(&self.database)
        {
            tracing::warn!(path = %self.path.display(), "the spool's log stays beside it: {error}");
        }
    }
}

#[cfg(test)]
mod tests;
