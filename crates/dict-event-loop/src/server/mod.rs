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

mod exchange;
mod exposure;
mod node;
mod party;
mod places;
mod stage;
#[cfg(test)]
mod tests;
mod wishes;

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dict_hub::{Config, Hub};
use dict_protocol::limits::{LimitError, Limits};
use dict_protocol::name::{self, HUB_SOURCE, NameError};
use dict_protocol::time::Time;

pub use dict_hub::access;

pub use self::exposure::Exposure;
pub use self::party::{Manner, Origin, Party, StreamId, Wish};

use self::access::Access;

use self::node::Node;
use crate::address::Address;
use crate::application::ListenerId;
use crate::clock::Clock;
use crate::error::{AddressError, ListenError, LoopError};
use crate::event_loop::EventLoop;
use crate::identity::random_id;
use crate::tls::ServerTls;
use crate::waker::Waker;

/// Who a server is, and where it listens.
///
/// A server that others than this machine can reach is closed by default. What counts is the address that is really bound:
///
/// | bound to | refused unless |
/// |---|---|
/// | loopback | |
/// | elsewhere, natively | it has TLS, and asks for credentials; or `insecure` |
/// | elsewhere, by a [party](Server::add_party) | `insecure_older` |
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The hub's name; by default this machine's, and the port of the first listener.
    pub name: Option<String>,
    /// Which program it is, and its version.
    pub product: String,
    /// Where to listen, natively.
    pub listen: Vec<Listen>,
    /// Whether to listen for strangers natively: off loopback without TLS, or without asking for credentials.
    pub insecure: bool,
    /// Whether parties may listen off loopback: the older dialects can do neither.
    pub insecure_older: bool,
    /// What it takes at most.
    pub limits: Limits,
    /// Who may do what; `None`: everybody everything.
    pub access: Option<Access>,
}

/// An address to listen on; from an address alone, or its text, without TLS.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The address.
    pub address: Address,
    /// What connections are encrypted with, if they are.
    pub tls: Option<ServerTls>,
}

impl From<Address> for Listen {
    fn from(address: Address) -> Self {
        Self { address, tls: None }
    }
}

impl FromStr for Listen {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        text.parse::<Address>().map(Self::from)
    }
}

