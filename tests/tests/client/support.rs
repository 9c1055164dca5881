//! A server on a thread, and small things.

use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dict_event_loop::client::{Builder, Client};
use dict_event_loop::server::{Server, ServerError, ServerHandle, Settings};
use dict_protocol::limits::Limits;

/// Long enough for anything that is to happen.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// Long enough to see that something does not happen.
pub(crate) const A_WHILE: Duration = Duration::from_millis(150);

/// A server that is stopped when it is dropped.
pub(crate) struct Hub {
    pub(crate) address: String,
    handle: ServerHandle,
    running: Option<JoinHandle<Result<(), ServerError>>>,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self::at("127.0.0.1:0", Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        Self::at("127.0.0.1:0", limits)
    }

    pub(crate) fn at(address: &str, limits: Limits) -> Self {
        let listen = vec![address.parse().unwrap()];
        Self::run(Server::new(Settings { listen, limits, ..Settings::default() }).unwrap())
    }

    pub(crate) fn run(server: Server) -> Self {
        let (address, handle) = (server.addresses()[0].to_string(), server.handle());
        Self { address, handle, running: Some(std::thread::spawn(move || server.run())) }
    }

    pub(crate) fn client(&self, name: &str) -> Client {
        self.builder(name).connect(&self.address).unwrap()
    }

    pub(crate) fn builder(&self, name: &str) -> Builder {
        Client::builder().name(name)
    }

    pub(crate) fn stop(&mut self) {
        self.handle.stop();
        if let Some(running) = self.running.take() {
            running.join().unwrap().unwrap();
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An address of this machine that nobody listens on.
pub(crate) fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn eventually(mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < end, "it did not come about");
        std::thread::sleep(Duration::from_millis(2));
    }
}
