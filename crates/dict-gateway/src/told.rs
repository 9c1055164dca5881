//! What a seat at the hub is told, as far as gateways care, owned: what it leads to may need the seat itself.

use std::time::Duration;

use dict_protocol::packet::{Message, Status};
use dict_protocol::session::{Event, Question, RequestId, WriterId};
use dict_protocol::value::Value;
use dict_protocol::writer::WriterChange;

/// Something that a seat was told.
#[derive(Debug)]
pub(crate) enum Told {
    /// The hub has accepted it, and calls it so.
    Seated(String),
    /// A message came.
    Message(Letter),
    /// Somebody asks.
    Asked { question: Question, action: String, value: Value, deadline: Duration },
    /// A request has its answer.
    Answered { request: RequestId, status: Status, value: Value },
    /// Something became of a writer.
    Writer { writer: WriterId, change: WriterChange },
    /// A watched source has a new dictionary.
    Watched,
}

/// A message, with what it takes to refuse it.
#[derive(Debug)]
pub(crate) struct Letter {
    /// Its sender's number for it.
    pub(crate) id: u32,
    pub(crate) from: String,
    /// It is for this seat alone, not for everybody.
    pub(crate) addressed: bool,
    /// Text and bytes are values too.
    pub(crate) content: Value,
}

impl Told {
    /// The same as `event`, if it is one that matters here. `depth` bounds what is read of a payload.
    pub(crate) fn from_event(event: &Event<'_>, depth: usize) -> Option<Self> {
        Some(match event {
            Event::Connected(connected) => Self::Seated(connected.name.to_owned()),
            Event::Message(Message { fields, payload }) => Self::Message(Letter {
                id: fields.id,
                from: fields.from.to_owned(),
                addressed: !fields.to.is_empty(),
                content: payload.decode(depth).ok()?,
            }),
            Event::Asked { question, request } => Self::Asked {
                question: *question,
                action: request.fields.action.to_owned(),
                value: request.payload.decode(depth).ok()?,
                deadline: Duration::from_millis(request.fields.deadline.into()),
            },
            Event::Answered { request, status, payload } => Self::Answered {
                request: *request,
                status: *status,
                value: payload.decode(depth).unwrap_or_default(),
            },
            Event::Writer { writer, change } => Self::Writer { writer: *writer, change: change.clone() },
            _ => return None,
        })
    }
}
