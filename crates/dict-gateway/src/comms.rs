//! comms: messages both ways, of many clients or with one server.
//!
//! Every message is passed on as one, repeats included; where the link names a source, a dictionary feeds that besides.
//! What goes to a peer is written one message at a time, the next when the peer's system has acknowledged the last: the
//! originals read with one `recv`. So a peer has a queue for messages, and of what it watches gets the newest when its
//! turn comes.
//!
//! What cannot be helped: a message that does not travel in one segment (some 64 KiB within a machine, 1,400 bytes over a
//! usual network) may come in pieces all the same; and an original that is writing at the moment of a reset takes it for
//! an orderly end.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::Duration;

use dict_event_loop::server::{Manner, Origin, StreamId};
use dict_event_loop::{Address, Close, Retry};
use dict_protocol::dialect::comms::End;
use dict_protocol::dialect::{Content, Dialect, Incoming, Options, SayError};
use dict_protocol::limits::Limits;
use dict_protocol::link::{Apply, Link};
use dict_protocol::packet::{Encoded, Mode};
use dict_protocol::pattern::Pattern;
use dict_protocol::time::{Instant, Now};
use dict_protocol::value::Value;

use crate::complaint::Complaint;
use crate::feed::Feed;
use crate::gateway::{Dialogue, seat_name};
use crate::peers::Peers;
use crate::streams::{SeatId, Streams};
use crate::told::{Letter, Told};

/// Speaks with clients, or with a server.
pub(crate) struct Comms {
    name: String,
    link: Link,
    /// The server to connect to, if it does not listen.
    server: Option<Address>,
    desk: Option<SeatId>,
    feed: Option<Feed>,
    /// Whose dictionaries feed it.
    feeder: Option<StreamId>,
    peers: Peers<Speaker>,
    unreachable: bool,
    complaints: Complaints,
}

#[derive(Default)]
struct Complaints {
    doubles: Complaint,
    faults: Complaint,
    unrecorded: Complaint,
    unsent: Complaint,
    unfinished: Complaint,
}

struct Speaker {
    codec: End,
    /// What came before it had a name.
    early: Vec<u8>,
    /// Messages to write, one at a time.
    queue: VecDeque<Vec<u8>>,
    queued: usize,
    /// One is under way.
    busy: bool,
    /// What it has of each watched source.
    has: HashMap<String, Sent>,
    /// Counts the dictionaries that it was sent.
    turns: u64,
    /// Its input has ended as it should.
    left: bool,
    /// When it began the message that it has not finished.
    begun: Option<Instant>,
}

/// A watched source's dictionary, as a peer has it.
struct Sent {
    version: u64,
    turn: u64,
}

impl Comms {
    pub(crate) fn new(link: &Link, server: Option<Address>) -> Self {
        Self {
            name: seat_name(link),
            link: link.clone(),
            server,
            desk: None,
            feed: link.options().source.as_deref().map(Feed::new),
            feeder: None,
            peers: Peers::new(),
            unreachable: false,
            complaints: Complaints::default(),
        }
    }

    /// Takes what a peer said.
    fn take(&mut self, streams: &mut Streams, now: Now, socket: StreamId, mut bytes: &[u8]) {
        loop {
            let Some(peer) = self.peers.get_mut(socket) else { return };
            let message = match peer.state.codec.decode(&mut bytes) {
                Ok(None) => return self.note_unfinished(now, socket),
                Ok(Some(Incoming::Message(content))) => value_of(content),
                Ok(Some(Incoming::Refused(fault))) => {
                    peer.state.begun = None;
                    if let Some(count) = self.complaints.faults.raise(now.instant) {
                        tracing::warn!(peer = streams.peer(socket), count, "a message is not taken: {fault}");
                    }
                    self.lose(streams, now, socket);
                    continue;
                }
                Ok(Some(_)) => continue,
                Err(fault) => {
                    if let Some(count) = self.complaints.faults.raise(now.instant) {
                        let peer = streams.peer(socket);
                        tracing::warn!(peer, count, "a connection has lost the thread and is reset: {fault}");
                    }
                    return streams.close(socket, Close::Reset);
                }
            };
            peer.state.begun = None;
            self.said(streams, now, socket, &message);
        }
    }

    /// Notes since when a peer owes the rest of a message.
    fn note_unfinished(&mut self, now: Now, socket: StreamId) {
        let Some(Speaker { codec, early, begun, .. }) =
            self.peers.get_mut(socket).map(|peer| &mut peer.state)
        else {
            return;
        };
        if codec.is_mid_message() || !early.is_empty() {
            begun.get_or_insert(now.instant);
        }
    }

