//! From times to numbers.

use dict_protocol::time::Time;

use super::File;
use crate::error::Result;
use crate::filter::Filter;

/// A stretch of numbers, both ends within.
pub(crate) type Range = (i64, i64);

impl File {
    /// The stretches of numbers in which there can be rows that pass, up to `end`.
    pub(super) fn ranges(&self, filter: &Filter, end: i64) -> Result<Vec<Range>> {
        let after = filter.after.map_or(0, |after| i64::try_from(after).unwrap_or(i64::MAX));
        let first = after.saturating_add(1).max(self.first);
        let all = (first, end);
        if filter.since.is_none() && filter.until.is_none() {
            return Ok(if first <= end { vec![all] } else { Vec::new() });
        }
        let mut query = self.database.prepare_cached(
            "SELECT first_n, last_n FROM span WHERE time_max >= ?1 AND time_min < ?2 AND last_n >= ?3 ORDER BY first_n",
        )?;
        let since = filter.since.map_or(i64::MIN, Time::as_nanos);
        let until = filter.until.map_or(i64::MAX, Time::as_nanos);
        let mut rows = query.query([since, until, first])?;
        let mut ranges: Vec<Range> = Vec::new();
        while let Some(row) = rows.next()? {
            let (from, to): Range = (row.get(0)?, row.get(1)?);
            match ranges.last_mut() {
                Some(last) if last.1 + 1 == from => last.1 = to,
                _ => ranges.push((from, to)),
            }
        }
        let cut = ranges.into_iter().map(|(from, to)| (from.max(first), to.min(end)));
        Ok(cut.filter(|(from, to)| from <= to).collect())
    }
}

/// The part of `ranges` within `within`.
pub(super) fn cut(ranges: &[Range], within: Range) -> Vec<Range> {
    let cut = ranges.iter().map(|(from, to)| (*from.max(&within.0), *to.min(&within.1)));
    cut.filter(|(from, to)| from <= to).collect()
}
