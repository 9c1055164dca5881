//! What the writer keeps in memory of sources, so that an update needs neither a query nor an allocation: the numbers
//! of sources, keys and streams, which keys have a value, and how far each epoch is stored.

use hashbrown::HashMap;
use rusqlite::{Connection, OptionalExtension as _, params};

use dict_protocol::name::HUB_SOURCE;
use dict_protocol::record::Stream;
use dict_protocol::time::Time;

use crate::error::Result;
use crate::record::stream_checksum;

/// A place in [`Sources`]' list of the same name.
pub(super) type SourceIndex = usize;
/// A place in [`Sources`]' list of the same name.
pub(super) type EpochIndex = usize;

/// Everything about sources that was used since the file was opened. Forgotten and read anew when a commit fails.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub sources: Vec<Source>,
    pub epochs: Vec<Epoch>,
    source_by_name: HashMap<Box<str>, SourceIndex>,
    epoch_by_source: HashMap<(SourceIndex, u64), EpochIndex>,
    stream_by_id: HashMap<i64, StreamNumbers>,
    next_series: u32,
}

/// A source.
#[derive(Debug)]
pub(super) struct Source {
    pub id: i64,
    /// Whether it is a hub's events, which have no state.
    pub events: bool,
    pub newest_epoch: u64,
    keys: HashMap<Box<str>, Series>,
    /// How often keys were marked as stated: what is marked with this number was, in the record at hand.
    round: u32,
}

/// One key of one source.
#[derive(Debug)]
struct Series {
    id: u32,
    present: bool,
    round: u32,
}

/// How far one epoch of one source is stored: what the table `resume` says.
#[derive(Debug)]
pub(super) struct Epoch {
    pub source: SourceIndex,
    pub epoch: u64,
    pub sequence: u64,
    pub ended: bool,
    pub time: Time,
    /// It is to be written with the next commit.
    pub dirty: bool,
}

/// The numbers of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamNumbers {
    pub id: i64,
    pub source: SourceIndex,
    pub epoch: EpochIndex,
}

impl Sources {
    pub(super) fn load(database: &Connection) -> Result<Self> {
        let last: i64 =
            database.query_row("SELECT coalesce(max(id), 0) FROM series", (), |row| row.get(0))?;
        Ok(Self { next_series: (last + 1) as u32, ..Self::default() })
    }

    /// The numbers of a stream, given if it has none yet.
    pub(super) fn stream(&mut self, database: &Connection, stream: &Stream) -> Result<StreamNumbers> {
        let source = self.source(database, &stream.source)?;
        let epoch = self.epoch(database, source, stream.epoch)?;
        let key = params![self.sources[source].id, stream.epoch.cast_signed(), stream.hub];
        let known = database
            .prepare_cached("SELECT id FROM stream WHERE source_id = ? AND epoch = ? AND hub = ?")?
            .query_row(key, |row| row.get(0))
            .optional()?;
        let id = match known {
            Some(id) => id,
            None => database
                .prepare_cached("INSERT INTO stream (source_id, epoch, hub, crc) VALUES (?, ?, ?, ?)")?
                .insert(params![
                    self.sources[source].id,
                    stream.epoch.cast_signed(),
                    stream.hub,
                    stream_checksum(&stream.source, stream.epoch, &stream.hub),
                ])?,
        };
        Ok(StreamNumbers { id, source, epoch })
    }

    /// The numbers of a stream that is in the file.
    pub(super) fn stream_by_id(&mut self, database: &Connection, id: i64) -> Result<StreamNumbers> {
        if let Some(numbers) = self.stream_by_id.get(&id) {
            return Ok(*numbers);
        }
        let (name, epoch): (String, i64) = database
            .prepare_cached(
                "SELECT s.name, e.epoch FROM stream e JOIN source s ON s.id = e.source_id WHERE e.id = ?",
            )?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let source = self.source(database, &name)?;
        let epoch = self.epoch(database, source, epoch.cast_unsigned())?;
        let numbers = StreamNumbers { id, source, epoch };
        self.stream_by_id.insert(id, numbers);
        Ok(numbers)
    }

