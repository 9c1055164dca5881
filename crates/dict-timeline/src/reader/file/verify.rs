//! Whether one file is what it should be, and goes on with the one before it.

mod continuity;
mod spans;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use dict_protocol::time::Time;
use dict_protocol::value::Value;
use hashbrown::HashMap;
use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};

use super::{File, Stream, records};
use crate::carried::{CarriedRow, CarriedSum};
use crate::column;
use crate::error::{Error, Result};
use crate::event;
use crate::export::json;
use crate::filter::Filter;
use crate::folder::{self, Extent};
use crate::reader::verify::MOST;
use crate::reader::{Finding, Progress, Stage};
use crate::record::{Item, Record, stream_checksum};
use crate::row::{Content, Kind, Row};
use continuity::{Continuity, Held, Standing};
use spans::Spans;

/// Rows of one slice.
const SLICE: i64 = 10_000;
/// Numbers of one bucket of [`Fingerprints`].
const BUCKET: i64 = 1 << 16;

/// The check of one file after the other, the oldest first.
#[derive(Debug)]
pub(in crate::reader) struct Verification {
    findings: Vec<Finding>,
    continuity: Continuity,
    is_folder: bool,
    /// Where the next file's numbers begin, if that is known.
    expected: Option<i64>,
    /// What the next file has to begin with, if it is known.
    sum: Option<u32>,
    /// The rows of each file of a folder, by its name, as far as they are known.
    extents: BTreeMap<String, Option<Extent>>,
}

impl Verification {
    /// Of a folder, or of a file, which may stand alone though others were before it.
    pub(in crate::reader) fn new(is_folder: bool) -> Self {
        Self {
            findings: Vec::new(),
            continuity: Continuity::default(),
            is_folder,
            expected: is_folder.then_some(1),
            sum: None,
            extents: BTreeMap::new(),
        }
    }

    pub(in crate::reader) const fn has_found(&self) -> bool {
        !self.findings.is_empty()
    }

    /// Notes a file that cannot even be opened.
    pub(in crate::reader) fn unreadable(&mut self, path: &Path, error: &Error) {
        self.findings.push(Finding::Database(format!("{}: {error}", path.display())));
    }

    /// Notes that a file could not be checked to its end.
    pub(in crate::reader) fn broken(&mut self, path: &Path, error: &Error) {
        self.findings.push(match error {
            Error::Corrupt { n, what } => Finding::Damaged { n: *n, what: what.clone() },
            error => Finding::Database(format!("{}: {error}", path.display())),
        });
        (self.expected, self.sum) = (None, None);
    }

    /// Checks the next file. Rows up to `pruned` are known to be gone; `goes_on`: this is not the last file.
    pub(in crate::reader) fn check(
        &mut self,
        file: &File,
        pruned: i64,
        goes_on: bool,
        progress: &mut impl FnMut(Progress),
    ) -> Result<()> {
        progress(Progress { stage: Stage::Database, done: 0, total: 0 });
        self.findings.extend(file.check_database()?);
        let snapshot = Snapshot::take(file)?;
        self.join(file, &snapshot, pruned);
        let mut check = Check {
            file,
            snapshot,
            findings: &mut self.findings,
            changes: Fingerprints::default(),
            others: Fingerprints::default(),
        };
        check.position();
        check.streams()?;
        let extent = check.records(&mut self.continuity, progress)?;
        check.changes(progress)?;
        check.others()?;
        self.continuity.compare(&check.snapshot.resume, check.findings);
        self.expected = Some(check.snapshot.end + 1);
        self.sum = if goes_on { Some(file.carried_sum()?) } else { None };
        if self.is_folder {
            self.check_catalogue(file)?;
            self.check_next(file, goes_on)?;
            self.extents.insert(file.name().to_owned(), extent);
        }
        Ok(())
    }

