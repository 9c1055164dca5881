//! Making a client.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use dict_protocol::dialect::Dialect;
use dict_protocol::limits::Limits;
use dict_protocol::link::Link;
use dict_protocol::packet::LoggerPresence;
use dict_protocol::session::{Session, Settings};

use super::dispatch::{self, Callback, HubInfo};
use super::driver::Driver;
use super::error::ConnectError;
use super::shared::{Shared, Stage, deadline};
use super::spool::Opening;
use super::{Client, Inner, Threads};
use crate::address::Address;
use crate::application::Retry;
use crate::event_loop::EventLoop;
use crate::identity::random_id;
use crate::secret::read_token;
use crate::tls::ClientTls;

/// Says who a client is before it connects.
pub struct Builder {
    name: String,
    product: String,
    credentials: String,
    token_file: Option<PathBuf>,
    client_id: Option<[u8; 16]>,
    limits: Limits,
    patience: Duration,
    retry: Retry,
    callbacks: Vec<Callback>,
    /// Where the spool is, if not in memory.
    pub(super) opening: Option<Opening>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            name: program_name(),
            product: concat!("dictwire ", env!("CARGO_PKG_VERSION")).to_owned(),
            credentials: String::new(),
            token_file: None,
            client_id: None,
            limits: Limits::default(),
            patience: Duration::from_secs(5),
            retry: Retry::Always,
            callbacks: Vec::new(),
            opening: None,
        }
    }
}

impl Builder {
    /// The name that others are to reach it by; by default the program's file name. Where it is taken, the hub adds `#2`.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Which program it is, and its version, for people who look at the hub.
    #[must_use]
    pub fn product(mut self, product: impl Into<String>) -> Self {
        self.product = product.into();
        self
    }

    /// The token that says who it is, where the hub asks. It is not sent to another machine where it is not encrypted,
    /// unless the link has the option `insecure-token=true`. A link's option `token-file` counts instead of this.
    #[must_use]
    pub fn credentials(mut self, credentials: impl Into<String>) -> Self {
        self.credentials = credentials.into();
        self
    }

