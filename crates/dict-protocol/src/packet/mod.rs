//! Packets: every message of the native protocol, its fields in the order in which they travel.
//!
//! A [`Packet`] borrows from the [`Frame`] it was parsed from. What follows the fixed fields (patches, dictionaries,
//! payloads) is left as bytes: whoever needs its meaning decodes it.

mod exchange;
mod fields;
mod payload;
mod session;
mod source;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

pub use exchange::{
    Handle, Handling, Message, MessageFields, Refuse, Reply, ReplyFields, Request, RequestFields, Status,
};
pub use payload::{Encoded, Payload, PayloadError};
pub use session::{Bye, Error, ErrorCode, Hello, Logger, LoggerPresence, Ping, Pong, VERSION, Welcome};
pub use source::{
    Ack, Announce, Announced, Current, Level, MissingFrom, Mode, Outcome, Resume, Source, State, Subscribe,
    UPDATE_FIELDS, Unsubscribe, Update,
};

use crate::frame::{self, Encoding, Frame, Kind};
use fields::{Field, Fields};

/// One message of the native protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// See [`Hello`].
    Hello(Hello<'a>),
    /// See [`Welcome`].
    Welcome(Welcome<'a>),
    /// See [`Error`].
    Error(Error<'a>),
    /// See [`Bye`].
    Bye(Bye<'a>),
    /// See [`Ping`].
    Ping(Ping),
    /// See [`Pong`].
    Pong(Pong),
    /// See [`Logger`].
    Logger(Logger),
    /// See [`Announce`].
    Announce(Announce<'a>),
    /// See [`Announced`].
    Announced(Announced<'a>),
    /// See [`Update`]; an End too.
    Update(Update<'a>),
    /// See [`State`].
    State(State<'a>),
    /// See [`Ack`].
    Ack(Ack),
    /// See [`Resume`].
    Resume(Resume),
    /// See [`Subscribe`].
    Subscribe(Subscribe<'a>),
    /// See [`Unsubscribe`].
    Unsubscribe(Unsubscribe),
    /// See [`Source`].
    Source(Source<'a>),
    /// See [`Current`].
    Current(Current),
    /// See [`Message`].
    Message(Message<'a>),
    /// See [`Request`].
    Request(Request<'a>),
    /// See [`Reply`].
    Reply(Reply<'a>),
    /// See [`Handle`].
    Handle(Handle<'a>),
    /// See [`Refuse`].
    Refuse(Refuse<'a>),
    /// A kind of a later version that may be ignored.
    Ignorable,
}

impl<'a> Packet<'a> {
    /// Reads the packet that a frame carries.
    ///
    /// # Errors
    ///
    /// If a field is cut short, is not UTF-8 or has a value that it cannot have, or if bytes are left over.
    pub fn parse(frame: &Frame<'a>) -> Result<Self, PacketError> {
        let fields = &mut Fields::new(frame.body);
        let packet = match frame.kind {
            Kind::Update | Kind::End => Self::Update(Update::read(fields, frame.kind, frame.flags)?),
            Kind::State => Self::State(State::read(fields, frame.flags)?),
            Kind::Ack => Self::Ack(Field::read(fields)?),
            Kind::Hello => Self::Hello(Field::read(fields)?),
            Kind::Welcome => Self::Welcome(Field::read(fields)?),
            Kind::Error => Self::Error(Field::read(fields)?),
            Kind::Bye => Self::Bye(Field::read(fields)?),
            Kind::Ping => Self::Ping(Field::read(fields)?),
            Kind::Pong => Self::Pong(Field::read(fields)?),
            Kind::Logger => Self::Logger(Field::read(fields)?),
            Kind::Announce => Self::Announce(Field::read(fields)?),
            Kind::Announced => Self::Announced(Field::read(fields)?),
            Kind::Resume => Self::Resume(Field::read(fields)?),
            Kind::Subscribe => Self::Subscribe(Field::read(fields)?),
            Kind::Unsubscribe => Self::Unsubscribe(Field::read(fields)?),
            Kind::Source => Self::Source(Field::read(fields)?),
            Kind::Current => Self::Current(Field::read(fields)?),
            Kind::Message => Self::Message(Message::read(fields, frame.encoding)?),
            Kind::Request => Self::Request(Request::read(fields, frame.encoding)?),
            Kind::Reply => Self::Reply(Reply::read(fields, frame.encoding)?),
            Kind::Handle => Self::Handle(Field::read(fields)?),
            Kind::Refuse => Self::Refuse(Field::read(fields)?),
            Kind::Ignorable => return Ok(Self::Ignorable),
        };
        fields.finish()?;
        Ok(packet)
    }

    /// Appends it to `out` as one frame; [`Packet::Ignorable`] appends nothing.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Update(update) => update.encode(out),
            Self::State(state) => state.encode(out),
            Self::Ack(packet) => plain(out, Kind::Ack, packet),
            Self::Hello(packet) => plain(out, Kind::Hello, packet),
            Self::Welcome(packet) => plain(out, Kind::Welcome, packet),
            Self::Error(packet) => plain(out, Kind::Error, packet),
            Self::Bye(packet) => plain(out, Kind::Bye, packet),
            Self::Ping(packet) => plain(out, Kind::Ping, packet),
            Self::Pong(packet) => plain(out, Kind::Pong, packet),
            Self::Logger(packet) => plain(out, Kind::Logger, packet),
            Self::Announce(packet) => plain(out, Kind::Announce, packet),
            Self::Announced(packet) => plain(out, Kind::Announced, packet),
            Self::Resume(packet) => plain(out, Kind::Resume, packet),
            Self::Subscribe(packet) => plain(out, Kind::Subscribe, packet),
            Self::Unsubscribe(packet) => plain(out, Kind::Unsubscribe, packet),
            Self::Source(packet) => plain(out, Kind::Source, packet),
            Self::Current(packet) => plain(out, Kind::Current, packet),
            Self::Message(packet) => carrying(out, Kind::Message, &packet.fields, &packet.payload),
            Self::Request(packet) => carrying(out, Kind::Request, &packet.fields, &packet.payload),
            Self::Reply(packet) => carrying(out, Kind::Reply, &packet.fields, &packet.payload),
            Self::Handle(packet) => plain(out, Kind::Handle, packet),
            Self::Refuse(packet) => plain(out, Kind::Refuse, packet),
            Self::Ignorable => {}
        }
    }
}

fn plain<'a>(out: &mut Vec<u8>, kind: Kind, packet: &impl Field<'a>) {
    frame::write(out, kind, Encoding::None, 0, |out| packet.write(out));
}

fn carrying<'a>(out: &mut Vec<u8>, kind: Kind, fields: &impl Field<'a>, payload: &Payload<'_>) {
    frame::write(out, kind, payload.encoding, 0, |out| {
        fields.write(out);
        out.extend_from_slice(payload.bytes);
    });
}

/// A frame whose body is not what its kind says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// The body ends within a field.
    #[error("a field at offset {offset} of the body needs {needed} bytes, {left} are left")]
    Short {
        /// Where the field begins, bytes from the body's beginning.
        offset: usize,
        /// How many bytes it has.
        needed: usize,
        /// How many there are.
        left: usize,
    },
    /// The body goes on after its last field.
    #[error("{extra} bytes follow the last field")]
    Long {
        /// How many.
        extra: usize,
    },
    /// A text is not UTF-8.
    #[error("a text is not UTF-8 at offset {offset} of the body")]
    Utf8 {
        /// Where the bad byte is, from the body's beginning.
        offset: usize,
    },
    /// A field has a value that means nothing.
    #[error("{value} before offset {offset} of the body is no {field}")]
    Field {
        /// What the field is.
        field: &'static str,
        /// Where the field ends, bytes from the body's beginning.
        offset: usize,
        /// What stands there.
        value: u64,
    },
}
