//! A logger: a recorder, its links and its disk.

use std::collections::BTreeMap;

use dict_protocol::limits::Limits;
use dict_protocol::packet::Source;
use dict_protocol::record::{Batch, EntryKind, GapReason};
use dict_protocol::recorder::{Answer, LinkIndex, Recorder, Taken};
use dict_protocol::session::{Event, Session};

use super::broken::Broken;
use super::disk::Disk;
use super::notes::Notes;
use super::oracle::Declared;
use super::plan::{PREFIX, Plan};

/// One logger.
#[derive(Debug)]
pub(super) struct Logger {
    recorder: Recorder,
    links: Vec<LinkIndex>,
    /// What is put before the names of each link's sources.
    prefixes: Vec<&'static str>,
    limits: Limits,
    /// Names that two hubs have.
    contested: Vec<String>,
    /// The name and epoch of each number that is online, by link.
    online: BTreeMap<(usize, u32), (String, u64)>,
    /// The link by which the last row of a contested name came, while it is online there.
    holder: BTreeMap<String, usize>,
    /// What hubs have told it of since its last start.
    pub(super) declared: Declared,
    /// What is left when the power goes.
    pub(super) disk: Disk,
    /// A sync is under way.
    pub(super) syncing: bool,
    /// The disk takes nothing.
    pub(super) full: bool,
    /// It reads no more until something is committed.
    pub(super) paused: bool,
    /// Counts its starts.
    pub(super) run: u32,
    /// It has power.
    pub(super) up: bool,
}

impl Logger {
    /// A logger with an empty disk and a link to each of a plan's hubs.
    pub(super) fn new(plan: &Plan) -> Self {
        let prefixes = (0..plan.hubs).map(|hub| if plan.prefix && hub == 1 { PREFIX } else { "" }).collect();
        let contested = plan.writers.iter().filter(|writer| plan.is_contested(writer));
        let mut logger = Self {
            recorder: Recorder::new(&plan.limits, []),
            links: Vec::new(),
            prefixes,
            limits: plan.limits.clone(),
            contested: contested.map(|writer| writer.source.clone()).collect(),
            online: BTreeMap::new(),
            holder: BTreeMap::new(),
            declared: Declared::new(),
            disk: Disk::default(),
            syncing: false,
            full: false,
            paused: false,
            run: 0,
            up: true,
        };
        logger.add_links();
        logger
    }

    /// Starts again from what is on the disk.
    pub(super) fn restart(&mut self) {
        self.recorder = Recorder::new(&self.limits, self.disk.positions());
        self.add_links();
        self.online.clear();
        self.holder.clear();
        self.declared.clear();
        self.syncing = false;
        self.paused = false;
        self.run += 1;
        self.up = true;
    }

    fn add_links(&mut self) {
        self.links = self.prefixes.iter().map(|prefix| self.recorder.add_link(prefix)).collect();
    }

    /// Something came on the link to a hub.
    pub(super) fn event(&mut self, hub: usize, event: &Event<'_>, broken: Option<Broken>, notes: &mut Notes) {
        let link = self.links[hub];
        let (taken, row) = match event {
            Event::Connected(connected) => return self.recorder.opened(link, connected.hub),
            Event::Disconnected { .. } => {
                self.online.retain(|(at, _), _| *at != hub);
                self.holder.retain(|_, holder| *holder != hub);
                return self.recorder.closed(link);
            }
            Event::Source(source) => return self.source(hub, source, notes),
            Event::Update(update) => (self.recorder.update(link, update), (update.source, update.sequence)),
            Event::State(state) => (self.recorder.state(link, state), (state.source, state.sequence)),
            _ => return,
        };
        match taken {
            Ok(Taken::Stored) => self.check_holder(hub, row.0, notes),
            Ok(Taken::Skipped) => notes.coverage.skipped += 1,
            Ok(Taken::Repeated) => {
                notes.coverage.repetitions += 1;
                if let (Some(Broken::RepetitionStored), Some((name, epoch))) =
                    (broken, self.online.get(&(hub, row.0)))
                {
                    self.disk.store_again(name, *epoch, row.1);
                }
            }
            Err(error) => notes.complain(format_args!("logger: {error}")),
        }
        let (held, most) = (self.recorder.uncommitted_bytes(), self.limits.uncommitted);
        // What is at hand when the limit is reached is still taken in.
        if held > most + 16 * self.limits.body as usize {
            notes.complain(format_args!("logger: {held} bytes uncommitted, {most} allowed"));
        }
    }

