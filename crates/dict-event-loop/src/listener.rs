//! Listening and accepting.

use std::io;
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry};
use socket2::{Domain, Protocol, Socket, Type};

use crate::address::Address;
use crate::application::{Application, ListenerId, Via};
use crate::connection::{Connection, Phase, ignoring_interruptions};
use crate::error::ListenError;
use crate::io::{Io, Listening};
use crate::platform;
use crate::sockets::{Sockets, Stop};
use crate::timers::Timer;
use crate::tls::ServerTls;
use crate::token::Key;

pub(crate) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    /// What its connections are encrypted with.
    tls: Option<ServerTls>,
    state: State,
    /// An episode of shortage lasts until nothing is left to accept; it is reported once.
    shortage_reported: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// An event will tell.
    Waiting,
    /// In the queue.
    Queued,
    /// A timer will tell.
    Paused,
}

/// What to do after an accept that gave no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// There is none.
    None,
    /// That one was gone; there may be others.
    Gone,
    /// The process or the system has no room. Trying at once would be trying for ever.
    Shortage,
}

impl Sockets {
    pub(crate) fn listen(
        &mut self,
        address: &Address,
        tls: Option<&ServerTls>,
    ) -> Result<Listening, ListenError> {
        let candidates = match address.literal() {
            Some(literal) => vec![literal],
            None => resolve(address)?,
        };
        let mut failed = None;
        for candidate in candidates {
            match self.listen_on(candidate, tls.cloned()) {
                Ok(listening) => return Ok(listening),
                Err(error) => failed = failed.or(Some(ListenError::new(candidate, error))),
            }
        }
        Err(failed.expect("a resolved name has at least one address"))
    }

    fn listen_on(&mut self, address: SocketAddr, tls: Option<ServerTls>) -> io::Result<Listening> {
        let id = ListenerId(self.next_listener);
        let mut listener = Listener::open(address, self.settings.backlog, &self.registry, id)?;
        listener.tls = tls;
        let address = listener.address;
        self.next_listener += 1;
        self.listeners.insert(id, listener);
        tracing::info!(%address, "listening");
        Ok(Listening { id, address })
    }

    pub(crate) fn stop_listening(&mut self, id: ListenerId) {
        let Some(mut listener) = self.listeners.remove(&id) else { return };
        // Not left to dropping the socket: while a child process is being started it has a copy of the descriptor, and
        // events would go on.
        if let Err(error) = self.registry.deregister(&mut listener.socket) {
            tracing::debug!(address = %listener.address, %error, "cannot deregister the listener");
        }
        tracing::info!(address = %listener.address, "no longer listening");
    }

    pub(crate) fn mark_acceptable(&mut self, id: ListenerId) {
        let Some(listener) = self.listeners.get_mut(&id) else { return };
        if listener.state == State::Waiting && self.stop == Stop::Running {
            listener.state = State::Queued;
            self.accepts.push_back(id);
        }
    }

    pub(crate) fn end_accept_pause(&mut self, id: ListenerId) {
        let Some(listener) = self.listeners.get_mut(&id) else { return };
        if listener.state == State::Paused {
            listener.state = State::Waiting;
            self.mark_acceptable(id);
        }
    }

    /// Accepts from each listener in the queue, up to the budget.
    pub(crate) fn serve_listeners<A: Application>(&mut self, application: &mut A) {
        for _ in 0..self.accepts.len() {
            let Some(id) = self.accepts.pop_front() else { return };
            self.accept_some(application, id);
        }
    }

    fn accept_some<A: Application>(&mut self, application: &mut A, id: ListenerId) {
        for _ in 0..self.settings.accepts {
            let Some(listener) = self.listeners.get_mut(&id) else { return };
            match ignoring_interruptions(|| listener.socket.accept()) {
                Ok((stream, peer)) => {
                    if let Err(error) = self.admit(application, id, stream, canonical(peer)) {
                        return self.pause_accepting(id, &error);
                    }
                }
                Err(error) => match refusal(&error) {
                    Refusal::None => {
                        listener.state = State::Waiting;
                        listener.shortage_reported = false;
                        return;
                    }
                    Refusal::Gone => {}
                    Refusal::Shortage => return self.pause_accepting(id, &error),
                },
            }
        }
        // The budget is spent before the end was seen, so no event would tell of the rest.
        self.accepts.push_back(id);
    }

