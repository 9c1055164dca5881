//! Callbacks: what a program wants to be called for.

use std::sync::MutexGuard;
use std::time::Duration;

use dict_protocol::packet::{LoggerPresence, Mode};
use dict_protocol::pattern::Pattern;

use super::dispatch::{About, Callback, CallbackId, HubInfo, Incoming};
use super::shared::State;
use super::{Client, SendError};

/// Callbacks run on a thread of their own, one after the other, in the order of what they are about, and under no lock:
/// they may call anything. While one blocks the others wait; messages and requests that meanwhile pass
/// [`Limits::callbacks`](dict_protocol::limits::Limits::callbacks) are dropped and refused. One that panics is logged.
///
/// Several may be registered for one event: they are called in the order in which they were. Each can be
/// [removed](Client::remove_callback).
impl Client {
    /// Calls `f` whenever a connection is there. For the first one see [`Builder::on_connect`](super::Builder::on_connect).
    pub fn on_connect(&self, f: impl FnMut(&HubInfo) + Send + 'static) -> CallbackId {
        self.register(Callback::Connect(Box::new(f)))
    }

    /// Calls `f` with the reason whenever the connection is lost.
    pub fn on_close(&self, f: impl FnMut(&str) + Send + 'static) -> CallbackId {
        self.register(Callback::Close(Box::new(f)))
    }

    /// Calls `f` when a connection tells whether there is a logger, and whenever that changes.
    pub fn on_logger(&self, f: impl FnMut(LoggerPresence) + Send + 'static) -> CallbackId {
        self.register(Callback::Logger(Box::new(f)))
    }

    /// Calls `f` with what the hub has to say about something that this client did: a message to nobody, an action that
    /// another client handles. Without it such notices are logged as warnings.
    pub fn on_notice(&self, f: impl FnMut(&str) + Send + 'static) -> CallbackId {
        self.register(Callback::Notice(Box::new(f)))
    }

    /// Calls `f` with each message to everybody, or to this client.
    ///
    /// # Errors
    ///
    /// If there are too many subscriptions, or the client was closed.
    pub fn on_message(&self, f: impl FnMut(&Incoming) + Send + 'static) -> Result<CallbackId, SendError> {
        let mut state = self.lock();
        state.check_running()?;
        if state.inbox.messages.is_none() {
            let subscription = state.session.subscribe(Pattern::all(), Mode::Messages, Duration::ZERO)?;
            state.inbox.messages = Some(subscription);
        }
        let id = state.inbox.register(Callback::Message(Box::new(f)));
        self.settle(state);
        Ok(id)
    }

    /// Calls a callback or [handler](Client::handle) no more; false if it was removed already, or is another client's.
    ///
    /// From when this returns no further call of it is begun. One that is being made at that moment, on the callbacks'
    /// thread, goes on and is not waited for: so a callback may remove itself, or another. What it holds is dropped on
    /// that thread, after it.
    pub fn remove_callback(&self, id: CallbackId) -> bool {
        let mut state = self.lock();
        let State { session, inbox, .. } = &mut *state;
        let Some(about) = inbox.unregister(id) else { return false };
        let is_last = !inbox.callbacks.values().any(|other| *other == about);
        match about {
            About::Messages if is_last => {
                if let Some(subscription) = inbox.messages.take() {
                    session.unsubscribe(subscription);
                }
            }
            About::Peers if is_last => {
                if let Some(subscription) = inbox.peers.take() {
                    session.unsubscribe(subscription);
                    inbox.watches.remove(subscription, &mut inbox.mirror);
                }
            }
            About::Action(action) if is_last => session.unhandle(&action),
            _ => {}
        }
        self.settle(state);
        true
    }

    /// Messages that were dropped because callbacks did not take them fast enough.
    pub fn dropped_messages(&self) -> u64 {
        self.lock().inbox.jobs.dropped
    }

    fn register(&self, callback: Callback) -> CallbackId {
        let mut state = self.lock();
        let id = state.inbox.register(callback);
        self.inner.shared.announce(state);
        id
    }

    /// Gives the lock back after a callback came or went that the hub may have to be told of.
    pub(super) fn settle(&self, state: MutexGuard<'_, State>) {
        self.inner.shared.announce(state);
        self.inner.shared.release(self.lock());
    }
}
