//! What dialects with a length in front of everything share: gathering a message that reads have cut.

use alloc::vec::Vec;

/// The part of a message that came so far.
///
/// As in the native [`Decoder`](crate::decoder::Decoder), a message that lies whole in the caller's bytes is borrowed
/// from there, and one that was cut is copied only as its bytes arrive.
#[derive(Debug, Default)]
pub(super) struct Partial {
    bytes: Vec<u8>,
    /// `bytes` are a whole message that was handed out.
    handed_out: bool,
    /// Bytes of the stream up to the message that is being gathered.
    offset: u64,
}

impl Partial {
    /// Where in the stream the next message begins.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// What was gathered of the next message.
    pub(super) fn gathered(&self) -> &[u8] {
        if self.handed_out { &[] } else { &self.bytes }
    }

    /// Takes a whole message from the front of `bytes`; `None` means that all of them were taken and more are needed.
    ///
    /// `needed` is shown the beginning of a message and says how long that is, or, as long as that is not to be told, a
    /// length beyond what it was shown that it wants to see.
    pub(super) fn take<'s, 'b: 's, E>(
        &'s mut self,
        bytes: &mut &'b [u8],
        mut needed: impl FnMut(&[u8]) -> Result<usize, E>,
    ) -> Result<Option<&'s [u8]>, E> {
        if self.handed_out {
            self.handed_out = false;
            self.bytes.clear();
        }
        if self.bytes.is_empty() {
            let length = needed(bytes)?;
            if let Some((whole, rest)) = bytes.split_at_checked(length) {
                *bytes = rest;
                self.offset += length as u64;
                return Ok(Some(whole));
            }
        }
        loop {
            let length = needed(&self.bytes)?;
            let missing = length - self.bytes.len();
            if missing == 0 {
                self.offset += length as u64;
                self.handed_out = true;
                return Ok(Some(&self.bytes));
            }
            if bytes.is_empty() {
                return Ok(None);
            }
            let (taken, rest) = bytes.split_at(missing.min(bytes.len()));
            self.bytes.extend_from_slice(taken);
            *bytes = rest;
        }
    }

    /// Forgets what was gathered, and its memory.
    pub(super) fn clear(&mut self) {
        self.bytes = Vec::new();
        self.handed_out = false;
    }

    /// The bytes of memory that are held.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}