    /// Takes a new connection in. An error means that there is no room for it; it is closed.
    fn admit<A: Application>(
        &mut self,
        application: &mut A,
        id: ListenerId,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> io::Result<()> {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "the connection was gone before it was accepted");
            return Ok(());
        }
        let via = Via::Listener(id);
        let tls = self.listeners.get(&id).and_then(|listener| listener.tls.as_ref());
        let tls = match tls.map(ServerTls::accept).transpose() {
            Ok(tls) => tls,
            Err(error) => {
                tracing::error!(%peer, %error, "TLS cannot begin: the connection is closed");
                return Ok(());
            }
        };
        let connection = Connection::new(stream, tls, peer, via, Phase::Open);
        let Some(token) = self.connections.insert(connection) else {
            return Err(io::Error::other("the table of connections is full"));
        };
        let connection = self.connections.get_mut(token).expect("it was just put in");
        if let Err(error) = connection.register(&self.registry, token) {
            self.connections.remove(token);
            return Err(error);
        }
        tracing::debug!(%peer, connection = %token, "accepted");
        application.opened(&mut Io::new(self), token, via, peer);
        Ok(())
    }

    fn pause_accepting(&mut self, id: ListenerId, error: &io::Error) {
        let Some(listener) = self.listeners.get_mut(&id) else { return };
        listener.state = State::Paused;
        if !listener.shortage_reported {
            listener.shortage_reported = true;
            tracing::warn!(
                listener = %listener.address,
                %error,
                "cannot accept connections for now; those that are open go on (is the limit of open files too low?)"
            );
        }
        self.timers.set(self.now.instant + self.settings.accept_pause, Timer::Accept(id));
    }
}

impl Listener {
    fn open(address: SocketAddr, backlog: u32, registry: &Registry, id: ListenerId) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        platform::share_address_with_the_past(&socket)?;
        if address.ip().is_ipv6() && address.ip().is_unspecified() {
            // The default differs between systems. A machine without IPv4 has no such option to refuse.
            let _ = socket.set_only_v6(false);
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        let mut socket = TcpListener::from_std(socket.into());
        let address = socket.local_addr()?;
        registry.register(&mut socket, Key::Listener(id.0).into(), Interest::READABLE)?;
        Ok(Self { socket, address, tls: None, state: State::Waiting, shortage_reported: false })
    }
}

/// IPv4 first: of a name for both, such as `localhost`, that is what most clients try.
fn resolve(address: &Address) -> Result<Vec<SocketAddr>, ListenError> {
    let mut addresses =
        address.resolve().map_err(|source| ListenError::Resolve { address: address.clone(), source })?;
    addresses.sort_by_key(SocketAddr::is_ipv6);
    Ok(addresses)
}

/// An IPv4 peer of a listener for both families as IPv4.
fn canonical(peer: SocketAddr) -> SocketAddr {
    match peer.ip().to_canonical() {
        ip if ip.is_ipv4() => SocketAddr::new(ip, peer.port()),
        _ => peer,
    }
}

fn refusal(error: &io::Error) -> Refusal {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::WouldBlock => Refusal::None,
        // Systems report what befell the connection before it was accepted.
        Kind::ConnectionAborted
        | Kind::ConnectionReset
        | Kind::TimedOut
        | Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::NetworkDown => Refusal::Gone,
        // Descriptors, buffers, memory; and whatever is unknown is safest tried again later.
        _ => Refusal::Shortage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_one_connection_is_none_of_the_listener() {
        assert_eq!(refusal(&io::ErrorKind::WouldBlock.into()), Refusal::None);
        assert_eq!(refusal(&io::ErrorKind::ConnectionAborted.into()), Refusal::Gone);
        assert_eq!(refusal(&io::ErrorKind::OutOfMemory.into()), Refusal::Shortage);
        assert_eq!(refusal(&io::Error::other("no descriptors")), Refusal::Shortage);
    }

    #[test]
    fn mapped_peers_are_shown_as_ipv4() {
        let peer = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(canonical(peer("[::ffff:10.0.0.7]:99")), peer("10.0.0.7:99"));
        assert_eq!(canonical(peer("[fe80::1%3]:99")), peer("[fe80::1%3]:99"));
    }
}
