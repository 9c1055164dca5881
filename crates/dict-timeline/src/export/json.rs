//! Rows and states as JSON Lines.
//!
//! | kind | fields besides `kind`, `n`, `time`, `hub` |
//! |---|---|
//! | `change` | `source`, `epoch`, `sequence`, `key`, `value` or `"removed": true`, `writer_time`, `offset_ns`, `uncertainty_ns`; `"replayed": true` and `"late": true` where they hold |
//! | `message` | `from`, `to`, `encoding`, `value` |
//! | `request` | `id`, `from`, `to`, `action`, `value`, `outcome`, `result`, `duration_ns` |
//! | `connection` | `event`, `client`, `source`, `address`, `product`, `reason` |
//! | `clock` | `client`, `offset_ns`, `uncertainty_ns` |
//! | `gap` | `source`, `epoch`, `first_sequence`, `last_sequence`, `to_epoch`, `to_sequence`, `reason`, `since` |
//! | `note` | `event`, `from`, `text` |
//!
//! A field that is not known is left out, but for `uncertainty_ns` of a change and `last_sequence` of a gap, which are
//! null then. `n` is left out of rows that come from no timeline. Times are RFC 3339 in UTC with nanoseconds. Values are
//! in the `$` form ([`dict_protocol::encoding::tagged`]).

use std::fmt::{Display, Write as _};

use dict_protocol::value::Value;

use super::write_time;
use crate::column;
use crate::reader::State;
use crate::row::{Change, Connection, Content, Gap, Message, Note, Request, Row};

/// Appends one row as one JSON object, without a newline.
pub fn write_row(row: &Row, out: &mut String) {
    let mut object = Object::begin(out);
    object.text("kind", row.content.kind().as_str());
    object.number("n", row.n);
    object.time("time", row.time);
    object.text("hub", &row.hub);
    match &row.content {
        Content::Change(change) => write_change(change, &mut object),
        Content::Message(Message { from, to, encoding, value }) => {
            object.optional_text("from", from.as_deref());
            object.optional_text("to", to.as_deref());
            object.optional_text("encoding", encoding.as_deref());
            object.value("value", value);
        }
        Content::Request(request) => write_request(request, &mut object),
        Content::Connection(Connection { event, client, address, product, source, reason }) => {
            object.text("event", event);
            object.optional_text("client", client.as_deref());
            object.optional_text("source", source.as_deref());
            object.optional_text("address", address.as_deref());
            object.optional_text("product", product.as_deref());
            object.optional_text("reason", reason.as_deref());
        }
        Content::Clock(clock) => {
            object.optional_text("client", clock.client.as_deref());
            object.number("offset_ns", clock.offset);
            object.number("uncertainty_ns", clock.uncertainty);
        }
        Content::Gap(gap) => write_gap(gap, &mut object),
        Content::Note(Note { event, from, text }) => {
            object.text("event", event);
            object.optional_text("from", from.as_deref());
            object.text("text", text);
        }
    }
    object.end();
}

/// Appends a source's dictionary as one JSON object, without a newline: `source`, `online`, `time`, `values`.
pub fn write_state(state: &State, out: &mut String) {
    let mut object = Object::begin(out);
    object.text("source", &state.source);
    object.boolean("online", state.online);
    object.time("time", state.time);
    object.value("values", &Value::Dictionary(state.values.clone()));
    object.end();
}

fn write_change(change: &Change, object: &mut Object<'_>) {
    object.text("source", &change.source);
    object.number("epoch", Some(change.epoch));
    object.number("sequence", Some(change.sequence));
    object.text("key", &change.key);
    match &change.value {
        Some(value) => object.value("value", value),
        None => object.boolean("removed", true),
    }
    object.time("writer_time", change.writer_time);
    object.number("offset_ns", Some(change.offset));
    object.number_or_null("uncertainty_ns", change.uncertainty);
    if change.replayed {
        object.boolean("replayed", true);
    }
    if change.late {
        object.boolean("late", true);
    }
}

fn write_request(request: &Request, object: &mut Object<'_>) {
    object.number("id", request.id);
    object.optional_text("from", request.from.as_deref());
    object.optional_text("to", request.to.as_deref());
    object.optional_text("action", request.action.as_deref());
    object.value("value", &request.value);
    object.optional_text("outcome", request.outcome.as_deref());
    if let Some(result) = &request.result {
        object.value("result", result);
    }
    object.number("duration_ns", request.duration);
}

fn write_gap(gap: &Gap, object: &mut Object<'_>) {
    object.text("source", &gap.source);
    object.number("epoch", Some(gap.epoch));
    object.number("first_sequence", Some(gap.first_sequence));
    object.number_or_null("last_sequence", gap.last_sequence);
    object.number("to_epoch", gap.to.map(|(epoch, _)| epoch));
    object.number("to_sequence", gap.to.map(|(_, sequence)| sequence));
    object.text("reason", gap.reason.as_str());
    if let Some(since) = gap.since {
        object.time("since", since);
    }
}

/// A JSON object on its way.
struct Object<'a> {
    out: &'a mut String,
    first: bool,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, first: true }
    }

    fn end(self) {
        self.out.push('}');
    }

    /// Names are our own: none needs an escape.
    fn name(&mut self, name: &str) {
        if !std::mem::take(&mut self.first) {
            self.out.push(',');
        }
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        write_text(text, self.out);
    }

    fn optional_text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    fn number<T: Display>(&mut self, name: &str, number: Option<T>) {
        if let Some(number) = number {
            self.name(name);
            // Writing to a string does not fail.
            let _ = write!(self.out, "{number}");
        }
    }

    fn number_or_null<T: Display>(&mut self, name: &str, number: Option<T>) {
        match number {
            Some(number) => self.number(name, Some(number)),
            None => {
                self.name(name);
                self.out.push_str("null");
            }
        }
    }

    fn boolean(&mut self, name: &str, truth: bool) {
        self.name(name);
        self.out.push_str(if truth { "true" } else { "false" });
    }

    fn time(&mut self, name: &str, time: dict_protocol::time::Time) {
        self.name(name);
        self.out.push('"');
        write_time(time, self.out);
        self.out.push('"');
    }

    fn value(&mut self, name: &str, value: &Value) {
        self.name(name);
        column::write_json(value, self.out);
    }
}

/// Appends a text as a JSON string.
pub(super) fn write_text(text: &str, out: &mut String) {
    out.push('"');
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[plain_from..at]);
        plain_from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            byte => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
    out.push_str(&text[plain_from..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_as_everywhere() {
        for text in ["", "plain", "\"\\\n\r\t\u{0}\u{1f}", "Größe \u{1F600}", "\u{7f}\u{2028}"] {
            let mut ours = String::new();
            write_text(text, &mut ours);
            assert_eq!(dict_protocol::encoding::tagged::read(&ours, 1).unwrap(), Value::from(text), "{ours}");
        }
    }
}
