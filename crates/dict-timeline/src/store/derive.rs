//! The table of changes, clustered by key: filled behind the commits, sorted, in slices.
//!
//! Rows go in where their key's rows end, so each touches a page of its own. Few at a time that is no matter, and they
//! go in with the commit that they belong to. Under load they wait here until there are many for each page; a sorted
//! **run** of them is then put in piece by piece, a piece with each commit or when there is nothing else to do, and
//! only when it is all in does the file's `derived_n` move past it. What is in the table beyond `derived_n` is part of
//! a run and not to be read; after a crash it is put in again, as the same rows.

use std::ops::Range;
use std::time::{Duration, Instant};

use dict_protocol::encoding::messagepack::Raw;
use dict_protocol::value::Kind;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement};

use crate::column;
use crate::error::Result;
use crate::record::DEPTH;

/// So many changes at most are put in with their own commit.
const AT_ONCE: usize = 256;
/// So many are put in with each commit, or as often as nothing else is to be done, while there is a run.
const PIECE: usize = 20_000;
/// With so many waiting, they become a run; with few of them in tests, which are to see many runs. Each run touches a page or
/// two of every key: of 10,000 keys, 2 million changes took 450 bytes written for a change where 1 million took 600. They
/// take 40 bytes each and their values, twice, for a run that is being put in and the one that waits.
const RUN: usize = if cfg!(test) { 5_000 } else { 2_000_000 };
/// With so many bytes of values waiting, they become a run, and if there is one, it is put in at once.
const RUN_BYTES: usize = 64 << 20;
/// After so long they become a run in any case. Where disks are slow short runs slow down the writer, whose runs become
/// shorter still: with 2 s, a minute of 10,000 keys took 900 bytes written for a change and more in the end. Whoever reads
/// by key goes through what waits here as it came.
const PATIENCE: Duration = Duration::from_secs(5);

/// So many rows go in with one statement, which costs a fifth less than one each; what is left over goes in one by one.
const BLOCK: usize = 64;
/// Parameters of a row.
const COLUMNS: usize = 6;

/// Changes that wait for their place in the table.
#[derive(Debug, Default)]
pub(super) struct Deriver {
    waiting: Changes,
    since: Option<Instant>,
    run: Changes,
    /// How much of the run is in the table.
    put: usize,
    /// Where the numbering goes on after the run.
    run_end: i64,
}

/// Changes and, in one arena, their values as MessagePack.
#[derive(Debug, Default)]
struct Changes {
    list: Vec<Change>,
    values: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Change {
    series: u32,
    n: i64,
    time: i64,
    late: bool,
    /// `None`: removed.
    value: Option<Range<u32>>,
}

impl Deriver {
    /// Takes a change in. Numbers rise from one to the next.
    pub(super) fn push(&mut self, series: u32, n: i64, time: i64, late: bool, value: Option<Raw<'_>>) {
        let values = &mut self.waiting.values;
        let value = value.map(|value| {
            let start = values.len() as u32;
            values.extend_from_slice(value.as_bytes());
            start..values.len() as u32
        });
        self.waiting.list.push(Change { series, n, time, late, value });
        self.since.get_or_insert_with(Instant::now);
    }

    /// Whether everything is in the table.
    pub(super) fn is_done(&self) -> bool {
        self.waiting.list.is_empty() && self.run.list.is_empty()
    }

    /// Changes that are in no run.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.list.len()
    }

    /// Puts in what is due, within the transaction that is open, in which `arrived` changes came. `end` is where the
    /// numbering goes on. Returns where the numbers begin that may not all be in, if that moved.
    pub(super) fn put_due(&mut self, database: &Connection, end: i64, arrived: usize) -> Result<Option<i64>> {
        if self.run.list.is_empty() {
            let patience = self.since.is_none_or(|since| since.elapsed() >= PATIENCE);
            let waiting = self.waiting.list.len();
            if waiting > AT_ONCE && waiting < RUN && self.waiting.values.len() < RUN_BYTES && !patience {
                return Ok(None);
            }
            self.begin_run(end);
        }
        // Twice what comes in, so that a run is in before as much again has come.
        let count = if self.waiting.values.len() < RUN_BYTES { PIECE.max(2 * arrived) } else { usize::MAX };
        self.put(database, count)
    }

