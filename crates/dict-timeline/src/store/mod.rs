//! The writer's side: opening for writing, and storing batches.

mod checkpoint;
mod derive;
mod group;
mod sources;
mod span;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use dict_protocol::record::{Batch, Position};
use dict_protocol::time::Time;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior};

use crate::error::{Error, Result};
use crate::lock::{WriterLock, beside};
use crate::place::{self, Found};
use crate::reader::records;
use crate::{schema, settings};
use checkpoint::Checkpoints;
use derive::Deriver;
use group::{Absorb, Declared, Group, Memory};
use sources::Sources;
use span::Spans;

/// How a timeline is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Memory for pages of the database, KiB.
    pub cache: u32,
    /// Bytes of the write-ahead log after which it is copied into the database; also the size to which its file is cut
    /// when it begins anew.
    pub log: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache: 128 << 10, log: 64 << 20 }
    }
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
    database: Connection,
    memory: Memory,
    streams: Vec<Option<Declared>>,
    checkpoints: Checkpoints,
    /// What the disk said, after which nothing is tried on it again.
    failed: Option<String>,
    // Last, so that another writer can begin only when the database is closed.
    _lock: WriterLock,
}

impl Timeline {
    /// Opens the timeline at `path`, or makes an empty one where there is no file, and brings its schema up to date.
    ///
    /// If it was not closed cleanly, what its log holds is brought into the database and synced before this returns, so
    /// that whatever [`positions`](Self::positions) says is on the disk. That can take a second or two.
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
        if path.is_dir() {
            return Err(Error::Foreign { path, found: "a directory".to_owned() });
        }
        place::look(&path)?;
        let lock = WriterLock::take(&path)?;
        let mut database = match place::look(&path)? {
            Found::Nothing => create(&path)?,
            Found::Timeline => open(&path)?,
        };
        let found = schema::version(&database)?;
        if found > schema::VERSION {
            return Err(Error::Newer { path, found, known: schema::VERSION });
        }
        let unclean = fs::metadata(beside(&path, "-wal")).is_ok_and(|log| log.len() > 0);
        settings::writer(&database, options.cache, options.log)?;
        // A sync that once failed may have left pages that the system holds and the disk does not: writing them again,
        // to another place, and syncing that is the only way to be sure.
        if unclean {
            tracing::info!(path = %path.display(), "not closed cleanly the last time: recovering");
            if !checkpoint::complete(&database)? {
                return Err(Error::RecoveryBlocked { path });
            }
        }
        schema::migrate(&mut database, &path)?;
        let memory = load(&database)?;
        let checkpoints = Checkpoints::new(options.log);
        Ok(Self { path, database, memory, streams: Vec::new(), checkpoints, failed: None, _lock: lock })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How far each epoch of each source is stored, by source and epoch.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn positions(&self) -> Result<Vec<Position>> {
        let mut query = self.database.prepare(
            "SELECT s.name, r.epoch, r.sequence, r.ended, r.time FROM resume r JOIN source s ON s.id = r.source_id",
        )?;
        let positions = query.query_map((), |row| {
            Ok(Position {
                source: row.get(0)?,
                epoch: row.get::<_, i64>(1)?.cast_unsigned(),
                sequence: row.get::<_, i64>(2)?.cast_unsigned(),
                ended: row.get(3)?,
                time: Time::from_nanos(row.get(4)?),
            })
        })?;
        let mut positions: Vec<Position> = positions.collect::<Result<_, _>>()?;
        positions.sort_unstable_by(|a, b| (&a.source, a.epoch).cmp(&(&b.source, b.epoch)));
        Ok(positions)
    }

    /// Stores batches in one transaction, in their order: when this returns they are on the disk.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFull`]: nothing was stored, and the same batches may be tried again. After any other error nothing
    /// more can be stored until the timeline is opened again: what the disk did not take once must not be taken for
    /// granted because it does not complain a second time.
    pub fn append(&mut self, batches: &[Batch]) -> Result<()> {
        if let Some(reason) = &self.failed {
            return Err(Error::Stopped(reason.clone()));
        }
        let result = self.try_append(batches);
        self.settle(result)
    }

    /// Whether every change is in the table that is read by key. [`derive`](Self::derive) brings that about.
    pub fn is_derived(&self) -> bool {
        self.memory.deriver.is_done()
    }

    /// Puts some of the changes that wait for it into the table that is read by key. To be called when there is nothing
    /// else to do, until [`is_derived`](Self::is_derived).
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn derive(&mut self) -> Result<()> {
        if let Some(reason) = &self.failed {
            return Err(Error::Stopped(reason.clone()));
        }
        let result = self.try_derive();
        self.settle(result)
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
        if checkpoint::complete(&self.database)? {
            // With nothing left in it, closing deletes the log.
            let pragma = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            self.database.set_db_config(pragma, false)?;
        }
        self.database.close().map_err(|(_, error)| error.into())
    }

    fn try_append(&mut self, batches: &[Batch]) -> Result<()> {
        let transaction = Transaction::new_unchecked(&self.database, TransactionBehavior::Immediate)?;
        let mut group = Group::new(&self.database, &mut self.memory, &mut self.streams)?;
        for batch in batches {
            group.store(batch)?;
        }
        drop(group);
        let arrived = batches.iter().map(|batch| batch.entries.len()).sum();
        self.memory.finish(&self.database, arrived)?;
        transaction.commit()?;
        self.checkpoint()
    }

