//! Links: connections that this side makes, and makes again.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use dict_protocol::time::Instant;
use mio::net::TcpStream;

use crate::address::Address;
use crate::application::{Application, LinkId, Retry, Via};
use crate::backoff::Backoff;
use crate::connection::{Connection, Phase};
use crate::error::LinkError;
use crate::io::Io;
use crate::resolver::Resolution;
use crate::sockets::{Sockets, Stop};
use crate::timers::Timer;
use crate::tls::ClientTls;
use crate::token::Token;

/// | state | event | next |
/// |---|---|---|
/// | `Waiting` | its timer | `Resolving`, or `Connecting` if the host is an IP address |
/// | `Resolving` | addresses | `Connecting` to the first |
/// | `Resolving` | error | failed |
/// | `Connecting` | connected | `Connected` |
/// | `Connecting` | refused, timed out, ... | `Connecting` to the next; failed after the last |
/// | `Connected` | closed | `Waiting`, or given up |
///
/// Failed is `Waiting` too, or given up, and the application is told.
pub(crate) struct Link {
    address: Address,
    retry: Retry,
    /// What its connections are encrypted with.
    tls: Option<ClientTls>,
    backoff: Backoff,
    /// Since when its connection is good, if the application has said so.
    good_since: Option<Instant>,
    state: State,
}

enum State {
    Waiting,
    Resolving,
    Connecting {
        token: Token,
        /// The addresses not yet tried, the next one last.
        remaining: Vec<SocketAddr>,
    },
    Connected,
}

impl Sockets {
    pub(crate) fn connect(&mut self, address: &Address, retry: Retry, tls: Option<ClientTls>) -> LinkId {
        let id = LinkId(self.next_link);
        self.next_link += 1;
        let backoff = Backoff::new(self.settings.retry_least, self.settings.retry_most);
        let address = address.clone();
        self.links.insert(id, Link { address, retry, tls, backoff, good_since: None, state: State::Waiting });
        self.timers.set(self.now.instant, Timer::Attempt(id));
        id
    }

    pub(crate) fn drop_link(&mut self, id: LinkId) {
        let Some(link) = self.links.remove(&id) else { return };
        if let State::Connecting { token, .. } = link.state {
            self.discard(token);
        }
    }

    pub(crate) fn established(&mut self, token: Token) {
        let Some(Via::Link(id)) = self.connections.get(token).map(|connection| connection.via) else {
            return;
        };
        if let Some(link) = self.links.get_mut(&id) {
            link.good_since.get_or_insert(self.now.instant);
        }
    }

    pub(crate) fn attempt_link<A: Application>(&mut self, application: &mut A, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if !matches!(link.state, State::Waiting) || self.stop != Stop::Running {
            return;
        }
        if let Some(literal) = link.address.literal() {
            return self.try_addresses(application, id, vec![literal], None);
        }
        link.state = State::Resolving;
        if let Err(source) = self.resolver.start(id, link.address.clone()) {
            let address = link.address.clone();
            self.fail_link(application, id, LinkError::Resolve { address, source });
        }
    }

    pub(crate) fn serve_resolver<A: Application>(&mut self, application: &mut A) {
        while let Some(resolution) = self.resolver.finished() {
            self.resolved(application, resolution);
        }
    }

    pub(crate) fn resolved<A: Application>(&mut self, application: &mut A, resolution: Resolution) {
        let Resolution { link: id, addresses } = resolution;
        let Some(link) = self.links.get(&id) else { return };
        match addresses {
            Ok(mut addresses) => {
                addresses.reverse();
                self.try_addresses(application, id, addresses, None);
            }
            Err(source) => {
                let address = link.address.clone();
                self.fail_link(application, id, LinkError::Resolve { address, source });
            }
        }
    }

    /// Begins to connect to the next address with which that is possible at all.
    fn try_addresses<A: Application>(
        &mut self,
        application: &mut A,
        id: LinkId,
        mut remaining: Vec<SocketAddr>,
        mut failed: Option<LinkError>,
    ) {
        while let Some(address) = remaining.pop() {
            match self.begin_connecting(id, address) {
                Ok(token) => {
                    if let Some(link) = self.links.get_mut(&id) {
                        link.state = State::Connecting { token, remaining };
                    }
                    return;
                }
                Err(error) => failed = Some(LinkError::new(address, error)),
            }
        }
        let error = failed.expect("there is at least one address, and each that was tried has failed");
        self.fail_link(application, id, error);
    }

