//! Linux knows how much of what a TCP socket has sent is not acknowledged, and tells it over netlink (`sock_diag`).

use std::io;
use std::net::SocketAddr;

use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_SOCK_DIAG;

/// An answer has about 150 bytes.
const ANSWER_MOST: usize = 4_096;

/// The question for one socket, whichever its cookie.
const NO_COOKIE: [u8; 8] = [0xff; 8];

/// What is asked for the lengths of send queues.
pub(crate) struct SendQueues {
    /// Opened when it is needed first, and again after it failed.
    socket: Option<Socket>,
    sequence: u32,
}

impl SendQueues {
    pub(crate) const fn new() -> Self {
        Self { socket: None, sequence: 0 }
    }

    /// Whether all that the socket with these two ends has sent is acknowledged. `None` if the system does not tell: it
    /// does not know the socket, or it lets nobody ask.
    pub(crate) fn is_empty(&mut self, local: SocketAddr, peer: SocketAddr) -> Option<bool> {
        match self.length(local, peer) {
            Ok(length) => Some(length == 0),
            Err(error) => {
                tracing::debug!(%local, %peer, %error, "the system does not tell what is acknowledged");
                self.socket = None;
                None
            }
        }
    }

    fn length(&mut self, local: SocketAddr, peer: SocketAddr) -> io::Result<u32> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => open()?,
        };
        let socket = self.socket.insert(socket);
        self.sequence = self.sequence.wrapping_add(1);
        socket.send(&question(self.sequence, local, peer), 0)?;
        // The kernel answers before it returns from the sending, so there is nothing to wait for.
        let mut answer = [0; ANSWER_MOST];
        let length = socket.recv(&mut &mut answer[..], 0)?;
        let answer = NetlinkMessage::<SockDiagMessage>::deserialize(&answer[..length.min(ANSWER_MOST)])
            .map_err(io::Error::other)?;
        match answer.payload {
            _ if answer.header.sequence_number != self.sequence => Err(io::ErrorKind::InvalidData.into()),
            NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(found)) => Ok(found.header.send_queue),
            NetlinkPayload::Error(error) => Err(error.to_io()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// A netlink socket on which nothing waits.
fn open() -> io::Result<Socket> {
    let socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.set_non_blocking(true)?;
    socket.connect(&netlink_sys::SocketAddr::new(0, 0))?;
    Ok(socket)
}

fn question(sequence: u32, local: SocketAddr, peer: SocketAddr) -> Vec<u8> {
    // The scope tells the network of an address that exists on each of them.
    let interface_id = match local {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(local) => local.scope_id(),
    };
    // A socket for both families that speaks IPv4 is filed under IPv4.
    let (local_ip, peer_ip) = (local.ip().to_canonical(), peer.ip().to_canonical());
    let request = InetRequest {
        family: if local_ip.is_ipv4() { AF_INET } else { AF_INET6 },
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::all(),
        socket_id: SocketId {
            source_port: local.port(),
            destination_port: peer.port(),
            source_address: local_ip,
            destination_address: peer_ip,
            interface_id,
            cookie: NO_COOKIE,
        },
    };
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST;
    header.sequence_number = sequence;
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use socket2::{Domain, SockRef, Socket, Type};

    use super::*;
    use crate::tests::harness::eventually;

    fn listener(address: &str) -> Option<TcpListener> {
        let address: SocketAddr = address.parse().unwrap();
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).ok()?;
        if address.is_ipv6() {
            socket.set_only_v6(false).unwrap();
        }
        socket.bind(&address.into()).ok()?;
        socket.set_recv_buffer_size(8_192).unwrap();
        socket.listen(8).unwrap();
        Some(socket.into())
    }

    /// Fills a connection whose `peer` does not read, and empties it again.
    fn fill_and_empty(queues: &mut SendQueues, mut writer: TcpStream, mut peer: TcpStream) {
        let (local, far) = (writer.local_addr().unwrap(), writer.peer_addr().unwrap());
        assert_eq!(queues.is_empty(local, far), Some(true), "{local} to {far}: nothing is written");
        writer.set_nonblocking(true).unwrap();
        SockRef::from(&writer).set_send_buffer_size(8_192).unwrap();
        let mut written = 0;
        let error = loop {
            match writer.write(&[7; 65_536]) {
                Ok(length) => written += length,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(queues.is_empty(local, far), Some(false), "{local} to {far}: nobody reads");
        let mut all = vec![0; written];
        peer.read_exact(&mut all).unwrap();
        eventually("all is acknowledged", || queues.is_empty(local, far) == Some(true));
    }

    #[test]
    fn what_a_peer_did_not_take_is_unacknowledged() {
        if open().is_err() {
            return; // A sandbox without netlink.
        }
        let mut queues = SendQueues::new();
        for (listens, reached) in [
            ("127.0.0.1:0", "127.0.0.1"),
            ("[::1]:0", "::1"),
            // IPv4 with a socket for both families, at one end and at both.
            ("[::]:0", "127.0.0.1"),
            ("[::]:0", "::ffff:127.0.0.1"),
        ] {
            let Some(listener) = listener(listens) else { continue }; // A machine without IPv6.
            let reached = SocketAddr::new(reached.parse().unwrap(), listener.local_addr().unwrap().port());
            let client = TcpStream::connect(reached).unwrap();
            let (server, _) = listener.accept().unwrap();
            fill_and_empty(&mut queues, client, server);
            let client = TcpStream::connect(reached).unwrap();
            SockRef::from(&client).set_recv_buffer_size(8_192).unwrap();
            let (server, _) = listener.accept().unwrap();
            fill_and_empty(&mut queues, server, client);
        }
    }

    #[test]
    fn of_a_socket_that_is_not_there_nothing_is_known() {
        let mut queues = SendQueues::new();
        let listener = listener("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (local, peer) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        assert_eq!(queues.is_empty(local, peer), None);
        // And the next question is answered.
        let client = TcpStream::connect(peer).unwrap();
        let told = queues.is_empty(client.local_addr().unwrap(), peer);
        assert!(told == Some(true) || open().is_err(), "{told:?}");
    }
}
