//! What is nobody's state: messages, requests and their answers.
//!
//! A request is passed on at most once. It ends in exactly one reply to the asker: the handler's, or one of the hub's
//! (nobody handles it, the handler went away, the deadline passed).

use std::collections::HashMap;
use std::time::Duration;

use dict_protocol::connection::ConnectionError;
use dict_protocol::frame::{Encoding, Kind};
use dict_protocol::limits::Limits;
use dict_protocol::packet::{
    Encoded, Error, ErrorCode, Handle, Handling, Message, MessageFields, Packet, Payload, Refuse, Reply,
    ReplyFields, Request, RequestFields, Status,
};
use dict_protocol::time::{Instant, Now};
use dict_protocol::value::Value;

use crate::access::Right;
use crate::hub::{Hub, Timer};
use crate::journal::Event;
use crate::peers::{ConnectionId, Dealings, PeerIndex};
use crate::words::tame;

/// So many messages can be refused by one client: those that it was sent last.
const LETTERS: usize = 1_000;

/// A request that was passed on (or that the hub answers itself, later).
#[derive(Debug)]
pub(crate) struct Asked {
    asker: ConnectionId,
    /// The asker's number for it.
    number: u32,
    handler: Option<ConnectionId>,
    started: Instant,
    deadline: Instant,
    action: Box<str>,
    /// Not decoded: in memory a value may take many times its bytes.
    payload: Encoded,
}

impl Asked {
    /// What it carries; it was looked at when it came.
    fn value(&self, limits: &Limits) -> Value {
        payload_value(&self.payload.payload(), limits).ok().and_then(Result::ok).unwrap_or(Value::Null)
    }

    /// How many bytes it carries.
    fn length(&self) -> usize {
        self.payload.payload().bytes.len()
    }
}

/// A connection that handles an action.
#[derive(Clone, Copy, Debug)]
struct Handler {
    peer: PeerIndex,
    /// Only what is for it by name.
    addressed: bool,
}

/// Who listens, who handles, what was asked.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// Connections that subscribed to messages.
    listeners: Vec<PeerIndex>,
    /// For each action those that handle it, first come first; the empty action stands for all others.
    handlers: HashMap<Box<str>, Vec<Handler>>,
    asked: HashMap<u32, Asked>,
    next: u32,
}

impl Exchange {
    pub(crate) fn listen(&mut self, peer: PeerIndex) {
        if !self.listeners.contains(&peer) {
            self.listeners.push(peer);
        }
    }

    pub(crate) fn unlisten(&mut self, peer: PeerIndex) {
        self.listeners.retain(|&listener| listener != peer);
    }

    /// Who answers `action`: of all that answer anybody, or `to` alone if it does.
    fn handler(&self, action: &str, to: Option<PeerIndex>) -> Option<PeerIndex> {
        let mut candidates = self.handlers_of(action).iter().chain(self.handlers_of(""));
        let handler = match to {
            Some(peer) => candidates.find(|candidate| candidate.peer == peer),
            None => candidates.find(|candidate| !candidate.addressed),
        };
        handler.map(|handler| handler.peer)
    }

    fn handlers_of(&self, action: &str) -> &[Handler] {
        self.handlers.get(action).map_or(&[], Vec::as_slice)
    }

    /// A connection handles an action no longer.
    fn unhandle(&mut self, action: &str, peer: PeerIndex) {
        if let Some(handlers) = self.handlers.get_mut(action) {
            handlers.retain(|handler| handler.peer != peer);
            if handlers.is_empty() {
                self.handlers.remove(action);
            }
        }
    }

    pub(crate) fn open_requests(&self) -> usize {
        self.asked.len()
    }

    /// Whether a request is still open, and given up at that time.
    pub(crate) fn is_due_at(&self, number: u32, at: Instant) -> bool {
        self.asked.get(&number).is_some_and(|asked| asked.deadline == at)
    }

    fn unused_number(&mut self) -> u32 {
        loop {
            self.next = self.next.wrapping_add(1);
            if !self.asked.contains_key(&self.next) {
                return self.next;
            }
        }
    }
}