    /// Puts in a piece of what there is, due or not.
    pub(super) fn put_piece(&mut self, database: &Connection, end: i64) -> Result<Option<i64>> {
        if self.run.list.is_empty() {
            self.begin_run(end);
        }
        self.put(database, PIECE)
    }

    fn begin_run(&mut self, end: i64) {
        std::mem::swap(&mut self.run, &mut self.waiting);
        self.run.list.sort_unstable_by_key(|change| (change.series, change.n));
        self.since = None;
        self.put = 0;
        self.run_end = end;
    }

    fn put(&mut self, database: &Connection, count: usize) -> Result<Option<i64>> {
        let end = self.run.list.len().min(self.put.saturating_add(count));
        let (blocks, rest) = self.run.list[self.put..end].as_chunks::<BLOCK>();
        insert(database, blocks, &self.run.values)?;
        insert(database, rest.as_chunks::<1>().0, &self.run.values)?;
        self.put = end;
        if end < self.run.list.len() {
            return Ok(None);
        }
        self.run.list.clear();
        self.run.values.clear();
        Ok(Some(self.run_end))
    }
}

/// Puts rows in, so many with each execution of a statement.
fn insert<const ROWS: usize>(database: &Connection, blocks: &[[Change; ROWS]], values: &[u8]) -> Result<()> {
    if blocks.is_empty() {
        return Ok(());
    }
    let rows = ["(?, ?, ?, ?, ?, ?)"; ROWS].join(", ");
    let mut insert = database.prepare_cached(&format!(
        "INSERT OR REPLACE INTO change_row (series_id, n, time, late, type, value) VALUES {rows}"
    ))?;
    for changes in blocks {
        for (change, first) in changes.iter().zip((1..).step_by(COLUMNS)) {
            change.bind(&mut insert, first, values)?;
        }
        insert.raw_execute()?;
    }
    Ok(())
}

impl Change {
    /// Binds it as the row whose parameters begin at `first`.
    fn bind(&self, insert: &mut Statement<'_>, first: usize, values: &[u8]) -> rusqlite::Result<()> {
        insert.raw_bind_parameter(first, self.series)?;
        insert.raw_bind_parameter(first + 1, self.n)?;
        insert.raw_bind_parameter(first + 2, self.time)?;
        insert.raw_bind_parameter(first + 3, self.late)?;
        match &self.value {
            Some(value) => {
                let bytes = &values[value.start as usize..value.end as usize];
                let raw = Raw::parse(bytes, DEPTH).expect("a value of a body that was parsed");
                bind_value(insert, first + 4, raw)
            }
            None => bind(insert, first + 4, column::columns(None)),
        }
    }
}

/// Binds a value, as type and value, without decoding it first, where it is of a plain type.
fn bind_value(insert: &mut Statement<'_>, at: usize, raw: Raw<'_>) -> rusqlite::Result<()> {
    let plain = match raw.kind() {
        Kind::Integer => raw.as_i64().map(ValueRef::Integer),
        Kind::Float => raw.as_f64().filter(|float| !float.is_nan()).map(ValueRef::Real),
        Kind::Text => raw.as_str().map(|text| ValueRef::Text(text.as_bytes())),
        Kind::Binary => raw.as_binary().map(ValueRef::Blob),
        Kind::Null | Kind::Bool | Kind::List | Kind::Dictionary => None,
    };
    match plain {
        Some(value) => bind(insert, at, (column::type_code(raw.kind()), ToSqlOutput::Borrowed(value))),
        None => bind(insert, at, column::columns(Some(&raw.decode()))),
    }
}

fn bind(
    insert: &mut Statement<'_>,
    at: usize,
    (kind, value): (i64, ToSqlOutput<'_>),
) -> rusqlite::Result<()> {
    insert.raw_bind_parameter(at, kind)?;
    insert.raw_bind_parameter(at + 1, value)
}
