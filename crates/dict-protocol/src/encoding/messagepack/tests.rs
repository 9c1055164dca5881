//! The form byte by byte, and what is no form of anything.

use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};

use super::*;
use crate::dictionary;
use crate::encoding::DecodeError;
use crate::value::{Integer, Value};

const DEPTH: usize = 4;

fn long(digits: &str) -> Value {
    Value::Integer(digits.parse().unwrap())
}

#[test]
fn the_form_of_each_value() {
    let longest = format!("-{}", "9".repeat(Integer::MAX_DIGITS));
    let cases: Vec<(Value, Vec<u8>)> = vec![
        (Value::Null, b"\xc0".into()),
        (false.into(), b"\xc2".into()),
        (true.into(), b"\xc3".into()),
        (0.into(), b"\x00".into()),
        (127.into(), b"\x7f".into()),
        (128.into(), b"\xcc\x80".into()),
        (256.into(), b"\xcd\x01\x00".into()),
        (65_536.into(), b"\xce\x00\x01\x00\x00".into()),
        ((1_u64 << 32).into(), b"\xcf\x00\x00\x00\x01\x00\x00\x00\x00".into()),
        (u64::MAX.into(), b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff".into()),
        ((-1).into(), b"\xff".into()),
        ((-32).into(), b"\xe0".into()),
        ((-33).into(), b"\xd0\xdf".into()),
        ((-129).into(), b"\xd1\xff\x7f".into()),
        ((-32_769).into(), b"\xd2\xff\xff\x7f\xff".into()),
        (i64::MIN.into(), b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00".into()),
        (long("18446744073709551616"), b"\xc7\x14\x0118446744073709551616".into()),
        (long("-9223372036854775809"), b"\xc7\x14\x01-9223372036854775809".into()),
        (long(&longest), [&b"\xc8\x10\xcd\x01"[..], longest.as_bytes()].concat()),
        (1.0.into(), b"\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00".into()),
        ((-0.0).into(), b"\xcb\x80\x00\x00\x00\x00\x00\x00\x00".into()),
        ((-f64::NAN).into(), b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00".into()),
        ("ü".into(), b"\xa2\xc3\xbc".into()),
        ("x".repeat(32).into(), [&b"\xd9\x20"[..], &[b'x'; 32]].concat()),
        ("x".repeat(256).into(), [&b"\xda\x01\x00"[..], &[b'x'; 256]].concat()),
        ("x".repeat(65_536).into(), [&b"\xdb\x00\x01\x00\x00"[..], &vec![b'x'; 65_536]].concat()),
        (Value::Binary(vec![]), b"\xc4\x00".into()),
        (vec![7_u8; 256].into(), [&b"\xc5\x01\x00"[..], &[7; 256]].concat()),
        (vec![7_u8; 65_536].into(), [&b"\xc6\x00\x01\x00\x00"[..], &vec![7; 65_536]].concat()),
        (Value::from_iter([1, 2]), b"\x92\x01\x02".into()),
        (Value::from_iter([7; 16]), [&b"\xdc\x00\x10"[..], &[7; 16]].concat()),
        (
            Value::from_iter(core::iter::repeat_n(7, 65_536)),
            [&b"\xdd\x00\x01\x00\x00"[..], &vec![7; 65_536]].concat(),
        ),
        (dictionary! { "a" => 1 }.into(), b"\x81\xa1a\x01".into()),
    ];
    for (value, bytes) in cases {
        let mut written = Vec::new();
        encode(&value, DEPTH, &mut written).unwrap();
        assert!(written == bytes, "{value:?}: {written:x?}");
        assert_eq!(decode(&bytes, DEPTH), Ok(value));
    }
}

#[test]
fn other_encoders_may_write_longer_forms() {
    let cases: [(&[u8], Value); 9] = [
        (b"\xcf\x00\x00\x00\x00\x00\x00\x00\x05", 5.into()),
        (b"\xd3\xff\xff\xff\xff\xff\xff\xff\xff", (-1).into()),
        (b"\xd0\x05", 5.into()),
        (b"\xca\x3f\x80\x00\x00", 1.0.into()),
        (b"\xca\x7f\xc0\x00\x01", f64::NAN.into()),
        (b"\xdb\x00\x00\x00\x01a", "a".into()),
        (b"\xc6\x00\x00\x00\x01a", vec![b'a'].into()),
        (b"\xdd\x00\x00\x00\x00", Value::List(vec![])),
        (b"\xdf\x00\x00\x00\x01\xd9\x01a\xc0", dictionary! { "a" => Value::Null }.into()),
    ];
    for (bytes, value) in cases {
        assert_eq!(decode(bytes, DEPTH), Ok(value), "{bytes:x?}");
    }
    let long = [&b"\xc9\x00\x00\x00\x14\x01"[..], b"18446744073709551616"].concat();
    assert_eq!(decode(&long, DEPTH), Ok(Value::from(u128::from(u64::MAX) + 1)));
}

#[test]
fn of_a_doubled_key_the_last_value_wins_at_the_place_of_the_first() {
    let dictionary = decode_dictionary(b"\x83\xa1a\x01\xa1b\x02\xa1a\x03", DEPTH).unwrap();
    assert_eq!(dictionary.iter().collect::<Vec<_>>(), [("a", &3.into()), ("b", &2.into())]);
}

#[test]
fn what_is_no_value() {
    let end = |offset, needed, left| DecodeError::UnexpectedEnd { offset, needed, left };
    let cases: [(&[u8], DecodeError); 17] = [
        (b"", end(0, 1, 0)),
        (b"\xcd\x01", end(1, 2, 1)),
        (b"\xa3ab", end(1, 3, 2)),
        (b"\xdb\xff\xff\xff\xffabc", end(5, 0xffff_ffff, 3)),
        (b"\xc6\xff\xff\xff\xff", end(5, 0xffff_ffff, 0)),
        (b"\xdd\xff\xff\xff\xff\xc0", end(5, 0xffff_ffff, 1)),
        (b"\xdf\xff\xff\xff\xff\xc0", end(5, 0x1_ffff_fffe, 1)),
        (b"\xc0\xc0", DecodeError::TrailingBytes { offset: 1, count: 1 }),
        (b"\x91\xc1", DecodeError::UnknownMarker { offset: 1, marker: 0xc1 }),
        (b"\x91\xd4\x02\x00", DecodeError::UnknownExtension { offset: 1, kind: 2 }),
        (b"\xd6\xff\x00\x00\x00\x00", DecodeError::UnknownExtension { offset: 0, kind: -1 }),
        (b"\x81\x01\x01", DecodeError::Unexpected { offset: 1, expected: "a text", marker: 1 }),
        (b"\x92\x01\xa2\xc3\x28", DecodeError::NotUtf8 { offset: 3 }),
        (b"\x81\xa3a\xed\xa0\xc0", DecodeError::NotUtf8 { offset: 3 }),
        (b"\x92\x01\xd8\x011234567890123456", DecodeError::BadInteger { offset: 2 }),
        (b"\xc7\x15\x01018446744073709551616", DecodeError::BadInteger { offset: 0 }),
        (b"\x91\x91\x91\x91\x90", DecodeError::TooDeep { offset: 4, limit: 4 }),
    ];
    for (bytes, error) in cases {
        assert_eq!(decode(bytes, DEPTH), Err(error), "{bytes:x?}");
        assert_eq!(Raw::parse(bytes, DEPTH).unwrap_err(), error, "{bytes:x?}");
    }
    let error = DecodeError::Unexpected { offset: 0, expected: "a dictionary", marker: 0x90 };
    assert_eq!(decode_dictionary(b"\x90", DEPTH), Err(error));
    assert_eq!(DictionaryBytes::parse(b"\x90", DEPTH).unwrap_err(), error);
}

#[test]
fn long_integers_have_one_form() {
    for digits in [
        "",
        "-",
        "18446744073709551615",
        "-9223372036854775808",
        "+18446744073709551616",
        "1844674407370955161x",
    ] {
        let bytes = [&[0xc7, digits.len() as u8, 1], digits.as_bytes()].concat();
        assert_eq!(decode(&bytes, DEPTH), Err(DecodeError::BadInteger { offset: 0 }), "{digits}");
        assert_eq!(Raw::parse(&bytes, DEPTH).unwrap_err(), DecodeError::BadInteger { offset: 0 }, "{digits}");
    }
    let digits = "9".repeat(Integer::MAX_DIGITS + 1);
    let bytes = [&b"\xc8\x10\xcd\x01"[..], digits.as_bytes()].concat();
    let error = DecodeError::IntegerTooLong { offset: 0, digits: 4_301, limit: 4_300 };
    assert_eq!(decode(&bytes, DEPTH), Err(error));
    assert_eq!(Raw::parse(&bytes, DEPTH).unwrap_err(), error);
}

#[test]
fn a_reader_walks() {
    let mut bytes = Vec::new();
    write_map_len(2, &mut bytes);
    write_text("list", &mut bytes).unwrap();
    write_array_len(2, &mut bytes);
    write_null(&mut bytes);
    write_bool(true, &mut bytes);
    write_text("binary", &mut bytes).unwrap();
    write_binary(b"\x00", &mut bytes).unwrap();

    let mut reader = Reader::new(&bytes);
    assert_eq!(reader.map_len(), Ok(2));
    assert_eq!(reader.text(), Ok("list"));
    let list = reader.raw_value(1).unwrap();
    assert_eq!(list.as_bytes(), b"\x92\xc0\xc3");
    assert_eq!(reader.text(), Ok("binary"));
    assert_eq!(reader.position(), 16);
    assert_eq!(reader.remaining(), b"\xc4\x01\x00");
    assert_eq!(reader.clone().finish(), Err(DecodeError::TrailingBytes { offset: 16, count: 3 }));
    assert_eq!(reader.value(0), Ok(Value::Binary(vec![0])));
    assert_eq!(reader.finish(), Ok(()));
}

#[test]
fn errors_are_readable() {
    let message = |bytes: &[u8]| -> String { format!("{}", decode(bytes, 1).unwrap_err()) };
    assert_eq!(message(b"\xa3ab"), "at byte 1: 3 more bytes were to come, 2 are left");
    assert_eq!(message(b"\x81\x01\x01"), "at byte 1: expected a text, got marker 0x01");
    assert_eq!(message(b"\x91\x90"), "at byte 1: nested deeper than 1 levels (limit depth)");
}
