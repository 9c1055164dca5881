//! Reading and writing: one read and one write for each connection and turn.

use std::io;

use crate::application::{Application, Via};
use crate::connection::{Input, Output, Phase, Received};
use crate::io::Io;
use crate::sockets::Sockets;
use crate::timers::Timer;
use crate::token::Token;

impl Sockets {
    /// Reads once from each connection in the queue. One that has more is in the queue again, for the next turn.
    pub(crate) fn serve_reads<A: Application>(&mut self, application: &mut A, buffer: &mut [u8]) {
        for _ in 0..self.reads.len() {
            let Some(token) = self.reads.pop_front() else { return };
            let Some(connection) = self.connections.get_mut(token) else { continue };
            connection.in_reads = false;
            if connection.input == Input::Ready {
                self.read(application, token, buffer);
            }
        }
    }

    fn read<A: Application>(&mut self, application: &mut A, token: Token, buffer: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if !matches!(connection.phase, Phase::Open | Phase::Draining(_) | Phase::Lingering) {
            return;
        }
        let received = connection.read(buffer);
        if connection.is_behind() {
            self.queue_write(token);
        }
        self.check_secured(application, token);
        let Some(connection) = self.connections.get(token) else { return };
        let phase = connection.phase;
        match received {
            Received::Bytes(length) => {
                self.queue_read(token);
                if phase == Phase::Open {
                    application.received(&mut Io::new(self), token, &buffer[..length]);
                }
            }
            Received::Nothing => self.read_nothing(token),
            Received::End => self.end_input(application, token),
            Received::Failed(error) => {
                let Some(connection) = self.connections.get_mut(token) else { return };
                // A failed write came first and is the cause.
                if !matches!(connection.output, Output::Broken(_)) {
                    connection.output = Output::Broken(error);
                }
                self.close_now(token);
            }
            // Everything was said before.
            Received::Refused(_) if phase == Phase::Lingering => self.finish(application, token, true),
            Received::Refused(error) => self.refuse(token, error),
        }
    }

    fn read_nothing(&mut self, token: Token) {
        let Some(connection) = self.connections.get(token) else { return };
        let broken = matches!(connection.output, Output::Broken(_));
        if broken && connection.phase != Phase::Lingering && connection.input != Input::Ready {
            return self.close_now(token);
        }
        // Of TLS there may be bytes that hold nothing for the application.
        self.queue_read(token);
    }

    /// Tells the application that the handshake is over, if it just is; what it has to say can be written from here on.
    fn check_secured<A: Application>(&mut self, application: &mut A, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Some(peer) = connection.take_secured() else { return };
        tracing::debug!(peer = %connection.peer, connection = %token, names = ?peer.names, "secured");
        if connection.phase == Phase::Open {
            application.secured(&mut Io::new(self), token, peer);
        }
        self.queue_write(token);
    }

    /// TLS does not go on with this peer, which is told why, and may read that until it closes too.
    fn refuse(&mut self, token: Token, error: io::Error) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let peer = connection.peer;
        match connection.via {
            Via::Listener(_) => {
                if let Some(left_out) = self.strangers.failed(self.now.instant) {
                    tracing::warn!(%peer, "connection refused: {error}{left_out}");
                }
            }
            // Whoever made the link is told.
            Via::Link(_) => tracing::debug!(%peer, "connection refused: {error}"),
        }
        if connection.refuse(error).is_err() {
            return self.close_now(token);
        }
        self.timers.set(self.now.instant + self.settings.drain_timeout, Timer::DrainTimeout(token));
        self.queue_read(token);
    }

    /// The peer has said that nothing follows.
    fn end_input<A: Application>(&mut self, application: &mut A, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        match connection.phase {
            Phase::Open if matches!(connection.output, Output::Broken(_)) => self.close_now(token),
            Phase::Open => application.input_ended(&mut Io::new(self), token),
            Phase::Lingering => self.finish(application, token, true),
            // The peer may still be reading what is left.
            Phase::Draining(_) | Phase::Connecting | Phase::Closing(_) => {}
        }
    }

    /// Writes once to each connection in the queue.
    pub(crate) fn serve_writes<A: Application>(&mut self, application: &mut A) {
        for _ in 0..self.writes.len() {
            let Some(token) = self.writes.pop_front() else { return };
            let Some(connection) = self.connections.get_mut(token) else { continue };
            connection.in_writes = false;
            if connection.takes_output() {
                self.write(application, token);
            }
        }
    }

    fn write<A: Application>(&mut self, application: &mut A, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if connection.is_in_handshake() {
            return self.write_handshake(token);
        }
        let output = application.output(token);
        let wanted = output.len();
        if wanted == 0 {
            self.all_taken(application, token);
        } else {
            match connection.write(output) {
                Ok(0) => connection.block_output(&self.registry, token),
                Ok(length) => {
                    let is_full = connection.is_full(length < wanted);
                    if is_full {
                        connection.block_output(&self.registry, token);
                    }
                    application.written(&mut Io::new(self), token, length);
                    if length == wanted {
                        self.go_on_writing(application, token);
                    } else if !is_full {
                        // More than one turn is for.
                        self.queue_write(token);
                    }
                }
                Err(error) => connection.output = Output::Broken(error),
            }
        }
        self.check_output(token);
    }

    /// Writes what TLS has to say before the application can.
    fn write_handshake(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        match connection.flush() {
            Ok(()) if connection.is_behind() => connection.block_output(&self.registry, token),
            Ok(()) => connection.unblock_output(&self.registry, token),
            Err(error) => connection.output = Output::Broken(error),
        }
        self.check_output(token);
    }

    /// The application has nothing to write; something that it gave before may be encrypted and not written.
    fn all_taken<A: Application>(&mut self, application: &mut A, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        match connection.flush() {
            Ok(()) if connection.is_behind() => connection.block_output(&self.registry, token),
            Ok(()) => self.all_written(application, token),
            Err(error) => connection.output = Output::Broken(error),
        }
    }

    /// All that was asked for is written. Whether there is more by now is the next turn's business, or a later one's.
    fn go_on_writing<A: Application>(&mut self, application: &mut A, token: Token) {
        let Some(connection) = self.connections.get(token) else { return };
        if connection.fragile {
            return self.await_acknowledgement(token);
        }
        if !connection.takes_output() {
            return;
        }
        if application.output(token).is_empty() {
            self.all_written(application, token);
        } else {
            self.queue_write(token);
        }
    }

    /// Nothing is left to write: interest in writing ends, and so does a connection that drains.
    fn all_written<A: Application>(&mut self, application: &mut A, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        connection.unblock_output(&self.registry, token);
        if !matches!(connection.phase, Phase::Draining(_)) {
            return;
        }
        // A fragile one has been acknowledged, and its peer is told by the reset alone.
        if connection.input == Input::Ended || connection.fragile {
            return self.finish(application, token, true);
        }
        match connection.end_output() {
            Ok(true) => connection.phase = Phase::Lingering,
            Ok(false) => connection.block_output(&self.registry, token),
            Err(_) => self.finish(application, token, true),
        }
    }

    /// After a failed write: what the peer had sent before it went is still to be read.
    pub(crate) fn check_output(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if !matches!(connection.output, Output::Broken(_)) {
            return;
        }
        match (connection.phase, connection.input) {
            (Phase::Open, Input::Waiting | Input::Ready) => {
                connection.hung_up = true;
                self.mark_readable(token);
            }
            // An application that does not want to read may be waiting for its output to be written: it never will.
            _ => self.close_now(token),
        }
    }
}
