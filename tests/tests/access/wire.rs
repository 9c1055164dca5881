//! A native client of one packet at a time, over TCP.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use dict_protocol::decoder::Decoder;
use dict_protocol::frame::{Encoding, Kind};
use dict_protocol::packet::{
    Announce, ErrorCode, Handle, Handling, Hello, Level, Message, MessageFields, Mode, Outcome, Packet,
    Payload, Ping, Refuse, Reply, ReplyFields, Request, RequestFields, Status, Subscribe, Update,
};
use dict_protocol::record::Stamp;
use dict_protocol::time::Time;

/// Long enough for anything that is to happen.
pub(super) const SOON: Duration = Duration::from_secs(20);

/// What the hub said, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Welcome,
    Error {
        code: ErrorCode,
        about: u8,
        reference: u64,
        closing: bool,
        text: String,
    },
    Announced {
        outcome: Outcome,
        id: u32,
        reason: String,
    },
    Source {
        name: String,
        online: bool,
        reason: String,
    },
    State {
        source: u32,
    },
    Update {
        source: u32,
    },
    Current(u32),
    Message {
        from: String,
        text: String,
    },
    Request {
        id: u32,
        action: String,
    },
    Reply {
        id: u32,
        status: Status,
        payload: Vec<u8>,
    },
    Pong,
    /// The connection is closed.
    End,
    Other,
}

pub(super) struct Wire {
    stream: TcpStream,
    decoder: Decoder,
    heard: VecDeque<Heard>,
    next: u32,
}

