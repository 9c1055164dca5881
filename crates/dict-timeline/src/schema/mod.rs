//! The schema's versions and how a file comes from one to the next.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::{Error, Result};

/// What marks an SQLite database as a timeline: "dtwr" in ASCII, the application id in its header.
pub(crate) const APPLICATION_ID: i32 = 0x6474_7772;

/// Each step from one version to the next, in order; the version is how many of them a file has had.
///
/// A step that was released is never changed: a later one is added.
const MIGRATIONS: [&str; 2] = [include_str!("1.sql"), include_str!("2.sql")];

/// The version that this program writes.
pub(crate) const VERSION: i64 = MIGRATIONS.len() as i64;

/// The version of an open file.
pub(crate) fn version(connection: &Connection) -> Result<i64> {
    Ok(connection.query_row("PRAGMA user_version", (), |row| row.get(0))?)
}

/// Brings a file up to [`VERSION`], each step in one transaction: it is done in whole or not at all.
///
/// # Errors
///
/// [`Error::Newer`], and what SQLite says.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<()> {
    let found = version(connection)?;
    let done = usize::try_from(found)
        .ok()
        .filter(|done| *done <= MIGRATIONS.len())
        .ok_or_else(|| Error::Newer { path: path.to_owned(), found, known: VERSION })?;
    for (version, sql) in (1_i64..).zip(MIGRATIONS).skip(done) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
        tracing::debug!(version, "schema brought up to date");
    }
    Ok(())
}
