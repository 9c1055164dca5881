//! A client's life across connections: its writers, subscriptions, handlers and requests.
//!
//! A [`Session`] does no I/O and reads no clock. Its driver makes connections and moves bytes:
//!
//! 1. When a connection is there, call [`connected`](Session::connected).
//! 2. Write what [`output`](Session::output) holds and tell [`wrote`](Session::wrote) how much was taken.
//! 3. Give what was read to [`receive`](Session::receive), cut anywhere.
//! 4. When the time of [`poll_timeout`](Session::poll_timeout) has come, call
//!    [`handle_timeout`](Session::handle_timeout).
//! 5. When [`should_close`](Session::should_close), write what is left and close. When the connection is gone, call
//!    [`disconnected`](Session::disconnected), and make the next one.
//!
//! Everything else may be called at any time, connected or not: writers keep what they are given, subscriptions and
//! handlers are asked for on each connection anew. Only messages and requests need a connection: nobody keeps them.
//!
//! | state | connected | Welcome | Error that closes, Bye, bad bytes | silence | disconnected |
//! |---|---|---|---|---|---|
//! | no connection | Hello; greeting | | | | |
//! | greeting | | everything is asked for; open | ended | ended | no connection |
//! | open | | ended (out of place) | ended | ended | no connection |
//! | ended | | ignored | ignored | | no connection |
//!
//! What happened is told as [`Event`]s, which borrow what was received: an update costs no allocation.

mod event;
mod exchange;
mod pings;
mod settings;
mod subscriptions;
mod writers;

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

pub use event::{Connected, Event};
pub use exchange::{Question, RequestError, RequestId, SendError};
pub use settings::Settings;
pub use subscriptions::{SubscribeError, SubscriptionId};
pub use writers::{AddWriterError, WriterId};

use crate::clock::Offset;
use crate::connection::{Connection, ConnectionError, Phase, Role};
use crate::decoder::Decoder;
use crate::frame::{Frame, Kind};
use crate::kept::Kept;
use crate::limits::Limits;
use crate::packet::{self, ErrorCode, Hello, LoggerPresence, Packet, VERSION, Welcome};
use crate::time::{Instant, Now};
use exchange::Exchange;
use pings::Pings;
use subscriptions::Subscriptions;
use writers::Writers;

/// What a session tells its program through.
pub type Events<'e> = &'e mut dyn FnMut(Event<'_>);

/// One client of a hub; see the [module](self).
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    /// The settings' limits, as far as the hub has not agreed on less.
    agreed: Limits,
    logger: LoggerPresence,
    connection: Option<Connection>,
    decoder: Decoder,
    /// When the greeting was sent.
    greeted: Now,
    pings: Pings,
    writers: Writers,
    subscriptions: Subscriptions,
    exchange: Exchange,
}

impl Session {
    /// A client that has no connection yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            agreed: settings.limits.clone(),
            logger: LoggerPresence::Never,
            connection: None,
            decoder: Decoder::default(),
            greeted: Now::default(),
            pings: Pings::default(),
            writers: Writers::default(),
            subscriptions: Subscriptions::default(),
            exchange: Exchange::default(),
            settings,
        }
    }

    /// A client that goes on after a former run of its program, with what that has kept; see [`kept`](crate::kept). The
    /// client id is the one that was kept, whatever the settings say.
    pub fn restore(mut settings: Settings, kept: Kept) -> Self {
        settings.client_id = kept.client_id();
        let writers = Writers::restore(kept, &settings.limits);
        Self { writers, ..Self::new(settings) }
    }

    /// What it was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether the hub has accepted this client on a connection that stands.
    pub fn is_open(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.phase() == Phase::Open)
    }

    /// Whether the hub has, or had, a logger, as last told; `Never` before the first connection.
    pub fn logger(&self) -> LoggerPresence {
        self.logger
    }

    /// The hub's clock less this one's, as measured on this connection.
    pub fn offset(&self) -> Option<Offset> {
        self.pings.offset()
    }

    /// The limits that hold: the settings', or less where the hub said so.
    pub fn limits(&self) -> &Limits {
        &self.agreed
    }
}

