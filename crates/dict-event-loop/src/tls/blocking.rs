//! An encrypted connection that its thread reads and writes itself, without an event loop.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use rustls::{ClientConnection, StreamOwned};

use super::failure;
use super::settings::ClientTls;
use super::stream::Role;

/// A client's end of an encrypted connection over a socket of the standard library.
///
/// It reads and writes as the socket does: where that has a timeout, or does not block, an error of that kind passes. Made
/// by [`ClientTls::secure`].
#[derive(Debug)]
pub struct BlockingStream(StreamOwned<ClientConnection, TcpStream>);

impl ClientTls {
    /// Makes the handshake on a socket that is connected, and waits for it as long as the socket waits for a read.
    ///
    /// # Errors
    ///
    /// If the other end is not to be trusted, does not speak TLS as this one does, or the connection broke.
    pub fn secure(&self, mut socket: TcpStream) -> io::Result<BlockingStream> {
        let mut connection = self.connection().map_err(|error| failure::refusal(&error, Role::Client))?;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).map_err(|error| explained(error, false))?;
        }
        Ok(BlockingStream(StreamOwned::new(connection, socket)))
    }
}

impl BlockingStream {
    /// The socket: for its settings, not for its bytes.
    pub fn socket(&self) -> &TcpStream {
        &self.0.sock
    }

    /// Tells the other end that nothing follows.
    ///
    /// # Errors
    ///
    /// If the connection broke.
    pub fn say_goodbye(&mut self) -> io::Result<()> {
        self.0.conn.send_close_notify();
        self.0.flush()
    }
}

impl Read for BlockingStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| explained(error, true))
    }
}

impl Write for BlockingStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(|error| explained(error, true))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(|error| explained(error, true))
    }
}

/// An error in the words that this crate has for it.
fn explained(error: io::Error, secured: bool) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(refused) => failure::refusal(refused, Role::Client),
        None if error.kind() == io::ErrorKind::UnexpectedEof => failure::cut_off(secured),
        None => error,
    }
}
