//! A dictionary that was checked and left as the bytes it came in.

use super::read::Head;
use super::{Raw, Reader};
use crate::encoding::{DecodeError, Depth};
use crate::value::Dictionary;

/// One dictionary as MessagePack bytes, checked but not decoded: what a State carries.
#[derive(Clone, Copy, Debug)]
pub struct DictionaryBytes<'a> {
    bytes: &'a [u8],
    entries_at: usize,
    len: usize,
}

impl<'a> DictionaryBytes<'a> {
    /// Checks that `bytes` are one dictionary, without allocating.
    ///
    /// # Errors
    ///
    /// As [`decode_dictionary`](super::decode_dictionary).
    pub fn parse(bytes: &'a [u8], depth: usize) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let dictionary = reader.dictionary(depth)?;
        reader.finish()?;
        Ok(dictionary)
    }

    /// The dictionary's bytes.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many entries there are; a doubled key counts twice.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keys and values in order. Of a doubled key the last counts.
    pub fn iter(&self) -> Entries<'a> {
        Entries { reader: Reader::new(&self.bytes[self.entries_at..]), left: self.len }
    }

    /// The dictionary itself.
    pub fn decode(&self) -> Dictionary {
        self.iter().map(|(key, value)| (key, value.decode())).collect()
    }
}

impl<'a> IntoIterator for &DictionaryBytes<'a> {
    type Item = (&'a str, Raw<'a>);
    type IntoIter = Entries<'a>;

    fn into_iter(self) -> Entries<'a> {
        self.iter()
    }
}

/// Keys and values of a [`DictionaryBytes`], in order.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    reader: Reader<'a>,
    left: usize,
}

impl<'a> Entries<'a> {
    /// The next key, and a reader that the caller must move over its value.
    #[inline]
    pub(crate) fn next_key(&mut self) -> Option<(&'a str, &mut Reader<'a>)> {
        self.left = self.left.checked_sub(1)?;
        let key = self.reader.text().expect("a dictionary was checked when it was parsed");
        Some((key, &mut self.reader))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a str, Raw<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (key, reader) = self.next_key()?;
        Some((key, reader.skip_checked()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Entries<'_> {}

impl<'a> Reader<'a> {
    /// Checks a dictionary and passes over it, without allocating.
    ///
    /// # Errors
    ///
    /// If another value comes, or it is not whole, or nests deeper than `depth`.
    pub fn dictionary(&mut self, depth: usize) -> Result<DictionaryBytes<'a>, DecodeError> {
        let offset = self.position();
        let start = self.remaining();
        let len = self.map_len()?;
        let entries_at = self.position() - offset;
        let depth = Depth::new(depth).read(offset)?;
        self.check_entries(len, depth)?;
        Ok(DictionaryBytes { bytes: self.since(start), entries_at, len })
    }
}

impl<'a> Raw<'a> {
    /// The dictionary, if this is one.
    pub fn as_dictionary(self) -> Option<DictionaryBytes<'a>> {
        let mut reader = Reader::new(self.as_bytes());
        match reader.head() {
            Ok(Head::Map(len)) => {
                Some(DictionaryBytes { bytes: self.as_bytes(), entries_at: reader.position(), len })
            }
            _ => None,
        }
    }
}
