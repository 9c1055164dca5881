//! The thread that runs a program's callbacks.
//!
//! It owns them, so that none runs under a lock and one that blocks holds up only the others. What they are about comes
//! in order through a bounded queue of [`Job`]s; registering a callback is a job too.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use dict_protocol::limits::Limits;
use dict_protocol::packet::{Encoded, LoggerPresence, Status};
use dict_protocol::session::Question;
use dict_protocol::value::Value;

use super::content::Content;
use super::peers::PeerEvent;
use super::shared::Shared;

/// A message that came.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// The name of the client that sent it.
    pub from: String,
    /// The name of the client that it is for; `None`: everybody.
    pub to: Option<String>,
    /// What it carries.
    pub content: Content,
}

/// A request that came.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// What is to be done.
    pub action: String,
    /// With what.
    pub value: Value,
    /// The name of the client that asks.
    pub from: String,
    /// When it waits no longer for the answer.
    pub deadline: Instant,
}

/// The hub that a client is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubInfo {
    /// Its name.
    pub name: String,
    /// When it was started, microseconds since 1970.
    pub run: u64,
    /// The name that it knows this client by.
    pub client: String,
}

/// A callback or handler that was registered; [`Client::remove_callback`](super::Client::remove_callback) takes it.
///
/// No two of a process are the same, whichever client they are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallbackId(u64);

impl CallbackId {
    pub(super) fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

pub(super) type OnConnect = dyn FnMut(&HubInfo) + Send;
pub(super) type OnText = dyn FnMut(&str) + Send;
pub(super) type OnLogger = dyn FnMut(LoggerPresence) + Send;
pub(super) type OnMessage = dyn FnMut(&Incoming) + Send;
pub(super) type OnPeer = dyn FnMut(&PeerEvent) + Send;
pub(super) type Handler = dyn FnMut(&Asked) -> Result<Value, String> + Send;

/// Something for the dispatch thread to do.
pub(super) enum Job {
    Register(CallbackId, Callback),
    /// Drop what was removed.
    Remove(CallbackId),
    Connected(HubInfo, LoggerPresence),
    Closed(String),
    Logger(LoggerPresence),
    Notice(String),
    Peer(PeerEvent),
    Message {
        from: String,
        to: String,
        payload: Encoded,
    },
    Asked {
        question: Question,
        action: String,
        from: String,
        deadline: Instant,
        payload: Encoded,
    },
    Run(Box<dyn FnOnce() + Send>),
}

pub(super) enum Callback {
    Connect(Box<OnConnect>),
    Close(Box<OnText>),
    Logger(Box<OnLogger>),
    Notice(Box<OnText>),
    Message(Box<OnMessage>),
    Peer(Box<OnPeer>),
    /// By action; empty: all others.
    Handle(String, Box<Handler>),
}

/// What a callback is called for, as far as the hub has to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// What the hub tells every client.
    Connection,
    Messages,
    Peers,
    Action(String),
}

impl Callback {
    pub(super) fn about(&self) -> About {
        match self {
            Self::Connect(_) | Self::Close(_) | Self::Logger(_) | Self::Notice(_) => About::Connection,
            Self::Message(_) => About::Messages,
            Self::Peer(_) => About::Peers,
            Self::Handle(action, _) => About::Action(action.clone()),
        }
    }
}

/// Jobs that wait for the dispatch thread.
#[derive(Default)]
pub(super) struct Jobs {
    jobs: VecDeque<Job>,
    /// How many of them the hub's peers gave cause for, and their bytes: what limits are about.
    payloads: usize,
    bytes: usize,
    /// Messages that found no room.
    pub(super) dropped: u64,
    /// Nothing more comes: the thread ends when all is done.
    pub(super) closed: bool,
}

