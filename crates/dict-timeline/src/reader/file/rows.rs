//! Rows of one file that pass a filter, in their order.

use std::vec;

use super::File;
use super::merge::{Merge, Table};
use super::scan::Scan;
use super::spans::{Range, cut};
use crate::error::{Error, Result};
use crate::filter::{Filter, Limit};
use crate::row::{Kind, Row};

/// With more keys than this, everything is read in order and what does not pass is left out.
const FEW: usize = 256;

/// Rows of one file that pass a filter, oldest first.
///
/// They are read in slices; between two the writer is not held up in any way. After an error it ends.
#[derive(Debug)]
pub(in crate::reader) struct FileRows {
    filter: Filter,
    /// What is still to be read, the next last.
    stages: Vec<Stage>,
    ready: vec::IntoIter<Row>,
    /// What comes after those: the end, for this reason.
    failed: Option<Error>,
    left: u64,
}

#[derive(Debug)]
enum Stage {
    Scan(Scan),
    Merge(Merge),
}

impl Stage {
    fn fill(&mut self, file: &File, filter: &Filter, out: &mut Vec<Row>) -> Result<bool> {
        match self {
            Self::Scan(scan) => scan.fill(file, filter, out),
            Self::Merge(merge) => merge.fill(file, filter, out),
        }
    }
}

impl File {
    /// The rows up to number `last` that pass `filter`.
    ///
    /// A few keys, or kinds other than `change`, are read where they stand in order; everything else by going through
    /// all rows in the time asked for. The last so many are searched from the end, and kept in memory.
    pub(in crate::reader) fn rows(&self, filter: &Filter, last: i64) -> Result<FileRows> {
        // In this order: what is derived by now is below what has been committed by then.
        let derived = self.derived()?;
        let end = self.end()?.min(last);
        let ranges = self.ranges(filter, end)?;
        let backwards = matches!(filter.limit, Some(Limit::Last(_)));
        let left = match filter.limit {
            Some(Limit::First(count) | Limit::Last(count)) => count,
            None => u64::MAX,
        };
        let stages = self.stages(filter, ranges, (derived, end), backwards, left)?;
        let mut rows =
            FileRows { filter: filter.clone(), stages, ready: vec::IntoIter::default(), failed: None, left };
        if backwards {
            let mut last = Vec::new();
            while let Some(row) = rows.next(self) {
                last.push(row?);
            }
            last.reverse();
            rows.stages.clear();
            (rows.left, rows.ready) = (left, last.into_iter());
        }
        Ok(rows)
    }

    /// How to read: the stages, the first to be read last.
    fn stages(
        &self,
        filter: &Filter,
        ranges: Vec<Range>,
        (derived, end): Range,
        backwards: bool,
        wanted: u64,
    ) -> Result<Vec<Stage>> {
        let others = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Change && filter.wants_kind(*kind));
        let mut tables: Vec<Table> = others.map(Table::Kind).collect();
        if !filter.wants_kind(Kind::Change) {
            return Ok(vec![Stage::Merge(Merge::new(tables, ranges, backwards, wanted))]);
        }
        let few = if filter.sources.is_empty() && filter.keys.is_empty() {
            None
        } else {
            self.series(filter, FEW)?
        };
        let Some(series) = few else { return Ok(vec![Stage::Scan(Scan::new(ranges, backwards))]) };
        tables.extend(series.into_iter().map(Table::Series));
        let merge = Stage::Merge(Merge::new(tables, cut(&ranges, (1, derived - 1)), backwards, wanted));
        let scan = Stage::Scan(Scan::new(cut(&ranges, (derived, end)), backwards));
        Ok(if backwards { vec![merge, scan] } else { vec![scan, merge] })
    }
}

impl FileRows {
    /// The next one, from the file that this was made of.
    pub(in crate::reader) fn next(&mut self, file: &File) -> Option<Result<Row>> {
        if self.left == 0 {
            return None;
        }
        loop {
            if let Some(row) = self.ready.next() {
                self.left -= 1;
                return Some(Ok(row));
            }
            if let Some(error) = self.failed.take() {
                return Some(Err(error));
            }
            let stage = self.stages.last_mut()?;
            let mut slice = Vec::new();
            match stage.fill(file, &self.filter, &mut slice) {
                Ok(true) => {}
                Ok(false) => drop(self.stages.pop()),
                // What was read before it is good.
                Err(error) => {
                    self.stages.clear();
                    self.failed = Some(error);
                }
            }
            self.ready = slice.into_iter();
        }
    }
}