    /// Checks what a file of a folder says of those before it, which were checked.
    fn check_catalogue(&mut self, file: &File) -> Result<()> {
        // In this order: what is taken out of the catalogue meanwhile is noted as pruned.
        let (catalogue, pruned) = (folder::catalogue(&file.database)?, file.pruned()?);
        for (name, extent) in &self.extents {
            let Some(extent) = extent else { continue };
            // Under another name: it was renamed, and readers do without.
            let same = |known: &&Extent| known.first_n == extent.first_n;
            let known = catalogue.get(name).or_else(|| catalogue.values().find(same));
            if known.map_or(extent.last_n > pruned, |known| known != extent) {
                let what = format!("it says otherwise where and of which times the rows of {name} are");
                self.findings.push(Finding::Beginning { path: file.path.clone(), what });
            }
        }
        Ok(())
    }

    /// Checks that the file is there that goes on with the last one.
    fn check_next(&mut self, file: &File, goes_on: bool) -> Result<()> {
        if let Some(next) = folder::next_of(&file.database)?.filter(|_| !goes_on) {
            let path = file.path.with_file_name(next);
            // Both may have been removed for their age by now.
            if !path.exists() && file.path.exists() {
                self.findings.push(Finding::FileMissing { path, after: file.path.clone() });
            }
        }
        Ok(())
    }

    /// Checks that a file begins where, and with what, the one before it ended.
    fn join(&mut self, file: &File, snapshot: &Snapshot, pruned: i64) {
        let expected = self.expected.unwrap_or(snapshot.first_n);
        let differs = |what: String| Finding::Beginning { path: file.path.clone(), what };
        if snapshot.first_n < expected {
            self.findings.push(differs(format!("row {} is in both", snapshot.first_n)));
        }
        if snapshot.first_n == expected
            && let Some(sum) = self.sum
        {
            if sum != snapshot.carried_crc {
                self.findings.push(differs("it begins with other values".to_owned()));
            }
            if !self.continuity.agrees(&snapshot.carried, &mut self.findings) {
                self.findings.push(differs("it begins with other positions of sources".to_owned()));
            }
            return;
        }
        let missing = (expected.max(pruned + 1).cast_unsigned(), (snapshot.first_n - 1).cast_unsigned());
        if missing.0 <= missing.1 {
            self.findings.push(Finding::NumbersMissing { first: missing.0, last: missing.1 });
        }
        self.continuity.begin(&snapshot.carried);
    }

    pub(in crate::reader) fn finish(self) -> Vec<Finding> {
        let Self { mut findings, continuity, .. } = self;
        continuity.finish(&mut findings);
        findings.truncate(MOST);
        findings
    }
}

impl File {
    fn check_database(&self) -> Result<Vec<Finding>> {
        let what = |what: String| Finding::Database(format!("{}: {what}", self.path.display()));
        let mut query = self.database.prepare("PRAGMA integrity_check(100)")?;
        let lines = query.query_map((), |row| row.get::<_, String>(0));
        match lines.and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(lines) => Ok(lines.into_iter().filter(|line| line != "ok").map(what).collect()),
            Err(error) => Ok(vec![what(error.to_string())]),
        }
    }
}

/// What must agree with each other, read at one moment.
#[derive(Debug)]
struct Snapshot {
    first_n: i64,
    end: i64,
    derived: i64,
    pruned: i64,
    spans: Spans,
    carried_crc: u32,
    carried: Held,
    resume: Held,
}

impl Snapshot {
    fn take(file: &File) -> Result<Self> {
        let transaction = file.database.unchecked_transaction()?;
        let (first_n, derived, pruned, carried_crc) = transaction.query_row(
            "SELECT first_n, derived_n, pruned_n, carried_crc FROM position",
            (),
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )?;
        let spans = Spans::load(&transaction)?;
        let end = file.end()?;
        let held = |table: &str| -> Result<Held> {
            let sql = format!(
                "SELECT s.name, p.epoch, p.sequence, p.ended, p.time
                 FROM {table} p JOIN source s ON s.id = p.source_id"
            );
            let mut query = transaction.prepare(&sql)?;
            let held = query.query_map((), |row| {
                let standing = Standing {
                    sequence: row.get::<_, i64>(2)?.cast_unsigned(),
                    ended: row.get(3)?,
                    time: Time::from_nanos(row.get(4)?),
                };
                Ok(((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()), standing))
            })?;
            Ok(held.collect::<Result<_, _>>()?)
        };
        let (carried, resume) = (held("carried")?, held("resume")?);
        Ok(Self { first_n, end, derived, pruned, spans, carried_crc, carried, resume })
    }
}

