//! A folder of files, of which the newest is written.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use dict_protocol::time::Time;
use rusqlite::{OptionalExtension as _, Transaction, TransactionBehavior};

use super::begin;
use super::clock::{Clock, Moment};
use super::file::{Store, has_log};
use super::{Amount, Options};
use crate::error::{Error, Result};
use crate::folder::{self, LOCK, Part};
use crate::lock::{WriterLock, beside};
use crate::reader::File;

/// How often it is looked whether files are too old, besides whenever one is begun.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

/// The files of a folder, as its only writer knows them.
#[derive(Debug)]
pub(super) struct Folder {
    /// The oldest first; never empty.
    parts: Vec<Part>,
    /// Bytes that the newest had when it was begun, with all that it took over.
    begun_with: u64,
    /// Since when the newest is written by this process.
    written_since: Instant,
    pruned_at: Instant,
    clock: Clock,
}

/// Takes the right to write the folder at `path`, which is made if there is none.
///
/// # Errors
///
/// [`Error::Locked`], [`Error::Access`]; [`Error::Foreign`] of a folder that has no timeline and is not to get one.
pub(super) fn claim(path: &Path, options: &Options) -> Result<WriterLock> {
    let access = |source| Error::Access { path: path.to_owned(), source };
    if path.is_dir() {
        if options.rotate.is_none() && folder::list(path)?.is_empty() {
            let found = "a folder with no timeline in it; to begin one there give --rotate".to_owned();
            return Err(Error::Foreign { path: path.to_owned(), found });
        }
    } else {
        fs::create_dir(path).map_err(access)?;
        path.parent().map_or(Ok(()), folder::sync).map_err(access)?;
    }
    WriterLock::take(path, &path.join(LOCK))
}

impl Folder {
    /// Opens the newest file of a folder; begins the first if there is none.
    pub(super) fn open(path: &Path, options: &Options) -> Result<(Self, Store)> {
        begin::tidy(path)?;
        let mut parts = folder::list(path)?;
        if parts.is_empty() {
            let first = Part::new(path, Moment::now().time, None);
            begin::first(&first, options)?;
            parts.push(first);
        }
        let (newest, older) = parts.split_last().expect("there is one at least");
        for part in older.iter().filter(|part| has_log(&part.path) || is_outdated(part)) {
            finish(part, options)?;
        }
        let file = Store::open(&newest.path, options)?;
        if let Some(gone) = folder::next_of(file.database())? {
            tracing::error!(file = gone, "the newest file of the folder is gone: going on without it");
        }
        if let Some(before) = older.last() {
            mend_next(before, newest, options)?;
        }
        let now = Instant::now();
        let clock = Clock::default();
        Ok((Self { parts, begun_with: 0, written_since: now, pruned_at: now, clock }, file))
    }

    /// Whether the next group belongs in a file of its own. A file without a row is never followed by another, nor one
    /// that has taken over more than it has taken in. That a file was written for long enough counts as well as its age,
    /// which a clock that was once ahead makes out to be none.
    pub(super) fn is_rotation_due(&self, file: &Store, options: &Options) -> Result<bool> {
        let first: i64 = file.database().query_row("SELECT first_n FROM position", (), |row| row.get(0))?;
        if file.next_n() == first {
            return Ok(false);
        }
        Ok(match options.rotate {
            None => false,
            Some(Amount::Time(time)) => {
                let age = Moment::now().since(self.newest().begun);
                age.max(self.written_since.elapsed()) >= time
            }
            Some(Amount::Bytes(bytes)) => file.size()? >= bytes.max(self.begun_with.saturating_mul(2)),
        })
    }

    /// Begins the file that comes after `file`, and opens it.
    pub(super) fn begin(&mut self, file: &Store, options: &Options) -> Result<Store> {
        let before = self.newest();
        let folder = before.path.parent().expect("it is in a folder");
        let part = Part::new(folder, Moment::now().time, Some(before));
        begin::next(&part, file, before, options)?;
        // One that cannot be written yet, as on a full disk, is begun anew the next time.
        let next = Store::open(&part.path, options).inspect_err(|_| drop(fs::remove_file(&part.path)))?;
        note_next(file, &part)?;
        begin::reached("noted it in the one before");
        self.begun_with = next.size()?;
        self.written_since = Instant::now();
        tracing::info!(path = %part.path.display(), "began a file");
        self.parts.push(part);
        Ok(next)
    }

    pub(super) fn is_pruning_due(&self) -> bool {
        self.pruned_at.elapsed() >= PRUNE_EVERY
    }

