//! pytcp: a source, or all, served to clients; a server's dictionary recorded.
//!
//! A client is never cut, and says nothing: it is sent the newest dictionary when it can take one, so what a slow one
//! misses is merged. A server is never hung up on and accepts one connection in its life: its end is answered by a reset,
//! so that it can have its port again, and one that is silent after it was connected to once more is reported.

use std::time::Duration;

use dict_event_loop::server::{Manner, Origin, StreamId};
use dict_event_loop::{Address, Close, Retry};
use dict_protocol::dialect::pytcp::{ClientEnd, ServerEnd};
use dict_protocol::dialect::{Codec, Dialect, Incoming, Options};
use dict_protocol::limits::Limits;
use dict_protocol::link::Link;
use dict_protocol::mirror::Mirror;
use dict_protocol::pattern::Pattern;
use dict_protocol::time::{Instant, Now};
use dict_protocol::value::{Dictionary, Value};

use crate::complaint::Complaint;
use crate::feed::Feed;
use crate::gateway::{Dialogue, seat_name};
use crate::peers::Peers;
use crate::streams::{SeatId, Streams};
use crate::told::Told;

/// Serves clients.
pub(crate) struct Serving {
    name: String,
    /// `None`: one dictionary of all.
    source: Option<String>,
    /// The gateway's own seat, which watches.
    desk: Option<SeatId>,
    peers: Peers<Served>,
    /// Counts what was watched.
    version: u64,
    /// The dictionary of all, as of a version.
    all: (u64, Dictionary),
    unsayable: Complaint,
}

/// What a client has.
struct Served {
    codec: ServerEnd,
    version: u64,
}

impl Serving {
    pub(crate) fn new(link: &Link) -> Self {
        Self {
            name: seat_name(link),
            source: link.options().source.clone(),
            desk: None,
            peers: Peers::new(),
            version: 0,
            all: (0, Dictionary::new()),
            unsayable: Complaint::default(),
        }
    }

    /// Sends a client the newest dictionary, if it can take one and has not got it.
    fn refill(&mut self, streams: &mut Streams, now: Now, socket: StreamId) {
        let Some(mirror) = self.desk.and_then(|desk| streams.mirror(desk)) else { return };
        if self.source.is_none() && self.all.0 != self.version {
            self.all = (self.version, all(mirror));
        }
        let dictionary = match &self.source {
            Some(source) => mirror.get(source).and_then(|source| source.dictionary()),
            None => Some(&self.all.1),
        };
        let (Some(peer), Some(dictionary)) = (self.peers.get_mut(socket), dictionary) else { return };
        if peer.state.version == self.version || streams.queued(socket) > 0 {
            return;
        }
        peer.state.version = self.version;
        let mut frame = Vec::new();
        if let Err(error) = peer.state.codec.send(dictionary, &mut frame)
            && let Some(count) = self.unsayable.raise(now.instant)
        {
            tracing::warn!(peer = streams.peer(socket), count, "a dictionary cannot be sent: {error}");
        }
        streams.write(socket, |output| output.append(&mut frame));
    }
}

/// One dictionary of all sources.
fn all(mirror: &Mirror) -> Dictionary {
    let entry = |source: &dict_protocol::mirror::Mirrored| {
        let dictionary = source.dictionary()?.clone();
        Some((source.name().to_owned(), Value::Dictionary(dictionary)))
    };
    mirror.iter().filter_map(entry).collect()
}

impl Dialogue for Serving {
    fn start(&mut self, streams: &mut Streams) {
        let desk = streams.take_seat(&self.name, &self.name);
        let pattern = self.source.clone().map_or_else(Pattern::all, Pattern::Name);
        streams.watch(desk, pattern);
        self.desk = Some(desk);
    }

    fn manner(&self) -> Manner {
        Manner::Usual
    }

    fn opened(&mut self, streams: &mut Streams, now: Now, socket: StreamId, _: Origin) {
        let codec = ServerEnd::new(&Options::from(streams.limits()));
        // Versions begin at 0, with nothing to send.
        let served = Served { codec, version: 0 };
        self.peers.add(streams, socket, Dialect::PyTcp, None, served);
        self.refill(streams, now, socket);
    }

