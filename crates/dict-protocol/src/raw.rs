//! A dictionary whose values stay MessagePack: what a hub keeps of each source.
//!
//! A hub passes values on and never looks into them, so it keeps the bytes they came in. Each key has a **slot**, a
//! small number by which watchers' marks refer to it. A removed key's slot stays as a tombstone, so that numbers
//! given out keep their meaning, until the caller says [`compact`](RawDictionary::compact).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::change::Patch;
use crate::encoding::messagepack::{DictionaryBytes, Raw, refill, write_map_len, write_text};
use crate::value::Dictionary;

/// Keys and values in numbers: what limits are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Size {
    /// How many keys there are.
    pub keys: usize,
    /// The bytes of all keys and values as MessagePack.
    pub bytes: usize,
}

impl Size {
    /// Whether this is within `most` in both respects.
    pub const fn fits(self, most: Self) -> bool {
        self.keys <= most.keys && self.bytes <= most.bytes
    }
}

/// Text keys to MessagePack values, in the order of first insertion.
#[derive(Clone, Debug, Default)]
pub struct RawDictionary {
    slots: Vec<Slot>,
    /// The slots of keys that are there, by the hash of the key.
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    size: Size,
    /// The mark that the current look at a patch leaves on slots, see [`would_be`](RawDictionary::would_be).
    look: u32,
}

#[derive(Clone, Debug)]
struct Slot {
    key: Box<str>,
    /// `None`: a tombstone.
    value: Option<Vec<u8>>,
    seen: u32,
}