/// The sums, over all rows of a stretch of numbers, of a hash of each: equal if the rows are, in whatever order.
#[derive(Debug, Default, PartialEq)]
struct Fingerprints(HashMap<i64, u64>);

impl Fingerprints {
    fn add(&mut self, n: i64, hash: impl FnOnce(&mut DefaultHasher)) {
        let mut hasher = DefaultHasher::new();
        n.hash(&mut hasher);
        hash(&mut hasher);
        let sum = self.0.entry(n / BUCKET).or_default();
        *sum = sum.wrapping_add(hasher.finish());
    }

    /// Where they differ.
    fn differences(&self, other: &Self) -> Vec<i64> {
        let mut buckets: Vec<i64> = self.0.keys().chain(other.0.keys()).copied().collect();
        buckets.sort_unstable();
        buckets.dedup();
        buckets.retain(|bucket| self.0.get(bucket) != other.0.get(bucket));
        buckets
    }
}

/// A check on its way.
struct Check<'r> {
    file: &'r File,
    snapshot: Snapshot,
    findings: &'r mut Vec<Finding>,
    changes: Fingerprints,
    others: Fingerprints,
}

impl Check<'_> {
    /// What the only row of the table of that name says.
    fn position(&mut self) {
        let Snapshot { first_n, end, derived, pruned, .. } = self.snapshot;
        for (column, value, most) in [("derived_n", derived, end + 1), ("pruned_n", pruned, first_n - 1)] {
            if value > most {
                let (value, most) = (value.cast_unsigned(), most.cast_unsigned());
                self.findings.push(Finding::Beyond { path: self.file.path.clone(), column, value, most });
            }
        }
    }

    /// The names that records refer to by a number.
    fn streams(&mut self) -> Result<()> {
        let mut query = self.file.database.prepare(
            "SELECT s.name, e.epoch, e.hub, e.crc FROM stream e JOIN source s ON s.id = e.source_id",
        )?;
        let mut rows = query.query(())?;
        while let Some(row) = rows.next()? {
            let (source, hub): (String, String) = (row.get(0)?, row.get(2)?);
            let (epoch, stored) = (row.get::<_, i64>(1)?.cast_unsigned(), row.get::<_, Option<u32>>(3)?);
            if stored.is_some_and(|stored| stored != stream_checksum(&source, epoch, &hub)) {
                self.findings.push(Finding::Stream { source, epoch, hub });
            }
        }
        Ok(())
    }

    /// Checks the records, and returns which there are.
    fn records(
        &mut self,
        continuity: &mut Continuity,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Option<Extent>> {
        let end = self.snapshot.end;
        let mut series = SeriesNumbers::default();
        let mut expected = self.snapshot.first_n;
        let mut from = Some(expected).filter(|first| *first <= end);
        let file = self.file;
        while let Some(at) = from {
            from = records::try_slice(&file.database, (at, end), SLICE, false, |n, rows, record| {
                if n != expected {
                    let (first, last) = (expected.cast_unsigned(), (n - 1).cast_unsigned());
                    self.findings.push(Finding::NumbersMissing { first, last });
                }
                expected = n + rows.max(1);
                match record.and_then(|record| self.record(&record, continuity, &mut series)) {
                    Err(Error::Corrupt { n: damaged, what }) => {
                        self.findings.push(Finding::Damaged { n: damaged, what });
                        self.snapshot.spans.pass(n);
                        Ok(())
                    }
                    result => result,
                }
            })?;
            progress(Progress {
                stage: Stage::Records,
                done: expected.cast_unsigned(),
                total: end.cast_unsigned(),
            });
            if self.findings.len() > MOST {
                return Ok(None);
            }
        }
        let spans = std::mem::take(&mut self.snapshot.spans);
        if spans.end() >= expected {
            let (first, last) = (expected.cast_unsigned(), spans.end().cast_unsigned());
            self.findings.push(Finding::NumbersMissing { first, last });
        }
        let (wrong, extent) = spans.finish();
        self.findings.extend(wrong.into_iter().map(|(first, last)| Finding::Derived {
            table: "span",
            first: first.cast_unsigned(),
            last: last.cast_unsigned(),
        }));
        Ok(extent)
    }

    fn record(
        &mut self,
        record: &Record<'_>,
        continuity: &mut Continuity,
        series: &mut SeriesNumbers,
    ) -> Result<()> {
        let stream = self.file.stream(record.stream_id)?;
        let contents = record.contents()?;
        let source = series.source(self.file, &stream.source)?;
        continuity.take(&stream, record, contents.context.missing, self.findings);
        let mut changes = 0;
        for (n, item) in (record.n..).zip(contents.items()) {
            let (key, value) = match item {
                Item::Missing(missing) => {
                    let gap = event::gap(
                        stream.source.clone(),
                        stream.epoch,
                        record.sequence,
                        record.kind,
                        missing,
                    );
                    self.add_other(n, record, &stream, Content::Gap(gap));
                    continue;
                }
                Item::Set(sort, value) if stream.events => {
                    self.add_other(n, record, &stream, event::content(sort, &value.decode()));
                    continue;
                }
                Item::Removed(_) if stream.events => continue,
                Item::Removed(key) => (key, None),
                Item::Set(key, value) => (key, Some(value.decode())),
            };
            changes += 1;
            if n < self.snapshot.derived {
                let series = series.key(self.file, source, key)?;
                let time = record.time.as_nanos();
                self.changes.add(n, |hasher| hash_change(hasher, series, time, record.late, value.as_ref()));
            }
        }
        self.snapshot.spans.take(record.n, record.rows, record.time, changes);
        Ok(())
    }

    fn add_other(&mut self, n: i64, record: &Record<'_>, stream: &Stream, content: Content) {
        let row = Row { n: Some(n.cast_unsigned()), time: record.time, hub: stream.hub.clone(), content };
        self.others.add(n, |hasher| hash_row(hasher, &row));
    }

    /// The table of changes, by key, against what the records made of it.
    fn changes(&mut self, progress: &mut impl FnMut(Progress)) -> Result<()> {
        let (mut found, mut carried) = (Fingerprints::default(), CarriedSum::default());
        let mut query = self.file.database.prepare(
            "SELECT series_id, n, time, late, type, value FROM change_row
             WHERE (series_id, n) > (?1, ?2) ORDER BY series_id, n LIMIT ?3",
        )?;
        let (mut at, mut done) = ((0_i64, 0_i64), 0_i64);
        loop {
            let mut count = 0;
            let mut rows = query.query((at.0, at.1, SLICE))?;
            while let Some(row) = rows.next()? {
                count += 1;
                at = (row.get(0)?, row.get(1)?);
                if at.1 >= self.snapshot.derived {
                    continue;
                }
                let (time, late, kind): (i64, bool, i64) = (row.get(2)?, row.get(3)?, row.get(4)?);
                let value = row.get_ref(5)?;
                if at.1 < self.snapshot.first_n {
                    carried.add(CarriedRow { series: at.0, n: at.1, time, kind, value });
                    continue;
                }
                found.add(at.1, |hasher| hash_columns(hasher, at.0, time, late, kind, value));
            }
            done += count;
            progress(Progress {
                stage: Stage::Changes,
                done: done.cast_unsigned(),
                total: self.snapshot.end.cast_unsigned(),
            });
            if count < SLICE {
                break;
            }
        }
        self.compare("change", &self.changes.differences(&found));
        if carried.finish() != self.snapshot.carried_crc {
            let what = "the values that it begins with are damaged".to_owned();
            self.findings.push(Finding::Beginning { path: self.file.path.clone(), what });
        }
        Ok(())
    }

    /// The tables of the other kinds against what the records made of them.
    fn others(&mut self) -> Result<()> {
        let mut found = Fingerprints::default();
        let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Change).collect();
        let mut rows = self.file.rows(&Filter { kinds, ..Filter::default() }, self.snapshot.end)?;
        let mut slice = Vec::new();
        while rows.fill(self.file, &mut slice)? {
            for row in slice.drain(..) {
                let n = row.n.unwrap_or_default().cast_signed();
                found.add(n, |hasher| hash_row(hasher, &row));
            }
        }
        self.compare("others", &self.others.differences(&found));
        Ok(())
    }

    fn compare(&mut self, table: &'static str, buckets: &[i64]) {
        self.findings.extend(buckets.iter().map(|bucket| Finding::Derived {
            table,
            first: (bucket * BUCKET).cast_unsigned().max(1),
            last: ((bucket + 1) * BUCKET - 1).min(self.snapshot.end).cast_unsigned(),
        }));
    }
}

