//! Reading and applying a patch.

use crate::encoding::DecodeError;
use crate::encoding::messagepack::{DictionaryBytes, Entries, Reader};
use crate::value::Dictionary;

/// A patch as bytes, checked but not decoded.
#[derive(Clone, Debug)]
pub struct Patch<'a> {
    bytes: &'a [u8],
    removed: Removed<'a>,
    set: DictionaryBytes<'a>,
}

impl<'a> Patch<'a> {
    /// Checks that `bytes` are one patch, in one pass and without allocating.
    ///
    /// # Errors
    ///
    /// If they are not a list of texts and then a dictionary, go on after it, or nest deeper than `depth`.
    pub fn parse(bytes: &'a [u8], depth: usize) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let left = reader.array_len()?;
        let removed = Removed { reader: reader.clone(), left };
        for _ in 0..left {
            reader.check_text()?;
        }
        let set = reader.dictionary(depth)?;
        reader.finish()?;
        Ok(Self { bytes, removed, set })
    }

    /// The patch's bytes.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether it removes and sets nothing.
    pub const fn is_empty(&self) -> bool {
        self.removed.left == 0 && self.set.is_empty()
    }

    /// How many keys it removes; doubled ones count twice.
    pub const fn removed_len(&self) -> usize {
        self.removed.left
    }

    /// How many keys it sets; doubled ones count twice.
    pub const fn set_len(&self) -> usize {
        self.set.len()
    }

    /// The keys removed.
    pub fn removed(&self) -> Removed<'a> {
        self.removed.clone()
    }

    /// The keys set, with their values.
    pub fn set(&self) -> Entries<'a> {
        self.set.iter()
    }

    /// The keys set, as a dictionary: the whole one if this is the patch of an epoch's first update.
    pub const fn as_dictionary(&self) -> DictionaryBytes<'a> {
        self.set
    }
}

/// The keys that a [`Patch`] removes.
#[derive(Clone, Debug)]
pub struct Removed<'a> {
    reader: Reader<'a>,
    left: usize,
}

impl<'a> Iterator for Removed<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.left = self.left.checked_sub(1)?;
        Some(self.reader.text().expect("a patch was checked when it was parsed"))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Removed<'_> {}

/// Applies `patch` to `dictionary`.
///
/// Nothing is allocated where a value takes the place of one of its type that is no smaller.
pub fn apply(patch: &Patch<'_>, dictionary: &mut Dictionary) {
    if patch.removed_len() > 0 {
        remove(patch, dictionary);
    }
    let mut set = patch.set();
    while let Some((key, reader)) = set.next_key() {
        match dictionary.get_mut(key) {
            Some(value) => reader.replace(value),
            None => {
                dictionary.insert(key, reader.value_checked());
            }
        }
    }
}

/// Removes the keys; many of them in one go, since each removal moves all keys after it.
fn remove(patch: &Patch<'_>, dictionary: &mut Dictionary) {
    const FEW: usize = 8;
    if patch.removed_len() <= FEW {
        for key in patch.removed() {
            dictionary.remove(key);
        }
    } else {
        let mut keys: hashbrown::HashSet<&str> = patch.removed().collect();
        dictionary.retain(|key, _| !keys.remove(key));
    }
}
