//! What holds for patches, whoever they are applied to.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::dictionary;
use crate::encoding::messagepack::{self, Raw, write_array_len, write_map_len, write_text};
use crate::encoding::{DecodeError, EncodeError};
use crate::raw::RawDictionary;
use crate::value::{Dictionary, Value, strategy};

const DEPTH: usize = 16;

proptest! {
    #[test]
    fn a_difference_makes_one_the_other(old in strategy::dictionary(), new in strategy::dictionary()) {
        check_difference(&old, &new);
        check_difference(&new, &old);
        check_difference(&old, &old.clone());
    }

    #[test]
    fn few_changes(old in strategy::dictionary(), patches in patches()) {
        let mut new = old.clone();
        for patch in &patches {
            apply(&Patch::parse(patch, DEPTH).unwrap(), &mut new);
            check_difference(&old, &new);
        }
    }

    #[test]
    fn a_patch_means_the_same_to_both(first in strategy::dictionary(), patches in patches()) {
        let mut dictionary = first;
        let mut raw = raw(&dictionary);
        for patch in &patches {
            check_patch(&Patch::parse(patch, DEPTH).unwrap(), &mut dictionary, &mut raw);
        }
    }

    #[test]
    fn a_cut_patch_is_an_error(patches in patches(), at in any::<prop::sample::Index>()) {
        for patch in &patches {
            prop_assert!(Patch::parse(&patch[..at.index(patch.len())], DEPTH).is_err());
        }
    }
}

/// Patches with keys that meet, some of them doubled.
fn patches() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let removed = prop::collection::vec(strategy::key(), 0..12);
    let set = strategy::small_entries();
    let patch = (removed, set).prop_map(|(removed, set)| {
        let mut out = Vec::new();
        write_array_len(removed.len() as u32, &mut out);
        removed.iter().for_each(|key| write_text(key, &mut out).unwrap());
        write_map_len(set.len() as u32, &mut out);
        for (key, value) in &set {
            write_text(key, &mut out).unwrap();
            messagepack::encode(value, DEPTH, &mut out).unwrap();
        }
        out
    });
    prop::collection::vec(patch, 1..6)
}

fn check_difference(old: &Dictionary, new: &Dictionary) {
    let mut bytes = Vec::from(*b"before");
    let differs = difference(old, new, DEPTH, &mut bytes).unwrap();
    assert_eq!(differs, old != new);
    let bytes = bytes.strip_prefix(b"before").unwrap();
    if !differs {
        assert!(bytes.is_empty());
        return;
    }
    let patch = Patch::parse(bytes, DEPTH).unwrap();
    assert!(!patch.is_empty());
    assert!(patch.removed().all(|key| old.contains_key(key) && !new.contains_key(key)));
    assert!(patch.set().all(|(key, value)| old.get(key) != Some(&value.decode())));
    assert_eq!((patch.removed().len(), patch.set().len()), (patch.removed_len(), patch.set_len()));
    let mut copy = old.clone();
    apply(&patch, &mut copy);
    assert_eq!(&copy, new);
}

fn raw(dictionary: &Dictionary) -> RawDictionary {
    let mut bytes = Vec::new();
    messagepack::encode_dictionary(dictionary, DEPTH, &mut bytes).unwrap();
    let mut raw = RawDictionary::new();
    raw.replace(&DictionaryBytes::parse(&bytes, DEPTH).unwrap());
    check_alike(&raw, dictionary);

    let mut patch = Vec::new();
    write_whole(dictionary, DEPTH, &mut patch).unwrap();
    assert_eq!(Patch::parse(&patch, DEPTH).unwrap().as_dictionary().as_bytes(), bytes);
    raw
}

/// Applies a patch to both, which are alike, and checks that they still are.
fn check_patch(patch: &Patch<'_>, dictionary: &mut Dictionary, raw: &mut RawDictionary) {
    let would_be = raw.would_be(patch);
    check_alike(raw, dictionary);
    assert!(raw.would_fit(patch, would_be));

    apply(patch, dictionary);
    let mut slots = Vec::new();
    raw.apply(patch, |slot| slots.push(slot));
    let size = raw.size();
    assert!(size.fits(would_be), "{size:?} {would_be:?}");
    if !has_doubled_keys(patch) {
        assert_eq!(size, would_be);
    }
    for slot in slots {
        let (key, _) = raw.slot(slot);
        assert!(patch.removed().any(|removed| removed == key) || patch.set().any(|(set, _)| set == key));
    }
    check_alike(raw, dictionary);
    if raw.compact() {
        assert_eq!(raw.slots() as usize, raw.len());
        check_alike(raw, dictionary);
    }
}

