//! A session's messages, requests and handlers.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use core::time::Duration;

use super::{Event, Events, Session};
use crate::frame::Encoding;
use crate::limits::Limits;
use crate::output::Output;
use crate::packet::{
    Handle, Handling, Message, MessageFields, Packet, Payload, Refuse, Reply, ReplyFields, Request,
    RequestFields, Status,
};
use crate::time::{Instant, Now};

/// A request of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u32);

/// A request that came from another client; it can be answered on the connection it came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// Which of the session's connections it came by.
    connection: u64,
    /// The hub's number of it.
    id: u32,
}

/// Why a message, reply or handler was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// There is no connection, or the question's is gone.
    #[error("not connected")]
    NotConnected,
    /// The hub does not read fast enough.
    #[error("{queued} bytes wait to be sent already, the limit is {limit} (limit client_output)")]
    Full {
        /// How many wait.
        queued: usize,
        /// How many may.
        limit: usize,
    },
    /// It is too large for a frame.
    #[error("a payload of {length} bytes is over the limit of {limit} (limit body)")]
    TooLarge {
        /// How many bytes it has.
        length: usize,
        /// How many it may have.
        limit: usize,
    },
    /// A name or an action is too long.
    #[error("a name of {length} bytes is over the limit of {limit} (limit name)")]
    Name {
        /// How many bytes it has.
        length: usize,
        /// How many it may have.
        limit: usize,
    },
    /// There are as many handlers as there may be.
    #[error("a client handles at most {limit} actions (limit handlers)")]
    Handlers {
        /// How many that is.
        limit: usize,
    },
}

/// Why a request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// As for a message.
    #[error(transparent)]
    Send(#[from] SendError),
    /// Too many are not answered yet.
    #[error("{limit} requests are not answered yet: no more are allowed (limit requests)")]
    Outstanding {
        /// How many are allowed.
        limit: usize,
    },
    /// The deadline is too far away.
    #[error("a deadline of {} s is over the limit of {} s (limit deadline)", deadline.as_secs(), limit.as_secs())]
    Deadline {
        /// What was asked for.
        deadline: Duration,
        /// What is allowed.
        limit: Duration,
    },
}

#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// Counts connections.
    connection: u64,
    last_message: u32,
    last_request: u32,
    /// Requests that are not answered, and when each is given up.
    outstanding: BTreeMap<u32, Instant>,
    deadlines: BTreeSet<(Instant, u32)>,
    handled: BTreeMap<String, Handling>,
}

const NOTHING: Payload<'_> = Payload { encoding: Encoding::None, bytes: &[] };

impl Exchange {
    /// How much longer than the hub a client waits: the hub's own answer that it came too late is on its way.
    const GRACE: Duration = Duration::from_millis(500);

    pub(super) fn connected(&mut self, output: &mut Output) {
        self.connection += 1;
        for (action, &handling) in &self.handled {
            output.send(&Packet::Handle(Handle { handling, action }));
        }
    }

    /// The link died in between: what became of the requests is unknown.
    pub(super) fn disconnected(&mut self, events: Events<'_>) {
        self.deadlines.clear();
        for (id, _) in core::mem::take(&mut self.outstanding) {
            events(Event::Answered { request: RequestId(id), status: Status::Unknown, payload: NOTHING });
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, events: Events<'_>) {
        while let Some(&(deadline, id)) = self.deadlines.first()
            && deadline <= now
        {
            self.deadlines.pop_first();
            self.outstanding.remove(&id);
            events(Event::Answered { request: RequestId(id), status: Status::Late, payload: NOTHING });
        }
    }

    pub(super) fn asked<'a>(&self, request: Request<'a>) -> Event<'a> {
        Event::Asked { question: Question { connection: self.connection, id: request.fields.id }, request }
    }

    pub(super) fn answered(&mut self, reply: &Reply<'_>, events: Events<'_>) {
        let id = reply.fields.id;
        // One that was given up already has had its outcome.
        let Some(deadline) = self.outstanding.remove(&id) else { return };
        self.deadlines.remove(&(deadline, id));
        events(Event::Answered {
            request: RequestId(id),
            status: reply.fields.status,
            payload: reply.payload,
        });
    }
}

/// Messages and requests.
impl Session {
    /// Sends a message to the client called `to`, or to everybody who subscribed to messages. Returns its number, which
    /// an [`Event::Notice`] about it refers to.
    ///
    /// # Errors
    ///
    /// If there is no connection, or a limit is passed.
    pub fn send(&mut self, to: Option<&str>, payload: Payload<'_>) -> Result<u32, SendError> {
        let to = to.unwrap_or("");
        let id = self.exchange.last_message.wrapping_add(1);
        let output = self.output_for(&payload, &[to])?;
        output.send(&Packet::Message(Message { fields: MessageFields { id, to, from: "" }, payload }));
        self.exchange.last_message = id;
        Ok(id)
    }

    /// Tells the client called `to` that this one cannot take its message number `id`, and why: as both came in the
    /// message's fields. It gets an [`Event::Notice`]; if it is not there any more, nobody is told. A long text is cut.
    ///
    /// # Errors
    ///
    /// If there is no connection, or a limit is passed.
    pub fn refuse(&mut self, id: u32, to: &str, text: &str) -> Result<(), SendError> {
        let text = &text[..text.floor_char_boundary(Limits::REFUSAL)];
        self.output_for(&NOTHING, &[to])?.send(&Packet::Refuse(Refuse { id, to, text }));
        Ok(())
    }

