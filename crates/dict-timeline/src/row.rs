//! What a timeline consists of, as readers see it: numbered rows of seven kinds.
//!
//! Changes and gaps come from what writers sent. The other kinds are a hub's own events: in an update of its source
//! `$hub/...` each key that is set is an event, whose value is a dictionary of these fields, all optional but the
//! underlined:
//!
//! | key | kind of row | fields |
//! |---|---|---|
//! | `connection` | `connection` | __`event`__ (`opened`, `closed`; `online`, `offline` with a `source`), `client`, `address`, `product`, `source`, `reason` |
//! | `message` | `message` | `from`, `to`, `encoding`, `value` |
//! | `request` | `request` | `id`, `from`, `to`, `action`, `value`, `outcome`, `result`, `duration_ns` |
//! | `clock` | `clock` | `client`, `offset_ns`, `uncertainty_ns` |
//! | `note`, `alarm` | `note` | `from`, __`text`__ |
//!
//! An event of another key, or with a field of the wrong type, becomes a note whose `event` is the key and whose `text`
//! is the value as JSON. Fields that are not in this table stand in the record alone.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use dict_protocol::record::GapReason;
use dict_protocol::time::Time;
use dict_protocol::value::Value;

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The timeline's own number, rising with the order in which rows were committed; numbers may be left out. `None`
    /// in rows that come from no timeline, as a watcher's.
    pub n: Option<u64>,
    /// The hub's time; for a replayed row the writer's, corrected.
    pub time: Time,
    /// The hub it came through, by its name or address.
    pub hub: Arc<str>,
    /// What happened.
    pub content: Content,
}

/// What a row says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// One key of a source changed.
    Change(Change),
    /// A message was passed on.
    Message(Message),
    /// A request was made, answered or given up.
    Request(Request),
    /// A client came or went, or a source did.
    Connection(Connection),
    /// A client's clock was compared with the hub's.
    Clock(Clock),
    /// Updates are missing.
    Gap(Gap),
    /// Somebody, or a hub itself, remarked something.
    Note(Note),
}

/// One key's part of an update.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Whose.
    pub source: Arc<str>,
    /// In which life of its writer.
    pub epoch: u64,
    /// With which of its updates.
    pub sequence: u64,
    /// Which key.
    pub key: String,
    /// What it was set to; `None`: it was removed.
    pub value: Option<Value>,
    /// The writer's own time, as it came.
    pub writer_time: Time,
    /// The hub's clock less the writer's, nanoseconds.
    pub offset: i64,
    /// How far `offset` may be off, nanoseconds; `None` where it was never measured.
    pub uncertainty: Option<u64>,
    /// It was sent again from a spool, so the row's time is the writer's, corrected.
    pub replayed: bool,
    /// It came after its source had gone on to a later epoch, so it is history and changed no state.
    pub late: bool,
}

/// Text, binary or a dictionary that is nobody's state.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Message {
    /// The client that sent it.
    pub from: Option<String>,
    /// The client it was for; `None`: for all.
    pub to: Option<String>,
    /// How it was encoded: `text`, `binary`, `json`, `messagepack`.
    pub encoding: Option<String>,
    /// What it said.
    pub value: Value,
}

/// A request with what became of it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Request {
    /// The number that the client gave it.
    pub id: Option<u64>,
    /// The client that made it.
    pub from: Option<String>,
    /// The client that it was for, or that handled it.
    pub to: Option<String>,
    /// What was asked for.
    pub action: Option<String>,
    /// With which value.
    pub value: Value,
    /// How it ended, in a word.
    pub outcome: Option<String>,
    /// The answer, or the error's text.
    pub result: Option<Value>,
    /// From the request's arrival at the hub to its end, nanoseconds.
    pub duration: Option<i64>,
}

/// A client or a source that came or went.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Connection {
    /// What happened: `opened`, `closed`; with a source `online`, `offline`.
    pub event: String,
    /// The client's name.
    pub client: Option<String>,
    /// Where it is.
    pub address: Option<String>,
    /// What program it is, with its version.
    pub product: Option<String>,
    /// The source, if it is about one.
    pub source: Option<String>,
    /// Why; of one that came, where its hub has rules of access: `identity` and as whom.
    pub reason: Option<String>,
}

/// What a hub measured of a client's clock.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Clock {
    /// The client's name.
    pub client: Option<String>,
    /// The hub's clock less the client's, nanoseconds.
    pub offset: Option<i64>,
    /// How far that may be off, nanoseconds.
    pub uncertainty: Option<i64>,
}

/// A statement that updates are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Whose.
    pub source: Arc<str>,
    /// The epoch in which the first missing one is.
    pub epoch: u64,
    /// The first missing one.
    pub first_sequence: u64,
    /// The last missing one, in `epoch`; `None`: not known, since that epoch's end was never seen.
    pub last_sequence: Option<u64>,
    /// Where a gap that crosses into a later epoch ends: that epoch, and the last sequence in it that is missing.
    pub to: Option<(u64, u64)>,
    /// Why.
    pub reason: GapReason,
    /// Since when, by the hub's clock as far as that is known; `None` where the writer did not say.
    pub since: Option<Time>,
}

/// A remark.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Note {
    /// What sort: `note` by somebody, `alarm` by a hub; or an event that this version has no kind for, whose content
    /// is then the text, as JSON.
    pub event: String,
    /// Who.
    pub from: Option<String>,
    /// What was said.
    pub text: String,
}

/// A row's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// [`Content::Change`].
    Change,
    /// [`Content::Message`].
    Message,
    /// [`Content::Request`].
    Request,
    /// [`Content::Connection`].
    Connection,
    /// [`Content::Clock`].
    Clock,
    /// [`Content::Gap`].
    Gap,
    /// [`Content::Note`].
    Note,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Change, Self::Message, Self::Request, Self::Connection, Self::Clock, Self::Gap, Self::Note];

    /// Its name, as in output and on command lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Message => "message",
            Self::Request => "request",
            Self::Connection => "connection",
            Self::Clock => "clock",
            Self::Gap => "gap",
            Self::Note => "note",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no kind {0:?}: it is one of change, message, request, connection, clock, gap, note")]
pub struct UnknownKind(
    /// The text.
    pub String,
);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

impl Content {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Change(_) => Kind::Change,
            Self::Message(_) => Kind::Message,
            Self::Request(_) => Kind::Request,
            Self::Connection(_) => Kind::Connection,
            Self::Clock(_) => Kind::Clock,
            Self::Gap(_) => Kind::Gap,
            Self::Note(_) => Kind::Note,
        }
    }

    /// The source it is about, if it is about one.
    pub fn source(&self) -> Option<&str> {
        match self {
            Self::Change(change) => Some(&change.source),
            Self::Gap(gap) => Some(&gap.source),
            Self::Connection(connection) => connection.source.as_deref(),
            Self::Message(_) | Self::Request(_) | Self::Clock(_) | Self::Note(_) => None,
        }
    }
}
