//! A hub, its sockets and the parties beside it, as one application of the event loop.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use dict_hub::{ConnectionId, Hub, Notice};
use dict_protocol::time::{Instant, Now};

use super::NewAccess;
use super::party::{Manner, Origin, Party, StreamId};
use super::places::Places;
use super::stage::Stage;
use super::wishes::{Joining, Reaching};
use crate::application::{Application, Close, Closed, LinkId, ListenerId, Retry, Via};
use crate::error::LinkError;
use crate::io::Io;
use crate::strangers::Strangers;
use crate::tls::PeerCertificate;
use crate::token::Token;

/// Whose bytes travel on a socket.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner {
    Hub(ConnectionId),
    Party(usize, StreamId),
}

/// Where a party's stream leads.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Local(ConnectionId),
    Socket(Token),
}

/// Whom a listener is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Host {
    Hub,
    /// A party, whose listener of this index it is.
    Party(usize, u32),
}

pub(super) struct Guest {
    pub(super) party: Box<dyn Party + Send>,
    /// It takes input, as it was last told.
    pub(super) takes_input: bool,
}

/// The files that say what is done with it: `exchange` moves bytes, `wishes` makes streams, `stage` ends it all.
pub(super) struct Node {
    pub(super) hub: Hub,
    pub(super) owners: Places<Token, Owner>,
    pub(super) sockets: Places<ConnectionId, Token>,
    /// The parties' ends of the hub's local connections.
    pub(super) locals: HashMap<ConnectionId, (usize, StreamId)>,
    pub(super) ways: HashMap<StreamId, Way>,
    pub(super) links: HashMap<LinkId, Reaching>,
    pub(super) joins: Vec<Joining>,
    pub(super) guests: Vec<Guest>,
    /// Local connections whose party does not take input now.
    pub(super) held_up: Vec<ConnectionId>,
    pub(super) listeners: HashMap<ListenerId, Host>,
    next_stream: u64,
    pub(super) stage: Stage,
    /// The hub has said its last word.
    pub(super) journal_ended: bool,
    pub(super) stop: Arc<AtomicBool>,
    access: NewAccess,
    pub(super) failure: Option<String>,
    strangers: Strangers,
}

impl Node {
    pub(super) fn new(hub: Hub, stop: Arc<AtomicBool>, access: NewAccess) -> Self {
        Self {
            hub,
            owners: Places::new(),
            sockets: Places::new(),
            locals: HashMap::new(),
            ways: HashMap::new(),
            links: HashMap::new(),
            joins: Vec::new(),
            guests: Vec::new(),
            held_up: Vec::new(),
            listeners: HashMap::new(),
            next_stream: 0,
            stage: Stage::Running,
            journal_ended: false,
            stop,
            access,
            failure: None,
            strangers: Strangers::default(),
        }
    }

    pub(super) fn listens(&mut self, listener: ListenerId) {
        self.listeners.insert(listener, Host::Hub);
    }

    /// Takes a party in, with the listeners that are its own.
    pub(super) fn add(&mut self, party: Box<dyn Party + Send>, listeners: &[ListenerId]) {
        let guest = self.guests.len();
        self.guests.push(Guest { party, takes_input: true });
        for (index, &listener) in (0..).zip(listeners) {
            self.listeners.insert(listener, Host::Party(guest, index));
        }
    }

    pub(super) fn new_stream(&mut self) -> StreamId {
        self.next_stream += 1;
        StreamId::new(self.next_stream)
    }

    fn opened_for_hub(&mut self, io: &mut Io<'_>, token: Token, peer: SocketAddr) {
        let id = self.hub.open(io.now(), &peer.to_string());
        self.owners.insert(token, Owner::Hub(id));
        self.sockets.insert(id, token);
    }

    fn opened_for_party(
        &mut self,
        io: &mut Io<'_>,
        token: Token,
        guest: usize,
        origin: Origin,
        peer: SocketAddr,
    ) {
        let stream = self.new_stream();
        self.owners.insert(token, Owner::Party(guest, stream));
        self.ways.insert(stream, Way::Socket(token));
        io.keep_alive(token);
        let Guest { party, takes_input } = &mut self.guests[guest];
        if !*takes_input {
            io.pause_reading(token);
        }
        party.opened(io.now(), stream, origin, &peer.to_string());
        match party.manner(stream) {
            Manner::Usual => {}
            Manner::Fragile => io.fragile(token),
        }
    }

    pub(super) fn log_notices(&mut self, now: Now) {
        while let Some(notice) = self.hub.poll_notice() {
            match notice {
                Notice::Opened { client, address } => tracing::info!(%client, %address, "client connected"),
                Notice::Closed { client, address, reason, failed: false } => {
                    tracing::info!(%client, %address, %reason, "client left");
                }
                Notice::Closed { client, address, reason, .. } if client.is_empty() => {
                    if let Some(left_out) = self.strangers.failed(now.instant) {
                        tracing::warn!(%client, %address, %reason, "connection failed{left_out}");
                    }
                }
                Notice::Closed { client, address, reason, .. } => {
                    tracing::warn!(%client, %address, %reason, "connection failed");
                }
                Notice::Alarm(text) => tracing::error!("{text}"),
                _ => {}
            }
        }
    }
}

