//! Whether the table of spans says where the records of a time are.

use dict_protocol::time::Time;
use rusqlite::Connection;

use crate::error::Result;
use crate::folder::Extent;

/// The spans as they are stored, and what records say in their place.
#[derive(Debug, Default)]
pub(super) struct Spans {
    stored: Vec<Span>,
    /// Which of them the records have come to.
    at: usize,
    /// What the records within that one say.
    found: Option<Span>,
    /// A record in it cannot be read.
    damaged: bool,
    /// What all records say that could be read.
    extent: Option<Extent>,
    /// Numbers of which something else is stored.
    wrong: Vec<(i64, i64)>,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    extent: Extent,
    changes: i64,
}

impl Spans {
    pub(super) fn load(database: &Connection) -> Result<Self> {
        let mut query = database
            .prepare("SELECT first_n, last_n, time_min, time_max, changes FROM span ORDER BY first_n")?;
        let stored = query.query_map((), |row| {
            let extent = Extent {
                first_n: row.get(0)?,
                last_n: row.get(1)?,
                time_min: Time::from_nanos(row.get(2)?),
                time_max: Time::from_nanos(row.get(3)?),
            };
            Ok(Span { extent, changes: row.get(4)? })
        })?;
        let stored = stored.collect::<Result<_, _>>()?;
        Ok(Self { stored, ..Self::default() })
    }

    /// The last number that is in one; 0: none is.
    pub(super) fn end(&self) -> i64 {
        self.stored.last().map_or(0, |span| span.extent.last_n)
    }

    /// Takes in the next record.
    pub(super) fn take(&mut self, first_n: i64, rows: i64, time: Time, changes: i64) {
        let extent = Extent { first_n, last_n: first_n + rows - 1, time_min: time, time_max: time };
        self.extent = Some(self.extent.map_or(extent, |all| all.with(&extent)));
        self.go_to(first_n);
        match self.stored.get(self.at) {
            Some(stored) if stored.extent.first_n <= first_n => {
                let changes = self.found.map_or(0, |found| found.changes) + changes;
                let extent = self.found.map_or(extent, |found| found.extent.with(&extent));
                self.found = Some(Span { extent, changes });
            }
            _ => self.wrong.push((extent.first_n, extent.last_n)),
        }
    }

    /// Passes by a record that cannot be read, and that is told of already.
    pub(super) fn pass(&mut self, first_n: i64) {
        self.go_to(first_n);
        self.damaged = true;
    }

    /// Where something else is stored than the records say, and what these say of the whole file.
    pub(super) fn finish(mut self) -> (Vec<(i64, i64)>, Option<Extent>) {
        self.go_to(i64::MAX);
        (self.wrong, self.extent)
    }

    /// Compares what is before the span of a number.
    fn go_to(&mut self, n: i64) {
        while let Some(stored) = self.stored.get(self.at).filter(|stored| stored.extent.last_n < n) {
            let found = self.found.take();
            if !std::mem::take(&mut self.damaged) && found.as_ref() != Some(stored) {
                self.wrong.push((stored.extent.first_n, stored.extent.last_n));
            }
            self.at += 1;
        }
    }
}
