//! What a recorder holds of each source and epoch.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::{Bound, Index, IndexMut};

use super::{HubIndex, LinkIndex};
use crate::record::{GapReason, Missing, Position, StreamIndex};
use crate::time::Time;

/// Of so many of a source's epochs that nobody declares now, the newest, it is known that they were declared, if nothing
/// is held of them, and how far they are held, if they ended; older ones are forgotten. Of what is held and did not end the
/// rest may come, so that is known for ever.
pub(super) const KEPT: usize = 1_000;

/// An epoch's place in [`Sources`]. It is another's when that is forgotten, which it is not while it is declared on a link
/// or a batch with a row of it is not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EpochIndex(usize);

pub(super) type NameIndex = usize;

/// Every source that was ever heard of, and its epochs but for those that are forgotten.
#[derive(Debug, Default)]
pub(super) struct Sources {
    epochs: Vec<Epoch>,
    /// Places of epochs that are forgotten.
    free: Vec<EpochIndex>,
    /// Their numbers in batches.
    free_streams: Vec<StreamIndex>,
    names: Vec<Name>,
    by_name: BTreeMap<String, NameIndex>,
}

/// One epoch of one source.
#[derive(Debug)]
pub(super) struct Epoch {
    name: NameIndex,
    pub(super) epoch: u64,
    /// The epoch before it, as its hub says.
    previous: u64,
    /// The last sequence received; 0: nothing is held.
    pub(super) received: u64,
    /// The last sequence on disk.
    pub(super) committed: u64,
    /// The last row was its End.
    ended: bool,
    /// The time of the last row.
    time: Time,
    /// A gap up to its beginning was stored by this recorder.
    gap_before: bool,
    /// Its number in batches, and the hub that number names.
    pub(super) stream: Option<(StreamIndex, HubIndex)>,
    /// Where acknowledgements go: the link that declared it last, and that hub's number for it.
    pub(super) declared: Option<(LinkIndex, u32)>,
    /// How many declarations of it there are, on all links.
    pub(super) declarations: usize,
    /// Its rows that are not committed.
    pub(super) uncommitted: usize,
}

#[derive(Debug)]
struct Name {
    name: String,
    epochs: BTreeMap<u64, EpochIndex>,
    /// The highest epoch of which anything is held; 0: none.
    newest: u64,
    /// For each declaration of it that is online, the link.
    online: Vec<LinkIndex>,
    /// How often one of its epochs became one that may be forgotten, since that was last looked at.
    idle: usize,
    /// The least and the greatest epoch that was forgotten and of which nothing was held.
    forgotten: Option<(u64, u64)>,
}

impl Epoch {
    pub(super) fn is_held(&self) -> bool {
        self.received > 0
    }
}

impl Sources {
    pub(super) fn restore(&mut self, position: &Position) {
        let index = self.find_or_add(&position.source, position.epoch);
        let epoch = &mut self[index];
        epoch.received = position.sequence;
        epoch.committed = position.sequence;
        epoch.ended = position.ended;
        epoch.time = position.time;
        if epoch.is_held() {
            let name = epoch.name;
            self.names[name].newest = self.names[name].newest.max(position.epoch);
        }
        self.settle(index);
    }

    pub(super) fn find_or_add(&mut self, name: &str, epoch: u64) -> EpochIndex {
        let name = self.by_name.get(name).copied().unwrap_or_else(|| {
            self.by_name.insert(name.to_owned(), self.names.len());
            self.names.push(Name {
                name: name.to_owned(),
                epochs: BTreeMap::new(),
                newest: 0,
                online: Vec::new(),
                idle: 0,
                forgotten: None,
            });
            self.names.len() - 1
        });
        if let Some(known) = self.names[name].epochs.get(&epoch) {
            return *known;
        }
        let new = Epoch {
            name,
            epoch,
            previous: 0,
            received: 0,
            committed: 0,
            ended: false,
            time: Time::default(),
            gap_before: false,
            stream: None,
            declared: None,
            declarations: 0,
            uncommitted: 0,
        };
        let index = if let Some(free) = self.free.pop() {
            self[free] = new;
            free
        } else {
            self.epochs.push(new);
            EpochIndex(self.epochs.len() - 1)
        };
        self.names[name].epochs.insert(epoch, index);
        index
    }

