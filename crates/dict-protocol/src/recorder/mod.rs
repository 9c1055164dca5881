//! A durable subscriber's decisions: what to store of what its hubs send, and what to answer.
//!
//! One [`Recorder`] serves one timeline with any number of links to hubs. Packets go in; out come [`Batch`]es to be
//! committed, and answers (Resume, Ack) for each hub. It does no I/O and reads no clock:
//!
//! 1. Tell it what the timeline holds ([`Recorder::new`]) and where its links go ([`Recorder::add_link`],
//!    [`Recorder::opened`]).
//! 2. Give it each Source, Update and State of a durable subscription.
//! 3. Hand what [`Recorder::take_batch`] gives to the timeline, in order. A batch is stored whole or not at all, and tried
//!    again until it is: there is no way back but a restart. Then, and only then, call [`Recorder::committed`].
//! 4. After any of these, send what [`Recorder::poll_answer`] gives for each link.
//!
//! # Decisions
//!
//! Each (source, epoch) has two positions: *n*, the last update received, and the last one committed, which lags behind.
//! Decisions are made by *n*; the hubs are only ever told of what is committed.
//!
//! | packet | where | what is done |
//! |---|---|---|
//! | Source | new on this connection | Resume after what is committed; it counts as an Ack |
//! | Source | known on this connection | presence noted; the position is told once |
//! | Source | its hub knows it no longer: a rest that is given up, or withdrawn, or forgotten | its declaration is over |
//! | Source | the 1,001st of a source that may be over without a word | the first one's declaration is over |
//! | Source | name online at another link's hub | refused; answered when the other goes, once more if it was before |
//! | Update, State | of a name that was refused after its position was told | skipped, until they follow that position |
//! | Update *s* | *s* ≤ *n* | a repetition: ignored, acknowledged again |
//! | Update *s* | *s* = *n* + 1 | stored |
//! | Update *s* | *s* > *n* + 1 | an error: that link is to be closed, a new connection tells positions anew |
//! | State at *s* for missing from *f* | *s* ≤ *n* | ignored, acknowledged again |
//! | State at *s* for missing from *f* | *f* ≤ *n* + 1 ≤ *s* | stored: gap, dictionary and position in one entry |
//! | State at *s* for missing from *f* | *f* > *n* + 1 | an error, as above |
//! | State at *s* without a gap | *s* > *n* | an error, as above: taking it would hide what is missing |
//! | any row | body is not readable | stored as it came with a gap over it, so that one bad body holds nobody up |
//! | first row of an epoch | newest of its source, the End before it not held | a gap before it, from what is held to its beginning |
//! | first row of an epoch | newest of its source, one between it and what is held was declared | the same gap |
//! | Source | of an epoch of which nothing is held, a newer one is held with no gap before it | a gap before the newer one |
//! | Source | of an epoch of which nothing is held, the one before it, of which nothing is held either, is between two that are | the same gap, before the newer of these |
//! | any row | a newer epoch is held | stored, marked late |
//! | any | source id not declared on this connection | an error, as above |
//!
//! # What is forgotten
//!
//! A hub does not say of each epoch that a newer one replaced it for good, nor of the rest of one that ended that it is
//! done. So that nobody makes a recorder grow by announcing again and again, there are 1,000 such declarations of a source
//! on a connection at most. If a row of an older one comes all the same, the link is closed as for any row that was not
//! declared, and on the next connection it is declared as what it is, a rest. Of the epochs that are declared nowhere, of
//! which nothing is held or which ended, the newest 1,000 of each kind are known. That one was forgotten is known too, and
//! makes a gap where it may have been between two that are held.
//!
//! A hub that is told an older position than *n*, because the rest is still on its way to the disk, sends that rest
//! again. Waiting with the answer until the disk is done would hold up the source instead, and the repetition costs
//! only what [`Limits::uncommitted`] allows.

mod links;
mod sources;
#[cfg(test)]
mod tests;

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use hashbrown::HashMap;

use crate::change::{DictionaryBytes, Patch};
use crate::limits::Limits;
use crate::packet::{Ack, Resume, Source, State, Update};
use crate::record::{Batch, Entry, EntryKind, GapReason, Missing, Position, Stamp, Stream, StreamIndex};
use crate::time::Time;
use links::{Due, Link, Refused, Standing};
use sources::{EpochIndex, Sources};

/// One of a recorder's links to hubs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkIndex(usize);

/// A hub's name among those a recorder has met.
type HubIndex = usize;

