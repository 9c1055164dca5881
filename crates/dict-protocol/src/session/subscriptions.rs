//! A session's subscriptions.

use alloc::collections::BTreeMap;
use core::time::Duration;

use super::{Event, Events, Session};
use crate::output::Output;
use crate::packet::{self, Ack, ErrorCode, Mode, Packet, Resume, Subscribe, Unsubscribe};
use crate::pattern::Pattern;

/// A subscription of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub u32);

/// Why there can be no more subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// There are as many as there may be.
    #[error("a client has at most {limit} subscriptions (limit subscriptions)")]
    Limit {
        /// How many that is.
        limit: usize,
    },
    /// The pattern is longer than names are.
    #[error("a pattern of {length} bytes is over the limit of {limit} (limit name)")]
    Pattern {
        /// How many bytes it has.
        length: usize,
        /// How many it may have.
        limit: usize,
    },
}

#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    last: u32,
    wishes: BTreeMap<SubscriptionId, Wish>,
}

#[derive(Debug)]
struct Wish {
    pattern: Pattern,
    mode: Mode,
    interval: Duration,
}

impl Wish {
    fn send(&self, id: SubscriptionId, output: &mut Output) {
        let (prefix, pattern) = match &self.pattern {
            Pattern::Name(name) => (false, name),
            Pattern::Prefix(prefix) => (true, prefix),
        };
        output.send(&Packet::Subscribe(Subscribe {
            id: id.0,
            mode: self.mode,
            prefix,
            interval: u32::try_from(self.interval.as_millis()).unwrap_or(u32::MAX),
            pattern,
        }));
    }
}

impl Subscriptions {
    pub(super) fn connected(&self, output: &mut Output) {
        for (&id, wish) in &self.wishes {
            wish.send(id, output);
        }
    }

    /// The hub ended or refused one.
    pub(super) fn told(&mut self, error: &packet::Error<'_>, output: &mut Output, events: Events<'_>) {
        let Ok(id) = u32::try_from(error.reference) else { return };
        let subscription = SubscriptionId(id);
        let Some(wish) = self.wishes.get(&subscription) else { return };
        if error.code == ErrorCode::TooSlow {
            wish.send(subscription, output);
            events(Event::TooSlow { subscription, text: error.text });
        } else {
            self.wishes.remove(&subscription);
            events(Event::SubscriptionRefused { subscription, code: error.code, text: error.text });
        }
    }
}

/// Subscribing.
impl Session {
    /// Wishes for the sources that `pattern` matches, on this connection and all later ones. `interval` is the least
    /// time between two updates of a source, for `latest`.
    ///
    /// # Errors
    ///
    /// If there are too many subscriptions, or the pattern is too long.
    pub fn subscribe(
        &mut self,
        pattern: Pattern,
        mode: Mode,
        interval: Duration,
    ) -> Result<SubscriptionId, SubscribeError> {
        let limits = &self.settings.limits;
        if self.subscriptions.wishes.len() >= limits.subscriptions {
            return Err(SubscribeError::Limit { limit: limits.subscriptions });
        }
        let (Pattern::Name(text) | Pattern::Prefix(text)) = &pattern;
        if text.len() > limits.name {
            return Err(SubscribeError::Pattern { length: text.len(), limit: limits.name });
        }
        let subscriptions = &mut self.subscriptions;
        subscriptions.last += 1;
        let id = SubscriptionId(subscriptions.last);
        let wish = Wish { pattern, mode, interval };
        if let Some(output) = self.open_output() {
            wish.send(id, output);
        }
        self.subscriptions.wishes.insert(id, wish);
        Ok(id)
    }

    /// Ends a subscription.
    pub fn unsubscribe(&mut self, id: SubscriptionId) {
        if self.subscriptions.wishes.remove(&id).is_some()
            && let Some(output) = self.open_output()
        {
            output.send(&Packet::Unsubscribe(Unsubscribe { id: id.0 }));
        }
    }

    /// Tells the hub how far a source is held, as a durable subscriber does; false if there is no connection.
    pub fn acknowledge(&mut self, ack: Ack) -> bool {
        self.open_output().map(|output| output.send(&Packet::Ack(ack))).is_some()
    }

    /// Tells the hub a position, as a durable subscriber does; false if there is no connection.
    pub fn resume(&mut self, resume: Resume) -> bool {
        self.open_output().map(|output| output.send(&Packet::Resume(resume))).is_some()
    }

    /// The output of a connection that the hub has accepted.
    pub(super) fn open_output(&mut self) -> Option<&mut Output> {
        use crate::connection::Phase;
        self.connection
            .as_mut()
            .filter(|connection| connection.phase() == Phase::Open)
            .map(|connection| &mut connection.output)
    }
}
