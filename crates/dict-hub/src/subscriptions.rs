//! Who is sent which source: subscriptions, presence, and what a subscriber is owed when it has room.
//!
//! Whatever a subscriber has not seen (a source's presence, its State, merged changes, the mark Current) waits in one
//! list per connection and is sent when its output has room, read from the hub's dictionaries at that moment. So a slow
//! subscriber costs a mark a key, and a subscription to everything does not queue everything at once.

use std::collections::HashSet;

use dict_protocol::packet::{Current, ErrorCode, Mode, Packet, Subscribe};
use dict_protocol::pattern::Pattern;
use dict_protocol::time::{Instant, Now};

use crate::access::{Right, Standing};
use crate::hub::Hub;
use crate::peers::{Due, Peer, PeerIndex, Subscription};
use crate::sources::{Follower, Pending, SourceId, Watcher};

/// The code of the frame kind Subscribe, for errors that are about one.
const ABOUT_SUBSCRIBE: u8 = dict_protocol::frame::Kind::Subscribe as u8;

impl Hub {
    pub(crate) fn subscribe(&mut self, now: Now, from: PeerIndex, subscribe: &Subscribe<'_>) {
        let limit = self.config.limits.subscriptions;
        let peer = &mut self.peers[from];
        if peer.subscriptions.len() >= limit {
            let text =
                format!("this hub takes at most {limit} subscriptions of a connection (limit subscriptions)");
            return self.refuse(from, ErrorCode::Limit, ABOUT_SUBSCRIBE, subscribe.id.into(), &text);
        }
        let (length, limit) = (subscribe.pattern.len(), self.config.limits.name);
        if length > limit {
            let text = format!("a pattern of {length} bytes is over the limit of {limit} (limit name)");
            return self.refuse(from, ErrorCode::Limit, ABOUT_SUBSCRIBE, subscribe.id.into(), &text);
        }
        if peer.subscriptions.iter().any(|other| other.id == subscribe.id) {
            let text = format!("subscription {} is there already", subscribe.id);
            return self.refuse(from, ErrorCode::Invalid, ABOUT_SUBSCRIBE, subscribe.id.into(), &text);
        }
        let text = subscribe.pattern.to_owned();
        let pattern = if subscribe.prefix { Pattern::Prefix(text) } else { Pattern::Name(text) };
        let right = right_for(subscribe.mode);
        if right.is_some_and(|right| !self.peers[from].standing.permits_some(right, &pattern)) {
            let text = pattern.to_string();
            let right = right.unwrap_or(Right::Read);
            return self.forbid(from, right, &text, ABOUT_SUBSCRIBE, subscribe.id.into());
        }
        if let Standing::Nobody(identity) = &self.peers[from].standing {
            let text = format!("no rule names identity {identity:?}, so it gets no messages");
            return self.refuse(from, ErrorCode::Forbidden, ABOUT_SUBSCRIBE, subscribe.id.into(), &text);
        }
        let matching = match subscribe.mode {
            Mode::Messages => Vec::new(),
            _ => self.sources.matching(&pattern),
        };
        let (mode, interval) = (subscribe.mode, subscribe.interval);
        let subscriptions = &mut self.peers[from].subscriptions;
        if subscriptions.is_empty() {
            // Most connections have one, and a list begins with room for four.
            subscriptions.reserve_exact(1);
        }
        subscriptions.push(Subscription { id: subscribe.id, mode, pattern, interval });
        if mode == Mode::Messages {
            self.exchange.listen(from);
        }
        if mode == Mode::Durable {
            self.loggers_changed();
        }
        for id in matching {
            if self.may_join(id, from, mode) {
                self.join(now.instant, id, from, mode, interval);
            }
        }
        self.owe(from, Due::Current(subscribe.id));
    }

    pub(crate) fn unsubscribe(&mut self, now: Now, from: PeerIndex, id: u32) {
        let peer = &mut self.peers[from];
        let Some(place) = peer.subscriptions.iter().position(|subscription| subscription.id == id) else {
            let text = format!("there is no subscription {id}");
            return self.refuse(from, ErrorCode::Invalid, ABOUT_SUBSCRIBE, id.into(), &text);
        };
        let ended = peer.subscriptions.remove(place);
        self.forget_subscription(now.instant, from, ended.mode);
    }

