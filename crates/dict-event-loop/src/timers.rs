//! What the loop has to do later.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use dict_protocol::time::Instant;

use crate::application::{LinkId, ListenerId};
use crate::token::Token;

/// Something to do at a time. Nothing is ever taken back: what a timer is about may be over when it is due, and
/// whoever handles it looks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A paused listener accepts again.
    Accept(ListenerId),
    /// A link is tried (again).
    Attempt(LinkId),
    /// An address of a link has had its time to connect.
    ConnectTimeout(Token),
    /// A connection has had its time to drain.
    DrainTimeout(Token),
    /// What was written to a fragile connection may be acknowledged.
    Acknowledgement(Token),
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Timer)>>,
}

impl Timers {
    pub(crate) fn set(&mut self, due: Instant, timer: Timer) {
        self.heap.push(Reverse((due, timer)));
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes out one timer that is due at `now`, the earliest first.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        if self.next_due()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, timer))| timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_timers_come_out_in_order() {
        let at = Instant::from_nanos;
        let mut timers = Timers::default();
        timers.set(at(30), Timer::Attempt(LinkId(3)));
        timers.set(at(10), Timer::Attempt(LinkId(1)));
        timers.set(at(20), Timer::Accept(ListenerId(2)));

        assert_eq!(timers.next_due(), Some(at(10)));
        assert_eq!(timers.take_due(at(9)), None);
        assert_eq!(timers.take_due(at(20)), Some(Timer::Attempt(LinkId(1))));
        assert_eq!(timers.take_due(at(20)), Some(Timer::Accept(ListenerId(2))));
        assert_eq!(timers.take_due(at(20)), None);
        assert_eq!(timers.next_due(), Some(at(30)));
    }
}
