//! One connection's socket and its state. Everything here is about one connection; nothing calls the application.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use dict_protocol::time::Instant;
use mio::net::TcpStream;
use mio::{Interest, Registry};
use socket2::SockRef;

use crate::application::{Closed, Via};
use crate::platform::{self, SendQueues};
use crate::tls::{Incoming, PeerCertificate, Rest, Stream};
use crate::token::{Key, Token};

/// | phase | application knows it | input | output |
/// |---|---|---|---|
/// | `Connecting` | no | | |
/// | `Open` | yes | received | written |
/// | `Draining` | yes | discarded | written, then `Lingering` or (of a fragile one at once) closed |
/// | `Lingering` | yes | discarded up to its end, then closed | none; the peer was told so, or that TLS refuses it |
/// | `Closing` | yes | none | none; closed before the turn ends |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Connecting,
    Open,
    Draining(Initiator),
    Lingering,
    Closing(Initiator),
}

/// Who ended a connection first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Initiator {
    Application,
    Peer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Nothing is known to be readable; an event will tell.
    Waiting,
    /// Something may be readable.
    Ready,
    /// The application wants nothing for now.
    Paused { ready: bool },
    /// The peer has ended it.
    Ended,
}

#[derive(Debug)]
pub(crate) enum Output {
    /// Written whenever there is any.
    Direct,
    /// The system takes no more for now; an event will tell when it does. Interest in writing is registered.
    Blocked,
    /// The event came, and what was left is to be written. Interest in writing is registered still.
    Resumed,
    /// All is written, and the peer's system has not acknowledged it yet: a fragile connection waits for that. A timer
    /// will tell.
    Unacknowledged { since: Instant },
    /// Writing failed. What the peer sent before is still to be read.
    Broken(io::Error),
}

/// What a read brought.
#[derive(Debug)]
pub(crate) enum Received {
    Bytes(usize),
    Nothing,
    End,
    Failed(io::Error),
    /// TLS does not go on with this peer, which is to be told.
    Refused(io::Error),
}

pub(crate) struct Connection {
    stream: TcpStream,
    /// What stands between the socket and the application, if it is encrypted.
    tls: Option<Box<Stream>>,
    pub(crate) peer: SocketAddr,
    pub(crate) via: Via,
    pub(crate) phase: Phase,
    pub(crate) input: Input,
    pub(crate) output: Output,
    /// It closes by a reset, and is written to step by step.
    pub(crate) fragile: bool,
    /// The system hinted at the end of input: no further event needs to tell about it, so reading goes on to the end.
    pub(crate) hung_up: bool,
    /// Whether the connection stands in the queue for reading.
    pub(crate) in_reads: bool,
    /// Whether the connection stands in the queue for writing.
    pub(crate) in_writes: bool,
}

impl Connection {
    pub(crate) fn new(
        stream: TcpStream,
        tls: Option<Stream>,
        peer: SocketAddr,
        via: Via,
        phase: Phase,
    ) -> Self {
        Self {
            stream,
            tls: tls.map(Box::new),
            peer,
            via,
            phase,
            input: Input::Waiting,
            output: Output::Direct,
            fragile: false,
            hung_up: false,
            in_reads: false,
            in_writes: false,
        }
    }

