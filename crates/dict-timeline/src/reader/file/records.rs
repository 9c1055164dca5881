//! Reading records in their order.

use dict_protocol::time::Time;
use rusqlite::{Connection, Row};

use crate::error::{Error, Result};
use crate::record::{Record, RecordKind};

/// The columns that [`parse`] takes, and the table.
macro_rules! select_records {
    ($rest:literal) => {
        concat!(
            "SELECT n, rows, kind, flags, stream_id, sequence, time, hub_time, writer_time, offset, uncertainty, \
             context, body, crc FROM record ",
            $rest
        )
    };
}

/// Hands over each record whose rows are within these numbers, in one go.
///
/// # Errors
///
/// What SQLite or `each` says, and [`Error::Corrupt`].
pub(crate) fn each(
    database: &Connection,
    from: i64,
    to: i64,
    mut each: impl FnMut(&Record<'_>) -> Result<()>,
) -> Result<()> {
    let mut query = database.prepare_cached(select_records!(
        "WHERE n BETWEEN (SELECT coalesce(max(n), 0) FROM record WHERE n <= ?1) AND ?2 ORDER BY n"
    ))?;
    let mut rows = query.query([from, to])?;
    while let Some(row) = rows.next()? {
        let record = parse(row.get(0)?, row.get(1)?, row)?;
        if record.n + record.rows > from {
            each(&record)?;
        }
    }
    Ok(())
}

/// As [`each`], at most `limit` of them, from either end; returns the number at which to go on from there.
pub(crate) fn slice(
    database: &Connection,
    (from, to): (i64, i64),
    limit: i64,
    backwards: bool,
    mut each: impl FnMut(&Record<'_>) -> Result<()>,
) -> Result<Option<i64>> {
    try_slice(database, (from, to), limit, backwards, |_, _, record| each(&record?))
}

/// As [`slice`], with damaged records too: each comes with its number and how many numbers it takes.
pub(crate) fn try_slice(
    database: &Connection,
    (from, to): (i64, i64),
    limit: i64,
    backwards: bool,
    mut each: impl FnMut(i64, i64, Result<Record<'_>>) -> Result<()>,
) -> Result<Option<i64>> {
    let mut query = database.prepare_cached(if backwards {
        select_records!(
            "WHERE n BETWEEN (SELECT coalesce(max(n), 0) FROM record WHERE n <= ?1) AND ?2 ORDER BY n DESC LIMIT ?3"
        )
    } else {
        select_records!(
            "WHERE n BETWEEN (SELECT coalesce(max(n), 0) FROM record WHERE n <= ?1) AND ?2 ORDER BY n LIMIT ?3"
        )
    })?;
    let mut rows = query.query([from, to, limit])?;
    let mut count = 0;
    let mut next = None;
    while let Some(row) = rows.next()? {
        let (n, numbers): (i64, i64) = (row.get(0)?, row.get(1)?);
        count += 1;
        next = Some(if backwards { n - 1 } else { n + numbers.max(1) });
        if n + numbers > from {
            each(n, numbers, parse(n, numbers, row))?;
        }
    }
    Ok(next.filter(|next| count == limit && (from..=to).contains(next)))
}

/// The record that a query of [`select_records`] stands at, of which its number and how many it takes were read.
fn parse<'a>(n: i64, rows: i64, row: &'a Row<'_>) -> Result<Record<'a>> {
    let kind: i64 = row.get(2)?;
    let kind = RecordKind::from_code(kind).ok_or_else(|| Error::Corrupt {
        n: n.cast_unsigned(),
        what: format!("a record of a kind that is not known, {kind}"),
    })?;
    let (replayed, late) = Record::from_flags(row.get(3)?);
    let blob = |at: usize| -> Result<Option<&'a [u8]>> {
        Ok(row.get_ref(at)?.as_blob_or_null().map_err(rusqlite::Error::from)?)
    };
    let record = Record {
        n,
        rows,
        kind,
        replayed,
        late,
        stream_id: row.get(4)?,
        sequence: row.get::<_, i64>(5)?.cast_unsigned(),
        time: Time::from_nanos(row.get(6)?),
        hub_time: row.get::<_, Option<i64>>(7)?.map(Time::from_nanos),
        writer_time: Time::from_nanos(row.get(8)?),
        offset: row.get(9)?,
        uncertainty: row.get::<_, Option<i64>>(10)?.map(i64::cast_unsigned),
        context: blob(11)?,
        body: blob(12)?.unwrap_or_default(),
    };
    let stored: u32 = row.get(13)?;
    let found = record.checksum();
    if stored != found {
        let what = format!("its checksum is {found:#010x}, and {stored:#010x} was stored");
        return Err(Error::Corrupt { n: n.cast_unsigned(), what });
    }
    Ok(record)
}
