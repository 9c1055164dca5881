//! What a run leaves behind: what was done, counts, a trace, and the first complaint.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::coverage::Coverage;
use super::journal::Journal;
use super::talker::Exchanged;
use super::trace::Trace;

/// By what loggers call a source: an epoch, and the one that came after it.
pub(super) type Followed = BTreeMap<String, BTreeSet<(u64, u64)>>;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// What writers did.
    pub(super) journal: Journal,
    /// Epochs that any hub has accepted, by the names that sources have there.
    pub(super) begun: BTreeSet<(String, u64)>,
    /// Epochs that a hub accepted after others of the same source in one run: what loggers call the source, and the one
    /// before.
    pub(super) accepted: BTreeMap<(String, u64), (String, u64)>,
    /// Those of them whose writers were told so.
    pub(super) followed: Followed,
    /// What became of messages and requests.
    pub(super) exchanged: Exchanged,
    /// How often what happened.
    pub(super) coverage: Coverage,
    /// What happened, in words.
    pub(super) trace: Trace,
    /// What did not hold, first.
    pub(super) complaint: Option<String>,
}

impl Notes {
    /// A writer was told that its epoch is accepted: what the hub knows is not lost with the hub.
    pub(super) fn told_accepted(&mut self, source: &str, epoch: u64) {
        if let Some((recorded, before)) = self.accepted.remove(&(source.to_owned(), epoch)) {
            self.followed.entry(recorded).or_default().insert((before, epoch));
        }
    }

    /// Something does not hold: the run has failed.
    pub(super) fn complain(&mut self, complaint: fmt::Arguments<'_>) {
        self.trace.line(format_args!("FAILED: {complaint}"));
        self.complaint.get_or_insert_with(|| complaint.to_string());
    }
}