/// Emptied batches that are kept for their memory.
const SPARES: usize = 2;

/// See the [module](self).
#[derive(Debug)]
pub struct Recorder {
    depth: usize,
    most_uncommitted: usize,
    links: Vec<Link>,
    hubs: Vec<String>,
    sources: Sources,
    /// Whose each stream of the batches is.
    streams: Vec<EpochIndex>,
    /// What is to be handed out next.
    batch: Batch,
    spares: Vec<Batch>,
    /// The cost of `batch` and of all that was handed out and is not committed.
    uncommitted: usize,
}

/// What a hub is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Where to send a source on from, once per declaration.
    Resume(Resume),
    /// How far a source is committed.
    Ack(Ack),
}

/// What became of an Update or State.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is in the batch.
    Stored,
    /// It was there before.
    Repeated,
    /// Another link has the name, or had it until now: it will come again.
    Skipped,
}

impl Recorder {
    /// A recorder for a timeline that holds `positions`, one for each (source, epoch).
    pub fn new(limits: &Limits, positions: impl IntoIterator<Item = Position>) -> Self {
        let mut sources = Sources::default();
        for position in positions {
            sources.restore(&position);
        }
        Self {
            depth: limits.depth,
            most_uncommitted: limits.uncommitted,
            links: Vec::new(),
            hubs: Vec::new(),
            sources,
            streams: Vec::new(),
            batch: Batch::default(),
            spares: Vec::new(),
            uncommitted: 0,
        }
    }

    /// Adds a link that is not open yet. Names of its hub's sources get `prefix` put before them, but for those that
    /// begin with `$`.
    pub fn add_link(&mut self, prefix: &str) -> LinkIndex {
        self.links.push(Link {
            prefix: prefix.into(),
            goes_on: false,
            hub: None,
            declared: HashMap::new(),
            passing: HashMap::new(),
            refused: Vec::new(),
            due: VecDeque::new(),
        });
        LinkIndex(self.links.len() - 1)
    }

    /// Says that a link leads to a hub that has run with this timeline alone, and that the timeline holds all that its last
    /// run took in: of whom that run or an earlier one saw, nothing is missing before who comes now. Each hub says as much
    /// by the End of its own source.
    pub fn goes_on(&mut self, link: LinkIndex) {
        self.links[link.0].goes_on = true;
    }

    /// A link was greeted by the hub of that name.
    pub fn opened(&mut self, link: LinkIndex, hub: &str) {
        self.closed(link);
        let index = self.hubs.iter().position(|known| known == hub).unwrap_or_else(|| {
            self.hubs.push(hub.into());
            self.hubs.len() - 1
        });
        self.links[link.0].hub = Some(index);
    }

    /// A link's connection is over: everything will be declared anew on the next. What was received stays.
    pub fn closed(&mut self, link: LinkIndex) {
        let this = &mut self.links[link.0];
        this.hub = None;
        this.due.clear();
        this.refused.clear();
        this.passing.clear();
        for (id, declaration) in core::mem::take(&mut this.declared) {
            self.let_go(link, id, &declaration);
        }
        self.admit_refused();
    }

    /// A hub declares an epoch of a source, or its presence changed.
    ///
    /// # Errors
    ///
    /// If the name is online at another link's hub: nothing of it is stored from this link until that ends. For people
    /// to be told; the link goes on.
    pub fn source(&mut self, link: LinkIndex, source: &Source<'_>) -> Result<(), NameTaken> {
        if self.links[link.0].declared.contains_key(&source.id) {
            return self.presence(link, source);
        }
        let this = &mut self.links[link.0];
        let refused = this.refused.iter().position(|refused| refused.id == source.id);
        let said = refused.map_or(source.previous, |place| this.refused.remove(place).previous);
        let prefix = if source.name.starts_with('$') { "" } else { &this.prefix };
        let name = [prefix, source.name].concat();
        let &Source { id, epoch, online, replay, .. } = source;
        let previous = self.previous(link, source, &name);
        let also = if said == previous { 0 } else { said };
        let declared = Refused { id, name, epoch, previous, also, online, replay };
        if let Some(taken) = self.taken(&declared.name, link) {
            if !is_over(source) {
                self.links[link.0].refuse(declared);
            }
            return Err(taken);
        }
        self.admit(link, &declared);
        if is_over(source) {
            self.undeclare(link, id);
        }
        Ok(())
    }

