//! A timeline of several files: a folder, and in it files whose names sort by the time at which each was begun.
//!
//! Each is a timeline of its own, and goes on with the numbers of the one before. What else is in the folder is left
//! alone. The newest file has a catalogue of the others, so that a reader need not open those that it has no use for.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use dict_protocol::time::Time;
use hashbrown::HashMap;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension as _};

use crate::error::{Error, Result};
use crate::place;

/// The file whose lock is the right to write the folder's timeline.
pub(crate) const LOCK: &str = "timeline.lock";

/// What SQLite puts beside a file.
pub(crate) const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// How a file's name tells when it was begun: no colons, which not every system takes.
const NAME: &str = "%Y-%m-%dT%H-%M-%SZ.db";

const SECOND: i64 = 1_000_000_000;

/// A file of a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    /// When it was begun, to the second; no two files have the same.
    pub begun: Time,
    pub path: PathBuf,
}

/// Which rows a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub first_n: i64,
    pub last_n: i64,
    pub time_min: Time,
    pub time_max: Time,
}

impl Extent {
    /// The rows of both.
    pub(crate) fn with(&self, other: &Self) -> Self {
        Self {
            first_n: self.first_n.min(other.first_n),
            last_n: self.last_n.max(other.last_n),
            time_min: self.time_min.min(other.time_min),
            time_max: self.time_max.max(other.time_max),
        }
    }
}

impl Part {
    /// The file that is begun at a time, or, if that is not later than the one before, a second after it.
    pub(crate) fn new(folder: &Path, time: Time, before: Option<&Self>) -> Self {
        let whole = time.as_nanos().div_euclid(SECOND) * SECOND;
        let least = before.map_or(i64::MIN, |part| part.begun.as_nanos() + SECOND);
        let mut begun = whole.max(least);
        loop {
            let time = Timestamp::from_nanosecond(begun.into());
            let time = time.expect("the years 1678 to 2262 are within those of a timestamp");
            let name = time.to_zoned(TimeZone::UTC).strftime(NAME).to_string();
            let path = folder.join(name);
            // A file that is not ours may have just that name.
            if fs::symlink_metadata(&path).is_err() {
                return Self { begun: Time::from_nanos(begun), path };
            }
            begun += SECOND;
        }
    }

    /// Whether a part can have that name.
    pub(crate) fn is_name(name: &str) -> bool {
        Self::from_path(name.into()).is_some()
    }

    /// The file with this path, if its name is one that a part has.
    fn from_path(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let time = DateTime::strptime(NAME, name).ok()?.to_zoned(TimeZone::UTC).ok()?;
        let begun = Time::from_nanos(time.timestamp().as_nanosecond().try_into().ok()?);
        // The same time can be written in several ways, and names have to sort.
        (time.strftime(NAME).to_string() == name).then_some(Self { begun, path })
    }

    /// Its name within the folder.
    pub(crate) fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).expect("a part's name is made of digits")
    }

    /// Whether it is in use as a part: with the folder's lock beside it.
    pub(crate) fn owning_folder(path: &Path) -> Option<&Path> {
        let folder = path.parent()?;
        (Self::from_path(path.to_owned()).is_some() && folder.join(LOCK).exists()).then_some(folder)
    }
}

/// The files of a folder, the oldest first.
///
/// # Errors
///
/// [`Error::Access`].
pub(crate) fn list(folder: &Path) -> Result<Vec<Part>> {
    let access = |source| Error::Access { path: folder.to_owned(), source };
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder).map_err(access)? {
        parts.extend(Part::from_path(entry.map_err(access)?.path()).filter(|part| part.path.is_file()));
    }
    parts.sort_unstable();
    Ok(parts)
}

/// What at a path is no timeline, nor a part of one, so that nothing else is replaced or removed as if it were: the path
/// itself, or something in that folder. `None`: nothing is, as of an empty file or folder.
///
/// # Errors
///
/// [`Error::Access`].
pub fn foreign(path: impl AsRef<Path>) -> Result<Option<PathBuf>> {
    let path = path.as_ref();
    if !path.is_dir() {
        return Ok(is_foreign(path)?.then(|| path.to_owned()));
    }
    let access = |source| Error::Access { path: path.to_owned(), source };
    for entry in fs::read_dir(path).map_err(access)? {
        let entry = entry.map_err(access)?.path();
        let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let plain = COMPANIONS.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        if !Part::is_name(plain) || (plain == name && is_foreign(&entry)?) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

fn is_foreign(path: &Path) -> Result<bool> {
    match place::look(path) {
        Err(Error::Foreign { .. }) => Ok(true),
        looked => looked.map(|_| false),
    }
}

/// What a file knows of those before it, by their names.
pub(crate) fn catalogue(database: &Connection) -> rusqlite::Result<HashMap<String, Extent>> {
    let mut query = database
        .prepare_cached("SELECT first_n, last_n, time_min, time_max, name FROM part ORDER BY first_n")?;
    let parts = query.query_map((), |row| Ok((row.get(4)?, extent(row)?)))?;
    parts.collect()
}

/// The name of the file that goes on with an open one, if that is known.
pub(crate) fn next_of(database: &Connection) -> rusqlite::Result<Option<String>> {
    database.query_row("SELECT next FROM position", (), |row| row.get(0))
}

/// Which rows an open file holds; `None`: it has none yet.
pub(crate) fn extent_of(database: &Connection) -> rusqlite::Result<Option<Extent>> {
    let sql = "SELECT min(first_n), max(last_n), min(time_min), max(time_max) FROM span HAVING count(*) > 0";
    database.prepare_cached(sql)?.query_row((), extent).optional()
}

fn extent(row: &rusqlite::Row<'_>) -> rusqlite::Result<Extent> {
    Ok(Extent {
        first_n: row.get(0)?,
        last_n: row.get(1)?,
        time_min: Time::from_nanos(row.get(2)?),
        time_max: Time::from_nanos(row.get(3)?),
    })
}

/// Sees to it that files that were made, renamed or removed in a folder stay so when the power fails.
///
/// # Errors
///
/// What the system says.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened, and names are kept by the file system itself.
    if cfg!(unix) {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_time_and_no_two_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let time = Time::from_nanos(1_795_255_200_999_999_999);
        let first = Part::new(folder.path(), time, None);
        assert_eq!(first.name(), "2026-11-21T10-00-00Z.db");
        assert_eq!(first.begun, Time::from_nanos(1_795_255_200_000_000_000));
        let second = Part::new(folder.path(), time.offset_by(-SECOND * 60), Some(&first));
        assert_eq!(second.name(), "2026-11-21T10-00-01Z.db");
        for name in
            [second.name(), first.name(), "2026-11-21T9-00-00Z.db", "2026-11-21T10-00-00Z.db-wal", "a"]
        {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(list(folder.path()).unwrap(), [first.clone(), second]);
        assert_eq!(Part::new(folder.path(), time, None).name(), "2026-11-21T10-00-02Z.db");
        assert_eq!(Part::owning_folder(&first.path), None);
        fs::write(folder.path().join(LOCK), "").unwrap();
        assert_eq!(Part::owning_folder(&first.path), Some(folder.path()));
    }
}
