//! One life of a source's writer: how far it is, how far it is held, and the slices that answer a Resume.

use alloc::vec::Vec;
use core::iter::Peekable;

use crate::change::DictionaryBytes;
use crate::frame;
use crate::kept::{self, Entry, Item, KeptEpoch, Marks};
use crate::limits::Limits;
use crate::packet::{MissingFrom, Resume, State, UPDATE_FIELDS, Update};
use crate::record::{GapReason, Stamp};
use crate::spool::{Bounds, MemorySpool, Spooled};
use crate::time::Time;
use crate::writer::publish::EMPTY_PATCH;

/// No key at all.
const EMPTY_DICTIONARY: &[u8] = &[0x80];

/// One epoch: the one being written, or one that is over and not acknowledged in full.
#[derive(Debug)]
pub(super) struct Epoch {
    pub(super) number: u64,
    /// The epoch before it, as far as its writer knows; 0: none.
    pub(super) previous: u64,
    /// The last update made; 0: none yet.
    pub(super) newest: u64,
    /// When that was.
    pub(super) time: Time,
    /// It has its End.
    pub(super) ended: bool,
    /// It was announced on this connection as a replay. Twice, it would be asked for twice.
    pub(super) replay_announced: bool,
    /// A hub has accepted it, now or in a former run of the program.
    pub(super) accepted: bool,
    /// A hub will take it as a replay when it has accepted a newer epoch of this writer's.
    pub(super) held: bool,
    /// The hub's number of it on this connection.
    pub(super) id: Option<u32>,
    /// A Resume that is not answered yet.
    pub(super) resume: Option<Resume>,
    /// `None` where nothing is kept for a logger.
    pub(super) spool: Option<MemorySpool>,
    /// The last update that is acknowledged.
    acknowledged: u64,
    /// The last update that left the spool before it was acknowledged; 0: none.
    evicted: u64,
    /// Evicted updates whose place a State took: first and last.
    stated: Option<(u64, u64)>,
    /// Updates that an acknowledgement covered as a gap.
    lost: u64,
    /// Update 1 is missing, since this time: it only stands for a dictionary that came after a loss.
    begins_after_loss: Option<Time>,
    /// It is of a former run of the program, which may have known more of it.
    restored: bool,
    /// What was told of it to be kept.
    told: Told,
}

/// What is kept of an epoch beyond the program's end.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    marks: Option<Marks>,
    base: u64,
    newest: u64,
}

impl Epoch {
    pub(super) fn new(number: u64, previous: u64, bounds: Option<Bounds>) -> Self {
        Self {
            number,
            previous,
            newest: 0,
            time: Time::default(),
            ended: false,
            replay_announced: false,
            accepted: false,
            held: false,
            id: None,
            resume: None,
            spool: bounds.map(MemorySpool::new),
            acknowledged: 0,
            evicted: 0,
            stated: None,
            lost: 0,
            begins_after_loss: None,
            restored: false,
            told: Told::default(),
        }
    }

    /// One of a former run of the program.
    pub(super) fn restore(number: u64, kept: &KeptEpoch, bounds: Bounds) -> Self {
        let (sequence, time, dictionary) = &kept.base;
        let dictionary = if dictionary.is_empty() { EMPTY_DICTIONARY } else { dictionary };
        let dictionary =
            DictionaryBytes::parse(dictionary, usize::MAX).expect("it was looked at when it was taken in");
        let mut spool = MemorySpool::restore(bounds, (*sequence, *time, &dictionary));
        for (time, end, patch) in &kept.updates {
            spool.push(*time, *end, patch);
        }
        let marks = kept.marks;
        Self {
            newest: spool.newest(),
            time: kept.updates.back().map_or(*time, |(time, ..)| *time),
            ended: marks.ended,
            acknowledged: marks.acknowledged,
            evicted: marks.evicted,
            stated: marks.stated,
            lost: marks.lost,
            begins_after_loss: marks.begins_after_loss,
            accepted: true,
            restored: true,
            told: Told { marks: Some(marks), base: *sequence, newest: spool.newest() },
            spool: Some(spool),
            ..Self::new(number, marks.previous, None)
        }
    }

