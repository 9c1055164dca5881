//! What files hold, in figures that add up.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use dict_protocol::time::Time;
use hashbrown::HashMap;

use super::File;
use crate::error::Result;
use crate::folder;
use crate::lock::beside;
use crate::reader::{Growth, Info, SourceInfo};
use crate::row::Kind;

const HOUR: i64 = 3_600_000_000_000;
const DAY: i64 = 24 * HOUR;

/// What has to be there of a timeline to tell how it grows, nanoseconds.
const ENOUGH: i64 = 60_000_000_000;

/// What was counted of a timeline's files, from the newest to the oldest.
#[derive(Debug, Default)]
pub(in crate::reader) struct Tally {
    files: u64,
    size: u64,
    numbers: Option<(i64, i64)>,
    pruned: i64,
    times: Option<(Time, Time)>,
    /// When it came to be as it is: others were later only by a clock that was ahead.
    latest: Option<Time>,
    rows: BTreeMap<Kind, u64>,
    sources: BTreeMap<Arc<str>, SourceInfo>,
    /// Bytes that the rows of the last hour take.
    last_hour: f64,
}

impl Tally {
    /// Counts one more file, which is older than those before.
    pub(in crate::reader) fn add(&mut self, file: &File) -> Result<()> {
        let size = |suffix| fs::metadata(beside(&file.path, suffix)).map_or(0, |file| file.len());
        let size = size("") + size("-wal");
        if self.files == 0 {
            self.pruned = file.pruned()?;
        }
        self.files += 1;
        self.size += size;
        for (kind, count) in file.counts_of_rows()? {
            *self.rows.entry(kind).or_default() += count;
        }
        file.add_sources(&mut self.sources)?;
        let Some(extent) = folder::extent_of(&file.database)? else { return Ok(()) };
        let (first, last) = self.numbers.unwrap_or((extent.first_n, extent.last_n));
        self.numbers = Some((first.min(extent.first_n), last.max(extent.last_n)));
        let (min, max) = self.times.unwrap_or((extent.time_min, extent.time_max));
        self.times = Some((min.min(extent.time_min), max.max(extent.time_max)));
        let latest = match self.latest {
            Some(latest) => latest,
            None => file.latest()?,
        };
        self.latest = Some(latest);
        let bytes_each = size as f64 / (extent.last_n - extent.first_n + 1) as f64;
        self.last_hour += bytes_each * file.numbers_within(latest.offset_by(-HOUR), latest)?;
        Ok(())
    }

    pub(in crate::reader) fn finish(self, path: PathBuf) -> Info {
        let unsigned = |(first, last): (i64, i64)| (first.cast_unsigned(), last.cast_unsigned());
        Info {
            path,
            files: self.files,
            size: self.size,
            numbers: self.numbers.map(unsigned),
            pruned: self.pruned.cast_unsigned(),
            times: self.times,
            growth: self.growth(),
            rows: self.rows.into_iter().collect(),
            sources: self.sources.into_values().collect(),
        }
    }

    fn growth(&self) -> Growth {
        let (Some((earliest, _)), Some(latest)) = (self.times, self.latest) else { return Growth::default() };
        let lasted = latest.as_nanos().saturating_sub(earliest.as_nanos());
        let daily = |bytes: f64, lasted: i64| (lasted >= ENOUGH).then(|| bytes * DAY as f64 / lasted as f64);
        Growth {
            last_hour: daily(self.last_hour, lasted.min(HOUR)),
            overall: daily(self.size as f64, lasted),
        }
    }
}

impl File {
    fn counts_of_rows(&self) -> Result<Vec<(Kind, u64)>> {
        let changes: i64 =
            self.database.query_row("SELECT coalesce(sum(changes), 0) FROM span", (), |row| row.get(0))?;
        let mut counts = vec![(Kind::Change, changes.cast_unsigned())];
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Change) {
            let sql = format!("SELECT count(*) FROM {kind} WHERE n >= ?1");
            let count: i64 = self.database.query_row(&sql, [self.first], |row| row.get(0))?;
            counts.push((kind, count.cast_unsigned()));
        }
        Ok(counts)
    }

    /// The latest time of the last span, which there must be.
    fn latest(&self) -> Result<Time> {
        let sql = "SELECT time_max FROM span ORDER BY first_n DESC LIMIT 1";
        Ok(Time::from_nanos(self.database.query_row(sql, (), |row| row.get(0))?))
    }

    /// How many numbers were used from one time to another, a span's evenly over the time that it took.
    fn numbers_within(&self, since: Time, until: Time) -> Result<f64> {
        let mut query = self.database.prepare_cached(
            "SELECT last_n - first_n + 1, time_min, time_max FROM span WHERE time_max >= ?1 AND time_min <= ?2",
        )?;
        let mut rows = query.query([since.as_nanos(), until.as_nanos()])?;
        let mut numbers = 0.0;
        while let Some(row) = rows.next()? {
            let (count, min, max): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let within = max.saturating_sub(min.max(since.as_nanos()));
            let share = if min >= since.as_nanos() { 1.0 } else { within as f64 / (max - min) as f64 };
            numbers += count as f64 * share;
        }
        Ok(numbers)
    }

    fn add_sources(&self, sources: &mut BTreeMap<Arc<str>, SourceInfo>) -> Result<()> {
        let keys = self.counts("SELECT source_id, count(*) FROM series GROUP BY source_id")?;
        let gaps = self.counts(
            "SELECT e.source_id, count(*) FROM gap g JOIN stream e ON e.id = g.stream_id GROUP BY e.source_id",
        )?;
        for (id, name) in self.sources(|_| true)? {
            let count = |counts: &HashMap<i64, u64>| counts.get(&id).copied().unwrap_or_default();
            if let Some(info) = sources.get_mut(&name) {
                info.keys = info.keys.max(count(&keys));
                info.gaps += count(&gaps);
                continue;
            }
            let info = SourceInfo {
                source: name.as_ref().to_owned(),
                keys: count(&keys),
                gaps: count(&gaps),
                ..self.positions_of(id)?
            };
            sources.insert(name, info);
        }
        Ok(())
    }

    /// What the table of positions says of a source.
    fn positions_of(&self, source_id: i64) -> Result<SourceInfo> {
        let mut query = self
            .database
            .prepare_cached("SELECT epoch, sequence, ended, time FROM resume WHERE source_id = ?")?;
        let mut rows = query.query([source_id])?;
        let mut info = SourceInfo::default();
        while let Some(row) = rows.next()? {
            let epoch = row.get::<_, i64>(0)?.cast_unsigned();
            info.epochs += 1;
            if epoch >= info.epoch {
                info.epoch = epoch;
                info.sequence = row.get::<_, i64>(1)?.cast_unsigned();
                info.ended = row.get(2)?;
            }
            info.last = info.last.max(Some(Time::from_nanos(row.get(3)?)));
        }
        Ok(info)
    }

    fn counts(&self, sql: &str) -> Result<HashMap<i64, u64>> {
        let mut query = self.database.prepare_cached(sql)?;
        let counts = query.query_map((), |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
        Ok(counts.collect::<Result<_, _>>()?)
    }
}
