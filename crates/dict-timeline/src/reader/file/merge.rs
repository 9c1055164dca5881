//! Reading a few keys, or some kinds, each from the table where it stands in order, and putting them in one order.

use std::collections::VecDeque;
use std::sync::Arc;

use dict_protocol::time::Time;
use rusqlite::Row as SqlRow;

use super::File;
use super::series::Series;
use super::spans::Range;
use crate::column;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::record::Record;
use crate::row::{Change, Content, Kind, Row};
use crate::tables;

/// Rows that all cursors together hold ahead.
const AHEAD: usize = 4_096;
/// Rows that are handed on at once.
const SLICE: usize = 1_024;

/// One key's changes: a range read of the primary key, with the record that each stands in looked up beside.
macro_rules! select_changes {
    ($order:literal) => {
        concat!(
            "SELECT c.n, c.time, c.type, c.value, c.late, r.sequence, r.flags, r.writer_time, r.offset, r.uncertainty, \
             r.stream_id FROM change_row c JOIN record r ON r.n = (SELECT max(n) FROM record WHERE n <= c.n) \
             WHERE c.series_id = ?4 AND c.n BETWEEN ?1 AND ?2 ORDER BY c.n ",
            $order,
            " LIMIT ?3"
        )
    };
}

/// A place in several tables at once.
#[derive(Debug)]
pub(super) struct Merge {
    cursors: Vec<Cursor>,
    /// Ranges that have not been begun, the next last.
    ranges: Vec<Range>,
    backwards: bool,
    chunk: usize,
}

/// A place in one table.
#[derive(Debug)]
struct Cursor {
    table: Table,
    /// What is still to be read of the range at hand.
    left: Option<Range>,
    ahead: VecDeque<Row>,
}

/// Where a cursor reads.
#[derive(Debug)]
pub(super) enum Table {
    Series(Series),
    Kind(Kind),
}

impl Merge {
    /// `wanted` is how many rows will be asked for, if that is known.
    pub(super) fn new(tables: Vec<Table>, mut ranges: Vec<Range>, backwards: bool, wanted: u64) -> Self {
        if !backwards {
            ranges.reverse();
        }
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let chunk = (AHEAD / tables.len().max(1)).max(16).min(wanted.max(1));
        let cursors = tables.into_iter().map(|table| Cursor { table, left: None, ahead: VecDeque::new() });
        Self { cursors: cursors.collect(), ranges, backwards, chunk }
    }

    /// Appends the rows of one more slice. Returns whether there may be more.
    pub(super) fn fill(&mut self, file: &File, filter: &Filter, out: &mut Vec<Row>) -> Result<bool> {
        let Some(range) = self.ranges.last().copied() else { return Ok(false) };
        if self.cursors.iter().all(|cursor| cursor.left.is_none() && cursor.ahead.is_empty()) {
            for cursor in &mut self.cursors {
                cursor.left = Some(range);
            }
        }
        for _ in 0..SLICE {
            for cursor in &mut self.cursors {
                cursor.refill(file, filter, self.chunk, self.backwards)?;
            }
            let heads = self.cursors.iter_mut().filter(|cursor| !cursor.ahead.is_empty());
            let head = |cursor: &&mut Cursor| cursor.ahead.front().and_then(|row| row.n);
            let next = if self.backwards { heads.max_by_key(head) } else { heads.min_by_key(head) };
            let Some(cursor) = next else {
                self.ranges.pop();
                return Ok(true);
            };
            out.extend(cursor.ahead.pop_front());
        }
        Ok(true)
    }
}

impl Cursor {
    /// Sees to it that a row is ahead, if there is one.
    fn refill(&mut self, file: &File, filter: &Filter, chunk: usize, backwards: bool) -> Result<()> {
        while self.ahead.is_empty()
            && let Some((from, to)) = self.left
        {
            let last = self.table.read(file, filter, (from, to), chunk, backwards, &mut self.ahead)?;
            let rest = last.map(|last| if backwards { (from, last - 1) } else { (last + 1, to) });
            self.left = rest.filter(|(from, to)| from <= to);
        }
        Ok(())
    }
}

