//! comet: what clients ask is asked at the hub, and always answered.
//!
//! | exchange | request | bad bytes, early end | too late | hub's answer | server stops |
//! |---|---|---|---|---|---|
//! | reading | answered by itself; or asked; or waiting for the seat | error answer | error answer | | error answer |
//! | waiting | passed over | | error answer | | error answer |
//! | asked | passed over | | | answer | error answer |
//! | answered | passed over | | closed | | |
//!
//! What is answered is closed when all of the answer is written: half of one is worse than none.
//!
//! A client connects anew for each request, so a caller's seat stays a while after its last one.

use std::collections::HashMap;
use std::time::Duration;

use dict_event_loop::Close;
use dict_event_loop::server::{Manner, Origin, StreamId};
use dict_protocol::dialect::comet::{self, Request, ServerEnd};
use dict_protocol::dialect::{Dialect, Incoming, Options};
use dict_protocol::limits::Limits;
use dict_protocol::link::Link;
use dict_protocol::packet::{Encoded, Status};
use dict_protocol::session::RequestId;
use dict_protocol::time::{Instant, Now};
use dict_protocol::value::Value;

use crate::complaint::Complaint;
use crate::gateway::Dialogue;
use crate::peers::host_of;
use crate::streams::{SeatId, Streams};
use crate::told::Told;

/// Serves clients.
pub(crate) struct Comet {
    /// How long an answer may take, if the limit `deadline` is not less.
    timeout: Duration,
    /// By host.
    callers: HashMap<String, Caller>,
    hosts: HashMap<SeatId, String>,
    exchanges: HashMap<StreamId, Exchange>,
    asked: HashMap<(SeatId, RequestId), StreamId>,
    spoiled: Complaint,
}

/// A host that requests come from.
struct Caller {
    seat: SeatId,
    /// Exchanges that are not over.
    exchanges: usize,
    /// When the last one was.
    idle_since: Instant,
}

/// One connection.
struct Exchange {
    host: String,
    stage: Stage,
    /// When the request has to be there and asked, or its answer taken.
    deadline: Instant,
}

enum Stage {
    Reading(ServerEnd),
    Waiting { action: String, value: Value },
    Asked,
    Answered,
}

impl Comet {
    /// How long it may take to read its answer.
    const TAKING: Duration = Duration::from_secs(60);
    /// How long a caller's seat is kept without a request.
    const IDLE: Duration = Duration::from_secs(60);

    pub(crate) fn new(link: &Link) -> Self {
        Self {
            timeout: link.options().timeout,
            callers: HashMap::new(),
            hosts: HashMap::new(),
            exchanges: HashMap::new(),
            asked: HashMap::new(),
            spoiled: Complaint::default(),
        }
    }

    /// Gives a client its answer; it is closed when that is written.
    fn answer(
        &mut self,
        streams: &mut Streams,
        now: Now,
        socket: StreamId,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let Some(exchange) = self.exchanges.get_mut(&socket) else { return };
        exchange.stage = Stage::Answered;
        exchange.deadline = now.instant + Self::TAKING;
        streams.write(socket, write);
    }

    fn answer_error(&mut self, streams: &mut Streams, now: Now, socket: StreamId, reason: &str) {
        self.answer(streams, now, socket, |output| comet::encode_error(reason, output));
    }

    /// A request is there.
    fn requested(&mut self, streams: &mut Streams, now: Now, socket: StreamId, request: &Request<'_>) {
        let mut answer = Vec::new();
        if request.answer_by_itself(&mut answer) {
            return self.answer(streams, now, socket, |output| output.append(&mut answer));
        }
        let Request::Action { action, value } = request else { return };
        let Some(exchange) = self.exchanges.get_mut(&socket) else { return };
        exchange.stage = Stage::Waiting { action: action.clone(), value: value.clone() };
        self.ask(streams, now, socket);
    }

