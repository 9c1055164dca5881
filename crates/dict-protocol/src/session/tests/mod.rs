//! A session against a hub made by hand.

mod exchange;
mod keeping;
mod lifecycle;
mod losses;
mod writers;

use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;

use super::*;
use crate::encoding::messagepack;
use crate::packet::{
    Ack, Announced, Handling, Level, LoggerPresence, MissingFrom, Outcome, Payload, Pong, Resume, Status,
};
use crate::time::Time;
use crate::value::Dictionary;
use crate::writer::{WriterChange, WriterOptions};
use crate::{change, dictionary};

/// What the session sent, owned.
#[derive(Clone, Debug, PartialEq)]
enum Sent {
    Hello,
    Ping(u64),
    Announce {
        epoch: u64,
        previous: u64,
        newest: u64,
        level: Level,
        replay: bool,
        take_over: bool,
    },
    Update {
        source: u32,
        sequence: u64,
        end: bool,
        end_of_slice: bool,
        replayed: bool,
        n: Option<i64>,
    },
    State {
        source: u32,
        sequence: u64,
        missing: Option<MissingFrom>,
        end_of_slice: bool,
        replayed: bool,
        n: i64,
    },
    Subscribe(u32),
    Unsubscribe(u32),
    Message {
        to: String,
    },
    Request {
        id: u32,
        action: String,
        deadline: u32,
    },
    Reply {
        id: u32,
        status: Status,
    },
    Handle {
        handling: Handling,
        action: String,
    },
    Refuse {
        id: u32,
        to: String,
        text: String,
    },
    Error(ErrorCode),
    Bye,
    Other,
}

/// What the session told, owned.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Connected { name: String, logger: LoggerPresence },
    Disconnected(String),
    Logger(LoggerPresence),
    Writer(WriterChange),
    TooSlow(u32),
    SubscriptionRefused(u32),
    Asked(Question, String),
    Answered(u32, Status),
    Pong(Duration),
    Notice(ErrorCode),
    Other(String),
}

struct Fixture {
    session: Session,
    now: Now,
    told: Vec<Told>,
}

impl Fixture {
    fn new(limits: Limits) -> Self {
        let settings = Settings {
            name: "client".into(),
            product: "test".into(),
            credentials: String::new(),
            client_id: [0; 16],
            limits,
        };
        let now = Now { instant: Instant::from_nanos(1), time: Time::from_nanos(5_000_000) };
        Self { session: Session::new(settings), now, told: Vec::new() }
    }

    /// Connected and greeted by a hub with that logger; what was sent and told so far is forgotten.
    fn open(limits: Limits, logger: LoggerPresence) -> Self {
        let mut fixture = Self::new(limits);
        fixture.greet(logger);
        fixture.sent();
        fixture.told.clear();
        fixture
    }

    fn greet(&mut self, logger: LoggerPresence) {
        self.session.connected(self.now);
        assert_eq!(self.sent(), [Sent::Hello]);
        self.welcome(logger);
    }

    fn welcome(&mut self, logger: LoggerPresence) {
        self.give(&Packet::Welcome(Welcome {
            version: VERSION,
            run: 77,
            client_time: self.now.time,
            time: self.now.time,
            max_body: 1 << 20,
            heartbeat: 5_000,
            logger,
            hub: "lab",
            name: "client#2",
        }));
    }

    fn give(&mut self, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes);
        self.give_bytes(&bytes);
    }

    fn give_bytes(&mut self, bytes: &[u8]) {
        let told = &mut self.told;
        self.session.receive(self.now, bytes, &mut |event| told.push(owned(&event)));
    }

    fn disconnect(&mut self) {
        let told = &mut self.told;
        self.session.disconnected("cut", &mut |event| told.push(owned(&event)));
    }

    fn after(&mut self, duration: Duration) {
        self.now.instant = self.now.instant + duration;
        let told = &mut self.told;
        self.session.handle_timeout(self.now, &mut |event| told.push(owned(&event)));
    }

    fn told(&mut self) -> Vec<Told> {
        core::mem::take(&mut self.told)
    }

    /// Reads everything that the session has to send.
    fn sent(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        let mut decoder = Decoder::new(1 << 24);
        // Draining may make more to send.
        while !self.session.output().is_empty() {
            let bytes = self.session.output().to_vec();
            let mut rest = &bytes[..];
            while let Some(frame) = decoder.decode(&mut rest).unwrap() {
                sent.push(sent_packet(&Packet::parse(&frame).unwrap()));
            }
            self.session.wrote(bytes.len());
        }
        sent
    }

    fn add(&mut self, level: Option<Level>) -> WriterId {
        self.session.add_writer(self.now, "a", WriterOptions { level, ..Default::default() }).unwrap()
    }

    fn publish(&mut self, writer: WriterId, n: i64) -> Option<u64> {
        self.session.publish(self.now, writer, &dictionary! { "n" => n }).unwrap()
    }

    fn accept(&mut self, epoch: u64, id: u32, live: u64) {
        self.answer(Announced { epoch, id, live, ..accepted() });
    }

    fn answer(&mut self, announced: Announced<'_>) {
        self.give(&Packet::Announced(announced));
    }

    fn ack(&mut self, source: u32, sequence: u64) {
        self.give(&Packet::Ack(Ack { source, sequence }));
    }

    fn resume(&mut self, source: u32, after: u64, updates: u32, bytes: u32) {
        self.give(&Packet::Resume(Resume { source, after, highest: 0, updates, bytes }));
    }
}

