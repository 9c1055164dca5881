//! What a writer sent, in its own words.

use std::fmt::Write as _;

/// The key that every update of the fault tests sets.
pub const KEY: &str = "update";

/// What one writer sent and what was acknowledged, through all its lives.
///
/// Its updates are numbered from 1; each sets the same key to a text that the number alone determines, so that a
/// timeline says which it holds and whether it is as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// Which source it writes.
    pub source: String,
    /// Its lives, if it knows their epochs, in their order.
    pub lives: Vec<Life>,
    /// The last that it sent, or may have sent; 0: none.
    pub sent: u64,
    /// All up to this one were acknowledged.
    pub acknowledged: u64,
    /// Others that were, as ranges of numbers: those before them were not, and their writer had forgotten them.
    pub acknowledged_later: Vec<(u64, u64)>,
}

/// Updates that were sent in one epoch, from sequence 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// The epoch.
    pub epoch: u64,
    /// The number of its first update.
    pub first: u64,
}

impl Journal {
    /// Nothing yet.
    pub fn new(source: &str) -> Self {
        Self { source: source.to_owned(), ..Self::default() }
    }

    /// Epoch and sequence of an update, if known.
    pub fn place(&self, number: u64) -> Option<(u64, u64)> {
        let life = self.lives.iter().rev().find(|life| life.first <= number)?;
        Some((life.epoch, number - life.first + 1))
    }

    /// Whether an update was acknowledged.
    pub fn is_acknowledged(&self, number: u64) -> bool {
        let within = |&(first, last): &(u64, u64)| (first..=last).contains(&number);
        number <= self.acknowledged || self.acknowledged_later.iter().any(within)
    }
}

/// What update `number` of a source sets.
pub fn content(source: &str, number: u64) -> String {
    let mut text = format!("{number} of {source} ");
    // As long as a few readings, sometimes more.
    let mut state = number;
    for _ in 0..number % 5 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        write!(text, "{:08x}", state >> 32).expect("a string takes it");
    }
    text
}

/// The number of the update that set `text`, whether or not that is intact.
pub fn number(text: &str) -> Option<u64> {
    text.split(' ').next()?.parse().ok()
}
