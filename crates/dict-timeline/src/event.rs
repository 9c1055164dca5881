//! A hub's own events, and gaps, as rows.
//!
//! In an update of a `$hub/...` source each key set is an event: the key names its sort, the value is a dictionary of
//! its fields. What this version does not understand becomes a note with the whole value as text, and loses nothing.

use std::sync::Arc;

use dict_protocol::record::Missing;
use dict_protocol::value::{Dictionary, Value};

use crate::column;
use crate::record::RecordKind;
use crate::row::{Clock, Connection, Content, Gap, Message, Note, Request};

/// The row of an event.
pub(crate) fn content(sort: &str, value: &Value) -> Content {
    value.as_dictionary().and_then(|fields| known(sort, &Fields(fields))).unwrap_or_else(|| {
        Content::Note(Note { event: sort.to_owned(), from: None, text: column::json(value) })
    })
}

fn known(sort: &str, fields: &Fields<'_>) -> Option<Content> {
    Some(match sort {
        "connection" => Content::Connection(Connection {
            event: fields.text("event")??,
            client: fields.text("client")?,
            address: fields.text("address")?,
            product: fields.text("product")?,
            source: fields.text("source")?,
            // Who comes has no reason, but where there are rights an identity.
            reason: match (fields.text("reason")?, fields.text("identity")?) {
                (None, Some(identity)) => Some(format!("identity {identity}")),
                (reason, _) => reason,
            },
        }),
        "message" => Content::Message(Message {
            from: fields.text("from")?,
            to: fields.text("to")?,
            encoding: fields.text("encoding")?,
            value: fields.value("value").unwrap_or_default(),
        }),
        "request" => Content::Request(Request {
            id: fields.field("id", Value::as_u64)?,
            from: fields.text("from")?,
            to: fields.text("to")?,
            action: fields.text("action")?,
            value: fields.value("value").unwrap_or_default(),
            outcome: fields.text("outcome")?,
            result: fields.value("result"),
            duration: fields.field("duration_ns", Value::as_i64)?,
        }),
        "clock" => Content::Clock(Clock {
            client: fields.text("client")?,
            offset: fields.field("offset_ns", Value::as_i64)?,
            uncertainty: fields.field("uncertainty_ns", Value::as_i64)?,
        }),
        "note" | "alarm" => Content::Note(Note {
            event: sort.to_owned(),
            from: fields.text("from")?,
            text: fields.text("text")??,
        }),
        _ => return None,
    })
}

/// An event's fields. A field that is absent or null is `Some(None)`, one of the wrong type `None`.
struct Fields<'a>(&'a Dictionary);

impl Fields<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        self.0.get(name).cloned()
    }

    fn field<T>(&self, name: &str, read: impl Fn(&Value) -> Option<T>) -> Option<Option<T>> {
        match self.0.get(name) {
            None | Some(Value::Null) => Some(None),
            Some(value) => read(value).map(Some),
        }
    }

    fn text(&self, name: &str) -> Option<Option<String>> {
        self.field(name, |value| value.as_str().map(str::to_owned))
    }
}

/// The row of what is missing before or in place of a record of (`epoch`, `sequence`).
pub(crate) fn gap(source: Arc<str>, epoch: u64, sequence: u64, kind: RecordKind, missing: Missing) -> Gap {
    let crosses = missing.after_epoch != epoch;
    let whole = kind == RecordKind::Gap;
    Gap {
        source,
        epoch: missing.after_epoch,
        first_sequence: missing.after.saturating_add(1),
        last_sequence: (!crosses && !whole).then_some(sequence),
        to: crosses.then_some((epoch, sequence)),
        reason: missing.reason,
        since: missing.since,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dict_protocol::dictionary;

    #[test]
    fn who_comes_has_an_identity_for_a_reason() {
        let of = |fields: Dictionary| match content("connection", &fields.into()) {
            Content::Connection(connection) => connection.reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(of(dictionary! { "event" => "opened" }), None);
        let identity = Some("identity bench1".to_owned());
        assert_eq!(of(dictionary! { "event" => "opened", "identity" => "bench1" }), identity);
        let closed = dictionary! { "event" => "closed", "identity" => "bench1", "reason" => "done" };
        assert_eq!(of(closed), Some("done".to_owned()));
    }

    #[test]
    fn an_event_that_is_not_understood_loses_nothing() {
        let odd = Value::from(dictionary! { "event" => 7, "client" => "psu" });
        let Content::Note(note) = content("connection", &odd) else { panic!() };
        assert_eq!(
            (note.event.as_str(), note.text.as_str()),
            ("connection", r#"{"event":7,"client":"psu"}"#)
        );
        let Content::Note(note) = content("eclipse", &Value::from(1)) else { panic!() };
        assert_eq!((note.event.as_str(), note.text.as_str()), ("eclipse", "1"));
    }
}
