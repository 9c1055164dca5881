//! The hub's connections: what is known of each, and what is to be written to it.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::mem::take;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dict_protocol::connection::{Connection, Phase, Role};
use dict_protocol::decoder::Decoder;
use dict_protocol::limits::Limits;
use dict_protocol::packet::{LoggerPresence, Mode, Packet};
use dict_protocol::pattern::Pattern;
use dict_protocol::time::{Instant, Now, Time};
use hashbrown::HashTable;

use crate::access::Standing;
use crate::labels::Labels;
use crate::sources::SourceId;

/// A connection of this hub. Never used again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    serial: u32,
    index: u32,
}

impl ConnectionId {
    /// Its place among the connections that there are: small numbers, each given again when its connection is over.
    pub const fn place(self) -> usize {
        self.index as usize
    }

    /// Whether a connection was opened after another one.
    pub(crate) const fn is_after(self, other: Self) -> bool {
        // Serial numbers begin again from 0 some day.
        self.serial.wrapping_sub(other.serial).wrapping_sub(1) < u32::MAX / 2
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.serial)
    }
}

/// A place in [`Peers`]: valid for as long as that connection is there, so it is only kept by what is taken away with it.
pub(crate) type PeerIndex = u32;

/// One subscription of a connection.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) id: u32,
    pub(crate) mode: Mode,
    pub(crate) pattern: Pattern,
    /// The least time between two updates of a source, milliseconds.
    pub(crate) interval: u32,
}

/// What a subscriber is to be sent when it has room.
#[derive(Clone, Debug)]
pub(crate) enum Due {
    /// What it has not seen of a source yet.
    Source(SourceId),
    /// That all of a subscription was sent.
    Current(u32),
    /// That a source is no more: the frame that says so.
    Forgotten(Arc<[u8]>),
}

/// What a connection has in hand with others: thousands may have none of it.
#[derive(Debug, Default)]
pub(crate) struct Dealings {
    /// Sources that it writes.
    pub(crate) writes: Vec<SourceId>,
    /// Sources that it watches or follows.
    pub(crate) watches: Vec<SourceId>,
    /// Bytes of output kept free for slices that were asked for on its behalf.
    pub(crate) reserved: usize,
    /// The messages that it was sent last, by whom and under which number: it may refuse each once.
    pub(crate) letters: VecDeque<(ConnectionId, u32)>,
    /// The actions that it answers.
    pub(crate) handles: Vec<Box<str>>,
    /// Requests that it asked and that are not answered.
    pub(crate) asked: usize,
    /// The bytes that those carry.
    pub(crate) asked_bytes: usize,
}

impl Dealings {
    fn is_over(&self) -> bool {
        let Self { writes, watches, reserved, letters, handles, asked, asked_bytes } = self;
        writes.is_empty()
            && watches.is_empty()
            && letters.is_empty()
            && handles.is_empty()
            && (*reserved, *asked, *asked_bytes) == (0, 0, 0)
    }
}

/// Who a connection is, besides the token that it may send: few have any.
#[derive(Debug)]
pub(crate) enum Proof {
    /// It is a local stream, and need not prove that it is this one.
    Local(Arc<str>),
    /// The names in the certificate that it showed.
    Certificate(Vec<String>),
}

/// What a client said of its clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// The hub's clock less the client's, and how far that may be off: nanoseconds.
    pub(crate) offset: i64,
    pub(crate) uncertainty: u64,
    /// When it said so.
    pub(crate) at: Instant,
}

impl Clock {
    /// The least time between two events of a connection's clock.
    const PAUSE: Duration = Duration::from_secs(10);

    /// Whether it is worth an event after what the last one told.
    pub(crate) fn is_news_after(self, told: Self) -> bool {
        let (before, after) = (told.uncertainty, self.uncertainty);
        let moved = self.offset.abs_diff(told.offset);
        self.at >= told.at + Self::PAUSE && (moved > before.saturating_add(after) || after < before / 2)
    }
}

