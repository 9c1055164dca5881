//! One group: what goes into the database in one transaction.

use std::sync::Arc;

use dict_protocol::record::{Batch, Entry, EntryKind, GapReason, Missing, Stream};
use dict_protocol::time::Time;
use rusqlite::{CachedStatement, Connection, params};

use super::derive::Deriver;
use super::sources::{Sources, StreamNumbers};
use super::span::Spans;
use crate::error::{Error, Result};
use crate::event;
use crate::record::{Body, Contents, Context, Item, Record, RecordKind};
use crate::row::Content;
use crate::tables;

/// What the writer knows without asking the database. It is true of what is committed, or of the open transaction; when
/// that fails it is thrown away and loaded again.
#[derive(Debug)]
pub(super) struct Memory {
    pub sources: Sources,
    pub next_n: i64,
    pub spans: Spans,
    pub deriver: Deriver,
}

/// A stream as the recorder declared it, and its numbers once it was used.
#[derive(Debug)]
pub(super) struct Declared {
    pub stream: Stream,
    pub numbers: Option<StreamNumbers>,
}

/// Stores entries in the open transaction.
pub(super) struct Group<'a> {
    database: &'a Connection,
    insert: CachedStatement<'a>,
    memory: &'a mut Memory,
    streams: &'a mut Vec<Option<Declared>>,
    /// How many changes were stored.
    changes: usize,
}

impl<'a> Group<'a> {
    pub(super) fn new(
        database: &'a Connection,
        memory: &'a mut Memory,
        streams: &'a mut Vec<Option<Declared>>,
    ) -> Result<Self> {
        let insert = database.prepare_cached(
            "INSERT INTO record (n, rows, kind, flags, stream_id, sequence, time, hub_time, writer_time, offset,
                uncertainty, context, crc, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        Ok(Self { database, insert, memory, streams, changes: 0 })
    }

    pub(super) fn store(&mut self, batch: &Batch) -> Result<()> {
        for stream in &batch.streams {
            let index = stream.index as usize;
            if self.streams.len() <= index {
                self.streams.resize_with(index + 1, || None);
            }
            self.streams[index] = Some(Declared { stream: stream.clone(), numbers: None });
        }
        for entry in &batch.entries {
            let numbers = self.numbers(entry)?;
            let body = batch.bytes.get(entry.body.clone());
            let body = body.ok_or(Error::Batch("the body of an entry is not within its bytes"))?;
            self.store_entry(entry, numbers, body)?;
        }
        Ok(())
    }

    fn numbers(&mut self, entry: &Entry) -> Result<StreamNumbers> {
        let declared = self.streams.get_mut(entry.stream as usize).and_then(Option::as_mut);
        let declared = declared.ok_or(Error::Batch("an entry's stream was never declared"))?;
        match declared.numbers {
            Some(numbers) => Ok(numbers),
            None => {
                let numbers = self.memory.sources.stream(self.database, &declared.stream)?;
                declared.numbers = Some(numbers);
                Ok(numbers)
            }
        }
    }

    fn store_entry(&mut self, entry: &Entry, numbers: StreamNumbers, body: &[u8]) -> Result<()> {
        let position = &self.memory.sources.epochs[numbers.epoch];
        let epoch = position.epoch;
        let (kind, missing) = match entry.kind {
            EntryKind::Update => (RecordKind::Update, None),
            EntryKind::End => (RecordKind::End, None),
            EntryKind::State { missing } => (RecordKind::State, Some(missing)),
            EntryKind::Gap { missing } => (RecordKind::Gap, Some(missing)),
            EntryKind::Unreadable { missing } => (RecordKind::Unreadable, Some(missing)),
        };
        if kind != RecordKind::Gap && entry.sequence <= position.sequence {
            // Recorders do not repeat; if one did, the timeline would still hold each update once.
            tracing::warn!(
                epoch,
                sequence = entry.sequence,
                held = position.sequence,
                "a repetition was left out"
            );
            return Ok(());
        }
        let held = position.sequence;
        let (kind, missing, parsed) = match Body::parse(kind, body) {
            Ok(parsed) => (kind, missing, parsed),
            Err(error) => {
                let declared = self.streams.get(entry.stream as usize).and_then(Option::as_ref);
                let source = declared.map_or("", |declared| &declared.stream.source);
                tracing::error!(source, epoch, sequence = entry.sequence, %error, "stored, but not readable");
                let reason = GapReason::Unreadable;
                let unreadable = Missing { after_epoch: epoch, after: held, reason, since: None };
                (RecordKind::Unreadable, Some(missing.unwrap_or(unreadable)), Body::Nothing)
            }
        };

        let source = &mut self.memory.sources.sources[numbers.source];
        let late = entry.late || epoch < source.newest_epoch;
        source.newest_epoch = source.newest_epoch.max(epoch);
        let whole = kind == RecordKind::State || (entry.sequence == 1 && matches!(parsed, Body::Patch(_)));
        let vanished = if whole && !late && !source.events {
            source.vanished(parsed.set().map(|(key, _)| key))
        } else {
            Vec::new()
        };

        let contents = Contents { context: Context { missing, vanished }, body: parsed };
        let context = contents.context.encode();
        let record = Record {
            n: self.memory.next_n,
            rows: contents.rows(),
            kind,
            replayed: entry.replayed,
            late,
            stream_id: numbers.id,
            sequence: entry.sequence,
            time: entry.time,
            hub_time: (entry.stamp.hub_time != entry.time).then_some(entry.stamp.hub_time),
            writer_time: entry.stamp.writer_time,
            offset: entry.stamp.offset,
            uncertainty: entry.stamp.uncertainty,
            context: context.as_deref(),
            body,
        };
        self.insert(&record)?;
        let changes = self.memory.absorb(self.database, &record, &contents, numbers, Absorb::New)?;
        self.memory.advance(&record, numbers, changes);
        self.changes += changes as usize;
        Ok(())
    }

    /// Writes what is kept beside the rows of a group; the last step before its commit.
    pub(super) fn finish(self) -> Result<()> {
        let Self { database, memory, changes, .. } = self;
        memory.sources.write_positions(database)?;
        memory.spans.write(database)?;
        let derived = memory.deriver.put_due(database, memory.next_n, changes)?;
        write_derived(database, derived)
    }

    fn insert(&mut self, record: &Record<'_>) -> Result<()> {
        let insert = &mut self.insert;
        insert.raw_bind_parameter(1, record.n)?;
        insert.raw_bind_parameter(2, record.rows)?;
        insert.raw_bind_parameter(3, record.kind as i64)?;
        insert.raw_bind_parameter(4, record.flags())?;
        insert.raw_bind_parameter(5, record.stream_id)?;
        insert.raw_bind_parameter(6, record.sequence.cast_signed())?;
        insert.raw_bind_parameter(7, record.time.as_nanos())?;
        insert.raw_bind_parameter(8, record.hub_time.map(Time::as_nanos))?;
        insert.raw_bind_parameter(9, record.writer_time.as_nanos())?;
        insert.raw_bind_parameter(10, record.offset)?;
        insert.raw_bind_parameter(11, record.uncertainty.map(u64::cast_signed))?;
        insert.raw_bind_parameter(12, record.context)?;
        insert.raw_bind_parameter(13, record.checksum())?;
        insert.raw_bind_parameter(14, record.body)?;
        insert.raw_execute()?;
        Ok(())
    }
}

/// Why a record is taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absorb {
    /// It is being stored.
    New,
    /// It was stored before the file was opened, and its changes were not yet put in order.
    Recovered,
}