impl RawDictionary {
    /// An empty dictionary.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.size.keys
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.size.keys == 0
    }

    /// The bytes of all keys and values, without what it takes to keep them.
    pub fn bytes(&self) -> usize {
        self.size.bytes
    }

    /// Keys and bytes together.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<Raw<'_>> {
        let index = self.find(key)?;
        self.slots[index as usize].value()
    }

    /// The number of the slot of `key`, if the key is there.
    pub fn slot_of(&self, key: &str) -> Option<u32> {
        self.find(key)
    }

    /// How many slots there are, tombstones included: each number below is one.
    pub fn slots(&self) -> u32 {
        slot_number(self.slots.len())
    }

    /// The key of a slot, and its value unless it was removed.
    ///
    /// # Panics
    ///
    /// If there is no slot of that number.
    pub fn slot(&self, slot: u32) -> (&str, Option<Raw<'_>>) {
        let slot = &self.slots[slot as usize];
        (&slot.key, slot.value())
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Raw<'_>)> {
        self.slots.iter().filter_map(|slot| slot.value().map(|value| (&*slot.key, value)))
    }

    /// Appends the whole dictionary to `out`, as one MessagePack map.
    pub fn encode(&self, out: &mut Vec<u8>) {
        write_map_len(slot_number(self.len()), out);
        for (key, value) in self.iter() {
            write_text(key, out).expect("the key came as MessagePack, so it is not too long for it");
            out.extend_from_slice(value.as_bytes());
        }
    }

    /// The dictionary with its values decoded.
    pub fn decode(&self) -> Dictionary {
        self.iter().map(|(key, value)| (key, value.decode())).collect()
    }

    /// Applies `patch` and calls `changed` with the slot of each key removed or set, in the patch's order.
    ///
    /// A key that is removed and later set again comes last, in a new slot. Nothing is allocated where a value takes
    /// the place of one that is no smaller.
    pub fn apply(&mut self, patch: &Patch<'_>, mut changed: impl FnMut(u32)) {
        for key in patch.removed() {
            if let Some(slot) = self.remove(key) {
                changed(slot);
            }
        }
        for (key, value) in patch.set() {
            changed(self.set(key, value));
        }
    }

    /// Makes this the dictionary that `whole` is. All slots are new.
    pub fn replace(&mut self, whole: &DictionaryBytes<'_>) {
        self.slots.clear();
        self.index.clear();
        self.size = Size::default();
        for (key, value) in whole {
            self.set(key, value);
        }
    }

    /// The size that this would have with `patch` applied; more only if the patch names a key twice.
    ///
    /// Takes `&mut` for marks that keep a doubled key from being counted off twice; the dictionary does not change.
    pub fn would_be(&mut self, patch: &Patch<'_>) -> Size {
        self.begin_look();
        let mut size = self.size;
        for key in patch.removed() {
            if let Some(value) = self.first_look(key) {
                size.keys -= 1;
                size.bytes -= key_bytes(key) + value;
            }
        }
        for (key, value) in patch.set() {
            match self.first_look(key) {
                Some(old) => size.bytes -= old,
                None => {
                    size.keys += 1;
                    size.bytes += key_bytes(key);
                }
            }
            size.bytes += value.as_bytes().len();
        }
        size
    }

    /// Whether this would stay within `most` with `patch` applied. Where there is room to spare it looks no key up.
    pub fn would_fit(&mut self, patch: &Patch<'_>, most: Size) -> bool {
        let at_most =
            Size { keys: self.size.keys + patch.set_len(), bytes: self.size.bytes + patch.as_bytes().len() };
        at_most.fits(most) || self.would_be(patch).fits(most)
    }

    /// Removes the tombstones if they are more than half of all slots, and says whether it did: slots then have other
    /// numbers, in the same order.
    pub fn compact(&mut self) -> bool {
        if (self.slots.len() - self.len()) * 2 <= self.slots.len() {
            return false;
        }
        self.slots.retain(|slot| slot.value.is_some());
        if self.slots.capacity() / 4 > self.slots.len() + 16 {
            self.slots.shrink_to_fit();
        }
        self.index.clear();
        let Self { slots, index, hasher, .. } = self;
        for (number, slot) in slots.iter().enumerate() {
            index.insert_unique(hasher.hash_one(&*slot.key), slot_number(number), |&slot| {
                hasher.hash_one(&*slots[slot as usize].key)
            });
        }
        true
    }

    fn find(&self, key: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        self.index.find(hash, |&slot| *self.slots[slot as usize].key == *key).copied()
    }

    fn set(&mut self, key: &str, value: Raw<'_>) -> u32 {
        let Self { slots, index, hasher, size, .. } = self;
        let hash = hasher.hash_one(key);
        if let Some(&slot) = index.find(hash, |&slot| *slots[slot as usize].key == *key) {
            let bytes = slots[slot as usize].value.as_mut().expect("a key in the index is there");
            size.bytes -= bytes.len();
            refill(bytes, value.as_bytes());
            size.bytes += bytes.len();
            return slot;
        }
        let slot = slot_number(slots.len());
        slots.push(Slot { key: key.into(), value: Some(value.as_bytes().into()), seen: 0 });
        index.insert_unique(hash, slot, |&slot| hasher.hash_one(&*slots[slot as usize].key));
        size.keys += 1;
        size.bytes += key_bytes(key) + value.as_bytes().len();
        slot
    }

    fn remove(&mut self, key: &str) -> Option<u32> {
        let Self { slots, index, hasher, size, .. } = self;
        let hash = hasher.hash_one(key);
        let entry = index.find_entry(hash, |&slot| *slots[slot as usize].key == *key).ok()?;
        let (slot, _) = entry.remove();
        let value = slots[slot as usize].value.take().expect("a key in the index is there");
        size.keys -= 1;
        size.bytes -= key_bytes(key) + value.len();
        Some(slot)
    }

    fn begin_look(&mut self) {
        self.look = self.look.wrapping_add(1);
        if self.look == 0 {
            // Once in four billion looks: old marks must not be taken for new ones.
            for slot in &mut self.slots {
                slot.seen = 0;
            }
            self.look = 1;
        }
    }

    /// The length of the value under `key`, if it is there and this is the first time that this look comes to it.
    fn first_look(&mut self, key: &str) -> Option<usize> {
        let slot = self.find(key)?;
        let slot = &mut self.slots[slot as usize];
        if slot.seen == self.look {
            return None;
        }
        slot.seen = self.look;
        slot.value.as_ref().map(Vec::len)
    }
}

