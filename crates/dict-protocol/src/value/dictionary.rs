//! The ordered dictionary.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::ops::Index;

use hashbrown::DefaultHashBuilder;
use indexmap::IndexMap;

use super::Value;

type Map = IndexMap<String, Value, DefaultHashBuilder>;

/// Text keys to values, in the order in which the keys were first inserted.
///
/// The order is kept by every encoding and by every change, but is no part of a dictionary's identity: two are equal
/// if they have equal values under the same keys.
///
/// ```
/// use dict_protocol::dictionary;
///
/// let mut psu = dictionary! { "voltage" => 12.5, "on" => true };
/// psu.insert("voltage", 0.0);
/// assert_eq!(psu.keys().collect::<Vec<_>>(), ["voltage", "on"]);
/// assert_eq!(psu, dictionary! { "on" => true, "voltage" => 0.0 });
/// ```
// Boxed so that a `Value` is no larger than a text needs it to be.
#[derive(Clone, Default)]
pub struct Dictionary(Box<Map>);

impl Dictionary {
    /// An empty dictionary.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty dictionary with room for `keys` keys.
    pub fn with_capacity(keys: usize) -> Self {
        Self(Box::new(Map::with_capacity_and_hasher(keys, DefaultHashBuilder::default())))
    }

    /// Sets `key` to `value` and returns what stood there before. A key that was there keeps its place.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        self.0.insert(key.into(), value.into())
    }

    /// Removes `key` and returns its value; the others keep their order. Takes time in proportion to the keys after it.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.0.shift_remove(key)
    }

    /// Keeps the keys for which `keep` is true, and their order.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        self.0.retain(|key, value| keep(key, value));
    }

    /// Keeps the first `len` keys, and no more memory than they are likely to need.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
        if self.0.capacity() / 4 > len + 16 {
            self.0.shrink_to_fit();
        }
    }

    /// Removes all keys.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The value under `key`, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.0.get_mut(key)
    }

    /// The key at place `index`, counted from 0, and its value.
    pub fn at(&self, index: usize) -> Option<(&str, &Value)> {
        self.0.get_index(index).map(|(key, value)| (key.as_str(), value))
    }

    /// The key at place `index` and its value, to change it.
    pub(crate) fn at_mut(&mut self, index: usize) -> Option<(&str, &mut Value)> {
        self.0.get_index_mut(index).map(|(key, value)| (key.as_str(), value))
    }

    /// Whether `key` is there.
    pub fn contains_key(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keys and values in order.
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.0.iter())
    }

    /// Keys and values in order, from place `start` on; none if that is the end.
    pub(crate) fn iter_from(&self, start: usize) -> impl Iterator<Item = (&str, &Value)> {
        let rest = self.0.get_range(start..).into_iter().flatten();
        rest.map(|(key, value)| (key.as_str(), value))
    }

    /// Keys and values in order, the values to change them.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &mut Value)> {
        self.0.iter_mut().map(|(key, value)| (key.as_str(), value))
    }

    /// Keys in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        self.0.keys().map(String::as_str)
    }

    /// Values in the order of their keys.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> + DoubleEndedIterator {
        self.0.values()
    }
}

impl PartialEq for Dictionary {
    fn eq(&self, other: &Self) -> bool {
        // Two lives of one dictionary mostly have one order, and then no key needs to be hashed.
        self.len() == other.len()
            && self.iter().zip(other).all(|((key, value), (other_key, other_value))| {
                if key == other_key { value == other_value } else { other.get(key) == Some(value) }
            })
    }
}

impl Eq for Dictionary {}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Index<&str> for Dictionary {
    type Output = Value;

    /// # Panics
    ///
    /// If `key` is not there.
    fn index(&self, key: &str) -> &Value {
        &self.0[key]
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Dictionary {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut dictionary = Self::new();
        dictionary.extend(entries);
        dictionary
    }
}

impl<K: Into<String>, V: Into<Value>, const N: usize> From<[(K, V); N]> for Dictionary {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K: Into<String>, V: Into<Value>> Extend<(K, V)> for Dictionary {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        self.0.extend(entries.into_iter().map(|(key, value)| (key.into(), value.into())));
    }
}

/// Keys and values of a borrowed [`Dictionary`], in order.
#[derive(Clone, Debug)]
pub struct Iter<'a>(indexmap::map::Iter<'a, String, Value>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key.as_str(), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|(key, value)| (key.as_str(), value))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Dictionary {
    type Item = (&'a str, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Keys and values of a [`Dictionary`], in order.
#[derive(Debug)]
pub struct IntoIter(indexmap::map::IntoIter<String, Value>);

impl Iterator for IntoIter {
    type Item = (String, Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for IntoIter {}

impl IntoIterator for Dictionary {
    type Item = (String, Value);
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter(self.0.into_iter())
    }
}

/// Makes a [`Dictionary`] of `key => value` pairs; anything that converts to a
/// [`Value`] may stand as one.
///
/// ```
/// use dict_protocol::dictionary;
///
/// let status = dictionary! { "run" => 7, "limits" => dictionary! { "high" => 40.0 } };
/// assert_eq!(status["run"].as_i64(), Some(7));
/// ```
#[macro_export]
macro_rules! dictionary {
    () => { $crate::value::Dictionary::new() };
    ($($key:expr => $value:expr),+ $(,)?) => {{
        let mut dictionary = $crate::value::Dictionary::new();
        $(dictionary.insert($key, $value);)+
        dictionary
    }};
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    #[test]
    fn order_of_first_insertion_is_kept() {
        let mut dictionary = dictionary! { "a" => 1, "b" => 2, "c" => 3, "d" => 4 };
        assert_eq!(dictionary.insert("b", "two"), Some(2.into()));
        assert_eq!(dictionary.remove("a"), Some(1.into()));
        assert_eq!(dictionary.remove("a"), None);
        dictionary.insert("a", 5);
        assert_eq!(dictionary.keys().collect::<Vec<_>>(), ["b", "c", "d", "a"]);
        assert_eq!(dictionary.at(1), Some(("c", &3.into())));
        assert_eq!(dictionary["b"].as_str(), Some("two"));
        assert_eq!(dictionary.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), ["b", "c", "d", "a"]);
    }

    #[test]
    fn order_is_no_part_of_identity() {
        let inner = dictionary! { "x" => 1, "y" => 2 };
        let swapped = dictionary! { "y" => 2, "x" => 1 };
        assert_eq!(dictionary! { "a" => inner, "b" => 0 }, dictionary! { "b" => 0, "a" => swapped });
        assert_ne!(dictionary! { "a" => 1 }, dictionary! { "a" => 1, "b" => 1 });
        assert_ne!(dictionary! { "a" => 1 }, dictionary! { "b" => 1 });
        assert_ne!(dictionary! { "a" => 1 }, dictionary! { "a" => 1.0 });
    }
}
