//! A hub and hand-made clients, one packet at a time.

use std::time::Duration;

use dict_hub::{Config, ConnectionId, Hub};
use dict_protocol::change;
use dict_protocol::decoder::Decoder;
use dict_protocol::frame::{self, Frame, Kind};
use dict_protocol::limits::Limits;
use dict_protocol::packet::{
    Ack, Announce, Hello, Level, LoggerPresence, Mode, Outcome, Packet, Resume, Subscribe, Update,
};
use dict_protocol::record::Stamp;
use dict_protocol::time::{Now, Time};
use dict_protocol::value::Dictionary;

/// A hub, its clock, and nothing else.
pub(super) struct Lab {
    pub(super) hub: Hub,
    pub(super) now: Now,
}

/// One client's end, as far as the tests need one.
pub(super) struct Client {
    pub(super) id: ConnectionId,
    decoder: Decoder,
    /// Frames that came and were not looked at yet, each as its bytes.
    inbox: std::collections::VecDeque<Vec<u8>>,
    /// What it was welcomed with.
    pub(super) logger: LoggerPresence,
}

impl Lab {
    pub(super) fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub(super) fn with_limits(limits: Limits) -> Self {
        let now = Now { time: Time::from_nanos(1_000_000_000_000), ..Now::default() };
        let config = Config { name: "lab".into(), run: 7, product: "test".into(), limits };
        Self { hub: Hub::new(config, now), now }
    }

    /// A client that has greeted and was welcomed.
    pub(super) fn client(&mut self, name: &str, client_id: u8) -> Client {
        let id = self.hub.open(self.now, "192.0.2.1:1000");
        self.greet(id, name, client_id, "")
    }

    /// A client that greets with credentials on a connection that was opened, and is welcomed.
    pub(super) fn greet(&mut self, id: ConnectionId, name: &str, client_id: u8, credentials: &str) -> Client {
        self.greet_wishing(id, name, client_id, credentials, 0)
    }

    /// The same with a wish for heartbeats, in milliseconds.
    pub(super) fn greet_wishing(
        &mut self,
        id: ConnectionId,
        name: &str,
        client_id: u8,
        credentials: &str,
        heartbeat: u32,
    ) -> Client {
        let (decoder, logger) = (Decoder::new(1 << 24), LoggerPresence::Never);
        let mut client = Client { id, decoder, inbox: Default::default(), logger };
        self.send(
            &client,
            &Packet::Hello(Hello {
                version_min: 1,
                version_max: 1,
                client_id: [client_id; 16],
                time: self.now.time,
                max_body: u32::MAX,
                heartbeat,
                name,
                product: "test",
                credentials,
            }),
        );
        self.turn();
        self.collect(&mut client);
        client.logger = client.expect_map(|packet| match packet {
            Packet::Welcome(welcome) => Some(welcome.logger),
            _ => None,
        });
        client
    }

    pub(super) fn send(&mut self, client: &Client, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes);
        self.hub.receive(self.now, client.id, &bytes);
    }

    pub(super) fn turn(&mut self) {
        self.hub.end_turn(self.now);
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now.instant = self.now.instant + time;
        self.now.time = self.now.time.offset_by(i64::try_from(time.as_nanos()).expect("a short time"));
        self.hub.handle_timeout(self.now);
        self.turn();
    }

    /// Takes what the hub has for a client, until it has no more.
    pub(super) fn collect(&mut self, client: &mut Client) {
        loop {
            self.hub.end_turn(self.now);
            let output = self.hub.output(client.id).to_vec();
            if output.is_empty() {
                return;
            }
            self.hub.wrote(client.id, output.len());
            client.take(&output);
        }
    }

    /// What came for a client, in words that are easy to compare.
    pub(super) fn told(&mut self, client: &mut Client) -> Vec<String> {
        self.collect(client);
        let mut told = Vec::new();
        while let Some(bytes) = client.inbox.pop_front() {
            told.push(words(&bytes));
        }
        told
    }

    /// Announces a source and returns its number.
    pub(super) fn announce(&mut self, client: &mut Client, source: &str, epoch: u64, level: Level) -> u32 {
        self.send(client, &Packet::Announce(announcement(source, epoch, level)));
        self.collect(client);
        let id = client.expect_map(|packet| match packet {
            Packet::Announced(announced) => {
                assert_eq!(announced.outcome, Outcome::Accepted, "{}", announced.reason);
                Some(announced.id)
            }
            _ => None,
        });
        assert_ne!(id, 0);
        id
    }

    /// Sends an update that sets keys to integers and removes others.
    pub(super) fn update(
        &mut self,
        client: &Client,
        source: u32,
        sequence: u64,
        set: &[(&str, i64)],
        removed: &[&str],
    ) {
        let patch = patch(set, removed);
        self.send(client, &Packet::Update(update(source, sequence, &patch)));
    }

    pub(super) fn subscribe(&mut self, client: &Client, id: u32, mode: Mode, pattern: &str) {
        let (prefix, interval) = (pattern.is_empty() || pattern.ends_with(['/', '$']), 0);
        self.send(client, &Packet::Subscribe(Subscribe { id, mode, prefix, interval, pattern }));
    }

    pub(super) fn resume(&mut self, client: &Client, source: u32, after: u64) {
        self.send(client, &Packet::Resume(Resume { source, after, highest: 0, updates: 0, bytes: 0 }));
    }

    pub(super) fn ack(&mut self, client: &Client, source: u32, sequence: u64) {
        self.send(client, &Packet::Ack(Ack { source, sequence }));
    }
}

