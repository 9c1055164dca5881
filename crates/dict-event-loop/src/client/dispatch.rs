//! The thread that runs a program's callbacks.
//!
//! It owns them, so that none runs under a lock and one that blocks holds up only the others. What they are about comes
//! in order through a bounded queue of [`Job`]s; registering a callback is a job too.

use std::collections::{HashMap, VecDeque};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Instant;

use dict_protocol::frame::Encoding;
use dict_protocol::limits::Limits;
use dict_protocol::packet::{LoggerPresence, Status};
use dict_protocol::session::Question;
use dict_protocol::value::Value;

use super::content::{Content, Encoded};
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

pub(super) type OnConnect = Box<dyn FnMut(&HubInfo) + Send>;
pub(super) type OnText = Box<dyn FnMut(&str) + Send>;
pub(super) type OnLogger = Box<dyn FnMut(LoggerPresence) + Send>;
pub(super) type OnMessage = Box<dyn FnMut(&Incoming) + Send>;
pub(super) type Handler = Box<dyn FnMut(&Asked) -> Result<Value, String> + Send>;

/// Something for the dispatch thread to do.
pub(super) enum Job {
    Register(Callback),
    Connected(HubInfo, LoggerPresence),
    Closed(String),
    Logger(LoggerPresence),
    Notice(String),
    Message {
        from: String,
        to: String,
        encoding: Encoding,
        bytes: Vec<u8>,
    },
    Asked {
        question: Question,
        action: String,
        from: String,
        deadline: Instant,
        encoding: Encoding,
        bytes: Vec<u8>,
    },
    Run(Box<dyn FnOnce() + Send>),
}

pub(super) enum Callback {
    Connect(OnConnect),
    Close(OnText),
    Logger(OnLogger),
    Notice(OnText),
    Message(OnMessage),
    /// By action; empty: all others.
    Handle(String, Handler),
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
            Self::Message { bytes, .. } | Self::Asked { bytes, .. } => Some(bytes.len()),
            Self::Notice(text) => Some(text.len()),
            Self::Logger(_) => Some(0),
            // These come as often as the program, or a connection, gives cause for them.
            Self::Register(_) | Self::Connected(..) | Self::Closed(_) | Self::Run(_) => None,
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
    connect: Vec<OnConnect>,
    close: Vec<OnText>,
    logger: Vec<OnLogger>,
    notice: Vec<OnText>,
    message: Vec<OnMessage>,
    handlers: HashMap<String, Handler>,
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
            Job::Register(callback) => self.register(callback),
            Job::Connected(hub, logger) => {
                each(&mut self.connect, |f| f(&hub));
                each(&mut self.logger, |f| f(logger));
            }
            Job::Closed(reason) => each(&mut self.close, |f| f(&reason)),
            Job::Logger(presence) => each(&mut self.logger, |f| f(presence)),
            Job::Notice(text) if self.notice.is_empty() => tracing::warn!("the hub says: {text}"),
            Job::Notice(text) => each(&mut self.notice, |f| f(&text)),
            Job::Message { from, to, encoding, bytes } => {
                match Content::decode(encoding, &bytes, shared.limits.depth) {
                    Ok(content) => {
                        let to = Some(to).filter(|to| !to.is_empty());
                        let message = Incoming { from, to, content };
                        each(&mut self.message, |f| f(&message));
                    }
                    Err(error) => tracing::warn!("a message from {from:?} cannot be read: {error}"),
                }
            }
            Job::Asked { question, action, from, deadline, encoding, bytes } => {
                let answer = Content::decode(encoding, &bytes, shared.limits.depth)
                    .map(|content| Asked { action, value: content.into_value(), from, deadline })
                    .and_then(|asked| self.answer(&asked));
                reply(shared, question, answer);
            }
            Job::Run(f) => caught("a callback", f).unwrap_or(()),
        }
    }

    fn register(&mut self, callback: Callback) {
        match callback {
            Callback::Connect(f) => self.connect.push(f),
            Callback::Close(f) => self.close.push(f),
            Callback::Logger(f) => self.logger.push(f),
            Callback::Notice(f) => self.notice.push(f),
            Callback::Message(f) => self.message.push(f),
            Callback::Handle(action, f) => drop(self.handlers.insert(action, f)),
        }
    }

    fn answer(&mut self, asked: &Asked) -> Result<Value, String> {
        let handler = match self.handlers.get_mut(&asked.action) {
            Some(handler) => handler,
            None => self.handlers.get_mut("").ok_or_else(|| format!("nobody handles {:?}", asked.action))?,
        };
        caught("a handler", || handler(asked)).unwrap_or_else(|| Err("the handler panicked".to_owned()))
    }
}

fn each<F: ?Sized>(callbacks: &mut [Box<F>], mut call: impl FnMut(&mut F)) {
    for callback in callbacks {
        caught("a callback", || call(callback));
    }
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
        Ok(value) => match Encoded::value(&value, shared.limits.depth) {
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