    /// Asks the hub what waits to be asked, if the caller has its seat.
    fn ask(&mut self, streams: &mut Streams, now: Now, socket: StreamId) {
        let Some(Exchange { host, stage, .. }) = self.exchanges.get_mut(&socket) else { return };
        let Some(&Caller { seat, .. }) = self.callers.get(host) else { return };
        let Stage::Waiting { action, value } = stage else { return };
        if !streams.is_seated(seat) {
            return;
        }
        let timeout = self.timeout.min(streams.limits().deadline);
        let asked = Encoded::plain(value, streams.limits().payload_depth())
            .map_err(|error| error.to_string())
            .and_then(|payload| {
                streams
                    .with_seat(seat, |session, _| {
                        session.request(now, None, action, payload.payload(), timeout)
                    })
                    .unwrap_or(Err(dict_protocol::session::SendError::NotConnected.into()))
                    .map_err(|error| error.to_string())
            });
        match asked {
            Ok(request) => {
                *stage = Stage::Asked;
                self.asked.insert((seat, request), socket);
            }
            Err(error) => self.answer_error(streams, now, socket, &error),
        }
    }

    /// What becomes of a request whose client has not said all of it.
    fn spoiled(&mut self, streams: &mut Streams, now: Now, socket: StreamId, reason: &str) {
        if let Some(count) = self.spoiled.raise(now.instant) {
            let peer = streams.peer(socket);
            tracing::warn!(peer, count, "a comet request is answered with an error: {reason}");
        }
        self.answer_error(streams, now, socket, reason);
    }

    /// What becomes of an exchange whose time is over.
    fn late(&mut self, streams: &mut Streams, now: Now, socket: StreamId) {
        let Some(exchange) = self.exchanges.get(&socket) else { return };
        match exchange.stage {
            Stage::Reading(_) => {
                let patience = streams.limits().greeting.as_millis();
                let reason = format!("no complete request came within {patience} ms (limit greeting)");
                self.spoiled(streams, now, socket, &reason);
            }
            Stage::Waiting { .. } => {
                self.spoiled(streams, now, socket, "the hub has no place for whoever asks");
            }
            Stage::Asked => {}
            Stage::Answered => streams.close(socket, Close::Now),
        }
    }

    /// Gives up the seat of the caller that has not asked for longest, where there are too many to take one for `host`.
    fn make_room(&mut self, streams: &mut Streams, host: &str) {
        if self.callers.contains_key(host) || self.callers.len() < streams.limits().peers {
            return;
        }
        let idle = self.callers.iter().filter(|(_, caller)| caller.exchanges == 0);
        let Some(longest) = idle.min_by_key(|(_, caller)| caller.idle_since).map(|(host, _)| host.clone())
        else {
            return;
        };
        if let Some(caller) = self.callers.remove(&longest) {
            self.hosts.remove(&caller.seat);
            streams.leave_seat(caller.seat, "others ask");
        }
    }

    /// Answers everything that is open.
    fn stop(&mut self, streams: &mut Streams, now: Now) {
        let open = |exchange: &Exchange| !matches!(exchange.stage, Stage::Answered);
        let open: Vec<_> =
            self.exchanges.iter().filter(|(_, exchange)| open(exchange)).map(|(&socket, _)| socket).collect();
        for socket in open {
            self.answer_error(streams, now, socket, "the hub is stopping; whether it was done is not known");
        }
    }
}

impl Dialogue for Comet {
    fn start(&mut self, _: &mut Streams) {}

    fn manner(&self) -> Manner {
        Manner::Usual
    }

    fn opened(&mut self, streams: &mut Streams, now: Now, socket: StreamId, _: Origin) {
        let host = host_of(streams.peer(socket));
        self.make_room(streams, &host);
        let caller = self.callers.entry(host.clone()).or_insert_with(|| {
            let seat = streams.take_seat(&format!("{}/{host}", Dialect::Comet), &format!("{host} (comet)"));
            Caller { seat, exchanges: 0, idle_since: now.instant }
        });
        caller.exchanges += 1;
        self.hosts.insert(caller.seat, host.clone());
        let stage = Stage::Reading(ServerEnd::new(&Options::from(streams.limits())));
        let patience = streams.limits().greeting;
        self.exchanges.insert(socket, Exchange { host, stage, deadline: now.instant + patience });
    }

    fn refuse(&mut self, streams: &mut Streams, socket: StreamId, reason: &str) {
        let reason = format_args!("{reason}; ask again later");
        streams.write(socket, |output| comet::encode_error(reason, output));
        streams.close(socket, Close::Drain);
    }

