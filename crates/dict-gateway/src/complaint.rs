//! What goes wrong again and again is told at once, and then now and then.

use std::time::Duration;

use dict_protocol::time::Instant;

/// Whether the same complaint is to be made once more.
#[derive(Debug, Default)]
pub(crate) struct Complaint {
    count: u64,
    silent_until: Option<Instant>,
}

impl Complaint {
    /// How long it is not repeated.
    const PAUSE: Duration = Duration::from_secs(10);

    /// Counts one more; returns how many there were so far, if that is to be told.
    pub(crate) fn raise(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        if self.silent_until.is_some_and(|until| now < until) {
            return None;
        }
        self.silent_until = Some(now + Self::PAUSE);
        Some(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_then_one_in_a_while() {
        let mut complaint = Complaint::default();
        let at = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
        assert_eq!(complaint.raise(at(1)), Some(1));
        assert_eq!(complaint.raise(at(2)), None);
        assert_eq!(complaint.raise(at(10)), None);
        assert_eq!(complaint.raise(at(11)), Some(4));
    }
}
