//! Loggers: their positions, what they lack, and what their commits allow to be acknowledged.
//!
//! A follower behind its source is helped in one of two ways. At level `logged` the writer's spool has what it lacks: one
//! Resume is open per source, for the follower furthest behind that has room, and the room is kept free until the slice
//! has come. At the other levels nobody has it: the follower gets the hub's State, which says what is missing.

use std::time::Duration;

use dict_protocol::connection::ConnectionError;
use dict_protocol::packet::{Ack, Level, MissingFrom, Packet, Resume, Source as SourcePacket, State, Update};
use dict_protocol::record::GapReason;
use dict_protocol::time::{Now, Time};

use crate::hub::{Hub, Timer};
use crate::peers::PeerIndex;
use crate::rules::Rule;
use crate::sources::{OpenResume, Source, SourceId, Writer};

/// Heartbeats that a writer may take to answer a Resume: a slow link has to carry what was queued before the answer.
const SLICE_HEARTBEATS: u32 = 12;

/// A patch that changes nothing.
const NOTHING: &[u8] = &[0x90, 0x80];

impl Hub {
    /// A logger has committed.
    pub(crate) fn ack(&mut self, from: PeerIndex, ack: Ack) {
        let Some(source) = self.sources.find(ack.source) else { return };
        let Some(follower) = source.follower(from) else { return };
        // It cannot hold what it was not sent.
        let sequence = ack.sequence.min(follower.position.unwrap_or(0));
        if sequence > follower.committed {
            follower.committed = sequence;
            self.mark_due(ack.source);
        }
    }

    /// A logger tells what it holds.
    pub(crate) fn resume(&mut self, now: Now, from: PeerIndex, resume: Resume) {
        let (counts, learns) = (self.keeps(Rule::ResumeIsAck), self.keeps(Rule::HighestIsLearned));
        let Some(source) = self.sources.find(resume.source) else { return };
        // Whatever a logger says, a writer is not told of updates that it never made: it would end its connection.
        let newest = source.newest;
        let Some(follower) = source.follower(from) else { return };
        follower.position = Some(resume.after);
        if counts {
            follower.committed = resume.after.min(newest);
        }
        self.mark_due(resume.source);
        if learns {
            self.learn_highest(now, from, resume.source, resume.highest);
        }
    }

    /// At the end of a turn: acknowledges to a source's writer, and helps its followers on.
    pub(crate) fn look_after(&mut self, now: Now, id: SourceId) {
        #[cfg(feature = "properties")]
        let misjudged = self.sources.peek(id).and_then(|source| self.misjudged(source));
        let Some(source) = self.sources.find(id) else { return };
        source.due = false;
        let sequence = source.held_by_all();
        #[cfg(feature = "properties")]
        let sequence = misjudged.unwrap_or(sequence);
        if sequence > source.acked || (source.announce_ack && sequence > 0) {
            source.acked = sequence;
            match source.writer {
                Writer::Peer(writer) => self.peers.send(writer, &Packet::Ack(Ack { source: id, sequence })),
                Writer::Hub => self.journal_logged(now, sequence),
                Writer::Nobody => {}
            }
        }
        let source = &mut self.sources[id];
        source.announce_ack = false;
        let (is_logged, is_over) =
            (source.level == Level::Logged, source.replay && source.acked >= source.newest);
        if is_over && self.keeps(Rule::ReplayIsWithdrawn) {
            self.withdraw(now, id);
        } else if is_logged {
            self.ask(now, id);
        } else {
            self.give_state(id);
        }
    }

    /// Every logger has all of an older epoch's rest: it is over, and the newer epoch goes on.
    fn withdraw(&mut self, now: Now, id: SourceId) {
        if let Writer::Peer(writer) = self.sources[id].writer {
            self.peers[writer].stop_writing(id);
            self.writer_gone(now, id, writer, &"acknowledged in full".into());
        }
    }

    /// Asks a source's writer for what a follower lacks.
    fn ask(&mut self, now: Now, id: SourceId) {
        let limits = &self.config.limits;
        let needed = (limits.slice + limits.body) as usize;
        let reserved = if self.keeps(Rule::RoomIsReserved) { needed } else { 0 };
        let (updates, bytes) = (limits.slice_updates, limits.slice);
        let source = &mut self.sources[id];
        if source.resume.is_some() || source.held || !source.has_writer() {
            return;
        }
        let mut furthest: Option<(u64, PeerIndex)> = None;
        for follower in &source.followers {
            let Some(position) = follower.position.filter(|&position| position < source.newest) else {
                continue;
            };
            let peer = &mut self.peers[follower.peer];
            if !peer.has_room(needed, limits) {
                peer.waits_for_room = true;
            } else if furthest.is_none_or(|(least, _)| position < least) {
                furthest = Some((position, follower.peer));
            }
        }
        let Some((after, peer)) = furthest else { return };
        self.peers[peer].dealings_mut().reserved += reserved;
        source.resume = Some(OpenResume { peer: Some(peer), reserved, after });
        match source.writer {
            Writer::Peer(writer) => {
                let resume = Resume { source: id, after, highest: 0, updates, bytes };
                self.peers.send(writer, &Packet::Resume(resume));
                source.heard = now.instant;
                self.set_timer(now.instant + self.slice_patience(), Timer::Slice(id));
            }
            Writer::Hub => self.replay_journal(now, after),
            Writer::Nobody => {}
        }
    }

