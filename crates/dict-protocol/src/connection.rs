//! One end of a native connection: greeting, heartbeats and the end, with time as an argument.
//!
//! | phase | what may come | what ends it |
//! |---|---|---|
//! | [`Phase::Greeting`] | a hub takes Hello alone; a client Welcome, Error or Bye | its deadline; anything else |
//! | [`Phase::Open`] | anything but greetings, as its way (client to hub or back) allows | three heartbeats of silence; Error that closes; Bye |
//! | [`Phase::Ended`] | nothing: what comes is discarded | |
//!
//! The owner decodes frames with a [`Decoder`](crate::decoder::Decoder), shows each packet to [`Connection::admit`], and
//! acts on it. Only whole valid frames count as a sign of life.

use alloc::string::String;
use core::time::Duration;

use crate::frame::FrameError;
use crate::limits::Limits;
use crate::output::Output;
use crate::packet::{self, ErrorCode, Packet, PacketError};
use crate::time::Instant;

/// Which end this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one that was connected to.
    Hub,
    /// The one that connected.
    Client,
}

/// How far the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for the other's greeting.
    Greeting,
    /// Greeted.
    Open,
    /// Over: what is queued may still be written.
    Ended,
}

/// How many heartbeats without a sign of life end a connection.
pub const SILENT_HEARTBEATS: u32 = 3;

/// One end of a native connection.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    phase: Phase,
    /// Silence allowed: until the greeting, then between signs of life. In nanoseconds, which take half of a `Duration`.
    patience: u64,
    heard: Instant,
    /// What is to be written.
    pub output: Output,
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Connection {
    /// A connection that was just made.
    pub fn new(role: Role, now: Instant, limits: &Limits) -> Self {
        Self {
            role,
            phase: Phase::Greeting,
            patience: nanoseconds(limits.greeting),
            heard: now,
            output: Output::default(),
        }
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The greeting is done: from now on `heartbeat` counts.
    pub fn open(&mut self, heartbeat: Duration) {
        self.phase = Phase::Open;
        self.patience = nanoseconds(heartbeat * SILENT_HEARTBEATS);
    }

    /// Whether `packet` may come now; a sign of life if so.
    ///
    /// # Errors
    ///
    /// [`ConnectionError::OutOfPlace`] if not: the connection is to be failed.
    pub fn admit(&mut self, now: Instant, packet: &Packet<'_>) -> Result<(), ConnectionError> {
        let admitted = match (self.role, self.phase) {
            (Role::Hub, Phase::Greeting) => matches!(packet, Packet::Hello(_)),
            (Role::Client, Phase::Greeting) => {
                matches!(packet, Packet::Welcome(_) | Packet::Error(_) | Packet::Bye(_))
            }
            (Role::Hub, Phase::Open) => comes_from_clients(packet),
            (Role::Client, Phase::Open) => comes_from_hubs(packet),
            (_, Phase::Ended) => true,
        };
        if !admitted {
            return Err(ConnectionError::OutOfPlace { packet: name(packet), phase: self.phase });
        }
        self.heard = now;
        Ok(())
    }

    /// The other side's silence up to now is this side's doing: counts as a sign of life.
    pub fn excuse(&mut self, now: Instant) {
        self.heard = now;
    }

    /// When silence will have lasted too long.
    pub fn deadline(&self) -> Option<Instant> {
        (self.phase != Phase::Ended).then(|| self.heard + Duration::from_nanos(self.patience))
    }

    /// Whether silence has lasted too long.
    ///
    /// # Errors
    ///
    /// [`ConnectionError::Silent`] if so, or [`ConnectionError::NoGreeting`]: the connection is to be failed.
    pub fn check(&self, now: Instant) -> Result<(), ConnectionError> {
        let patience = Duration::from_nanos(self.patience);
        match (self.deadline(), self.phase) {
            (Some(deadline), _) if now < deadline => Ok(()),
            (Some(_), Phase::Greeting) => Err(ConnectionError::NoGreeting { patience }),
            (Some(_), _) => Err(ConnectionError::Silent { patience }),
            (None, _) => Ok(()),
        }
    }

    /// Ends it with an Error for the other side, as far as that still reads.
    pub fn fail(&mut self, error: &ConnectionError) {
        use alloc::string::ToString;
        if self.phase != Phase::Ended && !matches!(error, ConnectionError::Ended { .. }) {
            let text = error.to_string();
            self.output.send(&Packet::Error(packet::Error {
                code: error.code(),
                about: 0,
                reference: 0,
                closing: true,
                text: &text,
            }));
        }
        self.phase = Phase::Ended;
    }

    /// Ends it in order.
    pub fn bye(&mut self, reason: &str) {
        if self.phase != Phase::Ended {
            self.output.send(&Packet::Bye(packet::Bye { reason }));
            self.phase = Phase::Ended;
        }
    }
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// Its bytes are no frames.
    #[error("bytes that are no frame at offset {offset}: {error}")]
    Frame {
        /// Where the bad frame begins, bytes from the connection's beginning.
        offset: u64,
        /// What is wrong with it.
        error: FrameError,
    },
    /// A frame's body is not what its kind says.
    #[error("a malformed packet: {0}")]
    Packet(#[from] PacketError),
    /// A packet that cannot come now or from that side.
    #[error("{packet} out of place while {phase:?}")]
    OutOfPlace {
        /// Which packet.
        packet: &'static str,
        /// How far the connection was.
        phase: Phase,
    },
    /// Nothing came for too long.
    #[error("silent for {} ms, three times the limit heartbeat", patience.as_millis())]
    Silent {
        /// How long that is allowed.
        patience: Duration,
    },
    /// No greeting came in time.
    #[error("no greeting came within {} ms (limit greeting)", patience.as_millis())]
    NoGreeting {
        /// How long it may take.
        patience: Duration,
    },
    /// The two speak no common version.
    #[error("no common protocol version: this side speaks {ours}, the other {min} to {max}")]
    Version {
        /// Ours.
        ours: u16,
        /// The other's oldest.
        min: u16,
        /// The other's newest.
        max: u16,
    },
    /// A limit was passed.
    #[error("{what} of {value} is over the limit of {limit} (limit {name})")]
    Limit {
        /// Which, as [`Limits::TABLE`] calls it.
        name: &'static str,
        /// Of what.
        what: &'static str,
        /// What came.
        value: u64,
        /// What is allowed.
        limit: u64,
    },
    /// A packet broke a rule of the protocol.
    #[error("{0}")]
    Rule(String),
    /// The other is nobody that this side knows.
    #[error("{0}")]
    Credentials(String),
    /// What the other was accepted for is not permitted any more.
    #[error("{0}")]
    Forbidden(String),
    /// It was closed on this side, or lost.
    #[error("{reason}")]
    Closed {
        /// Why.
        reason: String,
    },
    /// The other side said so, in order or with an Error.
    #[error("ended by the other side: {text}")]
    Ended {
        /// Its code, where it was an Error.
        code: Option<ErrorCode>,
        /// Its words.
        text: String,
    },
}

impl ConnectionError {
    /// What the other side is told.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Frame { error: FrameError::Length { .. }, .. } | Self::Limit { .. } => ErrorCode::Limit,
            Self::Silent { .. } | Self::NoGreeting { .. } => ErrorCode::Silence,
            Self::Version { .. } => ErrorCode::Version,
            Self::Credentials(_) => ErrorCode::Credentials,
            Self::Forbidden(_) => ErrorCode::Forbidden,
            _ => ErrorCode::Protocol,
        }
    }
}