impl Memory {
    /// Hands each item of a record to the table it belongs in, and returns how many changes there were.
    pub(super) fn absorb(
        &mut self,
        database: &Connection,
        record: &Record<'_>,
        contents: &Contents<'_>,
        numbers: StreamNumbers,
        absorb: Absorb,
    ) -> Result<i64> {
        let StreamNumbers { source, epoch, .. } = numbers;
        let events = self.sources.sources[source].events;
        let time = record.time.as_nanos();
        let mut changes = 0;
        for (n, item) in (record.n..).zip(contents.items()) {
            let (key, value) = match item {
                Item::Missing(_) | Item::Set(..)
                    if absorb == Absorb::Recovered && !is_change(item, events) =>
                {
                    continue;
                }
                Item::Missing(missing) => {
                    let epoch = self.sources.epochs[epoch].epoch;
                    // The name is not stored with a gap: the stream has it.
                    let gap = event::gap(Arc::from(""), epoch, record.sequence, record.kind, missing);
                    tables::insert(database, n, time, record.stream_id, &Content::Gap(gap))?;
                    continue;
                }
                Item::Set(sort, value) if events => {
                    tables::insert(
                        database,
                        n,
                        time,
                        record.stream_id,
                        &event::content(sort, &value.decode()),
                    )?;
                    continue;
                }
                Item::Removed(_) if events => continue,
                Item::Removed(key) => (key, None),
                Item::Set(key, value) => (key, Some(value)),
            };
            let present = (!record.late).then_some(value.is_some());
            let series = self.sources.series(database, source, key, present)?;
            self.deriver.push(series, n, time, record.late, value);
            changes += 1;
        }
        Ok(changes)
    }

    /// Moves numbering, span and position on past a record that was stored.
    fn advance(&mut self, record: &Record<'_>, numbers: StreamNumbers, changes: i64) {
        self.next_n += record.rows;
        self.spans.add(record.n, self.next_n - 1, record.time.as_nanos(), changes);
        if record.kind != RecordKind::Gap {
            let position = &mut self.sources.epochs[numbers.epoch];
            position.sequence = record.sequence;
            position.ended = record.kind == RecordKind::End;
            position.time = record.time;
            position.dirty = true;
        }
    }
}

const fn is_change(item: Item<'_>, events: bool) -> bool {
    !events && !matches!(item, Item::Missing(_))
}

/// Notes in the file how far the table of changes is complete.
pub(super) fn write_derived(database: &Connection, derived: Option<i64>) -> Result<()> {
    if let Some(derived) = derived {
        database.prepare_cached("UPDATE position SET derived_n = ?")?.execute(params![derived])?;
    }
    Ok(())
}