    /// How long a writer may send nothing of a source that it was asked for.
    fn slice_patience(&self) -> Duration {
        self.config.limits.heartbeat * SLICE_HEARTBEATS
    }

    /// A writer that does not answer a Resume would hold up its source's loggers, and a replay the newer epochs too.
    pub(crate) fn check_slice(&mut self, now: Now, id: SourceId) {
        let patience = self.slice_patience();
        let Some(source) = self.sources.find(id) else { return };
        let (Some(_), Writer::Peer(writer)) = (source.resume, source.writer) else { return };
        let until = source.heard + patience;
        if now.instant < until {
            return self.set_timer(until, Timer::Slice(id));
        }
        let text = format!(
            "a Resume of source {id} ({}) was not answered for {} s",
            source.name,
            patience.as_secs()
        );
        self.fail(now, writer, &ConnectionError::Rule(text));
    }

    /// Gives followers of a source whose writer keeps nothing the dictionary as it is, and says what is missing.
    pub(crate) fn give_state(&mut self, id: SourceId) {
        let source = &self.sources[id];
        let live = source.live;
        let behind: Vec<usize> = (0..source.followers.len())
            .filter(|&place| source.followers[place].position.is_some_and(|position| position < live))
            .collect();
        for place in behind {
            let limits = &self.config.limits;
            let follower = &mut self.sources[id].followers[place];
            let peer = &mut self.peers[follower.peer];
            if !peer.has_room(limits.body as usize, limits) {
                peer.waits_for_room = true;
                continue;
            }
            let position = follower.position.replace(live).unwrap_or(0);
            let (to, came_late) = (follower.peer, follower.came_late);
            self.state_missing(id, to, position, came_late);
        }
    }

    /// Sends a follower at `position` the dictionary, and the End, if there is one: in a State it would be lost.
    fn state_missing(&mut self, id: SourceId, to: PeerIndex, position: u64, came_late: bool) {
        let source = &self.sources[id];
        let sequence = if source.ended { source.live - 1 } else { source.live };
        let (stamp, replayed, end_of_slice) = (source.stamp, true, false);
        let lost = source.lost.filter(|_| position == 0);
        if sequence == 1 && position == 0 && lost.is_none() {
            // Update 1 states the whole dictionary, so the dictionary as of update 1 is that update, if it is not lost.
            self.body.clear();
            self.body.push(0x90);
            source.state.encode(&mut self.body);
            let patch = &self.body;
            let update = Update { source: id, sequence, stamp, end: false, end_of_slice, replayed, patch };
            self.peers.send(to, &Packet::Update(update));
        } else if sequence > position {
            self.body.clear();
            source.state.encode(&mut self.body);
            let reason =
                if came_late && position == 0 { GapReason::BeforeLogger } else { GapReason::NotKept };
            let not_here = MissingFrom { first: position + 1, since: Time::default(), reason };
            let missing = Some(lost.unwrap_or(not_here));
            let dictionary = &self.body;
            let state = State { source: id, sequence, stamp, missing, end_of_slice, replayed, dictionary };
            self.peers.send(to, &Packet::State(state));
        }
        if source.ended {
            let (sequence, end, patch) = (source.live, true, NOTHING);
            let update = Update { source: id, sequence, stamp, end, end_of_slice, replayed, patch };
            self.peers.send(to, &Packet::Update(update));
        }
    }

    /// A slice has come to its end. One that answers an earlier Resume, which an announcement closed, is not what is
    /// waited for: taken for it, every further slice would be asked for twice.
    pub(crate) fn slice_ended(&mut self, id: SourceId, last: u64) {
        let open = self.sources.find(id).and_then(|source| source.resume);
        if open.is_some_and(|resume| last > resume.after) {
            self.close_resume(id);
            self.mark_due(id);
        }
    }

    /// The slice that was asked for has come, or will not.
    pub(crate) fn close_resume(&mut self, id: SourceId) {
        let Some(source) = self.sources.find(id) else { return };
        if let Some(OpenResume { peer: Some(peer), reserved, .. }) = source.resume.take() {
            self.peers[peer].dealings_mut().reserved -= reserved;
        }
    }
}

impl Source {
    /// How a subscriber is told of it.
    pub(crate) fn presence(&self) -> SourcePacket<'_> {
        SourcePacket {
            id: self.id,
            epoch: self.epoch,
            previous: self.previous,
            online: self.is_online(),
            replay: self.replay,
            name: &self.name,
            writer: &self.writer_name,
            reason: &self.offline,
        }
    }
}
