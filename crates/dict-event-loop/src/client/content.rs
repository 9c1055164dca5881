//! What messages, requests and replies carry.

use dict_protocol::encoding::{EncodeError, json, messagepack};
use dict_protocol::frame::Encoding;
use dict_protocol::packet::Payload;
use dict_protocol::value::Value;

/// Text, bytes or a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Text.
    Text(String),
    /// Bytes that are no text.
    Binary(Vec<u8>),
    /// A value: a dictionary, mostly.
    Value(Value),
}

/// An encoded [`Content`].
pub(super) struct Encoded {
    encoding: Encoding,
    bytes: Vec<u8>,
}

impl Encoded {
    pub(super) fn value(value: &Value, depth: usize) -> Result<Self, EncodeError> {
        let mut bytes = Vec::new();
        messagepack::encode(value, depth, &mut bytes)?;
        Ok(Self { encoding: Encoding::MessagePack, bytes })
    }

    pub(super) fn text(text: &str) -> Self {
        Self { encoding: Encoding::Text, bytes: text.into() }
    }

    pub(super) fn payload(&self) -> Payload<'_> {
        Payload { encoding: self.encoding, bytes: &self.bytes }
    }
}

impl Content {
    pub(super) fn encode(&self, depth: usize) -> Result<Encoded, EncodeError> {
        Ok(match self {
            Self::Text(text) => Encoded::text(text),
            Self::Binary(bytes) => Encoded { encoding: Encoding::Binary, bytes: bytes.clone() },
            Self::Value(value) => Encoded::value(value, depth)?,
        })
    }

    /// Reads what was received; where it is not what it claims to be, says why.
    pub(super) fn decode(encoding: Encoding, bytes: &[u8], depth: usize) -> Result<Self, String> {
        Ok(match encoding {
            Encoding::None => Self::Value(Value::Null),
            Encoding::Text => {
                Self::Text(str::from_utf8(bytes).map_err(|error| error.to_string())?.to_owned())
            }
            Encoding::Binary => Self::Binary(bytes.to_owned()),
            Encoding::MessagePack => {
                Self::Value(messagepack::decode(bytes, depth).map_err(|error| error.to_string())?)
            }
            Encoding::Json => Self::Value(json::read(bytes, depth).map_err(|error| error.to_string())?),
        })
    }

    /// The value that it is; text and bytes are values too.
    pub fn into_value(self) -> Value {
        match self {
            Self::Text(text) => Value::Text(text),
            Self::Binary(bytes) => Value::Binary(bytes),
            Self::Value(value) => value,
        }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Value> for Content {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl From<dict_protocol::value::Dictionary> for Content {
    fn from(dictionary: dict_protocol::value::Dictionary) -> Self {
        Self::Value(dictionary.into())
    }
}
