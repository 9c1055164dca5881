//! How values become bytes and text, and back: [`messagepack`] between native peers, [`json`] where people and older
//! programs read, [`tagged`] JSON where every value must survive.
//!
//! All of them take a **depth**: how many lists and dictionaries may stand within one another. A value that is neither
//! has depth 0, an empty list has depth 1. Both ways refuse what is deeper, so neither can be made to overflow a stack:
//! with the default of 128 (see [`Limits`](crate::limits::Limits)) half a mebibyte of it is plenty.

pub mod json;
pub mod messagepack;
pub mod tagged;

/// Why a value cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Lists and dictionaries stand within one another more often than the limit allows.
    #[error("nested deeper than {limit} levels (limit depth)")]
    TooDeep {
        /// The most levels that are allowed.
        limit: usize,
    },
    /// A text, binary, list or dictionary has more bytes or items than the format can count.
    #[error("{length} bytes or items in one value: the format counts to {limit}")]
    TooLong {
        /// How many there are.
        length: usize,
        /// How many the format can count.
        limit: u32,
    },
    /// Plain JSON has no binary; [`tagged`] JSON has.
    #[error("plain JSON cannot hold binary ({length} bytes)")]
    Binary {
        /// How many bytes it has.
        length: usize,
    },
}

/// Why bytes are not the MessagePack form of a value, a dictionary or a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end within a value, or a length claims more than there is.
    #[error("at byte {offset}: {needed} more bytes were to come, {left} are left")]
    UnexpectedEnd {
        /// Where the missing bytes should begin.
        offset: usize,
        /// How many were to come, at the least.
        needed: u64,
        /// How many there are.
        left: usize,
    },
    /// Bytes follow where the value ends.
    #[error("at byte {offset}: {count} bytes follow the value")]
    TrailingBytes {
        /// Where they begin.
        offset: usize,
        /// How many they are.
        count: usize,
    },
    /// A value of one type is required here, and another came.
    #[error("at byte {offset}: expected {expected}, got marker {marker:#04x}")]
    Unexpected {
        /// Where the value begins.
        offset: usize,
        /// What is required.
        expected: &'static str,
        /// Its first byte.
        marker: u8,
    },
    /// A first byte that stands for nothing: reserved, or an extension other than the long integer.
    #[error("at byte {offset}: marker {marker:#04x} stands for no value")]
    UnknownMarker {
        /// Where it stands.
        offset: usize,
        /// The byte.
        marker: u8,
    },
    /// An extension of another type than 1, the long integer.
    #[error("at byte {offset}: unknown extension type {kind}")]
    UnknownExtension {
        /// Where the value begins.
        offset: usize,
        /// The type it claims.
        kind: i8,
    },
    /// A long integer that is not the decimal digits of a number beyond 64 bits, without zeros before them.
    #[error("at byte {offset}: not a long integer in its one decimal form")]
    BadInteger {
        /// Where the value begins.
        offset: usize,
    },
    /// A long integer with more digits than an integer may have.
    #[error("at byte {offset}: an integer of {digits} digits, at most {limit} are allowed")]
    IntegerTooLong {
        /// Where the value begins.
        offset: usize,
        /// How many digits it has.
        digits: usize,
        /// The most it may have.
        limit: usize,
    },
    /// A text that is not UTF-8.
    #[error("at byte {offset}: not UTF-8")]
    NotUtf8 {
        /// Where the first wrong byte stands.
        offset: usize,
    },
    /// Lists and dictionaries stand within one another more often than the limit allows.
    #[error("at byte {offset}: nested deeper than {limit} levels (limit depth)")]
    TooDeep {
        /// Where the list or dictionary begins that is one too many.
        offset: usize,
        /// The most levels that are allowed.
        limit: usize,
    },
}

/// How much deeper a value may nest: what every encoding passes down.
#[derive(Clone, Copy, Debug)]
struct Depth {
    left: usize,
    limit: usize,
}

impl Depth {
    const fn new(limit: usize) -> Self {
        Self { left: limit, limit }
    }

    /// The depth within one more list or dictionary; the limit, if that is one too many.
    const fn enter(self) -> Result<Self, usize> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left, limit: self.limit }),
            None => Err(self.limit),
        }
    }

    /// The same for a value that is to be written.
    fn write(self) -> Result<Self, EncodeError> {
        self.enter().map_err(|limit| EncodeError::TooDeep { limit })
    }
}

#[cfg(test)]
mod tests;
