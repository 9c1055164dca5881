//! What shares a server's loop with its hub.

use dict_protocol::time::{Instant, Now};

/// A stream of bytes between a [`Party`] and a hub. Never given twice by one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub(super) u64);

/// Where a stream leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// To the server's own hub: the bytes that would go over a socket, without one.
    Local,
    /// Over TCP, to the address of this place in the list that the party was [added](super::Server::add_party) with.
    Link(usize),
}

/// A client of hubs that lives on a server's loop, in its thread: the logger's recorder, say.
///
/// It speaks the native protocol on each of its streams like any other client, and is driven like the hub: bytes in,
/// [`end_turn`](Party::end_turn), then [`output`](Party::output) of each stream that
/// [`poll_ready`](Party::poll_ready) names. No method may block.
pub trait Party {
    /// A stream is there: greet. A link's stream comes again after it closed.
    fn opened(&mut self, now: Now, stream: StreamId, origin: Origin, peer: &str);

    /// Bytes came in, cut anywhere.
    fn received(&mut self, now: Now, stream: StreamId, bytes: &[u8]);

    /// What is to be written to a stream.
    fn output(&mut self, stream: StreamId) -> &[u8];

    /// The first `count` bytes of [`output`](Party::output) were written.
    fn written(&mut self, now: Now, stream: StreamId, count: usize);

    /// A stream is over.
    fn closed(&mut self, now: Now, stream: StreamId, reason: &str);

    /// Whether a stream is to be closed when its output is written.
    fn is_ended(&self, stream: StreamId) -> bool;

    /// Whether the stream has proved good: a link that leads to it starts again from its shortest delay.
    fn is_established(&self, stream: StreamId) -> bool;

    /// A link could not be made; it is tried again.
    fn link_failed(&mut self, link: usize, error: &str);

    /// Whether it takes input now. If not, its peers are held up, as far as they wait for anybody.
    fn takes_input(&self) -> bool;

    /// Another thread woke the loop.
    fn woken(&mut self, now: Now);

    /// When [`handle_timeout`](Party::handle_timeout) is to be called next.
    fn poll_timeout(&self) -> Option<Instant>;

    /// The time of [`poll_timeout`](Party::poll_timeout) has come.
    fn handle_timeout(&mut self, now: Now);

    /// All that came in this turn was given.
    fn end_turn(&mut self, now: Now);

    /// The next stream that has output or is to be closed.
    fn poll_ready(&mut self) -> Option<StreamId>;

    /// The server is being stopped: nothing more comes from outside. Whether the party has done what it owes.
    fn is_finished(&mut self, now: Now) -> bool;

    /// Why the server has to stop, if it has to: the party cannot go on.
    fn failure(&mut self) -> Option<String>;
}
