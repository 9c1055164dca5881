//! What holds for whatever connections do, as functions that take any bytes and panic if it does not hold; see
//! [`dict_protocol::properties`].

mod greeting;

use std::collections::HashMap;
use std::time::Duration;

use dict_protocol::change;
use dict_protocol::crc;
use dict_protocol::decoder::Decoder;
use dict_protocol::encoding::messagepack;
use dict_protocol::frame::{self, Encoding, Kind};
use dict_protocol::limits::Limits;
use dict_protocol::mirror::Mirror;
use dict_protocol::packet::{
    self, Ack, Announce, ErrorCode, Handle, Handling, Hello, Level, Message, MessageFields, MissingFrom,
    Mode, Outcome, Packet, Payload, Ping, Refuse, Reply, ReplyFields, Request, RequestFields, Resume, State,
    Status, Subscribe, Unsubscribe, Update,
};
use dict_protocol::pattern::Pattern;
use dict_protocol::properties::Choices;
use dict_protocol::record::{GapReason, Stamp};
use dict_protocol::time::Now;

pub use greeting::greeting_any_bytes;

use crate::access::{Access, Identity, Rights, TokenHash};
use crate::{Config, ConnectionId, Hub};

const NAMES: [&str; 6] = ["a", "b", "a/b", "a/c", "$hub/lab", ""];
const ACTIONS: [&str; 6] = ["", "zero", "$sources", "$status", "$note", "$other"];

/// Whatever connections send, in whatever order and pace, and however slowly they read: the hub does not panic, what it
/// sends are packets that a hub may send, no output passes its limit, and a watcher that in the end has read everything
/// holds the dictionaries that a new watcher is told, as far as the rules let it. The rules change meanwhile, and sources are
/// forgotten; nobody is told of one that it may not read.
///
/// The bytes choose the operations.
///
/// # Panics
///
/// If it does not hold.
pub fn hub_operations(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut lab = Lab::new();
    while !choices.is_empty() {
        lab.operate(&mut choices);
        lab.settle();
    }
    lab.read_everything();
    lab.compare_with_a_new_watcher();
}

/// Nobody, and two identities, by their tokens: the first may do everything.
const TOKENS: [&str; 3] = ["", "root", "other"];

/// What the other identity may read and write under each of some rules.
const RULES: [&[&str]; 3] = [&[], &["a/"], &["a/", "b"]];

fn access(rules: usize) -> Access {
    let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::parse(text)).collect::<Vec<_>>();
    let identity = |name: &str, read: &[&str], rest: &[&str]| Identity {
        name: name.into(),
        token: Some(TokenHash::of(name)),
        certificate: None,
        rights: Rights {
            read: patterns(read),
            write: patterns(read),
            log: patterns(rest),
            handle: patterns(rest),
            request: patterns(rest),
            send: patterns(rest),
        },
    };
    let all = &["*", "$*"];
    Access::new([identity("root", all, all), identity("other", RULES[rules], &[])]).expect("they differ")
}

/// A hub and its connections.
struct Lab {
    /// Which rules hold; `None`: none.
    rules: Option<usize>,
    hub: Hub,
    now: Now,
    peers: Vec<Peer>,
    next_subscription: u32,
}

/// A connection, from outside.
struct Peer {
    id: ConnectionId,
    /// By its place in `TOKENS`.
    who: usize,
    decoder: Decoder,
    mirror: Mirror,
    /// By their numbers.
    subscriptions: HashMap<u32, (Pattern, Mode)>,
    /// The sources that it writes, with the next sequence of each.
    writes: Vec<(u32, u64)>,
    /// It was told that it is over.
    ended: bool,
}

