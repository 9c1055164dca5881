//! One column a key: what a spreadsheet wants.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use dict_protocol::time::Time;
use dict_protocol::value::Value;
use hashbrown::HashMap;

use super::cells::{Cell, Cells};
use super::json::write_text;
use super::write_time;
use crate::column;
use crate::error::Result;
use crate::filter::Filter;
use crate::reader::{Reader, Rows};
use crate::row::{Change, Content, Kind};

/// Changes as a table with one column for each key of each source, all cells filled: each line holds every value as it
/// stood.
///
/// There is a line for each update, or for each step of time. Changes that came late have no place in it.
#[derive(Debug)]
pub struct Wide<'r> {
    rows: Rows<'r>,
    columns: Vec<(Arc<str>, String)>,
    places: HashMap<Arc<str>, HashMap<String, usize>>,
    values: Vec<Option<Value>>,
    /// A change that was read and is not in `values` yet.
    ahead: Option<(u64, Time, Change)>,
    every: Option<i64>,
    /// The next step's time, once it is known.
    step: Option<i64>,
    n: u64,
    time: Time,
}

/// One line of a [`Wide`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line<'a> {
    /// The number of the last row that is in it; 0: none is.
    pub n: u64,
    /// Its time: the update's, or the step's.
    pub time: Time,
    /// The value of each column; `None`: there is none.
    pub values: &'a [Option<Value>],
}

impl Reader {
    /// The changes that pass `filter` as one column a key, with a line for each update, or for each multiple of `every`
    /// from the first change to the last. Values that were there before the first line stand in it.
    ///
    /// # Errors
    ///
    /// What SQLite says, and [`Error::Corrupt`](crate::Error::Corrupt).
    pub fn wide(&self, filter: &Filter, every: Option<Duration>) -> Result<Wide<'_>> {
        let columns = self.columns(filter)?;
        let mut places: HashMap<Arc<str>, HashMap<String, usize>> = HashMap::new();
        for (place, (source, key)) in columns.iter().enumerate() {
            places.entry(Arc::clone(source)).or_default().insert(key.clone(), place);
        }
        let mut values = vec![None; columns.len()];
        for state in self.state_before(filter.since, &filter.sources)? {
            let Some(keys) = places.get(&state.source) else { continue };
            for (key, value) in &state.values {
                if let Some(place) = keys.get(key) {
                    values[*place] = Some(value.clone());
                }
            }
        }
        let rows = self.rows(&Filter { kinds: vec![Kind::Change], ..filter.clone() })?;
        let every = every.map(|every| i64::try_from(every.as_nanos()).unwrap_or(i64::MAX).max(1));
        Ok(Wide {
            rows,
            columns,
            places,
            values,
            ahead: None,
            every,
            step: None,
            n: 0,
            time: Time::default(),
        })
    }
}

