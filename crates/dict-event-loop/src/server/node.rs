//! A hub, its sockets and the parties beside it, as one application of the event loop.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dict_hub::{ConnectionId, Hub, Notice};
use dict_protocol::time::{Instant, Now};

use super::party::{Origin, Party, StreamId};
use crate::application::{Application, Close, Closed, LinkId, ListenerId, Via};
use crate::error::LinkError;
use crate::io::Io;
use crate::token::Token;

/// Rounds between the hub and its local parties in one turn; what is left goes on in the next.
const ROUNDS: usize = 32;

/// Between the end of a party's local connection and the next: one that fails each time must not keep the loop busy.
const REJOIN: Duration = Duration::from_millis(100);

/// How long a server that is being stopped waits for what its parties and its loggers still have to do.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whose bytes travel on a socket.
#[derive(Clone, Copy, Debug)]
enum Owner {
    Hub(ConnectionId),
    Party(usize, StreamId),
}

/// Where a party's stream leads.
#[derive(Clone, Copy, Debug)]
enum Way {
    Local(ConnectionId),
    Socket(Token),
}

/// How far the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running,
    /// It takes nothing more in, and waits until this time for what is under way.
    Finishing(Instant),
    /// What is queued is written; then the loop ends.
    Stopped,
}

struct Guest {
    party: Box<dyn Party + Send>,
    /// When it is to be joined to the hub; `None` if it is, or need not be.
    joins_at: Option<Instant>,
    /// It takes input, as it was last told.
    takes_input: bool,
}

pub(super) struct Node {
    hub: Hub,
    owners: HashMap<Token, Owner>,
    sockets: HashMap<ConnectionId, Token>,
    /// The parties' ends of the hub's local connections.
    locals: HashMap<ConnectionId, (usize, StreamId)>,
    ways: HashMap<StreamId, Way>,
    links: HashMap<LinkId, (usize, usize)>,
    guests: Vec<Guest>,
    /// Local connections whose party does not take input now.
    held_up: Vec<ConnectionId>,
    listeners: Vec<ListenerId>,
    next_stream: u64,
    stage: Stage,
    stop: Arc<AtomicBool>,
    pub(super) failure: Option<String>,
}

impl Node {
    pub(super) fn new(hub: Hub, stop: Arc<AtomicBool>) -> Self {
        Self {
            hub,
            owners: HashMap::new(),
            sockets: HashMap::new(),
            locals: HashMap::new(),
            ways: HashMap::new(),
            links: HashMap::new(),
            guests: Vec::new(),
            held_up: Vec::new(),
            listeners: Vec::new(),
            next_stream: 0,
            stage: Stage::Running,
            stop,
            failure: None,
        }
    }

    pub(super) fn hub(&self) -> &Hub {
        &self.hub
    }

    pub(super) fn listens(&mut self, listener: ListenerId) {
        self.listeners.push(listener);
    }

    pub(super) fn add(&mut self, party: Box<dyn Party + Send>, local: bool) -> usize {
        let joins_at = local.then(Instant::default);
        self.guests.push(Guest { party, joins_at, takes_input: true });
        self.guests.len() - 1
    }

    pub(super) fn leads(&mut self, link: LinkId, party: usize, place: usize) {
        self.links.insert(link, (party, place));
    }

    /// Joins every party that wants it, and is not joined, to the hub: at the start, and again if that connection failed.
    fn join_locals(&mut self, now: Now) {
        for guest in 0..self.guests.len() {
            if self.guests[guest].joins_at.take_if(|at| *at <= now.instant).is_some() {
                let stream = self.new_stream();
                let connection = self.hub.open(now, "this process");
                self.locals.insert(connection, (guest, stream));
                self.ways.insert(stream, Way::Local(connection));
                self.guests[guest].party.opened(now, stream, Origin::Local, "this process");
            }
        }
    }

    fn new_stream(&mut self) -> StreamId {
        self.next_stream += 1;
        StreamId(self.next_stream)
    }

    /// Moves everything that is ready: between the hub and local parties at once, to sockets by asking for a write.
    fn exchange(&mut self, io: &mut Io<'_>) {
        let now = io.now();
        for _ in 0..ROUNDS {
            let hub_moved = self.serve_hub(io, now);
            let parties_moved = self.serve_parties(io, now);
            if !hub_moved && !parties_moved {
                self.log_notices();
                return;
            }
        }
        io.again();
    }