    /// Ends all subscriptions in mode `every` of a connection that does not read.
    pub(crate) fn too_slow(&mut self, now: Now, peer: PeerIndex) {
        let limit = self.config.limits.every_output;
        let mut ended = Vec::new();
        self.peers[peer].subscriptions.retain(|subscription| {
            let slow = subscription.mode == Mode::Every;
            if slow {
                ended.push(subscription.id);
            }
            !slow
        });
        self.forget_subscription(now.instant, peer, Mode::Every);
        for id in ended {
            let text = format!(
                "more than {limit} bytes were waiting to be read in mode every (limit every_output); subscribe again for the state as it is now"
            );
            self.refuse(peer, ErrorCode::TooSlow, ABOUT_SUBSCRIBE, id.into(), &text);
        }
    }

    /// After a subscription in `mode` was taken away: each source goes on in the mode that is left for it, or not at all.
    fn forget_subscription(&mut self, now: Instant, peer: PeerIndex, mode: Mode) {
        if mode == Mode::Messages
            && !self.peers[peer].subscriptions.iter().any(|other| other.mode == Mode::Messages)
        {
            self.exchange.unlisten(peer);
        }
        let (mut left, mut kept) = (HashSet::new(), Vec::new());
        let mut again = Vec::new();
        for id in self.peers[peer].take_watches() {
            let wanted = self.wanted(id, peer);
            if wanted.is_some_and(|(mode, _)| self.has_joined(id, peer, mode)) {
                kept.push(id);
                continue;
            }
            self.unwatch(id, peer);
            left.insert(id);
            again.extend(wanted.map(|(mode, interval)| (id, mode, interval)));
        }
        if let Some(dealings) = self.peers[peer].existing_dealings() {
            dealings.watches = kept;
        }
        // One that does not read must not grow this list by subscribing again and again.
        let Peer { due, subscriptions, .. } = &mut self.peers[peer];
        if let Some(due) = due {
            due.retain(|due| match due {
                Due::Source(id) => !left.contains(id),
                Due::Current(id) => subscriptions.iter().any(|subscription| subscription.id == *id),
                Due::Forgotten(_) => true,
            });
        }
        for (id, mode, interval) in again {
            self.join(now, id, peer, mode, interval);
        }
        if mode == Mode::Durable {
            self.loggers_changed();
        }
    }

    /// Whether a connection is sent a source in that mode.
    fn has_joined(&mut self, id: SourceId, peer: PeerIndex, mode: Mode) -> bool {
        let Some(source) = self.sources.find(id) else { return false };
        match mode {
            Mode::Durable => source.follower(peer).is_some(),
            _ => source.watcher(peer).is_some_and(|watcher| watcher.mode == mode),
        }
    }

    /// Whether a connection has the right to a source in that mode.
    fn may_join(&self, id: SourceId, peer: PeerIndex, mode: Mode) -> bool {
        let name = self.sources.peek(id).map_or("", |source| &source.name);
        right_for(mode).is_none_or(|right| self.peers[peer].standing.permits(right, name))
    }

    /// How a connection's subscriptions together want a source: durable over every over latest, the least interval.
    fn wanted(&self, id: SourceId, peer: PeerIndex) -> Option<(Mode, u32)> {
        let source = self.sources.peek(id)?;
        let rank = |mode: Mode| match mode {
            Mode::Durable => 2,
            Mode::Every => 1,
            Mode::Latest | Mode::Messages => 0,
        };
        self.peers[peer]
            .subscriptions
            .iter()
            .filter(|subscription| subscription.mode != Mode::Messages)
            .filter(|subscription| subscription.mode == Mode::Durable || !source.replay)
            .filter(|subscription| subscription.pattern.matches(&source.name))
            .filter(|subscription| self.may_join(id, peer, subscription.mode))
            .map(|subscription| (subscription.mode, subscription.interval))
            .reduce(|a, b| match rank(a.0).cmp(&rank(b.0)) {
                std::cmp::Ordering::Less => b,
                std::cmp::Ordering::Greater => a,
                std::cmp::Ordering::Equal => (a.0, a.1.min(b.1)),
            })
    }

