//! A dialect at the hub, as a party of the server: what is the same for all of them.

use dict_event_loop::Close;
use dict_event_loop::server::{Manner, Origin, Party, StreamId, Wish};
use dict_protocol::limits::Limits;
use dict_protocol::link::Link;
use dict_protocol::time::{Instant, Now};

use crate::complaint::Complaint;
use crate::streams::{SeatId, Streams};
use crate::told::Told;

/// What one dialect's peers say and are told, on one link.
pub(crate) trait Dialogue: Send {
    /// The gateway begins: take the seats and wish for the connections that are always there.
    fn start(&mut self, streams: &mut Streams);

    /// How the peers' sockets are treated.
    fn manner(&self) -> Manner;

    /// A peer is there.
    fn opened(&mut self, streams: &mut Streams, now: Now, socket: StreamId, origin: Origin);

    /// One peer more than there may be has come, and is to be sent away.
    fn refuse(&mut self, streams: &mut Streams, socket: StreamId, reason: &str) {
        let _ = reason;
        streams.close(socket, Close::Reset);
    }

    /// A peer said something.
    fn received(&mut self, streams: &mut Streams, now: Now, socket: StreamId, bytes: &[u8]);

    /// A peer will say nothing more. `None` leaves the connection open.
    fn input_ended(&mut self, streams: &mut Streams, now: Now, socket: StreamId) -> Option<Close>;

    /// A peer can be told more: all that was said to it is written and, where the manner is fragile, acknowledged.
    fn drained(&mut self, streams: &mut Streams, now: Now, socket: StreamId) {
        let _ = (streams, now, socket);
    }

    /// A peer is gone.
    fn closed(&mut self, streams: &mut Streams, now: Now, socket: StreamId, reason: &str);

    /// A seat was told something.
    fn told(&mut self, streams: &mut Streams, now: Now, seat: SeatId, told: Told);

    /// A connection could not be made.
    fn link_failed(&mut self, streams: &mut Streams, now: Now, place: u32, error: &str) {
        let _ = (streams, now, place, error);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    fn poll_timeout(&self, limits: &Limits) -> Option<Instant> {
        let _ = limits;
        None
    }

    /// Something may be due.
    fn handle_timeout(&mut self, streams: &mut Streams, now: Now) {
        let _ = (streams, now);
    }

    /// The server is being stopped. Whether all that is owed is done.
    fn is_finished(&mut self, streams: &mut Streams, now: Now) -> bool;
}

/// What a gateway itself is called at the hub: its link, without options; and without a port that the system chooses.
pub(crate) fn seat_name(link: &Link) -> String {
    let (scheme, host) = (link.dialect().scheme(), link.host());
    match link.port() {
        0 => format!("{scheme}://{host}"),
        port => format!("{scheme}://{host}:{port}"),
    }
}

/// As whom a gateway and its peers act, where there are rules of access.
fn identity(link: &Link) -> String {
    link.options().identity.clone().unwrap_or_else(|| link.dialect().to_string())
}

/// The party.
pub(crate) struct Gateway {
    streams: Streams,
    dialogue: Box<dyn Dialogue>,
    crowded: Complaint,
}

impl Gateway {
    /// A gateway to the hub of that name, with its limits, for the programs of `link`.
    pub(crate) fn new(hub: &str, limits: &Limits, link: &Link, mut dialogue: Box<dyn Dialogue>) -> Self {
        let mut streams = Streams::new(hub, limits, &identity(link));
        dialogue.start(&mut streams);
        Self { streams, dialogue, crowded: Complaint::default() }
    }

    /// Why a peer that has come is one too many, if so.
    fn crowd(&self, stream: StreamId) -> Option<String> {
        let Limits { peers, address_connections, .. } = *self.streams.limits();
        // One machine leaves room for others.
        let half = peers.div_ceil(2);
        let alike = self.streams.sockets_like(stream);
        if self.streams.sockets() > peers {
            Some(format!("{peers} programs are connected to this gateway already (limit peers)"))
        } else if alike > address_connections {
            let most = address_connections;
            Some(format!("{most} are connected from its address already (limit address_connections)"))
        } else if alike > half {
            Some(format!(
                "{half} are connected from its address already, half of all that may be (limit peers)"
            ))
        } else {
            None
        }
    }

