//! One file, opened for reading.

mod info;
mod merge;
pub(crate) mod records;
mod rows;
mod scan;
mod series;
mod spans;
mod state;
mod verify;

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dict_protocol::name::HUB_SOURCE;
use hashbrown::HashMap;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use crate::error::{Error, Result};
use crate::lock::beside;
use crate::place::{self, Found};
use crate::{schema, settings};

pub(super) use info::Tally;
pub(super) use rows::FileRows;
pub(super) use verify::Verification;

/// Memory for pages of the database, KiB.
const CACHE: u32 = 64 << 10;

/// One file of a timeline, or the only one.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    database: Connection,
    /// Where its numbers begin.
    first: i64,
    streams: RefCell<HashMap<i64, Arc<Stream>>>,
}

/// What the rows of one stream have in common.
#[derive(Debug)]
pub(crate) struct Stream {
    pub source: Arc<str>,
    pub hub: Arc<str>,
    pub epoch: u64,
    /// Whether it is a hub's events.
    pub events: bool,
}

impl File {
    /// Opens the file at `path`, which is the one name that it has.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Foreign`], [`Error::Newer`], [`Error::Older`], [`Error::Access`].
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let path = path.to_owned();
        if place::look(&path)? == Found::Nothing {
            return Err(Error::NotFound { path });
        }
        let database = connect(&path)?;
        let found = schema::version(&database)?;
        if found > schema::VERSION {
            return Err(Error::Newer { path, found, known: schema::VERSION });
        }
        if found < schema::VERSION {
            return Err(Error::Older { path, found, known: schema::VERSION });
        }
        settings::reader(&database, CACHE)?;
        database.set_prepared_statement_cache_capacity(64);
        let first = database.query_row("SELECT first_n FROM position", (), |row| row.get(0))?;
        Ok(Self { path, database, first, streams: RefCell::default() })
    }

    /// Its name within its folder.
    fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    pub(crate) fn database(&self) -> &Connection {
        &self.database
    }

    /// The last number in use.
    pub(crate) fn end(&self) -> Result<i64> {
        let mut query =
            self.database.prepare_cached("SELECT n + rows - 1 FROM record ORDER BY n DESC LIMIT 1")?;
        Ok(query.query_row((), |row| row.get(0)).optional()?.unwrap_or(self.first - 1))
    }

    /// Up to which number rows were removed, with the files that they stood in.
    pub(crate) fn pruned(&self) -> Result<i64> {
        let mut query = self.database.prepare_cached("SELECT pruned_n FROM position")?;
        Ok(query.query_row((), |row| row.get(0))?)
    }

    /// Where the numbers begin whose changes may not all be in the table that is read by key.
    pub(crate) fn derived(&self) -> Result<i64> {
        let mut query = self.database.prepare_cached("SELECT derived_n FROM position")?;
        Ok(query.query_row((), |row| row.get(0))?)
    }

    pub(crate) fn stream(&self, id: i64) -> Result<Arc<Stream>> {
        if let Some(stream) = self.streams.borrow().get(&id) {
            return Ok(Arc::clone(stream));
        }
        let stream = self
            .database
            .prepare_cached("SELECT s.name, e.hub, e.epoch FROM stream e JOIN source s ON s.id = e.source_id WHERE e.id = ?")?
            .query_row([id], |row| {
                let source: Arc<str> = row.get(0)?;
                let events = source.starts_with(HUB_SOURCE);
                Ok(Stream { source, hub: row.get(1)?, epoch: row.get::<_, i64>(2)?.cast_unsigned(), events })
            })
            .optional()?;
        let missing =
            || Error::Corrupt { n: 0, what: format!("there is no stream {id}, to which rows refer") };
        let stream = Arc::new(stream.ok_or_else(missing)?);
        self.streams.borrow_mut().insert(id, Arc::clone(&stream));
        Ok(stream)
    }
}

/// Connects in the way that leaves least behind.
///
/// A file at rest is opened for writing, though nothing is written: only so does SQLite take the files for shared
/// memory away again when it is closed. One in use, or left by a writer that was killed, is opened for reading only. One
/// that is at rest where nothing may be written, as on a read-only disk, needs no shared memory.
fn connect(path: &Path) -> Result<Connection> {
    let at_rest = !fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    let mode = if at_rest { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let shared = match place::network_file_system(path) {
        Some(kind) if !at_rest => return Err(Error::Network { path: path.to_owned(), kind }),
        Some(_) => None,
        None => Connection::open_with_flags(path, flags)
            .and_then(|database| probe(&database).map(|()| database))
            .ok(),
    };
    match shared {
        Some(database) => Ok(database),
        None if at_rest => connect_immutable(path),
        None => {
            // Once more, for what it says.
            let database = Connection::open_with_flags(path, flags)?;
            probe(&database)?;
            Ok(database)
        }
    }
    .map_err(|error: Error| match error {
        Error::Sqlite(error) if error.sqlite_error_code() != Some(rusqlite::ErrorCode::DatabaseCorrupt) => {
            Error::Access { path: path.to_owned(), source: io::Error::other(error) }
        }
        error => error,
    })
}

fn connect_immutable(path: &Path) -> Result<Connection> {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte));
            }
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(uri, flags)?;
    probe(&database)?;
    Ok(database)
}

/// SQLite opens files at the first use only.
fn probe(database: &Connection) -> rusqlite::Result<()> {
    database.busy_timeout(std::time::Duration::from_secs(5))?;
    database.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))
}
