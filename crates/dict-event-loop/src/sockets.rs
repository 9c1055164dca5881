//! All that an event loop has to look after, and the queues of what to do with it.

use std::collections::{BTreeMap, VecDeque};

use dict_protocol::time::Now;
use mio::Registry;

use crate::application::{Application, Close, Closed, LinkId, ListenerId, Via};
use crate::clock::Clock;
use crate::connection::{Connection, Input, Output, Phase};
use crate::io::Io;
use crate::link::Link;
use crate::listener::Listener;
use crate::platform::SendQueues;
use crate::resolver::Resolver;
use crate::settings::Settings;
use crate::strangers::Strangers;
use crate::timers::{Timer, Timers};
use crate::token::{Slots, Token};
use crate::waker::Waker;

/// Everything but the wait for events. The files that say what is done with it: `listener` accepts, `link` connects,
/// `transfer` reads and writes, `fragile` waits for acknowledgements, this one closes.
///
/// Commands only change state and put tokens into queues, so that the application is never called while it calls.
pub(crate) struct Sockets {
    pub(crate) registry: Registry,
    pub(crate) settings: Settings,
    /// When this turn began.
    pub(crate) now: Now,
    pub(crate) random: fastrand::Rng,
    pub(crate) connections: Slots<Connection>,
    pub(crate) listeners: BTreeMap<ListenerId, Listener>,
    pub(crate) links: BTreeMap<LinkId, Link>,
    pub(crate) next_listener: u32,
    pub(crate) next_link: u64,
    pub(crate) timers: Timers,
    pub(crate) resolver: Resolver,
    pub(crate) send_queues: SendQueues,
    /// Those whom TLS refused.
    pub(crate) strangers: Strangers,
    /// Listeners that may have connections to accept.
    pub(crate) accepts: VecDeque<ListenerId>,
    /// Connections that may have input, each at most once.
    pub(crate) reads: VecDeque<Token>,
    /// Connections that may have output and can take it, each at most once.
    pub(crate) writes: VecDeque<Token>,
    /// Connections in [`Phase::Closing`].
    pub(crate) closes: VecDeque<Token>,
    /// The application wants another turn at once.
    pub(crate) again: bool,
    pub(crate) stop: Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nobody asked.
    Running,
    /// As soon as every connection is closed.
    Drained,
    /// After this turn.
    Now,
}

impl Sockets {
    pub(crate) fn new(registry: Registry, settings: Settings, waker: Waker) -> Self {
        Self {
            registry,
            settings,
            now: Clock::now(),
            random: fastrand::Rng::new(),
            connections: Slots::new(),
            listeners: BTreeMap::new(),
            links: BTreeMap::new(),
            next_listener: 0,
            next_link: 0,
            timers: Timers::default(),
            resolver: Resolver::new(waker),
            send_queues: SendQueues::new(),
            strangers: Strangers::default(),
            accepts: VecDeque::new(),
            reads: VecDeque::new(),
            writes: VecDeque::new(),
            closes: VecDeque::new(),
            again: false,
            stop: Stop::Running,
        }
    }

    /// Whether there is something to do without any event.
    pub(crate) fn has_work(&self) -> bool {
        self.again
            || !self.accepts.is_empty()
            || !self.reads.is_empty()
            || !self.writes.is_empty()
            || !self.closes.is_empty()
            || self.has_stopped()
    }

    pub(crate) fn has_stopped(&self) -> bool {
        match self.stop {
            Stop::Running => false,
            Stop::Drained => self.connections.is_empty(),
            Stop::Now => true,
        }
    }

    pub(crate) fn run_timers<A: Application>(&mut self, application: &mut A) {
        while let Some(timer) = self.timers.take_due(self.now.instant) {
            match timer {
                Timer::Accept(listener) => self.end_accept_pause(listener),
                Timer::Attempt(link) => self.attempt_link(application, link),
                Timer::ConnectTimeout(token) => self.connect_timed_out(application, token),
                Timer::DrainTimeout(token) => self.drain_timed_out(application, token),
                Timer::Acknowledgement(token) => self.check_acknowledgement(application, token),
            }
        }
    }

    /// Input may be there.
    pub(crate) fn mark_readable(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        match &mut connection.input {
            Input::Waiting => connection.input = Input::Ready,
            Input::Paused { ready } => *ready = true,
            Input::Ready | Input::Ended => {}
        }
        self.queue_read(token);
    }