    fn received(&mut self, streams: &mut Streams, _: Now, socket: StreamId, mut bytes: &[u8]) {
        let Some(peer) = self.peers.get_mut(socket) else { return };
        if let Ok(Some(Incoming::Refused(fault))) = peer.state.codec.decode(&mut bytes) {
            tracing::warn!(peer = streams.peer(socket), %fault, "what a pytcp client sends is thrown away");
        }
    }

    /// It is gone, as it never ends its output alone.
    fn input_ended(&mut self, _: &mut Streams, _: Now, _: StreamId) -> Option<Close> {
        Some(Close::Drain)
    }

    fn drained(&mut self, streams: &mut Streams, now: Now, socket: StreamId) {
        self.refill(streams, now, socket);
    }

    fn closed(&mut self, streams: &mut Streams, _: Now, socket: StreamId, reason: &str) {
        self.peers.remove(streams, socket, reason);
    }

    fn told(&mut self, streams: &mut Streams, now: Now, seat: SeatId, told: Told) {
        match told {
            Told::Watched => {
                self.version += 1;
                for socket in self.peers.sockets() {
                    self.refill(streams, now, socket);
                }
            }
            Told::Message(letter) => streams.refuse(seat, &letter, "a pytcp client takes no messages"),
            _ => {}
        }
    }

    fn is_finished(&mut self, _: &mut Streams, _: Now) -> bool {
        true
    }
}

/// Records a server.
pub(crate) struct Recording {
    name: String,
    host: String,
    address: Address,
    desk: Option<SeatId>,
    /// `None` until there is a name for it.
    feed: Option<Feed>,
    peers: Peers<Recorded>,
    /// How often it was connected to.
    connections: u64,
    /// It should have said something by then.
    silent_at: Option<Instant>,
    unreachable: bool,
}

struct Recorded {
    codec: ClientEnd,
    /// What came before its source had a name.
    early: Vec<u8>,
}

impl Recording {
    /// How long a server may be silent after it was connected to.
    const SILENCE: Duration = Duration::from_secs(5);

    pub(crate) fn new(link: &Link, address: Address) -> Self {
        Self {
            name: seat_name(link),
            host: link.host().to_owned(),
            address,
            desk: None,
            feed: link.options().source.as_deref().map(Feed::new),
            peers: Peers::new(),
            connections: 0,
            silent_at: None,
            unreachable: false,
        }
    }

    /// Takes what a server said, or with `finish` what is left at its end.
    fn take(&mut self, streams: &mut Streams, now: Now, socket: StreamId, mut bytes: &[u8], finish: bool) {
        let (Some(desk), Some(feed)) = (self.desk, &mut self.feed) else { return };
        let Some(peer) = self.peers.get_mut(socket) else { return };
        let codec = &mut peer.state.codec;
        let next = |codec: &mut ClientEnd, bytes: &mut &[u8]| {
            codec.decode(bytes).or_else(|| if finish { codec.finish() } else { None })
        };
        while let Some(incoming) = next(codec, &mut bytes) {
            match incoming {
                Incoming::State(dictionary) => {
                    streams.with_seat(desk, |session, _| feed.state(session, now, &dictionary));
                }
                Incoming::Refused(fault) => {
                    let damage = codec.damage();
                    let (stretches, skipped) = (damage.stretches, damage.bytes);
                    let peer = streams.peer(socket);
                    tracing::warn!(
                        peer,
                        source = feed.source(),
                        stretches,
                        skipped,
                        "a dictionary is lost: {fault}"
                    );
                    streams.with_seat(desk, |session, _| feed.lost(session, now));
                }
                _ => {}
            }
        }
    }
}

impl Dialogue for Recording {
    fn start(&mut self, streams: &mut Streams) {
        self.desk = Some(streams.take_seat(&self.name, &self.name));
        streams.reach(0, self.address.clone(), Retry::Always);
    }

