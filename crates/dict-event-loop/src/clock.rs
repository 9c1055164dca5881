//! The two clocks of the machine, read together.

use std::sync::LazyLock;
use std::time::{Instant as StdInstant, SystemTime};

use dict_protocol::time::{Instant, Now, Time};

static ORIGIN: LazyLock<StdInstant> = LazyLock::new(StdInstant::now);

/// The machine's clocks.
///
/// All threads of a process count their [`Instant`]s from one origin, so those of two event loops can be compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Reads both clocks.
    pub fn now() -> Now {
        Now { instant: Self::instant(), time: wall_time(SystemTime::now()) }
    }

    /// Reads the monotonic clock alone.
    pub fn instant() -> Instant {
        let elapsed = ORIGIN.elapsed().as_nanos();
        Instant::from_nanos(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }
}

/// Held at the ends of the range of [`Time`], the years 1678 and 2262.
fn wall_time(time: SystemTime) -> Time {
    Time::from_nanos(match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => {
            i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanoseconds| -nanoseconds)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_wall_clock_may_stand_before_1970() {
        let second = Duration::from_secs(1);
        assert_eq!(wall_time(SystemTime::UNIX_EPOCH - second), Time::from_nanos(-1_000_000_000));
        assert_eq!(wall_time(SystemTime::UNIX_EPOCH + second), Time::from_nanos(1_000_000_000));
    }

    #[test]
    fn instants_never_go_back() {
        let first = Clock::instant();
        assert!(Clock::now().instant >= first);
    }
}
