//! What messages, requests and replies carry.

use dict_protocol::encoding::EncodeError;
use dict_protocol::frame::Encoding;
use dict_protocol::packet::{Encoded, PayloadError};
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

impl Content {
    pub(super) fn encode(&self, depth: usize) -> Result<Encoded, EncodeError> {
        Ok(match self {
            Self::Text(text) => Encoded::text(text),
            Self::Binary(bytes) => Encoded::binary(bytes),
            Self::Value(value) => Encoded::value(value, depth)?,
        })
    }

    /// Reads what was received.
    pub(super) fn decode(encoded: &Encoded, depth: usize) -> Result<Self, PayloadError> {
        let payload = encoded.payload();
        Ok(match (payload.encoding, payload.decode(depth)?) {
            (Encoding::Text, Value::Text(text)) => Self::Text(text),
            (Encoding::Binary, Value::Binary(bytes)) => Self::Binary(bytes),
            (_, value) => Self::Value(value),
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
