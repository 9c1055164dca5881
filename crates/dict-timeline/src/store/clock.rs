//! Whether the system's clock may be believed when it says that rows are too old.
//!
//! A clock that is wrong for a moment, as after the start of a machine without a battery for it, must not cost what was
//! recorded in years. What it says is held against the newest row that is stored, and against a clock that only counts.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dict_protocol::time::Time;

/// How long a clock has to be the same that was doubted.
const PROBATION: Duration = Duration::from_secs(3_600);

/// What two clocks say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The system's, which may be set.
    pub time: Time,
    /// The one that only counts.
    pub instant: Instant,
}

impl Moment {
    pub(super) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = Time::from_nanos(since.as_nanos().try_into().unwrap_or(i64::MAX));
        Self { time, instant: Instant::now() }
    }

    /// How long ago a time was; nothing if it is still to come.
    pub(super) fn since(&self, time: Time) -> Duration {
        let age = self.time.as_nanos().saturating_sub(time.as_nanos());
        Duration::from_nanos(age.try_into().unwrap_or_default())
    }
}

/// What is known of the clock.
#[derive(Debug, Default)]
pub(super) struct Clock {
    looked: Option<Moment>,
    doubted: Option<Instant>,
}

impl Clock {
    /// Whether rows may be removed that the clock says are older than `keep`; `newest` is the time of the newest row.
    ///
    /// Not if that is so old itself, nor if the clock went ahead so far since it was looked at last; from then on only
    /// an hour later, when a newer row is stored.
    pub(super) fn may_prune(&mut self, now: Moment, newest: Time, keep: Duration) -> bool {
        let went_ahead = self.looked.replace(now).is_some_and(|looked| {
            now.since(looked.time) > keep.saturating_add(now.instant.duration_since(looked.instant))
        });
        let is_doubtful = went_ahead || now.since(newest) > keep;
        if is_doubtful && self.doubted.is_none() {
            tracing::warn!(
                "by the clock everything recorded is too old to be kept: nothing is removed until something newer is \
                 stored and the clock has been right for an hour"
            );
        }
        if is_doubtful && (went_ahead || self.doubted.is_none()) {
            self.doubted = Some(now.instant);
        }
        let is_over = |since| now.instant.duration_since(since) >= PROBATION;
        if is_doubtful || self.doubted.is_some_and(|since| !is_over(since)) {
            return false;
        }
        self.doubted = None;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);
    const DAY: Duration = Duration::from_secs(86_400);

    fn after(begin: Moment, counted: Duration, ahead: Duration) -> Moment {
        let nanos = (counted + ahead).as_nanos() as i64;
        Moment { time: begin.time.offset_by(nanos), instant: begin.instant + counted }
    }

    #[test]
    fn a_clock_that_is_ahead_of_all_rows_is_believed_an_hour_later_when_there_are_new_ones() {
        let (begin, mut clock) = (Moment::now(), Clock::default());
        let newest = begin.time;
        let ahead = |counted| after(begin, counted, 40 * DAY);
        assert!(!clock.may_prune(ahead(Duration::ZERO), newest, 30 * DAY));
        assert!(!clock.may_prune(ahead(2 * HOUR), newest, 30 * DAY), "nothing new");
        let now = ahead(3 * HOUR);
        assert!(clock.may_prune(now, now.time, 30 * DAY));

        let mut clock = Clock::default();
        assert!(!clock.may_prune(ahead(Duration::ZERO), newest, 30 * DAY));
        let now = ahead(HOUR / 2);
        assert!(!clock.may_prune(now, now.time, 30 * DAY), "too soon");
        // It was set right.
        let right = after(begin, HOUR, Duration::ZERO);
        assert!(clock.may_prune(right, right.time, 30 * DAY));
    }

    #[test]
    fn a_clock_that_goes_ahead_while_rows_come_is_doubted_too() {
        let (begin, mut clock) = (Moment::now(), Clock::default());
        assert!(clock.may_prune(begin, begin.time, 30 * DAY));
        let now = after(begin, HOUR, 40 * DAY);
        assert!(!clock.may_prune(now, now.time, 30 * DAY));
        let right = after(begin, 2 * HOUR, Duration::ZERO);
        assert!(clock.may_prune(right, right.time, 30 * DAY));
        // An hour between two looks is none that it went ahead; nor is it that it was set back.
        let later = after(begin, 40 * DAY, Duration::ZERO);
        assert!(clock.may_prune(later, later.time, 30 * DAY));
        assert!(clock.may_prune(begin, begin.time, 30 * DAY));
    }
}
