//! The path of every update: from its writer into the hub's dictionary, and on to watchers and followers.
//!
//! An update is checked in place, applied to the encoded dictionary, stamped and encoded once, and copied to each
//! connection that is in step. Positions decide, per receiver, whether sequence `s` is the next one:
//!
//! | receiver | position | takes |
//! |---|---|---|
//! | the hub's dictionary and its watchers | `live` | `s = live + 1`; else a State, to which `live` jumps |
//! | a follower (a logger) | what it holds or was sent | `s = position + 1`; a State only if it says what is missing |

use std::time::Duration;

use dict_protocol::change::Patch;
use dict_protocol::connection::ConnectionError;
use dict_protocol::encoding::messagepack::{self, DictionaryBytes};
use dict_protocol::packet::{Level, MissingFrom, Mode, Packet, Source as SourcePacket, State, Update};
use dict_protocol::raw::{RawDictionary, Size};
use dict_protocol::record::{GapReason, Stamp};
use dict_protocol::time::{Instant, Now, Time};

use crate::hub::{Hub, Timer};
use crate::peers::{ConnectionId, Due, PeerIndex};
use crate::sources::{Pending, Source, SourceId, Watcher};

impl Hub {
    /// An update came from a connection.
    pub(crate) fn update(
        &mut self,
        now: Now,
        from: PeerIndex,
        update: &Update<'_>,
    ) -> Result<(), ConnectionError> {
        let limits = &self.config.limits;
        let patch = Patch::parse(update.patch, limits.depth)
            .map_err(|error| ConnectionError::Rule(format!("a malformed patch: {error}")))?;
        let most = Size { keys: limits.keys, bytes: limits.dictionary };
        let Some(source) = self.sources.written_by(update.source, from)? else { return Ok(()) };
        if source.takes(update.sequence) && !source.state.would_fit(&patch, most) {
            return Err(too_large(source.state.would_be(&patch), most));
        }
        source.heard = now.instant;
        let stamp = self.stamp(now, from, update.stamp.writer_time);
        self.pass_on(now, &Update { stamp, ..*update }, &patch);
        if update.end_of_slice {
            self.slice_ended(update.source, update.sequence);
        }
        Ok(())
    }

    /// A whole dictionary came from a connection.
    pub(crate) fn state(
        &mut self,
        now: Now,
        from: PeerIndex,
        state: &State<'_>,
    ) -> Result<(), ConnectionError> {
        let limits = &self.config.limits;
        let whole = DictionaryBytes::parse(state.dictionary, limits.depth)
            .map_err(|error| ConnectionError::Rule(format!("a malformed dictionary: {error}")))?;
        let most = Size { keys: limits.keys, bytes: limits.dictionary };
        let size = Size { keys: whole.len(), bytes: state.dictionary.len() };
        if !size.fits(most) {
            return Err(too_large(size, most));
        }
        let Some(source) = self.sources.written_by(state.source, from)? else { return Ok(()) };
        source.heard = now.instant;
        let stamp = self.stamp(now, from, state.stamp.writer_time);
        self.pass_state_on(&State { stamp, ..*state }, &whole);
        match state.missing {
            _ if !state.end_of_slice => {}
            Some(_) => self.slice_ended(state.source, state.sequence),
            // There is nothing to send.
            None => self.close_resume(state.source),
        }
        self.mark_due(state.source);
        Ok(())
    }

    fn stamp(&self, now: Now, from: PeerIndex, writer_time: Time) -> Stamp {
        let peer = &self.peers[from];
        Stamp { hub_time: now.time, writer_time, offset: peer.offset, uncertainty: peer.uncertainty }
    }

    /// Brings a stamped update of a source that is there to whomever it is next for.
    pub(crate) fn pass_on(&mut self, now: Now, update: &Update<'_>, patch: &Patch<'_>) {
        self.frame.clear();
        Update { end_of_slice: false, ..*update }.encode(&mut self.frame);
        let source = &mut self.sources[update.source];
        source.newest = source.newest.max(update.sequence);
        if source.takes(update.sequence) {
            source.live = update.sequence;
            source.stamp = update.stamp;
            self.changed.clear();
            source.state.apply(patch, |slot| self.changed.push(slot));
            if source.level == Level::Received {
                self.mark_due(update.source);
            }
            self.show_watchers(now, update.source, update.sequence);
            if update.end {
                self.ended(now, update.source);
            }
        }
        self.show_followers(update.source, update.sequence, update.replayed);
    }

