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