    /// A hub tells of a source.
    fn source(&mut self, hub: usize, source: &Source<'_>, notes: &mut Notes) {
        notes.trace.line(format_args!("logger: {source:?}"));
        let prefix = if source.name.starts_with('$') { "" } else { self.prefixes[hub] };
        let name = [prefix, source.name].concat();
        if source.online {
            self.online.insert((hub, source.id), (name.clone(), source.epoch));
        } else {
            self.online.remove(&(hub, source.id));
            if !self.online.iter().any(|((at, _), (online, _))| *at == hub && *online == name) {
                self.holder.retain(|held, holder| *held != name || *holder != hub);
            }
        }
        match self.recorder.source(self.links[hub], source) {
            Ok(()) => drop(self.declared.entry(name).or_default().insert(source.epoch)),
            Err(_) if self.contested.contains(&name) => notes.coverage.names_taken += 1,
            Err(error) => notes.complain(format_args!("logger: {error}")),
        }
    }

    /// Of a name that two hubs have, only one's is recorded while it is online there.
    fn check_holder(&mut self, hub: usize, id: u32, notes: &mut Notes) {
        if self.contested.is_empty() {
            return;
        }
        let Some((name, _)) = self.online.get(&(hub, id)).filter(|(name, _)| self.contested.contains(name))
        else {
            return;
        };
        let holder = *self.holder.entry(name.clone()).or_insert(hub);
        if holder != hub {
            notes.complain(format_args!("{name} is recorded from hub {hub} and from hub {holder}"));
        }
    }

    /// Hands what there is to the disk; returns whether a sync is to be begun.
    pub(super) fn write(&mut self, broken: Option<Broken>, notes: &mut Notes) -> bool {
        if let Some(batch) = self.recorder.take_batch() {
            count(&batch, notes);
            if broken == Some(Broken::AcknowledgeBeforeSync) {
                self.recorder.committed(batch.clone());
            }
            self.disk.write(batch);
        }
        let begins = !self.syncing && self.disk.has_waiting();
        self.syncing |= begins;
        begins
    }

    /// A sync is done.
    pub(super) fn synced(&mut self, broken: Option<Broken>) {
        self.syncing = false;
        for batch in self.disk.synced(broken) {
            if broken != Some(Broken::AcknowledgeBeforeSync) {
                self.recorder.committed(batch);
            }
        }
    }

    /// Sends what is due on the link to a hub.
    pub(super) fn answer(&mut self, hub: usize, session: &mut Session) {
        while let Some(answer) = self.recorder.poll_answer(self.links[hub]) {
            match answer {
                Answer::Resume(resume) => session.resume(resume),
                Answer::Ack(ack) => session.acknowledge(ack),
            };
        }
    }

    /// Whether to read no more for now.
    pub(super) fn should_pause(&self) -> bool {
        self.recorder.should_pause()
    }

    /// Whether all that was received is on the disk.
    pub(super) fn is_settled(&self) -> bool {
        self.up && self.recorder.uncommitted_bytes() == 0
    }
}

fn count(batch: &Batch, notes: &mut Notes) {
    let coverage = &mut notes.coverage;
    for entry in &batch.entries {
        coverage.rows += 1;
        coverage.late += u64::from(entry.late);
        match entry.kind {
            EntryKind::Gap { .. } => coverage.gaps_between_epochs += 1,
            EntryKind::State { missing } => {
                coverage.gaps += 1;
                match missing.reason {
                    GapReason::SpoolFull => coverage.gaps_spool_full += 1,
                    GapReason::NotKept => coverage.gaps_not_kept += 1,
                    GapReason::BeforeLogger => coverage.gaps_before_logger += 1,
                    GapReason::LinkLost => coverage.gaps_link_lost += 1,
                    _ => {}
                }
            }
            _ => {}
        }
    }
}
