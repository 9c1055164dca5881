//! Rows of one file that pass a filter, in their order.

use super::File;
use super::merge::{Merge, Table};
use super::scan::Scan;
use super::spans::{Range, cut};
use crate::error::Result;
use crate::filter::Filter;
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
    /// The rows up to number `last` that pass `filter`, whatever its limit.
    ///
    /// A few keys, or kinds other than `change`, are read where they stand in order; everything else by going through
    /// all rows in the time asked for.
    pub(in crate::reader) fn rows(&self, filter: &Filter, last: i64) -> Result<FileRows> {
        self.begin(filter, last, false, u64::MAX)
    }

    /// The last `count` of them. They are searched from the end.
    pub(in crate::reader) fn last_rows(&self, filter: &Filter, last: i64, count: u64) -> Result<Vec<Row>> {
        let mut from_end = self.begin(filter, last, true, count)?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut rows = Vec::new();
        while rows.len() < count {
            let more = from_end.fill(self, &mut rows);
            // What was read before an error is good, and may be enough.
            if rows.len() < count && !more? {
                break;
            }
        }
        rows.truncate(count);
        rows.reverse();
        Ok(rows)
    }

    fn begin(&self, filter: &Filter, last: i64, backwards: bool, wanted: u64) -> Result<FileRows> {
        // In this order: what is derived by now is below what has been committed by then.
        let derived = self.derived()?;
        let end = self.end()?.min(last);
        let ranges = self.ranges(filter, end)?;
        let stages = self.stages(filter, ranges, (derived, end), backwards, wanted)?;
        Ok(FileRows { filter: filter.clone(), stages })
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
    /// Appends the rows of one more slice of the file that this was made of. Returns whether there may be more. What was
    /// appended before an error is good.
    pub(in crate::reader) fn fill(&mut self, file: &File, out: &mut Vec<Row>) -> Result<bool> {
        let Some(stage) = self.stages.last_mut() else { return Ok(false) };
        match stage.fill(file, &self.filter, out) {
            Ok(true) => {}
            Ok(false) => drop(self.stages.pop()),
            Err(error) => {
                self.stages.clear();
                return Err(error);
            }
        }
        Ok(true)
    }
}
