//! Frames: how messages are told apart on a byte stream, and how damage is found.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 1 | start byte `D1` |
//! | 1 | 1 | kind |
//! | 2 | 1 | encoding of what follows the kind's fixed fields |
//! | 3 | 1 | flags |
//! | 4 | 4 | length of the body, little-endian |
//! | 8 | n | body |
//! | 8+n | 4 | CRC-32/ISO-HDLC of bytes 1 to 7+n, little-endian |
//! | 12+n | 1 | stop byte `1D` |
//!
//! The checksum follows the body so that what it covers is contiguous: one pass, which was measured a fifth faster for
//! the usual frame of 60 bytes than a checksum within the header.

use alloc::vec::Vec;

use crate::crc::checksum;

/// The first byte of a frame.
pub const START: u8 = 0xD1;
/// The last byte of a frame.
pub const STOP: u8 = 0x1D;
/// Bytes before the body.
pub const HEADER: usize = 8;
/// Bytes after the body.
pub const TRAILER: usize = 5;
/// The bytes that a frame has besides its body.
pub const OVERHEAD: usize = HEADER + TRAILER;

/// What a frame is. Codes from `80` upwards are kept for kinds that a receiver which does not know them may ignore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The client's greeting.
    Hello = 0x01,
    /// The hub's answer to it.
    Welcome = 0x02,
    /// Something went wrong.
    Error = 0x03,
    /// An orderly end.
    Bye = 0x04,
    /// Clock times, out.
    Ping = 0x05,
    /// Clock times, back.
    Pong = 0x06,
    /// Whether there is a logger.
    Logger = 0x07,
    /// A writer names its source.
    Announce = 0x10,
    /// The hub's answer to it.
    Announced = 0x11,
    /// What changed in a source.
    Update = 0x12,
    /// The last update of an epoch.
    End = 0x13,
    /// A whole dictionary.
    State = 0x14,
    /// How far updates are held.
    Ack = 0x15,
    /// Where to send on from.
    Resume = 0x16,
    /// A wish for sources.
    Subscribe = 0x20,
    /// Its end.
    Unsubscribe = 0x21,
    /// A source, and whether its writer is there.
    Source = 0x22,
    /// All there is now has been sent.
    Current = 0x23,
    /// A message that is nobody's state.
    Message = 0x30,
    /// A question.
    Request = 0x31,
    /// Its answer.
    Reply = 0x32,
    /// The actions that a client answers.
    Handle = 0x33,
    /// A message that its receiver cannot take.
    Refuse = 0x34,
    /// Any kind that may be ignored.
    Ignorable = 0x80,
}

impl Kind {
    const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0x01 => Self::Hello,
            0x02 => Self::Welcome,
            0x03 => Self::Error,
            0x04 => Self::Bye,
            0x05 => Self::Ping,
            0x06 => Self::Pong,
            0x07 => Self::Logger,
            0x10 => Self::Announce,
            0x11 => Self::Announced,
            0x12 => Self::Update,
            0x13 => Self::End,
            0x14 => Self::State,
            0x15 => Self::Ack,
            0x16 => Self::Resume,
            0x20 => Self::Subscribe,
            0x21 => Self::Unsubscribe,
            0x22 => Self::Source,
            0x23 => Self::Current,
            0x30 => Self::Message,
            0x31 => Self::Request,
            0x32 => Self::Reply,
            0x33 => Self::Handle,
            0x34 => Self::Refuse,
            0x80.. => Self::Ignorable,
            _ => return None,
        })
    }

    /// The encodings that may follow its fixed fields.
    const fn takes(self, encoding: Encoding) -> bool {
        match self {
            Self::Update | Self::End | Self::State => matches!(encoding, Encoding::MessagePack),
            Self::Message | Self::Request => !matches!(encoding, Encoding::None),
            Self::Reply | Self::Ignorable => true,
            _ => matches!(encoding, Encoding::None),
        }
    }

    /// The flags that may be set.
    const fn flags(self) -> u8 {
        match self {
            Self::Update | Self::End | Self::State => flags::END_OF_SLICE | flags::REPLAYED,
            Self::Ignorable => u8::MAX,
            _ => 0,
        }
    }
}

/// Flags of Update, End and State.
pub mod flags {
    /// The last one that answers a Resume.
    pub const END_OF_SLICE: u8 = 1;
    /// Sent again from a spool; it is not the newest.
    pub const REPLAYED: u8 = 2;
}

/// How the part of a body after the fixed fields is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Encoding {
    /// There is no such part.
    None = 0,
    /// MessagePack.
    MessagePack = 1,
    /// JSON as Python writes it, in UTF-8.
    Json = 2,
    /// UTF-8 text.
    Text = 3,
    /// Bytes.
    Binary = 4,
}

impl Encoding {
    /// The encoding that `code` stands for.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::None,
            1 => Self::MessagePack,
            2 => Self::Json,
            3 => Self::Text,
            4 => Self::Binary,
            _ => return None,
        })
    }
}

/// One whole frame whose length, checksum and stop byte were verified; borrowed from where it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is.
    pub kind: Kind,
    /// How the part after the fixed fields is encoded.
    pub encoding: Encoding,
    /// See [`flags`].
    pub flags: u8,
    /// The body.
    pub body: &'a [u8],
}

