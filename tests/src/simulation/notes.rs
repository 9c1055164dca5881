//! What a run leaves behind: what was done, counts, a trace, and the first complaint.

use std::fmt;

use super::coverage::Coverage;
use super::journal::Journal;
use super::talker::Exchanged;
use super::trace::Trace;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// What writers did.
    pub(super) journal: Journal,
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
    /// Something does not hold: the run has failed.
    pub(super) fn complain(&mut self, complaint: fmt::Arguments<'_>) {
        self.trace.line(format_args!("FAILED: {complaint}"));
        self.complaint.get_or_insert_with(|| complaint.to_string());
    }
}
