//! Writing a patch.

use alloc::vec::Vec;
use core::iter;

use crate::encoding::EncodeError;
use crate::encoding::messagepack::{Container, Raw, encode_within, set_len, write_text};
use crate::value::Value;

/// Writes a patch, key by key, at the end of a buffer.
///
/// If it is dropped unfinished, the buffer ends as it was.
///
/// ```
/// use dict_protocol::change::{Patch, PatchBuilder};
///
/// let mut out = Vec::new();
/// let mut patch = PatchBuilder::new(128, &mut out);
/// patch.set("voltage", &12.5.into())?;
/// patch.remove("mode")?;
/// patch.finish()?;
/// assert_eq!(Patch::parse(&out, 128)?.set_len(), 1);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PatchBuilder<'o> {
    out: &'o mut Vec<u8>,
    depth: usize,
    start: usize,
    /// Where the dictionary of the keys set begins.
    set_at: usize,
    removed: usize,
    set: usize,
    finished: bool,
}

impl<'o> PatchBuilder<'o> {
    /// Begins a patch at the end of `out`, for dictionaries that nest no deeper than `depth`.
    pub fn new(depth: usize, out: &'o mut Vec<u8>) -> Self {
        let start = out.len();
        // Two heads of one byte, for the true lengths to be put in at the end.
        out.extend_from_slice(&[0, 0]);
        Self { out, depth, start, set_at: start + 1, removed: 0, set: 0, finished: false }
    }

    /// Whether nothing has been removed or set.
    pub const fn is_empty(&self) -> bool {
        self.removed == 0 && self.set == 0
    }

    /// How many bytes have been written: the patch is at most eight more.
    pub const fn len(&self) -> usize {
        self.out.len() - self.start
    }

    /// Removes `key`. Best done before keys are set, which otherwise move.
    ///
    /// # Errors
    ///
    /// If `key` is longer than the format can count.
    pub fn remove(&mut self, key: &str) -> Result<(), EncodeError> {
        self.remove_all(iter::once(key))
    }

    /// Removes `keys`.
    ///
    /// # Errors
    ///
    /// If one is longer than the format can count: then none is removed.
    pub fn remove_all<'k>(&mut self, keys: impl IntoIterator<Item = &'k str>) -> Result<(), EncodeError> {
        let end = self.out.len();
        let mut removed = 0;
        for key in keys {
            write_text(key, self.out).inspect_err(|_| self.out.truncate(end))?;
            removed += 1;
        }
        let added = self.out.len() - end;
        self.out[self.set_at..].rotate_right(added);
        self.set_at += added;
        self.removed += removed;
        Ok(())
    }

    /// Sets `key` to `value`.
    ///
    /// # Errors
    ///
    /// If it nests too deep, or is longer than the format can count: then it is not set.
    pub fn set(&mut self, key: &str, value: &Value) -> Result<(), EncodeError> {
        let end = self.out.len();
        write_text(key, self.out)
            .and_then(|()| encode_within(value, self.depth, self.out))
            .inspect_err(|_| self.out.truncate(end))?;
        self.set += 1;
        Ok(())
    }

    /// Sets `key` to a value that is MessagePack already; its depth was checked when it was parsed.
    ///
    /// # Errors
    ///
    /// If `key` is longer than the format can count: then it is not set.
    pub fn set_raw(&mut self, key: &str, value: Raw<'_>) -> Result<(), EncodeError> {
        write_text(key, self.out)?;
        self.out.extend_from_slice(value.as_bytes());
        self.set += 1;
        Ok(())
    }

    /// Completes the patch.
    ///
    /// # Errors
    ///
    /// If there are more keys than the format can count: then `out` ends as it was before the patch.
    pub fn finish(mut self) -> Result<(), EncodeError> {
        set_len(self.out, self.set_at, Container::Map, self.set)?;
        set_len(self.out, self.start, Container::Array, self.removed)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for PatchBuilder<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.out.truncate(self.start);
        }
    }
}
