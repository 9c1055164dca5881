//! Checkpoints: the write-ahead log is copied into the database when the writer says so, and never grows unnoticed.

use rusqlite::Connection;

use crate::error::Result;
use crate::settings::PAGE_SIZE;

/// Decides when to copy.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// Pages in the log at which a checkpoint is worth its cost.
    every: i64,
    /// Pages in the log at which the next one is made.
    due: i64,
    warned: bool,
}

impl Checkpoints {
    /// Makes one whenever the log has grown by so many bytes.
    pub(super) fn new(every: u64) -> Self {
        let every = i64::try_from(every).unwrap_or(i64::MAX) / PAGE_SIZE;
        Self { every: every.max(1), due: every.max(1), warned: false }
    }

    /// Copies what the log holds, if that is due. Call it after each commit.
    ///
    /// # Errors
    ///
    /// What SQLite says. A disk that is full does no harm: the log keeps what it holds.
    pub(super) fn after_commit(&mut self, database: &Connection) -> Result<()> {
        let pages = log_pages(database, "NOOP")?;
        if pages < self.every {
            self.due = self.every;
            self.warned = false;
        }
        if pages < self.due {
            return Ok(());
        }
        let pages = log_pages(database, "PASSIVE")?;
        // Copied in whole, the log begins anew with the next commit, unless somebody still reads from it.
        self.due = pages + self.every;
        if pages > 4 * self.every && !self.warned {
            self.warned = true;
            tracing::warn!(
                mebibytes = (pages * PAGE_SIZE) >> 20,
                "the write-ahead log grows, since another program has been reading the timeline in one transaction \
                 all the time: end it, or let it read in smaller parts"
            );
        }
        Ok(())
    }
}

/// Copies all that the log holds into the database, syncs it, and empties the log. Returns whether it was all: a reader
/// can stand in the way.
///
/// # Errors
///
/// What SQLite says.
pub(super) fn complete(database: &Connection) -> Result<bool> {
    database
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| Ok(row.get::<_, i64>(0)? == 0))
        .map_err(Into::into)
}

/// Makes a checkpoint that waits for nobody, or none at all, and returns how many pages the log holds.
fn log_pages(database: &Connection, mode: &str) -> Result<i64> {
    Ok(database.query_row(&format!("PRAGMA wal_checkpoint({mode})"), (), |row| row.get(1))?)
}
