//! pingpong: clients are answered at once, and their readings are sources.

use std::collections::HashMap;

use dict_event_loop::Close;
use dict_event_loop::server::{Manner, Origin, StreamId};
use dict_protocol::dialect::pingpong::{PONG, ServerEnd};
use dict_protocol::dialect::{Codec, Dialect, Incoming};
use dict_protocol::limits::Limits;
use dict_protocol::link::Link;
use dict_protocol::time::{Instant, Now};
use dict_protocol::value::Dictionary;

use crate::complaint::Complaint;
use crate::feed::Feed;
use crate::gateway::{Dialogue, seat_name};
use crate::peers::Peers;
use crate::streams::{SeatId, Streams};
use crate::told::Told;

/// The most readings of a client that wait for its name, which it has at once as a rule.
const EARLY: usize = 16;

/// The most bytes of answers that a client leaves unread.
const UNREAD: usize = 64 << 10;

/// Serves clients.
pub(crate) struct PingPong {
    name: String,
    /// What all clients' source is called; `None`: each is called after its client.
    source: Option<String>,
    desk: Option<SeatId>,
    peers: Peers<Client>,
    /// By source; they outlive their clients, which may come again.
    feeds: HashMap<String, Feed>,
    /// Who writes a source.
    feeders: HashMap<String, StreamId>,
    doubles: Complaint,
    unread: Complaint,
    faults: Complaint,
}

#[derive(Default)]
struct Client {
    codec: ServerEnd,
    /// What came before its source had a name.
    early: Vec<Dictionary>,
    /// Its input has ended as it should.
    left: bool,
}

impl PingPong {
    pub(crate) fn new(link: &Link) -> Self {
        Self {
            name: seat_name(link),
            source: link.options().source.clone(),
            desk: None,
            peers: Peers::new(),
            feeds: HashMap::new(),
            feeders: HashMap::new(),
            doubles: Complaint::default(),
            unread: Complaint::default(),
            faults: Complaint::default(),
        }
    }

    /// Sets keys of a client's source, if that has a name.
    fn feed(&mut self, streams: &mut Streams, now: Now, socket: StreamId, set: Dictionary) {
        let (Some(desk), Some(peer)) = (self.desk, self.peers.get_mut(socket)) else { return };
        let Some(name) = &peer.name else {
            // A client that has no seat by then will have none.
            if peer.state.early.len() < EARLY {
                peer.state.early.push(set);
            }
            return;
        };
        let source = self.source.as_ref().unwrap_or(name);
        let feeder = *self.feeders.entry(source.clone()).or_insert(socket);
        if feeder != socket {
            if let Some(count) = self.doubles.raise(now.instant) {
                let (peer, other) = (streams.peer(socket), streams.peer(feeder));
                tracing::error!(peer, source, count, "not recorded: the source is written by {other}");
            }
            return;
        }
        let source = source.clone();
        if !self.feeds.contains_key(&source) && self.feeds.len() >= streams.limits().peers {
            self.forget_one(streams, desk);
        }
        let feed = self.feeds.entry(source.clone()).or_insert_with(|| Feed::new(&source));
        streams.with_seat(desk, |session, _| feed.set(session, now, &set));
    }

    /// Forgets the source of a client that is gone: rather one of which nothing is left to be acknowledged.
    fn forget_one(&mut self, streams: &mut Streams, desk: SeatId) {
        let Self { feeds, feeders, .. } = self;
        let gone = |source: &&String| !feeders.contains_key(*source);
        streams.with_seat(desk, |session, _| {
            let settled = feeds.iter().find(|(source, feed)| gone(source) && feed.is_settled(session));
            let source = settled.map(|(source, _)| source).or_else(|| feeds.keys().find(gone)).cloned();
            if let Some(mut feed) = source.and_then(|source| feeds.remove(&source)) {
                feed.forget(session);
            }
        });
    }
}

