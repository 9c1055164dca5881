//! What is to be written to a connection.

use alloc::vec::Vec;
use core::fmt;

use crate::packet::Packet;

/// Bytes waiting to be written, in order.
#[derive(Default)]
pub struct Output {
    bytes: Vec<u8>,
    /// How many of `bytes` were written.
    written: usize,
}

impl Output {
    /// Beyond this many written bytes before the waiting ones, the waiting ones are moved up.
    const SLACK: usize = 64 << 10;

    /// Appends a packet as a frame.
    pub fn send(&mut self, packet: &Packet<'_>) {
        packet.encode(&mut self.bytes);
    }

    /// Appends frames that are encoded already.
    pub fn append(&mut self, frames: &[u8]) {
        self.bytes.extend_from_slice(frames);
    }

    /// The buffer, to append frames to.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// What is waiting.
    pub fn pending(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// How much is waiting.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// Whether nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes away the first `count` bytes that were waiting: they were written.
    pub fn wrote(&mut self, count: usize) {
        self.written = (self.written + count).min(self.bytes.len());
        if self.written == self.bytes.len() {
            self.bytes.clear();
            self.written = 0;
        } else if self.written > Self::SLACK && self.written > self.bytes.len() / 2 {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
    }

    /// Moves everything that is waiting into `buffer`, which is empty, and takes its memory in exchange.
    pub fn take(&mut self, buffer: &mut Vec<u8>) {
        debug_assert!(buffer.is_empty());
        self.bytes.drain(..self.written);
        self.written = 0;
        core::mem::swap(&mut self.bytes, buffer);
    }

    /// Gives up everything that is waiting.
    pub fn discard(&mut self) {
        *self = Self::default();
    }

    /// Gives back memory that is not in use; an idle connection calls it now and then.
    pub fn release(&mut self) {
        if self.is_empty() {
            self.bytes = Vec::new();
        }
    }
}

/// How much is waiting, not what: a greeting holds a token.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("len", &self.len()).finish_non_exhaustive()
    }
}
