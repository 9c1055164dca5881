//! What a recorder holds of each source and epoch.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::{Bound, Index, IndexMut};

use super::{HubIndex, LinkIndex};
use crate::record::{GapReason, Missing, Position, StreamIndex};
use crate::time::Time;

/// An epoch's place in [`Sources`]; epochs are never forgotten, since a rest of any may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EpochIndex(usize);

type NameIndex = usize;

/// Every source and epoch that was ever heard of.
#[derive(Debug, Default)]
pub(super) struct Sources {
    epochs: Vec<Epoch>,
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
}

#[derive(Debug)]
struct Name {
    name: String,
    epochs: BTreeMap<u64, EpochIndex>,
    /// The highest epoch of which anything is held; 0: none.
    newest: u64,
    /// For each declaration of it that is online, the link.
    online: Vec<LinkIndex>,
}

impl Epoch {
    fn is_held(&self) -> bool {
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
    }

    pub(super) fn find_or_add(&mut self, name: &str, epoch: u64) -> EpochIndex {
        let name = self.by_name.get(name).copied().unwrap_or_else(|| {
            self.by_name.insert(name.to_owned(), self.names.len());
            self.names.push(Name {
                name: name.to_owned(),
                epochs: BTreeMap::new(),
                newest: 0,
                online: Vec::new(),
            });
            self.names.len() - 1
        });
        *self.names[name].epochs.entry(epoch).or_insert_with(|| {
            self.epochs.push(Epoch {
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
            });
            EpochIndex(self.epochs.len() - 1)
        })
    }

    pub(super) fn name(&self, epoch: EpochIndex) -> &str {
        &self.names[self[epoch].name].name
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

    /// The link on which it was declared is closed.
    pub(super) fn forget(&mut self, epoch: EpochIndex, link: LinkIndex) {
        self[epoch].declared = self[epoch].declared.filter(|(by, _)| *by != link);
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
        let between = (Bound::Excluded(last), Bound::Excluded(number));
        ended && (number <= last + 1 || self.names[name].epochs.range(between).next().is_none())
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
