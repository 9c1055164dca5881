//! The bytes of a connection, encrypted or not.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use anyhow::Result;
use dict_event_loop::client::ConnectError;
use dict_event_loop::tls::{BlockingStream, ClientTls};
use dict_protocol::link::Link;

use crate::PATIENCE;
use crate::direct;

/// A socket, which blocks unless something else is set.
pub(super) enum Stream {
    Plain(TcpStream),
    Encrypted(Box<BlockingStream>),
}

impl Stream {
    /// Connects to where a link leads.
    pub(super) fn connect(link: &Link, tls: Option<&ClientTls>) -> Result<Self> {
        let socket = direct::connect(link, PATIENCE)?;
        let Some(tls) = tls else { return Ok(Self::Plain(socket)) };
        let peer = socket.peer_addr()?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let stream = tls.secure(socket).map_err(|error| {
            let silent = || format!("no answer in {} s", PATIENCE.as_secs());
            let reason = if direct::is_passing(&error) { silent() } else { error.to_string() };
            ConnectError::Insecure { address: peer, reason }
        })?;
        Ok(Self::Encrypted(Box::new(stream)))
    }

    /// The socket: for its settings, not for its bytes.
    pub(super) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Encrypted(stream) => stream.socket(),
        }
    }

    /// Tells the other end that nothing follows.
    pub(super) fn end(&mut self) -> io::Result<()> {
        if let Self::Encrypted(stream) = self {
            stream.say_goodbye()?;
        }
        self.socket().shutdown(Shutdown::Write)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Encrypted(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Encrypted(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Encrypted(stream) => stream.flush(),
        }
    }
}
