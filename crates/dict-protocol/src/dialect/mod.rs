//! Dialects: the native protocol and the wire formats of four older systems, each both ways and for both ends.
//!
//! | dialect | file | the connected end says | the connecting end says |
//! |---|---|---|---|
//! | native | [`native`] | packets | packets |
//! | pytcp | [`pytcp`] | its whole dictionary, each time it differs | nothing, ever |
//! | comms | [`comms`] | messages | messages |
//! | comet | [`comet`] | one answer | one request |
//! | pingpong | [`pingpong`] | `pong` for whatever it reads | `ping`, then readings |
//!
//! A [`Codec`] is one end of one connection. Bytes that were read go in, what they say comes out as [`Incoming`]; what
//! is to be said goes in as [`Outgoing`], and bytes come out. It does no I/O and reads no clock. Whoever drives it maps
//! what was said to sources, messages and requests, and lives with what the older programs do when a connection ends;
//! the documentation of each dialect says what that takes.
//!
//! ```
//! use dict_protocol::dialect::{Dialect, Incoming, Options, Outgoing, Side};
//! use dict_protocol::dictionary;
//!
//! let dialect: Dialect = "pytcp".parse()?;
//! let mut server = dialect.codec(Side::Server, &Options::default());
//! let mut client = dialect.codec(Side::Client, &Options::default());
//! let state = dictionary! { "A1" => 3, "Stop" => 0 };
//!
//! let mut bytes = Vec::new();
//! assert!(server.encode(&Outgoing::Dictionary(&state), &mut bytes)?, "the client has not seen it");
//! assert_eq!(client.decode(&mut &bytes[..])?, Some(Incoming::State(state)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is refused, and how
//!
//! [`Fault`] has every reason. Three things may happen, and nothing of the faulty part is applied in any of them:
//!
//! - [`Incoming::Refused`]: this value, or these bytes, are not taken; the connection goes on.
//! - an error of [`Codec::decode`]: the connection is of no further use. Where the dialect has an error answer, that is
//!   sent first.
//! - an error of [`Codec::encode`]: the dialect cannot say it. A message or request is then refused to its sender. A
//!   dictionary that is watched is always sayable: binary in it takes the `$` form, see [`python`].
//!
//! # To add a dialect
//!
//! Write its file here, with both ends as [`Codec`]s. Give it a variant of [`Dialect`] and a row in `Dialect::facts`,
//! and name its ends in [`Dialect::codec`], the one place that chooses among dialects; the compiler asks for all of
//! these. The options of its links stand in `link/options.rs`. What it can say that nothing here can yet becomes a
//! variant of [`Incoming`] or [`Outgoing`]. Its recordings go to `vectors/`, what holds for any bytes to `properties`, with
//! a fuzz target of the same name.

pub mod comet;
pub mod comms;
mod fault;
pub mod native;
mod partial;
pub mod pingpong;
pub mod pytcp;
pub mod python;
#[cfg(test)]
mod tests;

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

pub use fault::Fault;

use crate::encoding::EncodeError;
use crate::frame::Frame;
use crate::limits::Limits;
use crate::link::Link;
use crate::packet::Packet;
use crate::value::{Dictionary, Value};

/// A wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// Dictwire's own.
    Native,
    /// Framed dictionaries from a server to its client.
    PyTcp,
    /// Messages with a length before them.
    Comms,
    /// One request and one answer a connection.
    Comet,
    /// Raw text, for round-trip times.
    PingPong,
}

/// What does not change about a dialect.
struct Facts {
    name: &'static str,
    scheme: &'static str,
    port: u16,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Native, Self::PyTcp, Self::Comms, Self::Comet, Self::PingPong];

    /// What it is called, also in the names of sources.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// What stands before `://` in a link.
    pub const fn scheme(self) -> &'static str {
        self.facts().scheme
    }

    /// The port of a link that names none.
    pub const fn default_port(self) -> u16 {
        self.facts().port
    }

    const fn facts(self) -> Facts {
        match self {
            Self::Native => Facts { name: "native", scheme: "dictwire", port: Link::PORT },
            Self::PyTcp => Facts { name: "pytcp", scheme: "pytcp", port: 12_345 },
            Self::Comms => Facts { name: "comms", scheme: "comms", port: 3_000 },
            Self::Comet => Facts { name: "comet", scheme: "comet", port: 65_432 },
            Self::PingPong => Facts { name: "pingpong", scheme: "pingpong", port: 8_889 },
        }
    }

    /// A new connection's end in this dialect.
    pub fn codec(self, side: Side, options: &Options) -> Box<dyn Codec> {
        match (self, side) {
            (Self::Native, _) => Box::new(native::End::new(options)),
            (Self::PyTcp, Side::Server) => Box::new(pytcp::ServerEnd::new(options)),
            (Self::PyTcp, Side::Client) => Box::new(pytcp::ClientEnd::new(options)),
            (Self::Comms, _) => Box::new(comms::End::new(options)),
            (Self::Comet, Side::Server) => Box::new(comet::ServerEnd::new(options)),
            (Self::Comet, Side::Client) => Box::new(comet::ClientEnd::new(options)),
            (Self::PingPong, Side::Server) => Box::new(pingpong::ServerEnd::new()),
            (Self::PingPong, Side::Client) => Box::new(pingpong::ClientEnd::new()),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Dialect {
    type Err = UnknownDialect;

    /// Takes a name or a scheme, in letters of either case.
    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        let is_called = |dialect: &Self| {
            text.eq_ignore_ascii_case(dialect.name()) || text.eq_ignore_ascii_case(dialect.scheme())
        };
        Self::ALL.into_iter().find(is_called).ok_or_else(|| UnknownDialect { text: text.to_owned() })
    }
}

/// A text that names no dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown dialect {text:?}: known are native (dictwire), pytcp, comms, comet and pingpong")]
pub struct UnknownDialect {
    /// The text.
    pub text: String,
}

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one that was connected to.
    Server,
    /// The one that connected.
    Client,
}

