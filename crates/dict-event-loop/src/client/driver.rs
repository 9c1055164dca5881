//! What the client's event loop drives: the session, through the lock that user threads share.
//!
//! The lock is held while bytes are taken in or out of the session, never while a system call is made.

use std::net::SocketAddr;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use dict_protocol::link::Link;
use dict_protocol::packet::{Encoded, Status};
use dict_protocol::time::Instant;
use dict_protocol::writer::Writer;

use super::shared::{Shared, Stage, State};
use super::{ClientClosed, ConnectError};
use crate::application::{Application, Close, Closed, LinkId, Via};
use crate::error::LinkError;
use crate::io::Io;
use crate::secret::may_send_token;
use crate::tls;
use crate::token::Token;

pub(super) struct Driver {
    shared: Arc<Shared>,
    /// Where it leads, as it was written.
    to: Link,
    link: LinkId,
    /// Why nothing was said to whoever was reached.
    withheld: Option<ConnectError>,
    token: Option<Token>,
    /// The other end of that connection, or the last one.
    peer: Option<SocketAddr>,
    /// What is being written, taken out of the session.
    outgoing: Vec<u8>,
    written: usize,
    /// Whether a connection is made again.
    reconnects: bool,
    /// The end was begun.
    ending: bool,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, to: Link, link: LinkId, reconnects: bool) -> Self {
        Self {
            shared,
            to,
            link,
            withheld: None,
            token: None,
            peer: None,
            outgoing: Vec::new(),
            written: 0,
            reconnects,
            ending: false,
        }
    }

    /// Lends the session and the inbox to `operation`, and tells everybody what came of it.
    fn with_session(&mut self, io: &mut Io<'_>, operation: impl FnOnce(&mut State)) {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        operation(&mut state);
        self.settle(&mut state);
        let (open, close) = (state.session.is_open(), state.session.should_close());
        if open {
            state.failure = None;
        }
        let output = !state.session.output().is_empty();
        state.loop_looks |= output;
        shared.announce(state);
        if let Some(token) = self.token {
            if output {
                io.write(token);
            }
            if open {
                io.established(token);
            }
            if close {
                io.close(token, Close::Drain);
            }
        }
    }

    /// Does what could not be done while the session was lent to its events.
    fn settle(&self, state: &mut MutexGuard<'_, State>) {
        // Before writers are forgotten. That it failed is found again when the lock is given back.
        let _ = state.keep();
        let State { session, inbox, released, .. } = &mut **state;
        released.retain(|&id| {
            let done = session.writer(id).is_none_or(Writer::is_done);
            if done {
                session.remove_writer(id);
            }
            !done
        });
        for id in std::mem::take(&mut inbox.given_up) {
            session.unsubscribe(id);
        }
        for question in std::mem::take(&mut inbox.refused) {
            let text = Encoded::text("this client has too many requests to answer");
            if let Err(error) = session.reply(question, Status::Refused, text.payload()) {
                tracing::debug!("a request was not refused: {error}");
            }
        }
    }

    /// There is no connection any more, or none came about: the end of a client that is not to make another.
    fn disconnected(&mut self, io: &mut Io<'_>) {
        if self.reconnects {
            return;
        }
        let mut state = self.shared.lock();
        if state.stage == Stage::Running {
            state.stage = Stage::Closing;
            let reason = state.failure.as_ref().map(ToString::to_string);
            state.lost = reason.map(|reason| ClientClosed::Lost { reason });
            state.inbox.changed = true;
        }
        self.shared.announce(state);
        self.check_stage(io);
    }

    /// Begins the end, if that was asked for.
    fn check_stage(&mut self, io: &mut Io<'_>) {
        if self.ending || matches!(self.shared.lock().stage, Stage::Running | Stage::Finishing) {
            return;
        }
        self.ending = true;
        self.with_session(io, |state| {
            let State { session, inbox, .. } = state;
            session.bye("the client is closing", &mut |event| inbox.take(&event));
        });
        io.drop_link(self.link);
        io.stop();
    }
}

