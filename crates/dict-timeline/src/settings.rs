//! How SQLite is set up: each setting is read back, since SQLite ignores what it cannot do without saying so.

use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::error::{Error, Result};

/// Bytes of a page: measured to be best for rows of this size among 4, 8 and 16 KiB.
pub(crate) const PAGE_SIZE: i64 = 8_192;

/// Earlier versions can lose a commit when a checkpoint and a writer meet in an unlucky moment.
const LEAST_VERSION: (i32, &str) = (3_051_003, "3.51.3");

/// How long to wait for a lock that another process holds for a moment.
const BUSY: Duration = Duration::from_secs(5);

/// Refuses an SQLite that has the fault named at [`LEAST_VERSION`].
///
/// # Errors
///
/// [`Error::SqliteVersion`].
pub(crate) fn check_version() -> Result<()> {
    accept_version(rusqlite::version_number(), rusqlite::version())
}

fn accept_version(number: i32, found: &'static str) -> Result<()> {
    if number < LEAST_VERSION.0 {
        return Err(Error::SqliteVersion { found, needed: LEAST_VERSION.1 });
    }
    Ok(())
}

/// Sets up the writer's connection to a file that is a timeline already.
///
/// `cache` is the memory for pages in KiB, `log` the size in bytes to which an emptied write-ahead log is cut.
///
/// # Errors
///
/// [`Error::Setting`], and what SQLite says.
pub(crate) fn writer(connection: &Connection, cache: u32, log: u64) -> Result<()> {
    connection.busy_timeout(BUSY)?;
    // Closing must not sync what once failed to sync: checkpoints happen where the writer asks for them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let log = i64::try_from(log).unwrap_or(i64::MAX);
    set(connection, "journal_mode", &"wal")?;
    set(connection, "synchronous", &2)?; // FULL: the log is synced at every commit
    set(connection, "wal_autocheckpoint", &0)?;
    set(connection, "journal_size_limit", &log)?;
    set(connection, "cache_size", &-i64::from(cache))?;
    set(connection, "temp_store", &2)?; // memory
    set(connection, "foreign_keys", &0)?; // the writer gives the numbers itself
    keep_plans(connection)?;
    if cfg!(target_os = "macos") {
        // Without these, fsync leaves data in the disk's own cache.
        set(connection, "fullfsync", &1)?;
        set(connection, "checkpoint_fullfsync", &1)?;
    }
    expect(connection, "page_size", &PAGE_SIZE)
}

/// Sets up a reader's connection.
///
/// # Errors
///
/// [`Error::Setting`], and what SQLite says.
pub(crate) fn reader(connection: &Connection, cache: u32) -> Result<()> {
    connection.busy_timeout(BUSY)?;
    set(connection, "query_only", &1)?;
    set(connection, "cache_size", &-i64::from(cache))?;
    keep_plans(connection)?;
    set(connection, "temp_store", &2)
}

/// A query is planned once, whatever is bound to it. Otherwise each new bound of a range may have it prepared anew, which
/// took a quarter of the time of reading a page of rows.
fn keep_plans(connection: &Connection) -> Result<()> {
    if connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)? {
        return Ok(());
    }
    let (wanted, found) = ("on".to_owned(), "off".to_owned());
    Err(Error::Setting { pragma: "query planner stability guarantee", wanted, found })
}

fn set<T: rusqlite::ToSql + ToString>(
    connection: &Connection,
    pragma: &'static str,
    value: &T,
) -> Result<()> {
    connection.pragma_update(None, pragma, value)?;
    expect(connection, pragma, value)
}

fn expect(connection: &Connection, pragma: &'static str, wanted: &impl ToString) -> Result<()> {
    let wanted = wanted.to_string();
    let found = connection.pragma_query_value(None, pragma, |row| {
        Ok(match row.get_ref(0)? {
            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
            other => other.as_str()?.to_owned(),
        })
    })?;
    if found == wanted { Ok(()) } else { Err(Error::Setting { pragma, wanted, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_sqlite_will_do_and_an_old_one_is_refused() {
        check_version().unwrap();
        accept_version(3_051_003, "3.51.3").unwrap();
        let refusal = accept_version(3_051_002, "3.51.2").unwrap_err();
        assert!(refusal.to_string().contains("3.51.3"), "{refusal}");
    }

    #[test]
    fn a_setting_that_does_not_take_is_an_error() {
        // A database in memory has no write-ahead log.
        let connection = Connection::open_in_memory().unwrap();
        assert!(matches!(writer(&connection, 1_000, 1), Err(Error::Setting { pragma: "journal_mode", .. })));
    }
}
