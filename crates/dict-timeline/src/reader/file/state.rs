//! Every dictionary as it was at a time, as far as one file says it.

use std::sync::Arc;

use dict_protocol::pattern::Pattern;
use dict_protocol::time::Time;
use dict_protocol::value::{Dictionary, Value};
use hashbrown::HashMap;
use rusqlite::{OptionalExtension as _, Statement};

use super::series::Series;
use super::spans::Range;
use super::{File, records};
use crate::carried::{CarriedRow, CarriedSum};
use crate::column;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::folder;
use crate::reader::State;
use crate::record::Item;

/// The newest row of one series.
#[derive(Debug)]
struct Newest {
    n: i64,
    time: Time,
    value: Option<Value>,
}

/// Rows up to a time: all up to `n`, and of some that came later those whose time is not after it.
#[derive(Debug)]
struct Cut {
    n: i64,
    later: Vec<Range>,
    at: Time,
}

impl File {
    /// As [`Reader::state`](crate::Reader::state).
    pub(in crate::reader) fn state(&self, at: Option<Time>, sources: &[Pattern]) -> Result<Vec<State>> {
        self.state_at(&self.cut(at)?, sources)
    }

    /// The dictionaries as they stood when this file began.
    pub(in crate::reader) fn beginning(&self, sources: &[Pattern]) -> Result<Vec<State>> {
        let cut = Cut { n: self.first - 1, later: Vec::new(), at: Time::from_nanos(i64::MAX) };
        self.state_at(&cut, sources)
    }

    fn state_at(&self, cut: &Cut, sources: &[Pattern]) -> Result<Vec<State>> {
        let derived = self.derived()?;
        let filter = Filter { sources: sources.to_vec(), ..Filter::default() };
        // What is in no order by key yet, and what came after its time.
        let mut tails = vec![(derived, cut.n)];
        tails.extend(&cut.later);
        let tails = self.newest_of_records(&filter, &tails, cut.at)?;

        let mut newest = self.database.prepare_cached(
            "SELECT n, time, type, value FROM change_row
             WHERE series_id = ?1 AND n <= ?2 AND late = 0 ORDER BY n DESC LIMIT 1",
        )?;
        let mut states = Vec::new();
        for (source_id, source) in self.sources(|name| filter.wants_source(name))? {
            let mut series = Vec::new();
            self.series_of(source_id, &source, &filter, usize::MAX, &mut series)?;
            let last = cut.n.min(derived - 1);
            states.extend(self.state_of(&source, series, &tails, cut, |id| {
                let found = read_newest(&mut newest, id, last)?;
                match &found {
                    Some(found) if found.time > cut.at => Err(self.too_early()?),
                    _ => Ok(found),
                }
            })?);
        }
        Ok(states)
    }

    /// Brings to states what this later file has of that time: rows that came when it was past.
    pub(in crate::reader) fn amend(
        &self,
        states: &mut Vec<State>,
        at: Time,
        sources: &[Pattern],
    ) -> Result<()> {
        let filter = Filter { sources: sources.to_vec(), ..Filter::default() };
        let until = Filter { until: Some(at.offset_by(1)), ..Filter::default() };
        let found = self.newest_of_records(&filter, &self.ranges(&until, self.end()?)?, at)?;
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_unstable_by_key(|(_, newest)| newest.n);
        for ((source, key), Newest { n, time, value }) in found {
            let ended = self.has_ended(&source, n, at)?;
            let known = states.iter().position(|state| state.source == source);
            let place = known.unwrap_or_else(|| {
                states.push(State { source, online: true, time, values: Dictionary::new() });
                states.len() - 1
            });
            let state = &mut states[place];
            (state.time, state.online) = (time, state.online && !ended);
            match value {
                Some(value) => drop(state.values.insert(key, value)),
                None => drop(state.values.remove(&key)),
            }
        }
        Ok(())
    }

    /// What a file that goes on with this one has to begin with, as a checksum.
    pub(in crate::reader) fn carried_sum(&self) -> Result<u32> {
        let mut query = self.database.prepare(
            "SELECT k.source_id, c.series_id, c.n, c.time, c.type, c.value FROM series k
             JOIN change_row c ON c.series_id = k.id AND c.n = (
                SELECT n FROM change_row WHERE series_id = k.id AND late = 0 ORDER BY n DESC LIMIT 1
             ) ORDER BY k.id",
        )?;
        let mut newest: HashMap<i64, i64> = HashMap::new();
        let mut rows = query.query(())?;
        while let Some(row) = rows.next()? {
            let newest = newest.entry(row.get(0)?).or_default();
            *newest = (*newest).max(row.get(2)?);
        }
        drop(rows);
        let mut sum = CarriedSum::default();
        let mut rows = query.query(())?;
        while let Some(row) = rows.next()? {
            let (series, n, kind) = (row.get(1)?, row.get(2)?, row.get(4)?);
            if kind != column::REMOVED || newest.get(&row.get::<_, i64>(0)?) == Some(&n) {
                sum.add(CarriedRow { series, n, time: row.get(3)?, kind, value: row.get_ref(5)? });
            }
        }
        Ok(sum.finish())
    }

