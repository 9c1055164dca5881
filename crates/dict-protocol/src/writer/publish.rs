//! Publishing: what changed becomes an update.

use alloc::vec::Vec;

use super::epoch::{Epoch, made_at};
use super::keeping::Former;
use super::{Line, Phase, Refusal, WhenFull, Writer};
use crate::change::{self, Patch, PatchBuilder};
use crate::encoding::{EncodeError, messagepack};
use crate::packet::Update;
use crate::time::Time;
use crate::value::{Dictionary, Value};

/// No key removed, none set.
pub(super) const EMPTY_PATCH: &[u8] = &[0x90, 0x80];

/// Why nothing was published. The writer's dictionary is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A value cannot be encoded.
    #[error("a value cannot be published: {0}")]
    Value(#[from] EncodeError),
    /// The dictionary would have too many keys.
    #[error("a dictionary of {keys} keys is over the limit of {limit} (limit keys)")]
    Keys {
        /// How many it would have.
        keys: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The dictionary, or what changes at once, would be too large.
    #[error("{bytes} bytes of keys and values are over the limit of {limit} (limit dictionary)")]
    Size {
        /// How many bytes of MessagePack it would have.
        bytes: usize,
        /// How many it may have.
        limit: usize,
    },
    /// There is no room now, and the writer's policy is to wait for it: the program tries again later.
    #[error("the spool or the connection's output is full")]
    Full,
    /// The epoch has its End.
    #[error("the source has been ended")]
    Ended,
    /// A loss before its first update cannot be stated any more.
    #[error(
        "epoch {epoch} has {newest} updates already, and only the first can be missing: end it and begin another"
    )]
    Begun {
        /// The epoch.
        epoch: u64,
        /// Its last update.
        newest: u64,
    },
    /// The hub refused this writer.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Another writer took the place of this one.
    #[error("another writer took over the source")]
    Replaced,
    /// There is no such writer in the session.
    #[error("the writer was removed")]
    Removed,
}

impl Writer {
    /// Makes the dictionary what `new` is; returns the sequence of the update, `None` where nothing differs.
    pub(crate) fn publish(
        &mut self,
        line: &mut Line<'_>,
        now: Time,
        new: &Dictionary,
    ) -> Result<Option<u64>, PublishError> {
        self.admit(line)?;
        let (depth, scratch) = (line.limits.depth, &mut self.scratch);
        scratch.clear();
        if self.epoch.newest == 0 {
            change::write_whole(new, depth, scratch)?;
        } else if !change::difference(&self.content, new, depth, scratch)? {
            return Ok(None);
        }
        self.take_in(line, new)?;
        Ok(Some(self.push(line, now, false)))
    }

    /// Begins the epoch with what `new` is after a loss: update 1 is missing since `since`, and takes no other form than
    /// the dictionary as of it. Returns its sequence, 1.
    pub(crate) fn publish_after_loss(
        &mut self,
        line: &mut Line<'_>,
        now: Time,
        new: &Dictionary,
        since: Time,
    ) -> Result<u64, PublishError> {
        self.admit(line)?;
        if self.epoch.newest > 0 {
            return Err(PublishError::Begun { epoch: self.epoch.number, newest: self.epoch.newest });
        }
        self.scratch.clear();
        change::write_whole(new, line.limits.depth, &mut self.scratch)?;
        self.take_in(line, new)?;
        self.make_room();
        self.epoch.push_after_loss(now, since, &self.scratch);
        self.catch_up(line);
        Ok(self.epoch.newest)
    }

