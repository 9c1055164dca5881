//! The writer's side: opening for writing, and storing batches.

mod begin;
mod checkpoint;
mod clock;
mod derive;
mod file;
mod folder;
mod group;
mod sources;
mod span;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use dict_protocol::record::{Batch, Position};

use crate::error::{Error, Result};
use crate::folder::Part;
use crate::lock::{WriterLock, beside};
use crate::{place, settings};
use file::Store;
use folder::Folder;

/// How a timeline is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Memory for pages of the database, KiB.
    pub cache: u32,
    /// Bytes of the write-ahead log after which it is copied into the database; also the size to which its file is cut
    /// when it begins anew.
    pub log: u64,
    /// With so much in it, or when it is so old, a file is followed by another: the timeline is a folder of files then.
    /// A file is so old, too, when it has been written for so long without a pause, whatever the clock says.
    pub rotate: Option<Amount>,
    /// Files whose rows are all older than this are removed from a folder; with a size, the oldest are, until all
    /// together take no more. The newest stays in any case.
    ///
    /// A clock that is wrong for a while does no harm: where by the clock even the newest row is older than this, or where
    /// it went ahead by more than this since it was looked at last, nothing is removed for its age until a row is stored
    /// that is not, and an hour has passed. A clock that stays wrong is believed then. Rows that were stored while it was
    /// ahead, and files all of whose rows were, stay until it has come there.
    pub keep: Option<Amount>,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache: 128 << 10, log: 64 << 20, rotate: None, keep: None }
    }
}

/// How much of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// What came in so long a time.
    Time(Duration),
    /// So many bytes.
    Bytes(u64),
}

/// A timeline, opened by the one that writes it.
///
/// ```
/// use dict_timeline::{Options, Timeline};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("timeline.db");
///
/// let timeline = Timeline::create_or_open(&path, Options::default())?;
/// assert!(timeline.positions()?.is_empty());
/// timeline.close()?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Timeline {
    path: PathBuf,
    /// The file that is written: the only one, or the newest of the folder.
    file: Store,
    folder: Option<Folder>,
    options: Options,
    /// What the disk said, after which nothing is tried on it again.
    failed: Option<String>,
    // Last, so that another writer can begin only when the database is closed.
    _lock: WriterLock,
}

impl Timeline {
    /// Opens the timeline at `path`, or makes an empty one where there is nothing, and brings its schema up to date.
    ///
    /// With [`Options::rotate`] it is a folder of files; a folder that has some is gone on with in any case, in its
    /// newest file.
    ///
    /// If it was not closed cleanly, what its log holds is brought into the database and synced before this returns, so
    /// that whatever [`positions`](Self::positions) says is on the disk. That can take some seconds.
    ///
    /// # Errors
    ///
    /// Each of [`Error`]'s variants about files says what to do. A file that is no timeline is not changed.
    pub fn create_or_open(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        settings::check_version()?;
        let path = place::canonical(path.as_ref())?;
        if let Some(kind) = place::network_file_system(&path) {
            return Err(Error::Network { path, kind });
        }
        if path.is_dir() || (options.rotate.is_some() && !path.exists()) {
            return Self::open_folder(path, options);
        }
        if options.rotate.is_some() {
            return Err(Error::OneFile { path });
        }
        if let Some(folder) = Part::owning_folder(&path) {
            return Err(Error::PartOfFolder { folder: folder.to_owned(), path });
        }
        place::look(&path)?;
        let lock = WriterLock::take(&path, &beside(&path, ".lock"))?;
        let file = Store::open(&path, &options)?;
        Ok(Self { path, file, folder: None, options, failed: None, _lock: lock })
    }

    fn open_folder(path: PathBuf, options: Options) -> Result<Self> {
        let lock = folder::claim(&path, &options)?;
        let (folder, file) = Folder::open(&path, &options)?;
        let mut timeline = Self { path, file, folder: Some(folder), options, failed: None, _lock: lock };
        timeline.prune()?;
        Ok(timeline)
    }

    /// The file, or the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How far each epoch of each source is stored, by source and epoch.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn positions(&self) -> Result<Vec<Position>> {
        self.file.positions()
    }

    /// Stores batches in one transaction, in their order: when this returns they are on the disk.
    ///
    /// In a folder the next file is begun first if it is time for it; that takes longer, the more keys there are.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFull`] and [`Error::Busy`]: nothing was stored, and the same batches may be tried again. After any
    /// other error nothing more can be stored until the timeline is opened again: what the disk did not take once must not be taken for
    /// granted because it does not complain a second time.
    pub fn append(&mut self, batches: &[Batch]) -> Result<()> {
        self.attempt(|this| {
            this.go_on()?;
            this.file.append(batches)
        })
    }

    /// Whether every change is in the table that is read by key. [`derive`](Self::derive) brings that about.
    pub fn is_derived(&self) -> bool {
        self.file.is_derived()
    }

    /// Puts some of the changes that wait for it into the table that is read by key. To be called when there is nothing
    /// else to do, until [`is_derived`](Self::is_derived).
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn derive(&mut self) -> Result<()> {
        self.attempt(|this| this.file.derive())
    }

    /// Finishes what waits, brings the log into the database, and closes it, so that one file is left, and its lock.
    ///
    /// # Errors
    ///
    /// What SQLite says; everything that was appended is on the disk all the same.
    pub fn close(mut self) -> Result<()> {
        if self.failed.is_some() {
            return Ok(());
        }
        while !self.is_derived() {
            self.derive()?;
        }
        self.file.close()
    }

    /// Does something with the file. After an error, the memory is made true of what is committed, or it is seen to
    /// that nothing is tried again.
    fn attempt(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if let Some(reason) = &self.failed {
            return Err(Error::Stopped(reason.clone()));
        }
        let Err(error) = work(self) else { return Ok(()) };
        if !error.is_passing() && !matches!(error, Error::Batch(_)) {
            self.failed = Some(error.to_string());
        } else if let Err(second) = self.file.reload() {
            self.failed = Some(second.to_string());
        }
        Err(error)
    }

    /// Begins the next file of a folder, if it is time for it, and removes files that are too old.
    fn go_on(&mut self) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        if folder.is_rotation_due(&self.file, &self.options)? {
            self.rotate()?;
            return self.prune();
        }
        if folder.is_pruning_due() { self.prune() } else { Ok(()) }
    }

    fn rotate(&mut self) -> Result<()> {
        let Some(folder) = &mut self.folder else { return Ok(()) };
        while !self.file.is_derived() {
            self.file.derive()?;
        }
        let mut next = folder.begin(&self.file, &self.options)?;
        next.take_streams(&mut self.file);
        let before = std::mem::replace(&mut self.file, next);
        match before.close() {
            // What it holds is on the disk, in its log, which is emptied when this is opened the next time.
            Err(error) if error.is_passing() => {
                tracing::warn!(%error, "the log of the file before stays beside it for now");
                Ok(())
            }
            closed => closed,
        }
    }

    fn prune(&mut self) -> Result<()> {
        let (Some(folder), Some(keep)) = (&mut self.folder, self.options.keep) else { return Ok(()) };
        match folder.prune(&self.file, keep) {
            Err(error) if error.is_passing() => {
                tracing::warn!(%error, "old files are not removed yet");
                Ok(())
            }
            pruned => pruned,
        }
    }
}