/// What a driver calls.
impl Session {
    /// There is a connection: greets.
    ///
    /// One that is still there is given up first: its driver should have called [`Session::disconnected`].
    pub fn connected(&mut self, now: Now) {
        self.drop_link();
        let limits = &self.settings.limits;
        let mut connection = Connection::new(Role::Client, now.instant, limits);
        // A hub's greeting is short; after it frames may be larger.
        self.decoder = Decoder::new(limits.greeting_body);
        self.greeted = now;
        connection.output.send(&Packet::Hello(Hello {
            version_min: VERSION,
            version_max: VERSION,
            client_id: self.settings.client_id,
            time: now.time,
            max_body: limits.body,
            heartbeat: self.settings.heartbeat_wish(),
            name: &self.settings.name,
            product: &self.settings.product,
            credentials: &self.settings.credentials,
        }));
        self.connection = Some(connection);
    }

    /// Takes in what was read.
    pub fn receive(&mut self, now: Now, mut bytes: &[u8], events: Events<'_>) {
        // The decoder is set aside, since the frames borrow from it.
        let mut decoder = core::mem::take(&mut self.decoder);
        while self.connection.as_ref().is_some_and(|connection| connection.phase() != Phase::Ended) {
            let offset = decoder.offset();
            let taken = match decoder.decode(&mut bytes) {
                Ok(None) => break,
                Ok(Some(frame)) => self.take(now, &frame, events),
                Err(error) => Err(ConnectionError::Frame { offset, error }),
            };
            if let Err(error) = taken {
                self.fail(&error, events);
            }
            // The hub has greeted: frames may be larger from the next one on.
            if decoder.limit() != self.agreed.body && self.is_open() {
                decoder.set_limit(self.agreed.body);
            }
        }
        self.decoder = decoder;
    }

    /// The connection is gone, for a reason that the driver knows. Nothing happens if it was known to be over.
    pub fn disconnected(&mut self, reason: &str, events: Events<'_>) {
        let Some(connection) = self.connection.take() else { return };
        if connection.phase() != Phase::Ended {
            self.end(&ConnectionError::Closed { reason: reason.into() }, events);
        }
    }

    /// When [`Session::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let connection = self.connection.as_ref()?;
        let next = match connection.phase() {
            Phase::Greeting | Phase::Ended => None,
            Phase::Open => earliest(self.pings.due(), self.exchange.deadline()),
        };
        earliest(connection.deadline(), next)
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now, events: Events<'_>) {
        let Some(connection) = &mut self.connection else { return };
        if let Err(error) = connection.check(now.instant) {
            return self.fail(&error, events);
        }
        if connection.phase() == Phase::Open {
            self.pings.handle_timeout(now, &mut connection.output);
            self.exchange.handle_timeout(now.instant, events);
        }
    }

    /// Its driver does not read at the moment, so the hub's silence says nothing: it counts as a sign of life.
    pub fn excuse(&mut self, now: Now) {
        if let Some(connection) = &mut self.connection {
            connection.excuse(now.instant);
        }
    }

    /// What is to be written.
    pub fn output(&self) -> &[u8] {
        self.connection.as_ref().map_or(&[], |connection| connection.output.pending())
    }

    /// The first `count` bytes of the output were written.
    pub fn wrote(&mut self, count: usize) {
        if let Some(connection) = &mut self.connection {
            connection.output.wrote(count);
            self.drained();
        }
    }

    /// Moves what is to be written into `buffer`, which is empty: for a driver that shares the session between threads
    /// and writes without holding it. Counts as written.
    pub fn take_output(&mut self, buffer: &mut Vec<u8>) {
        if let Some(connection) = &mut self.connection {
            connection.output.take(buffer);
            self.drained();
        }
    }

    fn drained(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        if connection.output.len() <= self.agreed.client_output / 2 {
            self.writers.drained(&mut connection.output, &self.agreed);
        }
    }

    /// Whether the connection is to be closed when its output is written.
    pub fn should_close(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.phase() == Phase::Ended)
    }

    /// Ends the connection with an Error: for a driver or a program that cannot use what it was told.
    pub fn fail(&mut self, error: &ConnectionError, events: Events<'_>) {
        let Some(connection) = &mut self.connection else { return };
        if connection.phase() == Phase::Ended {
            return;
        }
        connection.fail(error);
        self.end(error, events);
    }

    /// Ends the connection in order.
    pub fn bye(&mut self, reason: &str, events: Events<'_>) {
        let Some(connection) = &mut self.connection else { return };
        if connection.phase() == Phase::Ended {
            return;
        }
        connection.bye(reason);
        self.end(&ConnectionError::Closed { reason: reason.into() }, events);
    }

    /// Gives back memory that an idle connection does not need.
    pub fn release(&mut self) {
        self.decoder.release();
        if let Some(connection) = &mut self.connection {
            connection.output.release();
        }
    }
}

