//! The writer of one source: its epochs, what it has to send, and what became of it.
//!
//! A [`Writer`] belongs to a [`Session`](crate::session::Session), which tells it what comes from the hub and lends it
//! the connection's output. It finds what changed, numbers it, keeps it until it is acknowledged and sends it; links may
//! come and go.
//!
//! | phase | meaning | accepted | refused: lower | refused: else | replaced | Resume, Ack | link lost | publish |
//! |---|---|---|---|---|---|---|---|---|
//! | [`Offline`](Phase::Offline) | no connection | | | | | | | kept |
//! | [`Announcing`](Phase::Announcing) | Announce was sent | Live, and State if the hub is behind | Announcing above it (a) | Refused | Replaced | ignored | Offline | kept |
//! | [`Live`](Phase::Live) | it is the source's writer | ignored | Announcing above it (a) | Refused | Replaced | served | Offline | sent and kept |
//! | [`Refused`](Phase::Refused) | for good | ignored | ignored | ignored | ignored | ignored | | an error |
//! | [`Replaced`](Phase::Replaced) | another's newer epoch took its place | ignored | ignored | ignored | ignored | served | | an error |
//!
//! (a) A writer that has sent nothing in its epoch takes a higher number. One that has (the hub was restarted, and a logger
//! told it of a higher epoch) opens a new epoch that begins with the whole dictionary; what is left of the old one is
//! announced as a replay, which is acknowledged like any epoch and then forgotten.
//!
//! What is kept depends on the [`Level`]: at `logged` each update, until every logger has it; at `received` and `none`
//! nothing, since a hub that lost something is told the newest state. An epoch may begin with a loss: its update 1 is
//! missing, and nothing but the dictionary as of it is kept. When the connection takes no more the writer stops sending
//! and later sends its newest state: a hub that reads slowly costs no memory.

mod epoch;
mod keeping;
mod options;
mod publish;
mod sending;

use alloc::string::String;
use alloc::vec::Vec;

pub use options::{Refusal, WhenFull, WriterChange, WriterOptions};
pub use publish::PublishError;

use crate::frame::Kind;
use crate::limits::Limits;
use crate::output::Output;
use crate::packet::{self, Announce, Announced, ErrorCode, Level, LoggerPresence, Outcome, Packet};
use crate::spool::Bounds;
use crate::time::{Now, Time};
use crate::value::Dictionary;
use epoch::Epoch;
pub(crate) use keeping::Former;
use keeping::Keeping;

/// How far a writer is; see the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// There is no connection.
    Offline,
    /// The hub has been asked.
    Announcing,
    /// It is the source's writer.
    Live,
    /// The hub said no.
    Refused(Refusal),
    /// Another writer's newer epoch took its place.
    Replaced,
}

/// What became of an epoch on this hub so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Not announced, or not accepted yet: nothing was sent in it.
    New,
    /// Accepted once: from then on it is announced with "take over".
    Accepted,
    /// Opened above a higher one after another was accepted; not accepted itself yet.
    Raised,
}

/// What a writer is lent by its session: the connection's output, if there is one, and what is agreed.
pub(crate) struct Line<'a> {
    pub(crate) output: Option<&'a mut Output>,
    pub(crate) limits: &'a Limits,
}

impl Line<'_> {
    /// The output, unless it is full.
    fn ready(&mut self) -> Option<&mut Output> {
        let most = self.limits.client_output;
        self.output.as_deref_mut().filter(|output| output.len() < most)
    }
}

/// The writer of one source.
#[derive(Debug)]
pub struct Writer {
    source: String,
    options: WriterOptions,
    /// Fixed by the first announcement.
    level: Option<Level>,
    phase: Phase,
    standing: Standing,
    epoch: Epoch,
    /// Older epochs that are not acknowledged in full, oldest first.
    replays: Vec<Epoch>,
    /// Updates of replays that were given up.
    abandoned: u64,
    /// Replays that were given up and that the hub is to be told of.
    given_up: Vec<u32>,
    /// The dictionary as of the newest update.
    content: Dictionary,
    /// No less than what `content` has as MessagePack, bytes.
    size: usize,
    /// At level `received`: the epoch that was stated anew, and up to which update of this one it is therefore held.
    restated: Option<(u64, u64)>,
    /// The last update that the hub's dictionary will have when it has read all that was sent on this connection.
    sent: u64,
    /// How far above a higher epoch it goes. Each client has a step of its own: two writers that hear of the same epoch,
    /// from a hub before and after its restart, must not take the same one above it.
    step: u64,
    /// Where patches are made.
    scratch: Vec<u8>,
    /// What outlives the program.
    keeping: Keeping,
}