    /// Brings to the dialogue what seats were told, and what that led to.
    fn tell(&mut self, now: Now) {
        while let Some((seat, told)) = self.streams.poll_told() {
            if !self.streams.is_gone(seat) {
                self.dialogue.told(&mut self.streams, now, seat, told);
            }
        }
    }
}

impl Party for Gateway {
    fn poll_wish(&mut self) -> Option<Wish> {
        self.streams.poll_wish()
    }

    fn opened(&mut self, now: Now, stream: StreamId, origin: Origin, peer: &str) {
        if !self.streams.opened(now, stream, origin, peer) {
            return;
        }
        let crowd = if matches!(origin, Origin::Listener(_)) { self.crowd(stream) } else { None };
        if let Some(reason) = crowd {
            if let Some(count) = self.crowded.raise(now.instant) {
                tracing::error!(peer, count, "sent away: {reason}");
            }
            self.dialogue.refuse(&mut self.streams, stream, &reason);
        } else {
            self.dialogue.opened(&mut self.streams, now, stream, origin);
        }
    }

    fn manner(&self, _: StreamId) -> Manner {
        self.dialogue.manner()
    }

    fn received(&mut self, now: Now, stream: StreamId, bytes: &[u8]) {
        if self.streams.received(now, stream, bytes) {
            self.dialogue.received(&mut self.streams, now, stream, bytes);
        }
        self.tell(now);
    }

    fn input_ended(&mut self, now: Now, stream: StreamId) -> Option<Close> {
        self.dialogue.input_ended(&mut self.streams, now, stream)
    }

    fn output(&mut self, stream: StreamId) -> &[u8] {
        self.streams.output(stream)
    }

    fn written(&mut self, now: Now, stream: StreamId, count: usize) {
        if self.streams.written(stream, count) && self.dialogue.manner() == Manner::Usual {
            self.dialogue.drained(&mut self.streams, now, stream);
        }
    }

    fn acknowledged(&mut self, now: Now, stream: StreamId) {
        if self.streams.queued(stream) == 0 {
            self.dialogue.drained(&mut self.streams, now, stream);
        }
    }

    fn closed(&mut self, now: Now, stream: StreamId, reason: &str) {
        if self.streams.closed(stream, reason) {
            self.dialogue.closed(&mut self.streams, now, stream, reason);
            self.streams.forget(stream);
        }
    }

    fn ending(&self, stream: StreamId) -> Option<Close> {
        self.streams.ending(stream)
    }

    fn is_established(&self, stream: StreamId) -> bool {
        self.streams.is_established(stream)
    }

    fn link_failed(&mut self, now: Now, place: u32, error: &str) {
        self.dialogue.link_failed(&mut self.streams, now, place, error);
    }

    /// Older programs cannot be held up: some give up when they cannot send.
    fn takes_input(&self) -> bool {
        true
    }

    fn woken(&mut self, _: Now) {}

    fn poll_timeout(&self) -> Option<Instant> {
        let dialogue = self.dialogue.poll_timeout(self.streams.limits());
        self.streams.poll_timeout().into_iter().chain(dialogue).min()
    }

    fn handle_timeout(&mut self, now: Now) {
        self.streams.handle_timeout(now);
        self.tell(now);
        if self.dialogue.poll_timeout(self.streams.limits()).is_some_and(|at| at <= now.instant) {
            self.dialogue.handle_timeout(&mut self.streams, now);
        }
    }

    fn end_turn(&mut self, now: Now) {
        self.tell(now);
    }

    fn poll_ready(&mut self) -> Option<StreamId> {
        self.streams.poll_ready()
    }

    fn is_finished(&mut self, now: Now) -> bool {
        self.streams.stop();
        self.dialogue.is_finished(&mut self.streams, now)
    }

    fn failure(&mut self) -> Option<String> {
        None
    }
}
