//! The offset between two clocks, from round trips.
//!
//! Cristian's algorithm: of a few round trips the shortest tells most, and the truth lies within half of it. A clock that
//! was set is noticed by a measurement that cannot agree with the ones before.

use core::time::Duration;

use crate::time::{Instant, Time};

/// Round trips that are looked back on.
const WINDOW: usize = 8;
/// How far apart two sound clocks may drift: 200 parts in a million.
const DRIFT: i128 = 200;
/// Leeway between two measurements that agree, besides drift, nanoseconds.
const LEEWAY: i128 = 1_000_000;

/// How two clocks relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// The other clock less our own, nanoseconds.
    pub nanoseconds: i64,
    /// How far that may be off either way, nanoseconds.
    pub uncertainty: u64,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    offset: Offset,
}

/// The estimate of one connection.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    samples: [Option<Sample>; WINDOW],
    next: usize,
}

impl Clock {
    /// Takes in a round trip: sent at `sent` by our clock, answered at `other` by the other clock, back after
    /// `round_trip` at `now` by our monotonic clock.
    pub fn measured(&mut self, now: Instant, sent: Time, other: Time, round_trip: Duration) {
        let half = u64::try_from(round_trip.as_nanos() / 2).unwrap_or(u64::MAX - 1);
        let middle = sent.offset_by(i64::try_from(half).unwrap_or(i64::MAX));
        let sample = Sample { at: now, offset: Offset { nanoseconds: other - middle, uncertainty: half } };
        if self.best().is_some_and(|best| !agree(&best, &sample)) {
            self.samples = Default::default();
        }
        self.samples[self.next] = Some(sample);
        self.next = (self.next + 1) % WINDOW;
    }

    /// The best estimate; `None` before the first measurement.
    pub fn offset(&self) -> Option<Offset> {
        self.best().map(|sample| sample.offset)
    }

    fn best(&self) -> Option<Sample> {
        self.samples.iter().flatten().copied().min_by_key(|sample| sample.offset.uncertainty)
    }
}

/// Whether both can be true of clocks that nobody set in between.
fn agree(a: &Sample, b: &Sample) -> bool {
    let apart = (i128::from(a.offset.nanoseconds) - i128::from(b.offset.nanoseconds)).abs();
    let drift = b.at.since(a.at).as_nanos() as i128 * DRIFT / 1_000_000;
    apart <= i128::from(a.offset.uncertainty) + i128::from(b.offset.uncertainty) + drift + LEEWAY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::from_nanos(milliseconds * 1_000_000)
    }

    #[test]
    fn the_shortest_round_trip_counts() {
        let mut clock = Clock::default();
        clock.measured(at(0), Time::from_nanos(0), Time::from_nanos(105_000), Duration::from_micros(200));
        clock.measured(at(1), Time::from_nanos(0), Time::from_nanos(15_000), Duration::from_micros(20));
        clock.measured(at(2), Time::from_nanos(0), Time::from_nanos(85_000), Duration::from_micros(200));
        assert_eq!(clock.offset(), Some(Offset { nanoseconds: 5_000, uncertainty: 10_000 }));
    }

    #[test]
    fn a_clock_that_was_set_is_noticed_at_once() {
        let hour = 3_600_000_000_000;
        let mut clock = Clock::default();
        clock.measured(at(0), Time::from_nanos(0), Time::from_nanos(1_000), Duration::from_micros(2));
        clock.measured(at(5), Time::from_nanos(0), Time::from_nanos(hour), Duration::from_millis(4));
        assert_eq!(clock.offset(), Some(Offset { nanoseconds: hour - 2_000_000, uncertainty: 2_000_000 }));
    }

    #[test]
    fn the_ends_of_time_do_not_panic() {
        let mut clock = Clock::default();
        clock.measured(at(0), Time::from_nanos(i64::MIN), Time::from_nanos(i64::MAX), Duration::MAX);
        clock.measured(at(1), Time::from_nanos(i64::MAX), Time::from_nanos(i64::MIN), Duration::ZERO);
        assert!(clock.offset().is_some());
    }
}
