//! The tables of kinds other than `change`: one row each way between them and [`Content`].

use std::sync::Arc;

use dict_protocol::record::GapReason;
use dict_protocol::time::Time;
use dict_protocol::value::Value;
use rusqlite::{Connection as Database, Row as SqlRow, params};

use crate::column;
use crate::error::{Error, Result};
use crate::row::{Clock, Connection, Content, Gap, Kind, Message, Note, Request};

/// Stores a row of any kind but `change`. What was stored before under the same number is replaced.
pub(crate) fn insert(
    database: &Database,
    n: i64,
    time: i64,
    stream_id: i64,
    content: &Content,
) -> Result<()> {
    match content {
        Content::Change(_) => {}
        Content::Gap(gap) => {
            let sql = "INSERT OR REPLACE INTO gap VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
            database.prepare_cached(sql)?.execute(params![
                n,
                time,
                stream_id,
                gap.epoch.cast_signed(),
                gap.first_sequence.cast_signed(),
                gap.last_sequence.map(u64::cast_signed),
                gap.to.map(|(epoch, _)| epoch.cast_signed()),
                gap.to.map(|(_, sequence)| sequence.cast_signed()),
                gap.reason.code(),
                gap.since.map(Time::as_nanos),
            ])?;
        }
        Content::Message(Message { from, to, encoding, value }) => {
            let (kind, value) = column::columns(Some(value));
            database
                .prepare_cached("INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?
                .execute(params![n, time, stream_id, from, to, encoding, kind, value])?;
        }
        Content::Request(request) => insert_request(database, n, time, stream_id, request)?,
        Content::Connection(Connection { event, client, address, product, source, reason }) => {
            database
                .prepare_cached("INSERT OR REPLACE INTO connection VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?
                .execute(params![n, time, stream_id, event, client, address, product, source, reason])?;
        }
        Content::Clock(Clock { client, offset, uncertainty }) => {
            database
                .prepare_cached("INSERT OR REPLACE INTO clock VALUES (?, ?, ?, ?, ?, ?)")?
                .execute(params![n, time, stream_id, client, offset, uncertainty])?;
        }
        Content::Note(Note { event, from, text }) => {
            database
                .prepare_cached("INSERT OR REPLACE INTO note VALUES (?, ?, ?, ?, ?, ?)")?
                .execute(params![n, time, stream_id, event, from, text])?;
        }
    }
    Ok(())
}

fn insert_request(database: &Database, n: i64, time: i64, stream_id: i64, request: &Request) -> Result<()> {
    let (kind, value) = column::columns(Some(&request.value));
    let (result_kind, result) = column::columns(request.result.as_ref());
    database
        .prepare_cached("INSERT OR REPLACE INTO request VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            n,
            time,
            stream_id,
            request.id.map(u64::cast_signed),
            request.from,
            request.to,
            request.action,
            kind,
            value,
            request.outcome,
            result_kind,
            result,
            request.duration,
        ])?;
    Ok(())
}

/// The query for rows of `kind`, by number: `n`, `time`, `stream_id` and then the kind's own columns, as [`read`]
/// takes them. Its parameters are the least and the greatest number, and how many rows at most.
pub(crate) const fn select(kind: Kind, backwards: bool) -> Option<&'static str> {
    macro_rules! query {
        ($table:literal) => {
            if backwards {
                concat!("SELECT * FROM ", $table, " WHERE n BETWEEN ?1 AND ?2 ORDER BY n DESC LIMIT ?3")
            } else {
                concat!("SELECT * FROM ", $table, " WHERE n BETWEEN ?1 AND ?2 ORDER BY n LIMIT ?3")
            }
        };
    }
    Some(match kind {
        Kind::Change => return None,
        Kind::Message => query!("message"),
        Kind::Request => query!("request"),
        Kind::Connection => query!("connection"),
        Kind::Clock => query!("clock"),
        Kind::Gap => query!("gap"),
        Kind::Note => query!("note"),
    })
}

/// The row that a query of [`select`] stands at; `source` is the name of its stream's source.
pub(crate) fn read(kind: Kind, row: &SqlRow<'_>, source: &Arc<str>) -> Result<Content> {
    let corrupt = |what: &str| -> Result<Error> {
        Ok(Error::Corrupt { n: row.get::<_, i64>(0)?.cast_unsigned(), what: what.to_owned() })
    };
    let value = |at: usize| -> Result<Option<Value>> {
        match column::value(row.get(at)?, row.get_ref(at + 1)?) {
            Some(value) => Ok(value),
            None => Err(corrupt("a type and a value that do not go together")?),
        }
    };
    let unsigned =
        |at: usize| -> Result<Option<u64>> { Ok(row.get::<_, Option<i64>>(at)?.map(i64::cast_unsigned)) };
    Ok(match kind {
        Kind::Change => return Err(corrupt("changes are in another table")?),
        Kind::Message => Content::Message(Message {
            from: row.get(3)?,
            to: row.get(4)?,
            encoding: row.get(5)?,
            value: value(6)?.unwrap_or_default(),
        }),
        Kind::Request => Content::Request(Request {
            id: unsigned(3)?,
            from: row.get(4)?,
            to: row.get(5)?,
            action: row.get(6)?,
            value: value(7)?.unwrap_or_default(),
            outcome: row.get(9)?,
            result: value(10)?,
            duration: row.get(12)?,
        }),
        Kind::Connection => Content::Connection(Connection {
            event: row.get(3)?,
            client: row.get(4)?,
            address: row.get(5)?,
            product: row.get(6)?,
            source: row.get(7)?,
            reason: row.get(8)?,
        }),
        Kind::Clock => {
            Content::Clock(Clock { client: row.get(3)?, offset: row.get(4)?, uncertainty: row.get(5)? })
        }
        Kind::Gap => {
            let Some(reason) = GapReason::from_code(row.get(8)?) else {
                return Err(corrupt("a reason unknown")?);
            };
            Content::Gap(Gap {
                source: Arc::clone(source),
                epoch: unsigned(3)?.unwrap_or_default(),
                first_sequence: unsigned(4)?.unwrap_or_default(),
                last_sequence: unsigned(5)?,
                to: unsigned(6)?.zip(unsigned(7)?),
                reason,
                since: row.get::<_, Option<i64>>(9)?.map(Time::from_nanos),
            })
        }
        Kind::Note => Content::Note(Note { event: row.get(3)?, from: row.get(4)?, text: row.get(5)? }),
    })
}