impl Job {
    /// The bytes of what came from outside, and so counts against the limits.
    fn payload(&self) -> Option<usize> {
        match self {
            Self::Message { payload, .. } | Self::Asked { payload, .. } => {
                Some(payload.payload().bytes.len())
            }
            Self::Notice(text) => Some(text.len()),
            Self::Peer(PeerEvent::Missed) => None,
            Self::Peer(event) => Some(event.len()),
            Self::Logger(_) => Some(0),
            // These come as often as the program, or a connection, gives cause for them.
            Self::Register(..) | Self::Remove(_) | Self::Connected(..) | Self::Closed(_) | Self::Run(_) => {
                None
            }
        }
    }
}

impl Jobs {
    /// Adds a job, if there is room for its payload.
    pub(super) fn push(&mut self, job: Job, limits: &Limits) -> Result<(), Job> {
        if let Some(length) = job.payload() {
            if self.payloads >= limits.callbacks || self.bytes + length > limits.callback_bytes {
                return Err(job);
            }
            self.payloads += 1;
            self.bytes += length;
        }
        self.jobs.push_back(job);
        Ok(())
    }

    /// Adds a job that came from no peer, and so needs no room.
    pub(super) fn push_small(&mut self, job: Job) {
        debug_assert!(job.payload().is_none());
        self.jobs.push_back(job);
    }

    fn pop(&mut self) -> Option<Job> {
        let job = self.jobs.pop_front()?;
        if let Some(length) = job.payload() {
            self.payloads -= 1;
            self.bytes -= length;
        }
        Some(job)
    }
}

/// The callbacks, on their thread.
#[derive(Default)]
struct Callbacks {
    connect: Vec<(CallbackId, Box<OnConnect>)>,
    close: Vec<(CallbackId, Box<OnText>)>,
    logger: Vec<(CallbackId, Box<OnLogger>)>,
    notice: Vec<(CallbackId, Box<OnText>)>,
    message: Vec<(CallbackId, Box<OnMessage>)>,
    peer: Vec<(CallbackId, Box<OnPeer>)>,
    /// With their actions; those for all others come last.
    handlers: Vec<(CallbackId, String, Box<Handler>)>,
}

/// Runs jobs until there are no more to come.
pub(super) fn run(shared: &Arc<Shared>) {
    let mut callbacks = Callbacks::default();
    while let Some(job) = next(shared) {
        callbacks.run(shared, job);
    }
    // What they hold, perhaps the client itself, goes before anybody is told that they are gone.
    drop(callbacks);
    let mut state = shared.lock();
    state.dispatching = false;
    state.inbox.changed = true;
    shared.announce(state);
}

/// Waits for a job; `None` when nothing more comes.
fn next(shared: &Shared) -> Option<Job> {
    let mut state = shared.lock();
    loop {
        if let Some(job) = state.inbox.jobs.pop() {
            return Some(job);
        }
        if state.inbox.jobs.closed {
            return None;
        }
        state = shared.wait_for_jobs(state);
    }
}

impl Callbacks {
    fn run(&mut self, shared: &Shared, job: Job) {
        match job {
            Job::Register(id, callback) => self.register(id, callback),
            Job::Remove(id) => self.remove(id),
            Job::Connected(hub, logger) => {
                each(shared, &mut self.connect, |f| f(&hub));
                each(shared, &mut self.logger, |f| f(logger));
            }
            Job::Closed(reason) => drop(each(shared, &mut self.close, |f| f(&reason))),
            Job::Logger(presence) => drop(each(shared, &mut self.logger, |f| f(presence))),
            Job::Notice(text) => {
                if each(shared, &mut self.notice, |f| f(&text)) == 0 {
                    tracing::warn!("the hub says: {text}");
                }
            }
            Job::Peer(event) => drop(each(shared, &mut self.peer, |f| f(&event))),
            Job::Message { from, to, payload } => match Content::decode(&payload, shared.limits.depth) {
                Ok(content) => {
                    let to = Some(to).filter(|to| !to.is_empty());
                    let message = Incoming { from, to, content };
                    each(shared, &mut self.message, |f| f(&message));
                }
                Err(error) => tracing::warn!("a message from {from:?} cannot be read: {error}"),
            },
            Job::Asked { question, action, from, deadline, payload } => {
                let value = payload.payload().decode(shared.limits.depth);
                let answer = value
                    .map(|value| Asked { action, value, from, deadline })
                    .map_err(|error| error.to_string())
                    .and_then(|asked| self.answer(shared, &asked));
                reply(shared, question, answer);
            }
            Job::Run(f) => caught("a callback", f).unwrap_or(()),
        }
    }

