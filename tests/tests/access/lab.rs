//! A server with rules, and gateways, on a thread.

use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dict_event_loop::client::{Builder, Client, RequestOptions};
use dict_event_loop::server::access::Access;
use dict_event_loop::server::{Server, ServerError, ServerHandle, Settings};
use dict_protocol::link::Link;
use dict_protocol::value::{Dictionary, Value};

use super::rules::token;
use super::wire::{SOON, Wire};

/// Long enough to see that something does not happen.
pub(super) const A_WHILE: Duration = Duration::from_millis(150);

/// A hub with rules, and gateways beside it; stopped when it is dropped.
pub(super) struct Lab {
    pub(super) hub: SocketAddr,
    /// Where the gateways listen, in the order of their links.
    pub(super) gateways: Vec<SocketAddr>,
    handle: ServerHandle,
    running: Option<JoinHandle<Result<(), ServerError>>>,
}

impl Lab {
    pub(super) fn new(access: Access, listen: &[&str], connect: &[&str]) -> Self {
        let listen_natively = vec!["127.0.0.1:0".parse().unwrap()];
        let settings = Settings { listen: listen_natively, access: Some(access), ..Settings::default() };
        let mut server = Server::new(settings).unwrap();
        let link = |text: &&str| -> Link { text.parse().unwrap() };
        let gateways =
            listen.iter().map(|text| dict_gateway::listen(&mut server, &link(text)).unwrap()).collect();
        for text in connect {
            dict_gateway::connect(&mut server, &link(text)).unwrap();
        }
        let (hub, handle) = (server.addresses()[0], server.handle());
        Self { hub, gateways, handle, running: Some(std::thread::spawn(move || server.run())) }
    }

    /// Gives it other rules.
    pub(super) fn set(&self, access: Access) {
        self.handle.set_access(access);
    }

    /// A client of one packet at a time, which was accepted as that identity.
    pub(super) fn wire(&self, name: &str, identity: &str) -> Wire {
        Wire::accepted(self.hub, name, &token(identity))
    }

    /// The same as a program's client, that is to be made.
    pub(super) fn builder(&self, name: &str, identity: &str) -> Builder {
        Client::builder().name(name).credentials(token(identity))
    }

    pub(super) fn client(&self, name: &str, identity: &str) -> Client {
        self.builder(name, identity).connect(&*self.hub.to_string()).unwrap()
    }

    /// A connection to a gateway.
    pub(super) fn peer(&self, gateway: usize) -> TcpStream {
        let stream = TcpStream::connect(self.gateways[gateway]).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.handle.stop();
        if let Some(running) = self.running.take() {
            running.join().unwrap().unwrap();
        }
    }
}

/// What the hub says of a client of that name, once it is there.
pub(super) fn wait_for_client(root: &Client, name: &str, is: impl Fn(&Dictionary) -> bool) {
    wait_for(name, || {
        let clients = root.request("$clients", Value::Null, &RequestOptions::default()).unwrap();
        let is_it = |client: &Dictionary| client.get("name") == Some(&name.into()) && is(client);
        let found = clients.as_list().unwrap().iter().any(|client| client.as_dictionary().is_some_and(is_it));
        found.then_some(())
    });
}

/// Waits until `there` gives something.
pub(super) fn wait_for<T>(what: &str, mut there: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = there() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}
