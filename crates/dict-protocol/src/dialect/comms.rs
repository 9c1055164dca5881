//! comms: messages with a length before them, both ways.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | length of the payload, n; little-endian unless big was agreed |
//! | 4 | n | payload: JSON as Python writes it, UTF-8 text, or bytes |
//!
//! Which of the three, and the order of bytes, both ends know beforehand: see [`Settings`]. A length of 0 is an empty
//! text or binary; JSON is never empty, so an original JSON program, which dies of it, is never sent one.
//!
//! What to know of the original programs:
//!
//! - They read a header and a payload with one `recv` each. What comes in several pieces, or together with the next
//!   message, makes them lose the thread. So a message is written in one piece, as it is appended here, and the next
//!   only when the peer's system has acknowledged the last.
//! - They write a header and a payload by themselves, from several threads at once: any fragmentation is taken here, and
//!   when messages came to stand within each other, an error says so; reset, and connect again.
//! - At an orderly end of its input a text or binary program spins for ever; a reset it notices.
//! - A client that is cut loses messages when it comes back, and one that cannot send for 3 s gives up: cut it only for
//!   a reason, and always read from it.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::{self, FromStr};

use super::fault::read_json;
use super::partial::Partial;
use super::python;
use super::{Codec, Content, Dialect, Fault, Incoming, Options, Outgoing, SayError};
use crate::encoding::json::{self, Style};
use crate::value::{Dictionary, Value};

/// Bytes before the payload.
pub const HEADER: usize = 4;

/// What the two ends agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Settings {
    /// What comes in.
    pub incoming: Payload,
    /// What goes out.
    pub outgoing: Payload,
    /// How a length is written, both ways.
    pub order: Order,
}

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Payload {
    /// JSON of any value.
    #[default]
    Json,
    /// UTF-8 text.
    Text,
    /// Bytes.
    Binary,
}

/// The order of the bytes of a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// Least significant first.
    #[default]
    Little,
    /// Most significant first.
    Big,
}

impl Payload {
    /// What it is called in a link.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "string",
            Self::Binary => "binary",
        }
    }
}

impl Order {
    /// What it is called in a link.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Little => "little",
            Self::Big => "big",
        }
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Payload {
    type Err = UnknownSetting;

    fn from_str(text: &str) -> Result<Self, UnknownSetting> {
        let known = [Self::Json, Self::Text, Self::Binary].into_iter().find(|known| known.as_str() == text);
        known.ok_or_else(|| UnknownSetting { text: text.to_owned(), known: "json, string and binary" })
    }
}

impl FromStr for Order {
    type Err = UnknownSetting;

    fn from_str(text: &str) -> Result<Self, UnknownSetting> {
        let known = [Self::Little, Self::Big].into_iter().find(|known| known.as_str() == text);
        known.ok_or_else(|| UnknownSetting { text: text.to_owned(), known: "little and big" })
    }
}

/// A text that names no payload, or no order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {text:?}: known are {known}")]
pub struct UnknownSetting {
    /// The text.
    pub text: String,
    /// What could have stood there.
    pub known: &'static str,
}

/// Either end of a connection: both are alike.
///
/// ```
/// use dict_protocol::dialect::comms::{End, Order, Payload, Settings};
/// use dict_protocol::dialect::{Content, Incoming, Options};
///
/// let comms = Settings { incoming: Payload::Text, outgoing: Payload::Text, order: Order::Big };
/// let mut end = End::new(&Options { comms, ..Options::default() });
/// let mut bytes = Vec::new();
/// end.encode_message(&Content::Text("on"), &mut bytes)?;
/// assert_eq!(bytes, b"\0\0\0\x02on");
/// assert_eq!(end.decode(&mut &bytes[..])?, Some(Incoming::Message(Content::Text("on"))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct End {
    settings: Settings,
    limit: u32,
    depth: usize,
    partial: Partial,
}

impl End {
    /// A connection's end, before the first byte.
    pub fn new(options: &Options) -> Self {
        let Options { limit, depth, comms } = *options;
        Self { settings: comms, limit, depth, partial: Partial::default() }
    }

    /// What both ends agreed on.
    pub const fn settings(&self) -> Settings {
        self.settings
    }

    /// Whether the stream so far ends within a message.
    pub fn is_mid_message(&self) -> bool {
        !self.partial.gathered().is_empty()
    }

