//! Values in every encoding, and patches.

use alloc::string::String;
use alloc::vec::Vec;

use super::Choices;
use crate::change::{self, Patch};
use crate::encoding::json::{self, Style};
use crate::encoding::messagepack::{self, Raw};
use crate::encoding::{EncodeError, tagged};
use crate::value::{Dictionary, Value};

/// How deep the values here may nest: less than is usual, so that the limit is met.
const DEPTH: usize = 8;

/// A value is the same after it was written and read, in MessagePack and in tagged JSON of every style; in plain JSON
/// too, unless it holds binary.
///
/// # Panics
///
/// If it does not hold.
pub fn value_round_trip(bytes: &[u8]) {
    let value = Choices::new(bytes).value(6);
    check_round_trip(&value);
}

/// Any bytes are refused by a reader of values, or are a value that survives being written and read again.
///
/// # Panics
///
/// If it does not hold.
pub fn any_bytes_as_value(bytes: &[u8]) {
    if let Ok(value) = messagepack::decode(bytes, DEPTH) {
        check_round_trip(&value);
    }
    if let Ok(value) = json::read(bytes, DEPTH) {
        check_round_trip(&value);
    }
    if let Ok(value) = tagged::read(bytes, DEPTH) {
        // The tags' own dictionaries count as levels of the text, so this may be less deep than the text was.
        check_round_trip(&value);
    }
    if let Ok(patch) = Patch::parse(bytes, DEPTH) {
        let mut dictionary = Dictionary::new();
        change::apply(&patch, &mut dictionary);
        for (key, value) in &dictionary {
            assert!(patch.set().any(|(set, raw)| set == key && raw.decode() == *value), "{key:?}");
        }
    }
}

/// The difference of two dictionaries makes the second of the first, and there is none if and only if they are equal.
///
/// # Panics
///
/// If it does not hold.
pub fn patch_round_trip(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let (old, new) = (choices.dictionary(2), choices.dictionary(2));
    let mut patch = Vec::new();
    let differs = change::difference(&old, &new, DEPTH, &mut patch).expect("neither nests too deep");
    assert_eq!(differs, old != new);
    if !differs {
        assert!(patch.is_empty(), "nothing is written where nothing differs");
        return;
    }
    let patch = Patch::parse(&patch, DEPTH).expect("what is written can be read");
    assert!(!patch.is_empty());
    let mut patched = old;
    change::apply(&patch, &mut patched);
    assert_eq!(patched, new);
}

fn check_round_trip(value: &Value) {
    let mut bytes = Vec::new();
    if let Err(error) = messagepack::encode(value, DEPTH, &mut bytes) {
        assert!(matches!(error, EncodeError::TooDeep { .. }), "{error}");
        return;
    }
    assert_eq!(messagepack::decode(&bytes, DEPTH).as_ref(), Ok(value), "MessagePack");
    let raw = Raw::parse(&bytes, DEPTH).expect("what is written can be read");
    assert_eq!((raw.kind(), &raw.decode()), (value.kind(), value), "raw MessagePack");

    for style in [Style::PYTHON, Style::READABLE, Style::COMPACT] {
        let mut text = String::new();
        match json::write(value, style, DEPTH, &mut text) {
            Ok(()) => assert_eq!(json::read(&text, DEPTH).as_ref(), Ok(value), "JSON {style:?}: {text}"),
            Err(EncodeError::Binary { .. }) => {}
            Err(error) => panic!("JSON {style:?}: {error}"),
        }
        let mut text = String::new();
        tagged::write(value, style, DEPTH, &mut text).expect("tagged JSON holds every value");
        assert_eq!(tagged::read(&text, DEPTH).as_ref(), Ok(value), "tagged JSON {style:?}: {text}");
    }
}