    /// That only a file before this one, which is not there, would say what was asked.
    fn too_early(&self) -> Result<Error> {
        let first = folder::extent_of(&self.database)?.map_or(Time::default(), |extent| extent.time_min);
        Ok(Error::TooEarly { path: self.path.clone(), first })
    }

    fn state_of(
        &self,
        source: &Arc<str>,
        series: Vec<Series>,
        tails: &HashMap<(Arc<str>, String), Newest>,
        cut: &Cut,
        mut derived: impl FnMut(i64) -> Result<Option<Newest>>,
    ) -> Result<Option<State>> {
        let mut values = Dictionary::new();
        let mut last: Option<(i64, Time)> = None;
        for Series { id, key, .. } in series {
            let found = derived(id)?;
            let tail = tails.get(&(Arc::clone(source), key.as_ref().to_owned()));
            let newest = match (&found, tail) {
                (_, Some(tail)) => tail,
                (Some(found), None) => found,
                (None, None) => continue,
            };
            last = last.max(Some((newest.n, newest.time)));
            if let Some(value) = &newest.value {
                values.insert(key.as_ref(), value.clone());
            }
        }
        let Some((n, time)) = last else { return Ok(None) };
        let online = self.is_online(source, n, cut)?;
        Ok(Some(State { source: Arc::clone(source), online, time, values }))
    }

    /// Whether the epoch of row `n` had not ended, and no hub's last word was that the source is offline.
    fn is_online(&self, source: &str, n: i64, cut: &Cut) -> Result<bool> {
        let word: Option<String> = self
            .database
            .prepare_cached(
                "SELECT event FROM connection WHERE source = ?1 AND n <= ?2 ORDER BY n DESC LIMIT 1",
            )?
            .query_row((source, cut.n), |row| row.get(0))
            .optional()?;
        Ok(!self.has_ended(source, n, cut.at)? && word.is_none_or(|word| word != "offline"))
    }

    /// Whether the epoch that a source's row `n` is of had ended at a time.
    fn has_ended(&self, source: &str, n: i64, at: Time) -> Result<bool> {
        let ended: Option<i64> = self
            .database
            .prepare_cached(
                "SELECT r.time FROM source s JOIN resume r ON r.source_id = s.id
                 WHERE r.ended AND s.name = ?1 AND r.epoch = CASE
                    WHEN ?2 < ?3 THEN (SELECT epoch FROM carried WHERE source_id = s.id AND current)
                    ELSE (SELECT e.epoch FROM stream e WHERE e.id =
                        (SELECT stream_id FROM record WHERE n <= ?2 ORDER BY n DESC LIMIT 1))
                 END",
            )?
            .query_row((source, n, self.first), |row| row.get(0))
            .optional()?;
        Ok(ended.is_some_and(|time| time <= at.as_nanos()))
    }

    /// Which rows had happened at a time.
    fn cut(&self, at: Option<Time>) -> Result<Cut> {
        let end = self.end()?;
        let Some(at) = at else {
            return Ok(Cut { n: end, later: Vec::new(), at: Time::from_nanos(i64::MAX) });
        };
        let first_after: Option<i64> = self
            .database
            .prepare_cached(
                "SELECT min(n) FROM record WHERE time > ?1 AND n BETWEEN
                    (SELECT first_n FROM span WHERE time_max > ?1 ORDER BY first_n LIMIT 1) AND
                    (SELECT last_n FROM span WHERE time_max > ?1 ORDER BY first_n LIMIT 1)",
            )?
            .query_row([at.as_nanos()], |row| row.get(0))?;
        let n = first_after.map_or(end, |n| n - 1);
        let until =
            Filter { until: Some(at.offset_by(1)), after: Some(n.cast_unsigned()), ..Filter::default() };
        Ok(Cut { n, later: self.ranges(&until, end)?, at })
    }

    /// The newest row, in some ranges in their order, of each key that has one there.
    fn newest_of_records(
        &self,
        filter: &Filter,
        ranges: &[Range],
        at: Time,
    ) -> Result<HashMap<(Arc<str>, String), Newest>> {
        let mut found = HashMap::new();
        for (from, to) in ranges {
            records::each(&self.database, *from, *to, |record| {
                let stream = self.stream(record.stream_id)?;
                if record.late || record.time > at || stream.events || !filter.wants_source(&stream.source) {
                    return Ok(());
                }
                for (n, item) in (record.n..).zip(record.contents()?.items()) {
                    let (key, value) = match item {
                        Item::Missing(_) => continue,
                        Item::Removed(key) => (key, None),
                        Item::Set(key, value) => (key, Some(value.decode())),
                    };
                    found.insert(
                        (Arc::clone(&stream.source), key.to_owned()),
                        Newest { n, time: record.time, value },
                    );
                }
                Ok(())
            })?;
        }
        Ok(found)
    }
}

fn read_newest(query: &mut Statement<'_>, series: i64, last: i64) -> Result<Option<Newest>> {
    let mut rows = query.query([series, last])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let n: i64 = row.get(0)?;
    let value = column::value(row.get(2)?, row.get_ref(3)?).ok_or_else(|| Error::Corrupt {
        n: n.cast_unsigned(),
        what: "a type and a value that do not go together".to_owned(),
    })?;
    Ok(Some(Newest { n, time: Time::from_nanos(row.get(1)?), value }))
}