impl Application for Driver {
    fn opened(&mut self, io: &mut Io<'_>, token: Token, _via: Via, peer: SocketAddr) {
        self.token = Some(token);
        self.peer = Some(peer);
        self.outgoing.clear();
        self.written = 0;
        let has_token = !self.shared.lock().session.settings().credentials.is_empty();
        if has_token && !may_send_token(&self.to, peer) {
            self.withheld = Some(ConnectError::TokenWithheld { peer });
            io.close(token, Close::Now);
            return;
        }
        let now = io.now();
        self.with_session(io, |state| state.session.connected(now));
    }

    fn received(&mut self, io: &mut Io<'_>, token: Token, bytes: &[u8]) {
        if self.token != Some(token) {
            return;
        }
        let now = io.now();
        self.with_session(io, |state| {
            let State { session, inbox, .. } = state;
            session.receive(now, bytes, &mut |event| inbox.take(&event));
        });
    }

    fn output(&mut self, token: Token) -> &[u8] {
        if self.token != Some(token) {
            return &[];
        }
        if self.written == self.outgoing.len() {
            self.outgoing.clear();
            self.written = 0;
            let mut state = self.shared.lock();
            state.session.take_output(&mut self.outgoing);
            // While there is something the loop comes back by itself.
            state.loop_looks = !self.outgoing.is_empty();
            // Writers that wait for room have it.
            state.inbox.changed |= state.loop_looks;
            self.shared.announce(state);
        }
        &self.outgoing[self.written..]
    }

    fn written(&mut self, _io: &mut Io<'_>, _token: Token, length: usize) {
        self.written += length;
    }

    fn closed(&mut self, io: &mut Io<'_>, token: Token, reason: Closed) {
        if self.token != Some(token) {
            return;
        }
        self.token = None;
        let insecure = insecure(self.peer, &reason);
        let reason = match reason {
            Closed::ByPeer => "the hub closed the connection".to_owned(),
            Closed::Failed(error) => format!("the connection was lost: {error}"),
            Closed::Asked { .. } => "the connection was closed".to_owned(),
        };
        let withheld = self.withheld.take();
        self.with_session(io, |state| {
            let State { session, inbox, failure, .. } = state;
            session.disconnected(&reason, &mut |event| inbox.take(&event));
            // TLS knows better why a connection never was what it was to be.
            if let Some(ConnectError::Refused { code: None, .. }) = inbox.ended {
                inbox.ended = insecure.or(inbox.ended.take());
            }
            *failure = withheld.or_else(|| inbox.ended.clone());
            inbox.changed = true;
            state.loop_looks = false;
        });
        self.disconnected(io);
    }

    fn link_failed(&mut self, io: &mut Io<'_>, _link: LinkId, error: LinkError, retry_in: Option<Duration>) {
        tracing::debug!(?retry_in, "{error}");
        self.with_session(io, |state| {
            state.failure = Some(Arc::new(error).into());
            state.inbox.changed = true;
        });
        self.disconnected(io);
    }

    fn woken(&mut self, io: &mut Io<'_>) {
        if let Some(token) = self.token {
            io.write(token);
        } else {
            self.shared.lock().loop_looks = false;
        }
        self.check_stage(io);
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.shared.lock().session.poll_timeout()
    }

    fn timeout(&mut self, io: &mut Io<'_>) {
        let now = io.now();
        self.with_session(io, |state| {
            let State { session, inbox, .. } = state;
            session.handle_timeout(now, &mut |event| inbox.take(&event));
        });
    }
}

/// What TLS says of the end of a connection.
fn insecure(peer: Option<SocketAddr>, reason: &Closed) -> Option<ConnectError> {
    let Closed::Failed(error) = reason else { return None };
    Some(ConnectError::Insecure { address: peer?, reason: tls::told(error)?.to_owned() })
}
