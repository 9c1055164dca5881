//! What a writer is asked for, and what it tells.

use alloc::string::String;

use crate::packet::{Level, Outcome};

/// How a source is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct WriterOptions {
    /// What acknowledgements are to mean. `None`: `logged` if the spool outlives the program, or the hub has had a
    /// logger when the source is first announced to it, else `received`.
    pub level: Option<Level>,
    /// Takes the place of another client's live writer.
    pub take_over: bool,
    /// What to do when the spool is full.
    pub when_full: WhenFull,
}

/// What a writer does when its spool, or the connection's output, is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// Gives up the oldest updates, which become a gap in the timeline; the newest state always gets through.
    #[default]
    Drop,
    /// Refuses to publish for now: the program has to wait.
    Block,
}

/// Why a hub does not take a writer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hub refused the source: {reason}")]
pub struct Refusal {
    /// What sort of reason.
    pub outcome: Outcome,
    /// It, for people.
    pub reason: String,
}

/// What happened to a writer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriterChange {
    /// It is the source's writer now, at this level.
    Live {
        /// What acknowledgements mean.
        level: Level,
    },
    /// It opened a newer epoch, since the hub had learned of a higher one.
    Raised {
        /// The epoch before.
        from: u64,
        /// The new one.
        to: u64,
    },
    /// The hub refused it, for good.
    Refused(Refusal),
    /// Another writer took its place, for good.
    Replaced,
    /// More is acknowledged.
    Acknowledged {
        /// Every update up to this one.
        sequence: u64,
    },
}