fn comes_from_clients(packet: &Packet<'_>) -> bool {
    match packet {
        Packet::Error(_)
        | Packet::Bye(_)
        | Packet::Ping(_)
        | Packet::Announce(_)
        | Packet::Update(_)
        | Packet::State(_)
        | Packet::Ack(_)
        | Packet::Resume(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::Message(_)
        | Packet::Request(_)
        | Packet::Reply(_)
        | Packet::Handle(_)
        | Packet::Refuse(_)
        | Packet::Ignorable => true,
        Packet::Hello(_)
        | Packet::Welcome(_)
        | Packet::Pong(_)
        | Packet::Logger(_)
        | Packet::Announced(_)
        | Packet::Source(_)
        | Packet::Current(_) => false,
    }
}

fn comes_from_hubs(packet: &Packet<'_>) -> bool {
    match packet {
        Packet::Hello(_)
        | Packet::Welcome(_)
        | Packet::Ping(_)
        | Packet::Announce(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::Handle(_)
        | Packet::Refuse(_) => false,
        Packet::Error(_)
        | Packet::Bye(_)
        | Packet::Pong(_)
        | Packet::Logger(_)
        | Packet::Announced(_)
        | Packet::Update(_)
        | Packet::State(_)
        | Packet::Ack(_)
        | Packet::Resume(_)
        | Packet::Source(_)
        | Packet::Current(_)
        | Packet::Message(_)
        | Packet::Request(_)
        | Packet::Reply(_)
        | Packet::Ignorable => true,
    }
}

fn name(packet: &Packet<'_>) -> &'static str {
    match packet {
        Packet::Hello(_) => "Hello",
        Packet::Welcome(_) => "Welcome",
        Packet::Error(_) => "Error",
        Packet::Bye(_) => "Bye",
        Packet::Ping(_) => "Ping",
        Packet::Pong(_) => "Pong",
        Packet::Logger(_) => "Logger",
        Packet::Announce(_) => "Announce",
        Packet::Announced(_) => "Announced",
        Packet::Update(_) => "Update",
        Packet::State(_) => "State",
        Packet::Ack(_) => "Ack",
        Packet::Resume(_) => "Resume",
        Packet::Subscribe(_) => "Subscribe",
        Packet::Unsubscribe(_) => "Unsubscribe",
        Packet::Source(_) => "Source",
        Packet::Current(_) => "Current",
        Packet::Message(_) => "Message",
        Packet::Request(_) => "Request",
        Packet::Reply(_) => "Reply",
        Packet::Handle(_) => "Handle",
        Packet::Refuse(_) => "Refuse",
        Packet::Ignorable => "an ignorable packet",
    }
}
