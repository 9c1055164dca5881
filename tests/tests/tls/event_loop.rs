//! The event loop itself, encrypted: all plaintext comes out, whatever the size of the buffer that it is read into.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use dict_event_loop::tls::{ClientTls, PeerCertificate};
use dict_event_loop::{Application, Close, Closed, EventLoop, Io, Retry, Settings, Token, Via};

use super::files::Files;
use super::server_tls;

/// What the one end knows of its connection.
#[derive(Default)]
struct End {
    is_client: bool,
    output: Vec<u8>,
    received: Vec<u8>,
    names: Option<Vec<String>>,
}

/// A client that sends `sent` and reads it again, and a server that sends back what it gets, on one loop.
struct Echo {
    sent: Vec<u8>,
    ends: HashMap<Token, End>,
    /// How each end ended, and whom it had seen; the client's stands first.
    ended: [Option<(String, Vec<String>)>; 2],
    came_back: Vec<u8>,
    read_buffer: usize,
    /// Who was read from, and written to, in this turn.
    read: HashSet<Token>,
    written: HashSet<Token>,
}

/// The most that one turn writes to an encrypted connection, bytes.
const TURN: usize = 256 * 1_024;

impl Application for Echo {
    fn opened(&mut self, io: &mut Io<'_>, token: Token, via: Via, _: SocketAddr) {
        let is_client = matches!(via, Via::Link(_));
        let output = if is_client { self.sent.clone() } else { Vec::new() };
        self.ends.insert(token, End { is_client, output, ..End::default() });
        io.write(token);
    }

    fn secured(&mut self, _: &mut Io<'_>, token: Token, peer: PeerCertificate) {
        let end = self.ends.get_mut(&token).unwrap();
        assert!(end.received.is_empty() && end.names.is_none(), "it is told first, and once");
        end.names = Some(peer.names);
    }

    fn received(&mut self, io: &mut Io<'_>, token: Token, bytes: &[u8]) {
        assert!(bytes.len() <= self.read_buffer && self.read.insert(token), "it is read once a turn");
        let end = self.ends.get_mut(&token).unwrap();
        assert!(end.names.is_some(), "nothing is received before the handshake is over");
        end.received.extend_from_slice(bytes);
        if !end.is_client {
            end.output.extend_from_slice(bytes);
            io.write(token);
        } else if end.received.len() == self.sent.len() {
            io.close(token, Close::Drain);
        }
    }

    fn output(&mut self, token: Token) -> &[u8] {
        let Some(end) = self.ends.get(&token) else { return &[] };
        assert!(end.names.is_some(), "what is to be said waits for the handshake");
        &end.output
    }

    fn written(&mut self, _: &mut Io<'_>, token: Token, length: usize) {
        assert!(length <= TURN && self.written.insert(token), "{length} bytes were written in one turn");
        self.ends.get_mut(&token).unwrap().output.drain(..length);
    }

    fn end_of_turn(&mut self, _: &mut Io<'_>) {
        self.read.clear();
        self.written.clear();
    }

    fn closed(&mut self, io: &mut Io<'_>, token: Token, reason: Closed) {
        let end = self.ends.remove(&token).unwrap();
        let reason = format!("{reason:?}");
        self.ended[usize::from(!end.is_client)] = Some((reason, end.names.unwrap_or_default()));
        if end.is_client {
            self.came_back = end.received;
        }
        if self.ended.iter().all(Option::is_some) {
            io.stop();
        }
    }
}

#[test]
fn every_buffer_will_do() {
    let files = Files::new();
    files.client("bench1", 2);
    let [ca, cert, key] = ["ca.pem", "bench1.pem", "bench1-key.pem"].map(|name| files.path(name));
    for (read_buffer, size) in [(1, 40_000), (1_000, 300_000), (16_384, 3_000_000), (256 * 1_024, 5_000_000)]
    {
        let mut event_loop =
            EventLoop::with_settings(Settings { read_buffer, ..Settings::default() }).unwrap();
        let tls = server_tls(&files, "server", true);
        let listening = event_loop.io().listen_encrypted(&"127.0.0.1:0".parse().unwrap(), &tls).unwrap();
        let link = format!("dictwires://localhost:1?ca={ca}&cert={cert}&key={key}").parse().unwrap();
        let tls = ClientTls::of_link(&link).unwrap().unwrap();
        event_loop.io().connect_encrypted(&listening.address.into(), Retry::Never, tls);
        let sent: Vec<u8> = (0..size).map(|n: u32| (n ^ n >> 8) as u8).collect();
        let echo = Echo {
            sent,
            ends: HashMap::new(),
            ended: [None, None],
            came_back: Vec::new(),
            read_buffer,
            read: HashSet::new(),
            written: HashSet::new(),
        };
        let echo = event_loop.run(echo).unwrap();
        assert!(echo.came_back == echo.sent, "with {read_buffer} bytes something came back changed");
        let [client, server] = echo.ended.map(Option::unwrap);
        assert_eq!(
            client,
            ("Asked { drained: true }".to_owned(), vec!["server".to_owned(), "localhost".to_owned()])
        );
        assert_eq!(server, ("ByPeer".to_owned(), vec!["bench1".to_owned(), "bench1.example".to_owned()]));
    }
}
