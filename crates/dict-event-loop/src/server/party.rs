//! What shares a server's loop with its hub.

use std::time::Duration;

use dict_protocol::time::{Instant, Now};

use crate::address::Address;
use crate::application::{Close, Retry};
use crate::tls::ClientTls;

/// A stream of bytes between a [`Party`] and somebody else. Never given twice by one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(u64);

impl StreamId {
    /// The stream of this number: for whoever drives a party without a server, in a test say.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

/// Where a stream leads. The numbers are the party's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// To the server's own hub: the bytes that would go over a socket, without one. The place of its [`Wish::Join`].
    Local(u32),
    /// Over TCP, to where this party wished. The place of its [`Wish::Reach`].
    Link(u32),
    /// Over TCP, from whoever came to the listener of this index in the list that the party was
    /// [added](super::Server::add_party) with.
    Listener(u32),
}

/// A stream that a party wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To the server's own hub. A server that is being stopped no longer grants it.
    Join {
        /// What [`Origin::Local`] will say.
        place: u32,
        /// The client's address, as the hub shows it.
        address: String,
        /// As whom the party acts there, where there are rules: [`LOCAL`](super::access::LOCAL) may do everything.
        identity: String,
        /// How long to wait before. A party that lost such a stream waits a moment: if that happens each time, the loop
        /// must not be kept busy.
        after: Duration,
    },
    /// Over TCP. With [`Retry::Always`] it is made again for ever, whenever it fails or is closed; with [`Retry::Never`]
    /// the wish is over after one stream, or one [`Party::link_failed`].
    Reach {
        /// What [`Origin::Link`] will say.
        place: u32,
        /// What to reach.
        address: Address,
        /// Whether it is tried again.
        retry: Retry,
        /// What it is encrypted with, if it is.
        tls: Option<ClientTls>,
    },
}

/// How a party's socket is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As any other.
    Usual,
    /// [Fragile](crate::Io::fragile): one write at a time, the next after [`Party::acknowledged`]; and whenever it
    /// closes, by whatever cause, it closes by a reset.
    Fragile,
}

/// What lives on a server's loop beside its hub, in its thread: the logger's recorder, say.
///
/// It has streams to the hub, on each of which it is a client like any other, and over TCP, on which it speaks what it
/// likes. It is driven like the hub: bytes in, [`end_turn`](Party::end_turn), then [`output`](Party::output) of each
/// stream that [`poll_ready`](Party::poll_ready) names. No method may block.
pub trait Party {
    /// The next stream that it wants, if any. Asked at the start, and at the end of each turn.
    fn poll_wish(&mut self) -> Option<Wish>;

    /// A stream is there. `peer` is the socket's other end as `ip:port`, or the address in [`Wish::Join`].
    fn opened(&mut self, now: Now, stream: StreamId, origin: Origin, peer: &str);

    /// How a socket is to be treated. Asked once, right after [`opened`](Party::opened).
    fn manner(&self, stream: StreamId) -> Manner {
        let _ = stream;
        Manner::Usual
    }

    /// Bytes came in, cut anywhere.
    fn received(&mut self, now: Now, stream: StreamId, bytes: &[u8]);

    /// A socket's peer will send nothing more. As provided, the stream is drained and closed; `None` keeps it open.
    fn input_ended(&mut self, now: Now, stream: StreamId) -> Option<Close> {
        let _ = (now, stream);
        Some(Close::Drain)
    }

    /// What is to be written to a stream.
    fn output(&mut self, stream: StreamId) -> &[u8];

    /// The first `count` bytes of [`output`](Party::output) were written.
    fn written(&mut self, now: Now, stream: StreamId, count: usize);

    /// The peer's system has acknowledged all that was written; of a [`Manner::Fragile`] stream alone.
    fn acknowledged(&mut self, now: Now, stream: StreamId) {
        let _ = (now, stream);
    }

    /// A stream is over. One to the hub comes again if it is wished for again.
    fn closed(&mut self, now: Now, stream: StreamId, reason: &str);

    /// Whether a stream is to be closed, and how; asked when [`poll_ready`](Party::poll_ready) names it, and of a socket
    /// after each write. One to the hub is closed at once, after its output.
    fn ending(&self, stream: StreamId) -> Option<Close>;

    /// Whether the stream has proved good: a link that leads to it starts again from its shortest delay.
    fn is_established(&self, stream: StreamId) -> bool;

    /// A [`Wish::Reach`] failed; unless it is one with [`Retry::Never`], it is tried again.
    fn link_failed(&mut self, now: Now, place: u32, error: &str);

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

    /// The server is being stopped: nobody new comes from outside. Whether the party has done what it owes.
    fn is_finished(&mut self, now: Now) -> bool;

    /// Why the server has to stop, if it has to: the party cannot go on.
    fn failure(&mut self) -> Option<String>;
}
