//! Packets about a connection itself: greeting, heartbeats, errors, the end.

use core::fmt;

use super::fields::{code, packet};
use crate::time::Time;

/// The version of the protocol that this crate speaks.
pub const VERSION: u16 = 1;

packet! {
    /// The first frame of a client.
    pub struct Hello<'a> without Debug {
        /// The oldest version the client speaks.
        version_min: u16,
        /// The newest version the client speaks.
        version_max: u16,
        /// Which client it is: 128 random bits, kept for as long as its unacknowledged updates are.
        client_id: [u8; 16],
        /// The client's clock as this is sent.
        time: Time,
        /// The largest body that it takes, bytes.
        max_body: u32,
        /// How often it wants to hear something, milliseconds.
        heartbeat: u32,
        /// The name that others reach it by.
        name: &'a str,
        /// Which program it is, and its version.
        product: &'a str,
        /// The token that says who it is; empty where nothing is asked, or its certificate says so.
        credentials: &'a str,
    }
}

/// Without the credentials: they are nobody's to read in a log.
impl fmt::Debug for Hello<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hello")
            .field("version_min", &self.version_min)
            .field("version_max", &self.version_max)
            .field("client_id", &self.client_id)
            .field("time", &self.time)
            .field("max_body", &self.max_body)
            .field("heartbeat", &self.heartbeat)
            .field("name", &self.name)
            .field("product", &self.product)
            .finish_non_exhaustive()
    }
}

packet! {
    /// The hub's answer to a [`Hello`] that it accepts.
    pub struct Welcome<'a> {
        /// The version to speak.
        version: u16,
        /// When the hub was started, microseconds since 1970: the epoch of its own source.
        run: u64,
        /// [`Hello::time`], back.
        client_time: Time,
        /// The hub's clock as this is sent.
        time: Time,
        /// The largest body that either may send, bytes.
        max_body: u32,
        /// How often each is to send something, milliseconds.
        heartbeat: u32,
        /// Whether there is, or was, a logger.
        logger: LoggerPresence,
        /// The hub's name; `$hub/` and it is the name of its own source.
        hub: &'a str,
        /// The client's name on this hub: the one it wished for, or with `#2`, `#3` ... where that is taken.
        name: &'a str,
    }
}

code! {
    /// Whether the hub has a durable subscriber; where it has rules, one that may log something of what the client may write.
    pub enum LoggerPresence: u8 = "logger presence" {
        /// None since the hub was started.
        Never = 0,
        /// There was one.
        Away = 1,
        /// There is one.
        Present = 2,
    }
}

packet! {
    /// The hub's notice, to writers, that its last logger went or its first one came.
    pub struct Logger {
        /// How it is now.
        presence: LoggerPresence,
    }
}

packet! {
    /// Something was refused or went wrong.
    pub struct Error<'a> {
        /// What sort of thing.
        code: ErrorCode,
        /// The kind of the frame that it is about; 0: none.
        about: u8,
        /// That frame's identifier, where its kind has one (source, subscription, message, request); else 0.
        reference: u64,
        /// The sender closes the connection after this.
        closing: bool,
        /// What happened and what to do, for people.
        text: &'a str,
    }
}

code! {
    /// What sort of error.
    pub enum ErrorCode: u16 = "error code" {
        /// Bytes that are not this protocol, or a packet out of place.
        Protocol = 1,
        /// No common version.
        Version = 2,
        /// A limit was passed; the text names it.
        Limit = 3,
        /// Silence, at the greeting or between heartbeats.
        Silence = 4,
        /// No valid credentials.
        Credentials = 5,
        /// Not allowed to.
        Forbidden = 6,
        /// Nobody of that name is connected.
        NoSuchPeer = 7,
        /// Another client answers that action already.
        HandlerTaken = 8,
        /// A subscriber in mode `every` did not read fast enough; its subscription is over.
        TooSlow = 9,
        /// A newer epoch took the place of this writer's.
        Replaced = 10,
        /// A source, subscription or name that cannot be, with the reason.
        Invalid = 11,
        /// The client that a message was for cannot take it; the text says which, and why.
        NotTaken = 12,
    }
}

packet! {
    /// An orderly end: nothing follows.
    pub struct Bye<'a> {
        /// Why.
        reason: &'a str,
    }
}

packet! {
    /// A heartbeat of the client, which measures the clocks too.
    pub struct Ping {
        /// The client's clock as this is sent; comes back.
        time: Time,
        /// The hub's clock less the client's, nanoseconds, as measured so far.
        offset: i64,
        /// How far that may be off, nanoseconds; unknown before the first measurement.
        uncertainty: Option<u64>,
        /// Any number; comes back. A Pong says that all that was sent before its Ping was taken.
        id: u64,
    }
}

packet! {
    /// The answer to a [`Ping`].
    pub struct Pong {
        /// [`Ping::time`], back.
        client_time: Time,
        /// The hub's clock as it answered.
        time: Time,
        /// [`Ping::id`], back.
        id: u64,
    }
}