    /// A source that is known on this connection comes or goes.
    fn presence(&mut self, link: LinkIndex, source: &Source<'_>) -> Result<(), NameTaken> {
        let known = self.links[link.0].declared.get_mut(&source.id).expect("it is known");
        let was_online = core::mem::replace(&mut known.online, source.online);
        let (epoch, counted) = (known.epoch, was_online && known.standing != Standing::Refused);
        let previous = self.previous(link, source, self.sources.name(epoch));
        self.sources.declare(epoch, link, source.id, previous);
        self.note_previous(link, epoch, source.previous);
        if counted && !source.online {
            self.sources.went_offline(epoch, link);
            self.admit_refused();
        } else if source.online && !was_online {
            if let Some(taken) = self.taken(self.sources.name(epoch), link) {
                self.set_standing(link, source.id, Standing::Refused);
                return Err(taken);
            }
            self.sources.went_online(epoch, link);
            self.tell_again(link, source.id);
        }
        if is_over(source) {
            self.undeclare(link, source.id);
        } else if source.replay && !source.online {
            self.bound(link, epoch, source.id);
        }
        Ok(())
    }

    /// The epoch before a declared one: what its hub says, which knows nothing of its own earlier runs.
    fn previous(&self, link: LinkIndex, source: &Source<'_>, name: &str) -> u64 {
        let held = if self.links[link.0].goes_on && !source.replay {
            self.sources.held_below(name, source.epoch)
        } else {
            0
        };
        source.previous.max(held)
    }

    /// Who has a name that a link may not have therefore.
    fn taken(&self, name: &str, link: LinkIndex) -> Option<NameTaken> {
        let holder = self.sources.online_elsewhere(name, link)?;
        Some(NameTaken { name: name.into(), hub: self.hub_name(link), holder: self.hub_name(holder) })
    }

    fn set_standing(&mut self, link: LinkIndex, id: u32, standing: Standing) {
        self.links[link.0].declared.get_mut(&id).expect("it is known").standing = standing;
    }

    /// A name is free for a declaration again: where rows of it were skipped, they are asked for.
    fn tell_again(&mut self, link: LinkIndex, id: u32) {
        let this = &mut self.links[link.0];
        let known = this.declared.get_mut(&id).expect("it is known");
        if known.standing == Standing::Refused {
            known.standing = Standing::Behind;
            this.due.push_back(Due::Resume(id));
        }
    }

    /// Whether rows are skipped, of which `first` is the first that came or is said to be missing, `last` the last.
    fn skips(&mut self, link: LinkIndex, id: u32, first: u64, last: u64) -> bool {
        let Some(known) = self.links[link.0].declared.get_mut(&id) else { return false };
        let held = self.sources[known.epoch].received;
        match known.standing {
            Standing::Taken => false,
            Standing::Refused => true,
            Standing::Behind if first <= held + 1 && last > held => {
                known.standing = Standing::Taken;
                false
            }
            Standing::Behind => last > held,
        }
    }

    /// An update came.
    ///
    /// # Errors
    ///
    /// If it is out of place: the link's connection is to be closed.
    pub fn update(&mut self, link: LinkIndex, update: &Update<'_>) -> Result<Taken, RecorderError> {
        let epoch = self.declared(link, update.source)?;
        if self.skips(link, update.source, update.sequence, update.sequence) {
            return Ok(Taken::Skipped);
        }
        let held = self.sources[epoch].received;
        if update.sequence <= held {
            self.acknowledge_again(link, update.source, update.sequence);
            return Ok(Taken::Repeated);
        }
        if update.sequence != held + 1 {
            return Err(self.out_of_order(epoch, update.sequence, update.sequence));
        }
        let kind = match Patch::parse(update.patch, self.depth) {
            Err(_) => EntryKind::Unreadable { missing: self.missing(epoch, GapReason::Unreadable) },
            Ok(_) if update.end => EntryKind::End,
            Ok(_) => EntryKind::Update,
        };
        let row = Row {
            kind,
            sequence: update.sequence,
            stamp: update.stamp,
            replayed: update.replayed,
            body: update.patch,
        };
        self.store(link, epoch, &row);
        Ok(Taken::Stored)
    }