impl Dialogue for PingPong {
    fn start(&mut self, streams: &mut Streams) {
        self.desk = Some(streams.take_seat(&self.name, &self.name));
    }

    fn manner(&self) -> Manner {
        Manner::Usual
    }

    fn opened(&mut self, streams: &mut Streams, _: Now, socket: StreamId, _: Origin) {
        self.peers.add(streams, socket, Dialect::PingPong, None, Client::default());
    }

    fn received(&mut self, streams: &mut Streams, now: Now, socket: StreamId, mut bytes: &[u8]) {
        if streams.queued(socket) > UNREAD {
            if let Some(count) = self.unread.raise(now.instant) {
                let peer = streams.peer(socket);
                tracing::warn!(peer, count, "a ping/pong client that reads no answers is reset");
            }
            return streams.close(socket, Close::Reset);
        }
        while let Some(peer) = self.peers.get_mut(socket) {
            let incoming = peer.state.codec.decode(&mut bytes);
            if !matches!(incoming, Ok(None)) {
                streams.write(socket, |output| output.extend_from_slice(PONG.as_bytes()));
            }
            match incoming {
                Ok(None) => return,
                Ok(Some(Incoming::Set(set))) => self.feed(streams, now, socket, set),
                Ok(Some(_)) => {}
                Err(fault) => {
                    if let Some(count) = self.faults.raise(now.instant) {
                        let peer = streams.peer(socket);
                        tracing::warn!(peer, count, %fault, "a ping/pong client is closed");
                    }
                    return streams.close(socket, Close::Drain);
                }
            }
        }
    }

    /// The end is answered too.
    fn input_ended(&mut self, streams: &mut Streams, _: Now, socket: StreamId) -> Option<Close> {
        if let Some(peer) = self.peers.get_mut(socket) {
            peer.state.left = true;
            streams.write(socket, |output| output.extend_from_slice(PONG.as_bytes()));
        }
        Some(Close::Drain)
    }

    fn closed(&mut self, streams: &mut Streams, now: Now, socket: StreamId, reason: &str) {
        let Some(peer) = self.peers.remove(streams, socket, reason) else { return };
        let Some(source) = self.source.clone().or(peer.name) else { return };
        if self.feeders.get(&source) != Some(&socket) {
            return;
        }
        self.feeders.remove(&source);
        let (Some(desk), Some(feed)) = (self.desk, self.feeds.get_mut(&source)) else { return };
        streams.with_seat(desk, |session, _| {
            if peer.state.left { feed.end(session, now) } else { feed.lost(session, now) }
        });
    }

    fn told(&mut self, streams: &mut Streams, now: Now, seat: SeatId, told: Told) {
        match told {
            Told::Seated(name) => {
                let Some(socket) = self.peers.named(seat, name) else { return };
                let Some(peer) = self.peers.get_mut(socket) else { return };
                for set in std::mem::take(&mut peer.state.early) {
                    self.feed(streams, now, socket, set);
                }
            }
            Told::Message(letter) => {
                streams.refuse(seat, &letter, "a ping/pong client takes nothing but answers");
            }
            Told::Writer { writer, change } => {
                for feed in self.feeds.values_mut() {
                    streams.with_seat(seat, |session, _| feed.told(session, now, writer, &change));
                }
            }
            _ => {}
        }
    }

    fn poll_timeout(&self, _: &Limits) -> Option<Instant> {
        self.feeds.values().filter_map(Feed::poll_timeout).min()
    }

    fn handle_timeout(&mut self, streams: &mut Streams, now: Now) {
        let Some(desk) = self.desk else { return };
        for feed in self.feeds.values_mut() {
            streams.with_seat(desk, |session, _| feed.retry(session, now));
        }
    }

    fn is_finished(&mut self, streams: &mut Streams, _: Now) -> bool {
        let Some(desk) = self.desk else { return true };
        let feeds = &self.feeds;
        streams
            .with_seat(desk, |session, _| feeds.values().all(|feed| feed.is_settled(session)))
            .unwrap_or(true)
    }
}