    /// As [`Builder::credentials`], with what the file holds when the client is made; on Unix nobody else may be able to
    /// read it.
    #[must_use]
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.token_file = Some(path.into());
        self
    }

    /// 128 bits that tell this client from all others; by default random. A spool's file that is there already has one of
    /// its own, which is used instead.
    #[must_use]
    pub fn client_id(mut self, id: [u8; 16]) -> Self {
        self.client_id = Some(id);
        self
    }

    /// What it takes at most.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How long [`Builder::connect`] waits; by default 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.patience = timeout;
        self
    }

    /// Whether a connection that is lost, or cannot be made, is made again; by default true.
    ///
    /// A client that is not to reconnect is closed then, with what it has not sent: every call on it and its handles
    /// fails with [`ClientClosed::Lost`](super::ClientClosed::Lost).
    #[must_use]
    pub fn reconnect(mut self, reconnect: bool) -> Self {
        self.retry = if reconnect { Retry::Always } else { Retry::Never };
        self
    }

    /// As [`Client::on_connect`], from the first connection on.
    #[must_use]
    pub fn on_connect(mut self, f: impl FnMut(&HubInfo) + Send + 'static) -> Self {
        self.callbacks.push(Callback::Connect(Box::new(f)));
        self
    }

    /// As [`Client::on_close`].
    #[must_use]
    pub fn on_close(mut self, f: impl FnMut(&str) + Send + 'static) -> Self {
        self.callbacks.push(Callback::Close(Box::new(f)));
        self
    }

    /// As [`Client::on_logger`], from the first connection on.
    #[must_use]
    pub fn on_logger(mut self, f: impl FnMut(LoggerPresence) + Send + 'static) -> Self {
        self.callbacks.push(Callback::Logger(Box::new(f)));
        self
    }

    /// Connects, and waits until the hub has accepted this client. From then on a lost connection is made again for
    /// ever, unless the client is [not to](Builder::reconnect).
    ///
    /// # Errors
    ///
    /// If the link cannot be understood, or is no native one; at the first definite failure (the name cannot be looked up, nobody listens,
    /// the hub refuses); or if nothing came of it in time.
    pub fn connect<L>(self, link: L) -> Result<Client, ConnectError>
    where
        L: TryInto<Link>,
        ConnectError: From<L::Error>,
    {
        let patience = self.patience;
        let client = self.start(link)?;
        let shared = &client.inner.shared;
        let done = shared.wait_for(deadline(patience), |state| match &state.failure {
            _ if state.session.is_open() => Some(Ok(())),
            Some(failure) => Some(Err(failure.clone())),
            None => None,
        });
        done.unwrap_or(Err(ConnectError::TimedOut { after: patience })).map(|()| client.clone())
    }

    /// Starts to connect in the background, for ever unless the client is [not to](Builder::reconnect), and returns at
    /// once. What is published meanwhile is kept.
    ///
    /// # Errors
    ///
    /// If the link cannot be understood or is no native one, its certificates cannot be used, the spool's file cannot be opened, or the operating system has
    /// no descriptors or threads left.
    pub fn start<L>(self, link: L) -> Result<Client, ConnectError>
    where
        L: TryInto<Link>,
        ConnectError: From<L::Error>,
    {
        let link = link.try_into()?;
        if link.dialect() != Dialect::Native {
            return Err(ConnectError::Dialect { dialect: link.dialect() });
        }
        let prefix = &link.options().prefix;
        if !prefix.is_empty() {
            return Err(ConnectError::Prefix { prefix: prefix.clone() });
        }
        let address = Address::new(link.host(), link.port())?;
        let tls = ClientTls::of_link(&link).map_err(Arc::new)?;
        let token_file = link.options().token_file.as_ref().map(PathBuf::from).or(self.token_file);
        let credentials = match token_file {
            Some(path) => read_token(&path).map_err(Arc::new)?,
            None => self.credentials,
        };
        let client_id = self.client_id.unwrap_or_else(random_id);
        let settings =
            Settings { name: self.name, product: self.product, credentials, client_id, limits: self.limits };
        let (session, store) = match self.opening {
            None => (Session::new(settings), None),
            Some(open) => {
                let (store, kept) = open(client_id)?;
                (Session::restore(settings, kept), Some(store))
            }
        };
        let event_loop = EventLoop::new()?;
        let shared = Arc::new(Shared::new(session, store, event_loop.waker()));
        let mut state = shared.lock();
        for callback in self.callbacks {
            state.inbox.register(callback);
        }
        drop(state);
        let driving = drive(event_loop, &shared, &link, (&address, tls), self.retry)?;
        let dispatching = dispatch_jobs(&shared)?;
        let threads = Mutex::new(Some(Threads { driving, dispatching }));
        Ok(Client { inner: Arc::new(Inner { shared, threads }) })
    }
}

/// Starts the thread that drives the connection.
fn drive(
    mut event_loop: EventLoop,
    shared: &Arc<Shared>,
    link: &Link,
    (address, tls): (&Address, Option<ClientTls>),
    retry: Retry,
) -> Result<JoinHandle<()>, ConnectError> {
    let id = match tls {
        Some(tls) => event_loop.io().connect_encrypted(address, retry, tls),
        None => event_loop.io().connect(address, retry),
    };
    let driver = Driver::new(shared.clone(), link.clone(), id, retry == Retry::Always);
    let shared = shared.clone();
    spawn("dictwire", move || {
        if let Err(error) = event_loop.run(driver) {
            tracing::error!("{error}");
        }
        let mut state = shared.lock();
        state.stage = Stage::Closed;
        state.inbox.close();
        // Whoever joins this thread may open the file anew.
        let _ = state.keep();
        state.store = None;
        shared.announce(state);
    })
}

/// Starts the thread that runs callbacks.
fn dispatch_jobs(shared: &Arc<Shared>) -> Result<JoinHandle<()>, ConnectError> {
    let worker = shared.clone();
    spawn("dictwire-calls", move || dispatch::run(&worker)).inspect_err(|_| {
        // The loop's thread runs already.
        shared.lock().stage = Stage::Closing;
        shared.wake();
    })
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, ConnectError> {
    let builder = thread::Builder::new().name(name.to_owned());
    builder.spawn(run).map_err(|error| ConnectError::Start(Arc::new(error)))
}

/// The name of the file that runs, without its extension.
fn program_name() -> String {
    let path = std::env::current_exe().ok();
    let stem = path.as_deref().and_then(|path| path.file_stem());
    stem.map_or_else(|| "client".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("product", &self.product)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