    fn received(&mut self, streams: &mut Streams, now: Now, socket: StreamId, mut bytes: &[u8]) {
        let Some(Exchange { stage: stage @ Stage::Reading(_), .. }) = self.exchanges.get_mut(&socket) else {
            return;
        };
        // Taken out: what the codec says borrows from it.
        let Stage::Reading(mut codec) = std::mem::replace(stage, Stage::Answered) else { return };
        match codec.decode(&mut bytes) {
            Ok(Some(Incoming::Request(request))) => self.requested(streams, now, socket, &request),
            Ok(_) => {
                if let Some(exchange) = self.exchanges.get_mut(&socket) {
                    exchange.stage = Stage::Reading(codec);
                }
            }
            Err(fault) => self.spoiled(streams, now, socket, &fault.to_string()),
        }
    }

    fn input_ended(&mut self, streams: &mut Streams, now: Now, socket: StreamId) -> Option<Close> {
        let Some(Exchange { stage: Stage::Reading(codec), .. }) = self.exchanges.get_mut(&socket) else {
            // It waits for its answer.
            return None;
        };
        let fault = codec.finish().err().map_or_else(|| "no request".to_owned(), |fault| fault.to_string());
        self.spoiled(streams, now, socket, &fault);
        None
    }

    fn drained(&mut self, streams: &mut Streams, _: Now, socket: StreamId) {
        if self.exchanges.get(&socket).is_some_and(|exchange| matches!(exchange.stage, Stage::Answered)) {
            streams.close(socket, Close::Drain);
        }
    }

    fn closed(&mut self, _: &mut Streams, now: Now, socket: StreamId, _: &str) {
        let Some(exchange) = self.exchanges.remove(&socket) else { return };
        // The answer to one who is gone is for nobody.
        self.asked.retain(|_, asked| *asked != socket);
        if let Some(caller) = self.callers.get_mut(&exchange.host) {
            caller.exchanges -= 1;
            caller.idle_since = now.instant;
        }
    }

    fn told(&mut self, streams: &mut Streams, now: Now, seat: SeatId, told: Told) {
        match told {
            Told::Seated(_) => {
                let Some(host) = self.hosts.get(&seat).cloned() else { return };
                let waiting: Vec<_> =
                    self.exchanges.iter().filter(|(_, exchange)| exchange.host == host).collect();
                for socket in waiting.into_iter().map(|(&socket, _)| socket).collect::<Vec<_>>() {
                    self.ask(streams, now, socket);
                }
            }
            Told::Answered { request, status, value } => {
                let Some(socket) = self.asked.remove(&(seat, request)) else { return };
                let depth = streams.limits().depth;
                self.answer(streams, now, socket, |output| match status {
                    Status::Result => comet::encode_answer(&value, depth, output),
                    _ => comet::encode_error(explanation(status, &value), output),
                });
            }
            Told::Message(letter) => streams.refuse(seat, &letter, "a comet client takes no messages"),
            _ => {}
        }
    }

    fn poll_timeout(&self, _: &Limits) -> Option<Instant> {
        let late = self
            .exchanges
            .values()
            .filter(|exchange| !matches!(exchange.stage, Stage::Asked))
            .map(|exchange| exchange.deadline);
        let idle = self
            .callers
            .values()
            .filter(|caller| caller.exchanges == 0)
            .map(|caller| caller.idle_since + Self::IDLE);
        late.chain(idle).min()
    }

    fn handle_timeout(&mut self, streams: &mut Streams, now: Now) {
        let late: Vec<_> = self
            .exchanges
            .iter()
            .filter(|(_, exchange)| exchange.deadline <= now.instant)
            .map(|(&socket, _)| socket)
            .collect();
        for socket in late {
            self.late(streams, now, socket);
        }
        let hosts = &mut self.hosts;
        self.callers.retain(|_, caller| {
            let stays = caller.exchanges > 0 || now.instant < caller.idle_since + Self::IDLE;
            if !stays {
                hosts.remove(&caller.seat);
                streams.leave_seat(caller.seat, "no requests for a while");
            }
            stays
        });
    }

    fn is_finished(&mut self, streams: &mut Streams, now: Now) -> bool {
        self.stop(streams, now);
        true
    }
}

/// Why there is no result, in words.
fn explanation(status: Status, value: &Value) -> String {
    match (value.as_str(), status) {
        (Some(text), _) if !text.is_empty() => text.to_owned(),
        (_, Status::Late) => "no answer came in time; whether it was done is not known".to_owned(),
        (_, Status::Unknown) => {
            "whoever answers it went away in between; whether it was done is not known".to_owned()
        }
        (_, Status::NoHandler) => "nobody answers this action".to_owned(),
        _ => "it failed".to_owned(),
    }
}
