//! What is measured with: the dictionary of the comparison, and what of it travels.

use dict_protocol::change::{PatchBuilder, write_whole};
use dict_protocol::encoding::messagepack::encode_dictionary;
use dict_protocol::packet::Update;
use dict_protocol::record::Stamp;
use dict_protocol::value::{Dictionary, Value};
use dict_protocol::{dictionary, limits::Limits};

/// As deep as dictionaries may nest.
pub(crate) fn depth() -> usize {
    Limits::default().depth
}

/// Five keys, 62 bytes as JSON; `number` is in one of them.
pub(crate) fn state(number: u32) -> Dictionary {
    dictionary! {
        "A1" => 3, "A2" => 0, "A4" => 4, "Stop" => 0, "T" => 1_763_706_612.0 + f64::from(number) / 1e3,
    }
}

/// The patch that sets `key` to `value`.
pub(crate) fn patch(key: &str, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write_patch(key, value, &mut out);
    out
}

/// Appends that patch.
pub(crate) fn write_patch(key: &str, value: &Value, out: &mut Vec<u8>) {
    let mut patch = PatchBuilder::new(depth(), out);
    patch.set(key, value).expect("it is short");
    patch.finish().expect("it is short");
}

/// The patch that states a dictionary whole.
pub(crate) fn whole(dictionary: &Dictionary) -> Vec<u8> {
    let mut out = Vec::new();
    write_whole(dictionary, depth(), &mut out).expect("it is short");
    out
}

/// A dictionary as MessagePack.
pub(crate) fn encoded(dictionary: &Dictionary) -> Vec<u8> {
    let mut out = Vec::new();
    encode_dictionary(dictionary, depth(), &mut out).expect("it is short");
    out
}

/// An update as its writer sends it.
pub(crate) fn update(source: u32, sequence: u64, patch: &[u8]) -> Update<'_> {
    let stamp = Stamp::default();
    Update { source, sequence, stamp, end: false, end_of_slice: false, replayed: false, patch }
}