fn limits() -> Limits {
    Limits {
        body: 8 << 10,
        greeting_body: 1 << 10,
        dictionary: 2 << 10,
        keys: 20,
        depth: 8,
        connections: 6,
        address_connections: 4,
        name: 12,
        sources: 8,
        subscriptions: 4,
        handlers: 3,
        requests: 3,
        request_bytes: 64,
        deadline: Duration::from_secs(10),
        latest_output: 1 << 10,
        every_output: 6 << 10,
        durable_output: 6 << 10,
        output: 24 << 10,
        ..Limits::default()
    }
}

impl Lab {
    fn new() -> Self {
        let now = Now::default();
        let config = Config { name: "lab".into(), run: 7, product: "properties".into(), limits: limits() };
        Self { rules: None, hub: Hub::new(config, now), now, peers: Vec::new(), next_subscription: 0 }
    }

    fn operate(&mut self, choices: &mut Choices<'_>) {
        match choices.below(13) {
            0 => {
                let client = choices.byte();
                self.open(client, usize::from(client / 6 % 3));
            }
            12 => self.set_rules(choices),
            1 => {
                let count = usize::from(choices.byte()) * 16;
                self.with_peer(choices, |lab, peer, _| lab.read(peer, count));
            }
            2 => {
                let passed = Duration::from_millis(u64::from(choices.byte()) * 100);
                self.now.instant = self.now.instant + passed;
                self.hub.handle_timeout(self.now);
            }
            3 => self.with_peer(choices, |lab, peer, _| {
                let gone = lab.peers.remove(peer);
                lab.hub.closed(lab.now, gone.id, "gone");
            }),
            4 => self.hub.end_turn(self.now),
            5 => self.with_peer(choices, |lab, peer, choices| {
                let (now, id) = (lab.now, lab.peers[peer].id);
                match choices.some_bytes(40) {
                    // Any frame, of any kind: nobody guesses a checksum.
                    [0xFF, kind, encoding, flags, body @ ..] => {
                        let mut bytes = Vec::new();
                        frame::write(&mut bytes, Kind::Ignorable, Encoding::None, 0, |out| {
                            out.extend_from_slice(body);
                        });
                        [bytes[1], bytes[2], bytes[3]] = [*kind, *encoding, *flags];
                        let end = bytes.len() - frame::TRAILER;
                        let sum = crc::checksum(&bytes[1..end]);
                        bytes[end..end + 4].copy_from_slice(&sum.to_le_bytes());
                        lab.hub.receive(now, id, &bytes);
                    }
                    bytes => lab.hub.receive(now, id, bytes),
                }
            }),
            _ => self.with_peer(choices, Self::send_something),
        }
    }

    fn with_peer(
        &mut self,
        choices: &mut Choices<'_>,
        operate: impl FnOnce(&mut Self, usize, &mut Choices<'_>),
    ) {
        if self.peers.is_empty() {
            self.open(0, 1);
        }
        let peer = usize::from(choices.byte()) % self.peers.len();
        operate(self, peer, choices);
    }

    /// A client connects and greets.
    fn open(&mut self, client: u8, who: usize) {
        let id = self.hub.open(self.now, ["192.0.2.1:1000", "192.0.2.2:1000"][usize::from(client) / 2 % 2]);
        let mirror = Mirror::new(&limits());
        let (decoder, subscriptions) = (Decoder::new(u32::MAX), HashMap::new());
        self.peers.push(Peer { id, who, decoder, mirror, subscriptions, writes: Vec::new(), ended: false });
        self.send(
            self.peers.len() - 1,
            &Packet::Hello(Hello {
                version_min: 1,
                version_max: 1,
                client_id: [client % 3; 16],
                time: self.now.time,
                max_body: u32::MAX,
                heartbeat: 0,
                name: ["x", "y"][usize::from(client) % 2],
                product: "properties",
                credentials: TOKENS[who],
            }),
        );
    }

    fn set_rules(&mut self, choices: &mut Choices<'_>) {
        self.rules = Some(usize::from(choices.below(4))).filter(|&rules| rules < RULES.len());
        self.hub.set_access(self.now, self.rules.map(access));
    }

    /// Whether the rules let a connection read a source.
    fn may_read(&self, who: usize, name: &str) -> bool {
        match (self.rules, who) {
            (None, _) | (_, 1) => true,
            (Some(_), 0) => false,
            (Some(rules), _) => {
                RULES[rules].iter().any(|text| name == *text || text.ends_with('/') && name.starts_with(text))
            }
        }
    }

    fn send(&mut self, peer: usize, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes);
        self.hub.receive(self.now, self.peers[peer].id, &bytes);
    }