    /// Tells what is new of it since it was told last, for it to be kept. Nothing, while nothing was published in it or
    /// nothing is kept for loggers.
    pub(super) fn keep(&mut self, source: &str, out: &mut dyn FnMut(Entry<'_>)) {
        let marks = self.marks();
        let Some(spool) = self.spool.as_ref().filter(|_| self.newest > 0) else { return };
        let (epoch, base) = (self.number, spool.base());
        if self.told.marks != Some(marks) {
            out(Entry { source, item: Item::Epoch { epoch, marks } });
        }
        if self.told.base < base.sequence {
            let mut dictionary = Vec::new();
            base.dictionary.encode(&mut dictionary);
            let (sequence, time, dictionary) = (base.sequence, base.time, &*dictionary);
            out(Entry { source, item: Item::Base { epoch, sequence, time, dictionary } });
        }
        for Spooled { sequence, time, end, patch } in spool.after(self.told.newest.max(base.sequence)) {
            let update = kept::Update { time, end, patch };
            out(Entry { source, item: Item::Update { epoch, sequence, update } });
        }
        self.told = Told { marks: Some(marks), base: base.sequence, newest: self.newest };
    }

    /// Whether anything was told of it to be kept.
    pub(super) fn is_kept(&self) -> bool {
        self.told.marks.is_some()
    }

    /// The epoch before it, for a hub that may not have seen it while it was live.
    ///
    /// As long as no hub has accepted it, its writer does not know who came before: then it names one that nobody holds,
    /// and loggers state a gap.
    pub(super) fn before(&self) -> u64 {
        if self.accepted { self.previous } else { self.number - 1 }
    }

    /// How far it is, as it is kept.
    pub(super) fn marks(&self) -> Marks {
        Marks {
            previous: self.before(),
            ended: self.ended,
            acknowledged: self.acknowledged,
            evicted: self.evicted,
            stated: self.stated,
            lost: self.lost,
            begins_after_loss: self.begins_after_loss,
        }
    }

    /// Gives it another number: nothing of it was sent. Returns the old one if something is kept under that.
    pub(super) fn renumber(&mut self, number: u64, previous: u64) -> Option<u64> {
        let told = core::mem::take(&mut self.told).marks.map(|_| self.number);
        (self.number, self.previous) = (number, previous);
        self.accepted = false;
        told
    }

    /// Takes the next update in.
    pub(super) fn push(&mut self, time: Time, end: bool, patch: &[u8]) {
        self.newest += 1;
        self.time = time;
        self.ended = end;
        if let Some(spool) = &mut self.spool {
            spool.push(time, end, patch);
        }
    }

    /// Gives up the oldest updates, if there are any.
    pub(super) fn evict_oldest(&mut self) -> bool {
        let Some(gone) = self.spool.as_mut().and_then(MemorySpool::remove_oldest) else { return false };
        // An End is never given up: it can be told without the spool.
        let gone = if self.ended { gone.min(self.newest - 1) } else { gone };
        if gone > self.acknowledged {
            self.evicted = gone;
        }
        true
    }

    /// Takes the first update in as one that is missing since `since`: all that is kept is the dictionary as of it.
    pub(super) fn push_after_loss(&mut self, time: Time, since: Time, patch: &[u8]) {
        self.push(time, false, patch);
        self.begins_after_loss = Some(since);
        if let Some(spool) = &mut self.spool {
            spool.remove_through(self.newest);
        }
    }

    /// Since when something was lost before it began, if anything was and that is not acknowledged.
    pub(super) fn loss_to_state(&self) -> Option<Time> {
        self.begins_after_loss.filter(|_| self.acknowledged == 0)
    }

    /// The last update that may be acknowledged. A former run of the program may have made, and sent, more than is kept.
    pub(super) fn most_acknowledged(&self) -> u64 {
        if self.restored { u64::MAX } else { self.newest }
    }

    /// Takes an acknowledgement in; nobody is moved back.
    pub(super) fn acknowledge(&mut self, through: u64) {
        let through = through.min(self.newest);
        if through <= self.acknowledged {
            return;
        }
        if let Some((first, last)) = self.stated {
            self.lost += (last.min(through) + 1).saturating_sub(first.max(self.acknowledged + 1));
        }
        self.acknowledged = through;
        if let Some(spool) = &mut self.spool {
            spool.remove_through(through);
        }
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Updates that are neither acknowledged nor given up.
    pub(super) fn unacknowledged(&self) -> u64 {
        self.newest - self.acknowledged.max(self.evicted)
    }

    /// Updates that were given up.
    pub(super) fn dropped(&self) -> u64 {
        self.lost + self.evicted.saturating_sub(self.acknowledged.max(self.missing_from_the_beginning()))
    }

    /// Updates that were given up, or are if nobody keeps the rest of it any longer.
    pub(super) fn dropped_without_rest(&self) -> u64 {
        let given_up = self.acknowledged.max(self.evicted).max(self.missing_from_the_beginning());
        self.dropped() + self.newest - given_up
    }

    /// The last update that is missing since before it began, and so was never dropped; 0: none.
    fn missing_from_the_beginning(&self) -> u64 {
        u64::from(self.begins_after_loss.is_some())
    }

    /// Whether nothing of it is left to be sent again.
    pub(super) fn is_settled(&self) -> bool {
        self.spool.is_none() || self.acknowledged >= self.newest
    }

    /// Its connection is gone.
    pub(super) fn unlink(&mut self) {
        self.replay_announced = false;
        self.held = false;
        self.id = None;
        self.resume = None;
    }

    /// Answers `resume` from the spool by one slice: what is missing as a State, then updates.
    ///
    /// A hub that asks for more than there is gets a State that tells it nothing new, and so the end of the slice.
    pub(super) fn answer(&mut self, id: u32, resume: &Resume, limits: &Limits, out: &mut Vec<u8>) {
        let missing = self.state_missing(resume.after);
        let Some(spool) = &self.spool else { return };
        let base = spool.base();
        if self.ended && base.sequence == self.newest && resume.after < self.newest {
            return self.answer_with_end(id, missing, out);
        }
        let mut updates = spool.after(resume.after.max(base.sequence)).peekable();
        let mut budget = Budget::new(resume, limits);
        if missing.is_some() || updates.peek().is_none() {
            let mut dictionary = Vec::new();
            base.dictionary.encode(&mut dictionary);
            let end_of_slice = !budget.takes_next(&mut updates);
            let state = State {
                source: id,
                sequence: base.sequence,
                stamp: made_at(base.time),
                missing,
                end_of_slice,
                replayed: true,
                dictionary: &dictionary,
            };
            state.encode(out);
            if end_of_slice {
                return;
            }
        }
        while let Some(update) = updates.next() {
            let end_of_slice = !budget.takes_next(&mut updates);
            again(id, &update, end_of_slice).encode(out);
            if end_of_slice {
                return;
            }
        }
    }

    /// Answers where the End has left the spool too. It changes nothing, so it can always be told as what it is: in a
    /// State it would be lost that nothing follows.
    fn answer_with_end(&self, id: u32, missing: Option<MissingFrom>, out: &mut Vec<u8>) {
        let Some(spool) = &self.spool else { return };
        let base = spool.base();
        let (sequence, stamp, replayed) = (self.newest, made_at(base.time), true);
        if let Some(missing) = missing.filter(|missing| missing.first < sequence) {
            let (sequence, missing, end_of_slice) = (sequence - 1, Some(missing), false);
            let mut dictionary = Vec::new();
            base.dictionary.encode(&mut dictionary);
            let dictionary = &dictionary;
            State { source: id, sequence, stamp, missing, end_of_slice, replayed, dictionary }.encode(out);
        }
        let (end, end_of_slice, patch) = (true, true, EMPTY_PATCH);
        Update { source: id, sequence, stamp, end, end_of_slice, replayed, patch }.encode(out);
    }

    /// What a reader at `after` cannot have any more, noted as stated to be missing.
    fn state_missing(&mut self, after: u64) -> Option<MissingFrom> {
        let base = self.spool.as_ref()?.base().sequence;
        if after >= base {
            return None;
        }
        let first = after + 1;
        let dropped_first = first.max(self.missing_from_the_beginning() + 1);
        if self.evicted >= dropped_first {
            let (stated_first, stated_last) = self.stated.unwrap_or((dropped_first, self.evicted));
            self.stated = Some((dropped_first.min(stated_first), self.evicted.max(stated_last)));
        }
        let reason = if self.evicted > after { GapReason::SpoolFull } else { GapReason::BeforeLogger };
        Some(self.missing_from(first, reason))
    }

    /// What a State says that stands in for the updates from `first`, which are missing for `reason`. Of several reasons
    /// the first one's is told, and before all others is the loss that the epoch began with.
    pub(super) fn missing_from(&self, first: u64, reason: GapReason) -> MissingFrom {
        match self.begins_after_loss {
            Some(since) if first == 1 => MissingFrom { first, since, reason: GapReason::LinkLost },
            _ => MissingFrom { first, since: Time::default(), reason },
        }
    }

    /// What the hub is told to be missing by a State at `sequence` that it did not ask for.
    ///
    /// Where there is a spool the hub asks it: there, only the State that stands for update 1 alone says so.
    pub(super) fn missing_at(&self, sequence: u64) -> Option<MissingFrom> {
        let since = self.begins_after_loss.filter(|_| self.spool.is_none() || sequence == 1)?;
        Some(MissingFrom { first: 1, since, reason: GapReason::LinkLost })
    }
}

/// The stamp of what a writer sends: the hub's fields are the hub's to fill in.
pub(super) fn made_at(time: Time) -> Stamp {
    Stamp { writer_time: time, ..Stamp::default() }
}

fn again<'a>(id: u32, update: &Spooled<'a>, end_of_slice: bool) -> Update<'a> {
    Update {
        source: id,
        sequence: update.sequence,
        stamp: made_at(update.time),
        end: update.end,
        end_of_slice,
        replayed: true,
        patch: update.patch,
    }
}

/// What a slice may still hold after its first frame.
struct Budget {
    updates: u32,
    bytes: usize,
}

impl Budget {
    fn new(resume: &Resume, limits: &Limits) -> Self {
        Self {
            updates: resume.updates.min(limits.slice_updates).saturating_sub(1),
            bytes: resume.bytes.min(limits.slice) as usize,
        }
    }

    /// Takes the next update into account, if there is one and it fits.
    fn takes_next<'a>(&mut self, updates: &mut Peekable<impl Iterator<Item = Spooled<'a>>>) -> bool {
        let Some(next) = updates.peek() else { return false };
        let size = frame::OVERHEAD + UPDATE_FIELDS + next.patch.len();
        if self.updates == 0 || self.bytes < size {
            return false;
        }
        self.updates -= 1;
        self.bytes -= size;
        true
    }
}
