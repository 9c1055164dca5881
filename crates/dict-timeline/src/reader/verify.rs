//! Whether a timeline is what it should be.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use dict_protocol::value::Value;
use hashbrown::HashMap;
use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};

use super::{Reader, Stream, records};
use crate::column;
use crate::error::{Error, Result};
use crate::event;
use crate::export::json;
use crate::filter::Filter;
use crate::record::{Item, Record};
use crate::row::{Content, Kind, Row};
use continuity::Continuity;

mod continuity;

/// Findings at most: a file that is broken in more places is as broken.
const MOST: usize = 1_000;
/// Rows of one slice.
const SLICE: i64 = 10_000;
/// Numbers of one bucket of [`Fingerprints`].
const BUCKET: i64 = 1 << 16;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// SQLite finds its own structure damaged.
    Database(String),
    /// A record is not what was written.
    Damaged {
        /// Its number.
        n: u64,
        /// What is wrong with it.
        what: String,
    },
    /// Records are gone.
    NumbersMissing {
        /// The first number that no record takes.
        first: u64,
        /// The last.
        last: u64,
    },
    /// An update is there twice, or after one that follows it.
    Repeated {
        /// Its number.
        n: u64,
        /// Whose.
        source: String,
        /// In which epoch.
        epoch: u64,
        /// Which.
        sequence: u64,
    },
    /// Updates are missing, and no gap says so.
    Missing {
        /// Whose.
        source: String,
        /// In which epoch.
        epoch: u64,
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
    },
    /// A later epoch began before this one's end was seen, and no gap says so.
    Unended {
        /// Whose.
        source: String,
        /// Which epoch.
        epoch: u64,
        /// The last update held of it.
        last: u64,
    },
    /// The position that is told to hubs is not that of the records.
    Position {
        /// Whose.
        source: String,
        /// In which epoch.
        epoch: u64,
        /// What the table says.
        stored: u64,
        /// What the records say.
        found: u64,
    },
    /// The tables of rows do not say what the records say.
    Derived {
        /// Which: `change`, or `others`.
        table: &'static str,
        /// The difference is among the numbers from here
        first: u64,
        /// to here.
        last: u64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(what) => write!(f, "the database is damaged: {what}"),
            Self::Damaged { n, what } => write!(f, "row {n} is damaged: {what}"),
            Self::NumbersMissing { first, last } => write!(f, "rows {first} to {last} are gone"),
            Self::Repeated { n, source, epoch, sequence } => {
                write!(f, "row {n} repeats update {sequence} of {source}, epoch {epoch}, or is out of order")
            }
            Self::Missing { source, epoch, first, last } => {
                write!(
                    f,
                    "updates {first} to {last} of {source}, epoch {epoch}, are missing, and no gap says so"
                )
            }
            Self::Unended { source, epoch, last } => write!(
                f,
                "of {source}, epoch {epoch}, what came after update {last} is unknown, and no gap says so"
            ),
            Self::Position { source, epoch, stored, found } => write!(
                f,
                "of {source}, epoch {epoch}, update {found} is the last, and the table of positions says {stored}"
            ),
            Self::Derived { table, first, last } => {
                write!(f, "the rows {first} to {last} in the tables ({table}) differ from what was recorded")
            }
        }
    }
}

/// What [`Reader::verify`] is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// SQLite's own check of the file's structure; of this no progress is known.
    Database,
    /// Checksums, numbering and continuity of the records.
    Records,
    /// The table of changes against the records.
    Changes,
}

/// How far [`Reader::verify`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is at.
    pub stage: Stage,
    /// How much of that is done,
    pub done: u64,
    /// of how much; 0: not known.
    pub total: u64,
}

impl Reader {
    /// Checks everything that can be checked, and returns what is wrong: nothing, if all is well.
    ///
    /// The database's structure, the checksum of each record, that no number is left out; for each source and epoch that
    /// every update is present once or covered by a gap, and that an epoch ended or a gap says what is not known of its
    /// end; that the tables of rows say what the records say. A writer may go on meanwhile: what it adds is not looked
    /// at.
    ///
    /// # Errors
    ///
    /// What keeps it from checking at all; not what it finds.
    pub fn verify(&self, mut progress: impl FnMut(Progress)) -> Result<Vec<Finding>> {
        progress(Progress { stage: Stage::Database, done: 0, total: 0 });
        let mut findings = self.check_database()?;
        let snapshot = match Snapshot::take(self) {
            // A file this broken cannot be looked at any further.
            Err(Error::Sqlite(_)) if !findings.is_empty() => return Ok(findings),
            snapshot => snapshot?,
        };
        let mut check = Check {
            reader: self,
            snapshot,
            findings: Vec::new(),
            changes: Fingerprints::default(),
            others: Fingerprints::default(),
        };
        let checked = check
            .records(&mut progress)
            .and_then(|()| check.changes(&mut progress))
            .and_then(|()| check.others());
        findings.append(&mut check.findings);
        match checked {
            Err(Error::Sqlite(error)) if !findings.is_empty() => {
                findings.push(Finding::Database(error.to_string()));
            }
            Err(Error::Corrupt { n, what }) => findings.push(Finding::Damaged { n, what }),
            checked => checked?,
        }
        findings.truncate(MOST);
        Ok(findings)
    }

