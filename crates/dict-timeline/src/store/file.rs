//! One file, opened for writing.

use std::fs;
use std::io;
use std::path::Path;

use dict_protocol::record::{Batch, Position};
use dict_protocol::time::Time;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior};

use super::Options;
use super::checkpoint::{self, Checkpoints};
use super::derive::Deriver;
use super::group::{self, Absorb, Declared, Group, Memory};
use super::sources::Sources;
use super::span::Spans;
use crate::error::{Error, Result};
use crate::lock::beside;
use crate::place::{self, Found};
use crate::reader::records;
use crate::{schema, settings};

/// One file of a timeline, or the only one, whose lock this process holds.
#[derive(Debug)]
pub(super) struct Store {
    database: Connection,
    memory: Memory,
    streams: Vec<Option<Declared>>,
    checkpoints: Checkpoints,
}

impl Store {
    /// Opens the file at `path`, or makes an empty one where there is none, and brings its schema up to date. What a
    /// log holds that was left is in the database, and synced, when this returns.
    pub(super) fn open(path: &Path, options: &Options) -> Result<Self> {
        let mut database = match place::look(path)? {
            Found::Nothing => connect(path, OpenFlags::SQLITE_OPEN_CREATE)?,
            Found::Timeline => connect(path, OpenFlags::empty())?,
        };
        // Asked of the database, not of the file: one whose first page was being written when its writer was killed
        // is emptied by SQLite, by the journal that was left, when it is first read.
        if pages(&database)? == 0 {
            mark(&database)?;
        }
        let found = schema::version(&database)?;
        if found > schema::VERSION {
            return Err(Error::Newer { path: path.to_owned(), found, known: schema::VERSION });
        }
        let unclean = has_log(path);
        settings::writer(&database, options.cache, options.log)?;
        // A sync that once failed may have left pages that the system holds and the disk does not: writing them again,
        // to another place, and syncing that is the only way to be sure.
        if unclean {
            tracing::info!(path = %path.display(), "not closed cleanly the last time: recovering");
            if !checkpoint::complete(&database)? {
                return Err(Error::RecoveryBlocked { path: path.to_owned() });
            }
        }
        schema::migrate(&mut database, path)?;
        let memory = load(&database)?;
        let checkpoints = Checkpoints::new(options.log);
        Ok(Self { database, memory, streams: Vec::new(), checkpoints })
    }

    pub(super) const fn database(&self) -> &Connection {
        &self.database
    }

    /// Where the numbering goes on.
    pub(super) const fn next_n(&self) -> i64 {
        self.memory.next_n
    }

    /// Bytes of the database, with what is still in the log.
    pub(super) fn size(&self) -> Result<u64> {
        Ok((pages(&self.database)? * settings::PAGE_SIZE).cast_unsigned())
    }

    /// See [`Timeline::positions`](super::Timeline::positions).
    pub(super) fn positions(&self) -> Result<Vec<Position>> {
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
    pub(super) fn append(&mut self, batches: &[Batch]) -> Result<()> {
        let transaction = Transaction::new_unchecked(&self.database, TransactionBehavior::Immediate)?;
        let mut group = Group::new(&self.database, &mut self.memory, &mut self.streams)?;
        for batch in batches {
            group.store(batch)?;
        }
        group.finish()?;
        transaction.commit()?;
        self.checkpoint()
    }

    /// Whether every change is in the table that is read by key.
    pub(super) fn is_derived(&self) -> bool {
        self.memory.deriver.is_done()
    }

    /// Puts some of the changes that wait for it into the table that is read by key.
    pub(super) fn derive(&mut self) -> Result<()> {
        let transaction = Transaction::new_unchecked(&self.database, TransactionBehavior::Immediate)?;
        let derived = self.memory.deriver.put_piece(&self.database, self.memory.next_n)?;
        group::write_derived(&self.database, derived)?;
        transaction.commit()?;
        self.checkpoint()
    }

    /// The transaction is committed by now, so that a checkpoint cannot be made now is no failure.
    fn checkpoint(&mut self) -> Result<()> {
        match self.checkpoints.after_commit(&self.database) {
            Err(error) if error.is_passing() => {
                tracing::warn!(%error, "the log is not brought into the database yet");
                Ok(())
            }
            result => result,
        }
    }

    /// After a transaction that came to nothing, makes the memory true of what is committed.
    pub(super) fn reload(&mut self) -> Result<()> {
        for declared in self.streams.iter_mut().flatten() {
            declared.numbers = None;
        }
        self.memory = load(&self.database)?;
        Ok(())
    }

    /// Takes over the streams that were declared to the file before this one.
    pub(super) fn take_streams(&mut self, before: &mut Self) {
        self.streams = std::mem::take(&mut before.streams);
        for declared in self.streams.iter_mut().flatten() {
            declared.numbers = None;
        }
    }

    /// Brings the log into the database, and closes it, so that one file is left.
    pub(super) fn close(self) -> Result<()> {
        if checkpoint::complete(&self.database)? {
            // With nothing left in it, closing deletes the log.
            let pragma = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            self.database.set_db_config(pragma, false)?;
        }
        self.database.close().map_err(|(_, error)| error.into())
    }
}

/// Whether a log stands beside the file at `path`: it was not closed in order, or is in use.
pub(super) fn has_log(path: &Path) -> bool {
    fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0)
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

fn pages(database: &Connection) -> Result<i64> {
    Ok(database.query_row("PRAGMA page_count", (), |row| row.get(0))?)
}

/// Makes an empty database a timeline's: the first thing that is written, so that a file left half made is known as ours.
fn mark(database: &Connection) -> Result<()> {
    database.pragma_update(None, "page_size", settings::PAGE_SIZE)?;
    database.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
    Ok(())
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
impl Store {
    /// Changes that wait, but for those of a run.
    pub(super) fn waiting(&self) -> usize {
        self.memory.deriver.waiting()
    }

    /// Makes the disk full, as it were, at so many pages.
    pub(super) fn limit_pages(&self, pages: i64) {
        self.database.pragma_update(None, "max_page_count", pages).unwrap();
    }
}