/// After all that will ever be.
pub(crate) const NEVER: Instant = Instant::from_nanos(u64::MAX);

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: ConnectionId,
    pub(crate) connection: Connection,
    pub(crate) decoder: Decoder,
    /// When its silence is looked at next, or [`NEVER`].
    pub(crate) alarm: Instant,
    /// It is in the list of those that have something to write or to end.
    ready: bool,
    labels: Labels,
    pub(crate) since: Time,
    pub(crate) client_id: [u8; 16],
    proof: Option<Box<Proof>>,
    /// As whom it acts, once it was accepted.
    pub(crate) standing: Standing,
    /// What it was told of loggers.
    pub(crate) logger: LoggerPresence,
    /// The hub's clock less the client's, nanoseconds, and how far that may be off.
    pub(crate) offset: i64,
    pub(crate) uncertainty: Option<u64>,
    /// What the journal says of that.
    pub(crate) clock: Option<Clock>,
    pub(crate) subscriptions: Vec<Subscription>,
    /// What it is to be sent when it has room; mostly nothing, and then it takes no memory.
    #[expect(clippy::box_collection, reason = "an empty deque takes four times as much")]
    pub(crate) due: Option<Box<VecDeque<Due>>>,
    /// It is behind with a source and waits for room.
    pub(crate) waits_for_room: bool,
    dealings: Option<Box<Dealings>>,
    /// It was taken out of everything: only its output is left.
    pub(crate) detached: bool,
}

impl Peer {
    /// Whether it subscribed as a logger.
    pub(crate) fn is_logger(&self) -> bool {
        self.subscriptions.iter().any(|subscription| subscription.mode == Mode::Durable)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.connection.phase() == Phase::Open
    }

    /// What it is called; nothing before it has greeted.
    pub(crate) fn name(&self) -> &str {
        self.labels.name()
    }

    /// Where it comes from, for people.
    pub(crate) fn address(&self) -> &str {
        self.labels.address()
    }

    /// What program it is.
    pub(crate) fn product(&self) -> &str {
        self.labels.product()
    }

    pub(crate) fn prove(&mut self, proof: Proof) {
        self.proof = Some(Box::new(proof));
    }

    /// A local stream's identity.
    pub(crate) fn local(&self) -> Option<&Arc<str>> {
        match self.proof.as_deref() {
            Some(Proof::Local(identity)) => Some(identity),
            Some(Proof::Certificate(_)) | None => None,
        }
    }

    /// The names that its certificate proves to be its own.
    pub(crate) fn certified(&self) -> &[String] {
        match self.proof.as_deref() {
            Some(Proof::Certificate(names)) => names,
            Some(Proof::Local(_)) | None => &[],
        }
    }

    /// What it has in hand with others.
    pub(crate) fn dealings(&self) -> &Dealings {
        static NONE: Dealings = Dealings {
            writes: Vec::new(),
            watches: Vec::new(),
            reserved: 0,
            letters: VecDeque::new(),
            handles: Vec::new(),
            asked: 0,
            asked_bytes: 0,
        };
        self.dealings.as_deref().unwrap_or(&NONE)
    }

    /// The same, to change it.
    pub(crate) fn dealings_mut(&mut self) -> &mut Dealings {
        self.dealings.get_or_insert_default()
    }

    /// The same, if it has any.
    pub(crate) fn existing_dealings(&mut self) -> Option<&mut Dealings> {
        self.dealings.as_deref_mut()
    }

    /// The sources that it writes, taken from it.
    pub(crate) fn take_writes(&mut self) -> Vec<SourceId> {
        self.existing_dealings().map(|dealings| take(&mut dealings.writes)).unwrap_or_default()
    }

    /// The sources that it watches or follows, taken from it.
    pub(crate) fn take_watches(&mut self) -> Vec<SourceId> {
        self.existing_dealings().map(|dealings| take(&mut dealings.watches)).unwrap_or_default()
    }

    /// It writes a source no more.
    pub(crate) fn stop_writing(&mut self, source: SourceId) {
        if let Some(dealings) = self.existing_dealings() {
            dealings.writes.retain(|&written| written != source);
        }
    }

