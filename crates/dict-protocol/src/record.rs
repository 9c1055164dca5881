//! What a logger stores: the hand-over from the protocol ([`Recorder`](crate::recorder::Recorder)) to a timeline.
//!
//! A [`Batch`] crosses from the thread that reads the network to the thread that commits. It owns its bytes in one
//! arena and is handed back after the commit, so that a busy logger allocates nothing per update.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::time::Time;

/// A number that stands for one (source, epoch) in the batches of one recorder, from 0 upwards.
pub type StreamIndex = u32;

/// One epoch of one source, declared in the batch that first uses it. Its number may be another's later, declared anew,
/// when each batch with entries of it is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The number by which entries refer to it.
    pub index: StreamIndex,
    /// The hub it came through, as the timeline names it.
    pub hub: String,
    /// The source's name, after any prefix of the link.
    pub source: String,
    /// The writer's life that it belongs to.
    pub epoch: u64,
}

/// How far a timeline holds one epoch of one source: what it tells a recorder at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The source's name, as in [`Stream::source`].
    pub source: String,
    /// The writer's life.
    pub epoch: u64,
    /// The last sequence that is held, or covered by a gap that moved the position.
    pub sequence: u64,
    /// That last one is the epoch's End.
    pub ended: bool,
    /// The time of that last one's row ([`Entry::time`]).
    pub time: Time,
}

/// Whose clock said what, about one update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Stamp {
    /// When the hub passed it on, by the hub's clock.
    pub hub_time: Time,
    /// When the writer made it, by the writer's clock, as it came.
    pub writer_time: Time,
    /// The hub's clock less the writer's, nanoseconds.
    pub offset: i64,
    /// How far `offset` may be off, nanoseconds; `None` where it was never measured.
    pub uncertainty: Option<u64>,
}

/// Updates that are missing: after `after`, up to and including `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The epoch of the last update held before the gap; the entry's own unless the gap spans epochs.
    pub after_epoch: u64,
    /// The last sequence held before the gap in `after_epoch`; 0: none.
    pub after: u64,
    /// Why they are missing.
    pub reason: GapReason,
    /// Since when, by the hub's clock as far as that is known; `None` where the writer did not say.
    pub since: Option<Time>,
}

/// Why updates are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GapReason {
    /// The writer's spool was full and its policy is to drop.
    SpoolFull,
    /// They were acknowledged, and dropped by the writer, before this logger asked for them.
    BeforeLogger,
    /// The writer's level keeps nothing for a logger that was away.
    NotKept,
    /// An epoch ended without its End: what the writer still held is unknown.
    EpochEnded,
    /// A dialect that cannot resend lost its link.
    LinkLost,
    /// Received, but not fit to be stored.
    Unreadable,
}

impl GapReason {
    /// The number that stands for it on the wire and in files; never reused.
    pub const fn code(self) -> u8 {
        match self {
            Self::SpoolFull => 1,
            Self::BeforeLogger => 2,
            Self::NotKept => 3,
            Self::EpochEnded => 4,
            Self::LinkLost => 5,
            Self::Unreadable => 6,
        }
    }

    /// The reason that `code` stands for.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::SpoolFull,
            2 => Self::BeforeLogger,
            3 => Self::NotKept,
            4 => Self::EpochEnded,
            5 => Self::LinkLost,
            6 => Self::Unreadable,
            _ => return None,
        })
    }

    /// The reason in words, as timelines show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SpoolFull => "spool full",
            Self::BeforeLogger => "before this logger",
            Self::NotKept => "not kept by the writer",
            Self::EpochEnded => "the epoch ended unseen",
            Self::LinkLost => "link lost",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What one entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// An update; the body is a patch. Sequence 1 states the whole dictionary.
    Update,
    /// The last update of an epoch; the body is a patch.
    End,
    /// The dictionary as of `sequence`, in place of updates that are `missing`; the body is a dictionary.
    State {
        /// What it stands in for.
        missing: Missing,
    },
    /// Nothing but a gap, from `missing` to the beginning of this epoch; `sequence` is 0 and the body is empty.
    ///
    /// It moves no position: its epoch may be held further already.
    Gap {
        /// What is not there.
        missing: Missing,
    },
    /// An update or State whose body is neither a patch nor a dictionary: a gap up to `sequence` with the reason
    /// [`GapReason::Unreadable`]. The body is what came, to be set aside for people to look at.
    Unreadable {
        /// What is not there for that.
        missing: Missing,
    },
}

/// One thing to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which source and epoch.
    pub stream: StreamIndex,
    /// What it is.
    pub kind: EntryKind,
    /// Its sequence within the epoch.
    pub sequence: u64,
    /// The row's time: the hub's, or for a replayed update the writer's corrected and held in order.
    pub time: Time,
    /// The clocks.
    pub stamp: Stamp,
    /// It was sent again from a spool, so `time` is reconstructed.
    pub replayed: bool,
    /// It came after a gap that was taken to cover it.
    pub late: bool,
    /// Where its body stands in the batch's bytes.
    pub body: Range<usize>,
}

/// Entries in the order in which they are to be stored, and their bytes.
///
/// It is stored whole or not at all: an entry and the gap before it stand in the same batch.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Streams that entries of this batch are the first to use.
    pub streams: Vec<Stream>,
    /// What to store.
    pub entries: Vec<Entry>,
    /// The arena that bodies stand in.
    pub bytes: Vec<u8>,
}

impl Batch {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.entries.is_empty()
    }

    /// The body of an entry of this batch.
    pub fn body(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.body.clone()]
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.streams.clear();
        self.entries.clear();
        self.bytes.clear();
    }
}
