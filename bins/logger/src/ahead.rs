//! Rows that are read in a thread of their own, ahead of whoever writes them: each takes about half of the time.

use std::iter::Peekable;
use std::sync::mpsc::{IntoIter, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use dict_protocol::value::Value;
use dict_timeline::{Content, Filter, Reader, Result, Row};

/// Rows that are handed over at once, at most; the bytes with which they are enough in any case, and the time after which.
const BATCH: usize = 1_024;
const BATCH_BYTES: usize = 1 << 20;
const BATCH_TIME: Duration = Duration::from_millis(50);
/// Batches that may wait to be written: so many that neither side often waits for the other.
const BATCHES: usize = 16;

/// Some rows, in their order.
pub(crate) struct Batch {
    pub(crate) rows: Vec<Row>,
    /// The number of the last one that was read, and of the last that there will be.
    pub(crate) position: u64,
    pub(crate) end: u64,
}

/// Has `take` write the rows that pass `filter`. It gets one batch at least, or an error, after which there are no more;
/// when it returns early, reading stops at the next row.
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
    loop {
        let (mut rows, mut bytes, begun) = (Vec::new(), 0, Instant::now());
        let mut over = None;
        while over.is_none()
            && rows.len() < BATCH
            && bytes < BATCH_BYTES
            && (rows.is_empty() || begun.elapsed() < BATCH_TIME)
        {
            match all.next() {
                Some(Ok(row)) => {
                    bytes += size(&row);
                    rows.push(row);
                }
                Some(Err(error)) => over = Some(Err(error)),
                None => over = Some(Ok(())),
            }
        }
        let batch = Batch { rows, position: all.position(), end: all.end() };
        if batches.send(Ok(batch)).is_err() {
            return Ok(());
        }
        if let Some(over) = over {
            return over;
        }
    }
}

/// About how many bytes of a row can be large.
fn size(row: &Row) -> usize {
    match &row.content {
        Content::Change(change) => change.key.len() + change.value.as_ref().map_or(0, size_of_value),
        Content::Message(message) => size_of_value(&message.value),
        Content::Request(request) => {
            size_of_value(&request.value) + request.result.as_ref().map_or(0, size_of_value)
        }
        Content::Note(note) => note.text.len(),
        _ => 0,
    }
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
