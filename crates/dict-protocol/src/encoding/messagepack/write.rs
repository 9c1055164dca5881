//! Writing MessagePack, always in the shortest form.

use alloc::vec::Vec;

use super::{LONG_INTEGER, marker};
use crate::encoding::{Depth, EncodeError};
use crate::value::{Dictionary, Integer, Value};

/// Appends `value` to `out`.
///
/// # Errors
///
/// If it nests deeper than `depth`, or holds something longer than the format can count. `out` then ends as it was.
pub fn encode(value: &Value, depth: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    write_value(value, Depth::new(depth), out).inspect_err(|_| out.truncate(start))
}

/// Appends `dictionary` to `out`, as one map.
///
/// # Errors
///
/// As [`encode`].
pub fn encode_dictionary(
    dictionary: &Dictionary,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let start = out.len();
    write_dictionary(dictionary, Depth::new(depth), out).inspect_err(|_| out.truncate(start))
}

/// Appends a value that stands in a dictionary, which itself counts as a level of `depth`. After an error `out` ends
/// anywhere.
pub(crate) fn encode_within(value: &Value, depth: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    write_value(value, Depth::new(depth).write()?, out)
}

fn write_value(value: &Value, depth: Depth, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match value {
        Value::Null => write_null(out),
        Value::Bool(value) => write_bool(*value, out),
        Value::Integer(integer) => write_integer(integer, out),
        Value::Float(float) => write_float(*float, out),
        Value::Text(text) => write_text(text, out)?,
        Value::Binary(bytes) => write_binary(bytes, out)?,
        Value::List(items) => {
            let depth = depth.write()?;
            write_array_len(length(items.len())?, out);
            for item in items {
                write_value(item, depth, out)?;
            }
        }
        Value::Dictionary(dictionary) => write_dictionary(dictionary, depth, out)?,
    }
    Ok(())
}

fn write_dictionary(dictionary: &Dictionary, depth: Depth, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let depth = depth.write()?;
    write_map_len(length(dictionary.len())?, out);
    for (key, value) in dictionary {
        write_text(key, out)?;
        write_value(value, depth, out)?;
    }
    Ok(())
}

fn length(length: usize) -> Result<u32, EncodeError> {
    u32::try_from(length).map_err(|_| EncodeError::TooLong { length, limit: u32::MAX })
}

/// Appends nil.
pub fn write_null(out: &mut Vec<u8>) {
    out.push(marker::NIL);
}

/// Appends a boolean.
pub fn write_bool(value: bool, out: &mut Vec<u8>) {
    out.push(if value { marker::TRUE } else { marker::FALSE });
}

/// Appends an integer of any size.
pub fn write_integer(integer: &Integer, out: &mut Vec<u8>) {
    if let Some(number) = integer.as_u64() {
        write_unsigned(number, out);
    } else if let Some(number) = integer.as_i64() {
        write_negative(number, out);
    } else {
        let digits = integer.as_long().expect("an integer that fits neither i64 nor u64 is long").as_bytes();
        write_long(digits, out);
    }
}

fn write_unsigned(number: u64, out: &mut Vec<u8>) {
    if let Ok(small) = u8::try_from(number) {
        if small < 0x80 {
            out.push(small);
        } else {
            out.extend_from_slice(&[marker::UINT8, small]);
        }
    } else if let Ok(small) = u16::try_from(number) {
        put(marker::UINT16, small.to_be_bytes(), out);
    } else if let Ok(small) = u32::try_from(number) {
        put(marker::UINT32, small.to_be_bytes(), out);
    } else {
        put(marker::UINT64, number.to_be_bytes(), out);
    }
}

fn write_negative(number: i64, out: &mut Vec<u8>) {
    if let Ok(small) = i8::try_from(number) {
        let byte = small.cast_unsigned();
        if byte >= marker::NEGATIVE_FIXINT {
            out.push(byte);
        } else {
            out.extend_from_slice(&[marker::INT8, byte]);
        }
    } else if let Ok(small) = i16::try_from(number) {
        put(marker::INT16, small.to_be_bytes(), out);
    } else if let Ok(small) = i32::try_from(number) {
        put(marker::INT32, small.to_be_bytes(), out);
    } else {
        put(marker::INT64, number.to_be_bytes(), out);
    }
}