    /// Puts a connection whose input is [`Input::Ready`] into the queue.
    pub(crate) fn queue_read(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if connection.input == Input::Ready && !connection.in_reads {
            connection.in_reads = true;
            self.reads.push_back(token);
        }
    }

    /// The system takes output again.
    pub(crate) fn mark_writable(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if matches!(connection.output, Output::Blocked) {
            connection.output = Output::Resumed;
            self.queue_write(token);
        }
    }

    /// Puts a connection that can be written to into the queue.
    pub(crate) fn queue_write(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if connection.takes_output() && !connection.in_writes {
            connection.in_writes = true;
            self.writes.push_back(token);
        }
    }

    pub(crate) fn close(&mut self, token: Token, how: Close) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        match (connection.phase, how) {
            (Phase::Open, Close::Drain) => self.begin_drain(token),
            (Phase::Open | Phase::Draining(_) | Phase::Lingering, Close::Now) => self.close_now(token),
            (Phase::Open | Phase::Draining(_) | Phase::Lingering, Close::Reset) => {
                connection.reset_on_close();
                self.close_now(token);
            }
            (Phase::Draining(_) | Phase::Lingering, Close::Drain) => {}
            (Phase::Connecting | Phase::Closing(_), _) => {}
        }
    }

    fn begin_drain(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if matches!(connection.output, Output::Broken(_)) {
            return self.close_now(token);
        }
        connection.phase = Phase::Draining(connection.initiator());
        // What comes in is thrown away from here on, but read: a socket closed over unread input resets the connection,
        // and the peer might never see the last of what was written.
        if matches!(connection.input, Input::Paused { .. }) {
            connection.input = Input::Ready;
        }
        self.timers.set(self.now.instant + self.settings.drain_timeout, Timer::DrainTimeout(token));
        self.queue_read(token);
        self.queue_write(token);
    }

    fn drain_timed_out<A: Application>(&mut self, application: &mut A, token: Token) {
        let Some(connection) = self.connections.get(token) else { return };
        match connection.phase {
            Phase::Draining(_) => self.finish(application, token, false),
            Phase::Lingering => self.finish(application, token, true),
            Phase::Connecting | Phase::Open | Phase::Closing(_) => {}
        }
    }

    pub(crate) fn close_now(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if !matches!(connection.phase, Phase::Closing(_)) {
            connection.phase = Phase::Closing(connection.initiator());
            self.closes.push_back(token);
        }
    }

    /// Closes all that is to be closed at once.
    pub(crate) fn settle_closes<A: Application>(&mut self, application: &mut A) {
        while let Some(token) = self.closes.pop_front() {
            if let Some(connection) = self.connections.get(token) {
                let acknowledged =
                    !matches!(connection.output, Output::Unacknowledged { .. }) && !connection.is_behind();
                let drained = acknowledged && application.output(token).is_empty();
                self.finish(application, token, drained);
            }
        }
    }

    /// Closes the connection and tells the application, for the reason that its state gives.
    pub(crate) fn finish<A: Application>(&mut self, application: &mut A, token: Token, drained: bool) {
        let Some(mut connection) = self.connections.remove(token) else { return };
        connection.deregister(&self.registry);
        if drained && let Err(error) = connection.say_goodbye() {
            tracing::debug!(peer = %connection.peer, %error, "no goodbye could be said");
        }
        let reason = connection.reason(drained);
        log_closed(&connection, token, &reason);
        if let Via::Link(link) = connection.via {
            self.link_lost(link);
        }
        drop(connection);
        application.closed(&mut Io::new(self), token, reason);
    }

    /// Ends everything in order.
    pub(crate) fn drain_all(&mut self) {
        if self.stop != Stop::Running {
            return;
        }
        self.stop = Stop::Drained;
        self.links.clear();
        let listeners: Vec<_> = self.listeners.keys().copied().collect();
        for listener in listeners {
            self.stop_listening(listener);
        }
        let tokens: Vec<_> = self.connections.tokens().collect();
        for token in tokens {
            if self.connections.get(token).is_some_and(|connection| connection.phase == Phase::Connecting) {
                self.discard(token);
            } else {
                self.close(token, Close::Drain);
            }
        }
    }
}

fn log_closed(connection: &Connection, token: Token, reason: &Closed) {
    let peer = connection.peer;
    match reason {
        Closed::ByPeer => tracing::debug!(%peer, connection = %token, "closed by the peer"),
        Closed::Failed(error) => tracing::debug!(%peer, connection = %token, %error, "connection failed"),
        Closed::Asked { drained } => tracing::debug!(%peer, connection = %token, drained, "closed"),
    }
}
