//! What an application can tell its event loop to do.

use std::net::SocketAddr;

use dict_protocol::time::Now;

use crate::address::Address;
use crate::application::{Close, LinkId, ListenerId, Retry};
use crate::connection::{Input, Output, Phase};
use crate::error::ListenError;
use crate::sockets::{Sockets, Stop};
use crate::tls::{ClientTls, ServerTls};
use crate::token::Token;

/// The commands of an event loop, lent to each method of [`Application`](crate::Application).
///
/// A command about a connection that is closed does nothing: the application may hear of the end later than it speaks.
/// No command calls the application back before it returns.
pub struct Io<'a> {
    sockets: &'a mut Sockets,
}

/// A listener that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Its name in [`Via::Listener`](crate::Via::Listener).
    pub id: ListenerId,
    /// Where it listens; the port is the one that the system chose if 0 was asked for.
    pub address: SocketAddr,
}

impl<'a> Io<'a> {
    pub(crate) fn new(sockets: &'a mut Sockets) -> Self {
        Self { sockets }
    }

    /// The time: both clocks as they were when this turn began.
    pub fn now(&self) -> Now {
        self.sockets.now
    }

    /// There is output: [`Application::output`](crate::Application::output) is asked, and what it returns written,
    /// in this turn if its [`end_of_turn`](crate::Application::end_of_turn) is not over, else in the next, which then
    /// follows at once. Costs nothing much if repeated, or if the connection can take no output now.
    pub fn write(&mut self, token: Token) {
        self.sockets.queue_write(token);
    }

    /// Closes the connection. [`Application::closed`](crate::Application::closed) follows when that is done; until
    /// then [`output`](crate::Application::output) and [`written`](crate::Application::written) may be called, and
    /// [`received`](crate::Application::received) is not. A more urgent [`Close`] may follow a milder one.
    ///
    /// The link that made the connection makes another, unless it is dropped too.
    pub fn close(&mut self, token: Token, how: Close) {
        self.sockets.close(token, how);
    }

    /// Stops receiving from the connection, so that its peer is held up when the systems' buffers are full.
    ///
    /// Meanwhile the peer's going away is noticed only in writing.
    pub fn pause_reading(&mut self, token: Token) {
        let Some(connection) = self.sockets.connections.get_mut(token) else { return };
        if connection.phase != Phase::Open {
            return;
        }
        if matches!(connection.output, Output::Broken(_)) {
            return self.sockets.close_now(token);
        }
        match connection.input {
            Input::Waiting => connection.input = Input::Paused { ready: false },
            Input::Ready => connection.input = Input::Paused { ready: true },
            Input::Paused { .. } | Input::Ended => {}
        }
    }

    /// Receives from the connection again.
    pub fn resume_reading(&mut self, token: Token) {
        let Some(connection) = self.sockets.connections.get_mut(token) else { return };
        if let Input::Paused { ready } = connection.input {
            connection.input = if ready { Input::Ready } else { Input::Waiting };
            self.sockets.queue_read(token);
        }
    }

    /// Makes the connection a fragile one, from here on to its end, for peers that know no other end than a reset. To be
    /// called before anything is written, best when it is opened.
    ///
    /// Whatever closes it resets it, also that this process is killed. So nothing may be on its way then: after each write
    /// of all that [`output`](crate::Application::output) returned, the next is asked for only when the peer's system has
    /// acknowledged it, and [`acknowledged`](crate::Application::acknowledged) was told. [`Close::Drain`] waits for that
    /// too, and then resets.
    ///
    /// What is acknowledged only Linux tells. Elsewhere, and where netlink is forbidden, everything counts as acknowledged
    /// 5 ms after it was written.
    pub fn fragile(&mut self, token: Token) {
        self.sockets.make_fragile(token);
    }

    /// Lets the system ask a silent peer whether it is still there, so that one that vanished is noticed: first after 10
    /// s, then every 5 s, and after three questions without an answer the connection has failed. (Where a system does not
    /// let these times be set, they are its own.)
    pub fn keep_alive(&mut self, token: Token) {
        if let Some(connection) = self.sockets.connections.get(token) {
            connection.keep_alive();
        }
    }

    /// Listens. A host name is looked up now, which may take long, and of several addresses it has the first is
    /// taken that works, IPv4 before IPv6. `[::]` stands for all networks of both kinds.
    ///
    /// # Errors
    ///
    /// If the name cannot be looked up, or the address is in use, not this machine's, or not permitted.
    pub fn listen(&mut self, address: &Address) -> Result<Listening, ListenError> {
        self.sockets.listen(address, None)
    }

    /// As [`listen`](Self::listen), for connections that are encrypted.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn listen_encrypted(&mut self, address: &Address, tls: &ServerTls) -> Result<Listening, ListenError> {
        self.sockets.listen(address, Some(tls))
    }

    /// Closes a listener. Its connections stay.
    pub fn stop_listening(&mut self, listener: ListenerId) {
        self.sockets.stop_listening(listener);
    }

    /// Makes a link: connects to `address`, and with [`Retry::Always`] again whenever that fails or the connection is
    /// closed. Host names are looked up anew for each attempt, on a thread of their own, and all their addresses tried
    /// in turn.
    pub fn connect(&mut self, address: &Address, retry: Retry) -> LinkId {
        self.sockets.connect(address, retry, None)
    }

    /// As [`connect`](Self::connect), encrypted. A handshake that fails ends the connection that was made for it.
    pub fn connect_encrypted(&mut self, address: &Address, retry: Retry, tls: ClientTls) -> LinkId {
        self.sockets.connect(address, retry, Some(tls))
    }

    /// Ends a link: nothing is tried any more. A connection that it has stays, and is closed by [`Io::close`].
    pub fn drop_link(&mut self, link: LinkId) {
        self.sockets.drop_link(link);
    }

    /// The connection is good, not merely connected: if it stays so for [`Settings::retry_most`](crate::Settings), the
    /// link that made it will start again from the shortest delay. Until then, a peer that accepts and closes at once,
    /// or that this end cannot go on with, is tried less and less often.
    pub fn established(&mut self, token: Token) {
        self.sockets.established(token);
    }

    /// Takes another turn without waiting for an event.
    pub fn again(&mut self) {
        self.sockets.again = true;
    }

    /// Ends the loop in order: closes listeners and links, drains all connections ([`Close::Drain`]), and returns from
    /// [`EventLoop::run`](crate::EventLoop::run) when the last one is closed.
    pub fn stop(&mut self) {
        self.sockets.drain_all();
    }

    /// Ends the loop after this turn. Connections are closed with it; the application is not told.
    pub fn stop_now(&mut self) {
        self.sockets.stop = Stop::Now;
    }
}
