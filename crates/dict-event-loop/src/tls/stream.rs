//! The state of one encrypted connection, between its socket and its plaintext.
//!
//! Nothing is kept here but what rustls keeps: ciphertext is read from the socket into rustls, and all plaintext is taken
//! out before more is read. What is written is encrypted at once, at most [`BEHIND`] ahead of the socket.

use std::io::{self, IoSlice, Read, Write};

use mio::net::TcpStream;
use rustls::Connection;

use super::failure;
use super::names::PeerCertificate;
use crate::connection::ignoring_interruptions;

/// How many bytes may be encrypted and not written.
const BEHIND: usize = 64 * 1024;

/// How many bytes are encrypted in one turn: what others wait for while it is done.
const TURN: usize = 256 * 1024;

/// How many bytes of ciphertext a server takes that hold nothing for the application, in a row. Of a stranger's message rustls
/// would keep up to 64 KiB, in and after the handshake, until the rest of it comes. What a client has to say in the handshake
/// is 2 KiB, and a certificate with all those between it and its CA a few more; after it, a record has 16 KiB.
const BARREN: usize = 20 * 1024;

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It connected.
    Client,
    /// It was connected to.
    Server,
}

pub(crate) struct Stream {
    connection: Connection,
    role: Role,
    /// The handshake is over, and the application knows it.
    told: bool,
    /// How many bytes of ciphertext came since the last that held something for the application, or ended the handshake.
    barren: usize,
    /// What ends it, once the plaintext before it is taken.
    end: Option<Incoming>,
}

/// What a read brought.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// So many bytes of plaintext, perhaps none.
    Plaintext { length: usize, rest: Rest },
    /// The other end has said goodbye.
    End,
    /// The connection broke, or ended without a goodbye.
    Failed(io::Error),
    /// The other end does not keep to TLS, or is not to be trusted. An alert that says so is to be written.
    Refused(io::Error),
}

/// Whether there is more to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Something may be left here, or in the socket.
    Some,
    /// The socket gave less than it was asked for.
    Unlikely,
    /// The socket had nothing.
    None,
}

impl Stream {
    pub(super) fn new(mut connection: Connection, role: Role) -> Self {
        connection.set_buffer_limit(Some(BEHIND));
        Self { connection, role, told: false, barren: 0, end: None }
    }

    /// Reads until `buffer` is full or the socket has nothing more. Ciphertext is taken in at most as much as the buffer is
    /// long, so that a peer whose records hold nothing does not keep everybody waiting.
    pub(crate) fn read(&mut self, socket: &mut TcpStream, buffer: &mut [u8]) -> Incoming {
        let (mut length, mut taken) = (0, 0);
        let mut rest = Rest::Some;
        loop {
            match self.connection.reader().read(&mut buffer[length..]) {
                Ok(0) => self.end = Some(Incoming::End),
                Ok(count) => {
                    length += count;
                    if length == buffer.len() {
                        return Incoming::Plaintext { length, rest: Rest::Some };
                    }
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => self.end = Some(Incoming::Failed(failure::cut_off(self.told))),
            }
            if self.end.is_some() && length > 0 {
                return Incoming::Plaintext { length, rest: Rest::Some };
            }
            if let Some(end) = self.end.take() {
                return end;
            }
            if rest != Rest::Some || taken >= buffer.len() {
                return Incoming::Plaintext { length, rest };
            }
            let mut source = Source { socket, is_short: false };
            match ignoring_interruptions(|| self.connection.read_tls(&mut source)) {
                // The end: of it the reader tells, but not before the handshake is over.
                Ok(0) if self.connection.is_handshaking() => {
                    self.end = Some(Incoming::Failed(failure::cut_off(false)));
                }
                Ok(count) => {
                    taken += count;
                    if source.is_short && count > 0 {
                        rest = Rest::Unlikely;
                    }
                    if let Err(error) = self.take_in(count) {
                        self.end = Some(Incoming::Refused(error));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => rest = Rest::None,
                Err(error) => self.end = Some(Incoming::Failed(error)),
            }
        }
    }

    /// Has rustls look at `count` bytes of ciphertext that it has read.
    fn take_in(&mut self, count: usize) -> io::Result<()> {
        let was_handshaking = self.connection.is_handshaking();
        let state =
            self.connection.process_new_packets().map_err(|error| failure::refusal(&error, self.role))?;
        if state.plaintext_bytes_to_read() > 0 || was_handshaking != self.connection.is_handshaking() {
            self.barren = 0;
        } else {
            self.barren += count;
        }
        if self.role == Role::Server && self.barren > BARREN {
            return Err(failure::too_long(BARREN));
        }
        Ok(())
    }

    /// The handshake is over: whom it was made with. Told once.
    pub(crate) fn take_secured(&mut self) -> Option<PeerCertificate> {
        if self.told || self.connection.is_handshaking() {
            return None;
        }
        self.told = true;
        Some(PeerCertificate::new(self.connection.peer_certificates()))
    }

    /// Whether the application was told that the handshake is over: what it says before that has to wait.
    pub(crate) fn is_secured(&self) -> bool {
        self.told
    }

    /// Whether there is ciphertext that the socket has not taken.
    pub(crate) fn is_behind(&self) -> bool {
        self.connection.wants_write()
    }

    /// Writes ciphertext, as far as the socket takes it.
    pub(crate) fn flush(&mut self, socket: &mut TcpStream) -> io::Result<()> {
        while self.connection.wants_write() {
            match ignoring_interruptions(|| self.connection.write_tls(&mut Sink(socket))) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes what was left before, then encrypts and writes `bytes`. Returns how many of them were encrypted: as many as one
    /// turn is for, or as may be ahead of the socket, which is [behind](Self::is_behind) then.
    pub(crate) fn write(&mut self, socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(TURN)];
        let mut taken = 0;
        loop {
            self.flush(socket)?;
            if taken == bytes.len() || self.is_behind() {
                return Ok(taken);
            }
            taken += self.connection.writer().write(&bytes[taken..])?;
        }
    }

    /// Says goodbye, after everything else; to be followed by [`flush`](Self::flush). Once is enough.
    pub(crate) fn say_goodbye(&mut self) {
        self.connection.send_close_notify();
    }
}

/// A socket that is read from, and whether it gave less than it was asked for.
struct Source<'a> {
    socket: &'a mut TcpStream,
    is_short: bool,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(buffer)?;
        self.is_short = count < buffer.len();
        Ok(count)
    }
}

/// A socket that several records are written to at once.
struct Sink<'a>(&'a mut TcpStream);

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
