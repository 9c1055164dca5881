//! Who writes a source: epochs, taking over, replays, and a writer's going.
//!
//! An announcement of epoch `e` of a source whose highest known epoch is `h`:
//!
//! | announced | known | answer |
//! |---|---|---|
//! | replay, any `e`, never accepted | a lower live epoch | Live: after a newer one of its writer's |
//! | replay, any `e` | the same client id, or none | Accepted: for followers alone, neither fences nor is fenced; the connection is taken over |
//! | replay | another client's | Equal |
//! | `e < h` | | Lower, with `h` |
//! | `e = h` | the same client id | Accepted: the connection is taken over, unless it is an older one |
//! | `e = h` | another client id | Equal, and an alarm |
//! | `e = h` | told by a logger alone: no number here | Accepted |
//! | `e > h` | nobody live, or the same client id, or "take over" | Accepted: the older epoch is replaced |
//! | `e > h` | another client's live writer | Live |

use std::sync::Arc;

use dict_protocol::connection::ConnectionError;
use dict_protocol::name;
use dict_protocol::packet::{Announce, Announced, ErrorCode, Level, Outcome, Packet, Source as SourcePacket};
use dict_protocol::raw::RawDictionary;
use dict_protocol::time::Now;

use crate::access::Right;
use crate::hub::{Hub, Notice};
use crate::journal::Event;
use crate::peers::PeerIndex;
use crate::rules::Rule;
use crate::sources::{Source, SourceId, Writer};
use crate::words::tame;

/// The highest epoch that a writer may begin with: microseconds for 146,000 years.
const HIGHEST_EPOCH: u64 = 1 << 62;
/// How far above the highest epoch known a writer may go.
const STEP: u64 = 1_000_000;

/// The highest epoch that a source may have after `highest`.
fn highest_after(highest: u64) -> u64 {
    HIGHEST_EPOCH.max(highest.saturating_add(STEP))
}

impl Hub {
    pub(crate) fn announce(&mut self, now: Now, from: PeerIndex, announce: &Announce<'_>) {
        let verdict = name::validate(announce.source, self.config.limits.name)
            .map_err(|error| (Outcome::Name, error.to_string()))
            .and_then(|()| self.admit_identity(from, announce))
            .and_then(|()| self.admit_number(announce))
            .and_then(|()| {
                if announce.replay {
                    self.admit_replay(from, announce)
                } else {
                    self.admit_live(now, from, announce)
                }
            });
        match verdict {
            Ok(Some(id)) if self.is_left(from, id) => {
                let text = format!("{} was announced on a newer connection of this client", announce.source);
                self.fail(now, from, &ConnectionError::Rule(text));
            }
            Ok(id) => self.accept(now, from, announce, id),
            Err((outcome, reason)) => self.answer_announce(from, announce, outcome, None, &reason),
        }
    }

    /// Whether a client may write that source at all.
    fn admit_identity(&self, from: PeerIndex, announce: &Announce<'_>) -> Result<(), (Outcome, String)> {
        let standing = &self.peers[from].standing;
        if standing.permits(Right::Write, announce.source) {
            return Ok(());
        }
        let text = standing.lacks(Right::Write, format_args!("source {:?}", announce.source));
        Err((Outcome::Forbidden, text))
    }

    /// Whether a number may be an epoch. One far above all that a clock shows would leave no room above it for a source's
    /// later writers.
    fn admit_number(&self, announce: &Announce<'_>) -> Result<(), (Outcome, String)> {
        let most = highest_after(self.sources.names.get(announce.source).map_or(0, |name| name.highest));
        if (1..=most).contains(&announce.epoch) {
            return Ok(());
        }
        Err((Outcome::Limit, format!("epoch {} is not between 1 and {most}", announce.epoch)))
    }

    /// Decides about a live epoch; makes place for it if it may be.
    fn admit_live(
        &mut self,
        now: Now,
        from: PeerIndex,
        announce: &Announce<'_>,
    ) -> Result<Option<SourceId>, (Outcome, String)> {
        let client_id = self.peers[from].client_id;
        let Some(name) = self.sources.names.get(announce.source) else { return Ok(None) };
        let (highest, current) = (name.highest, name.current);
        if announce.epoch < highest && self.keeps(Rule::LowerIsRefused) {
            return Err((Outcome::Lower, format!("epoch {highest} is known, {} is older", announce.epoch)));
        }
        let Some(current) = current else { return Ok(None) };
        let source = &self.sources[current];
        let same_client = source.client_id == client_id;
        if announce.epoch == source.epoch {
            if !same_client {
                let text = format!(
                    "source {}: epoch {} was announced by two clients, {:?} and {:?}",
                    announce.source,
                    announce.epoch,
                    source.writer_name,
                    self.peers[from].name()
                );
                self.alarm(now, text.clone());
                return Err((Outcome::Equal, text));
            }
            return Ok(Some(current));
        }
        if source.is_online() && !same_client && !announce.take_over {
            let text = format!(
                "source {} has a live writer, {:?} at {}; take over to replace it",
                announce.source,
                source.writer_name,
                self.writer_address(source)
            );
            return Err((Outcome::Live, text));
        }
        self.replace(current, announce.epoch);
        Ok(None)
    }

