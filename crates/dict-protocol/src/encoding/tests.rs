//! What holds for every encoding, whatever the value, and whatever the bytes.

use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};

use proptest::prelude::*;

use super::json::{self, JsonError, Style};
use super::messagepack::{self, DictionaryBytes, Raw};
use super::tagged::{self, TaggedError};
use super::{DecodeError, EncodeError};
use crate::value::{Dictionary, Value, strategy};

const DEPTH: usize = 128;
const STYLES: [Style; 4] =
    [Style::PYTHON, Style::READABLE, Style::COMPACT, Style { ascii: true, compact: true }];

proptest! {
    #[test]
    fn a_value_survives_messagepack(value in strategy::value(), other in strategy::value()) {
        let bytes = encoded(&value);
        let again = messagepack::decode(&bytes, DEPTH).unwrap();
        prop_assert!(is_same(&again, &value), "{:?} {:?}", again, value);
        prop_assert_eq!(encoded(&again), &bytes[..]);
        let raw = Raw::parse(&bytes, DEPTH).unwrap();
        check_raw(raw, &value);
        let mut place = other;
        raw.decode_into(&mut place);
        prop_assert!(is_same(&place, &value), "{:?} {:?}", place, value);
    }

    #[test]
    fn a_value_survives_tagged_json(value in strategy::value()) {
        for style in STYLES {
            let mut text = String::new();
            tagged::write(&value, style, DEPTH, &mut text).unwrap();
            prop_assert!(!style.ascii || text.is_ascii());
            let again = tagged::read(&text, DEPTH).unwrap();
            prop_assert!(is_same(&again, &value), "{:?} {:?} {}", again, value, text);
        }
    }

    #[test]
    fn a_value_without_binary_survives_json(value in strategy::value()) {
        for style in STYLES {
            let mut text = String::from("before");
            match json::write(&value, style, DEPTH, &mut text) {
                Ok(()) => {
                    let again = json::read(&text["before".len()..], DEPTH).unwrap();
                    prop_assert!(is_same(&again, &value), "{:?} {:?} {}", again, value, text);
                }
                Err(error) => {
                    let is_binary = matches!(error, EncodeError::Binary { .. });
                    prop_assert!(is_binary && has_binary(&value), "{}", error);
                    prop_assert_eq!(text, "before");
                }
            }
        }
    }

    #[test]
    fn tagged_json_is_strict_json(value in strategy::value()) {
        for style in STYLES {
            let mut text = String::new();
            tagged::write(&value, style, DEPTH, &mut text).unwrap();
            let parsed = serde_json::from_str::<serde::de::IgnoredAny>(&text);
            prop_assert!(parsed.is_ok(), "{:?} {}", parsed, text);
        }
    }

    #[test]
    fn what_is_decoded_is_what_is_accepted(bytes in arbitrary_messagepack()) {
        let decoded = messagepack::decode(&bytes, DEPTH);
        let raw = Raw::parse(&bytes, DEPTH);
        prop_assert_eq!(decoded.as_ref().err(), raw.as_ref().err());
        if let (Ok(value), Ok(raw)) = (decoded, raw) {
            check_raw(raw, &value);
        }
        let decoded = messagepack::decode_dictionary(&bytes, DEPTH);
        let borrowed = DictionaryBytes::parse(&bytes, DEPTH);
        prop_assert_eq!(decoded.as_ref().err(), borrowed.as_ref().err());
        prop_assert_eq!(decoded.ok(), borrowed.ok().map(|borrowed| borrowed.decode()));
    }

    #[test]
    fn any_cut_of_a_value_is_an_error(value in strategy::value(), at in any::<prop::sample::Index>()) {
        let bytes = encoded(&value);
        let cut = &bytes[..at.index(bytes.len())];
        let error = messagepack::decode(cut, DEPTH).unwrap_err();
        let is_end = matches!(error, DecodeError::UnexpectedEnd { .. });
        prop_assert!(is_end, "{}", error);
        let longer = [&bytes[..], &[0xc0]].concat();
        let error = DecodeError::TrailingBytes { offset: bytes.len(), count: 1 };
        prop_assert_eq!(messagepack::decode(&longer, DEPTH), Err(error));
    }

    #[test]
    fn rmp_serde_writes_and_reads_the_same(value in strategy::value().prop_filter_map("has long", for_oracle)) {
        let bytes = encoded(&value);
        prop_assert_eq!(&rmp_serde::to_vec(&value).unwrap(), &bytes);
        let again: Value = rmp_serde::from_slice(&bytes).unwrap();
        prop_assert!(is_same(&again, &value), "{:?} {:?}", again, value);
    }
}

/// Bytes that are MessagePack more often than chance would have it.
fn arbitrary_messagepack() -> impl Strategy<Value = Vec<u8>> {
    let damaged =
        (strategy::value(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(value, at, byte)| {
            let mut bytes = encoded(&value);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        });
    let marker =
        prop_oneof![Just(0x81), Just(0x82), Just(0x92), Just(0xa1), Just(0xc7), Just(0xd8), Just(0xdc)];
    let byte = prop_oneof![marker, 0..3_u8, any::<u8>()];
    prop_oneof![damaged, prop::collection::vec(byte, 0..24)]
}

fn check_raw(raw: Raw<'_>, value: &Value) {
    assert!(is_same(&raw.decode(), value));
    assert_eq!(raw.kind(), value.kind());
    assert_eq!(raw.as_bool(), value.as_bool());
    assert_eq!(raw.as_integer().as_ref(), value.as_integer());
    assert_eq!(raw.as_i64(), value.as_i64());
    assert_eq!(raw.as_u64(), value.as_u64());
    assert_eq!(raw.as_f64().map(Value::from), value.as_f64().map(Value::from));
    assert_eq!(raw.as_str(), value.as_str());
    assert_eq!(raw.as_binary(), value.as_binary());
    assert_eq!(raw.as_dictionary().map(|raw| raw.decode()).as_ref(), value.as_dictionary());
}

/// Equal, and with equal order of keys all through.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Value::Dictionary(a), Value::Dictionary(b)) => {
            a.keys().eq(b.keys()) && a.values().zip(b.values()).all(|(a, b)| is_same(a, b))
        }
        (a, b) => a == b,
    }
}

