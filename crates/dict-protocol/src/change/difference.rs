//! Finding what changed.

use alloc::vec::Vec;

use super::PatchBuilder;
use crate::encoding::EncodeError;
use crate::encoding::messagepack::{encode_dictionary, write_array_len};
use crate::value::Dictionary;

/// Appends to `out` the patch that makes `new` of `old`, and says whether there is any difference; if there is none,
/// nothing is appended.
///
/// A difference in the order of keys alone is none. Nothing is allocated but what `out` needs to grow, and no key is
/// hashed as long as both have the same keys in the same order.
///
/// # Errors
///
/// If a value that changed nests deeper than `depth`, or holds something longer than the format can count. `out` then
/// ends as it was.
pub fn difference(
    old: &Dictionary,
    new: &Dictionary,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<bool, EncodeError> {
    let mut patch = PatchBuilder::new(depth, out);
    let mut same_order = 0;
    for ((old_key, old_value), (key, value)) in old.iter().zip(new) {
        if old_key != key {
            break;
        }
        if old_value != value {
            patch.set(key, value)?;
        }
        same_order += 1;
    }
    for (key, value) in new.iter_from(same_order) {
        if old.get(key) != Some(value) {
            patch.set(key, value)?;
        }
    }
    let gone = old.iter_from(same_order).map(|(key, _)| key).filter(|key| !new.contains_key(key));
    patch.remove_all(gone)?;
    if patch.is_empty() {
        return Ok(false);
    }
    patch.finish()?;
    Ok(true)
}

/// Appends to `out` the patch that states the whole `dictionary`: what an epoch's first update carries.
///
/// # Errors
///
/// As [`difference`].
pub fn write_whole(dictionary: &Dictionary, depth: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    write_array_len(0, out);
    encode_dictionary(dictionary, depth, out).inspect_err(|_| out.truncate(start))
}
