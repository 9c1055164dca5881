//! A logger: a recorder, its links and its disk.

use dict_protocol::limits::Limits;
use dict_protocol::record::{Batch, EntryKind, GapReason};
use dict_protocol::recorder::{Answer, LinkIndex, Recorder, Taken};
use dict_protocol::session::{Event, Session};

use super::disk::Disk;
use super::notes::Notes;
use super::oracle::Declared;

/// One logger.
#[derive(Debug)]
pub(super) struct Logger {
    recorder: Recorder,
    links: Vec<LinkIndex>,
    limits: Limits,
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
    /// A logger with an empty disk and a link to each of `hubs` hubs.
    pub(super) fn new(limits: &Limits, hubs: usize) -> Self {
        let mut logger = Self {
            recorder: Recorder::new(limits, []),
            links: Vec::new(),
            limits: limits.clone(),
            declared: Declared::new(),
            disk: Disk::default(),
            syncing: false,
            full: false,
            paused: false,
            run: 0,
            up: true,
        };
        logger.links = (0..hubs).map(|_| logger.recorder.add_link("")).collect();
        logger
    }

    /// Starts again from what is on the disk.
    pub(super) fn restart(&mut self) {
        self.recorder = Recorder::new(&self.limits, self.disk.positions());
        self.links = self.links.iter().map(|_| self.recorder.add_link("")).collect();
        self.declared.clear();
        self.syncing = false;
        self.paused = false;
        self.run += 1;
        self.up = true;
    }

    /// Something came on the link to a hub.
    pub(super) fn event(&mut self, hub: usize, event: &Event<'_>, notes: &mut Notes) {
        let link = self.links[hub];
        let taken = match event {
            Event::Connected(connected) => return self.recorder.opened(link, connected.hub),
            Event::Disconnected { .. } => return self.recorder.closed(link),
            Event::Source(source) => {
                notes.trace.line(format_args!("logger: {source:?}"));
                self.declared.entry(source.name.to_owned()).or_default().insert(source.epoch);
                if let Err(error) = self.recorder.source(link, source) {
                    notes.complain(format_args!("logger: {error}"));
                }
                return;
            }
            Event::Update(update) => self.recorder.update(link, update),
            Event::State(state) => self.recorder.state(link, state),
            _ => return,
        };
        match taken {
            Ok(Taken::Stored) => {}
            Ok(Taken::Repeated) => notes.coverage.repetitions += 1,
            Err(error) => notes.complain(format_args!("logger: {error}")),
        }
        let (held, most) = (self.recorder.uncommitted_bytes(), self.limits.uncommitted);
        // What is at hand when the limit is reached is still taken in.
        if held > most + 16 * self.limits.body as usize {
            notes.complain(format_args!("logger: {held} bytes uncommitted, {most} allowed"));
        }
    }

    /// Hands what there is to the disk; returns whether a sync is to be begun.
    pub(super) fn write(&mut self, notes: &mut Notes) -> bool {
        if let Some(batch) = self.recorder.take_batch() {
            count(&batch, notes);
            self.disk.write(batch);
        }
        let begins = !self.syncing && self.disk.has_waiting();
        self.syncing |= begins;
        begins
    }

    /// A sync is done.
    pub(super) fn synced(&mut self) {
        self.syncing = false;
        for batch in self.disk.synced() {
            self.recorder.committed(batch);
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