fn accepted() -> Announced<'static> {
    Announced {
        epoch: 0,
        outcome: Outcome::Accepted,
        id: 1,
        live: 0,
        highest: 0,
        previous: 0,
        source: "a",
        reason: "",
    }
}

fn n_of(dictionary: &Dictionary) -> Option<i64> {
    dictionary.get("n").and_then(crate::value::Value::as_i64)
}

fn sent_packet(packet: &Packet<'_>) -> Sent {
    match *packet {
        Packet::Hello(_) => Sent::Hello,
        Packet::Ping(ping) => Sent::Ping(ping.id),
        Packet::Announce(announce) => Sent::Announce {
            epoch: announce.epoch,
            previous: announce.previous,
            newest: announce.newest,
            level: announce.level,
            replay: announce.replay,
            take_over: announce.take_over,
        },
        Packet::Update(update) => Sent::Update {
            source: update.source,
            sequence: update.sequence,
            end: update.end,
            end_of_slice: update.end_of_slice,
            replayed: update.replayed,
            n: n_of(&change::Patch::parse(update.patch, 8).unwrap().as_dictionary().decode()),
        },
        Packet::State(state) => Sent::State {
            source: state.source,
            sequence: state.sequence,
            missing: state.missing,
            end_of_slice: state.end_of_slice,
            replayed: state.replayed,
            n: n_of(&messagepack::decode_dictionary(state.dictionary, 8).unwrap()).unwrap_or(-1),
        },
        Packet::Subscribe(subscribe) => Sent::Subscribe(subscribe.id),
        Packet::Unsubscribe(unsubscribe) => Sent::Unsubscribe(unsubscribe.id),
        Packet::Message(message) => Sent::Message { to: message.fields.to.into() },
        Packet::Request(request) => Sent::Request {
            id: request.fields.id,
            action: request.fields.action.into(),
            deadline: request.fields.deadline,
        },
        Packet::Reply(reply) => Sent::Reply { id: reply.fields.id, status: reply.fields.status },
        Packet::Handle(handle) => Sent::Handle { handling: handle.handling, action: handle.action.into() },
        Packet::Refuse(refuse) => {
            Sent::Refuse { id: refuse.id, to: refuse.to.into(), text: refuse.text.into() }
        }
        Packet::Error(error) => Sent::Error(error.code),
        Packet::Bye(_) => Sent::Bye,
        _ => Sent::Other,
    }
}

fn owned(event: &Event<'_>) -> Told {
    match event {
        Event::Connected(connected) => {
            Told::Connected { name: connected.name.into(), logger: connected.logger }
        }
        Event::Disconnected { reason } => Told::Disconnected(reason.to_string()),
        Event::Logger(presence) => Told::Logger(*presence),
        Event::Writer { change, .. } => Told::Writer(change.clone()),
        Event::TooSlow { subscription, .. } => Told::TooSlow(subscription.0),
        Event::SubscriptionRefused { subscription, .. } => Told::SubscriptionRefused(subscription.0),
        Event::Asked { question, request } => Told::Asked(*question, request.fields.action.into()),
        Event::Answered { request, status, .. } => Told::Answered(request.0, *status),
        Event::Pong { round_trip, .. } => Told::Pong(*round_trip),
        Event::Notice(error) => Told::Notice(error.code),
        other => Told::Other(format!("{other:?}")),
    }
}

const EMPTY: Payload<'_> = Payload { encoding: crate::frame::Encoding::Text, bytes: b"" };