fn has_binary(value: &Value) -> bool {
    match value {
        Value::Binary(_) => true,
        Value::List(items) => items.iter().any(has_binary),
        Value::Dictionary(dictionary) => dictionary.values().any(has_binary),
        _ => false,
    }
}

/// The value without what the other implementation writes otherwise: long integers, and NaNs in their many forms.
fn for_oracle(value: Value) -> Option<Value> {
    Some(match value {
        Value::Integer(integer) if integer.as_long().is_some() => return None,
        Value::Float(float) if float.is_nan() => Value::Float(f64::from_bits(0x7ff8_0000_0000_0000)),
        Value::List(items) => Value::List(items.into_iter().map(for_oracle).collect::<Option<_>>()?),
        Value::Dictionary(dictionary) => Value::Dictionary(
            dictionary
                .into_iter()
                .map(|(key, value)| Some((key, for_oracle(value)?)))
                .collect::<Option<Dictionary>>()?,
        ),
        value => value,
    })
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    messagepack::encode(value, DEPTH, &mut bytes).unwrap();
    bytes
}

/// A list within a list and so on, of that depth.
fn nested(depth: usize) -> Value {
    (1..depth).fold(Value::List(Vec::new()), |inner, _| Value::List(vec![inner]))
}

#[test]
fn depth_is_limited_alike_everywhere() {
    for limit in [0, 1, 2, 5, 128] {
        for depth in [limit.max(1), limit + 1] {
            let value = nested(depth);
            let fits = depth <= limit;
            let (mut bytes, mut text, mut tagged) = (vec![7], String::from("x"), String::from("x"));
            let too_deep = EncodeError::TooDeep { limit };
            let expected = if fits { Ok(()) } else { Err(too_deep) };
            assert_eq!(messagepack::encode(&value, limit, &mut bytes), expected);
            assert_eq!(json::write(&value, Style::PYTHON, limit, &mut text), expected);
            assert_eq!(tagged::write(&value, Style::PYTHON, limit, &mut tagged), expected);
            if !fits {
                assert_eq!((&bytes[..], &text[..], &tagged[..]), (&[7][..], "x", "x"));
            }

            let offset = limit;
            let bytes = encoded_deep(&value);
            let error = DecodeError::TooDeep { offset, limit };
            assert_eq!(messagepack::decode(&bytes, limit).err(), (!fits).then_some(error));
            assert_eq!(Raw::parse(&bytes, limit).err(), (!fits).then_some(error));
            let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let error = JsonError::TooDeep { offset, limit };
            assert_eq!(json::read(&text, limit).err(), (!fits).then_some(error));
            let error = TaggedError::TooDeep { limit };
            assert_eq!(tagged::read(&text, limit).err(), (!fits).then_some(error));
        }
    }
}

fn encoded_deep(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    messagepack::encode(value, usize::MAX, &mut bytes).unwrap();
    bytes
}

#[cfg(feature = "std")]
#[test]
fn a_small_stack_is_enough() {
    let deepest = || {
        // As deep as is allowed, in the form that needs the most stack: dictionaries of one key, which tags wrap.
        let innermost = Value::from(f64::NAN);
        let deepest = (0..DEPTH).fold(innermost, |inner, _| Dictionary::from([("$dict", inner)]).into());
        let bytes = encoded(&deepest);
        let raw = Raw::parse(&bytes, DEPTH).unwrap();
        let mut place = raw.decode();
        raw.decode_into(&mut place);
        assert_eq!(place, deepest);
        for style in STYLES {
            let mut text = String::new();
            tagged::write(&place, style, DEPTH, &mut text).unwrap();
            assert_eq!(tagged::read(&text, DEPTH).unwrap(), deepest);
            text.clear();
            json::write(&place, style, DEPTH, &mut text).unwrap();
            assert_eq!(json::read(&text, DEPTH).unwrap(), deepest);
        }
        for bomb in [&[0x91][..], &[0x81, 0xa0], &[0xdd, 0, 0, 0, 1], &[0xdf, 0, 0, 0, 1, 0xa1, b'k']] {
            let bomb = bomb.repeat(100_000);
            let error = messagepack::decode(&bomb, DEPTH).unwrap_err();
            assert!(matches!(error, DecodeError::TooDeep { limit: DEPTH, .. }), "{error}");
            assert_eq!(Raw::parse(&bomb, DEPTH).unwrap_err(), error);
        }
        for bomb in ["[", "{\"a\":", "[{\"$dict\": "] {
            let bomb = bomb.repeat(100_000);
            let error = json::read(&bomb, DEPTH).unwrap_err();
            assert!(matches!(error, JsonError::TooDeep { limit: DEPTH, .. }), "{error}");
            assert_eq!(tagged::read(&bomb, DEPTH), Err(TaggedError::TooDeep { limit: DEPTH }));
        }
    };
    std::thread::Builder::new().stack_size(512 << 10).spawn(deepest).unwrap().join().unwrap();
}
