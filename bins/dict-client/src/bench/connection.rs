//! A connection to the hub without a thread of its own: whoever uses it reads and writes, blocking.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use dict_event_loop::client::{Client, ConnectError};
use dict_event_loop::tls::ClientTls;
use dict_event_loop::{Clock, may_send_token, random_id, read_token};
use dict_protocol::connection::ConnectionError;
use dict_protocol::link::Link;
use dict_protocol::packet::Encoded;
use dict_protocol::session::{Event, Session, Settings};
use dict_protocol::time::{Instant, Now};
use dict_protocol::writer::WriterChange;

use super::stream::Stream;
use crate::PATIENCE;
use crate::arguments::ConnectionArguments;
use crate::direct;

/// How long a read waits: then what is due is done.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// How long a hub may take nothing of what is written to it.
const STUCK: Duration = Duration::from_secs(30);

/// How often a connection that mostly writes looks whether something came.
const LOOK: Duration = Duration::from_millis(20);

/// Bytes that are read at once, where much comes.
pub(super) const MUCH: usize = 256 << 10;

/// Bytes that are read at once, where little comes.
pub(super) const LITTLE: usize = 4 << 10;

/// Where the hub is, and who comes to it.
pub(super) struct Hub {
    pub(super) link: Link,
    tls: Option<ClientTls>,
    settings: Settings,
    /// Connections made so far: each has a name of its own.
    made: AtomicU32,
}

impl Hub {
    pub(super) fn new(arguments: ConnectionArguments) -> Result<Self> {
        let limits = arguments.limits()?;
        let link = arguments.hub.native()?;
        let prefix = &link.options().prefix;
        if !prefix.is_empty() {
            return Err(ConnectError::Prefix { prefix: prefix.clone() }.into());
        }
        let tls = ClientTls::of_link(&link)?;
        let credentials = match &link.options().token_file {
            Some(path) => read_token(Path::new(path))?,
            None => dict_cli::token_for(&link)?,
        };
        let settings = Settings {
            name: arguments.name,
            product: concat!("dict-client ", env!("CARGO_PKG_VERSION"), " bench").to_owned(),
            credentials,
            client_id: random_id(),
            limits,
        };
        Ok(Self { link, tls, settings, made: AtomicU32::new(0) })
    }

    /// A client as programs have it, with threads of its own.
    pub(super) fn client(&self) -> Result<Client> {
        let Settings { name, product, credentials, limits, .. } = self.settings.clone();
        let client = Client::builder().name(name).product(product).credentials(credentials).limits(limits);
        Ok(client.connect(self.link.clone())?)
    }

    /// A connection that the hub has accepted, and that reads `at_once` bytes at most.
    pub(super) fn connect(&self, at_once: usize) -> Result<Connection> {
        let stream = Stream::connect(&self.link, self.tls.as_ref())?;
        let peer = stream.socket().peer_addr()?;
        if !self.settings.credentials.is_empty() && !may_send_token(&self.link, peer) {
            return Err(ConnectError::TokenWithheld { peer }.into());
        }
        stream.socket().set_read_timeout(Some(TICK))?;
        stream.socket().set_write_timeout(Some(STUCK))?;
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("{}-{number}", self.settings.name);
        let session = Session::new(Settings { name, client_id: random_id(), ..self.settings.clone() });
        let buffer = vec![0; at_once];
        let mut connection = Connection { session, stream, buffer, looked: Clock::instant() };
        connection.session.connected(Clock::now());
        connection.wait(Session::is_open, |_| ()).context("the hub did not accept this client")?;
        Ok(connection)
    }

    /// Has the hub forget sources that have ended and whose connections are closed. Where that is not permitted, they stay
    /// there, offline.
    pub(super) fn forget<S: AsRef<str>>(&self, sources: impl IntoIterator<Item = S>) -> Result<()> {
        let mut connection = self.connect(LITTLE)?;
        for source in sources {
            let name = Encoded::text(source.as_ref());
            connection.session.request(Clock::now(), None, "$forget", name.payload(), PATIENCE)?;
            let answered = Cell::new(false);
            connection.wait(
                |_| answered.get(),
                |event| answered.set(answered.get() || matches!(event, Event::Answered { .. })),
            )?;
        }
        connection.close()
    }
}

/// One client of the hub. Whatever ends it, or a part of it, is an error.
pub(super) struct Connection {
    pub(super) session: Session,
    stream: Stream,
    buffer: Vec<u8>,
    /// When it was last looked whether something came.
    looked: Instant,
}

impl Connection {
    /// Writes all that is to be written.
    pub(super) fn flush(&mut self) -> Result<()> {
        let Self { session, stream, .. } = self;
        let mut write = || {
            while !session.output().is_empty() {
                match stream.write(session.output()) {
                    Ok(written) => session.wrote(written),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if direct::is_passing(&error) => {
                        let text = format!("it has taken nothing for {} s", STUCK.as_secs());
                        return Err(io::Error::new(io::ErrorKind::TimedOut, text));
                    }
                    Err(error) => return Err(error),
                }
            }
            // What is encrypted may wait within.
            stream.flush()
        };
        write().map_err(|error| self.lost(&error))
    }