    /// It watches or follows a source no more.
    pub(crate) fn stop_watching(&mut self, source: SourceId) {
        if let Some(dealings) = self.existing_dealings() {
            dealings.watches.retain(|&watched| watched != source);
        }
    }

    /// How much it is to be sent when it has room.
    pub(crate) fn owed(&self) -> usize {
        self.due.as_ref().map_or(0, |due| due.len())
    }

    /// Takes in what it is to be sent when it has room.
    pub(crate) fn owe(&mut self, due: Due) {
        self.due.get_or_insert_default().push_back(due);
    }

    /// What it is to be sent next.
    pub(crate) fn next_due(&mut self) -> Option<Due> {
        self.due.as_mut()?.pop_front()
    }

    /// Gives up what is empty, since it may be idle for days.
    pub(crate) fn give_up_empty(&mut self) {
        self.decoder.release();
        self.connection.output.release();
        if self.owed() == 0 {
            self.due = None;
        }
        if self.dealings().is_over() {
            self.dealings = None;
        }
    }

    /// The same when something was written, if nothing has come or gone but what every connection has. Whoever writes,
    /// watches, asks, answers or listens keeps its buffers until the next look at its silence.
    pub(crate) fn rest(&mut self) {
        let is_idle = self.dealings.is_none()
            && self.subscriptions.iter().all(|subscription| subscription.mode != Mode::Messages);
        if is_idle {
            self.connection.output.release();
            if self.owed() == 0 {
                self.due = None;
            }
        }
    }

    /// Whether a slice of `bytes` more could be queued for it.
    pub(crate) fn has_room(&self, bytes: usize, limits: &Limits) -> bool {
        self.connection.output.len() + self.dealings().reserved + bytes <= limits.durable_output
    }
}

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    slots: Vec<Option<Box<Peer>>>,
    free: Vec<PeerIndex>,
    serial: u32,
    /// Those that have something to write, or are to be closed.
    ready: Vec<ConnectionId>,
    /// Those that have a name, by it.
    names: HashTable<PeerIndex>,
    hasher: RandomState,
    /// How many come from each address.
    addresses: HashMap<IpAddr, usize>,
}

