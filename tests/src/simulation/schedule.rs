//! What happens when, in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use dict_protocol::time::Instant;

/// Events in the order of their times; those of one time in the order in which they were put in.
#[derive(Debug)]
pub(super) struct Schedule<E> {
    heap: BinaryHeap<Reverse<Entry<E>>>,
    serial: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at: Instant,
    serial: u64,
    event: E,
}

impl<E> Default for Schedule<E> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), serial: 0 }
    }
}

impl<E> Schedule<E> {
    /// Puts an event in.
    pub(super) fn at(&mut self, at: Instant, event: E) {
        self.serial += 1;
        self.heap.push(Reverse(Entry { at, serial: self.serial, event }));
    }

    /// The next event, taken out.
    pub(super) fn next(&mut self) -> Option<(Instant, E)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.event))
    }
}

impl<E> Entry<E> {
    const fn key(&self) -> (Instant, u64) {
        (self.at, self.serial)
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