    fn send_something(&mut self, peer: usize, choices: &mut Choices<'_>) {
        match choices.below(14) {
            0..3 => self.send_update(peer, choices),
            3 => self.send_state(peer, choices),
            4 => self.send_announce(peer, choices),
            5 => self.subscribe(peer, choices),
            6 => self.unsubscribe(peer, choices),
            7 => {
                let (source, sequence) = (choices.below(10).into(), choices.below(20).into());
                self.send(peer, &Packet::Ack(Ack { source, sequence }));
            }
            8 => {
                let (source, after) = (choices.below(10).into(), choices.below(20).into());
                let highest = choices.below(6).into();
                self.send(peer, &Packet::Resume(Resume { source, after, highest, updates: 0, bytes: 0 }));
            }
            9 => {
                let offset = choices.byte().into();
                self.send(
                    peer,
                    &Packet::Ping(Ping { time: self.now.time, offset, uncertainty: Some(1), id: 0 }),
                );
            }
            10 => {
                let handling =
                    [Handling::Off, Handling::On, Handling::Addressed][usize::from(choices.below(3))];
                let action = ACTIONS[usize::from(choices.below(6))];
                self.send(peer, &Packet::Handle(Handle { handling, action }));
            }
            11 => self.send(peer, &Packet::Bye(packet::Bye { reason: "done" })),
            _ => self.send_exchange(peer, choices),
        }
    }

    fn send_announce(&mut self, peer: usize, choices: &mut Choices<'_>) {
        let epoch = u64::from(choices.below(5)) + 1;
        let announce = Announce {
            epoch,
            previous: u64::from(choices.below(3)),
            newest: choices.below(10).into(),
            level: [Level::None, Level::Received, Level::Logged][usize::from(choices.below(3))],
            replay: choices.below(4) == 1,
            take_over: choices.yes(),
            source: NAMES[usize::from(choices.below(6))],
        };
        self.send(peer, &Packet::Announce(announce));
        // Read at once, so that what follows is mostly of use.
        self.read(peer, usize::MAX);
    }

    fn send_update(&mut self, peer: usize, choices: &mut Choices<'_>) {
        let mut patch = Vec::new();
        let (old, new) = (choices.dictionary(1), choices.dictionary(1));
        if choices.below(16) == 1 {
            patch.extend_from_slice(choices.some_bytes(20));
        } else if !change::difference(&old, &new, 8, &mut patch).expect("neither nests too deep") {
            patch.extend_from_slice(&[0x90, 0x80]);
        }
        let (source, sequence) = self.next_update(peer, choices);
        let update = Update {
            source,
            sequence,
            stamp: Stamp::default(),
            end: choices.below(10) == 1,
            end_of_slice: choices.yes(),
            replayed: choices.yes(),
            patch: &patch,
        };
        self.send(peer, &Packet::Update(update));
    }

    /// Mostly a source that it writes, and the next sequence of that.
    fn next_update(&mut self, peer: usize, choices: &mut Choices<'_>) -> (u32, u64) {
        let choice = choices.byte();
        let writes = &mut self.peers[peer].writes;
        if writes.is_empty() || choice % 16 == 15 {
            return (choices.below(10).into(), choices.below(20).into());
        }
        let place = usize::from(choice) % writes.len();
        let (source, next) = &mut writes[place];
        *next += 1;
        (*source, *next - 1)
    }

