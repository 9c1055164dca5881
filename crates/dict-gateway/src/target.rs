//! A comet server, as a named client of the hub that answers by asking it.
//!
//! | call | connected | not connected | whole answer | closed, bad bytes | deadline |
//! |---|---|---|---|---|---|
//! | connecting | request is written; asked | failed | | | dropped: the hub has answered |
//! | asked | | | the result | outcome unknown | dropped: the hub has answered |

use std::collections::HashMap;
use std::time::Duration;

use dict_event_loop::server::{Manner, Origin, StreamId};
use dict_event_loop::{Address, Close, Retry};
use dict_protocol::dialect::comet::{self, Answer, ClientEnd};
use dict_protocol::dialect::{Incoming, Options};
use dict_protocol::limits::Limits;
use dict_protocol::link::Link;
use dict_protocol::packet::{Encoded, Status};
use dict_protocol::session::Question;
use dict_protocol::time::{Instant, Now};
use dict_protocol::value::Value;

use crate::gateway::{Dialogue, seat_name};
use crate::streams::{SeatId, Streams};
use crate::told::Told;

/// Asks a server.
pub(crate) struct Target {
    /// What it is called at the hub.
    name: String,
    address: Address,
    seat: Option<SeatId>,
    /// By the place of their connection.
    calls: HashMap<u32, Call>,
    sockets: HashMap<StreamId, u32>,
    last: u32,
}

/// A request that is not answered yet.
struct Call {
    question: Question,
    request: Vec<u8>,
    codec: ClientEnd,
    deadline: Instant,
}

impl Target {
    /// Requests at the same time, each on a connection of its own.
    const MOST: usize = 256;

    pub(crate) fn new(link: &Link, address: Address) -> Self {
        let name = link.options().name.clone().unwrap_or_else(|| seat_name(link));
        Self { name, address, seat: None, calls: HashMap::new(), sockets: HashMap::new(), last: 0 }
    }

    /// Somebody asks.
    fn asked(
        &mut self,
        streams: &mut Streams,
        now: Now,
        question: Question,
        (action, value): (&str, &Value),
        wait: Duration,
    ) {
        let limits = streams.limits();
        if self.calls.len() >= Self::MOST {
            let text = format!("{} requests to {} are not answered yet", Self::MOST, self.name);
            return self.reply(streams, question, Status::Failed, &text.into());
        }
        let mut request = Vec::new();
        if let Err(error) = comet::encode_request(action, value, limits.depth, &mut request) {
            return self.reply(streams, question, Status::Failed, &error.to_string().into());
        }
        let codec = ClientEnd::new(&Options::from(limits));
        self.last = self.last.wrapping_add(1);
        self.calls.insert(self.last, Call { question, request, codec, deadline: now.instant + wait });
        streams.reach(self.last, self.address.clone(), Retry::Never);
    }

    fn reply(&mut self, streams: &mut Streams, question: Question, status: Status, value: &Value) {
        let Some(seat) = self.seat else { return };
        let depth = streams.limits().payload_depth();
        let (status, payload) = match Encoded::plain(value, depth) {
            Ok(payload) => (status, payload),
            Err(error) => (Status::Failed, Encoded::text(&error.to_string())),
        };
        // One whose connection is gone has its outcome: unknown.
        let replied =
            streams.with_seat(seat, |session, _| session.reply(question, status, payload.payload()));
        if let Some(Err(error)) = replied {
            tracing::warn!(name = self.name, "an answer cannot be passed on: {error}");
        }
    }

    /// A call is over.
    fn end(&mut self, streams: &mut Streams, place: u32, status: Status, value: &Value) {
        if let Some(call) = self.calls.remove(&place) {
            self.reply(streams, call.question, status, value);
        }
    }
}

impl Dialogue for Target {
    fn start(&mut self, streams: &mut Streams) {
        let seat = streams.take_seat(&self.name, &format!("comet://{}", self.address));
        streams
            .with_seat(seat, |session, _| session.handle_addressed("").expect("it is the first, and short"));
        self.seat = Some(seat);
    }

    fn manner(&self) -> Manner {
        Manner::Usual
    }

    fn opened(&mut self, streams: &mut Streams, _: Now, socket: StreamId, origin: Origin) {
        let Origin::Link(place) = origin else { return };
        let Some(call) = self.calls.get_mut(&place) else { return streams.close(socket, Close::Now) };
        self.sockets.insert(socket, place);
        streams.write(socket, |output| output.append(&mut call.request));
    }

    fn received(&mut self, streams: &mut Streams, _: Now, socket: StreamId, mut bytes: &[u8]) {
        let Some(&place) = self.sockets.get(&socket) else { return };
        let Some(call) = self.calls.get_mut(&place) else { return };
        let (status, value) = match call.codec.decode(&mut bytes) {
            Ok(Some(Incoming::Answer(Answer::Result(value)))) => (Status::Result, value),
            Ok(Some(Incoming::Answer(Answer::Binary(bytes)))) => {
                (Status::Result, Value::Binary(bytes.to_vec()))
            }
            Ok(_) => return,
            Err(fault) => (Status::Unknown, format!("{} answers what is none: {fault}", self.name).into()),
        };
        self.end(streams, place, status, &value);
        streams.close(socket, Close::Drain);
    }

    fn input_ended(&mut self, _: &mut Streams, _: Now, _: StreamId) -> Option<Close> {
        Some(Close::Drain)
    }

    fn closed(&mut self, streams: &mut Streams, _: Now, socket: StreamId, reason: &str) {
        let Some(place) = self.sockets.remove(&socket) else { return };
        let text = format!("{} ended the connection without an answer: {reason}", self.name);
        self.end(streams, place, Status::Unknown, &text.into());
    }

    fn told(&mut self, streams: &mut Streams, now: Now, seat: SeatId, told: Told) {
        match told {
            Told::Seated(name) if name != self.name => {
                let wish = &self.name;
                tracing::error!(
                    "a client is called {wish:?} already: requests to the comet server need {name:?}"
                );
            }
            Told::Asked { question, action, value, deadline } => {
                self.asked(streams, now, question, (&action, &value), deadline);
            }
            Told::Message(letter) => streams.refuse(seat, &letter, "a comet server takes requests alone"),
            _ => {}
        }
    }

    fn link_failed(&mut self, streams: &mut Streams, _: Now, place: u32, error: &str) {
        self.end(streams, place, Status::Failed, &error.into());
    }

    fn poll_timeout(&self, _: &Limits) -> Option<Instant> {
        self.calls.values().map(|call| call.deadline).min()
    }

    fn handle_timeout(&mut self, streams: &mut Streams, now: Now) {
        self.calls.retain(|_, call| now.instant < call.deadline);
        let calls = &self.calls;
        for (&socket, _) in self.sockets.iter().filter(|(_, place)| !calls.contains_key(place)) {
            streams.close(socket, Close::Now);
        }
    }

    fn is_finished(&mut self, _: &mut Streams, _: Now) -> bool {
        true
    }
}
