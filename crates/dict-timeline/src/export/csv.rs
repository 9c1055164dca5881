//! Rows as CSV: the fields of [JSON Lines](super::json) as columns, and `type` beside `value`.
//!
//! Cells hold plain text: numbers in decimal, `NaN`, `Infinity`, `-Infinity`, `true`, `false`; binary, lists and
//! dictionaries in the `$` form. What a row does not have is empty.

use std::io;

use dict_protocol::value::Value;

use super::cells::{Cell, Cells};
use crate::column;
use crate::row::{Change, Content, Kind, Row};

/// A column, in the order in which they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Kind,
    N,
    Time,
    Hub,
    Source,
    Epoch,
    Sequence,
    Key,
    Type,
    Value,
    Removed,
    WriterTime,
    Offset,
    Uncertainty,
    Replayed,
    Late,
    FirstSequence,
    LastSequence,
    ToEpoch,
    ToSequence,
    Event,
    Client,
    Address,
    Product,
    Reason,
    Id,
    From,
    To,
    Action,
    Encoding,
    Outcome,
    Result,
    Duration,
    Text,
    Since,
}

use Column as C;
use Kind as K;

/// Each column's name, and the kinds that have it; none means all.
const COLUMNS: [(Column, &str, &[Kind]); 35] = [
    (C::Kind, "kind", &[]),
    (C::N, "n", &[]),
    (C::Time, "time", &[]),
    (C::Hub, "hub", &[]),
    (C::Source, "source", &[K::Change, K::Gap, K::Connection]),
    (C::Epoch, "epoch", &[K::Change, K::Gap]),
    (C::Sequence, "sequence", &[K::Change]),
    (C::Key, "key", &[K::Change]),
    (C::Type, "type", &[K::Change, K::Message, K::Request]),
    (C::Value, "value", &[K::Change, K::Message, K::Request]),
    (C::Removed, "removed", &[K::Change]),
    (C::WriterTime, "writer_time", &[K::Change]),
    (C::Offset, "offset_ns", &[K::Change, K::Clock]),
    (C::Uncertainty, "uncertainty_ns", &[K::Change, K::Clock]),
    (C::Replayed, "replayed", &[K::Change]),
    (C::Late, "late", &[K::Change]),
    (C::FirstSequence, "first_sequence", &[K::Gap]),
    (C::LastSequence, "last_sequence", &[K::Gap]),
    (C::ToEpoch, "to_epoch", &[K::Gap]),
    (C::ToSequence, "to_sequence", &[K::Gap]),
    (C::Event, "event", &[K::Connection, K::Note]),
    (C::Client, "client", &[K::Connection, K::Clock]),
    (C::Address, "address", &[K::Connection]),
    (C::Product, "product", &[K::Connection]),
    (C::Reason, "reason", &[K::Connection, K::Gap]),
    (C::Id, "id", &[K::Request]),
    (C::From, "from", &[K::Message, K::Request, K::Note]),
    (C::To, "to", &[K::Message, K::Request]),
    (C::Action, "action", &[K::Request]),
    (C::Encoding, "encoding", &[K::Message]),
    (C::Outcome, "outcome", &[K::Request]),
    (C::Result, "result", &[K::Request]),
    (C::Duration, "duration_ns", &[K::Request]),
    (C::Text, "text", &[K::Note]),
    (C::Since, "since", &[K::Gap]),
];

/// Writes rows as CSV.
pub struct CsvWriter<W: io::Write> {
    out: csv::Writer<W>,
    columns: Vec<Column>,
    /// The row that is being written: whole records go out much faster than single fields.
    cells: Cells,
}

impl<W: io::Write> CsvWriter<W> {
    /// Writes the line of names: the columns that rows of `kinds` have; none means all kinds.
    ///
    /// # Errors
    ///
    /// What `out` says.
    pub fn new(out: W, kinds: &[Kind]) -> io::Result<Self> {
        let wanted =
            |of: &[Kind]| of.is_empty() || kinds.is_empty() || of.iter().any(|kind| kinds.contains(kind));
        let columns: Vec<_> = COLUMNS.iter().filter(|(_, _, of)| wanted(of)).collect();
        let mut out = csv::Writer::from_writer(out);
        out.write_record(columns.iter().map(|(_, name, _)| name))?;
        let columns = columns.into_iter().map(|(column, _, _)| *column).collect();
        Ok(Self { out, columns, cells: Cells::default() })
    }

    /// Writes one row.
    ///
    /// # Errors
    ///
    /// What the output says.
    pub fn write(&mut self, row: &Row) -> io::Result<()> {
        let Self { out, columns, cells } = self;
        columns.iter().for_each(|column| cells.push(cell(*column, row)));
        cells.end(out)
    }

    /// Hands everything to the output, and gives it back.
    ///
    /// # Errors
    ///
    /// What the output says.
    pub fn finish(self) -> io::Result<W> {
        self.out.into_inner().map_err(csv::IntoInnerError::into_error)
    }