    /// Sets keys and removes others; returns the sequence of the update, `None` where nothing differs.
    pub(crate) fn patch<'p>(
        &mut self,
        line: &mut Line<'_>,
        now: Time,
        set: impl IntoIterator<Item = (&'p str, &'p Value)> + Clone,
        remove: impl IntoIterator<Item = &'p str>,
    ) -> Result<Option<u64>, PublishError> {
        self.admit(line)?;
        self.scratch.clear();
        let mut patch = PatchBuilder::new(line.limits.depth, &mut self.scratch);
        let mut keys = self.content.len();
        let mut removes = false;
        for key in remove.into_iter().filter(|key| self.content.contains_key(key)) {
            patch.remove(key)?;
            removes = true;
        }
        for (key, value) in set.clone() {
            match self.content.get(key) {
                Some(old) if old == value => continue,
                Some(_) => {}
                None => keys += 1,
            }
            patch.set(key, value)?;
        }
        if patch.is_empty() {
            return Ok(None);
        }
        patch.finish()?;
        if !self.surely_fits(line, keys)? {
            self.apply_if_it_fits(line)?;
        } else if removes {
            change::apply(&parsed(&self.scratch), &mut self.content);
        } else {
            set.into_iter().for_each(|(key, value)| assign(&mut self.content, key, value));
        }
        Ok(Some(self.push(line, now, false)))
    }

    /// Ends the epoch; returns the sequence of its End. A source that was never published ends as an empty one.
    pub(crate) fn end(&mut self, line: &mut Line<'_>, now: Time) -> Result<u64, PublishError> {
        match self.admit(line) {
            // An End that had to wait for room might never be made.
            Ok(()) | Err(PublishError::Full) => {}
            Err(error) => return Err(error),
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(EMPTY_PATCH);
        Ok(self.push(line, now, true))
    }

    /// Whether it is over and nothing of it is left to be sent: it may be forgotten.
    pub fn is_done(&self) -> bool {
        match self.phase {
            Phase::Offline | Phase::Announcing => false,
            Phase::Live => self.epoch.ended && self.unacknowledged() == 0 && !self.is_behind(),
            Phase::Refused(_) => self.replays.iter().all(|replay| replay.held),
            // The hub may still ask for the rest of it, on this connection.
            Phase::Replaced => {
                self.replays.is_empty() && (self.epoch.id.is_none() || self.epoch.is_settled())
            }
        }
    }

    /// Goes on after an epoch whose writer, in the same program, was forgotten.
    pub(crate) fn follow(&mut self, former: Former) {
        self.epoch.number = self.epoch.number.max(former.epoch + 1);
        self.epoch.previous = former.epoch;
        self.keeping = former.keeping.handed_on();
    }

    /// What its successor has to know when it is forgotten.
    pub(crate) fn into_former(mut self) -> Former {
        if self.epoch.is_settled() {
            self.keeping.over(&self.epoch);
        }
        Former { epoch: self.epoch.number, keeping: self.keeping }
    }

    /// States the whole dictionary as the first update of a new epoch, after the loss that the former one began with if
    /// nobody was told, and its End if it had one.
    pub(super) fn restate(&mut self, now: Time, loss: Option<Time>, ended: bool) {
        self.scratch.clear();
        change::write_whole(&self.content, usize::MAX, &mut self.scratch)
            .expect("each part of it was encoded before");
        self.make_room();
        match loss {
            Some(since) => self.epoch.push_after_loss(now, since, &self.scratch),
            None => self.epoch.push(now, false, &self.scratch),
        }
        if ended {
            self.epoch.push(now, true, EMPTY_PATCH);
        }
    }

    /// Whether an update with a patch of `patch` bytes can be made without giving up an older one.
    fn has_room(&self, patch: usize) -> bool {
        let Some(spool) = &self.epoch.spool else { return true };
        let (updates, bytes) = self.spooled();
        spool.bounds().admit(updates, bytes, patch)
    }

    /// Gives up the oldest updates where the patch in the scratch buffer needs their room, unless the program waits
    /// rather than that: what could not wait goes in besides.
    fn make_room(&mut self) {
        while self.options.when_full == WhenFull::Drop && !self.has_room(self.scratch.len()) {
            let mut epochs = self.replays.iter_mut().chain(core::iter::once(&mut self.epoch));
            if !epochs.any(Epoch::evict_oldest) {
                return;
            }
        }
    }

    /// Whether something may be published now.
    fn admit(&self, line: &mut Line<'_>) -> Result<(), PublishError> {
        match &self.phase {
            Phase::Refused(refusal) => return Err(refusal.clone().into()),
            Phase::Replaced => return Err(PublishError::Replaced),
            Phase::Offline | Phase::Announcing | Phase::Live => {}
        }
        if self.epoch.ended || self.remains() {
            return Err(PublishError::Ended);
        }
        let blocked = self.options.when_full == WhenFull::Block
            && (!self.has_room(0)
                || (self.epoch.newest == 0 && self.replays.len() >= self.keeping.most_replays())
                || (self.phase == Phase::Live && line.ready().is_none()));
        if blocked { Err(PublishError::Full) } else { Ok(()) }
    }

    /// Makes the dictionary what `new` is, if that is within its limits; the patch in the scratch buffer is what differs.
    fn take_in(&mut self, line: &Line<'_>, new: &Dictionary) -> Result<(), PublishError> {
        if self.surely_fits(line, new.len())? {
            follow(&mut self.content, new, &self.scratch);
            return Ok(());
        }
        self.apply_if_it_fits(line)
    }

    /// Whether an estimate shows that the dictionary stays within its limits with the patch in the scratch buffer, and
    /// at most `keys` keys. A patch that is itself over them is an error.
    fn surely_fits(&mut self, line: &Line<'_>, keys: usize) -> Result<bool, PublishError> {
        let (bytes, limit) = (self.scratch.len(), line.limits.dictionary);
        if bytes > limit {
            return Err(PublishError::Size { bytes, limit });
        }
        if self.options.when_full == WhenFull::Block && !self.has_room(bytes) {
            return Err(PublishError::Full);
        }
        let fits = self.size + bytes <= limit && keys <= line.limits.keys;
        if fits {
            self.size += bytes;
        }
        Ok(fits)
    }

    /// Applies the patch in the scratch buffer if the dictionary then is within its limits.
    fn apply_if_it_fits(&mut self, line: &Line<'_>) -> Result<(), PublishError> {
        let (keys, limit) = (line.limits.keys, line.limits.dictionary);
        let mut new = self.content.clone();
        change::apply(&parsed(&self.scratch), &mut new);
        if new.len() > keys {
            return Err(PublishError::Keys { keys: new.len(), limit: keys });
        }
        let mut encoded = Vec::new();
        messagepack::encode_dictionary(&new, usize::MAX, &mut encoded)?;
        if encoded.len() > limit {
            return Err(PublishError::Size { bytes: encoded.len(), limit });
        }
        self.size = encoded.len();
        self.content = new;
        Ok(())
    }

    /// Numbers the patch in the scratch buffer, which is applied, keeps it and sends it.
    fn push(&mut self, line: &mut Line<'_>, now: Time, end: bool) -> u64 {
        self.make_room();
        self.epoch.push(now, end, &self.scratch);
        let sequence = self.epoch.newest;
        let (Phase::Live, Some(source)) = (&self.phase, self.epoch.id) else { return sequence };
        if self.sent + 1 == sequence
            && let Some(output) = line.ready()
        {
            let update = Update {
                source,
                sequence,
                stamp: made_at(now),
                end,
                end_of_slice: false,
                replayed: false,
                patch: &self.scratch,
            };
            update.encode(output.buffer());
            self.sent = sequence;
        }
        sequence
    }
}

fn parsed(patch: &[u8]) -> Patch<'_> {
    Patch::parse(patch, usize::MAX).expect("the patch was just written")
}

/// Makes `content` what `new` is; `patch` is what differs. Mostly the keys stay as they are.
fn follow(content: &mut Dictionary, new: &Dictionary, patch: &[u8]) {
    if content.len() == new.len() && content.keys().eq(new.keys()) {
        for ((_, old), (_, new)) in content.iter_mut().zip(new) {
            replace(old, new);
        }
    } else {
        change::apply(&parsed(patch), content);
    }
}

fn assign(content: &mut Dictionary, key: &str, new: &Value) {
    match content.get_mut(key) {
        Some(old) => replace(old, new),
        None => drop(content.insert(key, new.clone())),
    }
}

/// Replaces a value, in its memory where that is easy.
fn replace(old: &mut Value, new: &Value) {
    match (old, new) {
        (Value::Text(old), Value::Text(new)) => old.clone_from(new),
        (Value::Binary(old), Value::Binary(new)) => old.clone_from(new),
        (old @ (Value::List(_) | Value::Dictionary(_)), new) if old == new => {}
        (old, new) => *old = new.clone(),
    }
}