    fn send_state(&mut self, peer: usize, choices: &mut Choices<'_>) {
        let mut dictionary = Vec::new();
        messagepack::encode_dictionary(&choices.dictionary(1), 8, &mut dictionary)
            .expect("it does not nest too deep");
        let first = choices.below(10).into();
        let (source, sequence) = self.next_update(peer, choices);
        let state = State {
            source,
            sequence,
            stamp: Stamp::default(),
            missing: (first > 0).then_some(MissingFrom {
                first,
                since: self.now.time,
                reason: GapReason::SpoolFull,
            }),
            end_of_slice: choices.yes(),
            replayed: choices.yes(),
            dictionary: &dictionary,
        };
        self.send(peer, &Packet::State(state));
    }

    fn subscribe(&mut self, peer: usize, choices: &mut Choices<'_>) {
        let id = self.next_subscription;
        self.next_subscription += 1;
        let mode = [Mode::Latest, Mode::Every, Mode::Durable, Mode::Messages][usize::from(choices.below(4))];
        let (prefix, pattern) = match choices.below(6) {
            0 => (true, "a"),
            1 => (true, "$"),
            2 => (false, "b"),
            _ => (true, ""),
        };
        let interval = u32::from(choices.below(3)) * 100;
        self.send(peer, &Packet::Subscribe(Subscribe { id, mode, prefix, interval, pattern }));
        let pattern = if prefix { Pattern::Prefix(pattern.into()) } else { Pattern::Name(pattern.into()) };
        self.peers[peer].subscriptions.insert(id, (pattern, mode));
    }

    fn unsubscribe(&mut self, peer: usize, choices: &mut Choices<'_>) {
        let id = choices.byte().into();
        self.send(peer, &Packet::Unsubscribe(Unsubscribe { id }));
        self.peers[peer].subscriptions.remove(&id);
    }

    fn send_exchange(&mut self, peer: usize, choices: &mut Choices<'_>) {
        let name = |choice: u8| ["", "x", "y", "nobody"][usize::from(choice)];
        let payload = Payload { encoding: Encoding::Text, bytes: choices.some_bytes(40) };
        let id = choices.below(4).into();
        match choices.below(5) {
            4 => {
                let payload = Payload {
                    encoding: Encoding::Text,
                    bytes: NAMES[usize::from(choices.below(6))].as_bytes(),
                };
                let fields = RequestFields { id, deadline: 100, action: "$forget", to: "", from: "" };
                self.send(peer, &Packet::Request(Request { fields, payload }));
            }
            0 => {
                let fields = MessageFields { id, to: name(choices.below(4)), from: "" };
                self.send(peer, &Packet::Message(Message { fields, payload }));
            }
            1 => {
                let action = ACTIONS[usize::from(choices.below(6))];
                let deadline = u32::from(choices.byte()) * 100;
                let fields = RequestFields { id, deadline, action, to: name(choices.below(4)), from: "" };
                self.send(peer, &Packet::Request(Request { fields, payload }));
            }
            2 => self.send(peer, &Packet::Refuse(Refuse { id, to: name(choices.below(4)), text: "no" })),
            _ => {
                let status = [Status::Result, Status::Failed][usize::from(choices.below(2))];
                let fields = ReplyFields { id, status };
                self.send(peer, &Packet::Reply(Reply { fields, payload }));
            }
        }
    }

    /// Checks every output against its limit. Nobody reads yet.
    fn settle(&mut self) {
        while self.hub.poll_notice().is_some() {}
        while self.hub.poll_ready().is_some() {}
        let limits = limits();
        // The last packet may begin within the limit; and an Error that says why follows.
        let most = limits.output + limits.body as usize + 1_000;
        for peer in &self.peers {
            let length = self.hub.output(peer.id).len();
            assert!(length <= most, "{length} bytes are queued, {most} may be");
        }
    }