    /// Ends connections whose message takes too long.
    fn end_unfinished(&mut self, streams: &mut Streams, now: Now) {
        let unfinished = streams.limits().unfinished;
        let is_late = |begun: Option<Instant>| begun.is_some_and(|begun| begun + unfinished <= now.instant);
        let late: Vec<_> = self
            .peers
            .iter_mut()
            .filter_map(|(socket, peer)| is_late(peer.state.begun).then_some(socket))
            .collect();
        for socket in late {
            if let Some(count) = self.complaints.unfinished.raise(now.instant) {
                let (peer, most) = (streams.peer(socket), unfinished.as_millis());
                tracing::warn!(
                    peer,
                    count,
                    "a connection is reset: a message that it began is not whole after {most} ms (limit unfinished)"
                );
            }
            if let Some(peer) = self.peers.get_mut(socket) {
                peer.state.begun = None;
            }
            streams.close(socket, Close::Reset);
        }
    }

    /// A peer said a whole message.
    fn said(&mut self, streams: &mut Streams, now: Now, socket: StreamId, message: &Value) {
        let Some(peer) = self.peers.get_mut(socket) else { return };
        let (seat, depth) = (peer.seat, streams.limits().payload_depth());
        let sent = match Encoded::plain(message, depth) {
            Ok(payload) => streams
                .with_seat(seat, |session, _| session.send(None, payload.payload()))
                .map_or(Ok(()), |sent| sent.map(drop).map_err(|error| error.to_string())),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = sent
            && let Some(count) = self.complaints.unrecorded.raise(now.instant)
        {
            tracing::error!(peer = streams.peer(socket), count, "a message is not passed on: {error}");
        }
        self.apply(streams, now, socket, message);
        // A server that relays too would say it again, for ever.
        if self.link.options().relay && self.server.is_none() {
            for other in self.peers.sockets() {
                // One that cannot be told so is passed over: it was for everybody.
                let _ = self.enqueue(streams, other, message);
            }
        }
    }

    /// Feeds the link's source, if it has one, with a peer's dictionary.
    fn apply(&mut self, streams: &mut Streams, now: Now, socket: StreamId, message: &Value) {
        let (Some(desk), Some(feed), Value::Dictionary(dictionary)) = (self.desk, &mut self.feed, message)
        else {
            return;
        };
        let feeder = *self.feeder.get_or_insert(socket);
        if feeder != socket {
            if let Some(count) = self.complaints.doubles.raise(now.instant) {
                let (peer, other) = (streams.peer(socket), streams.peer(feeder));
                tracing::error!(
                    peer,
                    source = feed.source(),
                    count,
                    "not recorded: the source is written by {other}"
                );
            }
            return;
        }
        streams.with_seat(desk, |session, _| match self.link.options().apply {
            Apply::State => feed.state(session, now, dictionary),
            Apply::Patch => feed.set(session, now, dictionary),
        });
    }

    /// Something that a peer said, or the peer, is lost.
    fn lose(&mut self, streams: &mut Streams, now: Now, socket: StreamId) {
        if let (Some(desk), Some(feed)) = (self.desk, &mut self.feed)
            && self.feeder == Some(socket)
        {
            streams.with_seat(desk, |session, _| feed.lost(session, now));
        }
    }

    /// Puts a message into a peer's queue.
    ///
    /// # Errors
    ///
    /// Why it is not told that.
    fn enqueue(&mut self, streams: &mut Streams, socket: StreamId, message: &Value) -> Result<(), Untold> {
        let limit = streams.limits().every_output;
        let Some(peer) = self.peers.get_mut(socket) else { return Ok(()) };
        let Speaker { codec, queue, queued, .. } = &mut peer.state;
        let mut bytes = Vec::new();
        codec
            .encode_message(&Content::Value(Cow::Borrowed(message)), &mut bytes)
            .map_err(Untold::Unsayable)?;
        if *queued > 0 && *queued + bytes.len() > limit {
            return Err(Untold::Full { queued: *queued, limit });
        }
        *queued += bytes.len();
        queue.push_back(bytes);
        self.pump(streams, socket);
        Ok(())
    }

    /// Writes what is next for a peer, if nothing is under way.
    fn pump(&mut self, streams: &mut Streams, socket: StreamId) {
        let Some(peer) = self.peers.get_mut(socket) else { return };
        if peer.state.busy {
            return;
        }
        let mut bytes = match peer.state.queue.pop_front() {
            Some(bytes) => bytes,
            None => match self.desk.and_then(|desk| next_watched(streams, desk, &mut peer.state)) {
                Some(bytes) => bytes,
                None => return,
            },
        };
        peer.state.queued = peer.state.queued.saturating_sub(bytes.len());
        peer.state.busy = true;
        streams.write(socket, |output| output.append(&mut bytes));
    }

    /// A message came for everybody, or for one peer.
    fn deliver(&mut self, streams: &mut Streams, now: Now, seat: SeatId, letter: &Letter) {
        if let Some(socket) = self.peers.at(seat) {
            if let Err(reason) = self.enqueue(streams, socket, &letter.content) {
                streams.refuse(seat, letter, &reason.to_string());
            }
            return;
        }
        // What one of the peers said is relayed, or not, where it came in.
        let is_own = self.peers.iter_mut().any(|(_, peer)| peer.name.as_deref() == Some(&letter.from));
        if letter.addressed {
            return streams.refuse(seat, letter, "a gateway takes no messages; address one of its peers");
        }
        for socket in self.peers.sockets().into_iter().filter(|_| !is_own) {
            // A kind of message that the peers of a link do not speak is not for them.
            if let Err(reason @ Untold::Full { .. }) = self.enqueue(streams, socket, &letter.content)
                && let Some(count) = self.complaints.unsent.raise(now.instant)
            {
                let (peer, from) = (streams.peer(socket), &letter.from);
                tracing::warn!(peer, from, count, "a message to everybody does not reach it: {reason}");
            }
        }
    }
}

/// Why a peer is not told something.
enum Untold {
    Unsayable(SayError),
    Full { queued: usize, limit: usize },
}

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsayable(error) => error.fmt(f),
            Self::Full { queued, limit } => {
                write!(f, "{queued} bytes wait for it already, the limit is {limit} (limit every_output)")
            }
        }
    }
}