/// Bytes that are no frame. The connection they came on is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Another start byte.
    #[error("a frame begins with {START:#04x}, found {found:#04x}{}", hint(*found))]
    Start {
        /// What stood there.
        found: u8,
    },
    /// A kind that is neither known nor ignorable.
    #[error("unknown frame kind {code:#04x}")]
    Kind {
        /// What stood there.
        code: u8,
    },
    /// An encoding that is unknown or not for this kind.
    #[error("a {kind:?} frame cannot have encoding {code}")]
    Encoding {
        /// The frame's kind.
        kind: Kind,
        /// What stood there.
        code: u8,
    },
    /// A flag that this kind does not have.
    #[error("a {kind:?} frame cannot have flags {flags:#04x}")]
    Flags {
        /// The frame's kind.
        kind: Kind,
        /// What stood there.
        flags: u8,
    },
    /// A longer body than was agreed.
    #[error("a frame's body of {length} bytes is over the limit of {limit} (limit body)")]
    Length {
        /// What the frame claims.
        length: u32,
        /// What was agreed.
        limit: u32,
    },
    /// Damage in transit.
    #[error("a frame's checksum is {found:#010x}, its bytes give {computed:#010x}")]
    Checksum {
        /// What the frame says.
        found: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// Another stop byte.
    #[error("a frame ends with {STOP:#04x}, found {found:#04x}")]
    Stop {
        /// What stood there.
        found: u8,
    },
}

/// What somebody may have meant who begins with `found`: the two kinds of TLS record that come first.
fn hint(found: u8) -> &'static str {
    match found {
        0x15 | 0x16 => ": the other end speaks TLS, as dictwires:// does and dictwire:// does not",
        _ => "",
    }
}

/// The length of the frame that begins with `bytes`, once enough of it is there to tell.
///
/// A bad byte is found as soon as it is there: nobody waits for the rest of what is no frame.
pub(crate) fn length(bytes: &[u8], limit: u32) -> Result<Option<usize>, FrameError> {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return check_start(bytes).map(|()| None);
    };
    check_start(header)?;
    let body = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    if body > limit {
        return Err(FrameError::Length { length: body, limit });
    }
    Ok(Some(body as usize + OVERHEAD))
}

/// Checks as many of the first four bytes as there are.
fn check_start(bytes: &[u8]) -> Result<(), FrameError> {
    let Some(&start) = bytes.first() else { return Ok(()) };
    if start != START {
        return Err(FrameError::Start { found: start });
    }
    let Some(&code) = bytes.get(1) else { return Ok(()) };
    let kind = Kind::from_code(code).ok_or(FrameError::Kind { code })?;
    let Some(&code) = bytes.get(2) else { return Ok(()) };
    if !Encoding::from_code(code).is_some_and(|encoding| kind.takes(encoding)) {
        return Err(FrameError::Encoding { kind, code });
    }
    let Some(&flags) = bytes.get(3) else { return Ok(()) };
    if flags & !kind.flags() != 0 {
        return Err(FrameError::Flags { kind, flags });
    }
    Ok(())
}

/// Verifies the frame that `bytes` are, whole: its header was checked by [`length`].
pub(crate) fn verify(bytes: &[u8]) -> Result<Frame<'_>, FrameError> {
    let (covered, trailer) = bytes.split_at(bytes.len() - TRAILER);
    let found = u32::from_le_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]);
    let computed = checksum(&covered[1..]);
    if found != computed {
        return Err(FrameError::Checksum { found, computed });
    }
    if trailer[4] != STOP {
        return Err(FrameError::Stop { found: trailer[4] });
    }
    let kind = Kind::from_code(covered[1]).ok_or(FrameError::Kind { code: covered[1] })?;
    let encoding = Encoding::from_code(covered[2]).ok_or(FrameError::Encoding { kind, code: covered[2] })?;
    Ok(Frame { kind, encoding, flags: covered[3], body: &covered[HEADER..] })
}

/// Appends a frame to `out`; `body` appends the body and returns what it likes.
///
/// A body over 4 GiB is a defect of the caller, whose limits are far below, and panics.
pub fn write<R>(
    out: &mut Vec<u8>,
    kind: Kind,
    encoding: Encoding,
    flags: u8,
    body: impl FnOnce(&mut Vec<u8>) -> R,
) -> R {
    let start = out.len();
    out.extend_from_slice(&[START, kind as u8, encoding as u8, flags, 0, 0, 0, 0]);
    let result = body(out);
    let length = u32::try_from(out.len() - start - HEADER).expect("bodies are limited far below 4 GiB");
    out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    let sum = checksum(&out[start + 1..]);
    out.extend_from_slice(&sum.to_le_bytes());
    out.push(STOP);
    result
}

/// Appends `frame` to `out`, byte for byte as it was received.
pub fn copy(out: &mut Vec<u8>, frame: &Frame<'_>) {
    write(out, frame.kind, frame.encoding, frame.flags, |out| out.extend_from_slice(frame.body));
}
