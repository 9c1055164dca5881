//! Rows that are read in a thread of their own, ahead of whoever writes them: each takes about half of the time.

use std::iter::Peekable;
use std::mem;
use std::sync::mpsc::{IntoIter, SyncSender, sync_channel};
use std::thread;

use dict_protocol::value::Value;
use dict_timeline::{Content, Filter, Reader, Result, Row};

/// Bytes with which rows are enough to be handed over; otherwise as many are as were read in one go.
const BATCH_BYTES: usize = 1 << 20;
/// Batches that may wait to be written: so many that neither side often waits for the other.
const BATCHES: usize = 16;

/// Some rows, in their order.
pub(crate) struct Batch {
    pub(crate) rows: Vec<Row>,
    /// The number of the last one that was read, and of the last that there will be.
    pub(crate) position: u64,
    pub(crate) end: u64,
}

/// Has `take` write the rows that pass `filter`. It gets batches, some of which may be empty, and after an error no more;
/// when it returns early, reading stops at the next batch.
pub(crate) fn read<T>(
    reader: Reader,
    filter: &Filter,
    take: impl FnOnce(Peekable<IntoIter<Result<Batch>>>) -> T,
) -> T {
    let (batches, ready) = sync_channel(BATCHES);
    thread::scope(|scope| {
        scope.spawn(move || {
            if let Err(error) = hand_over(&reader, filter, &batches) {
                // Who does not listen any more has an error to tell already.
                let _ = batches.send(Err(error));
            }
        });
        take(ready.into_iter().peekable())
    })
}

fn hand_over(reader: &Reader, filter: &Filter, batches: &SyncSender<Result<Batch>>) -> Result<()> {
    let mut all = reader.rows(filter)?;
    while let Some(slice) = all.next_slice() {
        let mut slice = slice?.into_iter();
        loop {
            let rows: Vec<Row> = match enough(slice.as_slice()) {
                // The slice itself is passed on, and no row of it moved.
                whole if whole == slice.len() => mem::take(&mut slice).collect(),
                some => slice.by_ref().take(some).collect(),
            };
            if batches.send(Ok(Batch { rows, position: all.position(), end: all.end() })).is_err() {
                return Ok(());
            }
            if slice.len() == 0 {
                break;
            }
        }
    }
    Ok(())
}

/// How many of these rows are enough to be handed over.
fn enough(rows: &[Row]) -> usize {
    let mut bytes = 0;
    let last = rows.iter().position(|row| {
        bytes += size(row);
        bytes >= BATCH_BYTES
    });
    last.map_or(rows.len(), |last| last + 1)
}

/// About how many bytes a row takes.
fn size(row: &Row) -> usize {
    let content = match &row.content {
        Content::Change(change) => change.key.len() + change.value.as_ref().map_or(0, size_of_value),
        Content::Message(message) => size_of_value(&message.value),
        Content::Request(request) => {
            size_of_value(&request.value) + request.result.as_ref().map_or(0, size_of_value)
        }
        Content::Note(note) => note.text.len(),
        _ => 0,
    };
    size_of::<Row>() + content
}

fn size_of_value(value: &Value) -> usize {
    let content = match value {
        Value::Text(text) => text.len(),
        Value::Binary(bytes) => bytes.len(),
        Value::List(list) => list.iter().map(size_of_value).sum(),
        Value::Dictionary(dictionary) => {
            dictionary.iter().map(|(key, value)| key.len() + size_of_value(value)).sum()
        }
        _ => 0,
    };
    size_of::<Value>() + content
}