impl Client {
    fn take(&mut self, mut bytes: &[u8]) {
        while let Some(frame) = self.decoder.decode(&mut bytes).expect("the hub sends good frames") {
            let mut copy = Vec::new();
            frame::copy(&mut copy, &frame);
            self.inbox.push_back(copy);
        }
    }

    /// Takes the next packet, which has to be one that `wanted` recognises.
    pub(super) fn expect(&mut self, wanted: impl Fn(&Packet<'_>) -> bool) {
        self.expect_map(|packet| wanted(packet).then_some(()));
    }

    pub(super) fn expect_map<T>(&mut self, wanted: impl Fn(&Packet<'_>) -> Option<T>) -> T {
        let bytes = self.inbox.pop_front().expect("nothing came");
        wanted(&parse(&bytes)).unwrap_or_else(|| panic!("{} came", words(&bytes)))
    }
}

pub(super) fn announcement(source: &str, epoch: u64, level: Level) -> Announce<'_> {
    Announce { epoch, previous: 0, newest: 0, level, replay: false, take_over: false, source }
}

pub(super) fn update(source: u32, sequence: u64, patch: &[u8]) -> Update<'_> {
    Update {
        source,
        sequence,
        stamp: Stamp::default(),
        end: false,
        end_of_slice: false,
        replayed: false,
        patch,
    }
}

pub(super) fn patch(set: &[(&str, i64)], removed: &[&str]) -> Vec<u8> {
    let before: Dictionary = removed.iter().map(|&key| (key, 0)).collect();
    let after: Dictionary = set.iter().map(|&(key, value)| (key, value)).collect();
    let mut patch = Vec::new();
    change::difference(&before, &after, 8, &mut patch).expect("it is shallow");
    patch
}

fn parse(bytes: &[u8]) -> Packet<'_> {
    let body = &bytes[frame::HEADER..bytes.len() - frame::TRAILER];
    let mut decoder = Decoder::new(1 << 24);
    let mut rest = bytes;
    let frame = decoder.decode(&mut rest).expect("a frame").expect("a whole one");
    let kept =
        Frame { body, ..Frame { kind: frame.kind, encoding: frame.encoding, flags: frame.flags, body } };
    Packet::parse(&kept).expect("the hub sends good packets")
}

/// A packet in words: its kind, and what tests look at.
fn words(bytes: &[u8]) -> String {
    match parse(bytes) {
        Packet::Update(update) => {
            let patch = change::Patch::parse(update.patch, 128).expect("a good patch");
            let mut parts: Vec<String> = patch.removed().map(|key| format!("-{key}")).collect();
            parts.extend(patch.set().map(|(key, value)| {
                format!("{key}={}", value.as_i64().map_or_else(|| "..".into(), |value| value.to_string()))
            }));
            let kind = if update.end { "End" } else { "Update" };
            let replayed = if update.replayed { " replayed" } else { "" };
            format!("{kind} {} {}{replayed}", update.sequence, parts.join(" ")).trim_end().to_owned()
        }
        Packet::State(state) => {
            let whole = change::DictionaryBytes::parse(state.dictionary, 128).expect("a good dictionary");
            let keys: Vec<String> = whole
                .iter()
                .map(|(key, value)| format!("{key}={}", value.as_i64().unwrap_or_default()))
                .collect();
            let missing =
                state.missing.map_or_else(String::new, |missing| format!(" missing from {}", missing.first));
            format!("State {} {}{missing}", state.sequence, keys.join(" "))
        }
        Packet::Source(source) => {
            let online = if source.online { "online" } else { "offline" };
            let after =
                if source.previous == 0 { String::new() } else { format!("after {} ", source.previous) };
            format!("Source {} epoch {} {after}{online}", source.name, source.epoch)
        }
        Packet::Current(current) => format!("Current {}", current.subscription),
        Packet::Ack(ack) => format!("Ack {}", ack.sequence),
        Packet::Resume(resume) => format!("Resume after {}", resume.after),
        Packet::Announced(announced) => {
            format!("Announced {:?} highest {}", announced.outcome, announced.highest)
        }
        Packet::Error(error) => format!("Error {:?}", error.code),
        Packet::Message(message) => format!(
            "Message from {} {:?}",
            message.fields.from,
            String::from_utf8_lossy(message.payload.bytes)
        ),
        Packet::Request(request) => format!("Request {} from {}", request.fields.action, request.fields.from),
        Packet::Reply(reply) => format!("Reply {} {:?}", reply.fields.id, reply.fields.status),
        Packet::Logger(logger) => format!("Logger {:?}", logger.presence),
        Packet::Bye(_) => "Bye".into(),
        other => format!("{other:?}"),
    }
}

/// The kind of a frame, for those that are sent by hand.
pub(super) fn raw_frame(kind: Kind, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write(&mut bytes, kind, frame::Encoding::None, 0, |out| out.extend_from_slice(body));
    bytes
}
