//! Pings: the client's heartbeat, and the measure of the clocks.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::clock::{Clock, Offset};
use crate::output::Output;
use crate::packet::{Packet, Ping, Pong, Welcome};
use crate::time::{Instant, Now};

/// Pings that are waited for; beyond, the oldest is forgotten.
const OUTSTANDING: usize = 64;

/// When the first pings follow each other: the clocks are to be known soon, and the shortest round trip counts.
const QUICK: [Duration; 4] = [
    Duration::from_millis(20),
    Duration::from_millis(80),
    Duration::from_millis(300),
    Duration::from_millis(800),
];

/// The pings of one connection.
#[derive(Debug, Default)]
pub(super) struct Pings {
    clock: Clock,
    interval: Duration,
    /// When the next is due; `None` while the connection is not open.
    next: Option<Instant>,
    /// How many of the quick ones were sent.
    quick: usize,
    /// The last one's number.
    id: u64,
    /// Those that are not answered.
    sent: VecDeque<(u64, Instant)>,
}

impl Pings {
    pub(super) fn offset(&self) -> Option<Offset> {
        self.clock.offset()
    }

    /// The hub has answered the greeting: that was the first round trip.
    pub(super) fn opened(
        &mut self,
        now: Now,
        greeted: Now,
        welcome: &Welcome<'_>,
        interval: Duration,
        output: &mut Output,
    ) {
        let round_trip = now.instant.since(greeted.instant);
        self.clock.measured(now.instant, welcome.client_time, welcome.time, round_trip);
        self.interval = interval;
        self.send(now, output);
        self.schedule(now.instant);
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.next
    }

    pub(super) fn handle_timeout(&mut self, now: Now, output: &mut Output) {
        if self.next.is_some_and(|next| now.instant >= next) {
            self.send(now, output);
            self.schedule(now.instant);
        }
    }

    /// Sends one and returns its number.
    pub(super) fn send(&mut self, now: Now, output: &mut Output) -> u64 {
        self.id += 1;
        if self.sent.len() == OUTSTANDING {
            self.sent.pop_front();
        }
        self.sent.push_back((self.id, now.instant));
        let offset = self.clock.offset();
        output.send(&Packet::Ping(Ping {
            time: now.time,
            offset: offset.map_or(0, |offset| offset.nanoseconds),
            uncertainty: offset.map(|offset| offset.uncertainty),
            id: self.id,
        }));
        self.id
    }

    /// One was answered: says after how long.
    pub(super) fn answered(&mut self, now: Now, pong: &Pong) -> Option<Duration> {
        let place = self.sent.iter().position(|&(id, _)| id == pong.id)?;
        let (_, sent) = self.sent.remove(place)?;
        let round_trip = now.instant.since(sent);
        self.clock.measured(now.instant, pong.client_time, pong.time, round_trip);
        Some(round_trip)
    }

    fn schedule(&mut self, now: Instant) {
        let delay = QUICK.get(self.quick).map_or(self.interval, |&quick| quick.min(self.interval));
        self.quick += 1;
        self.next = Some(now + delay);
    }
}