    /// Ends the hub's turn and sends on what it has. Returns whether a party got some of it.
    fn serve_hub(&mut self, io: &mut Io<'_>, now: Now) -> bool {
        self.hub.end_turn(now);
        let mut moved = false;
        while let Some(id) = self.hub.poll_ready() {
            if let Some(&token) = self.sockets.get(&id) {
                io.write(token);
                if self.hub.is_ended(id) {
                    io.close(token, Close::Drain);
                }
            } else if let Some(&(guest, stream)) = self.locals.get(&id) {
                moved |= self.give_local(now, id, guest, stream);
            }
        }
        moved || self.hub.wants_turn()
    }

    /// Hands a local party what the hub has for it.
    fn give_local(&mut self, now: Now, id: ConnectionId, guest: usize, stream: StreamId) -> bool {
        let guest = &mut self.guests[guest];
        if !guest.takes_input {
            if !self.held_up.contains(&id) {
                self.held_up.push(id);
            }
            return false;
        }
        let count = self.hub.output(id).len();
        if count > 0 {
            guest.party.received(now, stream, self.hub.output(id));
            self.hub.wrote(id, count);
        }
        if self.hub.is_ended(id) {
            self.locals.remove(&id);
            self.ways.remove(&stream);
            self.hub.closed(now, id, "ended");
            guest.party.closed(now, stream, "the hub ended the connection");
            guest.joins_at = Some(now.instant + REJOIN);
        }
        count > 0
    }

    /// Ends the parties' turns and sends on what they have. Returns whether the hub got some of it.
    fn serve_parties(&mut self, io: &mut Io<'_>, now: Now) -> bool {
        let mut moved = false;
        for guest in 0..self.guests.len() {
            self.guests[guest].party.end_turn(now);
            self.hold_up(io, guest);
            while let Some(stream) = self.guests[guest].party.poll_ready() {
                moved |= self.take(io, now, guest, stream);
            }
        }
        moved
    }

    /// Takes what a party has for one of its streams.
    fn take(&mut self, io: &mut Io<'_>, now: Now, guest: usize, stream: StreamId) -> bool {
        let party = &mut self.guests[guest].party;
        match self.ways.get(&stream) {
            Some(&Way::Socket(token)) => {
                io.write(token);
                if party.is_established(stream) {
                    io.established(token);
                }
                if party.is_ended(stream) {
                    io.close(token, Close::Drain);
                }
                false
            }
            Some(&Way::Local(id)) => {
                let count = party.output(stream).len();
                if count > 0 {
                    self.hub.receive(now, id, party.output(stream));
                    party.written(now, stream, count);
                }
                if party.is_ended(stream) {
                    self.hub.closed(now, id, "the party ended the connection");
                    self.locals.remove(&id);
                    self.ways.remove(&stream);
                    party.closed(now, stream, "ended");
                    self.guests[guest].joins_at = Some(now.instant + REJOIN);
                }
                count > 0
            }
            None => false,
        }
    }

    /// Stops or resumes a party's input, as it wishes.
    fn hold_up(&mut self, io: &mut Io<'_>, place: usize) {
        let guest = &mut self.guests[place];
        let takes = guest.party.takes_input();
        if std::mem::replace(&mut guest.takes_input, takes) == takes {
            return;
        }
        for (&token, owner) in &self.owners {
            if matches!(owner, Owner::Party(other, _) if *other == place) {
                if takes {
                    io.resume_reading(token);
                } else {
                    io.pause_reading(token);
                }
            }
        }
        if takes {
            for id in std::mem::take(&mut self.held_up) {
                if let Some(&(guest, stream)) = self.locals.get(&id) {
                    self.give_local(io.now(), id, guest, stream);
                }
            }
            io.again();
        }
    }

