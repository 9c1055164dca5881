//! Messages and requests.

use std::time::Duration;

use dict_protocol::packet::{Encoded, Status};
use dict_protocol::session::RequestId;
use dict_protocol::value::Value;

use super::content::Content;
use super::dispatch::{About, Asked, Callback, CallbackId};
use super::inbox::{Answer, Pending};
use super::{Client, RequestError, SendError, Stage};
use crate::clock::Clock;

/// How a request is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestOptions {
    /// The name of the client that is to answer; `None`: whoever handles the action.
    pub to: Option<String>,
    /// How long to wait for the answer. By default 5 s, at most
    /// [`Limits::deadline`](dict_protocol::limits::Limits::deadline).
    pub timeout: Duration,
}

impl Default for RequestOptions {
    fn default() -> Self {
        Self { to: None, timeout: Duration::from_secs(5) }
    }
}

/// Messages and requests.
impl Client {
    /// Sends a message to the client called `to`, or to everybody who listens to messages. Nobody keeps it: it reaches who
    /// is there.
    ///
    /// # Errors
    ///
    /// If there is no connection, or a limit is passed.
    pub fn send(&self, to: Option<&str>, content: impl Into<Content>) -> Result<(), SendError> {
        let encoded = content.into().encode(self.inner.shared.limits.payload_depth())?;
        let mut state = self.lock();
        state.check_running()?;
        state.session.send(to, encoded.payload())?;
        self.inner.shared.release(state);
        Ok(())
    }

    /// Asks for an action to be done, and waits for the answer.
    ///
    /// It is done at most once: a request is never sent again. Not to be called by a callback for what the same client
    /// handles: both would wait for each other.
    ///
    /// # Errors
    ///
    /// If it was not sent, failed, or nothing is known about what became of it.
    pub fn request(
        &self,
        action: &str,
        value: impl Into<Value>,
        options: &RequestOptions,
    ) -> Result<Value, RequestError> {
        let id = self.ask(action, &value.into(), options, Pending::Waiting)?;
        let shared = &self.inner.shared;
        // The session gives every request an outcome in time; only the end of its thread would leave it without.
        let answer = shared.wait_for(None, |state| match state.inbox.requests.remove(&id) {
            Some(Pending::Answered(answer)) => Some(Ok(answer)),
            Some(pending) if state.stage != Stage::Closed => {
                state.inbox.requests.insert(id, pending);
                None
            }
            _ => Some(Err(state.closed())),
        });
        let answer = answer.unwrap_or_else(|| Err(shared.lock().closed()))?;
        outcome(action, &answer, shared.limits.depth)
    }

    /// Asks for an action to be done; `f` is called with the answer, as callbacks are.
    ///
    /// # Errors
    ///
    /// If it was not sent: then `f` is not called.
    pub fn request_then(
        &self,
        action: &str,
        value: impl Into<Value>,
        options: &RequestOptions,
        f: impl FnOnce(Result<Value, RequestError>) + Send + 'static,
    ) -> Result<(), RequestError> {
        let depth = self.inner.shared.limits.depth;
        let asked = action.to_owned();
        let callback = Box::new(move |answer: Answer| f(outcome(&asked, &answer, depth)));
        self.ask(action, &value.into(), options, Pending::Callback(callback)).map(drop)
    }

    /// Answers requests for `action` by `f`, which runs as callbacks do; an empty action stands for all that nobody else
    /// handles. Where another client handles it already the hub says so in a [notice](Client::on_notice).
    ///
    /// Several may handle one action. They are asked in the order in which they were registered, those for all others
    /// last, until one has an answer: any but [null](Value::Null), or an error. If none has, the answer is null.
    ///
    /// # Errors
    ///
    /// If the action is too long, or there are too many handlers.
    pub fn handle(
        &self,
        action: &str,
        f: impl FnMut(&Asked) -> Result<Value, String> + Send + 'static,
    ) -> Result<CallbackId, SendError> {
        let mut state = self.lock();
        state.check_running()?;
        state.session.handle(action)?;
        let id = state.inbox.register(Callback::Handle(action.to_owned(), Box::new(f)));
        self.settle(state);
        Ok(id)
    }

    /// Answers requests for `action` no longer: [removes](Client::remove_callback) all its handlers.
    pub fn unhandle(&self, action: &str) {
        let about = About::Action(action.to_owned());
        let handlers: Vec<CallbackId> = {
            let state = self.lock();
            let callbacks = state.inbox.callbacks.iter();
            callbacks.filter(|(_, other)| **other == about).map(|(&id, _)| id).collect()
        };
        for id in handlers {
            self.remove_callback(id);
        }
    }

    fn ask(
        &self,
        action: &str,
        value: &Value,
        options: &RequestOptions,
        pending: Pending,
    ) -> Result<RequestId, RequestError> {
        let encoded = Encoded::value(value, self.inner.shared.limits.payload_depth())?;
        let mut state = self.lock();
        state.check_running()?;
        let now = Clock::now();
        let to = options.to.as_deref();
        let id = state.session.request(now, to, action, encoded.payload(), options.timeout)?;
        state.inbox.requests.insert(id, pending);
        self.inner.shared.release(state);
        Ok(id)
    }
}

/// What an answer means.
fn outcome(action: &str, answer: &Answer, depth: usize) -> Result<Value, RequestError> {
    let value = answer.payload.payload().decode(depth);
    let value = value.map_err(|error| RequestError::Answer(error.to_string()))?;
    let text = || value.as_str().unwrap_or("no reason was given").to_owned();
    match answer.status {
        Status::Result => Ok(value),
        Status::Failed => Err(RequestError::Failed(text())),
        Status::Refused => Err(RequestError::Refused(text())),
        Status::NoHandler => Err(RequestError::NoHandler { action: action.to_owned() }),
        Status::Unknown => Err(RequestError::Unknown),
        Status::Late => Err(RequestError::Late),
    }
}
