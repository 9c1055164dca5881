//! Which lines are acknowledged.

use std::collections::VecDeque;

/// Which line each update came from. Updates are acknowledged in order, so it is enough to know how many are not; that
/// holds across epochs, whose sequences begin anew.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Updates so far.
    updates: u64,
    /// Updates not known to be acknowledged, and the last line that is when they are.
    open: VecDeque<(u64, u64)>,
    acknowledged_line: u64,
}

impl Ledger {
    /// One that goes on after `line`: the lines up to there are acknowledged when so many updates are.
    pub(super) fn after(line: u64, updates: u64) -> Self {
        Self { updates, open: VecDeque::from([(updates, line)]), acknowledged_line: 0 }
    }

    /// Entries that are worth a look at what is acknowledged by now.
    const LONG: usize = 4_096;

    /// A line was published; `differs`: as an update, else there was nothing to publish.
    pub(super) fn published(&mut self, line: u64, differs: bool) {
        if differs {
            self.updates += 1;
            self.open.push_back((self.updates, line));
        } else {
            // Acknowledged with what it does not differ from.
            match self.open.back_mut() {
                Some((_, last)) => *last = line,
                None => self.acknowledged_line = line,
            }
        }
    }

    /// So many of the updates are not acknowledged.
    pub(super) fn acknowledge(&mut self, unacknowledged: u64) {
        let acknowledged = self.updates.saturating_sub(unacknowledged);
        while let Some((_, line)) = self.open.front().filter(|(update, _)| *update <= acknowledged) {
            self.acknowledged_line = *line;
            self.open.pop_front();
        }
    }

    /// Whether it pays to tell it what is acknowledged.
    pub(super) fn is_long(&self) -> bool {
        self.open.len() >= Self::LONG
    }

    /// The last line that is acknowledged with all before it; 0: none.
    pub(super) fn acknowledged_line(&self) -> u64 {
        self.acknowledged_line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_changes_nothing_is_acknowledged_with_the_one_before_it() {
        let mut ledger = Ledger::default();
        for (line, differs) in [(1, true), (3, false), (4, true), (5, true), (6, false)] {
            ledger.published(line, differs);
        }
        assert_eq!(ledger.acknowledged_line(), 0);
        for (unacknowledged, line) in [(3, 0), (2, 3), (1, 4), (0, 6)] {
            ledger.acknowledge(unacknowledged);
            assert_eq!(ledger.acknowledged_line(), line);
        }
        ledger.published(7, false);
        assert_eq!(ledger.acknowledged_line(), 7);
    }
}