    /// Decides about the rest of an older epoch.
    fn admit_replay(
        &mut self,
        from: PeerIndex,
        announce: &Announce<'_>,
    ) -> Result<Option<SourceId>, (Outcome, String)> {
        let known = self.sources.matching(&dict_protocol::pattern::Pattern::Name(announce.source.to_owned()));
        let Some(&id) = known.iter().find(|&&id| self.sources[id].epoch == announce.epoch) else {
            let current = self.sources.names.get(announce.source).and_then(|name| name.current);
            let live = current.map(|id| &self.sources[id]).filter(|live| live.epoch < announce.epoch);
            if let Some(live) = live.filter(|_| !announce.take_over) {
                let text =
                    format!("epoch {} is live, and no hub has accepted {}", live.epoch, announce.epoch);
                return Err((Outcome::Live, text));
            }
            return Ok(None);
        };
        if self.sources[id].client_id != self.peers[from].client_id {
            let text = format!("epoch {} of {} is another client's", announce.epoch, announce.source);
            return Err((Outcome::Equal, text));
        }
        Ok(Some(id))
    }

    /// Ends the live epoch of a source in favour of a higher one. What its writer still holds of it becomes a replay.
    fn replace(&mut self, id: SourceId, epoch: u64) {
        let source = &self.sources[id];
        let (writer, level) = (source.writer, source.level);
        match writer {
            Writer::Peer(writer) if level == Level::Logged => {
                self.make_replay(id);
                self.tell_replaced(writer, id, epoch);
            }
            Writer::Peer(writer) => {
                self.peers[writer].stop_writing(id);
                self.tell_replaced(writer, id, epoch);
                self.drop_source(id);
            }
            Writer::Nobody | Writer::Hub => self.drop_source(id),
        }
    }

    /// What was a live epoch is the rest of an older one from now on: for followers only.
    fn make_replay(&mut self, id: SourceId) {
        let source = &mut self.sources[id];
        source.replay = true;
        source.state = RawDictionary::default();
        let key = source.name.clone();
        for watcher in std::mem::take(&mut source.watchers) {
            self.peers[watcher.peer].stop_watching(id);
        }
        let name = self.sources.names.get_mut(&key).expect("it is named");
        name.current = None;
        name.replays.push(id);
        self.refresh_held(&key);
        // All of it may be acknowledged already: then it is withdrawn when the turn ends.
        self.mark_due(id);
    }

    fn tell_replaced(&mut self, writer: PeerIndex, id: SourceId, epoch: u64) {
        if !self.keeps(Rule::ReplacedIsTold) {
            return;
        }
        let text = format!("{}: epoch {epoch} of another writer took its place", self.sources[id].name);
        self.refuse(writer, ErrorCode::Replaced, 0, id.into(), &text);
    }

    /// Whether a source's writer has left a connection for a newer one: what still comes on it was long under way.
    fn is_left(&self, connection: PeerIndex, id: SourceId) -> bool {
        let Writer::Peer(writer) = self.sources[id].writer else { return false };
        self.peers[writer].id.is_after(self.peers[connection].id)
    }

    /// Takes an accepted announcement in.
    fn accept(&mut self, now: Now, from: PeerIndex, announce: &Announce<'_>, known: Option<SourceId>) {
        let limit = self.config.limits.sources;
        let number = self.sources.next_id().filter(|_| self.sources.has_room(announce.source, limit));
        let id = match (known, number) {
            (Some(id), _) => self.take_over_connection(now, from, announce, id),
            (None, Some(number)) => self.add_source(from, announce, number),
            (None, None) => {
                let text = format!(
                    "this hub takes at most {limit} sources (limit sources), and 4294967295 in its life"
                );
                return self.answer_announce(from, announce, Outcome::Limit, None, &text);
            }
        };
        let source = &mut self.sources[id];
        // What is left of an epoch is what its writer says: a file that it was in may have lost the rest.
        source.newest = if announce.replay { announce.newest } else { source.newest.max(announce.newest) };
        self.peers[from].dealings_mut().writes.push(id);
        self.refresh_held(announce.source);
        self.answer_announce(from, announce, Outcome::Accepted, Some(id), "");
        self.present(id);
        if !announce.replay {
            let (client, identity) = (Box::<str>::from(self.peers[from].name()), self.identity(from));
            let (client, identity) = (&*client, identity.as_deref());
            self.journal.event(now.time, Event::Online { source: announce.source, client, identity });
        }
        // An acknowledgement that was lost with the last connection is sent again, as it stands now.
        self.sources[id].announce_ack = self.keeps(Rule::AckFollowsAnnounced);
        self.mark_due(id);
    }

