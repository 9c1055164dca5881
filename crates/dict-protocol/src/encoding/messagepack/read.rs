//! Reading MessagePack: one walk that decodes, checks or skips.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;
use core::str;

use super::{LONG_INTEGER, Raw, marker};
use crate::encoding::{DecodeError, Depth};
use crate::value::{Dictionary, Integer, Value, is_long};

/// How many items are reserved for before the first of them has been read.
const RESERVE: usize = 64;

/// Decodes the one value that `bytes` are.
///
/// # Errors
///
/// If they are not the form of a value, go on after it, or nest deeper than `depth`.
pub fn decode(bytes: &[u8], depth: usize) -> Result<Value, DecodeError> {
    let mut reader = Reader::new(bytes);
    let value = reader.value(depth)?;
    reader.finish()?;
    Ok(value)
}

/// Decodes the one dictionary that `bytes` are.
///
/// # Errors
///
/// As [`decode`], and if they are another value.
pub fn decode_dictionary(bytes: &[u8], depth: usize) -> Result<Dictionary, DecodeError> {
    let mut reader = Reader::new(bytes);
    let len = reader.map_len()?;
    let depth = Depth::new(depth).read(0)?;
    let dictionary = reader.entries(len, depth)?;
    reader.finish()?;
    Ok(dictionary)
}

/// A place in borrowed MessagePack bytes, which moves on with each value that is read.
///
/// After an error it stands within what could not be read, and is of no further use.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// How many bytes there were at the beginning.
    length: usize,
}

