//! Every dictionary as it was at a time.

use std::sync::Arc;

use dict_protocol::pattern::Pattern;
use dict_protocol::time::Time;
use dict_protocol::value::{Dictionary, Value};
use hashbrown::HashMap;
use rusqlite::{OptionalExtension as _, Statement};

use super::series::Series;
use super::spans::Range;
use super::{Reader, records};
use crate::column;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::record::Item;

/// A source's dictionary at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Whose.
    pub source: Arc<str>,
    /// Whether its writer had not ended, and no hub had reported it offline.
    pub online: bool,
    /// The time of its newest change by then.
    pub time: Time,
    /// Its values, the keys in the order in which the timeline first saw them.
    pub values: Dictionary,
}

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

impl Reader {
    /// The dictionary of each source that passes, as it was at a time; without one, as it is.
    ///
    /// It is made of the newest row of each key whose time is not later. Newest is the one with the greatest number,
    /// but for rows that came late. Sources that had no row by then are left out; no pattern means all.
    ///
    /// # Errors
    ///
    /// What SQLite says, and [`Error::Corrupt`].
    pub fn state(&self, at: Option<Time>, sources: &[Pattern]) -> Result<Vec<State>> {
        let derived = self.derived()?;
        let cut = self.cut(at)?;
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
            states.extend(self.state_of(source_id, &source, series, &tails, &cut, |id| {
                read_newest(&mut newest, id, last)
            })?);
        }
        Ok(states)
    }

    fn state_of(
        &self,
        source_id: i64,
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
        let online = self.is_online(source_id, source, n, cut)?;
        Ok(Some(State { source: Arc::clone(source), online, time, values }))
    }

    /// Whether the epoch of row `n` had not ended, and no hub's last word was that the source is offline.
    fn is_online(&self, source_id: i64, source: &str, n: i64, cut: &Cut) -> Result<bool> {
        let ended: Option<i64> = self
            .database
            .prepare_cached(
                "SELECT r.time FROM stream e JOIN resume r ON r.source_id = e.source_id AND r.epoch = e.epoch
                 WHERE r.ended AND e.source_id = ?1
                 AND e.id = (SELECT stream_id FROM record WHERE n <= ?2 ORDER BY n DESC LIMIT 1)",
            )?
            .query_row((source_id, n), |row| row.get(0))
            .optional()?;
        let word: Option<String> = self
            .database
            .prepare_cached(
                "SELECT event FROM connection WHERE source = ?1 AND n <= ?2 ORDER BY n DESC LIMIT 1",
            )?
            .query_row((source, cut.n), |row| row.get(0))
            .optional()?;
        Ok(ended.is_none_or(|time| time > cut.at.as_nanos()) && word.is_none_or(|word| word != "offline"))
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