impl Wide<'_> {
    /// Source and key of each column.
    pub fn columns(&self) -> &[(Arc<str>, String)] {
        &self.columns
    }

    /// How far reading has come, and how far it goes, in numbers of rows.
    pub const fn progress(&self) -> (u64, u64) {
        (self.rows.position(), self.rows.end())
    }

    /// Goes on to the next line.
    ///
    /// # Errors
    ///
    /// As from [`Rows`].
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>> {
        let found = match self.every {
            Some(every) => self.advance_to_step(every)?,
            None => self.advance_by_update()?,
        };
        Ok(found.then_some(Line { n: self.n, time: self.time, values: &self.values }))
    }

    fn advance_by_update(&mut self) -> Result<bool> {
        let Some((n, time, first)) = self.take_change()? else { return Ok(false) };
        let update = (Arc::clone(&first.source), first.epoch, first.sequence);
        (self.n, self.time) = (n, time);
        self.apply(first);
        while let Some((n, time, change)) = self.take_change()? {
            if (&change.source, change.epoch, change.sequence) != (&update.0, update.1, update.2) {
                self.ahead = Some((n, time, change));
                break;
            }
            self.n = n;
            self.apply(change);
        }
        Ok(true)
    }

    fn advance_to_step(&mut self, every: i64) -> Result<bool> {
        let mut applied = false;
        while let Some((n, time, change)) = self.take_change()? {
            // The first multiple at or after the change.
            let at = time.as_nanos();
            let own =
                at.div_euclid(every).saturating_add((at.rem_euclid(every) != 0).into()).saturating_mul(every);
            let step = *self.step.get_or_insert(own);
            if at > step {
                self.ahead = Some((n, time, change));
                self.time = Time::from_nanos(step);
                self.step = Some(step.saturating_add(every));
                return Ok(true);
            }
            self.n = n;
            self.apply(change);
            applied = true;
        }
        // The last step, with what came since the one before.
        let last = self.step.take().filter(|_| applied);
        self.time = last.map_or(self.time, Time::from_nanos);
        Ok(last.is_some())
    }

    fn take_change(&mut self) -> Result<Option<(u64, Time, Change)>> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        for row in self.rows.by_ref() {
            let row = row?;
            if let Content::Change(change) = row.content
                && !change.late
            {
                return Ok(Some((row.n.unwrap_or_default(), row.time, change)));
            }
        }
        Ok(None)
    }

    fn apply(&mut self, change: Change) {
        // A key that first came while this was being read has no column.
        if let Some(place) = self.places.get(&change.source).and_then(|keys| keys.get(&change.key)) {
            self.values[*place] = change.value;
        }
    }
}

/// Writes what is left of a table as CSV: `time`, `n`, then a column `SOURCE:KEY` for each key. `progress` is called now
/// and then with how far it is, of how much.
///
/// # Errors
///
/// As from [`Rows`], and what `out` says.
pub fn write_csv(wide: &mut Wide<'_>, out: impl Write, mut progress: impl FnMut(u64, u64)) -> Result<()> {
    let (mut out, mut cells) = (csv::Writer::from_writer(out), Cells::default());
    cells.push(Cell::Text("time"));
    cells.push(Cell::Text("n"));
    for (source, key) in wide.columns() {
        cells.push(Cell::Text(&format!("{source}:{key}")));
    }
    cells.end(&mut out)?;
    while let Some(line) = wide.next_line()? {
        cells.push(Cell::Time(line.time));
        cells.push(Cell::Unsigned(line.n));
        for value in line.values {
            cells.push(value.as_ref().map_or(Cell::Empty, Cell::Value));
        }
        cells.end(&mut out)?;
        let (done, total) = wide.progress();
        progress(done, total);
    }
    Ok(out.flush()?)
}

/// Writes what is left of a table as JSON Lines: `time`, `n`, and `values` with a field `SOURCE:KEY` for each key that
/// has one. `progress` is called as by [`write_csv`].
///
/// # Errors
///
/// As [`write_csv`].
pub fn write_jsonl(
    wide: &mut Wide<'_>,
    mut out: impl Write,
    mut progress: impl FnMut(u64, u64),
) -> Result<()> {
    let names: Vec<String> = wide.columns.iter().map(|(source, key)| format!("{source}:{key}")).collect();
    let mut text = String::new();
    while let Some(line) = wide.next_line()? {
        text.clear();
        text.push_str("{\"time\":\"");
        write_time(line.time, &mut text);
        text.push_str("\",\"n\":");
        text.push_str(&line.n.to_string());
        text.push_str(",\"values\":{");
        let present = names.iter().zip(line.values).filter_map(|(name, value)| Some((name, value.as_ref()?)));
        for (place, (name, value)) in present.enumerate() {
            if place > 0 {
                text.push(',');
            }
            write_text(name, &mut text);
            text.push(':');
            column::write_json(value, &mut text);
        }
        text.push_str("}}\n");
        out.write_all(text.as_bytes())?;
        let (done, total) = wide.progress();
        progress(done, total);
    }
    Ok(out.flush()?)
}