/// The beginning of a value: all of it but the items of a list or dictionary. Text and digits are unchecked.
#[derive(Clone, Copy)]
pub(super) enum Head<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a [u8]),
    Binary(&'a [u8]),
    Long(&'a [u8]),
    Array(usize),
    Map(usize),
}

impl<'a> Reader<'a> {
    /// A reader at the beginning of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, length: bytes.len() }
    }

    /// How many bytes have been read.
    pub const fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    /// The bytes that have not been read.
    pub const fn remaining(&self) -> &'a [u8] {
        self.rest
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    ///
    /// If something is.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(DecodeError::TrailingBytes { offset: self.position(), count }),
        }
    }

    /// Reads a text.
    ///
    /// # Errors
    ///
    /// If another value comes, or it is not whole or not UTF-8.
    #[inline]
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        let start = self.rest;
        match self.text_bytes()? {
            Some(bytes) => self.utf8(bytes),
            None => Err(self.unexpected("a text", start)),
        }
    }

    /// Reads the length of a list, after which that many values follow.
    ///
    /// # Errors
    ///
    /// If another value comes, or the bytes are too few to hold as many.
    #[inline]
    pub fn array_len(&mut self) -> Result<usize, DecodeError> {
        let start = self.rest;
        if let Some(len) = self.short(marker::FIXARRAY..marker::FIXSTR) {
            return self.room_for(len as u64).map(|()| len);
        }
        match self.head()? {
            Head::Array(len) => Ok(len),
            _ => Err(self.unexpected("a list", start)),
        }
    }

    /// Reads the length of a dictionary, after which that many texts and values follow in turn.
    ///
    /// # Errors
    ///
    /// If another value comes, or the bytes are too few to hold as many.
    #[inline]
    pub fn map_len(&mut self) -> Result<usize, DecodeError> {
        let start = self.rest;
        if let Some(len) = self.short(marker::FIXMAP..marker::FIXARRAY) {
            return self.room_for(len as u64 * 2).map(|()| len);
        }
        match self.head()? {
            Head::Map(len) => Ok(len),
            _ => Err(self.unexpected("a dictionary", start)),
        }
    }

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// If what comes is none, is not whole, or nests deeper than `depth`.
    pub fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        self.owned(Depth::new(depth))
    }

    /// Checks a value and passes over it, without allocating.
    ///
    /// # Errors
    ///
    /// As [`value`](Self::value).
    pub fn raw_value(&mut self, depth: usize) -> Result<Raw<'a>, DecodeError> {
        let start = self.rest;
        self.check(Depth::new(depth))?;
        Ok(Raw::checked(self.since(start)))
    }

    /// Passes over a value that was checked before.
    pub(crate) fn skip_checked(&mut self) -> Raw<'a> {
        let start = self.rest;
        let mut pending = 1_usize;
        while pending > 0 {
            pending -= 1;
            if self.skip_fixed() {
                continue;
            }
            // Each item is at least a byte, so the sum cannot pass the number of bytes.
            pending += match self.head().expect("these bytes were checked") {
                Head::Array(len) => len,
                Head::Map(len) => 2 * len,
                _ => 0,
            };
        }
        Raw::checked(self.since(start))
    }

    /// Reads a value into new memory.
    fn owned(&mut self, depth: Depth) -> Result<Value, DecodeError> {
        let offset = self.position();
        let head = self.head()?;
        self.owned_after(head, offset, depth)
    }

    /// Reads the rest of a value whose head, at `offset`, has been read.
    pub(super) fn owned_after(
        &mut self,
        head: Head<'a>,
        offset: usize,
        depth: Depth,
    ) -> Result<Value, DecodeError> {
        Ok(match head {
            Head::Null => Value::Null,
            Head::Bool(value) => Value::Bool(value),
            Head::Unsigned(number) => number.into(),
            Head::Signed(number) => number.into(),
            Head::Float(float) => Value::Float(float),
            Head::Text(bytes) => Value::Text(String::from(self.utf8(bytes)?)),
            Head::Binary(bytes) => Value::Binary(Vec::from(bytes)),
            Head::Long(digits) => {
                let digits = long_digits(digits, offset)?;
                Value::Integer(Integer::from_long(digits).ok_or(DecodeError::BadInteger { offset })?)
            }
            Head::Array(len) => {
                let depth = depth.read(offset)?;
                let mut items = Vec::with_capacity(len.min(RESERVE));
                for _ in 0..len {
                    items.push(self.owned(depth)?);
                }
                Value::List(items)
            }
            Head::Map(len) => {
                let depth = depth.read(offset)?;
                Value::Dictionary(self.entries(len, depth)?)
            }
        })
    }

    /// Reads the entries of a dictionary of `len` keys; `depth` is that of its values.
    fn entries(&mut self, len: usize, depth: Depth) -> Result<Dictionary, DecodeError> {
        let mut dictionary = Dictionary::with_capacity(len.min(RESERVE));
        for _ in 0..len {
            let key = self.text()?;
            let value = self.owned(depth)?;
            dictionary.insert(key, value);
        }
        Ok(dictionary)
    }

    /// Checks a value and passes over it.
    #[inline]
    fn check(&mut self, depth: Depth) -> Result<(), DecodeError> {
        if self.skip_fixed() { Ok(()) } else { self.check_any(depth) }
    }

    fn check_any(&mut self, depth: Depth) -> Result<(), DecodeError> {
        let offset = self.position();
        match self.head()? {
            Head::Text(bytes) => self.check_utf8(bytes),
            Head::Long(digits) => match is_long(long_digits(digits, offset)?) {
                true => Ok(()),
                false => Err(DecodeError::BadInteger { offset }),
            },
            Head::Array(len) => {
                let depth = depth.read(offset)?;
                (0..len).try_for_each(|_| self.check(depth))
            }
            Head::Map(len) => {
                let depth = depth.read(offset)?;
                self.check_entries(len, depth)
            }
            Head::Null
            | Head::Bool(_)
            | Head::Unsigned(_)
            | Head::Signed(_)
            | Head::Float(_)
            | Head::Binary(_) => Ok(()),
        }
    }

    /// Checks the entries of a dictionary of `len` keys; `depth` is that of its values.
    pub(super) fn check_entries(&mut self, len: usize, depth: Depth) -> Result<(), DecodeError> {
        for _ in 0..len {
            self.check_text()?;
            self.check(depth)?;
        }
        Ok(())
    }

    /// Checks a text and passes over it.
    #[inline]
    pub(crate) fn check_text(&mut self) -> Result<(), DecodeError> {
        let start = self.rest;
        match self.text_bytes()? {
            Some(bytes) => self.check_utf8(bytes),
            None => Err(self.unexpected("a text", start)),
        }
    }

    /// Passes over a value whose first byte alone tells how long it is, if such a one comes, whole.
    #[inline]
    fn skip_fixed(&mut self) -> bool {
        let Some(&marker) = self.rest.first() else { return false };
        let len = match marker {
            0x00..marker::FIXMAP | marker::NEGATIVE_FIXINT.. => 1,
            marker::NIL | marker::FALSE | marker::TRUE => 1,
            marker::UINT8 | marker::INT8 => 2,
            marker::UINT16 | marker::INT16 => 3,
            marker::UINT32 | marker::INT32 | marker::FLOAT32 => 5,
            marker::UINT64 | marker::INT64 | marker::FLOAT64 => 9,
            _ => return false,
        };
        let Some(rest) = self.rest.get(len..) else { return false };
        self.rest = rest;
        true
    }

    /// What was read since `start` was what remained.
    pub(super) fn since(&self, start: &'a [u8]) -> &'a [u8] {
        &start[..start.len() - self.rest.len()]
    }

    /// Reads the beginning of a value, and its content if it is neither list nor dictionary.
    #[inline]
    pub(super) fn head(&mut self) -> Result<Head<'a>, DecodeError> {
        let offset = self.position();
        let [marker] = self.array()?;
        Ok(match marker {
            0x00..marker::FIXMAP => Head::Unsigned(marker.into()),
            marker::FIXMAP..marker::FIXARRAY => self.map(usize::from(marker & 0x0f))?,
            marker::FIXARRAY..marker::FIXSTR => self.list(usize::from(marker & 0x0f))?,
            marker::FIXSTR..marker::NIL => Head::Text(self.take(usize::from(marker & 0x1f))?),
            marker::NIL => Head::Null,
            marker::FALSE => Head::Bool(false),
            marker::TRUE => Head::Bool(true),
            marker::BIN8..=marker::BIN32 => {
                let len = self.length(marker - marker::BIN8)?;
                Head::Binary(self.take(len)?)
            }
            marker::EXT8..=marker::EXT32 => {
                let len = self.length(marker - marker::EXT8)?;
                self.extension(len, offset)?
            }
            marker::FLOAT32 => Head::Float(f32::from_be_bytes(self.array()?).into()),
            marker::FLOAT64 => Head::Float(f64::from_be_bytes(self.array()?)),
            marker::UINT8 => Head::Unsigned(u8::from_be_bytes(self.array()?).into()),
            marker::UINT16 => Head::Unsigned(u16::from_be_bytes(self.array()?).into()),
            marker::UINT32 => Head::Unsigned(u32::from_be_bytes(self.array()?).into()),
            marker::UINT64 => Head::Unsigned(u64::from_be_bytes(self.array()?)),
            marker::INT8 => Head::Signed(i8::from_be_bytes(self.array()?).into()),
            marker::INT16 => Head::Signed(i16::from_be_bytes(self.array()?).into()),
            marker::INT32 => Head::Signed(i32::from_be_bytes(self.array()?).into()),
            marker::INT64 => Head::Signed(i64::from_be_bytes(self.array()?)),
            marker::FIXEXT1..=marker::FIXEXT16 => self.extension(1 << (marker - marker::FIXEXT1), offset)?,
            marker::STR8..=marker::STR32 => {
                let len = self.length(marker - marker::STR8)?;
                Head::Text(self.take(len)?)
            }
            marker::ARRAY16 | marker::ARRAY32 => {
                let len = self.length(1 + marker - marker::ARRAY16)?;
                self.list(len)?
            }
            marker::MAP16 | marker::MAP32 => {
                let len = self.length(1 + marker - marker::MAP16)?;
                self.map(len)?
            }
            marker::NEGATIVE_FIXINT.. => Head::Signed(marker.cast_signed().into()),
            _ => return Err(DecodeError::UnknownMarker { offset, marker }),
        })
    }

    /// Reads a text and leaves it unchecked; `None` if another value comes.
    #[inline]
    fn text_bytes(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        if let Some(len) = self.short(marker::FIXSTR..marker::NIL) {
            return self.take(len).map(Some);
        }
        match self.head()? {
            Head::Text(bytes) => Ok(Some(bytes)),
            _ => Ok(None),
        }
    }

    /// Reads the length of a short text, list or dictionary, whose one first byte is in `markers`, if that is what
    /// comes. It is almost always, and this is much quicker than the general way.
    #[inline]
    fn short(&mut self, markers: Range<u8>) -> Option<usize> {
        let (&marker, rest) = self.rest.split_first()?;
        if !markers.contains(&marker) {
            return None;
        }
        self.rest = rest;
        Some(usize::from(marker - markers.start))
    }

    /// Reads a length of one, two or four bytes: `size` is 0, 1 or 2.
    fn length(&mut self, size: u8) -> Result<usize, DecodeError> {
        Ok(match size {
            0 => u8::from_be_bytes(self.array()?).into(),
            1 => u16::from_be_bytes(self.array()?).into(),
            _ => u32::from_be_bytes(self.array()?) as usize,
        })
    }

    fn list(&self, len: usize) -> Result<Head<'a>, DecodeError> {
        self.room_for(len as u64)?;
        Ok(Head::Array(len))
    }

    fn map(&self, len: usize) -> Result<Head<'a>, DecodeError> {
        self.room_for(len as u64 * 2)?;
        Ok(Head::Map(len))
    }

    fn extension(&mut self, len: usize, offset: usize) -> Result<Head<'a>, DecodeError> {
        let kind = i8::from_be_bytes(self.array()?);
        let bytes = self.take(len)?;
        match kind {
            LONG_INTEGER => Ok(Head::Long(bytes)),
            kind => Err(DecodeError::UnknownExtension { offset, kind }),
        }
    }

    #[inline]
    fn check_utf8(&self, bytes: &'a [u8]) -> Result<(), DecodeError> {
        // Most texts are ASCII, and that is much quicker to check.
        if bytes.is_ascii() { Ok(()) } else { self.utf8(bytes).map(drop) }
    }

    #[inline]
    fn utf8(&self, bytes: &'a [u8]) -> Result<&'a str, DecodeError> {
        str::from_utf8(bytes).map_err(|error| {
            // `bytes` are the last that were read.
            DecodeError::NotUtf8 { offset: self.position() - bytes.len() + error.valid_up_to() }
        })
    }

    #[inline]
    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.too_short(len as u64));
        };
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else {
            return Err(self.too_short(N as u64));
        };
        self.rest = rest;
        Ok(*bytes)
    }

    /// Checks that at least `items` more bytes are there, as that many items need.
    #[inline]
    fn room_for(&self, items: u64) -> Result<(), DecodeError> {
        if self.rest.len() as u64 >= items { Ok(()) } else { Err(self.too_short(items)) }
    }

    #[cold]
    fn too_short(&self, needed: u64) -> DecodeError {
        DecodeError::UnexpectedEnd { offset: self.position(), needed, left: self.rest.len() }
    }

    #[cold]
    fn unexpected(&self, expected: &'static str, start: &'a [u8]) -> DecodeError {
        DecodeError::Unexpected { offset: self.length - start.len(), expected, marker: start[0] }
    }
}

/// The digits of a long integer, if they are not too many.
fn long_digits(bytes: &[u8], offset: usize) -> Result<&str, DecodeError> {
    let text = str::from_utf8(bytes).map_err(|_| DecodeError::BadInteger { offset })?;
    let digits = text.strip_prefix('-').unwrap_or(text).len();
    if digits > Integer::MAX_DIGITS {
        return Err(DecodeError::IntegerTooLong { offset, digits, limit: Integer::MAX_DIGITS });
    }
    Ok(text)
}

impl Depth {
    /// The depth within the list or dictionary at `offset`.
    pub(super) fn read(self, offset: usize) -> Result<Self, DecodeError> {
        self.enter().map_err(|limit| DecodeError::TooDeep { offset, limit })
    }
}
