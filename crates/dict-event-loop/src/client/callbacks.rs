//! Callbacks: what a program wants to be called for.

use std::time::Duration;

use dict_protocol::packet::{LoggerPresence, Mode};
use dict_protocol::pattern::Pattern;

use super::dispatch::{Callback, HubInfo, Incoming, Job};
use super::{Client, SendError, Stage};

/// Callbacks run on a thread of their own, one after the other, in the order of what they are about, and under no lock:
/// they may call anything. While one blocks the others wait; messages and requests that meanwhile pass
/// [`Limits::callbacks`](dict_protocol::limits::Limits::callbacks) are dropped and refused. One that panics is logged.
impl Client {
    /// Calls `f` whenever a connection is there. For the first one see [`Builder::on_connect`](super::Builder::on_connect).
    pub fn on_connect(&self, f: impl FnMut(&HubInfo) + Send + 'static) {
        self.register(Callback::Connect(Box::new(f)));
    }

    /// Calls `f` with the reason whenever the connection is lost.
    pub fn on_close(&self, f: impl FnMut(&str) + Send + 'static) {
        self.register(Callback::Close(Box::new(f)));
    }

    /// Calls `f` when a connection tells whether there is a logger, and whenever that changes.
    pub fn on_logger(&self, f: impl FnMut(LoggerPresence) + Send + 'static) {
        self.register(Callback::Logger(Box::new(f)));
    }

    /// Calls `f` with what the hub has to say about something that this client did: a message to nobody, an action that
    /// another client handles. Without it such notices are logged as warnings.
    pub fn on_notice(&self, f: impl FnMut(&str) + Send + 'static) {
        self.register(Callback::Notice(Box::new(f)));
    }

    /// Calls `f` with each message to everybody, or to this client.
    ///
    /// # Errors
    ///
    /// If there are too many subscriptions, or the client was closed.
    pub fn on_message(&self, f: impl FnMut(&Incoming) + Send + 'static) -> Result<(), SendError> {
        self.register(Callback::Message(Box::new(f)));
        let mut state = self.lock();
        if state.stage != Stage::Running {
            return Err(SendError::Closed);
        }
        if !std::mem::replace(&mut state.inbox.hears_messages, true) {
            let subscribed = state.session.subscribe(Pattern::all(), Mode::Messages, Duration::ZERO);
            state.inbox.hears_messages = subscribed.is_ok();
            subscribed?;
        }
        self.inner.shared.release(state);
        Ok(())
    }

    /// Messages that were dropped because callbacks did not take them fast enough.
    pub fn dropped_messages(&self) -> u64 {
        self.lock().inbox.jobs.dropped
    }

    pub(super) fn register(&self, callback: Callback) {
        let mut state = self.lock();
        state.inbox.small_job(Job::Register(callback));
        self.inner.shared.announce(state);
    }
}