    /// Removes the files that are not to be kept, after `file`, the newest, says so on the disk.
    pub(super) fn prune(&mut self, file: &Store, keep: Amount) -> Result<()> {
        self.pruned_at = Instant::now();
        let count = match keep {
            Amount::Time(time) => self.older(file, time)?,
            Amount::Bytes(bytes) => self.beyond(bytes),
        };
        let Some(last) = count.checked_sub(1) else { return Ok(()) };
        note_pruned(file, &self.parts[last])?;
        begin::reached("noted what is to be removed");
        let mut removed = 0;
        for part in &self.parts[..count] {
            if let Err(error) = remove(part) {
                tracing::warn!(path = %part.path.display(), %error, "cannot remove an old file; trying again later");
                break;
            }
            tracing::info!(path = %part.path.display(), "removed an old file");
            removed += 1;
        }
        self.parts.drain(..removed);
        Ok(())
    }

    /// How many of the oldest files have no row that is younger than `keep`; never the newest.
    fn older(&mut self, file: &Store, keep: Duration) -> Result<usize> {
        let now = Moment::now();
        let catalogue = folder::catalogue(file.database())?;
        let last = self.parts.iter().rev().find_map(|part| catalogue.get(part.name()));
        let Some(newest) = newest_time(file)?.or(last.map(|extent| extent.time_max)) else { return Ok(0) };
        if !self.clock.may_prune(now, newest, keep) {
            return Ok(0);
        }
        // All rows of a file came before the next one was begun, and before all rows of that; when it was begun is not
        // known if the clock was ahead.
        let begun = |part: &Part| match catalogue.get(part.name()) {
            Some(extent) => part.begun.min(extent.time_max),
            None => part.begun.min(newest),
        };
        Ok(self.parts.iter().skip(1).take_while(|next| now.since(begun(next)) >= keep).count())
    }

    /// How many of the oldest files have to go for the rest to take no more than `bytes`; never the newest.
    fn beyond(&self, bytes: u64) -> usize {
        let mut total = 0_u64;
        let newest_first = self.parts.iter().rev().take_while(|part| {
            let size = |suffix| fs::metadata(beside(&part.path, suffix)).map_or(0, |file| file.len());
            total += size("") + size("-wal");
            total <= bytes
        });
        self.parts.len() - newest_first.count().max(1)
    }

    fn newest(&self) -> &Part {
        self.parts.last().expect("it is never empty")
    }
}

/// Whether only a writer can bring a file to what readers know.
fn is_outdated(part: &Part) -> bool {
    matches!(File::open(&part.path), Err(Error::Older { .. }))
}

/// Writes into a file which one goes on with it, so that it is missed if it is ever gone. It may be written later, when
/// the folder is opened the next time.
fn note_next(file: &Store, next: &Part) -> Result<()> {
    match file.database().execute("UPDATE position SET next = ?1", [next.name()]).map_err(Error::from) {
        Err(error) if error.is_passing() => {
            tracing::warn!(%error, "not noted yet which file goes on with the one before");
            Ok(())
        }
        noted => noted.map(drop),
    }
}

/// Writes that into the last file but one, if a writer was killed before it could.
fn mend_next(before: &Part, newest: &Part, options: &Options) -> Result<()> {
    let is_noted = |file: File| Ok(folder::next_of(file.database())?.as_deref() == Some(newest.name()));
    // A file that cannot be read is told of by whoever reads it.
    if File::open(&before.path).and_then(is_noted).unwrap_or(true) {
        return Ok(());
    }
    match Store::open(&before.path, options) {
        Ok(file) => {
            note_next(&file, newest)?;
            file.close()
        }
        // It waits for the next time.
        Err(Error::RecoveryBlocked { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Brings the log that was left beside an older file into it, and its schema up to date.
fn finish(part: &Part, options: &Options) -> Result<()> {
    match Store::open(&part.path, options) {
        Ok(file) => file.close(),
        // It can be read as it is.
        Err(Error::RecoveryBlocked { path }) => {
            tracing::warn!(path = %path.display(), "another program reads it, so its log is left beside it");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Writes into the newest file that all rows up to the last of `part` are gone.
fn note_pruned(file: &Store, part: &Part) -> Result<()> {
    let database = file.database();
    let known = folder::catalogue(database)?.get(part.name()).map(|extent| extent.last_n);
    let last_n = match known {
        Some(last_n) => last_n,
        None => File::open(&part.path)?.end()?,
    };
    let transaction = Transaction::new_unchecked(database, TransactionBehavior::Immediate)?;
    transaction.execute("UPDATE position SET pruned_n = max(pruned_n, ?1)", [last_n])?;
    transaction.execute("DELETE FROM part WHERE last_n <= ?1", [last_n])?;
    Ok(transaction.commit()?)
}

fn remove(part: &Part) -> io::Result<()> {
    fs::remove_file(&part.path)?;
    for suffix in ["-wal", "-shm"] {
        match fs::remove_file(beside(&part.path, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// When the hub had the newest row of a file.
fn newest_time(file: &Store) -> Result<Option<Time>> {
    let mut query = file
        .database()
        .prepare_cached("SELECT coalesce(hub_time, time) FROM record ORDER BY n DESC LIMIT 1")?;
    Ok(query.query_row((), |row| row.get(0)).optional()?.map(Time::from_nanos))
}
