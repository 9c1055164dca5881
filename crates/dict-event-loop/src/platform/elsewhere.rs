//! Systems that tell nobody what is acknowledged, or not without `unsafe` code.

use std::net::SocketAddr;

/// What is asked for the lengths of send queues.
pub(crate) struct SendQueues;

impl SendQueues {
    pub(crate) const fn new() -> Self {
        Self
    }

    /// Whether all that the socket with these two ends has sent is acknowledged: that is not known.
    pub(crate) fn is_empty(&mut self, _local: SocketAddr, _peer: SocketAddr) -> Option<bool> {
        None
    }
}