/// The bytes of a key as MessagePack.
const fn key_bytes(key: &str) -> usize {
    let head = match key.len() {
        0..=31 => 1,
        32..=0xFF => 2,
        0x100..=0xFFFF => 3,
        _ => 5,
    };
    head + key.len()
}

impl Slot {
    fn value(&self) -> Option<Raw<'_>> {
        self.value.as_deref().map(Raw::checked)
    }
}

/// A number of slots: limits on keys keep it far below where this would panic.
fn slot_number(slots: usize) -> u32 {
    u32::try_from(slots).expect("a dictionary has fewer than 2^32 slots")
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const DEPTH: usize = 4;

    fn apply(raw: &mut RawDictionary, patch: &[u8]) -> Vec<u32> {
        let mut slots = Vec::new();
        raw.apply(&Patch::parse(patch, DEPTH).unwrap(), |slot| slots.push(slot));
        slots
    }

    #[test]
    fn slots_keep_their_numbers_until_compaction() {
        let mut raw = RawDictionary::new();
        assert_eq!(apply(&mut raw, b"\x90\x83\xa1a\x01\xa1b\x02\xa1c\x03"), [0, 1, 2]);
        assert_eq!(apply(&mut raw, b"\x92\xa1a\xa1x\x81\xa1c\x04"), [0, 2]);
        assert!(matches!(raw.slot(0), ("a", None)));
        assert_eq!(raw.get("c").and_then(Raw::as_i64), Some(4));
        assert!(!raw.compact(), "one tombstone of three slots is not more than half");
        assert_eq!((raw.len(), raw.slots(), raw.bytes()), (2, 3, 6));

        assert_eq!(apply(&mut raw, b"\x91\xa1b\x80"), [1]);
        assert!(raw.compact());
        assert!(matches!(raw.slot(0), ("c", Some(_))));
        assert_eq!((raw.len(), raw.slots(), raw.slot_of("c")), (1, 1, Some(0)));
        assert!(!raw.compact());
    }

    #[test]
    fn a_key_counted_off_twice_does_not_pass_a_limit() {
        let mut raw = RawDictionary::new();
        apply(&mut raw, b"\x90\x82\xa1a\xa3xxx\xa1b\x01");
        assert_eq!(raw.size(), Size { keys: 2, bytes: 9 });
        let doubled = Patch::parse(b"\x93\xa1a\xa1a\xa1a\x83\xa1c\x01\xa1c\x02\xa1b\x03", DEPTH).unwrap();
        let would_be = raw.would_be(&doubled);
        assert_eq!(would_be, Size { keys: 3, bytes: 9 });
        assert!(!raw.would_fit(&doubled, Size { keys: 2, bytes: 100 }));
        raw.apply(&doubled, |_| ());
        assert_eq!(raw.size(), Size { keys: 2, bytes: 6 });
    }

    #[test]
    fn replacing_makes_all_slots_new() {
        let mut raw = RawDictionary::new();
        apply(&mut raw, b"\x90\x82\xa1a\x01\xa1b\x02");
        apply(&mut raw, b"\x91\xa1a\x80");
        raw.replace(&DictionaryBytes::parse(b"\x82\xa1c\x01\xa1c\x02", DEPTH).unwrap());
        assert_eq!((raw.len(), raw.slots(), raw.bytes()), (1, 1, 3));
        let mut bytes = vec![];
        raw.encode(&mut bytes);
        assert_eq!(bytes, b"\x81\xa1c\x02");
    }

    #[test]
    fn marks_of_an_old_look_do_not_count() {
        let mut raw = RawDictionary { look: u32::MAX - 1, ..RawDictionary::new() };
        apply(&mut raw, b"\x90\x81\xa1a\x01");
        let patch = Patch::parse(b"\x91\xa1a\x80", DEPTH).unwrap();
        for _ in 0..3 {
            assert_eq!(raw.would_be(&patch), Size::default());
        }
    }
}
