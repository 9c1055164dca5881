//! Who else comes and goes: the hub's own events, as far as they are about its clients.

use std::time::Duration;

use dict_protocol::change::Patch;
use dict_protocol::name::HUB_SOURCE;
use dict_protocol::packet;
use dict_protocol::pattern::Pattern;
use dict_protocol::session::{Session, SubscriptionId};
use dict_protocol::value::{Dictionary, Value};

use super::dispatch::{Callback, CallbackId};
use super::inbox::Inbox;
use super::watch::{Mode, WatchEvent};
use super::watches::{Queued, RawKind};
use super::{Client, SendError};

/// Another client of the hub came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerEvent {
    /// It is connected.
    Opened {
        /// The name that it can be reached by.
        name: String,
        /// Where it is connected from.
        address: String,
        /// Which program it is, and its version.
        product: String,
    },
    /// It is connected no more.
    Closed {
        /// The name that it was reached by.
        name: String,
        /// Where it was connected from.
        address: String,
        /// Why.
        reason: String,
    },
    /// Some that came or went may not have been told: this client's own connection was lost in between, or it was too
    /// slow. A [request](Client::request) for `$clients` tells who is there.
    Missed,
}

impl Client {
    /// Calls `f` whenever another client of the hub comes or goes, by its name.
    ///
    /// A program of an older system is one too: `comms/10.0.0.7`. Those that are there already are not told; a
    /// [request](Client::request) for `$clients` lists them. The hub has heard of the wish when a [ping](Client::ping)
    /// after this call has come back.
    ///
    /// The hub sends all its own events to a client that asks for this, those about messages and requests included, so it
    /// costs as much as watching them.
    ///
    /// # Errors
    ///
    /// If there are too many subscriptions, or the client is closed.
    pub fn on_peer(&self, f: impl FnMut(&PeerEvent) + Send + 'static) -> Result<CallbackId, SendError> {
        let mut state = self.lock();
        state.check_running()?;
        let super::State { session, inbox, .. } = &mut *state;
        if inbox.peers.is_none() {
            inbox.peers = Some(watch(session, inbox)?);
        }
        let id = inbox.register(Callback::Peer(Box::new(f)));
        self.settle(state);
        Ok(id)
    }
}

/// Begins to watch the hub's own source.
fn watch(session: &mut Session, inbox: &mut Inbox) -> Result<SubscriptionId, SendError> {
    let pattern = Pattern::Prefix(HUB_SOURCE.to_owned());
    let id = session.subscribe(pattern.clone(), packet::Mode::Every, Duration::ZERO)?;
    inbox.watch(id, pattern, Mode::Every);
    Ok(id)
}

impl PeerEvent {
    /// What an event of the hub's own source says of clients, if it does.
    pub(super) fn from_queued(queued: &Queued) -> Option<Self> {
        let raw = match queued {
            Queued::Event(WatchEvent::Missed { .. }) => return Some(Self::Missed),
            Queued::Event(_) => return None,
            Queued::Raw(raw) => raw,
        };
        if raw.kind == RawKind::Dictionary {
            // What it stands in place of was said to be missed.
            return None;
        }
        let patch = Patch::parse(&raw.bytes, usize::MAX).ok()?;
        let (_, connection) = patch.set().find(|(key, _)| *key == "connection")?;
        Self::from_connection(connection.decode().as_dictionary()?)
    }

    fn from_connection(connection: &Dictionary) -> Option<Self> {
        let text = |key: &str| Some(connection.get(key).and_then(Value::as_str)?.to_owned());
        let (name, address) = (text("client")?, text("address")?);
        match connection.get("event").and_then(Value::as_str)? {
            "opened" => Some(Self::Opened { name, address, product: text("product")? }),
            "closed" => Some(Self::Closed { name, address, reason: text("reason")? }),
            _ => None,
        }
    }

    /// The bytes of its texts.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Opened { name, address, product: text } | Self::Closed { name, address, reason: text } => {
                name.len() + address.len() + text.len()
            }
            Self::Missed => 0,
        }
    }
}
