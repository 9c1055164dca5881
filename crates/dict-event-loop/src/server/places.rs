//! Entries by keys that each have a place of their own: found without hashing, for each read and each write.

use dict_hub::ConnectionId;

use crate::token::Token;

/// A key whose place no other one of the same time has. Places are small numbers.
pub(super) trait Place: Copy + Eq {
    fn place(self) -> usize;
}

impl Place for Token {
    fn place(self) -> usize {
        self.slot()
    }
}

impl Place for ConnectionId {
    fn place(self) -> usize {
        Self::place(self)
    }
}

/// A table by such keys.
pub(super) struct Places<K, V> {
    entries: Vec<Option<(K, V)>>,
}

impl<K: Place, V> Places<K, V> {
    pub(super) const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Whoever had the place before is gone, and so is what was kept of it.
    pub(super) fn insert(&mut self, key: K, value: V) {
        let place = key.place();
        if self.entries.len() <= place {
            self.entries.resize_with(place + 1, || None);
        }
        self.entries[place] = Some((key, value));
    }

    pub(super) fn get(&self, key: K) -> Option<&V> {
        self.entries.get(key.place())?.as_ref().filter(|(known, _)| *known == key).map(|(_, value)| value)
    }

    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let entry = self.entries.get_mut(key.place())?;
        entry.take_if(|(known, _)| *known == key).map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(K, V)> {
        self.entries.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Slots;

    #[test]
    fn who_has_taken_a_place_is_not_taken_for_who_had_it() {
        let mut slots = Slots::new();
        let mut token = || slots.insert(()).expect("there is room");
        let (gone, other) = (token(), token());
        slots.remove(gone).expect("it is there");
        let next = slots.insert(()).expect("there is room");
        assert_eq!(gone.slot(), next.slot());

        let mut places = Places::new();
        places.insert(other, "other");
        places.insert(gone, "gone");
        assert_eq!((places.get(gone), places.get(next)), (Some(&"gone"), None));
        places.insert(next, "next");
        assert_eq!((places.get(gone), places.get(next)), (None, Some(&"next")));
        assert_eq!(places.remove(gone), None);
        assert_eq!(places.iter().count(), 2);
        assert_eq!(places.remove(next), Some("next"));
        assert_eq!((places.remove(next), places.get(other)), (None, Some(&"other")));
    }
}