    /// Asks for `action` to be done by the client called `to`, or by whoever handles it. It is sent once, and an
    /// [`Event::Answered`] tells what became of it: within `timeout` and a little, or when the connection is gone.
    ///
    /// # Errors
    ///
    /// If there is no connection, or a limit is passed.
    pub fn request(
        &mut self,
        now: Now,
        to: Option<&str>,
        action: &str,
        payload: Payload<'_>,
        timeout: Duration,
    ) -> Result<RequestId, RequestError> {
        let limits = &self.settings.limits;
        if self.exchange.outstanding.len() >= limits.requests {
            return Err(RequestError::Outstanding { limit: limits.requests });
        }
        if timeout > limits.deadline {
            return Err(RequestError::Deadline { deadline: timeout, limit: limits.deadline });
        }
        let to = to.unwrap_or("");
        let id = self.exchange.next_request();
        let output = self.output_for(&payload, &[to, action])?;
        let deadline = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        let fields = RequestFields { id, deadline, action, to, from: "" };
        output.send(&Packet::Request(Request { fields, payload }));
        let given_up = now.instant + timeout + Exchange::GRACE;
        self.exchange.outstanding.insert(id, given_up);
        self.exchange.deadlines.insert((given_up, id));
        Ok(RequestId(id))
    }

    /// Answers a question.
    ///
    /// # Errors
    ///
    /// If its connection is gone, or a limit is passed.
    pub fn reply(
        &mut self,
        question: Question,
        status: Status,
        payload: Payload<'_>,
    ) -> Result<(), SendError> {
        if question.connection != self.exchange.connection {
            return Err(SendError::NotConnected);
        }
        let output = self.output_for(&payload, &[])?;
        output.send(&Packet::Reply(Reply { fields: ReplyFields { id: question.id, status }, payload }));
        Ok(())
    }

    /// Begins to answer requests for `action` (empty: for each that nobody else handles), on this connection and all
    /// later ones.
    ///
    /// # Errors
    ///
    /// If the action is too long, or there are too many.
    pub fn handle(&mut self, action: &str) -> Result<(), SendError> {
        self.begin_handling(action, Handling::On)
    }

    /// The same for those requests alone that are for this client by name: it is nobody's rival, and never answers what
    /// anybody may answer. Of this and [`Session::handle`], the last one said of an action counts.
    ///
    /// # Errors
    ///
    /// As [`Session::handle`].
    pub fn handle_addressed(&mut self, action: &str) -> Result<(), SendError> {
        self.begin_handling(action, Handling::Addressed)
    }

    fn begin_handling(&mut self, action: &str, handling: Handling) -> Result<(), SendError> {
        let Limits { name, handlers, .. } = self.settings.limits;
        if action.len() > name {
            return Err(SendError::Name { length: action.len(), limit: name });
        }
        let handled = &mut self.exchange.handled;
        match handled.get(action) {
            Some(known) if *known == handling => return Ok(()),
            None if handled.len() >= handlers => return Err(SendError::Handlers { limit: handlers }),
            _ => handled.insert(action.into(), handling),
        };
        if let Some(output) = self.open_output() {
            output.send(&Packet::Handle(Handle { handling, action }));
        }
        Ok(())
    }

    /// Answers requests for `action` no longer.
    pub fn unhandle(&mut self, action: &str) {
        if self.exchange.handled.remove(action).is_some()
            && let Some(output) = self.open_output()
        {
            output.send(&Packet::Handle(Handle { handling: Handling::Off, action }));
        }
    }

    /// Measures the round trip to the hub; an [`Event::Pong`] with the number that is returned tells it. It comes after
    /// the hub has taken everything that was sent before. `None` if there is no connection.
    pub fn ping(&mut self, now: Now) -> Option<u64> {
        let Self { connection, pings, .. } = self;
        let connection = connection.as_mut().filter(|connection| {
            use crate::connection::Phase;
            connection.phase() == Phase::Open
        })?;
        Some(pings.send(now, &mut connection.output))
    }

    /// The output, if there is room in it and what is to be sent is within limits.
    fn output_for(&mut self, payload: &Payload<'_>, names: &[&str]) -> Result<&mut Output, SendError> {
        let Limits { body, name, client_output, .. } = self.agreed;
        if let Some(long) = names.iter().find(|text| text.len() > name) {
            return Err(SendError::Name { length: long.len(), limit: name });
        }
        let limit = (body as usize).saturating_sub(Limits::PAYLOAD_OVERHEAD);
        if payload.bytes.len() > limit {
            return Err(SendError::TooLarge { length: payload.bytes.len(), limit });
        }
        let output = self.open_output().ok_or(SendError::NotConnected)?;
        if output.len() >= client_output {
            return Err(SendError::Full { queued: output.len(), limit: client_output });
        }
        Ok(output)
    }
}

impl Exchange {
    /// A number that no unanswered request has.
    fn next_request(&mut self) -> u32 {
        loop {
            self.last_request = self.last_request.wrapping_add(1);
            if !self.outstanding.contains_key(&self.last_request) {
                return self.last_request;
            }
        }
    }
}
