//! A hub on sockets: what `dict-server` and `logger` share.
//!
//! ```
//! use dict_event_loop::server::{Server, Settings};
//!
//! let mut server = Server::new(Settings { listen: vec!["127.0.0.1:0".parse()?], ..Settings::default() })?;
//! println!("listening on {}", server.addresses()[0]);
//! let handle = server.handle();
//! let running = std::thread::spawn(move || server.run());
//! handle.stop();
//! running.join().expect("the server does not panic")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod node;
mod party;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dict_hub::{Config, Hub};
use dict_protocol::limits::Limits;

pub use self::party::{Origin, Party, StreamId};

use self::node::Node;
use crate::address::Address;
use crate::application::Retry;
use crate::clock::Clock;
use crate::error::{ListenError, LoopError};
use crate::event_loop::EventLoop;
use crate::waker::Waker;

/// Who a server is, and where it listens.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The hub's name; by default this machine's, and the port of the first listener.
    pub name: Option<String>,
    /// Which program it is, and its version.
    pub product: String,
    /// Where to listen, natively.
    pub listen: Vec<Address>,
    /// What it takes at most.
    pub limits: Limits,
}

/// Why a server could not start, or had to end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The operating system's event queue failed.
    #[error(transparent)]
    Loop(#[from] LoopError),
    /// A party could not go on.
    #[error("{0}")]
    Party(String),
}

/// A hub that listens, and the parties beside it, in one thread: the one that calls [`Server::run`].
pub struct Server {
    event_loop: EventLoop,
    node: Node,
    addresses: Vec<SocketAddr>,
    handle: ServerHandle,
}

/// Stops a server from another thread, or from a signal handler's.
#[derive(Clone, Debug)]
pub struct ServerHandle {
    stop: Arc<AtomicBool>,
    waker: Waker,
}

impl ServerHandle {
    /// Ends the server in order: nothing more is taken in, loggers get what came, everybody is told.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.waker.wake();
    }
}

impl Server {
    /// Binds every listener; nobody is served before [`Server::run`].
    ///
    /// # Errors
    ///
    /// If an address is in use, not this machine's, or not permitted.
    pub fn new(settings: Settings) -> Result<Self, ServerError> {
        let mut event_loop = EventLoop::new()?;
        let mut addresses = Vec::new();
        let mut listeners = Vec::new();
        for address in &settings.listen {
            let listening = event_loop.io().listen(address)?;
            addresses.push(listening.address);
            listeners.push(listening.id);
        }
        let now = Clock::now();
        let name = settings.name.unwrap_or_else(|| default_name(&addresses));
        let config =
            Config { name, run: now.time.as_epoch(), product: settings.product, limits: settings.limits };
        let stop = Arc::new(AtomicBool::new(false));
        let mut node = Node::new(Hub::new(config, now), stop.clone());
        for listener in listeners {
            node.listens(listener);
        }
        let handle = ServerHandle { stop, waker: event_loop.waker() };
        Ok(Self { event_loop, node, addresses, handle })
    }

    /// Where it listens: in the order of [`Settings::listen`], with the ports that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The hub's name.
    pub fn name(&self) -> &str {
        &self.node.hub().config().name
    }

    /// What stops it from elsewhere.
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// What makes it call [`Party::woken`].
    pub fn waker(&self) -> Waker {
        self.event_loop.waker()
    }

    /// Adds a party: joined to the server's own hub if `local`, and by links, made again for ever, to each of `links`.
    pub fn add_party(&mut self, party: Box<dyn Party + Send>, local: bool, links: &[Address]) {
        let party = self.node.add(party, local);
        for (place, address) in links.iter().enumerate() {
            let link = self.event_loop.io().connect(address, Retry::Always);
            self.node.leads(link, party, place);
        }
    }

    /// Serves until it is [stopped](ServerHandle::stop).
    ///
    /// # Errors
    ///
    /// If a party could not go on, or the operating system's event queue failed.
    pub fn run(mut self) -> Result<(), ServerError> {
        // Parties are joined in a first turn, whether anything happens or not.
        self.handle.waker.wake();
        let node = self.event_loop.run(self.node)?;
        node.failure.map_or(Ok(()), |failure| Err(ServerError::Party(failure)))
    }
}

fn default_name(addresses: &[SocketAddr]) -> String {
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    addresses.first().map_or_else(|| host.clone(), |address| format!("{host}:{}", address.port()))
}
