//! A blocking client: programs publish, watch, send and ask, and know nothing of sockets.
//!
//! A [`Client`] has two threads. One drives the connection: it keeps heartbeats, receives in the background, and
//! reconnects for ever (at most two seconds after an attempt failed) when the link is lost. The other runs the program's
//! callbacks and handlers, one at a time and under no lock, so that one that blocks holds up the other callbacks alone.
//! Every method may be called from any thread.
//!
//! ```
//! use std::time::Duration;
//! use dict_event_loop::client::{Client, WatchOptions, WriterOptions};
//! use dict_event_loop::server::{Server, Settings};
//! use dict_protocol::dictionary;
//! use dict_protocol::pattern::Pattern;
//!
//! # let server = Server::new(Settings { listen: vec!["127.0.0.1:0".parse()?], ..Settings::default() })?;
//! # let (address, handle) = (server.addresses()[0].to_string(), server.handle());
//! # let running = std::thread::spawn(move || server.run());
//! let client = Client::connect(&*address)?;
//! let psu = client.writer("bench1/psu", WriterOptions::default())?;
//! psu.publish(&dictionary! { "voltage" => 12.5, "on" => true })?;
//! psu.set("voltage", 12.6)?;
//! psu.flush(Duration::from_secs(5))?;
//!
//! let watch = client.watch(Pattern::parse("bench1/"), WatchOptions::default())?;
//! watch.wait_current(Duration::from_secs(5))?;
//! assert_eq!(watch.latest("bench1/psu"), Some(dictionary! { "voltage" => 12.6, "on" => true }));
//! # handle.stop();
//! # running.join().unwrap()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is published at level `logged` is kept until every logger has it: in memory, or with the feature `spool` in a
//! file ([`Builder::spool`]) that outlives the program.

mod builder;
mod callbacks;
mod content;
mod dispatch;
mod driver;
mod error;
mod inbox;
mod peers;
mod requests;
mod shared;
mod spool;
mod watch;
mod watches;
mod writer;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use builder::Builder;
pub use content::Content;
pub use dict_protocol::packet::{Level, LoggerPresence};
pub use dict_protocol::writer::{PublishError, Refusal, WhenFull, WriterOptions};
pub use dispatch::{Asked, CallbackId, HubInfo, Incoming};
pub use error::{ClientClosed, ConnectError, RequestError, SendError, WatchError, WriteError, WriterError};
pub use peers::PeerEvent;
pub use requests::RequestOptions;
#[cfg(feature = "spool")]
pub use spool::Durability;
pub use spool::Left;
pub use watch::{Events, Mode, SourceState, StateEvent, UpdateEvent, Watch, WatchEvent, WatchOptions};
pub use writer::{Flushed, Step, Writer};

use dict_protocol::link::Link;
use dict_protocol::session::WriterId;
use shared::{Shared, Stage, State, deadline};

use crate::clock::Clock;

/// A client of a hub; see the [module](self).
///
/// Clones, writers and watches share one connection; when the last of them is dropped it is [closed](Client::close), with
/// little patience. A callback that holds a clone keeps the client until `close` is called.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

/// What all handles of a client hold.
struct Inner {
    shared: Arc<Shared>,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    /// Drives the connection; ends soon after it is told to.
    driving: JoinHandle<()>,
    /// Runs callbacks; ends after the one that runs, which may take for ever.
    dispatching: JoinHandle<()>,
}

/// How long a client that is dropped waits for what it has still to send.
const PATIENCE: Duration = Duration::from_millis(500);

impl Client {
    /// Connects to a hub as a client called by the program's name.
    ///
    /// # Errors
    ///
    /// See [`Builder::connect`].
    pub fn connect<L>(link: L) -> Result<Self, ConnectError>
    where
        L: TryInto<Link>,
        ConnectError: From<L::Error>,
    {
        Self::builder().connect(link)
    }

    /// To say more about the client before it connects.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Whether the hub has accepted this client on a connection that stands, as far as is known.
    pub fn is_connected(&self) -> bool {
        self.lock().session.is_open()
    }

    /// Waits until there is a connection.
    ///
    /// # Errors
    ///
    /// After `timeout`, with why the last attempt failed if one did. Attempts go on.
    pub fn wait_connected(&self, timeout: Duration) -> Result<(), ConnectError> {
        let (state, done) =
            self.inner.shared.wait(self.lock(), deadline(timeout), |state| match state.stage {
                Stage::Running => state.session.is_open().then_some(Ok(())),
                _ => Some(Err(state.closed().into())),
            });
        let failure = state.failure.clone();
        done.unwrap_or_else(|| Err(failure.unwrap_or(ConnectError::TimedOut { after: timeout })))
    }

