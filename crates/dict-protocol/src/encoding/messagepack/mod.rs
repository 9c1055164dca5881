//! MessagePack: the form of values between native peers and on disk.
//!
//! | value | MessagePack |
//! |---|---|
//! | null, boolean | nil, true, false |
//! | integer that fits `i64` or `u64` | the shortest of the integer forms; any of them is read |
//! | longer integer | extension type 1: ASCII decimal digits, a `-` before them if negative, in the one form without zeros in front |
//! | float | float 64; NaN as `7ff8000000000000`; float 32 is read too |
//! | text | str, UTF-8 checked |
//! | binary | bin |
//! | list | array |
//! | dictionary | map; every key is a str; of a doubled key the last value wins, at the place of the first |
//!
//! Anything else is an error. The encoder is canonical: it writes each length and integer in its shortest form, so
//! equal values whose keys have one order become equal bytes.
//!
//! [`encode`] and [`decode`] go between bytes and values; [`Reader`] walks over borrowed bytes, and [`Raw`] is one
//! value in them that was checked and left as it is. A length that is only claimed allocates nothing.
//!
//! ```
//! use dict_protocol::encoding::messagepack;
//! use dict_protocol::value::Value;
//!
//! let mut bytes = Vec::new();
//! messagepack::encode(&Value::from_iter([1, 300]), 128, &mut bytes)?;
//! assert_eq!(bytes, [0x92, 0x01, 0xcd, 0x01, 0x2c]);
//! assert_eq!(messagepack::decode(&bytes, 128)?, Value::from_iter([1, 300]));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod dictionary;
mod raw;
mod read;
mod write;

pub use dictionary::{DictionaryBytes, Entries};
pub use raw::Raw;
pub use read::{Reader, decode, decode_dictionary};
pub use write::{
    encode, encode_dictionary, write_array_len, write_binary, write_bool, write_float, write_integer,
    write_map_len, write_null, write_text,
};

pub(crate) use raw::refill;
pub(crate) use write::{Container, encode_within, set_len};

/// First bytes, as the format's specification assigns them.
mod marker {
    pub(super) const FIXMAP: u8 = 0x80;
    pub(super) const FIXARRAY: u8 = 0x90;
    pub(super) const FIXSTR: u8 = 0xa0;
    pub(super) const NIL: u8 = 0xc0;
    pub(super) const FALSE: u8 = 0xc2;
    pub(super) const TRUE: u8 = 0xc3;
    pub(super) const BIN8: u8 = 0xc4;
    pub(super) const BIN16: u8 = 0xc5;
    pub(super) const BIN32: u8 = 0xc6;
    pub(super) const EXT8: u8 = 0xc7;
    pub(super) const EXT16: u8 = 0xc8;
    pub(super) const EXT32: u8 = 0xc9;
    pub(super) const FLOAT32: u8 = 0xca;
    pub(super) const FLOAT64: u8 = 0xcb;
    pub(super) const UINT8: u8 = 0xcc;
    pub(super) const UINT16: u8 = 0xcd;
    pub(super) const UINT32: u8 = 0xce;
    pub(super) const UINT64: u8 = 0xcf;
    pub(super) const INT8: u8 = 0xd0;
    pub(super) const INT16: u8 = 0xd1;
    pub(super) const INT32: u8 = 0xd2;
    pub(super) const INT64: u8 = 0xd3;
    pub(super) const FIXEXT1: u8 = 0xd4;
    pub(super) const FIXEXT16: u8 = 0xd8;
    pub(super) const STR8: u8 = 0xd9;
    pub(super) const STR16: u8 = 0xda;
    pub(super) const STR32: u8 = 0xdb;
    pub(super) const ARRAY16: u8 = 0xdc;
    pub(super) const ARRAY32: u8 = 0xdd;
    pub(super) const MAP16: u8 = 0xde;
    pub(super) const MAP32: u8 = 0xdf;
    pub(super) const NEGATIVE_FIXINT: u8 = 0xe0;
}

/// The extension type of an integer beyond 64 bits.
const LONG_INTEGER: i8 = 1;

#[cfg(test)]
mod tests;
