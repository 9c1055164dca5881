//! Spans: which times stand in which stretch of numbers, so that a time is found without an index on time.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::error::Result;

/// Numbers in one span, about.
const LENGTH: i64 = 4_096;

/// The spans that the next commit is to write; the last of them is still growing.
#[derive(Debug, Default)]
pub(super) struct Spans(Vec<Span>);

#[derive(Clone, Copy, Debug)]
struct Span {
    first_n: i64,
    last_n: i64,
    time_min: i64,
    time_max: i64,
    changes: i64,
}

impl Spans {
    pub(super) fn load(database: &Connection) -> Result<Self> {
        let last = database
            .query_row(
                "SELECT first_n, last_n, time_min, time_max, changes FROM span ORDER BY first_n DESC LIMIT 1",
                (),
                |row| {
                    Ok(Span {
                        first_n: row.get(0)?,
                        last_n: row.get(1)?,
                        time_min: row.get(2)?,
                        time_max: row.get(3)?,
                        changes: row.get(4)?,
                    })
                },
            )
            .optional()?;
        Ok(Self(last.into_iter().collect()))
    }

    /// Takes in the numbers of one record.
    pub(super) fn add(&mut self, first_n: i64, last_n: i64, time: i64, changes: i64) {
        match self.0.last_mut() {
            Some(span) if span.last_n - span.first_n < LENGTH => {
                span.last_n = last_n;
                span.time_min = span.time_min.min(time);
                span.time_max = span.time_max.max(time);
                span.changes += changes;
            }
            _ => self.0.push(Span { first_n, last_n, time_min: time, time_max: time, changes }),
        }
    }

    /// Writes them all and keeps the last, to go on with.
    pub(super) fn write(&mut self, database: &Connection) -> Result<()> {
        let mut insert = database.prepare_cached(
            "INSERT OR REPLACE INTO span (first_n, last_n, time_min, time_max, changes) VALUES (?, ?, ?, ?, ?)",
        )?;
        for span in &self.0 {
            insert.execute(params![span.first_n, span.last_n, span.time_min, span.time_max, span.changes])?;
        }
        let last = self.0.pop();
        self.0.clear();
        self.0.extend(last);
        Ok(())
    }
}
