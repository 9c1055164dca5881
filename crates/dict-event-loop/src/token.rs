//! Names for connections, and the table that finds them.

use std::fmt;
use std::num::NonZeroU64;

/// Bits of a token that say where in the table its connection stands: 4 million connections at once.
const SLOT_BITS: u32 = 22;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;

/// One connection, for as long as the event loop lives.
///
/// No token is given twice: each holds a number that only rises, so an event or a command that comes too late names
/// nobody instead of whoever has taken the place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(NonZeroU64);

impl Token {
    fn new(serial: u64, slot: usize) -> Self {
        Self(NonZeroU64::new(serial << SLOT_BITS | slot as u64).expect("numbers begin at 1"))
    }

    /// Its place in the table.
    pub(crate) fn slot(self) -> usize {
        (self.0.get() & SLOT_MASK) as usize
    }

    /// The connection's number, counted from 1 as the event loop made them.
    pub const fn number(self) -> u64 {
        self.0.get() >> SLOT_BITS
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.number())
    }
}

/// What an event of the operating system is about: the loop's side of [`mio::Token`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// Somebody called [`crate::Waker::wake`].
    Waker,
    /// The listener of this number.
    Listener(u32),
    /// A connection: as much of its token as fits, which on 32-bit machines is its slot and nine bits of its number.
    Connection(usize),
}

impl Key {
    pub(crate) fn connection(token: Token) -> Self {
        Self::Connection(shortened(token))
    }
}

/// The lowest bit tells connections from the rest.
impl From<Key> for mio::Token {
    fn from(key: Key) -> Self {
        Self(match key {
            Key::Waker => usize::MAX,
            Key::Listener(number) => (number as usize) << 1 | 1,
            Key::Connection(shortened) => shortened << 1,
        })
    }
}

impl From<mio::Token> for Key {
    fn from(token: mio::Token) -> Self {
        match token.0 {
            usize::MAX => Self::Waker,
            odd if odd & 1 == 1 => Self::Listener((odd >> 1) as u32),
            even => Self::Connection(even >> 1),
        }
    }
}

fn shortened(token: Token) -> usize {
    token.0.get() as usize & usize::MAX >> 1
}

/// A table of `T` by token, of which an entry costs its size and eight bytes.
pub(crate) struct Slots<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    serial: u64,
}

struct Entry<T> {
    /// Of whoever is, or last was, in this place.
    token: Token,
    value: Option<T>,
}

impl<T> Slots<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new(), free: Vec::new(), serial: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Puts `value` in under a new token; `None` if 4 million are in.
    pub(crate) fn insert(&mut self, value: T) -> Option<Token> {
        let serial = self.serial + 1;
        let token = if let Some(slot) = self.free.pop() {
            let token = Token::new(serial, slot as usize);
            self.entries[slot as usize] = Entry { token, value: Some(value) };
            token
        } else {
            let slot = self.entries.len();
            if slot as u64 > SLOT_MASK {
                return None;
            }
            let token = Token::new(serial, slot);
            self.entries.push(Entry { token, value: Some(value) });
            token
        };
        self.serial = serial;
        Some(token)
    }

    pub(crate) fn get(&self, token: Token) -> Option<&T> {
        let entry = self.entries.get(token.slot())?;
        if entry.token == token { entry.value.as_ref() } else { None }
    }

    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        let entry = self.entries.get_mut(token.slot())?;
        if entry.token == token { entry.value.as_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, token: Token) -> Option<T> {
        let entry = self.entries.get_mut(token.slot())?;
        if entry.token != token {
            return None;
        }
        let value = entry.value.take()?;
        self.free.push(token.slot() as u32);
        Some(value)
    }

    /// The token that an event's key stands for, if its connection is still there.
    pub(crate) fn find(&self, key: usize) -> Option<Token> {
        let entry = self.entries.get(key & SLOT_MASK as usize)?;
        (shortened(entry.token) == key && entry.value.is_some()).then_some(entry.token)
    }

    pub(crate) fn tokens(&self) -> impl Iterator<Item = Token> {
        self.entries.iter().filter(|entry| entry.value.is_some()).map(|entry| entry.token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(token: Token) -> usize {
        match Key::from(mio::Token::from(Key::connection(token))) {
            Key::Connection(key) => key,
            other => panic!("{token} came back as {other:?}"),
        }
    }

    #[test]
    fn a_reused_slot_has_a_new_token() {
        let mut slots = Slots::new();
        let first = slots.insert('a').unwrap();
        assert_eq!(slots.find(key_of(first)), Some(first));
        assert_eq!(slots.remove(first), Some('a'));
        let second = slots.insert('b').unwrap();

        assert_eq!(first.slot(), second.slot());
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.find(key_of(first)), None);
        assert_eq!(slots.find(key_of(second)), Some(second));
        assert_eq!(slots.get(second), Some(&'b'));
        assert_eq!((slots.len(), slots.tokens().count()), (1, 1));
    }

    #[test]
    fn keys_survive_the_operating_system() {
        for key in
            [Key::Waker, Key::Listener(0), Key::Listener(70_000), Key::Connection(0), Key::Connection(99)]
        {
            assert_eq!(Key::from(mio::Token::from(key)), key);
        }
    }
}
