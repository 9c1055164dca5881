//! Opening: what stands at a path, how SQLite is set up, and the schema.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::{Error, Result};

/// What marks an SQLite database as a spool: "dtws" in ASCII, the application id in its header.
const APPLICATION_ID: i32 = 0x6474_7773;

/// The version of the schema that this program writes.
const VERSION: i64 = 1;

/// The one name of a file, whether it is there yet or not, so that two ways to write it meet at one lock.
pub(crate) fn canonical(path: &Path) -> Result<PathBuf> {
    let access = |source| Error::Access { path: path.to_owned(), source };
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        known => return known.map_err(access),
    }
    let name = path.file_name().ok_or_else(|| access(io::ErrorKind::InvalidInput.into()))?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok(fs::canonicalize(directory.unwrap_or(Path::new("."))).map_err(access)?.join(name))
}

/// Looks at a file's first bytes, so that a file of another program is never opened as a database, let alone changed.
pub(crate) fn look(path: &Path) -> Result<()> {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    const HEADER: usize = 100;
    const APPLICATION_ID_AT: usize = 68;

    let access = |source| Error::Access { path: path.to_owned(), source };
    let foreign = |found: &str| Err(Error::Foreign { path: path.to_owned(), found: found.to_owned() });
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(access)?,
    };
    if file.metadata().map_err(access)?.is_dir() {
        return foreign("a directory");
    }
    let mut header = Vec::with_capacity(HEADER);
    file.take(HEADER as u64).read_to_end(&mut header).map_err(access)?;
    if header.is_empty() {
        return Ok(());
    }
    if header.len() < HEADER || !header.starts_with(MAGIC) {
        return foreign("not an SQLite database");
    }
    if header[APPLICATION_ID_AT..].starts_with(&APPLICATION_ID.to_be_bytes()) {
        return Ok(());
    }
    foreign("an SQLite database of another kind")
}

/// Opens the database, and makes its tables if it is new.
pub(crate) fn database(path: &Path, client_id: [u8; 16]) -> Result<Connection> {
    let of = |error| Error::of(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let mut database = Connection::open_with_flags(path, flags).map_err(of)?;
    // There is one process, so no memory has to be shared with others.
    set(path, &database, "locking_mode", &"exclusive")?;
    // Closing must not sync what once failed to sync.
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(of)?;
    let version = pragma(&database, "user_version").map_err(of)?;
    match version.parse().unwrap_or(i64::MAX) {
        0 => create(&mut database, client_id).map_err(of)?,
        VERSION => {}
        found => return Err(Error::Newer { path: path.to_owned(), found, known: VERSION }),
    }
    let checked = pragma(&database, "quick_check").map_err(of)?;
    if checked != "ok" {
        return Err(Error::Damaged { path: path.to_owned(), what: checked });
    }
    set(path, &database, "journal_mode", &"wal")?;
    set(path, &database, "wal_autocheckpoint", &0)?;
    set(path, &database, "temp_store", &2)?; // memory
    if cfg!(target_os = "macos") {
        // Without these, fsync leaves data in the disk's own cache.
        set(path, &database, "fullfsync", &1)?;
        set(path, &database, "checkpoint_fullfsync", &1)?;
    }
    set_synced(&database, false).map_err(of)?;
    // What a former run left in the log is brought into the database and synced.
    checkpoint(&database).map_err(of)?;
    Ok(database)
}

/// Makes the tables of a new file, in whole or not at all.
fn create(database: &mut Connection, client_id: [u8; 16]) -> rusqlite::Result<()> {
    let transaction = database.transaction()?;
    transaction.execute_batch(include_str!("1.sql"))?;
    transaction.execute("INSERT INTO client (id, client_id) VALUES (1, ?1)", [client_id])?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// Whether the log is synced with each commit, or only when it is copied into the database.
pub(crate) fn set_synced(database: &Connection, synced: bool) -> rusqlite::Result<()> {
    const NORMAL: i64 = 1;
    const FULL: i64 = 2;
    database.pragma_update(None, "synchronous", if synced { FULL } else { NORMAL })
}

/// Copies the log into the database, syncs both, and empties the log.
///
/// A disk that is full does no harm: the log keeps what it holds.
pub(crate) fn checkpoint(database: &Connection) -> rusqlite::Result<()> {
    match pragma(database, "wal_checkpoint(truncate)") {
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => Ok(()),
        done => done.map(drop),
    }
}

/// Sets a pragma and reads it back, since SQLite ignores what it cannot do without saying so.
fn set<T: rusqlite::ToSql + ToString>(
    path: &Path,
    database: &Connection,
    name: &'static str,
    value: &T,
) -> Result<()> {
    let of = |error| Error::of(path, error);
    database.pragma_update(None, name, value).map_err(of)?;
    let (found, wanted) = (pragma(database, name).map_err(of)?, value.to_string());
    if found == wanted {
        return Ok(());
    }
    Err(Error::Setting { path: path.to_owned(), pragma: name, wanted })
}

/// A pragma's answer, as text.
fn pragma(database: &Connection, name: &str) -> rusqlite::Result<String> {
    database.query_row(&format!("PRAGMA {name}"), (), |row| {
        Ok(match row.get_ref(0)? {
            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
            other => other.as_str()?.to_owned(),
        })
    })
}
