//! Rows: what of an entry stands in which table.

use std::collections::HashMap;

use dict_protocol::kept::{Entry, Item, Marks, Update};
use dict_protocol::session::Session;
use dict_protocol::time::Time;
use rusqlite::{Connection, params};

/// The numbers by which sources and epochs are known in the file.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) sources: HashMap<String, SourceRow>,
}

#[derive(Debug, Default)]
pub(crate) struct SourceRow {
    pub(crate) id: i64,
    /// The rows of its epochs, by their numbers.
    pub(crate) epochs: HashMap<u64, i64>,
}

/// A write that is under way.
enum Progress {
    Nothing,
    /// In a transaction, with so many bytes.
    Begun(usize),
    Failed(rusqlite::Error),
}

impl Rows {
    /// Stores what `session` wants to be kept in one transaction; returns how many bytes that are, 0 where there is
    /// nothing.
    pub(crate) fn write(&mut self, database: &Connection, session: &mut Session) -> rusqlite::Result<usize> {
        let mut progress = Progress::Nothing;
        session.keep(&mut |entry| {
            let before = match progress {
                Progress::Nothing => execute(database, "BEGIN").map(|()| 0),
                Progress::Begun(bytes) => Ok(bytes),
                Progress::Failed(_) => return,
            };
            progress = match before.and_then(|bytes| Ok(bytes + self.put(database, &entry)?)) {
                Ok(bytes) => Progress::Begun(bytes),
                Err(error) => Progress::Failed(error),
            };
        });
        match progress {
            Progress::Nothing => Ok(0),
            Progress::Begun(bytes) => execute(database, "COMMIT").map(|()| bytes),
            // The connection is not used again: closing it rolls back.
            Progress::Failed(error) => Err(error),
        }
    }

    /// Stores one entry; returns how many bytes that are, about.
    fn put(&mut self, database: &Connection, entry: &Entry<'_>) -> rusqlite::Result<usize> {
        /// What a row takes besides its bytes.
        const ROW: usize = 40;
        let source = self.source(database, entry.source)?;
        match entry.item {
            Item::Bookmark(bookmark) => {
                let mut update = database.prepare_cached("UPDATE source SET bookmark = ?2 WHERE id = ?1")?;
                update.execute(params![source.id, bookmark])?;
                Ok(ROW + bookmark.len())
            }
            Item::Epoch { epoch, marks } => put_marks(database, source, epoch, &marks).map(|()| ROW),
            Item::Base { epoch, sequence, time, dictionary } => {
                let id = source.epoch(epoch)?;
                let mut insert = database.prepare_cached(
                    "INSERT OR REPLACE INTO base (epoch_id, sequence, time, crc, dictionary) \
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?;
                let crc = base_crc(sequence, time, dictionary);
                insert.execute(params![id, sequence.cast_signed(), time.as_nanos(), crc, dictionary])?;
                let mut delete = database
                    .prepare_cached("DELETE FROM update_row WHERE epoch_id = ?1 AND sequence <= ?2")?;
                delete.execute(params![id, sequence.cast_signed()])?;
                Ok(ROW + dictionary.len())
            }
            Item::Update { epoch, sequence, update } => {
                let mut insert = database.prepare_cached(
                    "INSERT INTO update_row (epoch_id, sequence, time, ended, crc, patch) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?;
                let crc = update_crc(sequence, &update);
                let Update { time, end, patch } = update;
                let id = source.epoch(epoch)?;
                insert.execute(params![id, sequence.cast_signed(), time.as_nanos(), end, crc, patch])?;
                Ok(ROW + patch.len())
            }
            Item::Over { epoch } => {
                let Some(id) = source.epochs.remove(&epoch) else { return Ok(0) };
                for table in ["update_row WHERE epoch_id", "base WHERE epoch_id", "epoch WHERE id"] {
                    database.prepare_cached(&format!("DELETE FROM {table} = ?1"))?.execute([id])?;
                }
                Ok(ROW)
            }
        }
    }

    fn source(&mut self, database: &Connection, name: &str) -> rusqlite::Result<&mut SourceRow> {
        if !self.sources.contains_key(name) {
            database.execute("INSERT INTO source (name, bookmark) VALUES (?1, x'')", [name])?;
            let row = SourceRow { id: database.last_insert_rowid(), epochs: HashMap::new() };
            self.sources.insert(name.to_owned(), row);
        }
        Ok(self.sources.get_mut(name).expect("it was just inserted if it was not there"))
    }
}

fn execute(database: &Connection, sql: &str) -> rusqlite::Result<()> {
    database.prepare_cached(sql)?.execute(()).map(drop)
}

impl SourceRow {
    fn epoch(&self, number: u64) -> rusqlite::Result<i64> {
        self.epochs.get(&number).copied().ok_or(rusqlite::Error::QueryReturnedNoRows)
    }
}

/// Stores how far an epoch is, which may be a new one.
fn put_marks(
    database: &Connection,
    source: &mut SourceRow,
    number: u64,
    marks: &Marks,
) -> rusqlite::Result<()> {
    let mut put = database.prepare_cached(
        "INSERT INTO epoch (source_id, number, previous, ended, acknowledged, evicted, stated_first, stated_last, \
         lost, loss_since) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
         ON CONFLICT (source_id, number) DO UPDATE SET previous = excluded.previous, ended = excluded.ended, \
         acknowledged = excluded.acknowledged, evicted = excluded.evicted, stated_first = excluded.stated_first, \
         stated_last = excluded.stated_last, lost = excluded.lost, loss_since = excluded.loss_since",
    )?;
    put.execute(params![
        source.id,
        number.cast_signed(),
        marks.previous.cast_signed(),
        marks.ended,
        marks.acknowledged.cast_signed(),
        marks.evicted.cast_signed(),
        marks.stated.map(|(first, _)| first.cast_signed()),
        marks.stated.map(|(_, last)| last.cast_signed()),
        marks.lost.cast_signed(),
        marks.begins_after_loss.map(Time::as_nanos),
    ])?;
    source.epochs.entry(number).or_insert_with(|| database.last_insert_rowid());
    Ok(())
}

/// The checksum of an update's row.
pub(crate) fn update_crc(sequence: u64, update: &Update<'_>) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&sequence.to_le_bytes());
    crc.update(&update.time.as_nanos().to_le_bytes());
    crc.update(&[u8::from(update.end)]);
    crc.update(update.patch);
    crc.finalize()
}

/// The checksum of a base's row.
pub(crate) fn base_crc(sequence: u64, time: Time, dictionary: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&sequence.to_le_bytes());
    crc.update(&time.as_nanos().to_le_bytes());
    crc.update(dictionary);
    crc.finalize()
}