impl Writer {
    pub(crate) fn new(
        source: String,
        options: WriterOptions,
        limits: &Limits,
        client_id: [u8; 16],
        now: Time,
    ) -> Self {
        Self {
            source,
            level: options.level,
            phase: Phase::Offline,
            standing: Standing::New,
            epoch: Epoch::new(first_epoch(now, client_id), 0, spool_bounds(options.level, limits)),
            options,
            keeping: Keeping::default(),
            replays: Vec::new(),
            abandoned: 0,
            given_up: Vec::new(),
            content: Dictionary::new(),
            size: 0,
            restated: None,
            sent: 0,
            step: step(client_id),
            scratch: Vec::new(),
        }
    }

    /// The source's name.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// How far it is.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// The epoch that it writes.
    pub fn epoch(&self) -> u64 {
        self.epoch.number
    }

    /// What acknowledgements mean; `None` until the hub is known for the first time, where that decides.
    pub fn level(&self) -> Option<Level> {
        self.level
    }

    /// The last update made in this epoch; 0: none.
    pub fn newest(&self) -> u64 {
        self.epoch.newest
    }

    /// The last update of this epoch that is acknowledged; 0: none.
    pub fn acknowledged(&self) -> u64 {
        self.epoch.acknowledged()
    }

    /// Whether update `sequence` of `epoch`, one of this writer's, is acknowledged, and with it all before it.
    pub fn holds(&self, epoch: u64, sequence: u64) -> bool {
        match self.epochs().find(|other| other.number == epoch) {
            Some(epoch) => epoch.acknowledged() >= sequence,
            // It is over and was acknowledged in full, or given up, or is held by what states it anew.
            None => self
                .restated
                .is_none_or(|(restated, newest)| epoch > restated || self.epoch.acknowledged() >= newest),
        }
    }

    /// Updates that are neither acknowledged nor given up, of all its epochs. Always 0 at level `none`.
    pub fn unacknowledged(&self) -> u64 {
        match self.level {
            Some(Level::None) => 0,
            _ => self.epochs().map(Epoch::unacknowledged).sum(),
        }
    }

    /// Updates that were given up because the spool was full, and so are in no timeline.
    ///
    /// Of those, some may come to be acknowledged after all, if a logger had them already.
    pub fn dropped(&self) -> u64 {
        self.abandoned + self.epochs().map(Epoch::dropped).sum::<u64>()
    }

    /// What its spools hold: updates, and bytes.
    pub fn spooled(&self) -> (usize, usize) {
        let spools = self.epochs().filter_map(|epoch| epoch.spool.as_ref());
        spools.fold((0, 0), |(updates, bytes), spool| (updates + spool.updates(), bytes + spool.bytes()))
    }

    /// Whether it has its End.
    pub fn is_ended(&self) -> bool {
        self.epoch.ended
    }

    /// The dictionary as of the newest update.
    pub fn content(&self) -> &Dictionary {
        &self.content
    }

    fn epochs(&self) -> impl Iterator<Item = &Epoch> {
        self.replays.iter().chain(core::iter::once(&self.epoch))
    }

    /// Goes on where a former writer of the source in the same program has stopped: its epoch is the one before, and
    /// what is not acknowledged of it is kept.
    pub(crate) fn succeed(&mut self, former: Self) {
        let Self { epoch, replays, abandoned, given_up, keeping, .. } = former;
        self.abandoned = abandoned;
        self.replays = replays;
        self.given_up = given_up;
        let remains = keeping.remains;
        self.keeping = keeping.handed_on();
        if remains {
            // That one's number was never used.
            self.epoch.number = self.epoch.number.max(epoch.number);
            self.epoch.previous = epoch.previous;
        } else {
            self.epoch.number = self.epoch.number.max(epoch.number + 1);
            self.epoch.previous = epoch.number;
            self.set_aside(epoch);
        }
    }

    /// Keeps the rest of an epoch that is over, to be replayed.
    fn set_aside(&mut self, mut epoch: Epoch) {
        let id = epoch.id;
        epoch.unlink();
        if epoch.is_settled() {
            // This hub may have been restarted since, and ask for it on behalf of a logger that came after.
            self.given_up.extend(id);
            self.abandoned += epoch.dropped();
            self.keeping.over(&epoch);
            return;
        }
        if self.replays.len() >= self.keeping.most_replays() {
            let oldest = self.replays.remove(0);
            self.abandoned += oldest.dropped_without_rest();
            self.given_up.extend(oldest.id);
            self.keeping.over(&oldest);
        }
        self.replays.push(epoch);
    }
}