    /// Reads once, waiting a [`TICK`] at most, and does what is due. Returns how many bytes came.
    pub(super) fn receive(&mut self, events: impl FnMut(&Event<'_>)) -> Result<usize> {
        let read = self.stream.read(&mut self.buffer);
        self.take(read, events)
    }

    /// As [`receive`](Self::receive), without waiting.
    pub(super) fn receive_ready(&mut self, events: impl FnMut(&Event<'_>)) -> Result<usize> {
        self.stream.socket().set_nonblocking(true)?;
        let read = self.stream.read(&mut self.buffer);
        self.stream.socket().set_nonblocking(false)?;
        self.take(read, events)
    }

    /// As [`receive_ready`](Self::receive_ready), now and then: for one that mostly writes, and to which nothing comes but
    /// what keeps the connection alive.
    pub(super) fn look(&mut self, now: Now) -> Result<()> {
        if now.instant.since(self.looked) < LOOK {
            return Ok(());
        }
        self.looked = now.instant;
        self.receive_ready(|_| ()).map(drop)
    }

    /// Reads until `done`, at most as long as a hub may take.
    pub(super) fn wait(
        &mut self,
        done: impl FnMut(&Session) -> bool,
        events: impl FnMut(&Event<'_>),
    ) -> Result<()> {
        self.wait_within(PATIENCE, done, events)
    }

    /// Reads until `done`, at most for `patience`.
    pub(super) fn wait_within(
        &mut self,
        patience: Duration,
        mut done: impl FnMut(&Session) -> bool,
        mut events: impl FnMut(&Event<'_>),
    ) -> Result<()> {
        let deadline = Clock::instant() + patience;
        self.flush()?;
        while !done(&self.session) {
            if Clock::instant() >= deadline {
                bail!("the hub gives no answer in {} s", patience.as_secs());
            }
            self.receive(&mut events)?;
        }
        Ok(())
    }

    /// Says goodbye, and waits until the hub has closed the connection.
    pub(super) fn close(mut self) -> Result<()> {
        self.session.bye("the measurement is over", &mut |_| ());
        self.flush()?;
        // Closed with unread input, it would be reset, and the goodbye be lost.
        self.stream.end()?;
        self.stream.socket().set_read_timeout(Some(PATIENCE))?;
        while matches!(self.stream.read(&mut self.buffer), Ok(1..)) {}
        Ok(())
    }

    fn take(&mut self, read: io::Result<usize>, mut events: impl FnMut(&Event<'_>)) -> Result<usize> {
        let count = match read {
            Ok(0) => bail!("the hub closed the connection"),
            Ok(count) => count,
            Err(error) if direct::is_passing(&error) => 0,
            Err(error) => return Err(self.lost(&error)),
        };
        let now = Clock::now();
        let mut failure = None;
        let mut events = |event: Event<'_>| match failure_of(&event) {
            Some(text) => drop(failure.get_or_insert(text)),
            None => events(&event),
        };
        self.session.receive(now, &self.buffer[..count], &mut events);
        if self.session.poll_timeout().is_some_and(|due| due <= now.instant) {
            self.session.handle_timeout(now, &mut events);
        }
        if let Some(failure) = failure {
            // It may hold why this end gives up.
            let _ = self.stream.write(self.session.output());
            bail!(failure);
        }
        self.flush()?;
        Ok(count)
    }

    /// The connection broke: what the hub said before is why, if it said something.
    fn lost(&mut self, error: &io::Error) -> anyhow::Error {
        let mut failure = None;
        while let Ok(count @ 1..) = self.stream.read(&mut self.buffer) {
            let events = &mut |event: Event<'_>| failure = failure.take().or(failure_of(&event));
            self.session.receive(Clock::now(), &self.buffer[..count], events);
        }
        failure.map_or_else(|| anyhow!("the connection to the hub was lost: {error}"), |text| anyhow!(text))
    }
}

/// What an event says that ends a measurement.
fn failure_of(event: &Event<'_>) -> Option<String> {
    match event {
        Event::Disconnected { reason: ConnectionError::Ended { text, .. } } => {
            Some(format!("the hub ended the connection: {text}"))
        }
        Event::Disconnected { reason } => Some(format!("the connection to the hub ended: {reason}")),
        Event::TooSlow { text, .. } => {
            Some(format!("the hub ended the subscription: {text}; give a lower --in-flight"))
        }
        Event::SubscriptionRefused { text, .. } => Some(format!("the hub refused the subscription: {text}")),
        Event::Writer { change: WriterChange::Refused(refusal), .. } => Some(refusal.to_string()),
        Event::Writer { change: WriterChange::Replaced, .. } => {
            Some("another writer took over the source".to_owned())
        }
        _ => None,
    }
}
