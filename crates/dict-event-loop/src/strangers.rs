//! Failures of strangers, of whom there may be any number: so many are told in a second, and how many are left out.

use std::time::Duration;

use dict_protocol::time::Instant;

/// Whether one more failure is to be told.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    /// When the second began that `told` is of.
    since: Option<Instant>,
    told: u32,
    left_out: u64,
}

impl Strangers {
    /// So many are told in a [`PERIOD`](Self::PERIOD): enough for whoever looks for a mistake.
    const MOST: u32 = 10;
    const PERIOD: Duration = Duration::from_secs(1);

    /// One more has failed. Returns what is to be told with it: how many were left out since the last.
    pub(crate) fn failed(&mut self, now: Instant) -> Option<LeftOut> {
        if self.since.is_none_or(|since| now.since(since) >= Self::PERIOD) {
            self.since = Some(now);
            self.told = 0;
        }
        if self.told == Self::MOST {
            self.left_out += 1;
            return None;
        }
        self.told += 1;
        Some(LeftOut(std::mem::take(&mut self.left_out)))
    }
}

/// How many were not told, for the end of a line; nothing if none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeftOut(u64);

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            0 => Ok(()),
            count => write!(f, " (and {count} more before, which are not told one by one)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_told_in_a_second_and_the_rest_are_counted() {
        let mut strangers = Strangers::default();
        let at = |milliseconds: u64| Instant::from_nanos(milliseconds * 1_000_000);
        for _ in 0..10 {
            assert_eq!(strangers.failed(at(5)), Some(LeftOut(0)));
        }
        for late in [5, 5, 1_004] {
            assert_eq!(strangers.failed(at(late)), None);
        }
        let told = strangers.failed(at(1_005)).unwrap();
        assert_eq!(told.to_string(), " (and 3 more before, which are not told one by one)");
        assert_eq!(strangers.failed(at(1_005)).unwrap().to_string(), "");
    }
}
