//! Encrypted links: what they carry, whom they refuse and in which words, and that nothing else is open to strangers.
#![allow(clippy::unwrap_used, reason = "what helps a test panics as the test does")]

mod closed;
mod event_loop;
mod files;
mod keygen;
mod openssl;
mod refused;
mod traffic;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use dict_event_loop::client::{Builder, Client};
use dict_event_loop::server::{Listen, Server, Settings};
use dict_event_loop::tls::ServerTls;
use dict_protocol::link::Link;

use crate::client::support::{self, SOON};
use files::Files;

/// A hub in this process that listens encrypted.
struct Hub {
    hub: support::Hub,
    files: Files,
}

impl Hub {
    /// With the certificate that most tests need.
    fn new() -> Self {
        Self::with(Files::new(), "server", false)
    }

    /// That shows the certificate `name`, and asks for one if `mutual`.
    fn with(files: Files, name: &str, mutual: bool) -> Self {
        let hub = start(&files, name, mutual, "127.0.0.1:0");
        Self { hub, files }
    }

    /// A link to it, with these options.
    fn link(&self, options: &str) -> String {
        format!("dictwires://{}?{options}", self.hub.address)
    }

    /// A link to it that trusts its CA.
    fn trusting(&self) -> String {
        self.link(&format!("ca={}", self.files.path("ca.pem")))
    }

    fn client(&self, name: &str) -> Client {
        Builder::default().name(name).connect_timeout(SOON).connect(&self.trusting()).unwrap()
    }
}

fn start(files: &Files, name: &str, mutual: bool, address: &str) -> support::Hub {
    let listen = Listen { address: address.parse().unwrap(), tls: Some(server_tls(files, name, mutual)) };
    support::Hub::run(Server::new(Settings { listen: vec![listen], ..Settings::default() }).unwrap())
}

fn server_tls(files: &Files, name: &str, mutual: bool) -> ServerTls {
    let link: Link = listening_link(files, name, mutual, "127.0.0.1:0").parse().unwrap();
    ServerTls::of_link(&link).unwrap().expect("it is encrypted")
}

/// A link to listen on.
fn listening_link(files: &Files, name: &str, mutual: bool, address: &str) -> String {
    let [cert, key, ca] =
        [format!("{name}.pem"), format!("{name}-key.pem"), "ca.pem".to_owned()].map(|name| files.path(&name));
    let asked = if mutual { format!("&ca={ca}") } else { String::new() };
    format!("dictwires://{address}?cert={cert}&key={key}{asked}")
}

/// What comes when `bytes` are sent there, up to the end.
fn exchange(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address.parse::<SocketAddr>().unwrap()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}