/// The numbers of sources and keys, as they were looked up.
#[derive(Debug, Default)]
struct SeriesNumbers {
    sources: HashMap<String, i64>,
    keys: HashMap<i64, HashMap<String, i64>>,
}

impl SeriesNumbers {
    fn source(&mut self, file: &File, name: &str) -> Result<i64> {
        if let Some(id) = self.sources.get(name) {
            return Ok(*id);
        }
        let id = file.database.query_row("SELECT id FROM source WHERE name = ?", [name], |row| row.get(0))?;
        self.sources.insert(name.to_owned(), id);
        Ok(id)
    }

    /// The number of a key; 0, which no row has, if it has none.
    fn key(&mut self, file: &File, source: i64, key: &str) -> Result<i64> {
        use rusqlite::OptionalExtension as _;

        let keys = self.keys.entry(source).or_default();
        if let Some(id) = keys.get(key) {
            return Ok(*id);
        }
        let mut query =
            file.database.prepare_cached("SELECT id FROM series WHERE source_id = ? AND key = ?")?;
        let id = query.query_row((source, key), |row| row.get(0)).optional()?.unwrap_or(0);
        keys.insert(key.to_owned(), id);
        Ok(id)
    }
}

fn hash_row(hasher: &mut DefaultHasher, row: &Row) {
    let mut line = String::new();
    json::write_row(row, &mut line);
    line.hash(hasher);
}

fn hash_change(hasher: &mut DefaultHasher, series: i64, time: i64, late: bool, value: Option<&Value>) {
    let (kind, value) = column::columns(value);
    let value = match &value {
        ToSqlOutput::Borrowed(value) => *value,
        ToSqlOutput::Owned(SqlValue::Text(text)) => ValueRef::Text(text.as_bytes()),
        _ => ValueRef::Null,
    };
    hash_columns(hasher, series, time, late, kind, value);
}

fn hash_columns(
    hasher: &mut DefaultHasher,
    series: i64,
    time: i64,
    late: bool,
    kind: i64,
    value: ValueRef<'_>,
) {
    (series, time, late, kind).hash(hasher);
    match value {
        ValueRef::Null => 0_u8.hash(hasher),
        ValueRef::Integer(number) => (1_u8, number).hash(hasher),
        ValueRef::Real(float) => (2_u8, float.to_bits()).hash(hasher),
        ValueRef::Text(text) => (3_u8, text).hash(hasher),
        ValueRef::Blob(bytes) => (4_u8, bytes).hash(hasher),
    }
}