    fn register(&mut self, id: CallbackId, callback: Callback) {
        match callback {
            Callback::Connect(f) => self.connect.push((id, f)),
            Callback::Close(f) => self.close.push((id, f)),
            Callback::Logger(f) => self.logger.push((id, f)),
            Callback::Notice(f) => self.notice.push((id, f)),
            Callback::Message(f) => self.message.push((id, f)),
            Callback::Peer(f) => self.peer.push((id, f)),
            Callback::Handle(action, f) => {
                let named = self.handlers.partition_point(|(_, action, _)| !action.is_empty());
                let place = if action.is_empty() { self.handlers.len() } else { named };
                self.handlers.insert(place, (id, action, f));
            }
        }
    }

    fn remove(&mut self, id: CallbackId) {
        self.connect.retain(|(other, _)| *other != id);
        self.close.retain(|(other, _)| *other != id);
        self.logger.retain(|(other, _)| *other != id);
        self.notice.retain(|(other, _)| *other != id);
        self.message.retain(|(other, _)| *other != id);
        self.peer.retain(|(other, _)| *other != id);
        self.handlers.retain(|(other, ..)| *other != id);
    }

    /// Asks one handler after the other until one has an answer; if none has, the last one's null is it.
    fn answer(&mut self, shared: &Shared, asked: &Asked) -> Result<Value, String> {
        let mut answer = Err(format!("nobody handles {:?}", asked.action));
        for (id, action, handler) in &mut self.handlers {
            if (action.is_empty() || *action == asked.action) && is_registered(shared, *id) {
                answer = caught("a handler", || handler(asked))
                    .unwrap_or_else(|| Err("the handler panicked".to_owned()));
                if !matches!(answer, Ok(Value::Null)) {
                    break;
                }
            }
        }
        answer
    }
}

/// Calls those that were not removed meanwhile, by one of them perhaps; returns how many.
fn each<F: ?Sized>(
    shared: &Shared,
    callbacks: &mut [(CallbackId, Box<F>)],
    mut call: impl FnMut(&mut F),
) -> usize {
    let mut called = 0;
    for (id, callback) in callbacks {
        if is_registered(shared, *id) {
            caught("a callback", || call(callback));
            called += 1;
        }
    }
    called
}

fn is_registered(shared: &Shared, id: CallbackId) -> bool {
    shared.lock().inbox.callbacks.contains_key(&id)
}

/// Runs what a program gave; a panic in it is the program's own and ends nothing else.
fn caught<R>(what: &str, f: impl FnOnce() -> R) -> Option<R> {
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    if result.is_err() {
        tracing::error!("{what} panicked");
    }
    result.ok()
}

fn reply(shared: &Shared, question: Question, answer: Result<Value, String>) {
    let (status, encoded) = match answer {
        Ok(value) => match Encoded::value(&value, shared.limits.payload_depth()) {
            Ok(encoded) => (Status::Result, encoded),
            Err(error) => (Status::Failed, Encoded::text(&format!("the answer cannot be sent: {error}"))),
        },
        Err(text) => (Status::Failed, Encoded::text(&text)),
    };
    let mut state = shared.lock();
    let mut sent = state.session.reply(question, status, encoded.payload());
    if let Err(error @ dict_protocol::session::SendError::TooLarge { .. }) = &sent {
        let text = Encoded::text(&error.to_string());
        sent = state.session.reply(question, Status::Failed, text.payload());
    }
    if let Err(error) = sent {
        tracing::debug!("an answer was not sent: {error}");
    }
    shared.release(state);
}
