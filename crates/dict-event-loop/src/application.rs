//! What an event loop drives: a state machine that knows no sockets.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use dict_protocol::time::Instant;

use crate::error::LinkError;
use crate::io::Io;
use crate::tls::PeerCertificate;
use crate::token::Token;

/// A state machine that an [`EventLoop`](crate::EventLoop) gives events to and takes output from.
///
/// Every connection is known by its [`Token`] from [`opened`](Self::opened) to [`closed`](Self::closed), which comes
/// exactly once for each that was opened (unless [`Io::stop_now`] ends everything). No method may block: all
/// connections wait for it. Commands are given through [`Io`] in any of them; none calls back while it is given.
///
/// A method that makes output says so with [`Io::write`]; also for other connections than the one it is about.
pub trait Application {
    /// A connection is there: a listener accepted it or a link reached its other end.
    fn opened(&mut self, io: &mut Io<'_>, token: Token, via: Via, peer: SocketAddr);

    /// The TLS handshake is over, of a connection that is encrypted; told once, before anything is received. `peer` is what
    /// the other end has shown and this one was to check.
    ///
    /// Until then [`output`](Self::output) is not asked: what is to be said waits.
    fn secured(&mut self, io: &mut Io<'_>, token: Token, peer: PeerCertificate) {
        let _ = (io, token, peer);
    }

    /// Bytes came in, cut anywhere, at least one. What is unfinished is for the application to keep.
    fn received(&mut self, io: &mut Io<'_>, token: Token, bytes: &[u8]);

    /// The peer will send nothing more; all it sent was received. It may still want to read.
    ///
    /// As provided, closes the connection when the pending output is written. One that does otherwise has to close it
    /// at some time: no event needs to follow.
    fn input_ended(&mut self, io: &mut Io<'_>, token: Token) {
        io.close(token, Close::Drain);
    }

    /// What is to be written next, empty if there is nothing.
    ///
    /// Asked when the connection can take output: after [`Io::write`], and after [`written`](Self::written). So output
    /// may be made here, as late as possible. It is written by one system call, as far as the connection takes it.
    fn output(&mut self, token: Token) -> &[u8];

    /// The first `length` bytes of [`output`](Self::output) are written, at least one.
    ///
    /// If there is output after that it is written in the next turn: no [`Io::write`] is needed.
    fn written(&mut self, io: &mut Io<'_>, token: Token, length: usize);

    /// The peer's system has acknowledged all that was written: of a [fragile](Io::fragile) connection alone. What
    /// [`output`](Self::output) has by then is written in this turn.
    fn acknowledged(&mut self, io: &mut Io<'_>, token: Token) {
        let _ = (io, token);
    }

    /// The connection is gone, and with it what it had not written.
    fn closed(&mut self, io: &mut Io<'_>, token: Token, reason: Closed);

    /// A link's other end could not be reached at any of its addresses. `retry_in` tells when the next attempt is made;
    /// `None` that the link is given up, as [`Retry::Never`] asks.
    fn link_failed(&mut self, io: &mut Io<'_>, link: LinkId, error: LinkError, retry_in: Option<Duration>) {
        let _ = (io, link, error, retry_in);
    }

    /// Somebody called [`Waker::wake`](crate::Waker::wake), once or often. May be called without a cause.
    fn woken(&mut self, io: &mut Io<'_>) {
        let _ = io;
    }

    /// When [`timeout`](Self::timeout) has to be called; asked before each wait.
    fn next_timeout(&self) -> Option<Instant> {
        None
    }

    /// The time of [`next_timeout`](Self::next_timeout) has come.
    fn timeout(&mut self, io: &mut Io<'_>) {
        let _ = io;
    }

    /// All events of this turn are handled; what [`Io::write`] asks for now, or has asked for, is written at once.
    fn end_of_turn(&mut self, io: &mut Io<'_>) {
        let _ = io;
    }
}

/// How a connection came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// A listener accepted it.
    Listener(ListenerId),
    /// A link reached its other end.
    Link(LinkId),
}

/// A listener, named by [`Io::listen`]. Never given twice by one event loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub(crate) u32);

/// A link to another program, named by [`Io::connect`]. Never given twice by one event loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub(crate) u64);

/// Whether a link is tried again after it failed or its connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// For ever, after delays that grow to [`Settings::retry_most`](crate::Settings::retry_most).
    Always,
    /// Never: one attempt at each address and one connection.
    Never,
}

/// How to close a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// Write what is left, tell the peer that nothing follows, and wait for it to close too, so that it can read all of
    /// it; at most [`Settings::drain_timeout`](crate::Settings::drain_timeout) in all. Nothing more is received.
    ///
    /// A [fragile](Io::fragile) connection is reset instead, as soon as the peer's system has acknowledged all of it.
    Drain,
    /// At once; pending output is lost.
    Now,
    /// At once, with a reset: the peer sees an error, and the systems forget the connection immediately.
    Reset,
}

/// Why a connection is closed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Closed {
    /// The peer ended its output, and then all was written or the application closed the connection.
    ByPeer,
    /// The connection broke: it was reset, or the network failed, or of an encrypted one, TLS refused it.
    Failed(io::Error),
    /// The application asked for it.
    Asked {
        /// Whether all output had been handed to the operating system, and from a [fragile](Io::fragile) connection to
        /// the peer's. What the peer has read, nobody knows.
        drained: bool,
    },
}
