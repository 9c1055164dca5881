//! The links to hubs: what was declared on each, what stands in its way, and when nothing more comes of it.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use hashbrown::HashMap;

use super::sources::{EpochIndex, KEPT, NameIndex};
use super::{HubIndex, LinkIndex, Recorder, Row};
use crate::record::{EntryKind, Stamp};

#[derive(Debug)]
pub(super) struct Link {
    pub(super) prefix: String,
    /// Its hub goes on where it stopped: see [`Recorder::goes_on`].
    pub(super) goes_on: bool,
    /// Where it leads, while it is open.
    pub(super) hub: Option<HubIndex>,
    /// What was declared on this connection, by the hub's number.
    pub(super) declared: HashMap<u32, Declaration>,
    /// By source, those that may be over without a word, as they came: what was declared as the live epoch, and what is
    /// the rest of one that ended.
    pub(super) passing: HashMap<NameIndex, VecDeque<u32>>,
    /// Declarations that were refused because another link has the name, as they came.
    pub(super) refused: Vec<Refused>,
    /// Whom to answer.
    pub(super) due: VecDeque<Due>,
}

#[derive(Debug)]
pub(super) struct Declaration {
    pub(super) epoch: EpochIndex,
    pub(super) online: bool,
    pub(super) acknowledge: bool,
    pub(super) standing: Standing,
}

/// What is done with the rows of a declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// They are taken.
    Taken,
    /// The name was gone, and returned when another link had it: they are skipped.
    Refused,
    /// The name is free again, and the position was told anew: they are skipped until the one after it comes.
    Behind,
}

#[derive(Debug)]
pub(super) struct Refused {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) epoch: u64,
    pub(super) previous: u64,
    /// Another one that its hub said was before it; 0: none.
    pub(super) also: u64,
    pub(super) online: bool,
    pub(super) replay: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    Resume(u32),
    Ack(u32),
}

impl Recorder {
    /// Takes in a declaration for which the name is free, and answers it.
    pub(super) fn admit(&mut self, link: LinkIndex, declared: &Refused) {
        let epoch = self.sources.find_or_add(&declared.name, declared.epoch);
        self.sources[epoch].declarations += 1;
        self.sources.declare(epoch, link, declared.id, declared.previous);
        if declared.online {
            self.sources.went_online(epoch, link);
        }
        let this = &mut self.links[link.0];
        let (online, acknowledge, standing) = (declared.online, false, Standing::Taken);
        this.declared.insert(declared.id, Declaration { epoch, online, acknowledge, standing });
        this.due.push_back(Due::Resume(declared.id));
        self.note_previous(link, epoch, declared.also);
        self.note_previous(link, epoch, declared.previous);
        if self.sources.is_passed(epoch) {
            self.store_passed(link, epoch);
        }
        if !declared.replay {
            self.bound(link, epoch, declared.id);
        }
    }

    /// The epoch before one of which nothing is held yet is known by that alone, though its writer, and whoever came after
    /// that, may have forgotten it: then newer ones are held that say nothing of it.
    pub(super) fn note_previous(&mut self, link: LinkIndex, epoch: EpochIndex, previous: u64) {
        if previous == 0 || self.sources[epoch].is_held() {
            return;
        }
        let name = String::from(self.sources.name(epoch));
        let previous = self.sources.find_or_add(&name, previous);
        if self.sources.is_passed(previous) {
            self.store_passed(link, previous);
        }
        self.sources.settle(previous);
    }

    /// Counts a declaration among those that may be over, and lets go of its source's first where there are too many.
    pub(super) fn bound(&mut self, link: LinkIndex, epoch: EpochIndex, id: u32) {
        let passing = self.links[link.0].passing.entry(self.sources.name_of(epoch)).or_default();
        if !passing.contains(&id) {
            passing.push_back(id);
        }
        if passing.len() > KEPT
            && let Some(oldest) = passing.pop_front()
        {
            self.undeclare(link, oldest);
        }
    }

