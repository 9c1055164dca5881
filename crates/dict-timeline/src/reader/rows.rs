//! Rows that pass a filter, in their order, from one file after the other.

use std::iter::FusedIterator;
use std::path::PathBuf;
use std::vec;

use super::file::FileRows;
use super::{Held, Reader};
use crate::error::Result;
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
    /// The last so many, if that is what was asked for.
    ready: vec::IntoIter<Row>,
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
        for path in std::mem::take(&mut self.parts) {
            let Some(file) = self.reader.part(&path)? else { continue };
            let filter = Filter { limit: Some(Limit::Last(left)), ..self.filter.clone() };
            let mut rows = file.rows(&filter, self.end.cast_signed())?;
            let mut of_file = Vec::new();
            while let Some(row) = rows.next(&file) {
                of_file.push(row?);
            }
            left -= of_file.len() as u64;
            found.push(of_file);
            if left == 0 {
                break;
            }
        }
        self.ready = found.into_iter().rev().flatten().collect::<Vec<_>>().into_iter();
        Ok(())
    }

    /// The next row from the files.
    fn read(&mut self) -> Result<Option<Row>> {
        loop {
            if let Some((file, rows)) = &mut self.current {
                if let Some(row) = rows.next(file) {
                    return row.map(Some);
                }
                self.current = None;
            }
            let Some(path) = self.parts.pop() else { return Ok(None) };
            self.current = self.open(&path)?;
        }
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
        if self.left == 0 {
            return None;
        }
        let next = match self.ready.next() {
            Some(row) => Ok(Some(row)),
            None => self.read(),
        };
        match next {
            Ok(Some(row)) => {
                self.left -= 1;
                self.at = row.n.unwrap_or(self.at);
                Some(Ok(row))
            }
            Ok(None) => None,
            Err(error) => {
                self.left = 0;
                Some(Err(error))
            }
        }
    }
}

impl FusedIterator for Rows<'_> {}
