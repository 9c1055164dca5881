//! A server with gateways, on a thread.

use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dict_event_loop::client::Client;
use dict_event_loop::server::{Server, ServerError, ServerHandle, Settings};
use dict_protocol::link::Link;

/// Long enough for anything that is to happen.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A hub, and gateways beside it; stopped when it is dropped.
pub(crate) struct Lab {
    /// Where the hub listens natively.
    pub(crate) hub: SocketAddr,
    /// Where the gateways listen, in the order of their links.
    pub(crate) gateways: Vec<SocketAddr>,
    handle: ServerHandle,
    running: Option<JoinHandle<Result<(), ServerError>>>,
}

impl Lab {
    /// A hub, with gateways that listen at some links and connect to others.
    pub(crate) fn new(listen: &[&str], connect: &[&str]) -> Self {
        let settings = Settings { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Settings::default() };
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

    /// A native client.
    pub(crate) fn client(&self, name: &str) -> Client {
        Client::builder().name(name).connect(&*self.hub.to_string()).unwrap()
    }

    /// A connection to a gateway, which waits for whatever is read as long as it takes.
    pub(crate) fn connect(&self, gateway: usize) -> TcpStream {
        let stream = TcpStream::connect(self.gateways[gateway]).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Stops the server, in order.
    pub(crate) fn stop(&mut self) {
        self.handle.stop();
        if let Some(running) = self.running.take() {
            running.join().unwrap().unwrap();
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits until `there` gives something.
pub(crate) fn wait_for<T>(what: &str, mut there: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = there() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}