    /// Passes the frame of an update that was applied to those that watch.
    fn show_watchers(&mut self, now: Now, id: SourceId, sequence: u64) {
        let limits = &self.config.limits;
        let source = &mut self.sources[id];
        let mut stalled = Vec::new();
        for watcher in &mut source.watchers {
            if watcher.seen.is_none() || !watcher.pending.is_nothing() {
                watcher.pending.mark(&self.changed);
                continue;
            }
            let queued = self.peers[watcher.peer].connection.output.len() + self.frame.len();
            let in_step = match watcher.mode {
                Mode::Every => queued <= limits.every_output,
                _ => queued <= limits.latest_output && now.instant >= watcher.next,
            };
            if in_step {
                watcher.seen = Some(sequence);
                watcher.wait(now.instant);
                self.peers.append(watcher.peer, &self.frame);
            } else {
                watcher.pending.mark(&self.changed);
                stalled.push((watcher.peer, watcher.mode));
            }
        }
        if source.state.slots() as usize > 2 * source.state.len() + 64 && source.state.compact() {
            for watcher in source.watchers.iter_mut().filter(|watcher| !watcher.pending.is_nothing()) {
                watcher.pending = Pending::All;
            }
        }
        for (peer, mode) in stalled {
            if mode == Mode::Every {
                self.too_slow(now, peer);
            } else {
                self.queue_watcher(id, peer);
            }
        }
    }

    /// Passes the frame of an update to those loggers that it is next for and that have room.
    fn show_followers(&mut self, id: SourceId, sequence: u64, replayed: bool) {
        self.pass_frame(id, sequence, replayed, |position| position == sequence - 1);
    }

    /// Passes a frame that leads up to `sequence` to those loggers that it is next for and that have room: what was asked
    /// for has its own, which was kept free.
    fn pass_frame(&mut self, id: SourceId, sequence: u64, replayed: bool, is_next: impl Fn(u64) -> bool) {
        let limit = self.config.limits.durable_output;
        let source = &mut self.sources[id];
        if source.held {
            return;
        }
        for follower in &mut source.followers {
            if !follower.position.is_some_and(&is_next) {
                continue;
            }
            let peer = &mut self.peers[follower.peer];
            let length = self.frame.len();
            match &mut source.resume {
                Some(resume) if replayed && resume.peer == Some(follower.peer) => {
                    let used = length.min(resume.reserved);
                    resume.reserved -= used;
                    peer.dealings_mut().reserved -= used;
                }
                _ if peer.connection.output.len() + peer.dealings().reserved + length > limit => {
                    peer.waits_for_room = true;
                    continue;
                }
                _ => {}
            }
            follower.position = Some(sequence);
            self.peers.append(follower.peer, &self.frame);
        }
    }

    /// Brings a stamped State of a source that is there to whomever it helps on.
    pub(crate) fn pass_state_on(&mut self, state: &State<'_>, whole: &DictionaryBytes<'_>) {
        let source = &mut self.sources[state.source];
        source.newest = source.newest.max(state.sequence);
        if !source.replay && state.sequence > source.live {
            source.live = state.sequence;
            source.stamp = state.stamp;
            source.state.replace(whole);
            let mut owed = Vec::new();
            for watcher in &mut source.watchers {
                watcher.pending = Pending::All;
                owed.push(watcher.peer);
            }
            for peer in owed {
                self.queue_watcher(state.source, peer);
            }
        }
        let Some(missing) = state.missing else { return };
        if !state.replayed {
            return self.began_after_loss(state.source, missing);
        }
        self.frame.clear();
        State { end_of_slice: false, ..*state }.encode(&mut self.frame);
        let (first, last) = (missing.first.saturating_sub(1), state.sequence);
        self.pass_frame(state.source, last, true, |position| first <= position && position < last);
    }

    /// A source's writer says, unasked, that its epoch began after a loss. Where it keeps something for followers they are
    /// told by what it answers to a Resume; else by this hub, now if they can be.
    fn began_after_loss(&mut self, id: SourceId, missing: MissingFrom) {
        let source = &mut self.sources[id];
        source.lost = Some(missing).filter(|missing| missing.first == 1);
        if source.level != Level::Logged {
            self.give_state(id);
        }
    }

    /// Puts a watcher that has something pending into its connection's list, now or when its interval is over.
    fn queue_watcher(&mut self, id: SourceId, peer: PeerIndex) {
        let Some(watcher) = self.sources[id].watcher(peer) else { return };
        if !std::mem::replace(&mut watcher.queued, true) {
            self.owe(peer, Due::Source(id));
        }
    }

    pub(crate) fn interval_over(&mut self, id: ConnectionId, source: SourceId) {
        let Some(peer) = self.peers.find(id) else { return };
        if self.sources.find(source).is_some_and(|source| source.watcher(peer).is_some()) {
            self.owe(peer, Due::Source(source));
        }
    }

