//! What strangers send: bytes that are made to hurt, for a hub that speaks every dialect.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use dict_event_loop::client::{Client, Level, WhenFull, WriterOptions};
use dict_protocol::frame::{self, Encoding, Kind};
use dict_protocol::packet::{Hello, Packet, VERSION};
use dict_protocol::time::Time;

use super::systems::{Service, free_address};
use super::{Miss, ensure};
use crate::programs::PATIENCE;

/// Where a hub is attacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    Native,
    /// Messages that are JSON, with little-endian lengths.
    Comms,
    /// Messages that are text, with big-endian lengths.
    Text,
    Comet,
    PingPong,
    PyTcp,
}

impl Port {
    pub(super) const ALL: [Self; 6] =
        [Self::Native, Self::Comms, Self::Text, Self::Comet, Self::PingPong, Self::PyTcp];
}

/// A hub with a listener for each dialect. Native programs are known to it as in any other.
pub(super) struct Target {
    pub(super) service: Service,
    pub(super) addresses: Addresses,
}

/// Where it listens, in the order of [`Port::ALL`].
#[derive(Clone, Debug)]
pub(super) struct Addresses(pub(super) [String; 6]);

impl Addresses {
    pub(super) fn of(&self, port: Port) -> &str {
        let place = Port::ALL.iter().position(|other| *other == port);
        &self.0[place.expect("all are in the list")]
    }
}

impl Target {
    /// One that is started with further arguments.
    pub(super) fn start(more: &[&str]) -> Self {
        let addresses = Addresses(Port::ALL.map(|_| free_address()));
        let arguments = Port::ALL.iter().flat_map(|&port| {
            let address = addresses.of(port);
            let link = match port {
                Port::Native => address.to_owned(),
                Port::Comms => format!("comms://{address}?type=json,watch=good"),
                Port::Text => format!("comms://{address}?type=string,order=big"),
                Port::Comet => format!("comet://{address}"),
                Port::PingPong => format!("pingpong://{address}"),
                Port::PyTcp => format!("pytcp://{address}"),
            };
            ["--listen".to_owned(), link]
        });
        let more = more.iter().map(|&more| more.to_owned());
        let service = Service::start("dict-server", arguments.chain(more).collect());
        Self { service, addresses }
    }

    /// A client that is to notice nothing.
    pub(super) fn client(&self, name: &str) -> Result<Client, Miss> {
        let client = Client::builder().name(name).connect_timeout(PATIENCE);
        client.connect(self.addresses.of(Port::Native)).map_err(|error| error.to_string().into())
    }
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The hub ends it.
    Ended,
    /// It goes on: nothing is wrong yet, or the dialect ends no connection.
    Stays,
}

/// One try.
#[derive(Clone, Debug)]
pub(super) struct Shot {
    pub(super) what: String,
    pub(super) port: Port,
    pub(super) bytes: Vec<u8>,
    pub(super) fate: Fate,
}

impl Shot {
    pub(super) fn new(what: impl Into<String>, port: Port, bytes: Vec<u8>, fate: Fate) -> Self {
        Self { what: what.into(), port, bytes, fate }
    }

    /// Opens a connection and sends it; all of it, unless the hub ends the connection before.
    pub(super) fn send(&self, addresses: &Addresses) -> TcpStream {
        let mut stream = connect(addresses.of(self.port));
        let _ = stream.write_all(&self.bytes);
        stream
    }

    /// Sends it, and sees that it comes to its fate; how long an end took. Of one that stays, the connection too.
    pub(super) fn fire(&self, target: &Target, witness: &Client) -> Result<(Duration, TcpStream), Miss> {
        let mut stream = self.send(&target.addresses);
        let sent = Instant::now();
        match self.fate {
            Fate::Ended => ensure(ends(&mut stream), || format!("{}: the hub does not end it", self.what))?,
            Fate::Stays => {
                // The hub has looked at what came before.
                witness.ping(PATIENCE).map_err(|error| format!("{}: {error}", self.what))?;
                ensure(!has_ended(&mut stream), || format!("{}: the hub ends it", self.what))?;
            }
        }
        Ok((sent.elapsed(), stream))
    }
}

/// A connection to a hub that listens.
pub(super) fn connect(address: &str) -> TcpStream {
    let address: SocketAddr = address.parse().expect("addresses are literal");
    let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("the hub listens");
    stream.set_nodelay(true).expect("it is connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time is given");
    stream.set_write_timeout(Some(PATIENCE)).expect("a time is given");
    stream
}

/// Reads to the end, which has to come.
pub(super) fn ends(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 4_096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        }
    }
}

/// Whether the end has come already.
pub(super) fn has_ended(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a connection can be asked");
    let mut buffer = [0; 4_096];
    let ended = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break true,
            Ok(_) => {}
            Err(error) => break error.kind() != ErrorKind::WouldBlock,
        }
    };
    let _ = stream.set_nonblocking(false);
    ended
}

/// What a client says first.
pub(super) fn hello(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    Packet::Hello(Hello {
        version_min: VERSION,
        version_max: VERSION,
        client_id: dict_event_loop::random_id(),
        time: Time::default(),
        max_body: u32::MAX,
        heartbeat: 0,
        name,
        product: "stranger",
        credentials: "",
    })
    .encode(&mut bytes);
    bytes
}

/// What a client says that has greeted.
pub(super) fn greeted(bytes: &[u8]) -> Vec<u8> {
    [&hello("stranger"), bytes].concat()
}

/// A frame with a true checksum, whatever it holds.
pub(super) fn framed(kind: Kind, encoding: Encoding, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write(&mut bytes, kind, encoding, 0, |out| out.extend_from_slice(body));
    bytes
}

/// The beginning of a frame that claims this length.
pub(super) fn claim(kind: Kind, length: u32) -> Vec<u8> {
    let mut bytes = framed(kind, Encoding::None, &[0; 4]);
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes
}

/// A comms message.
pub(super) fn comms(port: Port, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("it is short");
    let length = if port == Port::Text { length.to_be_bytes() } else { length.to_le_bytes() };
    [&length[..], payload].concat()
}

/// A comet request whose header claims this length of its content.
pub(super) fn comet(claimed: u64, content: &[u8]) -> Vec<u8> {
    let header = format!(
        r#"{{"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", "content-length": {claimed}}}"#
    );
    let length = u16::try_from(header.len()).expect("it is short");
    [&length.to_be_bytes()[..], header.as_bytes(), content].concat()
}

/// The same with content of the length that is claimed.
pub(super) fn comet_request(content: &[u8]) -> Vec<u8> {
    comet(content.len() as u64, content)
}

/// What an ordinary program asks of a source that it writes.
pub(super) fn received() -> WriterOptions {
    WriterOptions { level: Some(Level::Received), take_over: false, when_full: WhenFull::Block }
}