impl Wire {
    pub(super) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, decoder: Decoder::new(1 << 24), heard: VecDeque::new(), next: 0 }
    }

    /// A client that was accepted.
    pub(super) fn accepted(address: SocketAddr, name: &str, credentials: &str) -> Self {
        let mut wire = Self::connect(address);
        wire.greet(name, credentials);
        assert_eq!(wire.hear(), Heard::Welcome, "{name}");
        wire
    }

    pub(super) fn greet(&mut self, name: &str, credentials: &str) {
        let mut client_id = [7; 16];
        client_id[..4].copy_from_slice(&fastrand::u32(..).to_le_bytes());
        self.send(&Packet::Hello(Hello {
            version_min: 1,
            version_max: 1,
            client_id,
            time: Time::default(),
            max_body: u32::MAX,
            heartbeat: 60_000,
            name,
            product: "test",
            credentials,
        }));
    }

    pub(super) fn send(&mut self, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes);
        // One that the hub has closed is seen to be so when it is read.
        let _ = self.stream.write_all(&bytes);
    }

    /// A number that was not used yet on this connection.
    pub(super) fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// The next thing that the hub says.
    pub(super) fn hear(&mut self) -> Heard {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return heard;
            }
            let mut buffer = [0; 4_096];
            let count = match self.stream.read(&mut buffer) {
                Ok(0) => return Heard::End,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Heard::End,
                Err(error) => panic!("nothing came: {error}"),
            };
            let mut bytes = &buffer[..count];
            while let Some(frame) = self.decoder.decode(&mut bytes).unwrap() {
                self.heard.push_back(heard(&Packet::parse(&frame).unwrap()));
            }
        }
    }

    /// All that the hub says, up to the first thing that is `last`, with it.
    pub(super) fn until(&mut self, last: impl Fn(&Heard) -> bool) -> Vec<Heard> {
        let mut all = Vec::new();
        loop {
            let heard = self.hear();
            let is_last = last(&heard) || heard == Heard::End;
            all.push(heard);
            if is_last {
                return all;
            }
        }
    }

    /// All that the hub says before it answers a ping: what it has to say about what was sent before is among that.
    pub(super) fn settle(&mut self) -> Vec<Heard> {
        self.send(&Packet::Ping(Ping { time: Time::default(), offset: 0, uncertainty: None, id: 0 }));
        let mut all = self.until(|heard| *heard == Heard::Pong);
        all.pop();
        all
    }

    /// Subscribes; returns what the hub says until it has said all, or refused.
    pub(super) fn subscribe(&mut self, mode: Mode, pattern: &str) -> (u32, Vec<Heard>) {
        let id = self.number();
        let text = pattern.strip_suffix('*').unwrap_or(pattern);
        let prefix = pattern.ends_with(['*', '/']);
        self.send(&Packet::Subscribe(Subscribe { id, mode, prefix, interval: 0, pattern: text }));
        let told = self.until(|heard| match heard {
            Heard::Current(current) => *current == id,
            Heard::Error { about, .. } => *about == Kind::Subscribe as u8,
            _ => false,
        });
        (id, told)
    }

    /// Announces a source; returns what the hub says to it.
    pub(super) fn announce(&mut self, source: &str, epoch: u64, take_over: bool) -> (Outcome, u32, String) {
        let level = Level::Received;
        let (previous, newest, replay) = (0, 1, false);
        self.send(&Packet::Announce(Announce { epoch, previous, newest, level, replay, take_over, source }));
        let told = self.until(|heard| matches!(heard, Heard::Announced { .. })).pop();
        let Some(Heard::Announced { outcome, id, reason }) = told else { panic!("{told:?}") };
        (outcome, id, reason)
    }

    /// Writes a source with one update.
    pub(super) fn write(&mut self, source: &str) {
        let (outcome, id, reason) = self.announce(source, 1, false);
        assert_eq!(outcome, Outcome::Accepted, "{source}: {reason}");
        // Nothing removed, "V" set to 5.
        let patch = &[0x90, 0x81, 0xA1, b'V', 5];
        let (end, end_of_slice, replayed) = (false, false, false);
        let stamp = Stamp::default();
        let update = Update { source: id, sequence: 1, stamp, end, end_of_slice, replayed, patch };
        self.send(&Packet::Update(update));
        self.settle();
    }

    pub(super) fn message(&mut self, to: &str) -> u32 {
        let id = self.number();
        let payload = Payload { encoding: Encoding::Text, bytes: b"hello" };
        let fields = MessageFields { id, to, from: "" };
        self.send(&Packet::Message(Message { fields, payload }));
        id
    }

    pub(super) fn refuse(&mut self, id: u32, to: &str) {
        self.send(&Packet::Refuse(Refuse { id, to, text: "no" }));
    }

    pub(super) fn request(&mut self, action: &str, value: &str) -> u32 {
        let id = self.number();
        let payload = Payload { encoding: Encoding::Text, bytes: value.as_bytes() };
        let fields = RequestFields { id, deadline: 20_000, action, to: "", from: "" };
        self.send(&Packet::Request(Request { fields, payload }));
        id
    }

    pub(super) fn reply(&mut self, id: u32) {
        let payload = Payload { encoding: Encoding::Text, bytes: b"done" };
        let fields = ReplyFields { id, status: Status::Result };
        self.send(&Packet::Reply(Reply { fields, payload }));
    }

    /// The hub's answer to a request.
    pub(super) fn answer(&mut self, request: u32) -> (Status, Vec<u8>) {
        let told = self.until(|heard| matches!(heard, Heard::Reply { id, .. } if *id == request)).pop();
        let Some(Heard::Reply { status, payload, .. }) = told else { panic!("{told:?}") };
        (status, payload)
    }

    pub(super) fn handle(&mut self, handling: Handling, action: &str) {
        self.send(&Packet::Handle(Handle { handling, action }));
    }
}

fn heard(packet: &Packet<'_>) -> Heard {
    match packet {
        Packet::Welcome(_) => Heard::Welcome,
        Packet::Error(error) => Heard::Error {
            code: error.code,
            about: error.about,
            reference: error.reference,
            closing: error.closing,
            text: error.text.to_owned(),
        },
        Packet::Announced(announced) => Heard::Announced {
            outcome: announced.outcome,
            id: announced.id,
            reason: announced.reason.to_owned(),
        },
        Packet::Source(source) => Heard::Source {
            name: source.name.to_owned(),
            online: source.online,
            reason: source.reason.to_owned(),
        },
        Packet::State(state) => Heard::State { source: state.source },
        Packet::Update(update) => Heard::Update { source: update.source },
        Packet::Current(current) => Heard::Current(current.subscription),
        Packet::Message(message) => Heard::Message {
            from: message.fields.from.to_owned(),
            text: String::from_utf8_lossy(message.payload.bytes).into_owned(),
        },
        Packet::Request(request) => {
            Heard::Request { id: request.fields.id, action: request.fields.action.to_owned() }
        }
        Packet::Reply(reply) => Heard::Reply {
            id: reply.fields.id,
            status: reply.fields.status,
            payload: reply.payload.bytes.to_owned(),
        },
        Packet::Pong(_) => Heard::Pong,
        _ => Heard::Other,
    }
}
