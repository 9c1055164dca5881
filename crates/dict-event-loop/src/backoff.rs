//! How long to wait before the next attempt.

use std::time::Duration;

/// Delays that double from a least to a most, each drawn from the upper half of its range, so that clients which lost
/// the same hub at the same moment do not come back at the same moment.
#[derive(Debug)]
pub(crate) struct Backoff {
    least: Duration,
    most: Duration,
    /// The upper end of the next delay.
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(least: Duration, most: Duration) -> Self {
        Self { least, most, next: least.min(most) }
    }

    pub(crate) fn delay(&mut self, random: &mut fastrand::Rng) -> Duration {
        let delay = self.next.mul_f64(0.5 + random.f64() / 2.0);
        self.next = self.next.saturating_mul(2).min(self.most);
        delay
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.least.min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_within_their_bounds_and_start_again_after_a_reset() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        for round in 0..2 {
            for upper in [50, 100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000].map(Duration::from_millis) {
                let delay = backoff.delay(&mut random);
                assert!(
                    delay >= upper / 2 && delay <= upper,
                    "round {round}: {delay:?} is not within {upper:?}"
                );
            }
            backoff.reset();
        }
    }

    #[test]
    fn delays_differ() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut first_delay =
            || Backoff::new(Duration::from_millis(50), Duration::from_secs(2)).delay(&mut random);
        assert_ne!(first_delay(), first_delay());
    }

    #[test]
    fn a_least_above_the_most_is_held_at_the_most() {
        let mut backoff = Backoff::new(Duration::from_secs(9), Duration::from_secs(1));
        assert!(backoff.delay(&mut fastrand::Rng::with_seed(7)) <= Duration::from_secs(1));
    }
}