/// The next dictionary that a peer watches and has not got in its newest version: of several the one whose turn is the
/// longest ago, so that a source that changes all the time leaves room for the others.
fn next_watched(streams: &Streams, desk: SeatId, peer: &mut Speaker) -> Option<Vec<u8>> {
    let mirror = streams.mirror(desk)?;
    if peer.has.len() > mirror.iter().len() {
        // What is watched no more counts its versions anew if it comes again.
        peer.has.retain(|name, _| mirror.get(name).is_some());
    }
    loop {
        let sent = |name: &str| peer.has.get(name);
        let newer = mirror.iter().filter_map(|source| {
            let is_newer = sent(source.name()).is_none_or(|sent| sent.version != source.version());
            is_newer.then_some((source, source.dictionary()?))
        });
        let (source, dictionary) =
            newer.min_by_key(|(source, _)| sent(source.name()).map(|sent| sent.turn))?;
        peer.turns += 1;
        peer.has.insert(source.name().to_owned(), Sent { version: source.version(), turn: peer.turns });
        let mut bytes = Vec::new();
        match peer.codec.encode_dictionary(dictionary, &mut bytes) {
            Ok(()) => return Some(bytes),
            Err(error) => tracing::warn!(source = source.name(), "a dictionary cannot be sent: {error}"),
        }
    }
}

/// Text and bytes are values too.
fn value_of(content: Content<'_>) -> Value {
    match content {
        Content::Text(text) => text.into(),
        Content::Binary(bytes) => Value::Binary(bytes.to_vec()),
        Content::Value(value) => value.into_owned(),
    }
}

impl Dialogue for Comms {
    fn start(&mut self, streams: &mut Streams) {
        let desk = streams.take_seat(&self.name, &self.name);
        let watch = self.link.options().watch.clone();
        streams.with_seat(desk, |session, _| {
            session.subscribe(Pattern::all(), Mode::Messages, Duration::ZERO).expect("it is the first")
        });
        if let Some(pattern) = watch {
            streams.watch(desk, pattern);
        }
        self.desk = Some(desk);
        if let Some(server) = &self.server {
            streams.reach(0, server.clone(), Retry::Always);
        }
    }

    fn manner(&self) -> Manner {
        Manner::Fragile
    }

    fn opened(&mut self, streams: &mut Streams, _: Now, socket: StreamId, _: Origin) {
        self.unreachable = false;
        let options = Options { comms: self.link.options().comms, ..Options::from(streams.limits()) };
        let state = Speaker {
            codec: End::new(&options),
            early: Vec::new(),
            queue: VecDeque::new(),
            queued: 0,
            busy: false,
            has: HashMap::new(),
            turns: 0,
            left: false,
            begun: None,
        };
        let host = self.server.as_ref().map(|_| self.link.host());
        self.peers.add(streams, socket, Dialect::Comms, host, state);
        if self.server.is_none() {
            // It is the peers who connect: nothing depends on whether they prove good.
            streams.establish(socket);
        }
        self.pump(streams, socket);
    }