    /// The same client came back with an epoch that is known: on a new connection, or on the same one.
    fn take_over_connection(
        &mut self,
        now: Now,
        from: PeerIndex,
        announce: &Announce<'_>,
        id: SourceId,
    ) -> SourceId {
        let (writer_name, identity) = (Box::<str>::from(self.peers[from].name()), self.identity(from));
        if let Writer::Peer(old) = self.sources[id].writer {
            self.peers[old].stop_writing(id);
            if announce.replay && !self.sources[id].replay && old != from {
                // Its program began anew, and its former connection is only not known yet to be gone.
                self.writer_gone(now, id, old, &"its program began anew".into());
            }
        }
        self.close_unanswered(id);
        let source = &mut self.sources[id];
        source.writer = Writer::Peer(from);
        source.writer_name = writer_name;
        source.identity = identity;
        if announce.replay && !source.replay {
            self.make_replay(id);
        }
        id
    }

    fn add_source(&mut self, from: PeerIndex, announce: &Announce<'_>, id: SourceId) -> SourceId {
        let passes_on = self.keeps(Rule::LastIsPassedOn);
        let identity = self.identity(from);
        let peer = &self.peers[from];
        let name: Arc<str> = announce.source.into();
        let entry = self.sources.names.entry(name.clone()).or_default();
        let (mut previous, mut before) = (announce.previous, 0);
        if announce.replay {
            entry.replays.push(id);
        } else {
            entry.current = Some(id);
            // A writer need not know who was before it, or knows of its own epochs alone.
            if passes_on {
                previous = announce.previous.max(entry.last_live);
                before = announce.previous.min(entry.last_live);
                if before == previous {
                    before = 0;
                }
            }
            entry.last_live = announce.epoch;
        }
        entry.highest = entry.highest.max(announce.epoch);
        self.sources.add(Source {
            before,
            replay: announce.replay,
            writer_name: peer.name().into(),
            identity,
            ..Source::new(
                id,
                name,
                announce.epoch,
                previous,
                announce.level,
                peer.client_id,
                Writer::Peer(from),
            )
        });
        self.join_subscribers(id);
        id
    }

    fn answer_announce(
        &mut self,
        to: PeerIndex,
        announce: &Announce<'_>,
        outcome: Outcome,
        id: Option<SourceId>,
        reason: &str,
    ) {
        // Whoever has no right to a source is not told what is known of it.
        let known = self.sources.names.get(announce.source).filter(|_| outcome != Outcome::Forbidden);
        let highest = known.map_or(0, |name| name.highest);
        let (live, previous) = id.map_or((0, 0), |id| (self.sources[id].live, self.sources[id].previous));
        self.peers.send(
            to,
            &Packet::Announced(Announced {
                epoch: announce.epoch,
                outcome,
                id: id.unwrap_or(0),
                live,
                highest,
                previous,
                source: announce.source,
                reason,
            }),
        );
    }

    /// A logger holds a higher epoch of a source than this hub, which was restarted, has seen.
    pub(crate) fn learn_highest(&mut self, now: Now, from: PeerIndex, id: SourceId, highest: u64) {
        let name = self.sources[id].name.clone();
        let entry = self.sources.names.get_mut(&name).expect("it is named");
        if highest > highest_after(entry.highest) {
            // Believed, it would keep every writer out for good.
            if !std::mem::replace(&mut entry.doubted, true) {
                let logger = self.peers[from].name();
                self.alarm(
                    now,
                    format!("logger {logger:?} says that it holds epoch {highest} of {name}: not believed"),
                );
            }
            return;
        }
        // The highest may be known already, from a replay: the live epoch counts.
        entry.highest = entry.highest.max(highest);
        let Some(current) = entry.current else { return };
        if self.sources[current].epoch >= highest {
            return;
        }
        let source = &self.sources[current];
        if let Writer::Peer(writer) = source.writer {
            let reason: Arc<str> = format!("a logger holds epoch {highest} of it").into();
            let (epoch, name) = (source.epoch, source.name.clone());
            self.writer_gone(now, current, writer, &reason);
            self.peers[writer].stop_writing(current);
            self.peers.send(
                writer,
                &Packet::Announced(Announced {
                    epoch,
                    outcome: Outcome::Lower,
                    id: current,
                    live: 0,
                    highest,
                    previous: 0,
                    source: &name,
                    reason: &reason,
                }),
            );
        }
    }