/// What comes from the hub, and goes to it.
impl Writer {
    /// There is a connection: announces what there is.
    pub(crate) fn connected(&mut self, line: &mut Line<'_>, logger: LoggerPresence) {
        if self.keeping.remains {
            self.announce_replays(line);
        } else if self.phase == Phase::Offline {
            self.fix_level(logger);
            self.announce(line);
        }
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&mut self) {
        self.sent = 0;
        self.epoch.unlink();
        self.replays.iter_mut().for_each(Epoch::unlink);
        self.given_up.clear();
        if matches!(self.phase, Phase::Announcing | Phase::Live) {
            self.phase = Phase::Offline;
        }
    }

    /// The numbers by which the hub knows its epochs on this connection.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        self.epochs().filter_map(|epoch| epoch.id)
    }

    fn fix_level(&mut self, logger: LoggerPresence) {
        let level = self.level.unwrap_or(match logger {
            _ if self.keeping.keeps => Level::Logged,
            LoggerPresence::Never => Level::Received,
            LoggerPresence::Away | LoggerPresence::Present => Level::Logged,
        });
        self.level = Some(level);
        if level != Level::Logged {
            self.epoch.spool = None;
        }
    }

    fn announce_replays(&mut self, line: &mut Line<'_>) {
        self.tell_given_up(line);
        let Some(output) = line.output.as_deref_mut() else { return };
        for replay in self.replays.iter_mut().filter(|replay| !replay.replay_announced) {
            replay.replay_announced = true;
            output.send(&Packet::Announce(Announce {
                epoch: replay.number,
                previous: replay.before(),
                newest: replay.newest,
                level: Level::Logged,
                replay: true,
                take_over: replay.accepted,
                source: &self.source,
            }));
        }
    }

    fn announce(&mut self, line: &mut Line<'_>) {
        self.announce_replays(line);
        let Some(output) = line.output.as_deref_mut() else { return };
        output.send(&Packet::Announce(Announce {
            epoch: self.epoch.number,
            previous: self.epoch.previous,
            newest: self.epoch.newest,
            level: self.level.unwrap_or(Level::Received),
            replay: false,
            take_over: match self.standing {
                Standing::New => self.options.take_over,
                Standing::Accepted => true,
                Standing::Raised => false,
            },
            source: &self.source,
        }));
        self.phase = Phase::Announcing;
    }

    /// The hub's answer to an announcement, or its later notice that a higher epoch is known.
    pub(crate) fn announced(
        &mut self,
        line: &mut Line<'_>,
        now: Now,
        announced: &Announced<'_>,
    ) -> Option<WriterChange> {
        if announced.epoch != self.epoch.number {
            self.replay_announced(announced);
            self.tell_given_up(line);
            return None;
        }
        match (&self.phase, announced.outcome) {
            (Phase::Announcing, Outcome::Accepted) if announced.live > self.epoch.newest => {
                // The hub knows more of this epoch than its writer does: it cannot be this writer's.
                Some(self.raise(line, now, announced.highest.max(announced.epoch)))
            }
            (Phase::Announcing, Outcome::Accepted) => Some(self.accepted(line, announced)),
            (Phase::Announcing | Phase::Live, Outcome::Lower) => {
                Some(self.raise(line, now, announced.highest))
            }
            (Phase::Announcing, Outcome::Equal) if !self.has_sent() => {
                Some(self.raise(line, now, announced.highest.max(announced.epoch)))
            }
            (Phase::Announcing | Phase::Live, outcome) if outcome != Outcome::Accepted => {
                Some(self.refuse(outcome, announced.reason))
            }
            _ => None,
        }
    }

    fn replay_announced(&mut self, announced: &Announced<'_>) {
        let place = self.replays.iter().position(|replay| replay.number == announced.epoch);
        match (place, announced.outcome) {
            (Some(place), Outcome::Accepted) => {
                let replay = &mut self.replays[place];
                (replay.id, replay.accepted, replay.held) = (Some(announced.id), true, false);
                replay.previous = replay.previous.max(announced.previous);
            }
            (None, Outcome::Accepted) => self.given_up.push(announced.id),
            // Nobody has accepted it, and its number is above the live one's. Or that answers an announcement from
            // before, when it was itself to be live.
            (Some(place), Outcome::Live) => self.replays[place].held = true,
            (_, Outcome::Lower) | (None, _) => {}
            (Some(place), _) => {
                let replay = self.replays.remove(place);
                self.abandoned += replay.dropped_without_rest();
            }
        }
    }

    /// Tells the hub which epochs have nothing left: it would wait for them before it asks for newer ones.
    fn tell_given_up(&mut self, line: &mut Line<'_>) {
        let Some(output) = line.output.as_deref_mut() else { return };
        for id in self.given_up.drain(..) {
            output.send(&Packet::Error(packet::Error {
                code: ErrorCode::Invalid,
                about: Kind::Announce as u8,
                reference: id.into(),
                closing: false,
                text: "its writer has nothing left of it",
            }));
        }
    }

    fn accepted(&mut self, line: &mut Line<'_>, announced: &Announced<'_>) -> WriterChange {
        let most = line.limits.dictionary;
        if self.size > most && self.exact_size() > most {
            let reason =
                alloc::format!("its dictionary of {} bytes is over this hub's limit of {most}", self.size);
            return self.refuse(Outcome::Limit, &reason);
        }
        self.phase = Phase::Live;
        self.standing = Standing::Accepted;
        self.epoch.id = Some(announced.id);
        self.epoch.accepted = true;
        // The next hub, or this one's next run, has to be told what this one saw.
        self.epoch.previous = self.epoch.previous.max(announced.previous);
        self.sent = announced.live;
        for replay in self.replays.iter_mut().filter(|replay| replay.held) {
            (replay.held, replay.replay_announced) = (false, false);
        }
        self.announce_replays(line);
        self.catch_up(line);
        WriterChange::Live { level: self.level.unwrap_or(Level::Received) }
    }

    fn refuse(&mut self, outcome: Outcome, reason: &str) -> WriterChange {
        let refusal = Refusal { outcome, reason: reason.into() };
        self.phase = Phase::Refused(refusal.clone());
        WriterChange::Refused(refusal)
    }

    /// A higher epoch is known: goes above it.
    fn raise(&mut self, line: &mut Line<'_>, now: Now, highest: u64) -> WriterChange {
        let from = self.epoch.number;
        let Some(above) = highest.max(from).checked_add(self.step) else {
            return self.refuse(Outcome::Lower, "the highest epoch there can be is taken");
        };
        let to = now.time.as_epoch().max(above);
        if self.has_sent() {
            let bounds = spool_bounds(self.level, line.limits);
            let (loss, ended) = (self.epoch.loss_to_state(), self.epoch.ended);
            let old = core::mem::replace(&mut self.epoch, Epoch::new(to, highest, bounds));
            self.set_aside(old);
            self.restate(now.time, loss, ended);
            self.restated = (self.level == Some(Level::Received)).then_some((from, self.epoch.newest));
        } else {
            self.keeping.forget(self.epoch.renumber(to, highest));
        }
        if self.standing == Standing::Accepted {
            self.standing = Standing::Raised;
        }
        self.sent = 0;
        self.announce(line);
        WriterChange::Raised { from, to }
    }

    fn has_sent(&self) -> bool {
        self.standing == Standing::Accepted && self.epoch.newest > 0
    }

    /// Another writer took the place of this one. A hub may still ask for what is left of it.
    pub(crate) fn replaced(&mut self, id: u32) -> Option<WriterChange> {
        if self.epoch.id != Some(id) || self.phase != Phase::Live {
            return None;
        }
        self.phase = Phase::Replaced;
        Some(WriterChange::Replaced)
    }

    /// Takes an acknowledgement in.
    ///
    /// # Errors
    ///
    /// The newest update of that epoch, if one that was never made is acknowledged.
    pub(crate) fn acknowledged_through(
        &mut self,
        id: u32,
        sequence: u64,
    ) -> Result<Option<WriterChange>, u64> {
        let replay = self.replays.iter().position(|replay| replay.id == Some(id));
        let epoch = match replay {
            Some(place) => &mut self.replays[place],
            None if self.epoch.id == Some(id) => &mut self.epoch,
            None => return Ok(None),
        };
        if sequence > epoch.most_acknowledged() {
            return Err(epoch.newest);
        }
        epoch.acknowledge(sequence);
        if let Some(place) = replay
            && self.replays[place].is_settled()
        {
            let settled = self.replays.remove(place);
            self.abandoned += settled.dropped();
            self.keeping.over(&settled);
        }
        Ok(Some(WriterChange::Acknowledged { sequence: self.epoch.acknowledged() }))
    }
}

/// The epoch that a client begins with. Before 1970, where clocks are not set, each client has one of its own.
fn first_epoch(now: Time, client_id: [u8; 16]) -> u64 {
    match now.as_epoch() {
        0 => step(client_id),
        start => start,
    }
}

/// A client's own distance between epochs: at most a second, as epochs are microseconds.
fn step(client_id: [u8; 16]) -> u64 {
    let [a, b, c, d, ..] = client_id;
    1 + u64::from(u32::from_le_bytes([a, b, c, d])) % 1_000_000
}

/// What the spool of an epoch holds at most, if it has one.
fn spool_bounds(level: Option<Level>, limits: &Limits) -> Option<Bounds> {
    matches!(level, None | Some(Level::Logged))
        .then_some(Bounds { updates: limits.spool_updates, bytes: limits.spool })
}
