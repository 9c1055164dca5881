//! What a session's events make of a client: its dictionaries, what watches and callbacks are told, answers.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use dict_protocol::connection::ConnectionError;
use dict_protocol::limits::Limits;
use dict_protocol::mirror::{Mirror, MirrorError, Mirrored};
use dict_protocol::packet::{self, Encoded, Message, Payload, Status};
use dict_protocol::pattern::Pattern;
use dict_protocol::session::{Event, Question, RequestId, SubscriptionId};

use super::dispatch::{About, Callback, CallbackId, HubInfo, Job, Jobs};
use super::error::{ConnectError, WatchError};
use super::peers::PeerEvent;
use super::shared::Ready;
use super::watch::Mode;
use super::watches::Watches;

/// What became of a request, as it came.
pub(super) struct Answer {
    pub(super) status: Status,
    pub(super) payload: Encoded,
}

/// What is done with an answer: on the dispatch thread.
pub(super) type OnAnswer = Box<dyn FnOnce(Answer) + Send>;

/// A request that is not done with.
pub(super) enum Pending {
    /// A thread waits for it.
    Waiting,
    /// A callback is to be told.
    Callback(OnAnswer),
    /// It was answered; the thread that waits takes it.
    Answered(Answer),
}

pub(super) struct Inbox {
    limits: Limits,
    pub(super) mirror: Mirror,
    pub(super) watches: Watches,
    pub(super) jobs: Jobs,
    /// Those that are registered: one that is not here is not called any more.
    pub(super) callbacks: BTreeMap<CallbackId, About>,
    /// The subscription to messages to everybody, if callbacks need it.
    pub(super) messages: Option<SubscriptionId>,
    /// The watch of the hub's own source, if callbacks need it.
    pub(super) peers: Option<SubscriptionId>,
    /// That some who came or went were missed has been told, and none of them since.
    peers_missed: bool,
    pub(super) requests: HashMap<RequestId, Pending>,
    /// Pings that a thread waits for, and the answers to them.
    pub(super) pings: HashMap<u64, Option<Duration>>,
    /// The hub, while it is connected.
    pub(super) hub: Option<HubInfo>,
    /// Why the last connection, or attempt at one, ended.
    pub(super) ended: Option<ConnectError>,
    /// Watches that ended, as what came for them cannot be taken in: the hub is to send no more of it.
    pub(super) given_up: Vec<SubscriptionId>,
    /// Questions that found no room, to be refused.
    pub(super) refused: Vec<Question>,
    /// Something that a thread may wait for has changed.
    pub(super) changed: bool,
    /// There are jobs that the dispatch thread was not told of.
    pub(super) new_jobs: bool,
}