impl Application for Node {
    fn opened(&mut self, io: &mut Io<'_>, token: Token, via: Via, peer: SocketAddr) {
        match via {
            Via::Listener(listener) => match self.listeners.get(&listener) {
                Some(&Host::Hub) => self.opened_for_hub(io, token, peer),
                Some(&Host::Party(guest, index)) => {
                    self.opened_for_party(io, token, guest, Origin::Listener(index), peer);
                }
                None => {}
            },
            Via::Link(link) => {
                let Some(&Reaching { guest, place, retry }) = self.links.get(&link) else { return };
                if retry == Retry::Never {
                    self.links.remove(&link);
                }
                self.opened_for_party(io, token, guest, Origin::Link(place), peer);
            }
        }
    }

    fn secured(&mut self, _: &mut Io<'_>, token: Token, peer: PeerCertificate) {
        if let Some(&Owner::Hub(id)) = self.owners.get(token) {
            self.hub.certified(id, peer.names);
        }
    }

    fn received(&mut self, io: &mut Io<'_>, token: Token, bytes: &[u8]) {
        match self.owners.get(token) {
            Some(&Owner::Hub(id)) => self.hub.receive(io.now(), id, bytes),
            Some(&Owner::Party(guest, stream)) => {
                self.guests[guest].party.received(io.now(), stream, bytes);
            }
            None => {}
        }
    }

    fn input_ended(&mut self, io: &mut Io<'_>, token: Token) {
        let how = match self.owners.get(token) {
            Some(&Owner::Party(guest, stream)) => self.guests[guest].party.input_ended(io.now(), stream),
            Some(Owner::Hub(_)) | None => Some(Close::Drain),
        };
        if let Some(how) = how {
            io.close(token, how);
        }
    }

    fn output(&mut self, token: Token) -> &[u8] {
        match self.owners.get(token) {
            Some(&Owner::Hub(id)) => self.hub.output(id),
            Some(&Owner::Party(guest, stream)) => self.guests[guest].party.output(stream),
            None => &[],
        }
    }

    fn written(&mut self, io: &mut Io<'_>, token: Token, length: usize) {
        match self.owners.get(token) {
            Some(&Owner::Hub(id)) => {
                self.hub.wrote(id, length);
                if self.hub.wants_turn() {
                    io.again();
                }
            }
            Some(&Owner::Party(guest, stream)) => {
                let party = &mut self.guests[guest].party;
                party.written(io.now(), stream, length);
                if let Some(how) = party.ending(stream) {
                    io.close(token, how);
                }
            }
            None => {}
        }
    }

    fn acknowledged(&mut self, io: &mut Io<'_>, token: Token) {
        if let Some(&Owner::Party(guest, stream)) = self.owners.get(token) {
            self.guests[guest].party.acknowledged(io.now(), stream);
        }
    }

    fn closed(&mut self, io: &mut Io<'_>, token: Token, reason: Closed) {
        let reason = match reason {
            Closed::ByPeer => "closed by the peer".to_owned(),
            Closed::Failed(error) => error.to_string(),
            Closed::Asked { .. } => "closed".to_owned(),
        };
        match self.owners.remove(token) {
            Some(Owner::Hub(id)) => {
                self.sockets.remove(id);
                self.hub.closed(io.now(), id, &reason);
            }
            Some(Owner::Party(guest, stream)) => {
                self.ways.remove(&stream);
                self.guests[guest].party.closed(io.now(), stream, &reason);
            }
            None => {}
        }
    }

    fn link_failed(&mut self, io: &mut Io<'_>, link: LinkId, error: LinkError, _: Option<Duration>) {
        let Some(&Reaching { guest, place, retry }) = self.links.get(&link) else { return };
        if retry == Retry::Never {
            self.links.remove(&link);
        }
        self.guests[guest].party.link_failed(io.now(), place, &error.to_string());
    }

    fn woken(&mut self, io: &mut Io<'_>) {
        let access = self.access.lock().unwrap_or_else(PoisonError::into_inner).take();
        if access.is_some() {
            self.hub.set_access(io.now(), access);
        }
        for guest in &mut self.guests {
            guest.party.woken(io.now());
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let parties = self.guests.iter().filter_map(|guest| guest.party.poll_timeout());
        let stage = match self.stage {
            Stage::Running => self.next_join(),
            Stage::Finishing(deadline) => Some(deadline),
            Stage::Stopped => None,
        };
        parties.chain(self.hub.poll_timeout()).chain(stage).min()
    }

    fn timeout(&mut self, io: &mut Io<'_>) {
        let now = io.now();
        self.hub.handle_timeout(now);
        for guest in &mut self.guests {
            if guest.party.poll_timeout().is_some_and(|at| at <= now.instant) {
                guest.party.handle_timeout(now);
            }
        }
    }

    fn end_of_turn(&mut self, io: &mut Io<'_>) {
        self.exchange(io);
        self.advance_stage(io);
    }
}
