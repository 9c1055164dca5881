//! A value that was checked and left as the bytes it came in.

use alloc::string::String;
use alloc::vec::Vec;
use core::str;

use super::Reader;
use super::read::Head;
use crate::encoding::{DecodeError, Depth};
use crate::value::{Dictionary, Integer, Kind, Value};

/// Why nothing can go wrong with the bytes of a [`Raw`].
const CHECKED: &str = "a raw value was checked when it was parsed";

/// One value as MessagePack bytes, checked but not decoded.
///
/// Two that hold equal values may differ in bytes: other encoders than this crate's need not be canonical.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a>(&'a [u8]);

impl<'a> Raw<'a> {
    /// Checks that `bytes` are one value.
    ///
    /// # Errors
    ///
    /// As [`decode`](super::decode).
    pub fn parse(bytes: &'a [u8], depth: usize) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let raw = reader.raw_value(depth)?;
        reader.finish()?;
        Ok(raw)
    }

    /// Bytes that are known to be one value.
    pub(crate) const fn checked(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The value's bytes.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The value's type; only its first bytes are looked at.
    pub fn kind(self) -> Kind {
        match self.head() {
            Head::Null => Kind::Null,
            Head::Bool(_) => Kind::Bool,
            Head::Unsigned(_) | Head::Signed(_) | Head::Long(_) => Kind::Integer,
            Head::Float(_) => Kind::Float,
            Head::Text(_) => Kind::Text,
            Head::Binary(_) => Kind::Binary,
            Head::Array(_) => Kind::List,
            Head::Map(_) => Kind::Dictionary,
        }
    }

    /// The truth value, if this is one.
    pub fn as_bool(self) -> Option<bool> {
        match self.head() {
            Head::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The integer, if this is one that fits.
    pub fn as_i64(self) -> Option<i64> {
        match self.head() {
            Head::Unsigned(number) => number.try_into().ok(),
            Head::Signed(number) => Some(number),
            _ => None,
        }
    }

    /// The integer, if this is one that fits.
    pub fn as_u64(self) -> Option<u64> {
        match self.head() {
            Head::Unsigned(number) => Some(number),
            Head::Signed(number) => number.try_into().ok(),
            _ => None,
        }
    }

    /// The integer, if this is one, of any size.
    pub fn as_integer(self) -> Option<Integer> {
        match self.head() {
            Head::Unsigned(number) => Some(number.into()),
            Head::Signed(number) => Some(number.into()),
            Head::Long(digits) => str::from_utf8(digits).ok().and_then(Integer::from_long),
            _ => None,
        }
    }

    /// The float, if this is one. Integers are not converted.
    pub fn as_f64(self) -> Option<f64> {
        match self.head() {
            Head::Float(float) => Some(float),
            _ => None,
        }
    }

    /// The text, if this is one.
    pub fn as_str(self) -> Option<&'a str> {
        match self.head() {
            Head::Text(bytes) => Some(str::from_utf8(bytes).expect(CHECKED)),
            _ => None,
        }
    }

    /// The bytes, if this is binary.
    pub fn as_binary(self) -> Option<&'a [u8]> {
        match self.head() {
            Head::Binary(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The value itself.
    pub fn decode(self) -> Value {
        Reader::new(self.0).value_checked()
    }

    /// Puts the value in the place of `value`, in its memory where type and size allow.
    pub fn decode_into(self, value: &mut Value) {
        Reader::new(self.0).replace(value);
    }

    fn head(self) -> Head<'a> {
        Reader::new(self.0).head().expect(CHECKED)
    }
}

impl Reader<'_> {
    /// Reads a checked value into new memory.
    pub(crate) fn value_checked(&mut self) -> Value {
        self.value(usize::MAX).expect(CHECKED)
    }

    /// Reads a checked value into the memory of `value`.
    pub(crate) fn replace(&mut self, value: &mut Value) {
        let offset = self.position();
        match (self.head().expect(CHECKED), value) {
            (Head::Text(new), Value::Text(text)) => {
                text.clear();
                text.push_str(str::from_utf8(new).expect(CHECKED));
                if is_wasteful(text.capacity(), text.len()) {
                    text.shrink_to_fit();
                }
            }
            (Head::Binary(new), Value::Binary(bytes)) => refill(bytes, new),
            (Head::Array(len), Value::List(items)) => self.replace_items(len, items),
            (Head::Map(len), Value::Dictionary(dictionary)) => self.replace_entries(len, dictionary),
            (Head::Float(float), value) => *value = Value::Float(float),
            (head, value) => {
                *value = self.owned_after(head, offset, Depth::new(usize::MAX)).expect(CHECKED);
            }
        }
    }

    fn replace_items(&mut self, len: usize, items: &mut Vec<Value>) {
        items.truncate(len);
        if is_wasteful(items.capacity(), len) {
            items.shrink_to_fit();
        }
        for item in items.iter_mut() {
            self.replace(item);
        }
        for _ in items.len()..len {
            items.push(self.value_checked());
        }
    }

    /// Replaces values as long as the keys are the same; from the first other key on, entries are made anew.
    fn replace_entries(&mut self, len: usize, dictionary: &mut Dictionary) {
        for index in 0..len {
            let key = self.text().expect(CHECKED);
            if let Some((old_key, value)) = dictionary.at_mut(index)
                && old_key == key
            {
                self.replace(value);
                continue;
            }
            dictionary.truncate(index);
            dictionary.insert(key, self.value_checked());
            for _ in index + 1..len {
                let key = String::from(self.text().expect(CHECKED));
                dictionary.insert(key, self.value_checked());
            }
            return;
        }
        dictionary.truncate(len);
    }
}

/// Makes `bytes` hold `new`, in its memory unless most of that would lie idle.
pub(crate) fn refill(bytes: &mut Vec<u8>, new: &[u8]) {
    bytes.clear();
    bytes.extend_from_slice(new);
    if is_wasteful(bytes.capacity(), bytes.len()) {
        bytes.shrink_to_fit();
    }
}

/// Whether memory for `capacity` items is far too much for `len` of them, so that keeping it would let one large value
/// hold memory for ever.
const fn is_wasteful(capacity: usize, len: usize) -> bool {
    capacity / 4 > len + 16
}