    fn check_database(&self) -> Result<Vec<Finding>> {
        let mut query = self.database.prepare("PRAGMA integrity_check(100)")?;
        let lines = query.query_map((), |row| row.get::<_, String>(0));
        match lines.and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(lines) => Ok(lines.into_iter().filter(|line| line != "ok").map(Finding::Database).collect()),
            Err(error) => Ok(vec![Finding::Database(error.to_string())]),
        }
    }
}

/// What must agree with each other, read at one moment.
#[derive(Debug)]
struct Snapshot {
    first_n: i64,
    end: i64,
    derived: i64,
    span_end: i64,
    resume: HashMap<(i64, u64), u64>,
}

impl Snapshot {
    fn take(reader: &Reader) -> Result<Self> {
        let transaction = reader.database.unchecked_transaction()?;
        let (first_n, derived) =
            transaction.query_row("SELECT first_n, derived_n FROM position", (), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let span_end =
            transaction.query_row("SELECT coalesce(max(last_n), 0) FROM span", (), |row| row.get(0))?;
        let end = reader.end()?;
        let mut query = transaction.prepare("SELECT source_id, epoch, sequence FROM resume")?;
        let resume = query
            .query_map((), |row| {
                let key = (row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned());
                Ok((key, row.get::<_, i64>(2)?.cast_unsigned()))
            })?
            .collect::<Result<_, _>>()?;
        Ok(Self { first_n, end, derived, span_end, resume })
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
    reader: &'r Reader,
    snapshot: Snapshot,
    findings: Vec<Finding>,
    changes: Fingerprints,
    others: Fingerprints,
}

impl Check<'_> {
    fn records(&mut self, progress: &mut impl FnMut(Progress)) -> Result<()> {
        let end = self.snapshot.end;
        let mut continuity = Continuity::default();
        let mut series = SeriesNumbers::default();
        let mut expected = self.snapshot.first_n;
        let mut from = Some(expected).filter(|first| *first <= end);
        let reader = self.reader;
        while let Some(at) = from {
            from = records::try_slice(&reader.database, (at, end), SLICE, false, |n, rows, record| {
                if n != expected {
                    let (first, last) = (expected.cast_unsigned(), (n - 1).cast_unsigned());
                    self.findings.push(Finding::NumbersMissing { first, last });
                }
                expected = n + rows.max(1);
                match record.and_then(|record| self.record(&record, &mut continuity, &mut series)) {
                    Err(Error::Corrupt { n, what }) => {
                        self.findings.push(Finding::Damaged { n, what });
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
                return Ok(());
            }
        }
        if self.snapshot.span_end >= expected {
            let (first, last) = (expected.cast_unsigned(), self.snapshot.span_end.cast_unsigned());
            self.findings.push(Finding::NumbersMissing { first, last });
        }
        continuity.finish(&self.snapshot.resume, &mut self.findings);
        Ok(())
    }

    fn record(
        &mut self,
        record: &Record<'_>,
        continuity: &mut Continuity,
        series: &mut SeriesNumbers,
    ) -> Result<()> {
        let stream = self.reader.stream(record.stream_id)?;
        let contents = record.contents()?;
        let source = series.source(self.reader, &stream.source)?;
        continuity.take(source, &stream, record, contents.context.missing, &mut self.findings);
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
            if n < self.snapshot.derived {
                let series = series.key(self.reader, source, key)?;
                let time = record.time.as_nanos();
                self.changes.add(n, |hasher| hash_change(hasher, series, time, record.late, value.as_ref()));
            }
        }
        Ok(())
    }

    fn add_other(&mut self, n: i64, record: &Record<'_>, stream: &Stream, content: Content) {
        let row = Row { n: Some(n.cast_unsigned()), time: record.time, hub: stream.hub.clone(), content };
        self.others.add(n, |hasher| hash_row(hasher, &row));
    }

    /// The table of changes, by key, against what the records made of it.
    fn changes(&mut self, progress: &mut impl FnMut(Progress)) -> Result<()> {
        let mut found = Fingerprints::default();
        let mut query = self.reader.database.prepare(
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
        Ok(())
    }

    /// The tables of the other kinds against what the records made of them.
    fn others(&mut self) -> Result<()> {
        let mut found = Fingerprints::default();
        let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Change).collect();
        for row in self.reader.rows(&Filter { kinds, ..Filter::default() })? {
            let row = row?;
            let n = row.n.unwrap_or_default().cast_signed();
            if n <= self.snapshot.end {
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
    fn source(&mut self, reader: &Reader, name: &str) -> Result<i64> {
        if let Some(id) = self.sources.get(name) {
            return Ok(*id);
        }
        let id =
            reader.database.query_row("SELECT id FROM source WHERE name = ?", [name], |row| row.get(0))?;
        self.sources.insert(name.to_owned(), id);
        Ok(id)
    }

    /// The number of a key; 0, which no row has, if it has none.
    fn key(&mut self, reader: &Reader, source: i64, key: &str) -> Result<i64> {
        use rusqlite::OptionalExtension as _;

        let keys = self.keys.entry(source).or_default();
        if let Some(id) = keys.get(key) {
            return Ok(*id);
        }
        let mut query =
            reader.database.prepare_cached("SELECT id FROM series WHERE source_id = ? AND key = ?")?;
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
