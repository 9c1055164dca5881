//! What a session tells its program.

use core::time::Duration;

use crate::connection::ConnectionError;
use crate::packet::{self, ErrorCode, LoggerPresence, Message, Payload, Source, State, Status, Update};
use crate::writer::WriterChange;

use super::{Question, RequestId, SubscriptionId, WriterId};

/// Something that happened to a [`Session`](super::Session), borrowed from what was received.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The hub accepted this client.
    Connected(Connected<'a>),
    /// The connection is over. Comes once for each [`Event::Connected`], and for attempts that got no further than
    /// the greeting.
    Disconnected {
        /// Why.
        reason: &'a ConnectionError,
    },
    /// A logger came, or the last one went. Also told by [`Connected::logger`].
    Logger(LoggerPresence),
    /// Something became of a writer.
    Writer {
        /// Which.
        writer: WriterId,
        /// What.
        change: WriterChange,
    },
    /// A source that a subscription matches is there, or its presence changed.
    Source(Source<'a>),
    /// A source's whole dictionary.
    State(State<'a>),
    /// What changed in a source, or its End.
    Update(Update<'a>),
    /// All there is now for a subscription has been told.
    Current(SubscriptionId),
    /// The hub ended a subscription since it was not read fast enough. It has been asked for again already.
    TooSlow {
        /// Which.
        subscription: SubscriptionId,
        /// The hub's words.
        text: &'a str,
    },
    /// The hub refused a subscription: it is over.
    SubscriptionRefused {
        /// Which.
        subscription: SubscriptionId,
        /// Why.
        code: ErrorCode,
        /// The hub's words.
        text: &'a str,
    },
    /// A message came.
    Message(Message<'a>),
    /// Somebody asks: to be answered by [`Session::reply`](super::Session::reply).
    Asked {
        /// To answer by.
        question: Question,
        /// What is asked.
        request: packet::Request<'a>,
    },
    /// What became of a request. Comes exactly once for each.
    Answered {
        /// Which.
        request: RequestId,
        /// What became of it.
        status: Status,
        /// The result, or a text that says why there is none.
        payload: Payload<'a>,
    },
    /// The hub answered a ping.
    Pong {
        /// The ping's number.
        id: u64,
        /// How long that took.
        round_trip: Duration,
    },
    /// The hub's notice about something else, such as a message whose receiver is not there or an action that another
    /// client handles.
    Notice(packet::Error<'a>),
}

/// What the greeting told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connected<'a> {
    /// The hub's name.
    pub hub: &'a str,
    /// When the hub was started, microseconds since 1970.
    pub run: u64,
    /// This client's name on this hub.
    pub name: &'a str,
    /// Whether there is, or was, a logger.
    pub logger: LoggerPresence,
}