    /// How many epochs are known.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.epochs.len() - self.free.len()
    }

    pub(super) fn name(&self, epoch: EpochIndex) -> &str {
        &self.names[self[epoch].name].name
    }

    /// The least and the greatest epoch that was forgotten and of which nothing was held.
    #[cfg(test)]
    pub(super) fn forgotten(&self, name: &str) -> Option<(u64, u64)> {
        self.names[self.by_name[name]].forgotten
    }

    /// The source that an epoch is of: the same for all of them.
    pub(super) fn name_of(&self, epoch: EpochIndex) -> NameIndex {
        self[epoch].name
    }

    /// A number in batches that is nobody's any more.
    pub(super) fn free_stream(&mut self) -> Option<StreamIndex> {
        self.free_streams.pop()
    }

    /// The highest epoch held of the source that `epoch` is of; 0: none.
    pub(super) fn newest(&self, epoch: EpochIndex) -> u64 {
        self.names[self[epoch].name].newest
    }

    /// The last epoch below this one of which anything is held; 0: none.
    pub(super) fn held_below(&self, name: &str, epoch: u64) -> u64 {
        let Some(&name) = self.by_name.get(name) else { return 0 };
        let below = self.names[name].epochs.range(..epoch).rev();
        below.map(|(_, index)| &self[*index]).find(|epoch| epoch.is_held()).map_or(0, |epoch| epoch.epoch)
    }

    pub(super) fn declare(&mut self, epoch: EpochIndex, link: LinkIndex, id: u32, previous: u64) {
        self[epoch].previous = previous;
        self[epoch].declared = Some((link, id));
    }

    /// A declaration of it is over. After this the epoch may be forgotten.
    pub(super) fn undeclare(&mut self, epoch: EpochIndex, link: LinkIndex, id: u32) {
        let this = &mut self[epoch];
        this.declared = this.declared.filter(|by| *by != (link, id));
        this.declarations -= 1;
        self.settle(epoch);
    }

    /// Now that an epoch may be one to be forgotten, or will be once a newer one is held, forgets the older ones of its
    /// source where there are many.
    pub(super) fn settle(&mut self, epoch: EpochIndex) {
        let Epoch { name, declarations, uncommitted, .. } = self[epoch];
        if declarations > 0 || uncommitted > 0 {
            return;
        }
        self.names[name].idle += 1;
        if self.names[name].idle < KEPT {
            return;
        }
        self.names[name].idle = 0;
        let epochs: Vec<EpochIndex> = self.names[name].epochs.values().rev().copied().collect();
        let mut kept = [0; 2];
        for epoch in epochs {
            if self.is_idle(epoch) {
                let kept = &mut kept[usize::from(self[epoch].is_held())];
                *kept += 1;
                if *kept > KEPT {
                    self.forget(epoch);
                }
            }
        }
    }

    /// Whether an epoch can be forgotten: nobody declares it, and nothing or all of it is on the disk. The newest held
    /// stays: whatever comes next follows it.
    fn is_idle(&self, epoch: EpochIndex) -> bool {
        let this = &self[epoch];
        let is_over = !this.is_held() || (this.ended && this.epoch != self.newest(epoch));
        this.declarations == 0 && this.uncommitted == 0 && is_over
    }

    /// Forgets an epoch, so that what is decided without it is a gap rather than none.
    fn forget(&mut self, epoch: EpochIndex) {
        if !self[epoch].is_held() {
            let number = self[epoch].epoch;
            let forgotten = &mut self.names[self.epochs[epoch.0].name].forgotten;
            let (least, greatest) = forgotten.unwrap_or((number, number));
            *forgotten = Some((least.min(number), greatest.max(number)));
        } else if let Some(after) = self.held_after(epoch) {
            // The gap up to that one begins after what is forgotten.
            self[after].gap_before = false;
        }
        let Epoch { name, epoch: number, stream, .. } = self[epoch];
        self.names[name].epochs.remove(&number);
        self.free_streams.extend(stream.map(|(stream, _)| stream));
        self.free.push(epoch);
    }

    pub(super) fn went_online(&mut self, epoch: EpochIndex, link: LinkIndex) {
        let name = self[epoch].name;
        self.names[name].online.push(link);
    }

    pub(super) fn went_offline(&mut self, epoch: EpochIndex, link: LinkIndex) {
        let name = self[epoch].name;
        let online = &mut self.names[name].online;
        if let Some(position) = online.iter().position(|by| *by == link) {
            online.swap_remove(position);
        }
    }

    /// Another link at whose hub that name is online.
    pub(super) fn online_elsewhere(&self, name: &str, link: LinkIndex) -> Option<LinkIndex> {
        let name = &self.names[*self.by_name.get(name)?];
        name.online.iter().copied().find(|by| *by != link)
    }

    /// The gap that is to be stored before the next row of an epoch, and the epoch to whose beginning it reaches.
    ///
    /// Between any two epochs held, one after the other, either nothing can be missing, since the later one follows the
    /// End of the earlier one and none was declared in between, or a gap says that it may be.
    pub(super) fn gap_before_first(&mut self, epoch: EpochIndex) -> Option<(EpochIndex, Missing)> {
        if self[epoch].is_held() {
            return None;
        }
        let before = self.held_before(epoch);
        let reaches_to = match self.held_after(epoch) {
            None if self.follows(epoch, before) => return None,
            None => epoch,
            Some(after) if self[after].gap_before => return None,
            Some(after) => after,
        };
        self[reaches_to].gap_before = true;
        let (after_epoch, after) =
            before.map_or((0, 0), |before| (self[before].epoch, self[before].received));
        Some((reaches_to, Missing { after_epoch, after, reason: GapReason::EpochEnded, since: None }))
    }

    /// Whether nothing can be missing between an epoch and the one held before it, or the beginning.
    fn follows(&self, epoch: EpochIndex, before: Option<EpochIndex>) -> bool {
        let Epoch { name, epoch: number, previous, .. } = self[epoch];
        let ended = match before {
            None => previous == 0,
            Some(before) => self[before].ended && self[before].epoch == previous,
        };
        let last = before.map_or(0, |before| self[before].epoch);
        let name = &self.names[name];
        let between = (Bound::Excluded(last), Bound::Excluded(number));
        let is_forgotten = name.forgotten.is_some_and(|(least, greatest)| least < number && greatest > last);
        ended && (number <= last + 1 || (!is_forgotten && name.epochs.range(between).next().is_none()))
    }

    /// Whether nothing of an epoch is held, but something of a newer one is.
    pub(super) fn is_passed(&self, epoch: EpochIndex) -> bool {
        !self[epoch].is_held() && self[epoch].epoch < self.newest(epoch)
    }

    /// The time of the last row of an epoch.
    pub(super) fn last_time(&self, epoch: EpochIndex) -> Time {
        self[epoch].time
    }

    /// The time of the row before the next one of an epoch, in the source's order.
    pub(super) fn time_before(&self, epoch: EpochIndex) -> Time {
        let before = if self[epoch].is_held() { Some(epoch) } else { self.held_before(epoch) };
        before.map_or(Time::from_nanos(i64::MIN), |before| self[before].time)
    }

    /// Moves the position of an epoch; returns whether the row is late.
    pub(super) fn received(&mut self, epoch: EpochIndex, sequence: u64, time: Time, ended: bool) -> bool {
        let this = &mut self[epoch];
        this.received = sequence;
        this.time = time;
        this.ended = ended;
        let (name, number) = (this.name, this.epoch);
        let newest = &mut self.names[name].newest;
        *newest = (*newest).max(number);
        number < *newest
    }

    fn held_before(&self, epoch: EpochIndex) -> Option<EpochIndex> {
        let Epoch { name, epoch, .. } = self[epoch];
        let before = self.names[name].epochs.range(..epoch).rev();
        before.map(|(_, index)| *index).find(|index| self[*index].is_held())
    }

    fn held_after(&self, epoch: EpochIndex) -> Option<EpochIndex> {
        let Epoch { name, epoch, .. } = self[epoch];
        let after = self.names[name].epochs.range((Bound::Excluded(epoch), Bound::Unbounded));
        after.map(|(_, index)| *index).find(|index| self[*index].is_held())
    }
}

impl Index<EpochIndex> for Sources {
    type Output = Epoch;

    fn index(&self, index: EpochIndex) -> &Epoch {
        &self.epochs[index.0]
    }
}

impl IndexMut<EpochIndex> for Sources {
    fn index_mut(&mut self, index: EpochIndex) -> &mut Epoch {
        &mut self.epochs[index.0]
    }
}