    fn try_derive(&mut self) -> Result<()> {
        let transaction = Transaction::new_unchecked(&self.database, TransactionBehavior::Immediate)?;
        let derived = self.memory.deriver.put_piece(&self.database, self.memory.next_n)?;
        group::write_derived(&self.database, derived)?;
        transaction.commit()?;
        self.checkpoint()
    }

    /// The transaction is committed by now, so a disk too full for a checkpoint is no failure.
    fn checkpoint(&mut self) -> Result<()> {
        match self.checkpoints.after_commit(&self.database) {
            Err(error) if error.is_disk_full() => {
                tracing::warn!("the disk is too full to bring the log into the database");
                Ok(())
            }
            result => result,
        }
    }

    /// After an error, makes the memory true of what is committed, or sees to it that nothing is tried again.
    fn settle(&mut self, result: Result<()>) -> Result<()> {
        let Err(error) = result else { return Ok(()) };
        if error.is_disk_full() || matches!(error, Error::Batch(_)) {
            for declared in self.streams.iter_mut().flatten() {
                declared.numbers = None;
            }
            match load(&self.database) {
                Ok(memory) => self.memory = memory,
                Err(second) => self.failed = Some(second.to_string()),
            }
        } else {
            self.failed = Some(error.to_string());
        }
        Err(error)
    }
}

/// What the file says, with the changes that were stored and not yet put in order.
fn load(database: &Connection) -> Result<Memory> {
    let (first_n, derived_n): (i64, i64) =
        database
            .query_row("SELECT first_n, derived_n FROM position", (), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let next_n = database
        .query_row("SELECT n + rows FROM record ORDER BY n DESC LIMIT 1", (), |row| row.get(0))
        .optional()?;
    let mut memory = Memory {
        sources: Sources::load(database)?,
        next_n: next_n.unwrap_or(first_n),
        spans: Spans::load(database)?,
        deriver: Deriver::default(),
    };
    records::each(database, derived_n, memory.next_n - 1, |record| {
        let numbers = memory.sources.stream_by_id(database, record.stream_id)?;
        memory.absorb(database, record, &record.contents()?, numbers, Absorb::Recovered)?;
        Ok(())
    })?;
    Ok(memory)
}

fn create(path: &Path) -> Result<Connection> {
    let database = connect(path, OpenFlags::SQLITE_OPEN_CREATE)?;
    database.pragma_update(None, "page_size", settings::PAGE_SIZE)?;
    // The first thing that is written, so that a file left half made is known as ours.
    database.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
    Ok(database)
}

fn open(path: &Path) -> Result<Connection> {
    connect(path, OpenFlags::empty())
}

fn connect(path: &Path, more: OpenFlags) -> Result<Connection> {
    let access = |source| Error::Access { path: path.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let database =
        Connection::open_with_flags(path, flags).map_err(|error| access(io::Error::other(error)))?;
    // SQLite opens what it may not write all the same, for reading.
    if database.is_readonly("main")? {
        return Err(access(io::ErrorKind::PermissionDenied.into()));
    }
    database.set_prepared_statement_cache_capacity(64);
    Ok(database)
}

#[cfg(test)]
impl Timeline {
    /// Makes the disk full, as it were, at so many pages.
    pub(crate) fn limit_pages(&self, pages: i64) {
        self.database.pragma_update(None, "max_page_count", pages).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use dict_protocol::dictionary;
    use dict_protocol::record::{Entry, EntryKind, Stamp, Stream};

    use super::*;
    use crate::{Filter, Reader};

    /// Updates of a source with many keys, from one sequence to another.
    pub(crate) fn batch(sequences: std::ops::RangeInclusive<u64>) -> Batch {
        let mut batch = Batch::default();
        if *sequences.start() == 1 {
            batch.streams.push(Stream { index: 0, hub: "lab".into(), source: "a".into(), epoch: 1 });
        }
        for sequence in sequences {
            let start = batch.bytes.len();
            let change = dictionary! { format!("key{}", sequence % 100) => "x".repeat(500) };
            dict_protocol::change::write_whole(&change, 128, &mut batch.bytes).unwrap();
            batch.entries.push(Entry {
                stream: 0,
                kind: EntryKind::Update,
                sequence,
                time: Time::from_nanos(sequence as i64),
                stamp: Stamp::default(),
                replayed: false,
                late: false,
                body: start..batch.bytes.len(),
            });
        }
        batch
    }

    #[test]
    fn a_full_disk_stores_nothing_and_can_be_tried_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("timeline.db");
        let mut timeline = Timeline::create_or_open(&path, Options::default()).unwrap();
        timeline.append(&[batch(1..=10)]).unwrap();
        timeline.limit_pages(60);
        for _ in 0..3 {
            assert!(matches!(timeline.append(&[batch(11..=2_000)]), Err(Error::DiskFull)));
            assert_eq!(timeline.positions().unwrap()[0].sequence, 10);
        }
        timeline.limit_pages(1 << 30);
        timeline.append(&[batch(11..=2_000)]).unwrap();
        timeline.close().unwrap();
        let reader = Reader::open(&path).unwrap();
        assert_eq!(reader.verify(|_| {}).unwrap(), []);
        assert_eq!(reader.rows(&Filter::default()).unwrap().count(), 2_000);
    }
}
