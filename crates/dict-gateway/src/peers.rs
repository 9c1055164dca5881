//! The peers of a gateway: each has a socket, and a seat at the hub that is called after its host.

use std::collections::HashMap;
use std::net::SocketAddr;

use dict_event_loop::server::StreamId;
use dict_protocol::dialect::Dialect;

use crate::streams::{SeatId, Streams};

/// A program at the other end of a socket. `T` is what its dialogue knows of it.
pub(crate) struct Peer<T> {
    pub(crate) seat: SeatId,
    /// What the hub calls it, once it has said so. It keeps that name for its sources if the hub has to call it otherwise
    /// later.
    pub(crate) name: Option<String>,
    pub(crate) state: T,
}

/// All of them.
pub(crate) struct Peers<T> {
    by_socket: HashMap<StreamId, Peer<T>>,
    by_seat: HashMap<SeatId, StreamId>,
}

impl<T> Peers<T> {
    pub(crate) fn new() -> Self {
        Self { by_socket: HashMap::new(), by_seat: HashMap::new() }
    }

    /// A peer has come: takes a seat for it, called after `host`, or else after where it comes from.
    pub(crate) fn add(
        &mut self,
        streams: &mut Streams,
        socket: StreamId,
        dialect: Dialect,
        host: Option<&str>,
        state: T,
    ) {
        let address = streams.peer(socket).to_owned();
        let host = host.map_or_else(|| host_of(&address), str::to_owned);
        let seat = streams.take_seat(&format!("{dialect}/{host}"), &format!("{address} ({dialect})"));
        self.by_seat.insert(seat, socket);
        self.by_socket.insert(socket, Peer { seat, name: None, state });
    }

    /// A peer is gone, and its seat is given up.
    pub(crate) fn remove(
        &mut self,
        streams: &mut Streams,
        socket: StreamId,
        reason: &str,
    ) -> Option<Peer<T>> {
        let peer = self.by_socket.remove(&socket)?;
        self.by_seat.remove(&peer.seat);
        streams.leave_seat(peer.seat, reason);
        Some(peer)
    }

    pub(crate) fn get_mut(&mut self, socket: StreamId) -> Option<&mut Peer<T>> {
        self.by_socket.get_mut(&socket)
    }

    /// Whose seat that is.
    pub(crate) fn at(&self, seat: SeatId) -> Option<StreamId> {
        self.by_seat.get(&seat).copied()
    }

    pub(crate) fn sockets(&self) -> Vec<StreamId> {
        self.by_socket.keys().copied().collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (StreamId, &Peer<T>)> {
        self.by_socket.iter().map(|(&socket, peer)| (socket, peer))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (StreamId, &mut Peer<T>)> {
        self.by_socket.iter_mut().map(|(&socket, peer)| (socket, peer))
    }

    /// The hub has said what a seat is called; whose it is, if that is the first time.
    pub(crate) fn named(&mut self, seat: SeatId, name: String) -> Option<StreamId> {
        let socket = self.at(seat)?;
        let peer = self.by_socket.get_mut(&socket)?;
        if peer.name.is_some() {
            return None;
        }
        peer.name = Some(name);
        Some(socket)
    }
}

/// The host of `address`, without its port; an IPv4 address that stands for itself in IPv6 is an IPv4 address.
pub(crate) fn host_of(address: &str) -> String {
    match address.parse::<SocketAddr>() {
        Ok(address) => address.ip().to_canonical().to_string(),
        Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn a_host_has_no_port() {
        for (address, host) in
            [("127.0.0.1:4000", "127.0.0.1"), ("[::1]:4000", "::1"), ("[::ffff:10.0.0.7]:1", "10.0.0.7")]
        {
            assert_eq!(host_of(address), host);
        }
    }
}