    /// Takes the next message from the front of `bytes`; `None` means that all of them were taken and more are needed.
    ///
    /// It is a [`Message`](Incoming::Message), or [`Refused`](Incoming::Refused) if what it holds is poison; the next
    /// one follows all the same.
    ///
    /// # Errors
    ///
    /// If the thread was lost: a length past the limit, a text that is not UTF-8, JSON that is none or nests too deep.
    /// The connection is then to be reset.
    pub fn decode<'s, 'b: 's>(&'s mut self, bytes: &mut &'b [u8]) -> Result<Option<Incoming<'s>>, Fault> {
        let offset = self.partial.offset();
        let (order, limit) = (self.settings.order, self.limit);
        let needed = |front: &[u8]| match front.first_chunk() {
            None => Ok(HEADER),
            Some(length) => match read_length(*length, order) {
                length if length > limit => Err(Fault::TooLong { offset, length: length.into(), limit }),
                length => Ok(HEADER + length as usize),
            },
        };
        let Some(message) = self.partial.take(bytes, needed)? else { return Ok(None) };
        let (payload, offset) = (&message[HEADER..], offset + HEADER as u64);
        let content = match self.settings.incoming {
            Payload::Binary => Content::Binary(payload),
            Payload::Text => Content::Text(
                str::from_utf8(payload)
                    .map_err(|error| Fault::NotUtf8 { offset: offset + error.valid_up_to() as u64 })?,
            ),
            Payload::Json => match read_json(payload, offset, self.depth) {
                Ok(value) => Content::Value(Cow::Owned(value)),
                Err(fault) if fault.is_poison() => return Ok(Some(Incoming::Refused(fault))),
                Err(fault) => return Err(fault),
            },
        };
        Ok(Some(Incoming::Message(content)))
    }

    /// Says whether the stream could end here. To be called once, when it has.
    ///
    /// # Errors
    ///
    /// If it ends within a message.
    pub fn finish(&mut self) -> Result<(), Fault> {
        let front = self.partial.gathered();
        if front.is_empty() {
            return Ok(());
        }
        let length = front.first_chunk().map_or(0, |length| read_length(*length, self.settings.order));
        let missing = HEADER as u64 + u64::from(length) - front.len() as u64;
        let offset = self.partial.offset() + front.len() as u64;
        self.partial.clear();
        Err(Fault::CutShort { offset, missing })
    }

    /// Appends a message that is addressed to the peer.
    ///
    /// JSON says a text and any value without binary; a text peer takes text, a binary peer bytes.
    ///
    /// # Errors
    ///
    /// If the peer cannot be told that. `out` then ends as it was.
    pub fn encode_message(&self, content: &Content<'_>, out: &mut Vec<u8>) -> Result<(), SayError> {
        match (self.settings.outgoing, content) {
            (Payload::Json, Content::Text(text)) => self.append_json(&Value::from(*text), out),
            (Payload::Json, Content::Value(value)) => self.append_json(value, out),
            (Payload::Text, Content::Text(text)) => self.append(text.as_bytes(), out),
            (Payload::Binary, Content::Binary(bytes)) => self.append(bytes, out),
            (outgoing, Content::Value(value)) => match (outgoing, &**value) {
                (Payload::Text, Value::Text(text)) => self.append(text.as_bytes(), out),
                (Payload::Binary, Value::Binary(bytes)) => self.append(bytes, out),
                _ => Err(self.unsayable(content.kind())),
            },
            _ => Err(self.unsayable(content.kind())),
        }
    }

    /// Appends a dictionary that the peer watches, as JSON whatever its payloads are; binary in it takes the `$` form,
    /// see [`python::sayable`].
    ///
    /// # Errors
    ///
    /// If it nests deeper than the limit. `out` then ends as it was.
    pub fn encode_dictionary(&self, dictionary: &Dictionary, out: &mut Vec<u8>) -> Result<(), SayError> {
        let mut json = String::new();
        python::write_dictionary(dictionary, self.depth, &mut json)?;
        self.append(json.as_bytes(), out)
    }

    fn append_json(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), SayError> {
        let mut json = String::new();
        json::write(value, Style::PYTHON, self.depth, &mut json)?;
        self.append(json.as_bytes(), out)
    }