impl Hub {
    pub(crate) fn message(
        &mut self,
        now: Now,
        from: PeerIndex,
        message: &Message<'_>,
    ) -> Result<(), ConnectionError> {
        let fields = &message.fields;
        let about = Kind::Message as u8;
        let value = match payload_value(&message.payload, &self.config.limits)? {
            Ok(value) => value,
            Err(text) => {
                self.refuse(from, ErrorCode::Limit, about, fields.id.into(), &text);
                return Ok(());
            }
        };
        if !self.peers[from].standing.permits(Right::Send, fields.to) {
            let to = if fields.to.is_empty() { "*" } else { fields.to };
            self.forbid(from, Right::Send, to, about, fields.id.into());
            return Ok(());
        }
        let to: Vec<PeerIndex> = if fields.to.is_empty() {
            self.exchange.listeners.iter().copied().filter(|&listener| listener != from).collect()
        } else if let Some(peer) = self.peers.named(fields.to) {
            self.note_letter(from, peer, fields.id);
            vec![peer]
        } else {
            let text = format!("nobody named {:?} is connected", fields.to);
            self.refuse(from, ErrorCode::NoSuchPeer, about, fields.id.into(), &text);
            return Ok(());
        };
        let sender = Box::<str>::from(self.peers[from].name());
        let encoding = encoding_name(message.payload.encoding);
        self.journal.event(now.time, Event::Message { from: &sender, to: fields.to, encoding, value });
        self.frame.clear();
        let fields = MessageFields { from: &sender, ..*fields };
        Packet::Message(Message { fields, payload: message.payload }).encode(&mut self.frame);
        // Taken out: a listener that does not read is ended, and what it leaves behind is answered in other frames.
        let frame = std::mem::take(&mut self.frame);
        for peer in to {
            self.deliver(now, peer, &frame);
        }
        self.frame = frame;
        Ok(())
    }

    /// Notes a message that is for one client. Refusing it takes no right to send; without this, that would be a way to
    /// tell anybody anything.
    fn note_letter(&mut self, from: PeerIndex, to: PeerIndex, id: u32) {
        let sender = self.peers[from].id;
        let letters = &mut self.peers[to].dealings_mut().letters;
        if letters.len() >= LETTERS {
            letters.pop_front();
        }
        letters.push_back((sender, id));
    }

    /// A message's receiver cannot take it: its sender is told, if it is there and reads. Each is refused once.
    pub(crate) fn message_refused(&mut self, from: PeerIndex, refuse: &Refuse<'_>) {
        let Some(sender) = self.peers.named(refuse.to) else { return };
        let letter = (self.peers[sender].id, refuse.id);
        let letters = &self.peers[from].dealings().letters;
        let Some(place) = letters.iter().position(|&known| known == letter) else { return };
        self.peers[from].dealings_mut().letters.remove(place);
        let text = format!("\"{}\" cannot take the message: {}", self.peers[from].name(), tame(refuse.text));
        let error = Error {
            code: ErrorCode::NotTaken,
            about: Kind::Message as u8,
            reference: refuse.id.into(),
            closing: false,
            text: &text,
        };
        self.frame.clear();
        Packet::Error(error).encode(&mut self.frame);
        // Whoever refuses does not end the sender, who may not have read all that it is told: half of the room is left.
        let queued = self.peers[sender].connection.output.len() + self.frame.len();
        if queued <= self.config.limits.every_output / 2 {
            self.peers.append(sender, &self.frame);
        }
    }

    /// Queues a frame for a connection; one that does not read its messages is ended.
    pub(crate) fn deliver(&mut self, now: Now, to: PeerIndex, frame: &[u8]) {
        let limit = self.config.limits.every_output;
        let queued = self.peers[to].connection.output.len() + frame.len();
        if queued > limit {
            let (name, what) = ("every_output", "number of bytes waiting to be read");
            let error = ConnectionError::Limit { name, what, value: queued as u64, limit: limit as u64 };
            self.fail(now, to, &error);
        } else {
            self.peers.append(to, frame);
        }
    }

