//! Batches as a recorder would make them.

use std::path::PathBuf;

use dict_protocol::change;
use dict_protocol::encoding::messagepack;
use dict_protocol::limits::Limits;
use dict_protocol::record::{Batch, Entry, EntryKind, GapReason, Missing, Stamp, Stream};
use dict_protocol::time::Time;
use dict_protocol::value::{Dictionary, Value};
use dict_timeline::{Content, Filter, Options, Reader, Row, Timeline};
use tempfile::TempDir;

/// The time of the first entry: 2026-11-21T10:00:00Z.
pub(crate) const START: i64 = 1_795_255_200_000_000_000;
/// From one entry to the next.
pub(crate) const STEP: i64 = 1_000_000_000;

/// Makes batches; each entry is a second after the one before.
#[derive(Default)]
pub(crate) struct Maker {
    pub(crate) batch: Batch,
    streams: Vec<(String, u64)>,
    entries: i64,
}

impl Maker {
    #[expect(clippy::needless_pass_by_value, reason = "so that a dictionary can be written where it is used")]
    pub(crate) fn update(
        &mut self,
        source: &str,
        epoch: u64,
        sequence: u64,
        removed: &[&str],
        set: Dictionary,
    ) -> &mut Entry {
        let body = patch(removed, &set);
        self.entry(source, epoch, EntryKind::Update, sequence, &body)
    }

    pub(crate) fn set(
        &mut self,
        source: &str,
        epoch: u64,
        sequence: u64,
        key: &str,
        value: impl Into<Value>,
    ) {
        self.update(source, epoch, sequence, &[], Dictionary::from([(key, value)]));
    }

    pub(crate) fn state(
        &mut self,
        source: &str,
        epoch: u64,
        sequence: u64,
        missing: Missing,
        values: &Dictionary,
    ) {
        let mut body = Vec::new();
        messagepack::encode_dictionary(values, Limits::DEEPEST, &mut body).unwrap();
        self.entry(source, epoch, EntryKind::State { missing }, sequence, &body);
    }

    pub(crate) fn end(&mut self, source: &str, epoch: u64, sequence: u64) {
        let body = patch(&[], &Dictionary::new());
        self.entry(source, epoch, EntryKind::End, sequence, &body);
    }

    pub(crate) fn entry(
        &mut self,
        source: &str,
        epoch: u64,
        kind: EntryKind,
        sequence: u64,
        body: &[u8],
    ) -> &mut Entry {
        let stream = self.stream(source, epoch);
        let time = Time::from_nanos(START + self.entries * STEP);
        self.entries += 1;
        let start = self.batch.bytes.len();
        self.batch.bytes.extend_from_slice(body);
        let stamp =
            Stamp { hub_time: time, writer_time: time.offset_by(-7), offset: 5, uncertainty: Some(2) };
        self.batch.entries.push(Entry {
            stream,
            kind,
            sequence,
            time,
            stamp,
            replayed: false,
            late: false,
            body: start..self.batch.bytes.len(),
        });
        self.batch.entries.last_mut().unwrap()
    }

    fn stream(&mut self, source: &str, epoch: u64) -> u32 {
        let known = self.streams.iter().position(|(name, of)| name == source && *of == epoch);
        let index = known.unwrap_or(self.streams.len()) as u32;
        if known.is_none() {
            self.streams.push((source.to_owned(), epoch));
            self.batch.streams.push(Stream { index, hub: "lab".into(), source: source.to_owned(), epoch });
        }
        index
    }

    /// Stores what was made since the last time.
    pub(crate) fn store(&mut self, timeline: &mut Timeline) {
        timeline.append(&[std::mem::take(&mut self.batch)]).unwrap();
    }

    /// What was made since the last time.
    pub(crate) fn take(&mut self) -> Batch {
        std::mem::take(&mut self.batch)
    }
}

pub(crate) fn patch(removed: &[&str], set: &Dictionary) -> Vec<u8> {
    let mut body = Vec::new();
    messagepack::write_array_len(removed.len() as u32, &mut body);
    for key in removed {
        messagepack::write_text(key, &mut body).unwrap();
    }
    messagepack::encode_dictionary(set, Limits::DEEPEST, &mut body).unwrap();
    change::Patch::parse(&body, Limits::DEEPEST).unwrap();
    body
}

pub(crate) fn missing(after_epoch: u64, after: u64, reason: GapReason) -> Missing {
    Missing { after_epoch, after, reason, since: None }
}

/// A place for a timeline that is gone after the test.
pub(crate) struct Place {
    _directory: TempDir,
    pub(crate) path: PathBuf,
}

pub(crate) fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("timeline.db");
    Place { _directory: directory, path }
}

impl Place {
    pub(crate) fn write(&self) -> Timeline {
        Timeline::create_or_open(&self.path, Options::default()).unwrap()
    }

    pub(crate) fn read(&self) -> Reader {
        Reader::open(&self.path).unwrap()
    }

    /// Stores what `make` makes, in one commit, and closes.
    pub(crate) fn store(&self, make: impl FnOnce(&mut Maker)) {
        let mut timeline = self.write();
        let mut maker = Maker::default();
        make(&mut maker);
        maker.store(&mut timeline);
        timeline.close().unwrap();
    }
}

pub(crate) fn all(reader: &Reader, filter: &Filter) -> Vec<Row> {
    reader.rows(filter).unwrap().map(Result::unwrap).collect()
}

/// A row in short: `n source.key=value`, `n source.key-`, or its kind.
pub(crate) fn short(row: &Row) -> String {
    let n = row.n.unwrap();
    match &row.content {
        Content::Change(change) => match &change.value {
            Some(value) => format!("{n} {}.{}={value:?}", change.source, change.key),
            None => format!("{n} {}.{}-", change.source, change.key),
        },
        Content::Gap(gap) => {
            let last = gap.last_sequence.map_or("?".to_owned(), |last| last.to_string());
            format!("{n} gap {} {}:{}..{last}", gap.source, gap.epoch, gap.first_sequence)
        }
        other => format!("{n} {}", other.kind()),
    }
}

pub(crate) fn shorts(reader: &Reader, filter: &Filter) -> Vec<String> {
    all(reader, filter).iter().map(short).collect()
}

/// Nothing is wrong with it.
pub(crate) fn assert_sound(reader: &Reader) {
    assert_eq!(reader.verify(|_| {}).unwrap(), []);
}
