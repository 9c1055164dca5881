//! Decisions, read off bytes.

use alloc::string::String;
use alloc::vec::Vec;

use crate::value::{Dictionary, Integer, Value};

/// A list of decisions: each takes a few bytes from the front. When the bytes are used up every decision is the first,
/// least or empty one, so whoever builds something out of choices comes to an end.
#[derive(Clone, Debug)]
pub struct Choices<'a> {
    bytes: &'a [u8],
}

impl<'a> Choices<'a> {
    /// The decisions that `bytes` stand for.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Whether every further decision is the first one.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    /// A number.
    pub fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// A number below `end`, or 0 if that is 0.
    pub fn below(&mut self, end: u8) -> u8 {
        self.byte().checked_rem(end).unwrap_or(0)
    }

    /// Yes or no.
    pub fn yes(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// At most `most` bytes as they are.
    pub fn some_bytes(&mut self, most: u8) -> &'a [u8] {
        let length = self.below(most.saturating_add(1)).into();
        self.take(length)
    }

    /// All the bytes that are left, as they are.
    pub fn rest(&mut self) -> &'a [u8] {
        self.take(usize::MAX)
    }

    /// A text, of few characters as a rule.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.some_bytes(12)).into_owned()
    }

    /// A value that nests at most `depth` deep.
    pub fn value(&mut self, depth: u8) -> Value {
        match self.below(if depth == 0 { 9 } else { 11 }) {
            0 => Value::Null,
            1 => self.yes().into(),
            2 => i64::from(self.byte().cast_signed()).into(),
            3 => self.number().cast_signed().into(),
            4 => self.number().into(),
            5 => Value::Integer(self.long_integer()),
            6 => f64::from_bits(self.number()).into(),
            7 => self.text().into(),
            8 => self.some_bytes(20).into(),
            9 => (0..self.below(5)).map(|_| self.value(depth - 1)).collect::<Vec<_>>().into(),
            _ => self.dictionary(depth - 1).into(),
        }
    }

    /// A dictionary whose values nest at most `depth` deep. Keys repeat often enough between two of them for
    /// differences to be of every sort.
    pub fn dictionary(&mut self, depth: u8) -> Dictionary {
        const KEYS: [&str; 8] = ["", "a", "voltage", "$float", "$binary", "$dict", "µ/\u{1F600}\0", "a\"\\"];
        let mut dictionary = Dictionary::new();
        for _ in 0..self.below(7) {
            let key = match self.below(16) {
                0 => self.text(),
                number => KEYS[usize::from(number) % KEYS.len()].into(),
            };
            dictionary.insert(key, self.value(depth));
        }
        dictionary
    }

    fn long_integer(&mut self) -> Integer {
        let mut digits = String::from(if self.yes() { "-" } else { "" });
        digits.push('1');
        digits.extend(self.some_bytes(90).iter().map(|byte| char::from(b'0' + byte % 10)));
        digits.parse().expect("a sign and fewer digits than are allowed")
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.take(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(length.min(self.bytes.len()));
        self.bytes = rest;
        taken
    }
}