    /// A connection reads `count` bytes, as far as there are so many.
    fn read(&mut self, peer: usize, count: usize) {
        let Self { hub, peers, .. } = self;
        let Peer { id, decoder, mirror, subscriptions, writes, ended, .. } = &mut peers[peer];
        let output = hub.output(*id);
        let count = count.min(output.len());
        let mut bytes = &output[..count];
        while let Some(frame) = decoder.decode(&mut bytes).expect("a hub writes frames") {
            match Packet::parse(&frame).expect("a hub writes packets") {
                Packet::Announced(announced) if announced.outcome == Outcome::Accepted => {
                    writes.push((announced.id, announced.live + 1));
                }
                Packet::Source(source) => drop(mirror.source(&source).expect("within the limits")),
                Packet::State(state) => drop(mirror.state(&state).expect("a hub writes dictionaries")),
                Packet::Update(update) => drop(mirror.update(&update).expect("a hub writes patches")),
                Packet::Error(error)
                    if error.code == ErrorCode::TooSlow || error.code == ErrorCode::Limit =>
                {
                    *ended |= error.closing;
                    subscriptions.remove(&u32::try_from(error.reference).unwrap_or(u32::MAX));
                }
                Packet::Error(error)
                    if error.code == ErrorCode::Forbidden && error.about == Kind::Subscribe as u8 =>
                {
                    subscriptions.remove(&u32::try_from(error.reference).unwrap_or(u32::MAX));
                }
                Packet::Error(error) => *ended |= error.closing,
                Packet::Hello(_)
                | Packet::Ping(_)
                | Packet::Announce(_)
                | Packet::Subscribe(_)
                | Packet::Unsubscribe(_)
                | Packet::Handle(_)
                | Packet::Refuse(_) => panic!("a hub never says this"),
                _ => {}
            }
        }
        hub.wrote(*id, count);
    }

    /// Lets all that is due be sent, and everybody read it.
    fn read_everything(&mut self) {
        // The longest interval of a watcher passes.
        self.now.instant = self.now.instant + Duration::from_secs(1);
        self.hub.handle_timeout(self.now);
        loop {
            self.hub.end_turn(self.now);
            self.settle();
            if self.peers.iter().all(|peer| self.hub.output(peer.id).is_empty()) && !self.hub.wants_turn() {
                return;
            }
            for peer in 0..self.peers.len() {
                self.read(peer, usize::MAX);
            }
        }
    }

    fn compare_with_a_new_watcher(&mut self) {
        while self.peers.len() >= limits().address_connections {
            let first = self.peers.remove(0);
            self.hub.closed(self.now, first.id, "gone");
        }
        self.open(0, 1);
        let new = self.peers.len() - 1;
        for (id, pattern) in [(0, ""), (1, "$")] {
            let subscribe = Subscribe { id, mode: Mode::Latest, prefix: true, interval: 0, pattern };
            self.send(new, &Packet::Subscribe(subscribe));
        }
        self.read_everything();
        let (new, others) = self.peers.split_last().expect("it was just opened");
        for peer in others.iter().filter(|peer| !peer.ended && !self.hub.is_ended(peer.id)) {
            for source in new.mirror.iter() {
                if !self.may_read(peer.who, source.name()) {
                    let told = peer.mirror.get(source.name()).is_some_and(|told| told.id().is_some());
                    assert!(!told, "{} was told of {}", TOKENS[peer.who], source.name());
                    continue;
                }
                let modes = peer.subscriptions.values().filter(|(pattern, _)| pattern.matches(source.name()));
                let modes: Vec<_> =
                    modes.map(|(_, mode)| *mode).filter(|mode| *mode != Mode::Messages).collect();
                if modes.is_empty() || modes.contains(&Mode::Durable) || source.dictionary().is_none() {
                    continue;
                }
                let held = peer.mirror.get(source.name()).and_then(|source| source.dictionary());
                assert_eq!(held, source.dictionary(), "{} as it is held and as it is", source.name());
            }
        }
    }
}
