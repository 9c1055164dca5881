//! Publishing: what changed becomes an update.

use alloc::vec::Vec;

use super::epoch::made_at;
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
    #[error("a dictionary of {keys} keys is over the limit of {limit}")]
    Keys {
        /// How many it would have.
        keys: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The dictionary, or what changes at once, would be too large.
    #[error("{bytes} bytes of keys and values are over the limit of {limit}")]
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
        self.make(line, now, false).map(Some)
    }

    /// Sets keys and removes others; returns the sequence of the update, `None` where nothing differs.
    pub(crate) fn patch<'p>(
        &mut self,
        line: &mut Line<'_>,
        now: Time,
        set: impl IntoIterator<Item = (&'p str, &'p Value)>,
        remove: impl IntoIterator<Item = &'p str>,
    ) -> Result<Option<u64>, PublishError> {
        self.admit(line)?;
        self.scratch.clear();
        let mut patch = PatchBuilder::new(line.limits.depth, &mut self.scratch);
        patch.remove_all(remove.into_iter().filter(|key| self.content.contains_key(key)))?;
        for (key, value) in set {
            if self.content.get(key) != Some(value) {
                patch.set(key, value)?;
            }
        }
        if patch.is_empty() {
            return Ok(None);
        }
        patch.finish()?;
        self.make(line, now, false).map(Some)
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
        self.push(line, now, true);
        Ok(self.epoch.newest)
    }

    /// States the whole dictionary as the first update of a new epoch, and its End if it had one.
    pub(super) fn restate(&mut self, now: Time, ended: bool) {
        self.scratch.clear();
        change::write_whole(&self.content, usize::MAX, &mut self.scratch)
            .expect("each part of it was encoded before");
        let patch = Patch::parse(&self.scratch, usize::MAX).expect("the patch was just written");
        self.epoch.push(now, false, &patch);
        if ended {
            let end = Patch::parse(EMPTY_PATCH, 0).expect("it is a patch");
            self.epoch.push(now, true, &end);
        }
    }

    /// Whether something may be published now.
    fn admit(&self, line: &mut Line<'_>) -> Result<(), PublishError> {
        match &self.phase {
            Phase::Refused(refusal) => return Err(refusal.clone().into()),
            Phase::Replaced => return Err(PublishError::Replaced),
            Phase::Offline | Phase::Announcing | Phase::Live => {}
        }
        if self.epoch.ended {
            return Err(PublishError::Ended);
        }
        let blocked = self.options.when_full == WhenFull::Block
            && (!self.epoch.has_room(0) || (self.phase == Phase::Live && line.ready().is_none()));
        if blocked { Err(PublishError::Full) } else { Ok(()) }
    }

    /// Makes an update of the patch in the scratch buffer, if it is within the limits.
    fn make(&mut self, line: &mut Line<'_>, now: Time, end: bool) -> Result<u64, PublishError> {
        let limits = line.limits;
        let bytes = self.scratch.len();
        if bytes > limits.dictionary {
            return Err(PublishError::Size { bytes, limit: limits.dictionary });
        }
        if self.options.when_full == WhenFull::Block && !self.epoch.has_room(bytes) {
            return Err(PublishError::Full);
        }
        let patch = Patch::parse(&self.scratch, usize::MAX).expect("the patch was just written");
        let fits =
            self.size + bytes <= limits.dictionary && self.content.len() + patch.set_len() <= limits.keys;
        if fits {
            change::apply(&patch, &mut self.content);
            self.size += bytes;
        } else {
            (self.content, self.size) =
                applied_exactly(&self.content, &patch, limits.keys, limits.dictionary)?;
        }
        self.push(line, now, end);
        Ok(self.epoch.newest)
    }

    /// Numbers the patch in the scratch buffer, which is applied, keeps it and sends it.
    fn push(&mut self, line: &mut Line<'_>, now: Time, end: bool) {
        let patch = Patch::parse(&self.scratch, usize::MAX).expect("the patch was just written");
        self.epoch.push(now, end, &patch);
        let sequence = self.epoch.newest;
        let (Phase::Live, Some(source)) = (&self.phase, self.epoch.id) else { return };
        if self.sent + 1 != sequence {
            return;
        }
        let Some(output) = line.ready() else { return };
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
}

/// The dictionary with the patch applied and its exact size, where an estimate does not show that it is within limits.
fn applied_exactly(
    content: &Dictionary,
    patch: &Patch<'_>,
    keys: usize,
    dictionary: usize,
) -> Result<(Dictionary, usize), PublishError> {
    let mut new = content.clone();
    change::apply(patch, &mut new);
    if new.len() > keys {
        return Err(PublishError::Keys { keys: new.len(), limit: keys });
    }
    let mut bytes = Vec::new();
    messagepack::encode_dictionary(&new, usize::MAX, &mut bytes)?;
    if bytes.len() > dictionary {
        return Err(PublishError::Size { bytes: bytes.len(), limit: dictionary });
    }
    Ok((new, bytes.len()))
}