    /// The same for a packet.
    fn deliver_packet(&mut self, now: Now, to: PeerIndex, packet: &Packet<'_>) {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        packet.encode(&mut frame);
        self.deliver(now, to, &frame);
        self.frame = frame;
    }

    pub(crate) fn handle(&mut self, from: PeerIndex, handle: &Handle<'_>) {
        let addressed = match handle.handling {
            Handling::Off => {
                self.exchange.unhandle(handle.action, from);
                if let Some(Dealings { handles, .. }) = self.peers[from].existing_dealings() {
                    handles.retain(|action| &**action != handle.action);
                }
                return;
            }
            Handling::On => false,
            Handling::Addressed => true,
        };
        let known = self.exchange.handlers_of(handle.action).iter().find(|handler| handler.peer == from);
        match known.map(|handler| handler.addressed) {
            Some(before) if before == addressed => return,
            // As if it came anew: somebody else may be the first now.
            Some(_) => self.exchange.unhandle(handle.action, from),
            None => {
                if let Some((code, text)) = self.why_not_handled(from, handle.action) {
                    return self.refuse(from, code, Kind::Handle as u8, 0, &text);
                }
                self.peers[from].dealings_mut().handles.push(handle.action.into());
            }
        }
        let first = self.exchange.handlers_of(handle.action).iter().find(|handler| !handler.addressed);
        if let (Some(first), false) = (first, addressed) {
            let name = self.peers[first.peer].name();
            let text = format!("action {:?} is answered by {name:?}, until that one leaves", handle.action);
            self.refuse(from, ErrorCode::HandlerTaken, Kind::Handle as u8, 0, &text);
        }
        let handlers = self.exchange.handlers.entry(handle.action.into()).or_default();
        handlers.push(Handler { peer: from, addressed });
    }

    /// Why a connection may not handle one more action, if it may not.
    fn why_not_handled(&self, from: PeerIndex, action: &str) -> Option<(ErrorCode, String)> {
        let limits = &self.config.limits;
        if self.peers[from].dealings().handles.len() >= limits.handlers || action.len() > limits.name {
            let text = format!(
                "a connection handles at most {} actions (limit handlers), of at most {} bytes each (limit name)",
                limits.handlers, limits.name
            );
            Some((ErrorCode::Limit, text))
        } else if action.starts_with('$') {
            let text = format!("action {action:?}: names that begin with $ are the hub's");
            Some((ErrorCode::Invalid, text))
        } else if !self.peers[from].standing.permits(Right::Handle, action) {
            let action = if action.is_empty() { "*" } else { action };
            let text = self.peers[from].standing.lacks(Right::Handle, format_args!("{action:?}"));
            Some((ErrorCode::Forbidden, text))
        } else {
            None
        }
    }

    pub(crate) fn request(
        &mut self,
        now: Now,
        from: PeerIndex,
        request: &Request<'_>,
    ) -> Result<(), ConnectionError> {
        let fields = &request.fields;
        let limits = &self.config.limits;
        if let Err(text) = payload_value(&request.payload, limits)? {
            self.reply_text(from, fields.id, Status::Refused, &text);
            return Ok(());
        }
        if let Some(text) = self.why_not(from, request) {
            self.reply_text(from, fields.id, Status::Refused, &text);
            return Ok(());
        }
        let wait = Duration::from_millis(fields.deadline.into()).min(limits.deadline);
        let number = self.exchange.unused_number();
        let asked = Asked {
            asker: self.peers[from].id,
            number: fields.id,
            handler: None,
            started: now.instant,
            deadline: now.instant + wait,
            action: fields.action.into(),
            payload: request.payload.into(),
        };
        self.set_timer(asked.deadline, Timer::Request(number));
        let dealings = self.peers[from].dealings_mut();
        dealings.asked += 1;
        dealings.asked_bytes += asked.length();
        self.exchange.asked.insert(number, asked);
        if fields.action.starts_with('$') {
            self.own_action(now, number);
        } else {
            self.pass_request_on(now, from, number, request);
        }
        Ok(())
    }

