//! The dictionary that is published, how each update changes it, and whether what arrives is that.
//!
//! An update's one changed value follows from its sequence, so both ends know it without telling each other.

use anyhow::Result;
use dict_cli::{UsageError, value_text};
use dict_protocol::change::{DictionaryBytes, Patch};
use dict_protocol::value::{Dictionary, Value};

/// The key that changes.
pub(super) const KEY: &str = "T";

/// The first keys besides; the peers' dictionary in comparisons.
const OTHERS: [(&str, i64); 4] = [("A1", 3), ("A2", 0), ("A4", 4), ("Stop", 0)];

/// The patch of a change up to its value: no key removed, one set, its name, a float.
const CHANGE: &[u8] = &[0x90, 0x81, 0xA1, b'T', 0xCB];

/// What nests no deeper than this dictionary.
const DEPTH: usize = 4;

/// The value that an update sets. Two that follow each other differ.
pub(super) fn value(sequence: u64) -> f64 {
    1_763_706_612.123_456 + sequence as f64 * 1e-6
}

/// The dictionary as of update 1, with `keys` keys, filled up to `size` bytes of JSON.
///
/// # Errors
///
/// A [`UsageError`] if it has more without being filled up.
pub(super) fn dictionary(keys: u32, size: Option<u32>) -> Result<Dictionary> {
    let others = keys as usize - 1;
    let more = (OTHERS.len()..others).map(|number| (format!("K{number}"), 0));
    let mut dictionary: Dictionary =
        OTHERS.into_iter().take(others).map(|(key, value)| (key.to_owned(), value)).chain(more).collect();
    dictionary.insert(KEY, value(1));
    let Some(size) = size.map(|size| size as usize) else { return Ok(dictionary) };
    let length = |dictionary: &Dictionary| value_text(&dictionary.clone().into()).len();
    let bare = length(&dictionary);
    if bare == size {
        return Ok(dictionary);
    }
    dictionary.insert("Fill", "");
    let least = length(&dictionary);
    let missing = size.checked_sub(least).ok_or_else(|| {
        UsageError(format!(
            "--size {size}: a dictionary of so many keys has {bare} bytes, and filled up {least} at least"
        ))
    })?;
    dictionary.insert("Fill", "x".repeat(missing));
    Ok(dictionary)
}

/// Whether an update says what the one of that sequence has to.
pub(super) fn is_change(sequence: u64, patch: &[u8]) -> bool {
    match patch.strip_prefix(CHANGE) {
        Some(bytes) => *bytes == value(sequence).to_be_bytes(),
        // The first one, with all keys.
        None => Patch::parse(patch, DEPTH).is_ok_and(|patch| holds(sequence, patch.as_dictionary())),
    }
}

/// Whether a dictionary is that of a sequence.
pub(super) fn is_state(sequence: u64, dictionary: &[u8]) -> bool {
    DictionaryBytes::parse(dictionary, DEPTH).is_ok_and(|dictionary| holds(sequence, dictionary))
}

fn holds(sequence: u64, dictionary: DictionaryBytes<'_>) -> bool {
    let found = dictionary.iter().find(|(key, _)| *key == KEY);
    found.and_then(|(_, value)| value.as_f64()) == Some(value(sequence))
}

/// Sets the value that changes, in place.
pub(super) fn change(dictionary: &mut Dictionary, sequence: u64) {
    if let Some(changed) = dictionary.get_mut(KEY) {
        *changed = Value::Float(value(sequence));
    }
}

#[cfg(test)]
mod tests {
    use dict_protocol::change::{difference, write_whole};
    use dict_protocol::encoding::messagepack::encode_dictionary;

    use super::*;

    #[test]
    fn the_dictionary_is_what_was_asked_for() {
        let text = |keys, size| value_text(&dictionary(keys, size).unwrap().into());
        assert_eq!(text(5, None), r#"{"A1": 3, "A2": 0, "A4": 4, "Stop": 0, "T": 1763706612.123457}"#);
        for size in [62, 80, 1_000] {
            assert_eq!(text(5, Some(size)).len(), size as usize);
        }
        assert!(dictionary(5, Some(70)).unwrap_err().downcast_ref::<UsageError>().is_some());
        for keys in [1, 3, 5, 100] {
            assert_eq!(dictionary(keys, None).unwrap().len(), keys as usize);
        }
    }

    #[test]
    fn what_arrives_is_told_from_anything_else() {
        let old = dictionary(5, None).unwrap();
        let mut new = old.clone();
        change(&mut new, 2);
        let (mut patch, mut whole, mut state) = (Vec::new(), Vec::new(), Vec::new());
        assert!(difference(&old, &new, DEPTH, &mut patch).unwrap());
        assert!(patch.starts_with(CHANGE), "the short way is taken");
        write_whole(&new, DEPTH, &mut whole).unwrap();
        encode_dictionary(&new, DEPTH, &mut state).unwrap();
        assert!(is_change(2, &patch) && is_change(2, &whole) && is_state(2, &state));
        assert!(!is_change(3, &patch) && !is_change(3, &whole) && !is_state(3, &state));
        assert!(!is_change(2, &patch[..9]) && !is_change(2, b"") && !is_state(2, b""));
    }

    #[test]
    fn each_update_changes_the_value() {
        assert!((1..100_000).all(|sequence| value(sequence) != value(sequence + 1)));
    }
}