    /// Goes on with stopping, if that was asked for.
    fn advance_stage(&mut self, io: &mut Io<'_>) {
        let now = io.now();
        if self.failure.is_none() {
            self.failure = self.guests.iter_mut().find_map(|guest| guest.party.failure());
        }
        match self.stage {
            Stage::Running if self.failure.is_some() => {
                self.stage = Stage::Finishing(now.instant);
                io.again();
            }
            Stage::Running if self.stop.load(Ordering::Acquire) => {
                tracing::info!("stopping");
                for listener in self.listeners.drain(..) {
                    io.stop_listening(listener);
                }
                // Writers keep what is not acknowledged; acknowledgements of what came in still come and go out.
                for (&token, owner) in &self.owners {
                    if matches!(owner, Owner::Hub(id) if !self.hub.is_logger(*id)) {
                        io.pause_reading(token);
                    }
                }
                self.hub.end_journal(now);
                self.stage = Stage::Finishing(now.instant + PATIENCE);
                io.again();
            }
            Stage::Finishing(deadline) => {
                let finished = self.guests.iter_mut().all(|guest| guest.party.is_finished(now));
                if (finished && self.hub.is_journal_logged()) || now.instant >= deadline {
                    self.stage = Stage::Stopped;
                    self.hub.bye(now, "the hub is stopping");
                    self.exchange(io);
                    io.stop();
                }
            }
            Stage::Running | Stage::Stopped => {}
        }
    }

    fn log_notices(&mut self) {
        while let Some(notice) = self.hub.poll_notice() {
            match notice {
                Notice::Opened { client, address } => tracing::info!(%client, %address, "client connected"),
                Notice::Closed { client, address, reason, failed: false } => {
                    tracing::info!(%client, %address, %reason, "client left");
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
            Via::Listener(_) => {
                let id = self.hub.open(io.now(), &peer.to_string());
                self.owners.insert(token, Owner::Hub(id));
                self.sockets.insert(id, token);
            }
            Via::Link(link) => {
                let Some(&(guest, place)) = self.links.get(&link) else { return };
                let stream = self.new_stream();
                self.owners.insert(token, Owner::Party(guest, stream));
                self.ways.insert(stream, Way::Socket(token));
                if !self.guests[guest].takes_input {
                    io.pause_reading(token);
                }
                self.guests[guest].party.opened(io.now(), stream, Origin::Link(place), &peer.to_string());
            }
        }
    }

    fn received(&mut self, io: &mut Io<'_>, token: Token, bytes: &[u8]) {
        match self.owners.get(&token) {
            Some(&Owner::Hub(id)) => self.hub.receive(io.now(), id, bytes),
            Some(&Owner::Party(guest, stream)) => {
                self.guests[guest].party.received(io.now(), stream, bytes);
            }
            None => {}
        }
    }

    fn output(&mut self, token: Token) -> &[u8] {
        match self.owners.get(&token) {
            Some(&Owner::Hub(id)) => self.hub.output(id),
            Some(&Owner::Party(guest, stream)) => self.guests[guest].party.output(stream),
            None => &[],
        }
    }

    fn written(&mut self, io: &mut Io<'_>, token: Token, length: usize) {
        match self.owners.get(&token) {
            Some(&Owner::Hub(id)) => {
                self.hub.wrote(id, length);
                if self.hub.wants_turn() {
                    io.again();
                }
            }
            Some(&Owner::Party(guest, stream)) => {
                self.guests[guest].party.written(io.now(), stream, length);
            }
            None => {}
        }
    }

    fn closed(&mut self, io: &mut Io<'_>, token: Token, reason: Closed) {
        let reason = match reason {
            Closed::ByPeer => "closed by the peer".to_owned(),
            Closed::Failed(error) => error.to_string(),
            Closed::Asked { .. } => "closed".to_owned(),
        };
        match self.owners.remove(&token) {
            Some(Owner::Hub(id)) => {
                self.sockets.remove(&id);
                self.hub.closed(io.now(), id, &reason);
            }
            Some(Owner::Party(guest, stream)) => {
                self.ways.remove(&stream);
                self.guests[guest].party.closed(io.now(), stream, &reason);
            }
            None => {}
        }
    }

    fn link_failed(&mut self, _: &mut Io<'_>, link: LinkId, error: LinkError, _: Option<Duration>) {
        if let Some(&(guest, place)) = self.links.get(&link) {
            self.guests[guest].party.link_failed(place, &error.to_string());
        }
    }

    fn woken(&mut self, io: &mut Io<'_>) {
        for guest in &mut self.guests {
            guest.party.woken(io.now());
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let parties = self.guests.iter().filter_map(|guest| guest.party.poll_timeout());
        let stage = match self.stage {
            Stage::Running => self.guests.iter().filter_map(|guest| guest.joins_at).min(),
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
        if self.stage == Stage::Running {
            self.join_locals(io.now());
        }
        self.exchange(io);
        self.advance_stage(io);
    }
}