/// What comes from the hub.
impl Session {
    fn take(&mut self, now: Now, frame: &Frame<'_>, events: Events<'_>) -> Result<(), ConnectionError> {
        let packet = Packet::parse(frame)?;
        let Some(connection) = &mut self.connection else { return Ok(()) };
        connection.admit(now.instant, &packet)?;
        match packet {
            Packet::Update(update) => events(Event::Update(update)),
            Packet::State(state) => events(Event::State(state)),
            Packet::Source(source) => events(Event::Source(source)),
            Packet::Current(current) => events(Event::Current(SubscriptionId(current.subscription))),
            Packet::Ack(ack) => self.writers.acknowledged(&ack, events)?,
            Packet::Resume(resume) => self.writers.resume(&resume, &mut connection.output, &self.agreed),
            Packet::Announced(announced) => {
                self.writers.announced(now, &announced, &mut connection.output, &self.agreed, events);
            }
            Packet::Message(message) => events(Event::Message(message)),
            Packet::Request(request) => events(self.exchange.asked(request)),
            Packet::Reply(reply) => self.exchange.answered(&reply, events),
            Packet::Pong(pong) => {
                if let Some(round_trip) = self.pings.answered(now, &pong) {
                    events(Event::Pong { id: pong.id, round_trip });
                }
            }
            Packet::Logger(logger) => {
                self.logger = logger.presence;
                events(Event::Logger(logger.presence));
            }
            Packet::Welcome(welcome) => self.welcomed(now, &welcome, events)?,
            Packet::Error(error) => self.told(&error, events)?,
            Packet::Bye(bye) => {
                connection.bye("");
                self.end(&ConnectionError::Ended { code: None, text: bye.reason.into() }, events);
            }
            // `admit` has refused what hubs do not send.
            Packet::Hello(_)
            | Packet::Announce(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::Handle(_)
            | Packet::Refuse(_)
            | Packet::Ping(_)
            | Packet::Ignorable => {}
        }
        Ok(())
    }

    /// The hub accepted this client: asks for everything.
    fn welcomed(
        &mut self,
        now: Now,
        welcome: &Welcome<'_>,
        events: Events<'_>,
    ) -> Result<(), ConnectionError> {
        let limits = &self.settings.limits;
        if welcome.version != VERSION {
            let (min, max) = (welcome.version, welcome.version);
            return Err(ConnectionError::Version { ours: VERSION, min, max });
        }
        let body = welcome.max_body.min(limits.body);
        let heartbeat = Duration::from_millis(welcome.heartbeat.max(1).into());
        self.agreed = Limits {
            body,
            heartbeat,
            dictionary: limits.dictionary.min((body as usize).saturating_sub(Limits::STATE_OVERHEAD)),
            ..limits.clone()
        };
        self.logger = welcome.logger;
        let Some(connection) = &mut self.connection else { return Ok(()) };
        connection.open(heartbeat);
        self.pings.opened(now, self.greeted, welcome, heartbeat, &mut connection.output);
        events(Event::Connected(Connected {
            hub: welcome.hub,
            run: welcome.run,
            name: welcome.name,
            logger: welcome.logger,
        }));
        self.writers.connected(&mut connection.output, &self.agreed, welcome.logger);
        self.subscriptions.connected(&mut connection.output);
        self.exchange.connected(&mut connection.output);
        Ok(())
    }

    /// Something went wrong, says the hub.
    fn told(&mut self, error: &packet::Error<'_>, events: Events<'_>) -> Result<(), ConnectionError> {
        if error.closing || !self.is_open() {
            return Err(ConnectionError::Ended { code: Some(error.code), text: String::from(error.text) });
        }
        let Some(connection) = &mut self.connection else { return Ok(()) };
        if error.code == ErrorCode::Replaced {
            self.writers.replaced(error.reference, events);
        } else if error.about == Kind::Subscribe as u8 {
            self.subscriptions.told(error, &mut connection.output, events);
        } else {
            events(Event::Notice(*error));
        }
        Ok(())
    }

    /// The connection is over: nothing on it will be answered.
    fn end(&mut self, reason: &ConnectionError, events: Events<'_>) {
        self.drop_link_but_output(events);
        events(Event::Disconnected { reason });
    }

    fn drop_link_but_output(&mut self, events: Events<'_>) {
        self.writers.disconnected();
        self.exchange.disconnected(events);
        self.pings = Pings::default();
    }

    fn drop_link(&mut self) {
        if self.connection.take().is_some() {
            self.drop_link_but_output(&mut |_| ());
        }
    }
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests;
