//! An event as it is kept for loggers that are away: a connection has two, and thousands of connections may be idle, so
//! the words that events say again and again take a byte each.
//!
//! Either 0 and the patch as it is; or how many pairs the event's dictionary has, the word for its kind, and for each
//! pair the word for its key and the value as MessagePack.

use dict_protocol::change::Patch;
use dict_protocol::encoding::messagepack::{Reader, write_array_len, write_map_len, write_text};

/// Known by their places. They stand in memory alone, so they may change from one program to the next.
const WORDS: [&str; 24] = [
    "action",
    "address",
    "alarm",
    "client",
    "clock",
    "connection",
    "duration_ns",
    "encoding",
    "event",
    "from",
    "identity",
    "message",
    "note",
    "offset_ns",
    "outcome",
    "product",
    "reason",
    "request",
    "result",
    "source",
    "text",
    "to",
    "uncertainty_ns",
    "value",
];

/// Packs a patch that this program made, in the form in which it writes MessagePack.
pub(crate) fn pack(mut patch: Vec<u8>, depth: usize) -> Vec<u8> {
    pack_event(&patch, depth).unwrap_or_else(|| {
        patch.insert(0, 0);
        patch
    })
}

fn pack_event(patch: &[u8], depth: usize) -> Option<Vec<u8>> {
    let patch = Patch::parse(patch, depth).ok()?;
    let mut set = patch.set();
    let (kind, details) = set.next()?;
    let details = details.as_dictionary()?;
    if patch.removed_len() > 0 || patch.set_len() > 1 || details.is_empty() {
        return None;
    }
    let mut packed = vec![u8::try_from(details.len()).ok()?, word(kind)?];
    for (key, value) in &details {
        packed.push(word(key)?);
        packed.extend_from_slice(value.as_bytes());
    }
    Some(packed)
}

/// The patch that was packed, byte for byte.
pub(crate) fn unpack(mut packed: Vec<u8>, depth: usize) -> Vec<u8> {
    if packed[0] == 0 {
        packed.remove(0);
        return packed;
    }
    unpack_event(&packed, depth).expect("it was a patch when it was packed")
}

fn unpack_event(packed: &[u8], depth: usize) -> Option<Vec<u8>> {
    /// More than a word and what stands before it.
    const WORD: usize = 16;
    let (&[pairs, kind], mut entries) = packed.split_first_chunk()?;
    let mut patch = Vec::with_capacity(packed.len() + WORD * (usize::from(pairs) + 1));
    // Nothing is removed, one key is set.
    write_array_len(0, &mut patch);
    write_map_len(1, &mut patch);
    write_text(WORDS.get(usize::from(kind))?, &mut patch).ok()?;
    write_map_len(pairs.into(), &mut patch);
    for _ in 0..pairs {
        let (&key, rest) = entries.split_first()?;
        let mut reader = Reader::new(rest);
        let value = reader.raw_value(depth).ok()?;
        write_text(WORDS.get(usize::from(key))?, &mut patch).ok()?;
        patch.extend_from_slice(value.as_bytes());
        entries = reader.remaining();
    }
    Some(patch)
}

fn word(text: &str) -> Option<u8> {
    WORDS.binary_search(&text).ok().and_then(|place| u8::try_from(place).ok())
}

#[cfg(test)]
mod tests {
    use dict_protocol::change::PatchBuilder;
    use dict_protocol::dictionary;
    use dict_protocol::value::{Dictionary, Value};

    use super::*;

    const DEPTH: usize = 8;

    fn patch(removed: &[&str], set: &[(&str, Value)]) -> Vec<u8> {
        let mut patch = Vec::new();
        let mut builder = PatchBuilder::new(DEPTH, &mut patch);
        builder.remove_all(removed.iter().copied()).unwrap();
        for (key, value) in set {
            builder.set(key, value).unwrap();
        }
        builder.finish().unwrap();
        patch
    }

    #[test]
    fn words_are_in_order() {
        assert!(WORDS.is_sorted());
    }

    #[test]
    fn what_is_packed_is_unpacked_and_known_words_take_a_byte() {
        let opened =
            dictionary! { "event" => "opened", "client" => "a", "address" => "[::1]:1", "product" => "b" };
        let opened = patch(&[], &[("connection", opened.into())]);
        let packed = pack(opened.clone(), DEPTH);
        assert_eq!(packed.len(), 2 + 4 + "opened".len() + "a".len() + "[::1]:1".len() + "b".len() + 4);
        assert_eq!(unpack(packed, DEPTH), opened);

        let nested = Value::from_iter([Value::from_iter([1, 300])]);
        let many: Dictionary = (0..300).map(|n| (n.to_string(), Value::from(n))).collect();
        for other in [
            vec![0x90, 0x80],
            patch(&["note"], &[("alarm", dictionary! { "text" => "x" }.into())]),
            patch(&[], &[("alarm", dictionary! { "text" => nested }.into())]),
            patch(&[], &[("alarm", dictionary! { "unknown" => 1 }.into())]),
            patch(&[], &[("unknown", dictionary! { "text" => 1 }.into())]),
            patch(&[], &[("alarm", dictionary! {}.into())]),
            patch(&[], &[("alarm", 7.into())]),
            patch(&[], &[("alarm", 7.into()), ("note", 8.into())]),
            patch(&[], &[("alarm", many.into())]),
            vec![],
        ] {
            assert_eq!(unpack(pack(other.clone(), DEPTH), DEPTH), other);
        }
    }
}