    /// Asks for events. A connection that is being made is writable when that is over.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = match self.phase {
            Phase::Connecting => Interest::READABLE | Interest::WRITABLE,
            _ => Interest::READABLE,
        };
        registry.register(&mut self.stream, Key::connection(token).into(), interest)
    }

    pub(crate) fn deregister(&mut self, registry: &Registry) {
        // Not left to dropping the socket: while a child process is being started it has a copy of the descriptor, and
        // events would go on.
        if let Err(error) = registry.deregister(&mut self.stream) {
            tracing::debug!(peer = %self.peer, %error, "cannot deregister the connection");
        }
    }

    /// Whether an attempt to connect has succeeded (`Some(Ok)`), failed, or is not over. That a socket is writable does
    /// not tell.
    pub(crate) fn connected(&self) -> Option<io::Result<()>> {
        match self.stream.take_error() {
            Ok(Some(error)) | Err(error) => return Some(Err(error)),
            Ok(None) => {}
        }
        match self.stream.peer_addr() {
            // A system may connect a socket with itself where a port of the range for outgoing connections has no
            // listener: that would keep the real one from ever having its port.
            Ok(peer) if self.stream.local_addr().is_ok_and(|local| local == peer) => {
                Some(Err(io::ErrorKind::ConnectionRefused.into()))
            }
            Ok(_) => Some(Ok(())),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// An attempt to connect succeeded: from here on the connection is like an accepted one.
    pub(crate) fn open(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.phase = Phase::Open;
        self.stream.set_nodelay(true)?;
        self.set_write_interest(registry, token, false)
    }

    /// Reads once, or of an encrypted connection until `buffer` is full or there is no more.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Received {
        self.input = Input::Waiting;
        if self.tls.is_some() {
            return self.read_encrypted(buffer);
        }
        match ignoring_interruptions(|| self.stream.read(buffer)) {
            Ok(0) => {
                self.input = Input::Ended;
                Received::End
            }
            Ok(length) => {
                if length == buffer.len() || self.hung_up || !platform::SHORT_TRANSFER_REARMS {
                    self.input = Input::Ready;
                }
                Received::Bytes(length)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.hung_up = false;
                Received::Nothing
            }
            Err(error) => Received::Failed(error),
        }
    }

    fn read_encrypted(&mut self, buffer: &mut [u8]) -> Received {
        let Some(tls) = &mut self.tls else { return Received::Nothing };
        match tls.read(&mut self.stream, buffer) {
            Incoming::Plaintext { length, rest } => {
                self.hung_up &= rest != Rest::None;
                let unlikely_will_do = self.hung_up || !platform::SHORT_TRANSFER_REARMS;
                if rest == Rest::Some || (rest == Rest::Unlikely && unlikely_will_do) {
                    self.input = Input::Ready;
                }
                if length == 0 { Received::Nothing } else { Received::Bytes(length) }
            }
            // Whoever was told that nothing follows need not say goodbye.
            Incoming::Failed(error)
                if error.kind() == io::ErrorKind::UnexpectedEof && self.phase == Phase::Lingering =>
            {
                self.input = Input::Ended;
                Received::End
            }
            Incoming::End => {
                self.input = Input::Ended;
                Received::End
            }
            Incoming::Failed(error) => Received::Failed(error),
            Incoming::Refused(error) => Received::Refused(error),
        }
    }

    /// Writes once, or of an encrypted connection until a turn's part is taken; 0 if the system takes nothing now.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(tls) = &mut self.tls {
            return tls.write(&mut self.stream, bytes);
        }
        match ignoring_interruptions(|| self.stream.write(bytes)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            result => result,
        }
    }

    /// Writes what is encrypted and was not taken before.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.tls.as_mut().map_or(Ok(()), |tls| tls.flush(&mut self.stream))
    }

    /// Whether something is encrypted and was not taken: there is output then, whatever the application has.
    pub(crate) fn is_behind(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_behind())
    }

    /// Whether the system has to tell when it takes more, after a write that took less than there was if it `is_short`.
    pub(crate) fn is_full(&self, is_short: bool) -> bool {
        self.tls.as_ref().map_or(is_short, |tls| tls.is_behind())
    }

    /// Whether the application's output has to wait for the handshake.
    pub(crate) fn is_in_handshake(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| !tls.is_secured())
    }

    /// Whom the handshake was made with, once when it is over.
    pub(crate) fn take_secured(&mut self) -> Option<PeerCertificate> {
        self.tls.as_mut().and_then(|tls| tls.take_secured())
    }

    /// Ends TLS, which refuses the peer: writes the alert as far as that is possible at once, and tells that nothing
    /// follows. What comes is discarded from here on, up to its end, so that the alert can be read.
    pub(crate) fn refuse(&mut self, error: io::Error) -> io::Result<()> {
        let told = self.flush().and_then(|()| self.stream.shutdown(Shutdown::Write));
        self.tls = None;
        self.output = Output::Broken(error);
        self.phase = Phase::Lingering;
        self.input = Input::Ready;
        told
    }

    /// Waits for the system to take output again.
    pub(crate) fn block_output(&mut self, registry: &Registry, token: Token) {
        let registered = matches!(self.output, Output::Blocked | Output::Resumed);
        self.output = Output::Blocked;
        if registered && platform::SHORT_TRANSFER_REARMS {
            return;
        }
        if let Err(error) = self.set_write_interest(registry, token, true) {
            self.output = Output::Broken(error);
        }
    }

    /// There is no output left to wait for.
    pub(crate) fn unblock_output(&mut self, registry: &Registry, token: Token) {
        if matches!(self.output, Output::Blocked | Output::Resumed) {
            self.output = Output::Direct;
            if let Err(error) = self.set_write_interest(registry, token, false) {
                self.output = Output::Broken(error);
            }
        }
    }

    /// Whether the peer's system has acknowledged all that was written; `None` if this system does not tell.
    pub(crate) fn is_acknowledged(&self, send_queues: &mut SendQueues) -> io::Result<Option<bool>> {
        let ends = self.stream.local_addr().and_then(|local| Ok((local, self.stream.peer_addr()?)));
        let told = ends.and_then(|(local, peer)| match send_queues.is_empty(local, peer) {
            // Of a connection that broke nothing is known either, and it has no peer.
            None => self.stream.peer_addr().map(|_| None),
            told => Ok(told),
        });
        told.map_err(|error| self.take_error().unwrap_or(error))
    }

    /// Tells the peer that nothing follows; false if it could not be written yet.
    pub(crate) fn end_output(&mut self) -> io::Result<bool> {
        self.say_goodbye()?;
        if self.is_behind() {
            return Ok(false);
        }
        self.stream.shutdown(Shutdown::Write).map(|()| true)
    }

    /// Writes TLS's goodbye, as far as the system takes it.
    pub(crate) fn say_goodbye(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        tls.say_goodbye();
        tls.flush(&mut self.stream)
    }

    /// Whether the application's output can be written now.
    pub(crate) fn takes_output(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Draining(_))
            && matches!(self.output, Output::Direct | Output::Resumed)
    }

    /// Who ended the connection, if it is ended now.
    pub(crate) fn initiator(&self) -> Initiator {
        match self.phase {
            Phase::Draining(initiator) | Phase::Closing(initiator) => initiator,
            Phase::Lingering => Initiator::Application,
            Phase::Connecting | Phase::Open if self.input == Input::Ended => Initiator::Peer,
            Phase::Connecting | Phase::Open => Initiator::Application,
        }
    }

    /// Why the connection is closed, for the application; `drained` is whether it has no output left.
    pub(crate) fn reason(&mut self, drained: bool) -> Closed {
        match (std::mem::replace(&mut self.output, Output::Direct), self.initiator()) {
            (Output::Broken(error), _) => Closed::Failed(error),
            (_, Initiator::Peer) => Closed::ByPeer,
            (_, Initiator::Application) => Closed::Asked { drained },
        }
    }

    /// The socket's pending error.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.stream.take_error().unwrap_or_else(Some)
    }

    /// Makes closing the socket reset the connection.
    pub(crate) fn reset_on_close(&self) {
        if let Err(error) = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)) {
            tracing::debug!(peer = %self.peer, %error, "cannot reset the connection; it is closed in order");
        }
    }

    /// Lets the system find out whether a silent peer is still there.
    pub(crate) fn keep_alive(&self) {
        if let Err(error) = platform::keep_alive(&SockRef::from(&self.stream)) {
            tracing::debug!(peer = %self.peer, %error, "cannot keep the connection alive");
        }
    }

    fn set_write_interest(&mut self, registry: &Registry, token: Token, write: bool) -> io::Result<()> {
        let interest = if write { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        registry.reregister(&mut self.stream, Key::connection(token).into(), interest)
    }
}

pub(crate) fn ignoring_interruptions<T>(mut operation: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_small() {
        assert!(size_of::<Connection>() <= 128, "{} bytes", size_of::<Connection>());
    }

    #[test]
    fn interrupted_operations_are_repeated() {
        let mut left = 3;
        let result = ignoring_interruptions(|| {
            left -= 1;
            if left > 0 { Err(io::ErrorKind::Interrupted.into()) } else { Ok(left) }
        });
        assert_eq!(result.unwrap(), 0);
    }
}