impl Peers {
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn open(&mut self, now: Now, address: &str, limits: &Limits) -> PeerIndex {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            PeerIndex::try_from(self.slots.len() - 1).expect("connections are limited far below 2^32")
        });
        self.serial = self.serial.wrapping_add(1);
        if let Some(ip) = ip(address) {
            *self.addresses.entry(ip).or_default() += 1;
        }
        self.slots[index as usize] = Some(Box::new(Peer {
            id: ConnectionId { serial: self.serial, index },
            connection: Connection::new(Role::Hub, now.instant, limits),
            decoder: Decoder::new(limits.greeting_body),
            alarm: NEVER,
            ready: false,
            labels: Labels::new(address),
            since: now.time,
            client_id: [0; 16],
            proof: None,
            standing: Standing::default(),
            logger: LoggerPresence::Never,
            offset: 0,
            uncertainty: None,
            clock: None,
            subscriptions: Vec::new(),
            due: None,
            waits_for_room: false,
            dealings: None,
            detached: false,
        }));
        index
    }

    pub(crate) fn remove(&mut self, index: PeerIndex) {
        let Some(peer) = self.slots[index as usize].take() else { return };
        self.free.push(index);
        if let Some(ip) = ip(peer.address())
            && let Some(count) = self.addresses.get_mut(&ip)
        {
            *count -= 1;
            if *count == 0 {
                self.addresses.remove(&ip);
            }
        }
    }

    /// How many connections there are from where this one comes; none of what comes over no network.
    pub(crate) fn count_like(&self, index: PeerIndex) -> usize {
        ip(self[index].address()).and_then(|ip| self.addresses.get(&ip)).copied().unwrap_or(0)
    }

    /// Where a connection stands, if it still does.
    pub(crate) fn find(&self, id: ConnectionId) -> Option<PeerIndex> {
        let peer = self.slots.get(id.index as usize)?.as_ref()?;
        (peer.id == id).then_some(id.index)
    }

    pub(crate) fn named(&self, name: &str) -> Option<PeerIndex> {
        self.names.find(self.hasher.hash_one(name), |&index| self[index].name() == name).copied()
    }

    /// A connection has greeted. Gives it its name: the one it wishes, or with `#2`, `#3` ... where that is taken.
    pub(crate) fn greeted(&mut self, index: PeerIndex, wish: &str, product: &str) {
        let mut name = wish.to_owned();
        let mut number = 1;
        while self.named(&name).is_some() {
            number += 1;
            name = format!("{wish}#{number}");
        }
        self[index].labels.greeted(&name, product);
        let Self { slots, names, hasher, .. } = self;
        let hash = |&index: &PeerIndex| {
            let peer = slots[index as usize].as_ref().expect("names of what is gone are forgotten");
            hasher.hash_one(peer.name())
        };
        names.insert_unique(hash(&index), index, hash);
    }

    /// Frees the name of a connection that is over.
    pub(crate) fn forget_name(&mut self, index: PeerIndex) {
        let hash = self.hasher.hash_one(self[index].name());
        if let Ok(entry) = self.names.find_entry(hash, |&other| other == index) {
            entry.remove();
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PeerIndex, &Peer)> {
        (0..).zip(&self.slots).filter_map(|(index, slot)| Some((index, slot.as_deref()?)))
    }

    /// Queues a packet.
    pub(crate) fn send(&mut self, index: PeerIndex, packet: &Packet<'_>) {
        self[index].connection.output.send(packet);
        self.touch(index);
    }

    /// Queues a frame that is encoded already.
    pub(crate) fn append(&mut self, index: PeerIndex, frame: &[u8]) {
        self[index].connection.output.append(frame);
        self.touch(index);
    }

    /// Notes that a connection has something to write, or is to be closed.
    pub(crate) fn touch(&mut self, index: PeerIndex) {
        let peer = self.slots[index as usize].as_mut().expect("it is still there");
        if !peer.ready {
            peer.ready = true;
            self.ready.push(peer.id);
        }
    }

    /// The next one that has something to write, or is to be closed.
    pub(crate) fn next_ready(&mut self) -> Option<ConnectionId> {
        while let Some(id) = self.ready.pop() {
            if let Some(index) = self.find(id) {
                self[index].ready = false;
                return Some(id);
            }
        }
        None
    }
}

/// Of an address on a network, without the port.
fn ip(address: &str) -> Option<IpAddr> {
    address.parse().ok().map(|address: SocketAddr| address.ip())
}

impl std::ops::Index<PeerIndex> for Peers {
    type Output = Peer;

    fn index(&self, index: PeerIndex) -> &Peer {
        self.slots[index as usize].as_ref().expect("a peer index is kept only while the connection is there")
    }
}

impl std::ops::IndexMut<PeerIndex> for Peers {
    fn index_mut(&mut self, index: PeerIndex) -> &mut Peer {
        self.slots[index as usize].as_mut().expect("a peer index is kept only while the connection is there")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_given_up_and_what_is_not_stays() {
        let mut peers = Peers::default();
        let now = Now { instant: Instant::from_nanos(0), time: Time::from_nanos(0) };
        let index = peers.open(now, "[::1]:1", &Limits::default());
        let peer = &mut peers[index];
        peer.dealings_mut().watches.push(7);
        peer.dealings_mut().asked = 1;
        peer.owe(Due::Source(7));
        peer.give_up_empty();
        assert_eq!((peer.owed(), peer.dealings().watches.len()), (1, 1));

        assert!(matches!(peer.next_due(), Some(Due::Source(7))));
        peer.stop_watching(7);
        peer.give_up_empty();
        assert!(peer.due.is_none() && peer.dealings.is_some(), "it still waits for an answer");

        peer.dealings_mut().asked = 0;
        peer.give_up_empty();
        assert!(peer.dealings.is_none());
    }

    #[test]
    fn an_idle_connection_is_small() {
        assert!(size_of::<Peer>() <= 296, "{} bytes", size_of::<Peer>());
    }
}