impl Inbox {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            mirror: Mirror::new(limits),
            watches: Watches::default(),
            jobs: Jobs::default(),
            callbacks: BTreeMap::new(),
            messages: None,
            peers: None,
            peers_missed: false,
            requests: HashMap::new(),
            pings: HashMap::new(),
            hub: None,
            ended: None,
            given_up: Vec::new(),
            refused: Vec::new(),
            changed: false,
            new_jobs: false,
        }
    }

    /// Takes in what happened.
    pub(super) fn take(&mut self, event: &Event<'_>) {
        if let Err(error) = self.take_in_sources(event) {
            self.give_up(event, &error);
        }
        self.tell_of_peers();
        match event {
            Event::Connected(connected) => {
                let hub =
                    HubInfo { name: connected.hub.into(), run: connected.run, client: connected.name.into() };
                self.hub = Some(hub.clone());
                self.ended = None;
                self.small_job(Job::Connected(hub, connected.logger));
            }
            Event::Disconnected { reason } => self.disconnected(reason),
            Event::Logger(presence) => {
                if self.job(Job::Logger(*presence)).is_err() {
                    tracing::debug!(?presence, "callbacks are not told: too much waits for them");
                }
            }
            Event::Writer { .. } => {}
            Event::Message(message) => self.message(message),
            Event::Asked { question, request } => self.asked(*question, request),
            Event::Answered { request, status, payload } => self.answered(*request, *status, *payload),
            Event::Pong { id, round_trip } => {
                if let Some(answer) = self.pings.get_mut(id) {
                    *answer = Some(*round_trip);
                }
            }
            Event::Notice(error) => self.notice(error.text),
            Event::SubscriptionRefused { subscription, text, .. }
                if [self.messages, self.peers].contains(&Some(*subscription)) =>
            {
                self.notice(text);
            }
            Event::TooSlow { text, .. } => tracing::warn!("read too slowly: {text}"),
            // The others are about sources.
            _ => return,
        }
        self.changed = true;
    }

    /// Takes in what is about sources.
    fn take_in_sources(&mut self, event: &Event<'_>) -> Result<(), MirrorError> {
        let Self { mirror, watches, .. } = self;
        match event {
            Event::Update(update) => {
                if let Some(seen) = mirror.update(update)? {
                    watches.update(update, &seen);
                }
            }
            Event::State(state) => {
                if let Some(seen) = mirror.state(state)? {
                    watches.state(state, &seen);
                }
            }
            // What was on its way when the last watch of it ended.
            Event::Source(source) if !watches.are_about(source.name) => {}
            Event::Source(source) => {
                let before = mirror.get(source.name).and_then(Mirrored::id);
                if let Some(mirrored) = mirror.source(source)? {
                    watches.source(before, source.id, mirrored);
                }
            }
            Event::Current(subscription) => watches.current(*subscription),
            Event::SubscriptionRefused { subscription, text, .. } => watches.refused(*subscription, text),
            _ => {}
        }
        Ok(())
    }

    /// Ends the watches of a source that cannot be taken in. The connection is good for all else; made anew, it would
    /// bring the same again.
    fn give_up(&mut self, event: &Event<'_>, error: &MirrorError) {
        let Self { mirror, watches, .. } = self;
        let by_id = |id| mirror.by_id(id).map(|source| source.name().to_owned());
        let source = match event {
            Event::Source(source) => Some(source.name.to_owned()),
            Event::State(state) => by_id(state.source),
            Event::Update(update) => by_id(update.source),
            _ => None,
        };
        let Some(name) = source else { return };
        let error = WatchError::Unusable { name: name.clone(), reason: error.to_string() };
        let ended = watches.give_up(&name, &error, mirror);
        if self.peers.is_some_and(|peers| ended.contains(&peers)) {
            self.notice(&error.to_string());
        }
        self.given_up.extend(ended);
        self.changed = true;
    }

    /// Begins a watch.
    pub(super) fn watch(&mut self, id: SubscriptionId, pattern: Pattern, mode: Mode) {
        self.watches.add(id, pattern, mode, &self.mirror, &self.limits);
    }

    /// The watches with something new for threads that wait.
    pub(super) fn take_ready(&mut self) -> Vec<Ready> {
        self.watches.take_ready()
    }

    /// Nothing more comes: lets everybody who waits go.
    pub(super) fn close(&mut self) {
        self.jobs.closed = true;
        self.new_jobs = true;
        self.changed = true;
        self.watches.wake_all();
    }

    pub(super) fn register(&mut self, callback: Callback) -> CallbackId {
        let id = CallbackId::next();
        self.callbacks.insert(id, callback.about());
        self.small_job(Job::Register(id, callback));
        id
    }

    /// Removes a callback; what it was about, if there is such a one.
    pub(super) fn unregister(&mut self, id: CallbackId) -> Option<About> {
        let about = self.callbacks.remove(&id)?;
        self.small_job(Job::Remove(id));
        Some(about)
    }

    /// Adds a job that came from no peer, and so needs no room.
    pub(super) fn small_job(&mut self, job: Job) {
        self.jobs.push_small(job);
        self.new_jobs = true;
    }

    fn job(&mut self, job: Job) -> Result<(), Job> {
        self.jobs.push(job, &self.limits)?;
        self.new_jobs = true;
        Ok(())
    }

    fn notice(&mut self, text: &str) {
        if self.job(Job::Notice(text.to_owned())).is_err() {
            tracing::warn!("the hub says: {text}");
        }
    }

    /// Brings what the hub's own source says of clients to the callbacks; for what finds no room they are told once that
    /// something was missed.
    fn tell_of_peers(&mut self) {
        let Some(id) = self.peers else { return };
        while let Some(queued) = self.watches.get_mut(id).and_then(|watch| watch.pop(&self.mirror)) {
            let Some(event) = PeerEvent::from_queued(&queued) else { continue };
            if event != PeerEvent::Missed && self.job(Job::Peer(event)).is_ok() {
                self.peers_missed = false;
            } else if !std::mem::replace(&mut self.peers_missed, true) {
                self.small_job(Job::Peer(PeerEvent::Missed));
            }
        }
    }

    fn disconnected(&mut self, reason: &ConnectionError) {
        self.pings.clear();
        let was_accepted = self.hub.take().is_some();
        self.ended = Some(match reason {
            _ if was_accepted => ConnectError::Lost { reason: reason.to_string() },
            ConnectionError::Ended { code, text } => {
                ConnectError::Refused { code: *code, text: text.clone() }
            }
            other => ConnectError::Refused { code: None, text: other.to_string() },
        });
        if was_accepted {
            let reason = reason.to_string();
            self.mirror.disconnected(&reason);
            self.watches.disconnected(&self.mirror);
            self.small_job(Job::Closed(reason));
        }
    }

    fn message(&mut self, message: &Message<'_>) {
        let fields = &message.fields;
        let job =
            Job::Message { from: fields.from.into(), to: fields.to.into(), payload: message.payload.into() };
        if self.job(job).is_err() {
            if self.jobs.dropped == 0 {
                tracing::warn!(
                    "messages come faster than the program's callbacks take them: some are dropped"
                );
            }
            self.jobs.dropped += 1;
        }
    }

    fn asked(&mut self, question: Question, request: &packet::Request<'_>) {
        let job = Job::Asked {
            question,
            action: request.fields.action.into(),
            from: request.fields.from.into(),
            deadline: Instant::now() + Duration::from_millis(request.fields.deadline.into()),
            payload: request.payload.into(),
        };
        if self.job(job).is_err() {
            self.refused.push(question);
        }
    }

    fn answered(&mut self, id: RequestId, status: Status, payload: Payload<'_>) {
        let answer = Answer { status, payload: payload.into() };
        match self.requests.remove(&id) {
            Some(Pending::Waiting) => drop(self.requests.insert(id, Pending::Answered(answer))),
            Some(Pending::Callback(callback)) => self.small_job(Job::Run(Box::new(move || callback(answer)))),
            // The thread that asked has gone.
            Some(Pending::Answered(_)) | None => {}
        }
    }
}