impl Table {
    /// Reads at most `chunk` rows and keeps those that pass. Returns the number of the last read, unless it was the end.
    fn read(
        &self,
        file: &File,
        filter: &Filter,
        (from, to): Range,
        chunk: usize,
        backwards: bool,
        out: &mut VecDeque<Row>,
    ) -> Result<Option<i64>> {
        let (mut last, mut count) = (0, 0);
        let mut take = |n: i64, row: Option<Row>| {
            (last, count) = (n, count + 1);
            out.extend(row);
        };
        match self {
            Self::Series(series) => {
                let sql = if backwards { select_changes!("DESC") } else { select_changes!("") };
                let mut query = file.database.prepare_cached(sql)?;
                let mut rows = query.query((from, to, chunk as i64, series.id))?;
                while let Some(row) = rows.next()? {
                    let wanted = filter.wants_time(Time::from_nanos(row.get(1)?));
                    take(row.get(0)?, wanted.then(|| change(file, row, series)).transpose()?);
                }
            }
            Self::Kind(kind) => {
                let Some(sql) = tables::select(*kind, backwards) else { return Ok(None) };
                let mut query = file.database.prepare_cached(sql)?;
                let mut rows = query.query((from, to, chunk as i64))?;
                while let Some(row) = rows.next()? {
                    take(row.get(0)?, of_kind(file, filter, row, *kind)?);
                }
            }
        }
        Ok((count == chunk).then_some(last))
    }
}

fn change(file: &File, row: &SqlRow<'_>, series: &Series) -> Result<Row> {
    let n = row.get::<_, i64>(0)?.cast_unsigned();
    let stream = file.stream(row.get(10)?)?;
    let value = column::value(row.get(2)?, row.get_ref(3)?);
    let value = value
        .ok_or_else(|| Error::Corrupt { n, what: "a type and a value that do not go together".into() })?;
    let (replayed, _) = Record::from_flags(row.get(6)?);
    Ok(Row {
        n: Some(n),
        time: Time::from_nanos(row.get(1)?),
        hub: Arc::clone(&stream.hub),
        content: Content::Change(Change {
            source: Arc::clone(&series.source),
            epoch: stream.epoch,
            sequence: row.get::<_, i64>(5)?.cast_unsigned(),
            key: series.key.as_ref().to_owned(),
            value,
            writer_time: Time::from_nanos(row.get(7)?),
            offset: row.get(8)?,
            uncertainty: row.get::<_, Option<i64>>(9)?.map(i64::cast_unsigned),
            replayed,
            late: row.get(4)?,
        }),
    })
}

fn of_kind(file: &File, filter: &Filter, row: &SqlRow<'_>, kind: Kind) -> Result<Option<Row>> {
    let time = Time::from_nanos(row.get(1)?);
    if !filter.wants_time(time) {
        return Ok(None);
    }
    let stream = file.stream(row.get(2)?)?;
    let content = tables::read(kind, row, &stream.source)?;
    let wanted = filter.wants_source(&stream.source)
        || content.source().is_some_and(|source| filter.wants_source(source));
    let n = Some(row.get::<_, i64>(0)?.cast_unsigned());
    Ok(wanted.then(|| Row { n, time, hub: Arc::clone(&stream.hub), content }))
}

#[cfg(test)]
mod tests {
    use crate::reader::file::File;
    use crate::{Options, Timeline};

    #[test]
    fn one_keys_history_is_a_range_of_the_primary_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("timeline.db");
        Timeline::create_or_open(&path, Options::default()).unwrap().close().unwrap();
        let file = File::open(&path).unwrap();
        for sql in [select_changes!(""), select_changes!("DESC")] {
            let mut query = file.database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let plan: Vec<String> =
                query.query_map((1, 2, 3, 4), |row| row.get("detail")).unwrap().map(Result::unwrap).collect();
            assert_eq!(plan[0], "SEARCH c USING PRIMARY KEY (series_id=? AND n>? AND n<?)", "{plan:?}");
            assert!(
                plan.iter().all(|step| !step.contains("TEMP B-TREE") && !step.contains("SCAN")),
                "{plan:?}"
            );
        }
    }
}