    fn begin_connecting(&mut self, id: LinkId, address: SocketAddr) -> io::Result<Token> {
        let tls = self.links.get(&id).and_then(|link| link.tls.as_ref());
        let tls = tls.map(ClientTls::connect).transpose().map_err(io::Error::other)?;
        let stream = TcpStream::connect(address)?;
        let connection = Connection::new(stream, tls, address, Via::Link(id), Phase::Connecting);
        let token = self
            .connections
            .insert(connection)
            .ok_or_else(|| io::Error::other("the table of connections is full"))?;
        let connection = self.connections.get_mut(token).expect("it was just put in");
        if let Err(error) = connection.register(&self.registry, token) {
            self.connections.remove(token);
            return Err(error);
        }
        self.timers.set(self.now.instant + self.settings.connect_timeout, Timer::ConnectTimeout(token));
        Ok(token)
    }

    /// An event for a connection that is being made.
    pub(crate) fn check_connecting<A: Application>(&mut self, application: &mut A, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let (peer, via) = (connection.peer, connection.via);
        let connected = match connection.connected() {
            None => return,
            Some(Ok(())) => connection.open(&self.registry, token),
            Some(Err(error)) => Err(error),
        };
        if let Err(error) = connected {
            return self.fail_connecting(application, token, LinkError::new(peer, error));
        }
        if let Via::Link(id) = via
            && let Some(link) = self.links.get_mut(&id)
        {
            link.state = State::Connected;
        }
        tracing::debug!(%peer, connection = %token, "connected");
        application.opened(&mut Io::new(self), token, via, peer);
        if self.connections.get(token).is_some_and(Connection::is_behind) {
            self.queue_write(token);
        }
    }

    pub(crate) fn connect_timed_out<A: Application>(&mut self, application: &mut A, token: Token) {
        let Some(connection) = self.connections.get(token) else { return };
        if connection.phase == Phase::Connecting {
            let after = self.settings.connect_timeout;
            let error = LinkError::TimedOut { address: connection.peer, after };
            self.fail_connecting(application, token, error);
        }
    }

    /// One address failed; there may be others.
    fn fail_connecting<A: Application>(&mut self, application: &mut A, token: Token, error: LinkError) {
        let Some(Via::Link(id)) = self.discard(token) else { return };
        tracing::debug!(%error, "link attempt failed");
        let Some(link) = self.links.get_mut(&id) else { return };
        if let State::Connecting { remaining, .. } = &mut link.state {
            let remaining = std::mem::take(remaining);
            self.try_addresses(application, id, remaining, Some(error));
        }
    }

    /// All addresses failed.
    fn fail_link<A: Application>(&mut self, application: &mut A, id: LinkId, error: LinkError) {
        let retry_in = self.wait_or_give_up(id);
        application.link_failed(&mut Io::new(self), id, error, retry_in);
    }

    /// A link's connection was closed. If it was good for no longer than the longest delay, the delays go on growing:
    /// two ends that agree on nothing but the greeting would be at it for ever.
    pub(crate) fn link_lost(&mut self, id: LinkId) {
        let lasting = self.settings.retry_most;
        if let Some(link) = self.links.get_mut(&id)
            && let Some(since) = link.good_since.take()
            && self.now.instant.since(since) >= lasting
        {
            link.backoff.reset();
        }
        self.wait_or_give_up(id);
    }

    fn wait_or_give_up(&mut self, id: LinkId) -> Option<Duration> {
        let link = self.links.get_mut(&id)?;
        match link.retry {
            Retry::Always => {
                let delay = link.backoff.delay(&mut self.random);
                link.state = State::Waiting;
                self.timers.set(self.now.instant + delay, Timer::Attempt(id));
                Some(delay)
            }
            Retry::Never => {
                self.links.remove(&id);
                None
            }
        }
    }

    /// Drops a connection that the application does not know.
    pub(crate) fn discard(&mut self, token: Token) -> Option<Via> {
        let mut connection = self.connections.remove(token)?;
        connection.deregister(&self.registry);
        Some(connection.via)
    }
}