fn check_alike(raw: &RawDictionary, dictionary: &Dictionary) {
    assert_eq!(raw.len(), dictionary.len());
    assert!(raw.iter().map(|(key, _)| key).eq(dictionary.keys()), "{raw:?} {dictionary:?}");
    for (key, value) in dictionary {
        assert_eq!(raw.get(key).map(Raw::decode).as_ref(), Some(value));
        let slot = raw.slot_of(key).unwrap();
        assert_eq!(raw.slot(slot).0, key);
    }
    assert_eq!(&raw.decode(), dictionary);
    let mut bytes = Vec::new();
    raw.encode(&mut bytes);
    let head = if raw.len() < 16 { 1 } else { 3 };
    assert_eq!(raw.bytes(), bytes.len() - head);
    assert_eq!(messagepack::decode_dictionary(&bytes, DEPTH).as_ref(), Ok(dictionary));
}

fn has_doubled_keys(patch: &Patch<'_>) -> bool {
    let mut removed: Vec<_> = patch.removed().collect();
    let mut set: Vec<_> = patch.set().map(|(key, _)| key).collect();
    removed.sort_unstable();
    set.sort_unstable();
    removed.windows(2).chain(set.windows(2)).any(|pair| pair[0] == pair[1])
}

/// The bytes of a patch, and its parts.
fn written(old: &Dictionary, new: &Dictionary) -> Vec<u8> {
    let mut bytes = Vec::new();
    difference(old, new, DEPTH, &mut bytes).unwrap();
    bytes
}

#[test]
fn bytes_of_a_patch() {
    let old = dictionary! { "a" => 1, "b" => 2, "c" => 3 };
    assert_eq!(written(&old, &dictionary! { "a" => 1, "c" => 4 }), b"\x91\xa1b\x81\xa1c\x04");
    assert_eq!(written(&old, &dictionary! { "c" => 3, "b" => 2, "a" => 1 }), b"");
    assert_eq!(written(&old, &dictionary! { "a" => 1.0, "b" => 2, "c" => 3 })[..4], *b"\x90\x81\xa1a");
    assert_eq!(written(&Dictionary::new(), &dictionary! { "a" => None::<i32> }), b"\x90\x81\xa1a\xc0");
    assert_eq!(written(&dictionary! { "a" => f64::NAN }, &dictionary! { "a" => -f64::NAN }), b"");
}

#[test]
fn lengths_of_many_keys() {
    for count in [15, 16, 65_535, 65_536] {
        let of = |prefix: &str| -> Dictionary {
            (0..count).map(|number| (alloc::format!("{prefix}{number}"), number)).collect()
        };
        let (old, new) = (of("old"), of("new"));
        let bytes = written(&old, &new);
        let patch = Patch::parse(&bytes, DEPTH).unwrap();
        assert_eq!((patch.removed_len(), patch.set_len()), (count, count));
        assert!(patch.removed().eq(old.keys()));
        assert!(patch.set().map(|(key, _)| key).eq(new.keys()));
        let mut whole = Vec::new();
        messagepack::encode_dictionary(&new, DEPTH, &mut whole).unwrap();
        assert_eq!(patch.as_dictionary().as_bytes(), whole, "the lengths are in their shortest form");
        let mut copy = old;
        apply(&patch, &mut copy);
        assert!(copy == new);
    }
}

#[test]
fn a_builder_takes_any_order() {
    let mut out = vec![9];
    let mut patch = PatchBuilder::new(DEPTH, &mut out);
    assert!(patch.is_empty());
    patch.set("a", &1.into()).unwrap();
    patch.remove("b").unwrap();
    patch.set_raw("c", Raw::parse(b"\xa1x", 0).unwrap()).unwrap();
    patch.remove("d").unwrap();
    patch.finish().unwrap();
    assert_eq!(out, b"\x09\x92\xa1b\xa1d\x82\xa1a\x01\xa1c\xa1x");
}

