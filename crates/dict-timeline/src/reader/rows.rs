//! Rows that pass a filter, in their order, from one file after the other.

use std::iter::FusedIterator;
use std::mem;
use std::path::PathBuf;
use std::vec;

use super::file::FileRows;
use super::{Held, Reader};
use crate::error::{Error, Result};
use crate::filter::{Filter, Limit};
use crate::row::Row;

/// Rows that pass a filter: those that were committed when [`Reader::rows`] was called, oldest first.
///
/// They are read in slices; between two the writer is not held up in any way. After an error it ends.
#[derive(Debug)]
pub struct Rows<'r> {
    reader: &'r Reader,
    filter: Filter,
    /// Files that have not been begun, the next last.
    parts: Vec<PathBuf>,
    current: Option<(Held<'r>, FileRows)>,
    /// What was read and not handed on yet: a slice, or the last so many, if that is what was asked for.
    ready: vec::IntoIter<Row>,
    /// What comes after those: the end, for this reason.
    failed: Option<Error>,
    /// How many rows the last slice had.
    slice: usize,
    left: u64,
    end: u64,
    at: u64,
}

impl Reader {
    /// The rows that pass `filter`.
    ///
    /// A few keys, or kinds other than `change`, are read where they stand in order; everything else by going through
    /// all rows in the time asked for. The last so many are searched from the end, and kept in memory. Of a folder only
    /// those files are opened that have rows in the time asked for.
    ///
    /// # Errors
    ///
    /// What SQLite says, and [`Error::Corrupt`](crate::Error::Corrupt): here and from the iterator.
    pub fn rows(&self, filter: &Filter) -> Result<Rows<'_>> {
        let end = self.last_n()?;
        let mut parts = self.parts_for(filter)?;
        parts.reverse();
        let mut rows = Rows {
            reader: self,
            filter: Filter { limit: None, ..filter.clone() },
            parts,
            current: None,
            ready: vec::IntoIter::default(),
            failed: None,
            slice: 0,
            left: u64::MAX,
            end,
            at: filter.after.unwrap_or_default(),
        };
        match filter.limit {
            Some(Limit::First(count)) => rows.left = count,
            Some(Limit::Last(count)) => rows.read_last(count)?,
            None => {}
        }
        Ok(rows)
    }
}

impl<'r> Rows<'r> {
    /// The number up to which rows are read: those after it were committed later.
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// The number of the row that came last, to show how far reading has come on the way to [`end`](Self::end).
    pub const fn position(&self) -> u64 {
        self.at
    }

    /// Reads the last `count` rows, beginning with the newest file.
    fn read_last(&mut self, count: u64) -> Result<()> {
        let mut found: Vec<Vec<Row>> = Vec::new();
        let mut left = count;
        for path in mem::take(&mut self.parts) {
            let Some(file) = self.reader.part(&path)? else { continue };
            let of_file = file.last_rows(&self.filter, self.end.cast_signed(), left)?;
            left -= of_file.len() as u64;
            found.push(of_file);
            if left == 0 {
                break;
            }
        }
        self.ready = found.into_iter().rev().flatten().collect::<Vec<_>>().into_iter();
        Ok(())
    }

    /// The rows that come next, as many as are read in one go, which may be none: for who takes many at once, since each
    /// is then moved less often than by the iterator. `None`: there are no more.
    ///
    /// # Errors
    ///
    /// As from the iterator.
    pub fn next_slice(&mut self) -> Option<Result<Vec<Row>>> {
        if self.left == 0 {
            return None;
        }
        if self.ready.len() == 0 {
            if let Some(error) = self.take_error() {
                return Some(Err(error));
            }
            if !self.read() {
                return None;
            }
            if self.ready.len() == 0
                && let Some(error) = self.take_error()
            {
                return Some(Err(error));
            }
        }
        let mut rows: Vec<Row> = mem::take(&mut self.ready).collect();
        rows.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= rows.len() as u64;
        self.at = rows.last().and_then(|row| row.n).unwrap_or(self.at);
        Some(Ok(rows))
    }

    /// Reads one more slice, whose rows are ready then. Returns whether there may be more.
    fn read(&mut self) -> bool {
        // Most slices are about as long as the one before.
        let mut slice = Vec::with_capacity(self.slice);
        let more = self.fill(&mut slice);
        self.slice = slice.len();
        self.ready = slice.into_iter();
        more.unwrap_or_else(|error| {
            self.failed = Some(error);
            true
        })
    }

    /// Appends the rows of one more slice of the files.
    fn fill(&mut self, out: &mut Vec<Row>) -> Result<bool> {
        loop {
            if let Some((file, rows)) = &mut self.current {
                if rows.fill(file, out)? {
                    return Ok(true);
                }
                self.current = None;
            }
            let Some(path) = self.parts.pop() else { return Ok(false) };
            self.current = self.open(&path)?;
        }
    }

    /// Why reading failed, if it did. It has ended then.
    fn take_error(&mut self) -> Option<Error> {
        let error = self.failed.take()?;
        self.left = 0;
        Some(error)
    }

    fn open(&self, path: &std::path::Path) -> Result<Option<(Held<'r>, FileRows)>> {
        let Some(file) = self.reader.part(path)? else { return Ok(None) };
        let rows = file.rows(&self.filter, self.end.cast_signed())?;
        Ok(Some((file, rows)))
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        while self.left > 0 {
            if let Some(row) = self.ready.next() {
                self.left -= 1;
                self.at = row.n.unwrap_or(self.at);
                return Some(Ok(row));
            }
            if let Some(error) = self.take_error() {
                return Some(Err(error));
            }
            if !self.read() {
                return None;
            }
        }
        None
    }
}

impl FusedIterator for Rows<'_> {}