    /// Hands everything to the output.
    ///
    /// # Errors
    ///
    /// What the output says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn cell(column: Column, row: &Row) -> Cell<'_> {
    match column {
        Column::Kind => Cell::Text(row.content.kind().as_str()),
        Column::N => unsigned(row.n),
        Column::Time => Cell::Time(row.time),
        Column::Hub => Cell::Text(&row.hub),
        column => match &row.content {
            Content::Change(change) => change_cell(column, change),
            other => other_cell(column, other),
        },
    }
}

fn change_cell(column: Column, change: &Change) -> Cell<'_> {
    match column {
        Column::Source => Cell::Text(&change.source),
        Column::Epoch => Cell::Unsigned(change.epoch),
        Column::Sequence => Cell::Unsigned(change.sequence),
        Column::Key => Cell::Text(&change.key),
        Column::Type => Cell::Text(column::type_name(change.value.as_ref())),
        Column::Value => value(change.value.as_ref()),
        Column::WriterTime => Cell::Time(change.writer_time),
        Column::Removed => flag(change.value.is_none()),
        Column::Offset => Cell::Signed(change.offset),
        Column::Uncertainty => unsigned(change.uncertainty),
        Column::Replayed => flag(change.replayed),
        Column::Late => flag(change.late),
        _ => Cell::Empty,
    }
}

fn other_cell(column: Column, content: &Content) -> Cell<'_> {
    match (column, content) {
        (C::Source, content) => text(content.source()),
        (C::Epoch, Content::Gap(gap)) => Cell::Unsigned(gap.epoch),
        (C::FirstSequence, Content::Gap(gap)) => Cell::Unsigned(gap.first_sequence),
        (C::LastSequence, Content::Gap(gap)) => unsigned(gap.last_sequence),
        (C::ToEpoch, Content::Gap(gap)) => unsigned(gap.to.map(|(epoch, _)| epoch)),
        (C::ToSequence, Content::Gap(gap)) => unsigned(gap.to.map(|(_, sequence)| sequence)),
        (C::Reason, Content::Gap(gap)) => Cell::Text(gap.reason.as_str()),
        (C::Since, Content::Gap(gap)) => gap.since.map_or(Cell::Empty, Cell::Time),
        (C::Type, Content::Message(message)) => Cell::Text(column::type_name(Some(&message.value))),
        (C::Value, Content::Message(message)) => Cell::Value(&message.value),
        (C::From, Content::Message(message)) => text(message.from.as_deref()),
        (C::To, Content::Message(message)) => text(message.to.as_deref()),
        (C::Encoding, Content::Message(message)) => text(message.encoding.as_deref()),
        (C::Type, Content::Request(request)) => Cell::Text(column::type_name(Some(&request.value))),
        (C::Value, Content::Request(request)) => Cell::Value(&request.value),
        (C::Id, Content::Request(request)) => unsigned(request.id),
        (C::From, Content::Request(request)) => text(request.from.as_deref()),
        (C::To, Content::Request(request)) => text(request.to.as_deref()),
        (C::Action, Content::Request(request)) => text(request.action.as_deref()),
        (C::Outcome, Content::Request(request)) => text(request.outcome.as_deref()),
        (C::Result, Content::Request(request)) => value(request.result.as_ref()),
        (C::Duration, Content::Request(request)) => signed(request.duration),
        (C::Event, Content::Connection(connection)) => Cell::Text(&connection.event),
        (C::Client, Content::Connection(connection)) => text(connection.client.as_deref()),
        (C::Address, Content::Connection(connection)) => text(connection.address.as_deref()),
        (C::Product, Content::Connection(connection)) => text(connection.product.as_deref()),
        (C::Reason, Content::Connection(connection)) => text(connection.reason.as_deref()),
        (C::Client, Content::Clock(clock)) => text(clock.client.as_deref()),
        (C::Offset, Content::Clock(clock)) => signed(clock.offset),
        (C::Uncertainty, Content::Clock(clock)) => signed(clock.uncertainty),
        (C::Event, Content::Note(note)) => Cell::Text(&note.event),
        (C::From, Content::Note(note)) => text(note.from.as_deref()),
        (C::Text, Content::Note(note)) => Cell::Text(&note.text),
        _ => Cell::Empty,
    }
}

fn text(text: Option<&str>) -> Cell<'_> {
    text.map_or(Cell::Empty, Cell::Text)
}

fn value(value: Option<&Value>) -> Cell<'_> {
    value.map_or(Cell::Empty, Cell::Value)
}

fn signed<'a>(number: Option<i64>) -> Cell<'a> {
    number.map_or(Cell::Empty, Cell::Signed)
}

fn unsigned<'a>(number: Option<u64>) -> Cell<'a> {
    number.map_or(Cell::Empty, Cell::Unsigned)
}

fn flag<'a>(truth: bool) -> Cell<'a> {
    if truth { Cell::Text("true") } else { Cell::Empty }
}
