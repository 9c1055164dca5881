//! Which keys of which sources a filter is for.

use std::sync::Arc;

use dict_protocol::pattern::Pattern;
use rusqlite::OptionalExtension as _;

use super::File;
use crate::error::Result;
use crate::filter::Filter;

/// One key of one source.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub id: i64,
    pub source: Arc<str>,
    pub key: Arc<str>,
}

impl File {
    /// The sources that pass, in the order in which they first came.
    pub(super) fn sources(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<(i64, Arc<str>)>> {
        let mut query = self.database.prepare_cached("SELECT id, name FROM source ORDER BY id")?;
        let mut rows = query.query(())?;
        let mut sources = Vec::new();
        while let Some(row) = rows.next()? {
            let name: Arc<str> = row.get(1)?;
            if wanted(&name) {
                sources.push((row.get(0)?, name));
            }
        }
        Ok(sources)
    }

    /// The keys that pass, unless they are more than `most`.
    pub(super) fn series(&self, filter: &Filter, most: usize) -> Result<Option<Vec<Series>>> {
        let mut found = Vec::new();
        for (source_id, source) in self.sources(|name| filter.wants_source(name))? {
            if let Some(names) = exact(&filter.keys) {
                for key in names {
                    found.extend(self.one_series(source_id, &source, key)?);
                }
            } else {
                self.series_of(source_id, &source, filter, most, &mut found)?;
            }
            if found.len() > most {
                return Ok(None);
            }
        }
        Ok(Some(found))
    }

    /// Source and key of everything that passes.
    pub(in crate::reader) fn columns(&self, filter: &Filter) -> Result<Vec<(Arc<str>, String)>> {
        let series = self.series(filter, usize::MAX)?.unwrap_or_default();
        Ok(series.into_iter().map(|series| (series.source, series.key.as_ref().to_owned())).collect())
    }

    fn one_series(&self, source_id: i64, source: &Arc<str>, key: &str) -> Result<Option<Series>> {
        let mut query =
            self.database.prepare_cached("SELECT id FROM series WHERE source_id = ? AND key = ?")?;
        let id = query.query_row((source_id, key), |row| row.get(0)).optional()?;
        Ok(id.map(|id| Series { id, source: Arc::clone(source), key: key.into() }))
    }

    /// Adds the keys of one source that pass; stops when there are more than `most`.
    pub(super) fn series_of(
        &self,
        source_id: i64,
        source: &Arc<str>,
        filter: &Filter,
        most: usize,
        found: &mut Vec<Series>,
    ) -> Result<()> {
        let mut query =
            self.database.prepare_cached("SELECT id, key FROM series WHERE source_id = ? ORDER BY id")?;
        let mut rows = query.query([source_id])?;
        while let Some(row) = rows.next()? {
            let key: Arc<str> = row.get(1)?;
            if filter.wants_key(&key) {
                found.push(Series { id: row.get(0)?, source: Arc::clone(source), key });
            }
            if found.len() > most {
                break;
            }
        }
        Ok(())
    }
}

/// The names, if there are some and no prefixes.
fn exact(patterns: &[Pattern]) -> Option<impl Iterator<Item = &str>> {
    let name = |pattern: &Pattern| matches!(pattern, Pattern::Name(_));
    (!patterns.is_empty() && patterns.iter().all(name)).then(|| {
        patterns.iter().filter_map(|pattern| match pattern {
            Pattern::Name(name) => Some(name.as_str()),
            Pattern::Prefix(_) => None,
        })
    })
}
