//! Reading what a former run has kept.

use std::collections::HashMap;
use std::path::Path;

use dict_protocol::kept::{Entry, Item, Kept, Marks, Update};
use dict_protocol::time::Time;
use rusqlite::{Connection, Row};

use crate::error::{Error, Result};
use crate::rows::{Rows, SourceRow, base_crc, update_crc};

/// A row that is not what was written.
enum Bad {
    Sqlite(rusqlite::Error),
    Row(String),
}

impl From<rusqlite::Error> for Bad {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Everything that a file keeps.
///
/// # Errors
///
/// [`Error::Damaged`], and what SQLite says.
pub(crate) fn load(path: &Path, database: &Connection) -> Result<(Rows, Kept)> {
    read(database).map_err(|bad| match bad {
        // A value of another type than the schema's is damage too.
        Bad::Sqlite(error) if error.sqlite_error_code().is_none() => {
            Error::Damaged { path: path.to_owned(), what: error.to_string() }
        }
        Bad::Sqlite(error) => Error::of(path, error),
        Bad::Row(what) => Error::Damaged { path: path.to_owned(), what },
    })
}

fn read(database: &Connection) -> Result<(Rows, Kept), Bad> {
    let client_id = database.query_row("SELECT client_id FROM client", (), |row| row.get(0))?;
    let (mut rows, mut kept) = (Rows::default(), Kept::new(client_id));
    let mut sources = database.prepare("SELECT id, name, bookmark FROM source")?;
    let mut sources = sources.query(())?;
    while let Some(row) = sources.next()? {
        let (id, name): (i64, String) = (row.get(0)?, row.get(1)?);
        take(&mut kept, &name, Item::Bookmark(row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?))?;
        let epochs = read_epochs(database, id, &name, &mut kept)?;
        rows.sources.insert(name, SourceRow { id, epochs });
    }
    Ok((rows, kept))
}

fn read_epochs(
    database: &Connection,
    source: i64,
    name: &str,
    kept: &mut Kept,
) -> Result<HashMap<u64, i64>, Bad> {
    let mut numbers = HashMap::new();
    let mut epochs = database.prepare_cached(
        "SELECT id, number, previous, ended, acknowledged, evicted, stated_first, stated_last, lost, loss_since \
         FROM epoch WHERE source_id = ?1",
    )?;
    let mut epochs = epochs.query([source])?;
    while let Some(row) = epochs.next()? {
        let (id, epoch) = (row.get(0)?, unsigned(row, 1)?);
        numbers.insert(epoch, id);
        take(kept, name, Item::Epoch { epoch, marks: marks(row)? })?;
        read_base(database, id, epoch, name, kept)?;
        read_updates(database, id, epoch, name, kept)?;
    }
    Ok(numbers)
}

fn marks(row: &Row<'_>) -> rusqlite::Result<Marks> {
    let optional =
        |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(i64::cast_unsigned));
    Ok(Marks {
        previous: unsigned(row, 2)?,
        ended: row.get(3)?,
        acknowledged: unsigned(row, 4)?,
        evicted: unsigned(row, 5)?,
        stated: optional(6)?.zip(optional(7)?),
        lost: unsigned(row, 8)?,
        begins_after_loss: row.get::<_, Option<i64>>(9)?.map(Time::from_nanos),
    })
}

fn read_base(database: &Connection, id: i64, epoch: u64, name: &str, kept: &mut Kept) -> Result<(), Bad> {
    let mut base =
        database.prepare_cached("SELECT sequence, time, crc, dictionary FROM base WHERE epoch_id = ?1")?;
    let mut base = base.query([id])?;
    let Some(row) = base.next()? else { return Ok(()) };
    let (sequence, time) = (unsigned(row, 0)?, Time::from_nanos(row.get(1)?));
    let dictionary = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
    check(row.get(2)?, base_crc(sequence, time, dictionary), name, epoch, sequence)?;
    take(kept, name, Item::Base { epoch, sequence, time, dictionary })
}

fn read_updates(database: &Connection, id: i64, epoch: u64, name: &str, kept: &mut Kept) -> Result<(), Bad> {
    let mut updates = database.prepare_cached(
        "SELECT sequence, time, ended, crc, patch FROM update_row WHERE epoch_id = ?1 ORDER BY sequence",
    )?;
    let mut updates = updates.query([id])?;
    while let Some(row) = updates.next()? {
        let sequence = unsigned(row, 0)?;
        let patch = row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)?;
        let update = Update { time: Time::from_nanos(row.get(1)?), end: row.get(2)?, patch };
        check(row.get(3)?, update_crc(sequence, &update), name, epoch, sequence)?;
        take(kept, name, Item::Update { epoch, sequence, update })?;
    }
    Ok(())
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

fn check(stored: u32, computed: u32, name: &str, epoch: u64, sequence: u64) -> Result<(), Bad> {
    if stored == computed {
        return Ok(());
    }
    Err(Bad::Row(format!("update {sequence} of epoch {epoch} of {name:?} has another checksum")))
}

fn take(kept: &mut Kept, source: &str, item: Item<'_>) -> Result<(), Bad> {
    kept.take(&Entry { source, item }).map_err(|error| Bad::Row(error.to_string()))
}
