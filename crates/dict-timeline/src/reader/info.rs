//! What a timeline holds, in figures.

use std::fs;
use std::path::PathBuf;

use dict_protocol::time::Time;
use hashbrown::HashMap;

use super::Reader;
use crate::error::Result;
use crate::lock::beside;
use crate::row::Kind;

/// What a timeline holds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Info {
    /// The file.
    pub path: PathBuf,
    /// Its bytes, the log's included.
    pub size: u64,
    /// The first and the last number in use; `None`: it is empty.
    pub numbers: Option<(u64, u64)>,
    /// The earliest and the latest time.
    pub times: Option<(Time, Time)>,
    /// How many rows there are of each kind.
    pub rows: Vec<(Kind, u64)>,
    /// Every source, by name.
    pub sources: Vec<SourceInfo>,
    /// Bytes a day, as the last day of the timeline, or as much as there is of it, would have it; `None` where that is
    /// less than a minute, which tells more of the empty file than of its growth.
    pub growth: Option<f64>,
}

/// What a timeline holds of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceInfo {
    /// Its name.
    pub source: String,
    /// How many keys it ever had.
    pub keys: u64,
    /// How many lives of its writer are known.
    pub epochs: u64,
    /// The newest of them.
    pub epoch: u64,
    /// The last sequence held in that.
    pub sequence: u64,
    /// Whether that was its orderly end.
    pub ended: bool,
    /// The time of its newest row.
    pub last: Option<Time>,
    /// How many gaps it has.
    pub gaps: u64,
}

const DAY: i64 = 86_400_000_000_000;

/// What has to be there of a timeline to tell how it grows, nanoseconds.
const ENOUGH: i64 = 60_000_000_000;

impl Reader {
    /// What the timeline holds.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn info(&self) -> Result<Info> {
        let size = |suffix| fs::metadata(beside(&self.path, suffix)).map_or(0, |file| file.len());
        let size = size("") + size("-wal");
        let span = "SELECT min(first_n), max(last_n), min(time_min), max(time_max), coalesce(sum(changes), 0) FROM span";
        let (first, last, earliest, latest, changes): (
            Option<i64>,
            Option<i64>,
            Option<i64>,
            Option<i64>,
            i64,
        ) = self.database.query_row(span, (), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })?;
        let numbers = first.zip(last).map(|(first, last)| (first.cast_unsigned(), last.cast_unsigned()));
        let times = earliest.zip(latest).map(|(a, b)| (Time::from_nanos(a), Time::from_nanos(b)));
        let mut rows = vec![(Kind::Change, changes.cast_unsigned())];
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Change) {
            let count: i64 =
                self.database.query_row(&format!("SELECT count(*) FROM {kind}"), (), |row| row.get(0))?;
            rows.push((kind, count.cast_unsigned()));
        }
        let growth = self.growth(size, numbers, latest)?;
        Ok(Info {
            path: self.path.clone(),
            size,
            numbers,
            times,
            rows,
            sources: self.source_infos()?,
            growth,
        })
    }

    /// The share of the file's bytes that the numbers of its last day have, for a whole day.
    fn growth(&self, size: u64, numbers: Option<(u64, u64)>, latest: Option<i64>) -> Result<Option<f64>> {
        let (Some((first, last)), Some(latest)) = (numbers, latest) else { return Ok(None) };
        let (count, since): (Option<i64>, Option<i64>) = self.database.query_row(
            "SELECT max(last_n) - min(first_n) + 1, min(time_min) FROM span WHERE time_min > ?1",
            [latest.saturating_sub(DAY)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let (Some(count), Some(since)) = (count, since) else { return Ok(None) };
        let lasted = latest.saturating_sub(since);
        let bytes = size as f64 * count as f64 / (last - first + 1) as f64;
        Ok((lasted >= ENOUGH).then(|| bytes * DAY as f64 / lasted as f64))
    }

    fn source_infos(&self) -> Result<Vec<SourceInfo>> {
        let keys = self.counts("SELECT source_id, count(*) FROM series GROUP BY source_id")?;
        let gaps = self.counts(
            "SELECT e.source_id, count(*) FROM gap g JOIN stream e ON e.id = g.stream_id GROUP BY e.source_id",
        )?;
        let mut sources = HashMap::new();
        for (id, name) in self.sources(|_| true)? {
            let count = |counts: &HashMap<i64, u64>| counts.get(&id).copied().unwrap_or_default();
            let info = SourceInfo {
                source: name.as_ref().to_owned(),
                keys: count(&keys),
                epochs: 0,
                epoch: 0,
                sequence: 0,
                ended: false,
                last: None,
                gaps: count(&gaps),
            };
            sources.insert(id, info);
        }
        let mut query =
            self.database.prepare_cached("SELECT source_id, epoch, sequence, ended, time FROM resume")?;
        let mut rows = query.query(())?;
        while let Some(row) = rows.next()? {
            let Some(source) = sources.get_mut(&row.get::<_, i64>(0)?) else { continue };
            let epoch = row.get::<_, i64>(1)?.cast_unsigned();
            source.epochs += 1;
            if epoch >= source.epoch {
                source.epoch = epoch;
                source.sequence = row.get::<_, i64>(2)?.cast_unsigned();
                source.ended = row.get(3)?;
            }
            source.last = source.last.max(Some(Time::from_nanos(row.get(4)?)));
        }
        let mut sources: Vec<_> = sources.into_values().collect();
        sources.sort_unstable_by(|a, b| a.source.cmp(&b.source));
        Ok(sources)
    }

    fn counts(&self, sql: &str) -> Result<HashMap<i64, u64>> {
        let mut query = self.database.prepare_cached(sql)?;
        let counts = query.query_map((), |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
        Ok(counts.collect::<Result<_, _>>()?)
    }
}
