//! Reading everything in order: records, each taken apart into its rows.

use std::sync::Arc;

use super::spans::Range;
use super::{File, Stream, records};
use dict_protocol::encoding::messagepack::Raw;

use crate::error::Result;
use crate::event;
use crate::filter::Filter;
use crate::record::{Item, Record};
use crate::row::{Change, Content, Kind, Row};

/// Records of one slice.
const SLICE: i64 = 1_024;

/// A place in the records of some ranges.
#[derive(Debug)]
pub(super) struct Scan {
    /// What is still to be read, the next last.
    ranges: Vec<Range>,
    backwards: bool,
}

impl Scan {
    pub(super) fn new(mut ranges: Vec<Range>, backwards: bool) -> Self {
        if !backwards {
            ranges.reverse();
        }
        Self { ranges, backwards }
    }

    /// Appends the rows of one more slice. Returns whether there may be more.
    pub(super) fn fill(&mut self, file: &File, filter: &Filter, out: &mut Vec<Row>) -> Result<bool> {
        let Some(range) = self.ranges.pop() else { return Ok(false) };
        let next = records::slice(&file.database, range, SLICE, self.backwards, |record| {
            let start = out.len();
            rows(file, record, filter, range, out)?;
            if self.backwards {
                out[start..].reverse();
            }
            Ok(())
        })?;
        if let Some(next) = next {
            self.ranges.push(if self.backwards { (range.0, next) } else { (next, range.1) });
        }
        Ok(true)
    }
}

/// Appends the rows of a record that are within the range and pass.
pub(super) fn rows(
    file: &File,
    record: &Record<'_>,
    filter: &Filter,
    range: Range,
    out: &mut Vec<Row>,
) -> Result<()> {
    if !filter.wants_time(record.time) {
        return Ok(());
    }
    let stream = file.stream(record.stream_id)?;
    let wanted = filter.wants_source(&stream.source);
    if !wanted && !stream.events {
        return Ok(());
    }
    let contents = record.contents()?;
    for (n, item) in (record.n..).zip(contents.items()) {
        if n < range.0 || n > range.1 {
            continue;
        }
        let Some(content) = content(record, &stream, item, filter) else { continue };
        if wanted || content.source().is_some_and(|source| filter.wants_source(source)) {
            let hub = Arc::clone(&stream.hub);
            out.push(Row { n: Some(n.cast_unsigned()), time: record.time, hub, content });
        }
    }
    Ok(())
}

/// One row's content, if its kind and key pass.
fn content(record: &Record<'_>, stream: &Stream, item: Item<'_>, filter: &Filter) -> Option<Content> {
    let source = || Arc::clone(&stream.source);
    let (key, value) = match item {
        Item::Missing(missing) => {
            return filter.wants_kind(Kind::Gap).then(|| {
                Content::Gap(event::gap(source(), stream.epoch, record.sequence, record.kind, missing))
            });
        }
        Item::Set(sort, value) if stream.events => {
            let content = event::content(sort, &value.decode());
            return filter.wants_kind(content.kind()).then_some(content);
        }
        Item::Removed(_) if stream.events => return None,
        Item::Removed(key) => (key, None),
        Item::Set(key, value) => (key, Some(value)),
    };
    (filter.wants_kind(Kind::Change) && filter.wants_key(key)).then(|| {
        Content::Change(Change {
            source: source(),
            epoch: stream.epoch,
            sequence: record.sequence,
            key: key.to_owned(),
            value: value.map(Raw::decode),
            writer_time: record.writer_time,
            offset: record.offset,
            uncertainty: record.uncertainty,
            replayed: record.replayed,
            late: record.late,
        })
    })
}