    /// Sends a subscriber what it has not seen of a source.
    pub(crate) fn feed_source(&mut self, now: Now, peer: PeerIndex, id: SourceId) {
        let Some(source) = self.sources.find(id) else { return };
        if let Some(follower) = source.follower(peer) {
            follower.queued = false;
            if !std::mem::replace(&mut follower.introduced, true) {
                let presence = source.presence();
                if source.before > 0 {
                    let previous = source.before;
                    self.peers.send(peer, &Packet::Source(SourcePacket { previous, ..presence }));
                }
                self.peers.send(peer, &Packet::Source(presence));
            }
            return;
        }
        let Some(watcher) = source.watcher(peer) else { return };
        let introduce = !std::mem::replace(&mut watcher.introduced, true);
        watcher.queued = false;
        let (next, live) = (watcher.next, source.live);
        if introduce {
            self.peers.send(peer, &Packet::Source(self.sources[id].presence()));
        }
        let source = &mut self.sources[id];
        let Some(watcher) = source.watcher(peer) else { return };
        if watcher.pending.is_nothing() {
            return;
        }
        if live == 0 {
            watcher.pending = Pending::Nothing;
            watcher.seen = Some(0);
            return;
        }
        if now.instant < next {
            watcher.queued = true;
            let connection = self.peers[peer].id;
            self.set_timer(next, Timer::Interval(connection, id));
            return;
        }
        self.catch_up(now.instant, peer, id);
    }

    /// Sends a watcher the merged changes, or the State, that bring it to `live`.
    pub(crate) fn catch_up(&mut self, now: Instant, peer: PeerIndex, id: SourceId) {
        let source = &mut self.sources[id];
        let (sequence, stamp) = (source.live, source.stamp);
        // The first update states the whole dictionary: a State in its place leaves nothing out.
        let is_first = sequence == 1 && source.lost.is_none();
        let Some(watcher) = source.watcher(peer) else { return };
        let pending = std::mem::replace(&mut watcher.pending, Pending::Nothing);
        let seen = watcher.seen.replace(sequence);
        let every = watcher.mode == Mode::Every;
        watcher.wait(now);
        self.body.clear();
        let (end, end_of_slice, replayed) = (false, false, false);
        if let (Pending::Slots(bits), Some(_), false) = (pending, seen, every) {
            merge(&source.state, &bits, &mut self.body);
            // Keys that are gone may be more by now than there ever were at once.
            if self.body.len() <= self.config.limits.dictionary {
                let patch = &self.body;
                let update = Update { source: id, sequence, stamp, end, end_of_slice, replayed, patch };
                return self.peers.send(peer, &Packet::Update(update));
            }
            self.body.clear();
        }
        source.state.encode(&mut self.body);
        // One that wants every update is told which ones it did not get.
        let missing = seen.filter(|&seen| every && seen < sequence && !is_first).map(|seen| MissingFrom {
            first: seen + 1,
            since: Time::default(),
            reason: GapReason::LinkLost,
        });
        let dictionary = &self.body;
        let state = State { source: id, sequence, stamp, missing, end_of_slice, replayed, dictionary };
        self.peers.send(peer, &Packet::State(state));
    }
}

impl Source {
    /// Whether the hub's dictionary takes an update of this sequence.
    fn takes(&self, sequence: u64) -> bool {
        !self.replay && self.live.checked_add(1) == Some(sequence)
    }
}

impl Watcher {
    /// An update was sent: the next one waits for the interval to pass.
    fn wait(&mut self, now: Instant) {
        if self.interval > 0 {
            self.next = now + Duration::from_millis(self.interval.into());
        }
    }
}

/// Writes the patch that says how the marked slots are now: removals first, then sets.
fn merge(state: &RawDictionary, bits: &[u64], out: &mut Vec<u8>) {
    let slots = || {
        bits.iter().zip(0u32..).flat_map(|(&word, place)| {
            (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| state.slot(place * 64 + bit))
        })
    };
    let removed = slots().filter(|(_, value)| value.is_none()).count();
    messagepack::write_array_len(removed as u32, out);
    for (key, _) in slots().filter(|(_, value)| value.is_none()) {
        write_key(key, out);
    }
    messagepack::write_map_len((slots().count() - removed) as u32, out);
    for (key, value) in slots() {
        if let Some(value) = value {
            write_key(key, out);
            out.extend_from_slice(value.as_bytes());
        }
    }
}

fn write_key(key: &str, out: &mut Vec<u8>) {
    messagepack::write_text(key, out).expect("the key came as MessagePack, so it is not too long for it");
}

fn too_large(size: Size, most: Size) -> ConnectionError {
    if size.keys > most.keys {
        ConnectionError::Limit {
            name: "keys",
            what: "a dictionary's number of keys",
            value: size.keys as u64,
            limit: most.keys as u64,
        }
    } else {
        let (value, limit) = (size.bytes as u64, most.bytes as u64);
        ConnectionError::Limit { name: "dictionary", what: "a dictionary's size in bytes", value, limit }
    }
}
