//! What is measured with: the dictionary of the comparison, and what of it travels.

use dict_protocol::change::PatchBuilder;
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
    let mut patch = PatchBuilder::new(depth(), &mut out);
    patch.set(key, value).expect("it is short");
    patch.finish().expect("it is short");
    out
}

/// An update as its writer sends it.
pub(crate) fn update(source: u32, sequence: u64, patch: &[u8]) -> Update<'_> {
    let stamp = Stamp::default();
    Update { source, sequence, stamp, end: false, end_of_slice: false, replayed: false, patch }
}