    /// Why a request is refused at once, if it is.
    fn why_not(&self, from: PeerIndex, request: &Request<'_>) -> Option<String> {
        let (limits, peer) = (&self.config.limits, &self.peers[from]);
        let (action, bytes) = (request.fields.action.len(), request.payload.bytes.len());
        let &Dealings { asked, asked_bytes, .. } = peer.dealings();
        if action > limits.name {
            Some(format!("an action of {action} bytes is over the limit of {} (limit name)", limits.name))
        } else if !peer.standing.permits(Right::Request, request.fields.action) {
            Some(peer.standing.lacks(Right::Request, format_args!("{:?}", request.fields.action)))
        } else if asked >= limits.requests {
            let limit = limits.requests;
            Some(format!("{limit} requests of this connection are not answered yet (limit requests)"))
        } else if asked > 0 && asked_bytes + bytes > limits.request_bytes {
            let limit = limits.request_bytes;
            Some(format!(
                "requests of this connection that are not answered yet carry {limit} bytes at most (limit \
                 request_bytes)"
            ))
        } else {
            None
        }
    }

    fn pass_request_on(&mut self, now: Now, from: PeerIndex, number: u32, request: &Request<'_>) {
        let fields = &request.fields;
        let to = (!fields.to.is_empty()).then(|| self.peers.named(fields.to));
        let handler = match to {
            Some(None) => {
                let text = format!("nobody named {:?} is connected", fields.to);
                return self.answer_text(now, number, Status::NoHandler, &text);
            }
            Some(Some(peer)) => self.exchange.handler(fields.action, Some(peer)),
            None => self.exchange.handler(fields.action, None),
        };
        let Some(handler) = handler else {
            let text = format!("nobody answers action {:?}", fields.action);
            return self.answer_text(now, number, Status::NoHandler, &text);
        };
        if let Some(asked) = self.exchange.asked.get_mut(&number) {
            asked.handler = Some(self.peers[handler].id);
        }
        let asker = Box::<str>::from(self.peers[from].name());
        let fields = RequestFields { id: number, from: &asker, ..*fields };
        self.deliver_packet(now, handler, &Packet::Request(Request { fields, payload: request.payload }));
    }

    pub(crate) fn reply(
        &mut self,
        now: Now,
        from: PeerIndex,
        reply: &Reply<'_>,
    ) -> Result<(), ConnectionError> {
        let id = self.peers[from].id;
        let number = reply.fields.id;
        // One that came after its deadline is for nobody.
        if self.exchange.asked.get(&number).is_none_or(|asked| asked.handler != Some(id)) {
            return Ok(());
        }
        match payload_value(&reply.payload, &self.config.limits)? {
            Ok(value) => self.answer(now, number, reply.fields.status, value, reply.payload),
            Err(text) => self.answer_text(now, number, Status::Failed, &text),
        }
        Ok(())
    }

    /// Ends a request with an answer in words.
    pub(crate) fn answer_text(&mut self, now: Now, number: u32, status: Status, text: &str) {
        let payload = Payload { encoding: Encoding::Text, bytes: text.as_bytes() };
        self.answer(now, number, status, text.into(), payload);
    }

    /// Ends a request with a value of the hub's own.
    pub(crate) fn answer_value(&mut self, now: Now, number: u32, value: Value) {
        match Encoded::value(&value, self.config.limits.depth) {
            Ok(encoded) => self.answer(now, number, Status::Result, value, encoded.payload()),
            Err(error) => self.answer_text(now, number, Status::Failed, &error.to_string()),
        }
    }

