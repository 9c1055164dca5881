//! Rows as they are committed.

use super::Reader;
use crate::error::Result;
use crate::filter::{Filter, Limit};
use crate::row::Row;

/// Rows at most from one poll.
const BATCH: u64 = 10_000;

/// Rows that pass a filter, as they come.
#[derive(Debug)]
pub struct Follow<'r> {
    reader: &'r Reader,
    filter: Filter,
}

impl Reader {
    /// Follows the timeline from the number that `filter.after` names on, else from its end as it is now.
    ///
    /// To show what there is and then what comes, take [`Rows::end`](super::Rows::end) of the first for `after` of the
    /// second. The filter's limit does not count here.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn follow(&self, filter: &Filter) -> Result<Follow<'_>> {
        let after = filter.after.map_or_else(|| self.last_n(), Ok)?;
        let filter = Filter { after: Some(after), limit: Some(Limit::First(BATCH)), ..filter.clone() };
        Ok(Follow { reader: self, filter })
    }
}

impl Follow<'_> {
    /// The rows that have been committed since the last call, at most some thousands; empty if there are none.
    ///
    /// It does not wait: whoever calls decides how often. Asking costs some microseconds.
    ///
    /// # Errors
    ///
    /// As [`Reader::rows`]; the next call tries the same again.
    pub fn poll(&mut self) -> Result<Vec<Row>> {
        let last = self.reader.last_n()?;
        if self.filter.after.is_some_and(|after| after >= last) {
            return Ok(Vec::new());
        }
        let rows = self.reader.rows(&self.filter)?;
        let end = rows.end();
        let rows = rows.collect::<Result<Vec<_>>>()?;
        let full = rows.len() as u64 == BATCH;
        let last = rows.last().and_then(|row| row.n).filter(|_| full);
        self.filter.after = self.filter.after.max(last.or(Some(end)));
        Ok(rows)
    }
}