    fn append(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SayError> {
        let length = u32::try_from(payload.len())
            .map_err(|_| SayError::TooLong { dialect: Dialect::Comms, length: payload.len() })?;
        out.reserve(HEADER + payload.len());
        out.extend_from_slice(&match self.settings.order {
            Order::Little => length.to_le_bytes(),
            Order::Big => length.to_be_bytes(),
        });
        out.extend_from_slice(payload);
        Ok(())
    }

    fn unsayable(&self, what: &'static str) -> SayError {
        let takes = match self.settings.outgoing {
            Payload::Json => "JSON",
            Payload::Text => "text",
            Payload::Binary => "binary",
        };
        SayError::Unsayable { dialect: Dialect::Comms, what, takes }
    }

    /// Gives back the memory of messages past; an idle connection calls it now and then.
    pub fn release(&mut self) {
        if !self.is_mid_message() {
            self.partial.clear();
        }
    }
}

fn read_length(bytes: [u8; HEADER], order: Order) -> u32 {
    match order {
        Order::Little => u32::from_le_bytes(bytes),
        Order::Big => u32::from_be_bytes(bytes),
    }
}

impl Codec for End {
    fn decode<'s, 'b: 's>(&'s mut self, bytes: &mut &'b [u8]) -> Result<Option<Incoming<'s>>, Fault> {
        self.decode(bytes)
    }

    fn finish(&mut self) -> Result<Option<Incoming<'_>>, Fault> {
        self.finish().map(|()| None)
    }

    fn encode(&mut self, outgoing: &Outgoing<'_>, out: &mut Vec<u8>) -> Result<bool, SayError> {
        match outgoing {
            Outgoing::Message(content) => self.encode_message(content, out)?,
            Outgoing::Dictionary(dictionary) => self.encode_dictionary(dictionary, out)?,
            other => return Err(self.unsayable(other.kind())),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;

    use super::*;
    use crate::dictionary;
    use crate::encoding::EncodeError;

    fn end(payload: Payload) -> End {
        let comms = Settings { incoming: payload, outgoing: payload, order: Order::Little };
        End::new(&Options { comms, ..Options::default() })
    }

    #[test]
    fn what_each_peer_can_be_told() {
        let binary = dictionary! { "b" => vec![1_u8] };
        let value = Content::Value(Cow::Owned(binary.clone().into()));
        let text = Content::Value(Cow::Owned("a".into()));
        for (payload, content, expected) in [
            (Payload::Json, Content::Text("a"), Some("\"a\"")),
            (Payload::Json, text.clone(), Some("\"a\"")),
            (Payload::Json, Content::Binary(b"a"), None),
            (Payload::Text, Content::Text(""), Some("")),
            (Payload::Text, text.clone(), Some("a")),
            (Payload::Text, Content::Binary(b"a"), None),
            (Payload::Text, value.clone(), None),
            (Payload::Binary, Content::Binary(b""), Some("")),
            (Payload::Binary, Content::Text("a"), None),
            (Payload::Binary, text, None),
        ] {
            let mut out = vec![7];
            let result = end(payload).encode_message(&content, &mut out);
            assert_eq!(result.is_ok(), expected.is_some(), "{payload} {content:?} {result:?}");
            let length = expected.map_or(0, |expected| HEADER + expected.len());
            assert_eq!(out.len(), 1 + length, "{payload} {content:?}");
        }
        let error = end(Payload::Json).encode_message(&value, &mut Vec::new()).unwrap_err();
        assert_eq!(error, SayError::Encode(EncodeError::Binary { length: 1 }));
        let error = end(Payload::Text).encode_message(&value, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "comms cannot say a value to this peer, which takes text");

        for payload in [Payload::Json, Payload::Text, Payload::Binary] {
            let mut out = Vec::new();
            end(payload).encode_dictionary(&binary, &mut out).unwrap();
            assert_eq!(&out[HEADER..], br#"{"b": {"$binary": "AQ=="}}"#, "a watched dictionary is sayable");
        }
    }

    #[test]
    fn a_claimed_length_reserves_nothing() {
        for order in [Order::Little, Order::Big] {
            let comms = Settings { order, ..Settings::default() };
            for length in [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, 1 << 31, u32::MAX] {
                let mut end = End::new(&Options { comms, limit: 1 << 20, ..Options::default() });
                let header = match order {
                    Order::Little => length.to_le_bytes(),
                    Order::Big => length.to_be_bytes(),
                };
                let result = end.decode(&mut &header[..]).map(|incoming| incoming.is_some());
                let fault = Fault::TooLong { offset: 0, length: length.into(), limit: 1 << 20 };
                assert_eq!(result, if length > 1 << 20 { Err(fault) } else { Ok(false) });
                assert!(end.partial.capacity() < 64, "{} bytes", end.partial.capacity());
            }
        }
    }

    #[test]
    fn names_in_links() {
        for payload in [Payload::Json, Payload::Text, Payload::Binary] {
            assert_eq!(payload.to_string().parse(), Ok(payload));
        }
        for order in [Order::Little, Order::Big] {
            assert_eq!(order.to_string().parse(), Ok(order));
        }
        let error = "text".parse::<Payload>().unwrap_err();
        assert_eq!(error.to_string(), "unknown \"text\": known are json, string and binary");
    }
}