    fn answer(&mut self, now: Now, number: u32, status: Status, value: Value, payload: Payload<'_>) {
        let Some(asked) = self.exchange.asked.remove(&number) else { return };
        let Some(asker) = self.peers.find(asked.asker) else { return };
        let dealings = self.peers[asker].dealings_mut();
        dealings.asked -= 1;
        dealings.asked_bytes -= asked.length();
        let (length, limit) = (payload.bytes.len(), payload_limit(&self.config.limits));
        if length > limit {
            let text = format!(
                "an answer of {length} bytes is over the limit of {limit} (limit body): ask for less"
            );
            return self.reply_text(asker, asked.number, Status::Failed, &text);
        }
        let handler = asked.handler.and_then(|id| self.peers.find(id));
        let to = handler.map_or_else(
            || self.config.name.clone().into(),
            |peer| Box::<str>::from(self.peers[peer].name()),
        );
        let from = Box::<str>::from(self.peers[asker].name());
        if !asked.action.starts_with('$') {
            self.journal.event(
                now.time,
                Event::Request {
                    from: &from,
                    to: &to,
                    action: &asked.action,
                    value: asked.value(&self.config.limits),
                    outcome: outcome(status),
                    result: value,
                    duration_ns: u64::try_from(now.instant.since(asked.started).as_nanos())
                        .unwrap_or(u64::MAX),
                },
            );
        }
        let fields = ReplyFields { id: asked.number, status };
        self.deliver_packet(now, asker, &Packet::Reply(Reply { fields, payload }));
    }

    /// Refuses a request before it is one.
    fn reply_text(&mut self, to: PeerIndex, id: u32, status: Status, text: &str) {
        let payload = Payload { encoding: Encoding::Text, bytes: text.as_bytes() };
        self.peers.send(to, &Packet::Reply(Reply { fields: ReplyFields { id, status }, payload }));
    }

    /// A request's timer ran out.
    pub(crate) fn check_request(&mut self, now: Now, number: u32) {
        if self.exchange.asked.get(&number).is_some_and(|asked| asked.deadline <= now.instant) {
            self.answer_text(now, number, Status::Late, "no answer came in time");
        }
    }

    /// What the asker wanted with a request, and its name.
    pub(crate) fn asked(&self, number: u32) -> Option<(PeerIndex, &str, Value)> {
        let asked = self.exchange.asked.get(&number)?;
        Some((self.peers.find(asked.asker)?, &asked.action, asked.value(&self.config.limits)))
    }

    /// A connection is over: it listens, handles and asks no more.
    pub(crate) fn leave_exchange(&mut self, now: Now, peer: PeerIndex) {
        self.exchange.unlisten(peer);
        let dealings = self.peers[peer].existing_dealings();
        for action in dealings.map(|dealings| std::mem::take(&mut dealings.handles)).unwrap_or_default() {
            self.exchange.unhandle(&action, peer);
        }
        let id = self.peers[peer].id;
        self.exchange.asked.retain(|_, asked| asked.asker != id);
        let lost: Vec<u32> = self
            .exchange
            .asked
            .iter()
            .filter(|(_, asked)| asked.handler == Some(id))
            .map(|(&number, _)| number)
            .collect();
        for number in lost {
            self.answer_text(now, number, Status::Unknown, "the handler went away before it answered");
        }
    }
}

fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::None => "none",
        Encoding::MessagePack => "value",
        Encoding::Json => "json",
        Encoding::Text => "text",
        Encoding::Binary => "binary",
    }
}

fn outcome(status: Status) -> &'static str {
    match status {
        Status::Result => "result",
        Status::Failed => "failed",
        Status::NoHandler => "no handler",
        Status::Unknown => "unknown",
        Status::Late => "late",
        Status::Refused => "refused",
    }
}

/// What a payload means; `Err` in words if it is too large to be passed on.
///
/// # Errors
///
/// If it is not what its encoding says: that breaks the protocol.
fn payload_value(payload: &Payload<'_>, limits: &Limits) -> Result<Result<Value, String>, ConnectionError> {
    let limit = payload_limit(limits);
    if payload.bytes.len() > limit {
        return Ok(Err(format!(
            "{} bytes are over the limit of {limit} for what a message carries (limit body)",
            payload.bytes.len()
        )));
    }
    let value = payload.decode(limits.payload_depth());
    value.map(Ok).map_err(|error| ConnectionError::Rule(format!("a malformed payload: {error}")))
}

/// The most that a message, request or reply carries.
fn payload_limit(limits: &Limits) -> usize {
    (limits.body as usize).saturating_sub(Limits::PAYLOAD_OVERHEAD)
}
