//! Rows of a timeline, for people.

use std::io::{self, Write};

use dict_protocol::encoding::json::{self, Style};
use dict_protocol::encoding::tagged;
use dict_protocol::value::Value;
use dict_timeline::row::{Change, Clock, Connection, Content, Gap, Message, Note, Request, Row};

use crate::table::{Column, Table};
use crate::time;

/// A table of rows of any kind: what it is about as source and key, what it says as value.
#[derive(Debug)]
pub struct RowTable {
    table: Table,
    numbered: bool,
}

impl RowTable {
    /// A table with the timeline's numbers, or for rows that have none without.
    pub fn new(numbered: bool) -> Self {
        let mut columns = Vec::new();
        if numbered {
            columns.push(Column::quiet_number("N"));
        }
        columns.extend([
            Column::quiet("TIME"),
            Column::text("KIND"),
            Column::name("SOURCE"),
            Column::text("KEY"),
            Column::text("VALUE"),
        ]);
        Self { table: Table::new(columns), numbered }
    }

    /// Adds a row.
    pub fn add(&mut self, row: &Row) {
        let number = row.n.map(|n| n.to_string()).unwrap_or_default();
        let (source, key, value) = describe(&row.content);
        let kind = row.content.kind().to_string();
        let cells = [time::format_local(row.time), kind, source, key, value];
        self.table.row(self.numbered.then_some(number).into_iter().chain(cells));
    }

    /// Writes what was added since it was last called; the first time, the titles before it.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.table.write(out)
    }
}

/// A value for people: JSON with NaN and the infinities as words; what that cannot say, in the `$` form.
pub fn value_text(value: &Value) -> String {
    let mut text = String::new();
    json::write(value, Style::READABLE, usize::MAX, &mut text)
        .or_else(|_| tagged::write(value, Style::READABLE, usize::MAX, &mut text))
        .expect("the $ form can say everything, and no depth is too much");
    text
}

/// What it is about, as source and key, and what it says.
fn describe(content: &Content) -> (String, String, String) {
    match content {
        Content::Change(Change { source, key, value, .. }) => {
            let value = value.as_ref().map_or_else(|| "(removed)".to_owned(), value_text);
            (source.to_string(), key.clone(), value)
        }
        Content::Message(Message { from, to, value, .. }) => {
            let to = to.as_deref().filter(|to| !to.is_empty());
            let to = to.map_or_else(|| "to all".to_owned(), |to| format!("to {to}"));
            (text(from), to, value_text(value))
        }
        Content::Request(request) => (text(&request.from), text(&request.action), describe_request(request)),
        Content::Connection(Connection { event, client, address, product, source, reason }) => {
            let about = source.as_ref().or(client.as_ref());
            let told = [address, product, reason]
                .into_iter()
                .flatten()
                .map(String::as_str)
                .filter(|s| !s.is_empty());
            (text_of(about), event.clone(), told.collect::<Vec<_>>().join(", "))
        }
        Content::Clock(Clock { client, offset, uncertainty }) => {
            (text(client), "offset".to_owned(), describe_offset(*offset, *uncertainty))
        }
        Content::Gap(gap) => (gap.source.to_string(), String::new(), describe_gap(gap)),
        Content::Note(Note { event, from, text: said }) => (text(from), event.clone(), said.clone()),
        // Kinds of later versions of the timeline's crate.
        _ => Default::default(),
    }
}

fn describe_request(request: &Request) -> String {
    let mut told = value_text(&request.value);
    if let Some(outcome) = &request.outcome {
        told = format!("{told}: {outcome}");
    }
    if let Some(result) = &request.result {
        told = format!("{told} {}", value_text(result));
    }
    match request.duration {
        Some(nanoseconds) => format!("{told} ({:.3} ms)", nanoseconds as f64 / 1e6),
        None => told,
    }
}

fn describe_offset(offset: Option<i64>, uncertainty: Option<i64>) -> String {
    let milliseconds = |nanoseconds: i64| format!("{:.3} ms", nanoseconds as f64 / 1e6);
    match (offset, uncertainty) {
        (Some(offset), Some(uncertainty)) => {
            format!("{} ± {}", milliseconds(offset), milliseconds(uncertainty))
        }
        (Some(offset), None) => milliseconds(offset),
        (None, _) => "unknown".to_owned(),
    }
}

fn describe_gap(gap: &Gap) -> String {
    let Gap { epoch, first_sequence, last_sequence, to, reason, since, .. } = gap;
    let which = match (last_sequence, to) {
        (Some(last), _) if last == first_sequence => format!("update {last} of epoch {epoch}"),
        (Some(last), _) => format!("updates {first_sequence} to {last} of epoch {epoch}"),
        (None, Some((later, _))) if *epoch == 0 => format!("whatever was before epoch {later}"),
        (None, Some((later, _))) => {
            format!(
                "whatever was from update {first_sequence} of epoch {epoch} to the beginning of epoch {later}"
            )
        }
        (None, None) => format!("from update {first_sequence} of epoch {epoch}"),
    };
    let since = since.map_or_else(String::new, |since| format!(", since {}", time::format_local(since)));
    format!("{}: {which}{since}", reason.as_str())
}

fn text(text: &Option<String>) -> String {
    text_of(text.as_ref())
}

fn text_of(text: Option<&String>) -> String {
    text.cloned().unwrap_or_default()
}