    /// A server cannot have its port again while a connection of it lingers, after the death of this process too.
    fn manner(&self) -> Manner {
        Manner::Fragile
    }

    fn opened(&mut self, streams: &mut Streams, now: Now, socket: StreamId, _: Origin) {
        self.unreachable = false;
        self.connections += 1;
        self.silent_at = Some(now.instant + Self::SILENCE);
        let codec = ClientEnd::new(&Options::from(streams.limits()));
        let state = Recorded { codec, early: Vec::new() };
        self.peers.add(streams, socket, Dialect::PyTcp, Some(&self.host), state);
    }

    fn received(&mut self, streams: &mut Streams, now: Now, socket: StreamId, bytes: &[u8]) {
        self.silent_at = None;
        streams.establish(socket);
        let Some(peer) = self.peers.get_mut(socket) else { return };
        if self.feed.is_none() {
            peer.state.early.extend_from_slice(bytes);
            if peer.state.early.len() > streams.limits().body as usize {
                tracing::error!(server = %self.address, "a connection is reset: the hub gives it no seat");
                streams.close(socket, Close::Reset);
            }
            return;
        }
        self.take(streams, now, socket, bytes, false);
    }

    fn input_ended(&mut self, streams: &mut Streams, now: Now, socket: StreamId) -> Option<Close> {
        self.take(streams, now, socket, &[], true);
        Some(Close::Reset)
    }

    fn closed(&mut self, streams: &mut Streams, now: Now, socket: StreamId, reason: &str) {
        self.silent_at = None;
        self.peers.remove(streams, socket, reason);
        if let (Some(desk), Some(feed)) = (self.desk, &mut self.feed) {
            streams.with_seat(desk, |session, _| feed.lost(session, now));
        }
        if !streams.is_stopping() {
            tracing::warn!(server = %self.address, reason, "connection lost; trying until it is there again");
        }
    }

    fn told(&mut self, streams: &mut Streams, now: Now, seat: SeatId, told: Told) {
        match told {
            Told::Seated(name) => {
                let Some(socket) = self.peers.named(seat, name.clone()) else { return };
                self.feed.get_or_insert_with(|| Feed::new(&name));
                let Some(peer) = self.peers.get_mut(socket) else { return };
                let early = std::mem::take(&mut peer.state.early);
                self.take(streams, now, socket, &early, false);
            }
            Told::Message(letter) => streams.refuse(seat, &letter, "a pytcp server takes no messages"),
            Told::Writer { writer, change } => {
                if let Some(feed) = &mut self.feed {
                    streams.with_seat(seat, |session, _| feed.told(session, now, writer, &change));
                }
            }
            _ => {}
        }
    }

    fn link_failed(&mut self, _: &mut Streams, _: Now, _: u32, error: &str) {
        if !std::mem::replace(&mut self.unreachable, true) {
            tracing::warn!(server = %self.address, error, "cannot reach the server; trying until it is there");
        }
    }

    fn poll_timeout(&self, _: &Limits) -> Option<Instant> {
        self.silent_at.into_iter().chain(self.feed.as_ref().and_then(Feed::poll_timeout)).min()
    }

    fn handle_timeout(&mut self, streams: &mut Streams, now: Now) {
        if let (Some(desk), Some(feed)) = (self.desk, &mut self.feed) {
            streams.with_seat(desk, |session, _| feed.retry(session, now));
        }
        if self.silent_at.take_if(|at| *at <= now.instant).is_none() {
            return;
        }
        let server = &self.address;
        if self.connections > 1 {
            tracing::error!(
                %server,
                "connected again, and nothing comes: this server serves one connection; restart that program"
            );
        } else {
            tracing::warn!(
                %server,
                "connected, and nothing comes: if somebody was connected to this server before, as this program before \
                 its restart, it serves nobody else; restart that program then"
            );
        }
    }

    fn is_finished(&mut self, streams: &mut Streams, _: Now) -> bool {
        let (Some(desk), Some(feed)) = (self.desk, &self.feed) else { return true };
        streams.with_seat(desk, |session, _| feed.is_settled(session)).unwrap_or(true)
    }
}