    /// A dictionary came, in place of updates that are no more.
    ///
    /// # Errors
    ///
    /// If it is out of place: the link's connection is to be closed.
    pub fn state(&mut self, link: LinkIndex, state: &State<'_>) -> Result<Taken, RecorderError> {
        let epoch = self.declared(link, state.source)?;
        let first = state.missing.map_or(state.sequence, |missing| missing.first);
        if self.skips(link, state.source, first, state.sequence) {
            return Ok(Taken::Skipped);
        }
        let held = self.sources[epoch].received;
        if state.sequence <= held {
            self.acknowledge_again(link, state.source, state.sequence);
            return Ok(Taken::Repeated);
        }
        let Some(gap) = state.missing else {
            return Err(self.out_of_order(epoch, state.sequence, state.sequence));
        };
        if gap.first > held + 1 {
            return Err(self.out_of_order(epoch, gap.first, state.sequence));
        }
        let reason = match gap.reason {
            // Only an epoch's first update is lost so: whoever holds that lacks the rest for another reason.
            GapReason::LinkLost if held > 0 => GapReason::NotKept,
            reason => reason,
        };
        let since = (gap.since != Time::default()).then(|| gap.since.offset_by(state.stamp.offset));
        let kind = match DictionaryBytes::parse(state.dictionary, self.depth) {
            Ok(_) => EntryKind::State { missing: Missing { since, ..self.missing(epoch, reason) } },
            Err(_) => EntryKind::Unreadable { missing: self.missing(epoch, GapReason::Unreadable) },
        };
        let row = Row {
            kind,
            sequence: state.sequence,
            stamp: state.stamp,
            replayed: state.replayed,
            body: state.dictionary,
        };
        self.store(link, epoch, &row);
        Ok(Taken::Stored)
    }

    /// What is to be committed now; `None` where there is nothing.
    pub fn take_batch(&mut self) -> Option<Batch> {
        if self.batch.is_empty() {
            return None;
        }
        let spare = self.spares.pop().unwrap_or_default();
        Some(core::mem::replace(&mut self.batch, spare))
    }

    /// How many entries wait in the batch that [`Recorder::take_batch`] would give.
    pub fn gathered(&self) -> usize {
        self.batch.entries.len()
    }

    /// A batch is on disk, and so are those handed out before it: to be acknowledged.
    pub fn committed(&mut self, mut batch: Batch) {
        for entry in &batch.entries {
            self.uncommitted -= cost(entry);
            let index = self.streams[entry.stream as usize];
            let epoch = &mut self.sources[index];
            epoch.uncommitted -= 1;
            // A gap before an epoch has sequence 0: it moves no position.
            if entry.sequence > epoch.committed {
                epoch.committed = entry.sequence;
                if let Some((link, id)) = epoch.declared {
                    self.links[link.0].acknowledge(id);
                }
            }
            self.sources.settle(index);
        }
        if self.spares.len() < SPARES {
            batch.clear();
            self.spares.push(batch);
        }
    }

    /// The next answer that is due on a link; for as long as there is one.
    pub fn poll_answer(&mut self, link: LinkIndex) -> Option<Answer> {
        let Link { due, declared, .. } = &mut self.links[link.0];
        let (due, source, declaration) = loop {
            let due = due.pop_front()?;
            let (Due::Resume(source) | Due::Ack(source)) = due;
            if declared.contains_key(&source) {
                break (due, source, declared.get_mut(&source)?);
            }
        };
        let committed = self.sources[declaration.epoch].committed;
        let highest = self.sources.newest(declaration.epoch);
        Some(match due {
            Due::Resume(_) => {
                Answer::Resume(Resume { source, after: committed, highest, updates: 0, bytes: 0 })
            }
            Due::Ack(_) => {
                declaration.acknowledge = false;
                Answer::Ack(Ack { source, sequence: committed })
            }
        })
    }

    /// What was received and is not committed: bodies, and what it takes to keep them.
    pub fn uncommitted_bytes(&self) -> usize {
        self.uncommitted
    }

    /// Whether to stop reading from the hubs until something is committed.
    pub fn should_pause(&self) -> bool {
        self.uncommitted >= self.most_uncommitted
    }

    fn declared(&self, link: LinkIndex, id: u32) -> Result<EpochIndex, RecorderError> {
        match self.links[link.0].declared.get(&id) {
            Some(declaration) => Ok(declaration.epoch),
            None => Err(RecorderError::Undeclared { id }),
        }
    }

    /// A gap within an epoch, after what is held of it.
    fn missing(&self, epoch: EpochIndex, reason: GapReason) -> Missing {
        let epoch = &self.sources[epoch];
        Missing { after_epoch: epoch.epoch, after: epoch.received, reason, since: None }
    }