fn write_long(digits: &[u8], out: &mut Vec<u8>) {
    let kind = LONG_INTEGER.cast_unsigned();
    // It has at least 19 digits, so the forms of fixed length, up to 16 bytes, never fit.
    if let Ok(len) = u8::try_from(digits.len()) {
        out.extend_from_slice(&[marker::EXT8, len, kind]);
    } else {
        let len = u16::try_from(digits.len()).expect("an integer has at most 4,300 digits and a sign");
        put(marker::EXT16, len.to_be_bytes(), out);
        out.push(kind);
    }
    out.extend_from_slice(digits);
}

/// Appends a float, as float 64; every NaN as the same one.
pub fn write_float(float: f64, out: &mut Vec<u8>) {
    let bits = if float.is_nan() { 0x7ff8_0000_0000_0000 } else { float.to_bits() };
    put(marker::FLOAT64, bits.to_be_bytes(), out);
}

/// Appends a text.
///
/// # Errors
///
/// If it is longer than 4 GiB - 1.
pub fn write_text(text: &str, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let len = length(text.len())?;
    if len < 32 {
        out.push(marker::FIXSTR | len.to_le_bytes()[0]);
    } else if let Ok(len) = u8::try_from(len) {
        out.extend_from_slice(&[marker::STR8, len]);
    } else if let Ok(len) = u16::try_from(len) {
        put(marker::STR16, len.to_be_bytes(), out);
    } else {
        put(marker::STR32, len.to_be_bytes(), out);
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Appends binary.
///
/// # Errors
///
/// If it is longer than 4 GiB - 1.
pub fn write_binary(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let len = length(bytes.len())?;
    if let Ok(len) = u8::try_from(len) {
        out.extend_from_slice(&[marker::BIN8, len]);
    } else if let Ok(len) = u16::try_from(len) {
        put(marker::BIN16, len.to_be_bytes(), out);
    } else {
        put(marker::BIN32, len.to_be_bytes(), out);
    }
    out.extend_from_slice(bytes);
    Ok(())
}

/// Begins a list of `len` values, which the caller appends.
pub fn write_array_len(len: u32, out: &mut Vec<u8>) {
    let (head, used) = container_head(Container::Array, len);
    out.extend_from_slice(&head[..used]);
}

/// Begins a dictionary of `len` keys, each a [`write_text`] and then its value, which the caller appends.
pub fn write_map_len(len: u32, out: &mut Vec<u8>) {
    let (head, used) = container_head(Container::Map, len);
    out.extend_from_slice(&head[..used]);
}

/// Which of the two containers.
#[derive(Clone, Copy)]
pub(crate) enum Container {
    Array,
    Map,
}

/// Gives the container that begins at `at`, with a head of one byte, its true length, once that is known.
///
/// What follows moves if the head needs more than its one byte.
pub(crate) fn set_len(
    out: &mut Vec<u8>,
    at: usize,
    container: Container,
    len: usize,
) -> Result<(), EncodeError> {
    let (head, used) = container_head(container, length(len)?);
    if used == 1 {
        out[at] = head[0];
    } else {
        out.splice(at..=at, head[..used].iter().copied());
    }
    Ok(())
}

/// The first bytes of a container, and how many of them count.
fn container_head(container: Container, len: u32) -> ([u8; 5], usize) {
    let (fix, marker16, marker32) = match container {
        Container::Array => (marker::FIXARRAY, marker::ARRAY16, marker::ARRAY32),
        Container::Map => (marker::FIXMAP, marker::MAP16, marker::MAP32),
    };
    let [a, b, c, d] = len.to_be_bytes();
    if len < 16 {
        ([fix | d, 0, 0, 0, 0], 1)
    } else if len <= u16::MAX.into() {
        ([marker16, c, d, 0, 0], 3)
    } else {
        ([marker32, a, b, c, d], 5)
    }
}

fn put<const N: usize>(marker: u8, bytes: [u8; N], out: &mut Vec<u8>) {
    out.push(marker);
    out.extend_from_slice(&bytes);
}
