//! What messages, requests and replies carry: text, bytes or a value, as they travel.

use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use core::str::Utf8Error;

use crate::encoding::json::{self, JsonError};
use crate::encoding::{DecodeError, EncodeError, messagepack};
use crate::frame::Encoding;
use crate::value::Value;

/// What a message, request or reply carries, as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    /// How to read it; `None` only where there is none.
    pub encoding: Encoding,
    /// It.
    pub bytes: &'a [u8],
}

/// Bytes that are not what their encoding says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// They are no value as MessagePack.
    #[error("no MessagePack: {0}")]
    MessagePack(#[from] DecodeError),
    /// They are no JSON.
    #[error("no JSON: {0}")]
    Json(#[from] JsonError),
    /// They are no text.
    #[error("no text: {0}")]
    Text(#[from] Utf8Error),
}

impl Payload<'_> {
    /// The value that it is, at most `depth` deep; text and bytes are values too, and nothing is null.
    ///
    /// # Errors
    ///
    /// If the bytes are not what the encoding says.
    pub fn decode(&self, depth: usize) -> Result<Value, PayloadError> {
        Ok(match self.encoding {
            Encoding::None => Value::Null,
            Encoding::MessagePack => messagepack::decode(self.bytes, depth)?,
            Encoding::Json => json::read(self.bytes, depth)?,
            Encoding::Text => Value::Text(core::str::from_utf8(self.bytes)?.to_owned()),
            Encoding::Binary => Value::Binary(self.bytes.to_owned()),
        })
    }
}

/// A payload that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    encoding: Encoding,
    bytes: Vec<u8>,
}

impl Encoded {
    /// Text.
    pub fn text(text: &str) -> Self {
        Self { encoding: Encoding::Text, bytes: text.into() }
    }

    /// Bytes that are no text.
    pub fn binary(bytes: &[u8]) -> Self {
        Self { encoding: Encoding::Binary, bytes: bytes.into() }
    }

    /// A value, text and bytes included, as MessagePack.
    ///
    /// # Errors
    ///
    /// If it nests deeper than `depth`, or is too large for the format.
    pub fn value(value: &Value, depth: usize) -> Result<Self, EncodeError> {
        let mut bytes = Vec::new();
        messagepack::encode(value, depth, &mut bytes)?;
        Ok(Self { encoding: Encoding::MessagePack, bytes })
    }

    /// Text as text, bytes as bytes, and any other value as a value: what a program means that knows no encodings.
    ///
    /// # Errors
    ///
    /// As [`Encoded::value`].
    pub fn plain(value: &Value, depth: usize) -> Result<Self, EncodeError> {
        match value {
            Value::Text(text) => Ok(Self::text(text)),
            Value::Binary(bytes) => Ok(Self::binary(bytes)),
            other => Self::value(other, depth),
        }
    }

    /// As it travels.
    pub fn payload(&self) -> Payload<'_> {
        Payload { encoding: self.encoding, bytes: &self.bytes }
    }
}

impl From<Payload<'_>> for Encoded {
    fn from(payload: Payload<'_>) -> Self {
        Self { encoding: payload.encoding, bytes: payload.bytes.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary;

    #[test]
    fn what_is_encoded_is_decoded() {
        let list = Value::List(alloc::vec![1.into(), f64::NAN.into()]);
        for value in [Value::Null, "größer".into(), alloc::vec![0_u8, 255].into(), list] {
            let as_value = Encoded::value(&value, 8).unwrap();
            assert_eq!(as_value.payload().encoding, Encoding::MessagePack);
            assert_eq!(as_value.payload().decode(8).as_ref(), Ok(&value));
            let plain = Encoded::plain(&value, 8).unwrap();
            assert_eq!(plain.payload().decode(8).as_ref(), Ok(&value));
            assert_eq!(Encoded::from(plain.payload()), plain);
        }
        assert_eq!(Encoded::plain(&"a".into(), 0).unwrap(), Encoded::text("a"));
        assert_eq!(Encoded::plain(&alloc::vec![7_u8].into(), 0).unwrap(), Encoded::binary(&[7]));
    }

    #[test]
    fn each_encoding_is_read_as_what_it_is() {
        let decode = |encoding, bytes: &[u8]| Payload { encoding, bytes }.decode(1);
        assert_eq!(decode(Encoding::None, b""), Ok(Value::Null));
        assert_eq!(decode(Encoding::Json, br#"{"n": NaN}"#), Ok(dictionary! { "n" => f64::NAN }.into()));
        assert!(matches!(decode(Encoding::Json, b"{"), Err(PayloadError::Json(_))));
        assert!(matches!(decode(Encoding::Json, b"[[1]]"), Err(PayloadError::Json(_))), "too deep");
        assert!(matches!(decode(Encoding::MessagePack, &[0xC1]), Err(PayloadError::MessagePack(_))));
        assert!(matches!(decode(Encoding::MessagePack, &[0x91, 0x91, 1]), Err(PayloadError::MessagePack(_))));
        assert!(matches!(decode(Encoding::Text, &[0xFF]), Err(PayloadError::Text(_))));
        assert!(Encoded::value(&Value::List(alloc::vec![Value::List(Vec::new())]), 1).is_err());
    }
}