/// Why a server could not start, or had to end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// It would serve strangers, and nobody said that it is to.
    #[error(transparent)]
    Exposed(#[from] Exposure),
    /// The operating system's event queue failed.
    #[error(transparent)]
    Loop(#[from] LoopError),
    /// Its limits contradict each other, or are out of bounds.
    #[error(transparent)]
    Limits(#[from] LimitError),
    /// It cannot be called that.
    #[error("a hub cannot be called {name:?}: {error}")]
    Name {
        /// What it was to be called.
        name: String,
        /// What is wrong with that.
        error: NameError,
    },
    /// A party could not go on.
    #[error("{0}")]
    Party(String),
}

/// A hub that listens, and the parties beside it, in one thread: the one that calls [`Server::run`].
pub struct Server {
    event_loop: EventLoop,
    node: Node,
    addresses: Vec<SocketAddr>,
    insecure_older: bool,
    handle: ServerHandle,
}

/// Stops a server, or gives it new rules, from another thread; stopping also from a signal handler's.
#[derive(Clone, Debug)]
pub struct ServerHandle {
    stop: Arc<AtomicBool>,
    access: NewAccess,
    waker: Waker,
}

/// Rules that are to hold from the server's next turn on.
type NewAccess = Arc<Mutex<Option<Access>>>;

impl ServerHandle {
    /// Ends the server in order: nothing more is taken in, loggers get what came, everybody is told.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Says who may do what from now on. What that takes away ends at once: connections whose identity is not exactly what
    /// it was are ended (they may connect again), sources that were written by somebody who may not are forgotten.
    pub fn set_access(&self, access: Access) {
        *self.access.lock().unwrap_or_else(PoisonError::into_inner) = Some(access);
        self.waker.wake();
    }
}

impl Server {
    /// Binds every listener; nobody is served before [`Server::run`].
    ///
    /// # Errors
    ///
    /// If the limits or the name cannot be, or an address is in use, not this machine's, or not permitted; or if strangers could come in:
    /// see [`Settings`].
    pub fn new(settings: Settings) -> Result<Self, ServerError> {
        settings.limits.check()?;
        let mut event_loop = EventLoop::new()?;
        let (listeners, addresses) = listen_on_all(&mut event_loop, &settings.listen, |listen, bound| {
            let asks_credentials = settings.access.is_some();
            exposure::check(bound, listen.tls.is_some(), asks_credentials, settings.insecure)
        })?;
        let now = Clock::now();
        let name = match settings.name {
            Some(name) => check_name(name, &settings.limits)?,
            None => default_name(&addresses),
        };
        let config =
            Config { name, run: first_run(now.time), product: settings.product, limits: settings.limits };
        let mut hub = Hub::new(config, now);
        hub.set_access(now, settings.access);
        let (stop, access) = (Arc::new(AtomicBool::new(false)), NewAccess::default());
        let mut node = Node::new(hub, stop.clone(), access.clone());
        for listener in listeners {
            node.listens(listener);
        }
        let handle = ServerHandle { stop, access, waker: event_loop.waker() };
        Ok(Self { event_loop, node, addresses, insecure_older: settings.insecure_older, handle })
    }

    /// Where it listens: in the order of [`Settings::listen`], with the ports that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The hub's name.
    pub fn name(&self) -> &str {
        &self.node.hub.config().name
    }

    /// What it takes at most.
    pub fn limits(&self) -> &Limits {
        &self.node.hub.config().limits
    }

    /// What stops it from elsewhere.
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// What makes it call [`Party::woken`].
    pub fn waker(&self) -> Waker {
        self.event_loop.waker()
    }

    /// Adds a party, with listeners of its own on the addresses of `listen`; none of them is the hub's. Returns where
    /// these listen, with the ports that the system chose.
    ///
    /// # Errors
    ///
    /// If an address is in use, not this machine's, or not permitted; or if strangers could come in: see [`Settings`]. Then
    /// the party is not added.
    pub fn add_party(
        &mut self,
        party: Box<dyn Party + Send>,
        listen: &[Address],
    ) -> Result<Vec<SocketAddr>, ServerError> {
        let listen: Vec<_> = listen.iter().cloned().map(Listen::from).collect();
        let insecure = self.insecure_older;
        let (listeners, addresses) =
            listen_on_all(&mut self.event_loop, &listen, |_, bound| exposure::check_older(bound, insecure))?;
        self.node.add(party, &listeners);
        Ok(addresses)
    }

    /// Serves until it is [stopped](ServerHandle::stop).
    ///
    /// # Errors
    ///
    /// If a party could not go on, or the operating system's event queue failed.
    pub fn run(mut self) -> Result<(), ServerError> {
        // Parties are asked what they wish in a first turn, whether anything happens or not.
        self.handle.waker.wake();
        let node = self.event_loop.run(self.node)?;
        node.failure.map_or(Ok(()), |failure| Err(ServerError::Party(failure)))
    }
}

/// Listens everywhere or nowhere; `check` says of each address whether that may be.
fn listen_on_all(
    event_loop: &mut EventLoop,
    wanted: &[Listen],
    check: impl Fn(&Listen, SocketAddr) -> Result<(), Exposure>,
) -> Result<(Vec<ListenerId>, Vec<SocketAddr>), ServerError> {
    let mut io = event_loop.io();
    let (mut listeners, mut bound) = (Vec::new(), Vec::new());
    for listen in wanted {
        let listened = match &listen.tls {
            Some(tls) => io.listen_encrypted(&listen.address, tls),
            None => io.listen(&listen.address),
        };
        let checked = listened.map_err(ServerError::from).and_then(|listening| {
            listeners.push(listening.id);
            bound.push(listening.address);
            Ok(check(listen, listening.address)?)
        });
        if let Err(error) = checked {
            listeners.into_iter().for_each(|listener| io.stop_listening(listener));
            return Err(error);
        }
    }
    Ok((listeners, bound))
}

/// A hub's runs are told apart by when they began. Where clocks are not set, before 1970, by chance.
fn first_run(now: Time) -> u64 {
    match now.as_epoch() {
        0 => 1 + u64::from_le_bytes(random_id().first_chunk().copied().unwrap_or_default()) % 1_000_000_000,
        start => start,
    }
}

/// The hub's own source is called by its name, with something before it, and is to have a name that can be.
fn check_name(name: String, limits: &Limits) -> Result<String, ServerError> {
    match name::validate(&name, limits.name.saturating_sub(HUB_SOURCE.len())) {
        Ok(()) => Ok(name),
        Err(error) => Err(ServerError::Name { name, error }),
    }
}

fn default_name(addresses: &[SocketAddr]) -> String {
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    addresses.first().map_or_else(|| host.clone(), |address| format!("{host}:{}", address.port()))
}