    fn received(&mut self, streams: &mut Streams, now: Now, socket: StreamId, bytes: &[u8]) {
        streams.establish(socket);
        let Some(peer) = self.peers.get_mut(socket) else { return };
        if peer.name.is_none() {
            peer.state.early.extend_from_slice(bytes);
            if peer.state.early.len() > streams.limits().body as usize {
                tracing::error!(
                    peer = streams.peer(socket),
                    "a connection is reset: the hub gives it no seat"
                );
                streams.close(socket, Close::Reset);
            }
            return self.note_unfinished(now, socket);
        }
        self.take(streams, now, socket, bytes);
    }

    fn input_ended(&mut self, streams: &mut Streams, now: Now, socket: StreamId) -> Option<Close> {
        let peer = self.peers.get_mut(socket)?;
        match peer.state.codec.finish() {
            Ok(()) => peer.state.left = true,
            Err(fault) => {
                if let Some(count) = self.complaints.faults.raise(now.instant) {
                    tracing::warn!(peer = streams.peer(socket), count, "the last message is lost: {fault}");
                }
            }
        }
        // A server can have its port again only after a reset; a client may still read what is under way.
        Some(if self.server.is_some() { Close::Reset } else { Close::Drain })
    }

    fn drained(&mut self, streams: &mut Streams, _: Now, socket: StreamId) {
        if let Some(peer) = self.peers.get_mut(socket) {
            peer.state.busy = false;
        }
        self.pump(streams, socket);
    }

    fn closed(&mut self, streams: &mut Streams, now: Now, socket: StreamId, reason: &str) {
        let Some(peer) = self.peers.remove(streams, socket, reason) else { return };
        if let Some(server) = &self.server
            && !streams.is_stopping()
        {
            tracing::warn!(%server, reason, "connection lost; trying until it is there again");
        }
        if self.feeder == Some(socket) {
            let is_over = peer.state.left && self.server.is_none();
            if let (true, Some(desk), Some(feed)) = (is_over, self.desk, &mut self.feed) {
                streams.with_seat(desk, |session, _| feed.end(session, now));
            } else {
                self.lose(streams, now, socket);
            }
            self.feeder = None;
        }
    }

    fn told(&mut self, streams: &mut Streams, now: Now, seat: SeatId, told: Told) {
        match told {
            Told::Seated(name) => {
                let Some(socket) = self.peers.named(seat, name) else { return };
                let Some(peer) = self.peers.get_mut(socket) else { return };
                let early = std::mem::take(&mut peer.state.early);
                peer.state.begun = None;
                self.take(streams, now, socket, &early);
            }
            Told::Message(letter) => self.deliver(streams, now, seat, &letter),
            Told::Watched => {
                for socket in self.peers.sockets() {
                    self.pump(streams, socket);
                }
            }
            Told::Writer { writer, change } => {
                if let Some(feed) = &mut self.feed {
                    streams.with_seat(seat, |session, _| feed.told(session, now, writer, &change));
                }
            }
            _ => {}
        }
    }

    fn poll_timeout(&self, limits: &Limits) -> Option<Instant> {
        let begun = self.peers.iter().filter_map(|(_, peer)| peer.state.begun).min();
        let unfinished = begun.map(|begun| begun + limits.unfinished);
        unfinished.into_iter().chain(self.feed.as_ref().and_then(Feed::poll_timeout)).min()
    }

    fn handle_timeout(&mut self, streams: &mut Streams, now: Now) {
        self.end_unfinished(streams, now);
        if let (Some(desk), Some(feed)) = (self.desk, &mut self.feed) {
            streams.with_seat(desk, |session, _| feed.retry(session, now));
        }
    }

    fn link_failed(&mut self, _: &mut Streams, _: Now, _: u32, error: &str) {
        if !std::mem::replace(&mut self.unreachable, true) {
            tracing::warn!(link = self.name, error, "cannot reach the server; trying until it is there");
        }
    }

    fn is_finished(&mut self, streams: &mut Streams, _: Now) -> bool {
        let (Some(desk), Some(feed)) = (self.desk, &self.feed) else { return true };
        streams.with_seat(desk, |session, _| feed.is_settled(session)).unwrap_or(true)
    }
}