/// What ends of connections are made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The longest frame body, message or content that is taken, bytes.
    pub limit: u32,
    /// How deep values may nest, both ways.
    pub depth: usize,
    /// What the two ends of a comms connection agreed on.
    pub comms: comms::Settings,
}

impl From<&Limits> for Options {
    fn from(limits: &Limits) -> Self {
        Self { limit: limits.body, depth: limits.depth, comms: comms::Settings::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::from(&Limits::default())
    }
}

/// One end of one connection, in some dialect.
pub trait Codec: fmt::Debug + Send {
    /// Takes what the peer said next from the front of `bytes`; `None` means that all of them were taken and more are
    /// needed.
    ///
    /// # Errors
    ///
    /// If the stream has lost its thread: nothing that follows can be told apart any more.
    fn decode<'s, 'b: 's>(&'s mut self, bytes: &mut &'b [u8]) -> Result<Option<Incoming<'s>>, Fault>;

    /// Takes what is left when the peer's output has ended; to be called until it gives `None`.
    ///
    /// # Errors
    ///
    /// If the stream ends within what the peer was saying.
    fn finish(&mut self) -> Result<Option<Incoming<'_>>, Fault>;

    /// Appends what is to be said to `out` and returns true; returns false if the peer need not be told.
    ///
    /// # Errors
    ///
    /// If the dialect cannot say it, or not from this end. `out` then ends as it was.
    fn encode(&mut self, outgoing: &Outgoing<'_>, out: &mut Vec<u8>) -> Result<bool, SayError>;
}

/// What a peer said.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming<'a> {
    /// A native frame, for [`Packet::parse`].
    Frame(Frame<'a>),
    /// The peer's whole dictionary as of now (pytcp).
    State(Dictionary),
    /// Keys of the peer's dictionary and their new values; its other keys stay (pingpong).
    Set(Dictionary),
    /// A message (comms).
    Message(Content<'a>),
    /// A request, which is always to be answered (comet).
    Request(comet::Request<'a>),
    /// The answer to the request (comet).
    Answer(comet::Answer<'a>),
    /// The bare word that opens a conversation (pingpong).
    Ping,
    /// An answer to whatever was sent (pingpong).
    Pong,
    /// Something that is not taken. Nothing of it applies; the connection goes on.
    Refused(Fault),
}

/// What is to be said to a peer.
#[derive(Clone, Debug, PartialEq)]
pub enum Outgoing<'a> {
    /// A native packet.
    Packet(Packet<'a>),
    /// A source's whole dictionary, for a peer that watches it (pytcp, comms).
    Dictionary(&'a Dictionary),
    /// A message that is addressed to the peer, or text for a pingpong server.
    Message(Content<'a>),
    /// A request (comet).
    Request {
        /// What is asked for.
        action: &'a str,
        /// And with which value.
        value: &'a Value,
    },
    /// The answer to the peer's request (comet).
    Answer(&'a Value),
    /// The answer to whatever was read (pingpong).
    Pong,
}

impl Outgoing<'_> {
    /// What it is, for people.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Packet(_) => "a native packet",
            Self::Dictionary(_) => "a dictionary",
            Self::Message(content) => content.kind(),
            Self::Request { .. } => "a request",
            Self::Answer(_) => "an answer",
            Self::Pong => "a pong",
        }
    }
}

/// What a message holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
    /// A value, which travels as JSON.
    Value(Cow<'a, Value>),
}

impl Content<'_> {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Binary(_) => "binary",
            Self::Value(_) => "a value",
        }
    }
}

/// Why something cannot be said to a peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SayError {
    /// The value cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// It is not among what this end of the dialect can say.
    #[error("{dialect} cannot say {what} to this peer, which takes {takes}")]
    Unsayable {
        /// The dialect.
        dialect: Dialect,
        /// What was to be said.
        what: &'static str,
        /// What can be.
        takes: &'static str,
    },
    /// It is longer than the dialect can count.
    #[error("{length} bytes are more than {dialect} can count")]
    TooLong {
        /// The dialect.
        dialect: Dialect,
        /// How long it is.
        length: usize,
    },
}