    /// Appends a row that is next in order, after the gap that its epoch may need before it.
    fn store(&mut self, link: LinkIndex, epoch: EpochIndex, row: &Row<'_>) {
        let time = if row.replayed {
            let corrected = row.stamp.writer_time.offset_by(row.stamp.offset);
            corrected.max(self.sources.time_before(epoch)).min(row.stamp.hub_time)
        } else {
            row.stamp.hub_time
        };
        if let Some((before, missing)) = self.sources.gap_before_first(epoch) {
            let gap = Row {
                kind: EntryKind::Gap { missing },
                sequence: 0,
                stamp: row.stamp,
                replayed: row.replayed,
                body: &[],
            };
            self.append(link, before, &gap, time, false);
        }
        let late = self.sources.received(epoch, row.sequence, time, row.kind == EntryKind::End);
        self.append(link, epoch, row, time, late);
    }

    fn append(&mut self, link: LinkIndex, epoch: EpochIndex, row: &Row<'_>, time: Time, late: bool) {
        let stream = self.stream(link, epoch);
        let start = self.batch.bytes.len();
        self.batch.bytes.extend_from_slice(row.body);
        let entry = Entry {
            stream,
            kind: row.kind,
            sequence: row.sequence,
            time,
            stamp: row.stamp,
            replayed: row.replayed,
            late,
            body: start..self.batch.bytes.len(),
        };
        self.uncommitted += cost(&entry);
        self.sources[epoch].uncommitted += 1;
        self.batch.entries.push(entry);
    }

    /// The number of an epoch in batches, declared in this one if it is the first to come through this hub.
    fn stream(&mut self, link: LinkIndex, epoch: EpochIndex) -> StreamIndex {
        let hub = self.links[link.0].hub.expect("only an open link has declarations");
        match self.sources[epoch].stream {
            Some((stream, through)) if through == hub => stream,
            _ => {
                let index = self.sources.free_stream().unwrap_or_else(|| {
                    self.streams.push(epoch);
                    StreamIndex::try_from(self.streams.len() - 1).expect("nobody has 2^32 epochs at once")
                });
                self.streams[index as usize] = epoch;
                self.sources[epoch].stream = Some((index, hub));
                self.batch.streams.push(Stream {
                    index,
                    hub: self.hubs[hub].clone(),
                    source: self.sources.name(epoch).into(),
                    epoch: self.sources[epoch].epoch,
                });
                index
            }
        }
    }

    fn hub_name(&self, link: LinkIndex) -> String {
        self.links[link.0].hub.map_or_else(String::new, |hub| self.hubs[hub].clone())
    }

    fn out_of_order(&self, epoch: EpochIndex, first: u64, last: u64) -> RecorderError {
        RecorderError::OutOfOrder {
            name: self.sources.name(epoch).into(),
            epoch: self.sources[epoch].epoch,
            held: self.sources[epoch].received,
            first,
            last,
        }
    }
}

/// What an entry is made of.
struct Row<'a> {
    kind: EntryKind,
    sequence: u64,
    stamp: Stamp,
    replayed: bool,
    body: &'a [u8],
}

/// Why an epoch is offline of which the End has come. Its writer may be there, and the rest of it come from there, also
/// when a newer one has taken its place.
const ENDED: &str = "ended";

/// Whether its hub knows it no longer: of the rest of an older epoch there is nothing without its writer.
fn is_over(source: &Source<'_>) -> bool {
    !source.online && (source.is_forgotten() || (source.replay && source.reason != ENDED))
}

/// The memory that an entry takes.
fn cost(entry: &Entry) -> usize {
    size_of::<Entry>() + entry.body.len()
}

/// An Update or State that cannot come: the hub is mistaken about what was told to it, or does not keep the rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecorderError {
    /// It is of no source that was declared on this connection.
    #[error("source {id} was not declared on this connection, or was refused")]
    Undeclared {
        /// The hub's number.
        id: u32,
    },
    /// It is not what follows what is held, nor does it say what is missing in between.
    #[error("{name} epoch {epoch}: {first} to {last} came after {held}, which leaves out what is between")]
    OutOfOrder {
        /// The source's name.
        name: String,
        /// Its epoch.
        epoch: u64,
        /// The last sequence received.
        held: u64,
        /// The first sequence that came or is said to be missing.
        first: u64,
        /// The last sequence that came.
        last: u64,
    },
}

/// Two hubs have a source of the same name at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name} is refused from hub {hub}, since hub {holder} has a source of that name: give one of the links a prefix"
)]
pub struct NameTaken {
    /// The source's name, after any prefix.
    pub name: String,
    /// The hub it is not taken from.
    pub hub: String,
    /// The hub it is taken from.
    pub holder: String,
}