    /// A writer has given up an epoch that it announced.
    pub(crate) fn given_up(&mut self, now: Now, from: PeerIndex, reference: u64, reason: &str) {
        let Ok(id) = SourceId::try_from(reference) else { return };
        let reason = tame(reason);
        // That a source is forgotten is the hub's to say.
        let is_hubs = [SourcePacket::WITHDRAWN, SourcePacket::FORGOTTEN].contains(&&*reason);
        self.writer_gone(now, id, from, &if is_hubs { "given up".into() } else { reason.into() });
        self.peers[from].stop_writing(id);
    }

    /// A source's End was applied. Its writer stays, as far as followers still lack something.
    pub(crate) fn ended(&mut self, now: Now, id: SourceId) {
        let source = &mut self.sources[id];
        source.ended = true;
        source.offline = "ended".into();
        let (name, client) = (source.name.clone(), source.writer_name.clone());
        let identity = source.identity.clone();
        self.present(id);
        if id != self.journal.source {
            let identity = identity.as_deref();
            let offline = Event::Offline { source: &name, client: &client, identity, reason: "ended" };
            self.journal.event(now.time, offline);
        }
    }

    /// A writer's connection is over, or is not this source's any more.
    pub(crate) fn writer_gone(&mut self, now: Now, id: SourceId, peer: PeerIndex, reason: &Arc<str>) {
        let Some(source) = self.sources.find(id) else { return };
        if source.writer != Writer::Peer(peer) {
            return;
        }
        source.writer = Writer::Nobody;
        let was_told = source.ended;
        if !was_told {
            source.offline = reason.clone();
        }
        let (replay, name, identity) = (source.replay, source.name.clone(), source.identity.clone());
        self.close_unanswered(id);
        if replay {
            // Its followers are told now: afterwards there is nothing left to tell of.
            let source = &self.sources[id];
            for follower in &source.followers {
                self.peers.send(follower.peer, &Packet::Source(source.presence()));
            }
            self.drop_source(id);
            self.refresh_held(&name);
        } else if !was_told {
            self.present(id);
            let client = Box::<str>::from(self.peers[peer].name());
            let identity = identity.as_deref();
            let offline = Event::Offline { source: &name, client: &client, identity, reason };
            self.journal.event(now.time, offline);
        }
    }

    /// Nobody answers a source's Resume any more.
    fn close_unanswered(&mut self, id: SourceId) {
        if self.keeps(Rule::GoingClosesResume) {
            self.close_resume(id);
        }
    }

    /// Forgets an epoch. Its subscribers were told that it is offline.
    pub(crate) fn drop_source(&mut self, id: SourceId) {
        self.close_resume(id);
        let Some(source) = self.sources.remove(id) else { return };
        let peers = source.watchers.iter().map(|watcher| watcher.peer);
        for peer in peers.chain(source.followers.iter().map(|follower| follower.peer)) {
            self.peers[peer].stop_watching(id);
        }
    }

    /// Whether followers are given an epoch of a name: not before the rests of older ones.
    pub(crate) fn refresh_held(&mut self, name: &str) {
        let Some(entry) = self.sources.names.get(name) else { return };
        let Some(oldest) = entry.replays.iter().map(|&replay| self.sources[replay].epoch).min() else {
            return entry.current.into_iter().for_each(|current| self.set_held(current, false));
        };
        for id in entry.replays.iter().copied().chain(entry.current).collect::<Vec<_>>() {
            self.set_held(id, oldest < self.sources[id].epoch);
        }
    }

    fn set_held(&mut self, id: SourceId, held: bool) {
        if std::mem::replace(&mut self.sources[id].held, held) && !held {
            self.mark_due(id);
        }
    }

    fn writer_address(&self, source: &Source) -> &str {
        match source.writer {
            Writer::Peer(peer) => self.peers[peer].address(),
            Writer::Nobody | Writer::Hub => "this hub",
        }
    }

    pub(crate) fn alarm(&mut self, now: Now, text: String) {
        self.journal.event(now.time, Event::Alarm { text: &text });
        self.notices.push_back(Notice::Alarm(text));
    }
}