#[test]
fn an_unfinished_patch_leaves_nothing() {
    let mut out = vec![9];
    let mut patch = PatchBuilder::new(1, &mut out);
    patch.set("a", &1.into()).unwrap();
    let before = patch.len();
    let nested = Value::List(vec![1.into()]);
    assert_eq!(patch.set("b", &nested), Err(EncodeError::TooDeep { limit: 1 }));
    assert_eq!(patch.len(), before);
    drop(patch);
    assert_eq!(out, [9]);

    let new = dictionary! { "a" => 1, "b" => nested };
    let result = difference(&Dictionary::new(), &new, 1, &mut out);
    assert_eq!(result, Err(EncodeError::TooDeep { limit: 1 }));
    assert_eq!(write_whole(&new, 1, &mut out), Err(EncodeError::TooDeep { limit: 1 }));
    assert_eq!(out, [9]);
}

#[test]
fn what_is_no_patch() {
    let parse = |bytes: &'static [u8]| Patch::parse(bytes, 2).map(|patch| patch.is_empty());
    assert_eq!(parse(b"\x90\x80"), Ok(true));
    assert_eq!(parse(b"\x90\x81\xa0\x91\x01"), Ok(false));
    let unexpected = |offset, expected, marker| Err(DecodeError::Unexpected { offset, expected, marker });
    assert_eq!(parse(b"\x80\x80"), unexpected(0, "a list", 0x80));
    assert_eq!(parse(b"\x90\x90"), unexpected(1, "a dictionary", 0x90));
    assert_eq!(parse(b"\x91\x01\x80"), unexpected(1, "a text", 1));
    assert_eq!(parse(b"\x90\x81\x01\x01"), unexpected(2, "a text", 1));
    assert_eq!(parse(b"\x91\xa1\xff\x80"), Err(DecodeError::NotUtf8 { offset: 2 }));
    assert_eq!(parse(b"\x90\x80\xc0"), Err(DecodeError::TrailingBytes { offset: 2, count: 1 }));
    assert_eq!(parse(b"\x90"), Err(DecodeError::UnexpectedEnd { offset: 1, needed: 1, left: 0 }));
    assert_eq!(
        parse(b"\xdd\xff\xff\xff\xff\xa0"),
        Err(DecodeError::UnexpectedEnd { offset: 5, needed: u32::MAX.into(), left: 1 })
    );
    assert_eq!(parse(b"\x90\x81\xa0\x91\x91\x01"), Err(DecodeError::TooDeep { offset: 4, limit: 2 }));
}

#[test]
fn a_removed_key_that_is_set_again_comes_last() {
    let mut dictionary = dictionary! { "a" => 1, "b" => 2 };
    let mut raw = raw(&dictionary);
    let patch = Patch::parse(b"\x91\xa1a\x81\xa1a\x03", DEPTH).unwrap();
    apply(&patch, &mut dictionary);
    let mut slots = Vec::new();
    raw.apply(&patch, |slot| slots.push(slot));
    assert_eq!(dictionary.keys().collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(slots, [0, 2]);
    check_alike(&raw, &dictionary);
}

#[test]
fn memory_is_reused_and_given_back() {
    let text = |size| Value::Text("x".repeat(size));
    let mut place = text(100_000);
    let decode_into = |place: &mut Value, value: &Value| {
        let mut bytes = Vec::new();
        messagepack::encode(value, DEPTH, &mut bytes).unwrap();
        Raw::parse(&bytes, DEPTH).unwrap().decode_into(place);
    };
    let address = |value: &Value| value.as_str().map(str::as_ptr);
    let before = address(&place);
    decode_into(&mut place, &text(99_999));
    assert_eq!(address(&place), before);
    decode_into(&mut place, &text(3));
    let Value::Text(text) = place else { panic!("another type") };
    assert!(text.capacity() < 100, "{} bytes are kept for 3", text.capacity());
}

#[test]
fn many_removals_at_once() {
    let of = |range: core::ops::Range<i32>| -> Dictionary {
        range.map(|number| (String::from("key") + &alloc::format!("{number}"), number)).collect()
    };
    let mut dictionary = of(0..1_000);
    let bytes = written(&dictionary, &of(900..1_000));
    apply(&Patch::parse(&bytes, DEPTH).unwrap(), &mut dictionary);
    assert!(dictionary.keys().eq(of(900..1_000).keys()));
}