    /// The name that others reach this client by: the hub's choice while connected, else the one it wishes for.
    pub fn name(&self) -> String {
        let state = self.lock();
        match &state.inbox.hub {
            Some(hub) => hub.client.clone(),
            None => state.session.settings().name.clone(),
        }
    }

    /// The hub that it is connected to.
    pub fn hub(&self) -> Option<HubInfo> {
        self.lock().inbox.hub.clone()
    }

    /// Whether the hub has, or had, a logger, as last told.
    pub fn logger(&self) -> LoggerPresence {
        self.lock().session.logger()
    }

    /// Measures the round trip to the hub, which has then taken everything that this client sent before.
    ///
    /// # Errors
    ///
    /// If there is no connection, or no answer within `timeout`.
    pub fn ping(&self, timeout: Duration) -> Result<Duration, ConnectError> {
        let shared = &self.inner.shared;
        let mut state = self.lock();
        let Some(id) = state.session.ping(Clock::now()) else {
            state.check_running()?;
            return Err(state.failure.clone().unwrap_or(ConnectError::TimedOut { after: Duration::ZERO }));
        };
        state.inbox.pings.insert(id, None);
        shared.release(state);
        let (mut state, answer) = shared.wait(self.lock(), deadline(timeout), |state| {
            match state.inbox.pings.get(&id) {
                Some(None) => None,
                Some(Some(round_trip)) => Some(Ok(*round_trip)),
                // The connection is gone.
                None => Some(Err(state.inbox.ended.clone().unwrap_or_else(|| state.closed().into()))),
            }
        });
        state.inbox.pings.remove(&id);
        answer.unwrap_or(Err(ConnectError::TimedOut { after: timeout }))
    }

    /// Closes the client in order: ends its sources, waits until everything is acknowledged at its level or `timeout` is
    /// over, says goodbye and ends the threads. Every call on it and its handles fails from then on.
    ///
    /// Returns how many updates were not acknowledged. Those of level `logged` are not waited for where there is no
    /// logger that could.
    pub fn close(&self, timeout: Duration) -> u64 {
        self.inner.close(timeout)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.inner.shared.lock()
    }
}

impl Inner {
    fn close(&self, timeout: Duration) -> u64 {
        let shared = &self.shared;
        let mut state = shared.lock();
        if state.stage == Stage::Running {
            state.stage = Stage::Finishing;
            state.inbox.changed = true;
            let now = Clock::now();
            let writers: Vec<WriterId> = state.session.writers().map(|(id, _)| id).collect();
            for id in writers {
                // One that has ended, was refused or was replaced has nothing to end.
                let _ = state.session.end_writer(now, id);
            }
        }
        shared.announce(state);
        shared.release(shared.lock());
        let deadline = deadline(timeout);
        let (mut state, _) = shared.wait(shared.lock(), deadline, |state| {
            (state.stage != Stage::Finishing || nothing_to_wait_for(state)).then_some(())
        });
        let unacknowledged = state.session.writers().map(|(_, writer)| writer.unacknowledged()).sum();
        if state.stage == Stage::Finishing {
            state.stage = Stage::Closing;
        }
        drop(state);
        shared.wake();
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Threads { driving, dispatching }) = threads {
            join(driving);
            // A callback that blocks, or calls this, is left alone.
            let calls_this = dispatching.thread().id() == std::thread::current().id();
            if !calls_this && shared.wait_for(deadline, |state| (!state.dispatching).then_some(())).is_some()
            {
                join(dispatching);
            }
        }
        unacknowledged
    }
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a thread of a client panicked");
    }
}

/// Whether waiting longer before closing would not help.
fn nothing_to_wait_for(state: &State) -> bool {
    let logs = state.session.logger() == LoggerPresence::Present;
    !state.session.is_open()
        || (state.session.output().is_empty()
            && state.session.writers().all(|(_, writer)| {
                writer.unacknowledged() == 0 || (writer.level() == Some(Level::Logged) && !logs)
            }))
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close(PATIENCE);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("name", &self.name()).field("hub", &self.hub()).finish_non_exhaustive()
    }
}