    fn source(&mut self, database: &Connection, name: &str) -> Result<SourceIndex> {
        if let Some(index) = self.source_by_name.get(name) {
            return Ok(*index);
        }
        let known = database
            .prepare_cached("SELECT id FROM source WHERE name = ?")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        let id = match known {
            Some(id) => id,
            None => database.prepare_cached("INSERT INTO source (name) VALUES (?)")?.insert([name])?,
        };
        let events = name.starts_with(HUB_SOURCE);
        let keys = if events { HashMap::new() } else { load_keys(database, id)? };
        let newest_epoch = database
            .prepare_cached("SELECT epoch FROM resume WHERE source_id = ?")?
            .query_map([id], |row| row.get(0))?
            .map(|epoch| epoch.map(i64::cast_unsigned))
            .try_fold(0, |newest, epoch| epoch.map(|epoch| epoch.max(newest)))?;
        let index = self.sources.len();
        self.sources.push(Source { id, events, newest_epoch, keys, round: 0 });
        self.source_by_name.insert(name.into(), index);
        Ok(index)
    }

    fn epoch(&mut self, database: &Connection, source: SourceIndex, epoch: u64) -> Result<EpochIndex> {
        if let Some(index) = self.epoch_by_source.get(&(source, epoch)) {
            return Ok(*index);
        }
        let mut query = database
            .prepare_cached("SELECT sequence, ended, time FROM resume WHERE source_id = ? AND epoch = ?")?;
        let mut rows = query.query(params![self.sources[source].id, epoch.cast_signed()])?;
        let (sequence, ended, time) = match rows.next()? {
            Some(row) => (row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?, Time::from_nanos(row.get(2)?)),
            None => (0, false, Time::default()),
        };
        let index = self.epochs.len();
        self.epochs.push(Epoch { source, epoch, sequence, ended, time, dirty: false });
        self.epoch_by_source.insert((source, epoch), index);
        Ok(index)
    }

    /// Writes the positions that moved since the last time.
    pub(super) fn write_positions(&mut self, database: &Connection) -> Result<()> {
        let mut insert = database.prepare_cached(
            "INSERT OR REPLACE INTO resume (source_id, epoch, sequence, ended, time) VALUES (?, ?, ?, ?, ?)",
        )?;
        for epoch in self.epochs.iter_mut().filter(|epoch| epoch.dirty) {
            epoch.dirty = false;
            insert.execute(params![
                self.sources[epoch.source].id,
                epoch.epoch.cast_signed(),
                epoch.sequence.cast_signed(),
                epoch.ended,
                epoch.time.as_nanos(),
            ])?;
        }
        Ok(())
    }

    /// The number of a key of a source, given if it has none yet; the key has a value from now on, or has none, unless
    /// that is not to be noted.
    pub(super) fn series(
        &mut self,
        database: &Connection,
        source: SourceIndex,
        key: &str,
        present: Option<bool>,
    ) -> Result<u32> {
        let source = &mut self.sources[source];
        if let Some(series) = source.keys.get_mut(key) {
            series.present = present.unwrap_or(series.present);
            return Ok(series.id);
        }
        let id = self.next_series;
        database
            .prepare_cached("INSERT INTO series (id, source_id, key) VALUES (?, ?, ?)")?
            .execute(params![id, source.id, key])?;
        self.next_series += 1;
        source.keys.insert(key.into(), Series { id, present: present.unwrap_or(false), round: source.round });
        Ok(id)
    }
}

impl Source {
    /// The keys that have a value and are not among `stated`, in the order in which they first came.
    pub(super) fn vanished<'a>(&mut self, stated: impl Iterator<Item = &'a str>) -> Vec<String> {
        self.round = self.round.wrapping_add(1);
        let mut present = self.keys.values().filter(|series| series.present).count();
        for key in stated {
            if let Some(series) = self.keys.get_mut(key)
                && series.round != self.round
            {
                series.round = self.round;
                present -= usize::from(series.present);
            }
        }
        if present == 0 {
            return Vec::new();
        }
        let gone = self.keys.iter().filter(|(_, series)| series.present && series.round != self.round);
        let mut gone: Vec<_> = gone.map(|(key, series)| (series.id, key)).collect();
        gone.sort_unstable_by_key(|(id, _)| *id);
        gone.into_iter().map(|(_, key)| key.as_ref().to_owned()).collect()
    }
}

/// The keys of a source with their numbers, and whether each had a value in its newest row.
fn load_keys(database: &Connection, source_id: i64) -> Result<HashMap<Box<str>, Series>> {
    let mut query = database.prepare_cached(
        "SELECT k.id, k.key, (
            SELECT c.type FROM change_row c WHERE c.series_id = k.id AND c.late = 0 ORDER BY c.n DESC LIMIT 1
         ) FROM series k WHERE k.source_id = ?",
    )?;
    let rows = query.query_map([source_id], |row| {
        let newest: Option<i64> = row.get(2)?;
        let present = newest.is_some_and(|kind| kind != crate::column::REMOVED);
        Ok((row.get::<_, String>(1)?.into_boxed_str(), Series { id: row.get(0)?, present, round: 0 }))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