    /// Nothing comes of a declaration any more.
    pub(super) fn undeclare(&mut self, link: LinkIndex, id: u32) {
        let this = &mut self.links[link.0];
        let Some(declaration) = this.declared.remove(&id) else { return };
        let name = self.sources.name_of(declaration.epoch);
        if let Some(passing) = this.passing.get_mut(&name) {
            if let Some(place) = passing.iter().rposition(|other| *other == id) {
                passing.remove(place);
            }
            if passing.is_empty() {
                this.passing.remove(&name);
            }
        }
        self.let_go(link, id, &declaration);
    }

    /// A declaration was taken out.
    pub(super) fn let_go(&mut self, link: LinkIndex, id: u32, declaration: &Declaration) {
        if declaration.online && declaration.standing != Standing::Refused {
            self.sources.went_offline(declaration.epoch, link);
        }
        self.sources.undeclare(declaration.epoch, link, id);
    }

    /// Notes that something may be missing before a newer epoch: one of which nothing is held was declared after it.
    pub(super) fn store_passed(&mut self, link: LinkIndex, epoch: EpochIndex) {
        let Some((before, missing)) = self.sources.gap_before_first(epoch) else { return };
        let time = self.sources.last_time(before);
        let stamp = Stamp { hub_time: time, ..Stamp::default() };
        let kind = EntryKind::Gap { missing };
        self.append(link, before, &Row { kind, sequence: 0, stamp, replayed: false, body: &[] }, time, false);
    }

    /// Takes in what was refused because of another link, if that has let go of the name.
    pub(super) fn admit_refused(&mut self) {
        for link in (0..self.links.len()).map(LinkIndex) {
            for refused in core::mem::take(&mut self.links[link.0].refused) {
                if self.sources.online_elsewhere(&refused.name, link).is_some() {
                    self.links[link.0].refused.push(refused);
                } else {
                    self.admit(link, &refused);
                }
            }
            self.admit_returned(link);
        }
    }

    /// The same for what was known before it was refused.
    pub(super) fn admit_returned(&mut self, link: LinkIndex) {
        let declared = &self.links[link.0].declared;
        let refused = declared.iter().filter(|(_, known)| known.standing == Standing::Refused);
        let mut returned: Vec<(u32, EpochIndex, bool)> =
            refused.map(|(&id, known)| (id, known.epoch, known.online)).collect();
        returned.sort_unstable_by_key(|&(id, ..)| id);
        for (id, epoch, online) in returned {
            if self.sources.online_elsewhere(self.sources.name(epoch), link).is_none() {
                if online {
                    self.sources.went_online(epoch, link);
                }
                self.tell_again(link, id);
            }
        }
    }

    /// Answers a repetition of what is committed: its acknowledgement may have been lost.
    pub(super) fn acknowledge_again(&mut self, link: LinkIndex, id: u32, sequence: u64) {
        let this = &mut self.links[link.0];
        if this.declared.get(&id).is_some_and(|known| sequence <= self.sources[known.epoch].committed) {
            this.acknowledge(id);
        }
    }
}

impl Link {
    /// Keeps a declaration that another link stands in the way of; of each source so many, the newest.
    pub(super) fn refuse(&mut self, declared: Refused) {
        let of_name = |other: &&Refused| other.name == declared.name;
        if self.refused.iter().filter(of_name).count() >= KEPT
            && let Some(oldest) = self.refused.iter().position(|other| of_name(&other))
        {
            self.refused.remove(oldest);
        }
        self.refused.push(declared);
    }

    pub(super) fn acknowledge(&mut self, id: u32) {
        if let Some(declaration) = self.declared.get_mut(&id)
            && !core::mem::replace(&mut declaration.acknowledge, true)
        {
            self.due.push_back(Due::Ack(id));
        }
    }
}