    /// Brings a new source to everybody who waits for such.
    pub(crate) fn join_subscribers(&mut self, id: SourceId) {
        let all: Vec<PeerIndex> = self.peers.iter().map(|(index, _)| index).collect();
        for peer in all {
            if let Some((mode, interval)) = self.wanted(id, peer) {
                self.join(Instant::default(), id, peer, mode, interval);
            }
        }
    }

    /// Makes a connection a watcher or follower of a source, or a keener one.
    fn join(&mut self, now: Instant, id: SourceId, peer: PeerIndex, mode: Mode, interval: u32) {
        let source = &mut self.sources[id];
        if source.replay && mode != Mode::Durable {
            return;
        }
        if source.follower(peer).is_some() {
            return;
        }
        let known = source.watcher(peer).is_some();
        if mode == Mode::Durable {
            source.watchers.retain(|watcher| watcher.peer != peer);
            let came_late = source.newest > 0;
            source.followers.push(Follower {
                peer,
                introduced: false,
                queued: true,
                position: None,
                committed: 0,
                came_late,
            });
        } else if let Some(watcher) = source.watcher(peer) {
            if mode == Mode::Every {
                watcher.mode = Mode::Every;
            }
            watcher.interval =
                if mode == watcher.mode { interval.min(watcher.interval) } else { watcher.interval };
            // A new subscription gets the state anew: now, where it is in step, so that no update is skipped by it.
            let in_step = watcher.seen.is_some() && watcher.pending.is_nothing();
            if in_step && watcher.seen == Some(0) {
                return;
            }
            watcher.pending = Pending::All;
            if in_step && self.peers[peer].connection.output.len() < self.config.limits.latest_output {
                return self.catch_up(now, peer, id);
            }
            if std::mem::replace(&mut watcher.queued, true) {
                return;
            }
        } else {
            source.watchers.push(Watcher {
                peer,
                mode,
                interval,
                introduced: false,
                queued: true,
                pending: Pending::All,
                seen: None,
                next: now,
            });
        }
        if !known {
            self.peers[peer].dealings_mut().watches.push(id);
        }
        self.owe(peer, Due::Source(id));
    }

    /// Takes a connection off a source.
    pub(crate) fn unwatch(&mut self, id: SourceId, peer: PeerIndex) {
        let Some(source) = self.sources.find(id) else { return };
        source.watchers.retain(|watcher| watcher.peer != peer);
        let followers = source.followers.len();
        source.followers.retain(|follower| follower.peer != peer);
        if source.followers.len() != followers {
            // The slice that was asked for it still comes, for whoever is left.
            if let Some(resume) = &mut source.resume
                && resume.peer == Some(peer)
            {
                resume.peer = None;
                self.peers[peer].dealings_mut().reserved -= std::mem::take(&mut resume.reserved);
            }
            self.mark_due(id);
        }
    }

    /// Tells every subscriber of a source whether its writer is there, as soon as each has room.
    pub(crate) fn present(&mut self, id: SourceId) {
        let source = &mut self.sources[id];
        let mut owed = Vec::new();
        for watcher in &mut source.watchers {
            watcher.introduced = false;
            if !std::mem::replace(&mut watcher.queued, true) {
                owed.push(watcher.peer);
            }
        }
        for follower in &mut source.followers {
            follower.introduced = false;
            if !std::mem::replace(&mut follower.queued, true) {
                owed.push(follower.peer);
            }
        }
        for peer in owed {
            self.owe(peer, Due::Source(id));
        }
    }

    /// Sends a subscriber what it is owed, as far as there is room.
    pub(crate) fn feed(&mut self, now: Now, peer: PeerIndex) {
        let room = self.config.limits.latest_output;
        while self.peers[peer].connection.output.len() < room {
            match self.peers[peer].next_due() {
                None => return,
                Some(Due::Current(subscription)) => {
                    self.peers.send(peer, &Packet::Current(Current { subscription }));
                }
                Some(Due::Source(id)) => self.feed_source(now, peer, id),
                Some(Due::Forgotten(frame)) => self.peers.append(peer, &frame),
            }
        }
    }
}

/// What somebody has to have the right to that subscribes in a mode. Messages to everybody come to whoever is accepted and
/// is somebody.
fn right_for(mode: Mode) -> Option<Right> {
    match mode {
        Mode::Latest | Mode::Every => Some(Right::Read),
        Mode::Durable => Some(Right::Log),
        Mode::Messages => None,
    }
}
