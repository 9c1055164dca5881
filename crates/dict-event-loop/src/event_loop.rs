//! The loop itself: wait, handle, write, and again.

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Poll};

use crate::application::{Application, ListenerId};
use crate::clock::Clock;
use crate::connection::{Input, Output, Phase};
use crate::error::LoopError;
use crate::io::Io;
use crate::settings::Settings;
use crate::sockets::Sockets;
use crate::token::{Key, Token};
use crate::waker::Waker;

/// Drives one [`Application`] on TCP sockets, in the thread that calls it.
///
/// Either [`run`](Self::run) it, or take [`turn`](Self::turn)s where the thread has other things to do. The application
/// is lent to each call, so it can be looked at in between.
pub struct EventLoop {
    poll: Poll,
    events: Events,
    /// What is read, of any connection. An idle connection has no buffer.
    buffer: Box<[u8]>,
    pub(crate) sockets: Sockets,
    waker: Waker,
    /// Commands were given between turns.
    commanded: bool,
}

impl EventLoop {
    /// An event loop with the default [`Settings`].
    ///
    /// # Errors
    ///
    /// [`LoopError::Start`] if the operating system is out of descriptors.
    pub fn new() -> Result<Self, LoopError> {
        Self::with_settings(Settings::default())
    }

    /// An event loop.
    ///
    /// # Errors
    ///
    /// [`LoopError::Start`] if the operating system is out of descriptors.
    pub fn with_settings(settings: Settings) -> Result<Self, LoopError> {
        let settings = settings.at_least_one_of_each();
        let poll = Poll::new().map_err(LoopError::Start)?;
        let waker = mio::Waker::new(poll.registry(), Key::Waker.into()).map_err(LoopError::Start)?;
        let waker = Waker::new(waker);
        let registry = poll.registry().try_clone().map_err(LoopError::Start)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(settings.events),
            buffer: vec![0; settings.read_buffer].into(),
            sockets: Sockets::new(registry, settings, waker.clone()),
            waker,
            commanded: false,
        })
    }

    /// What other threads wake this loop with.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// The commands, for use outside of the application's methods: to listen before the loop runs, or between turns.
    pub fn io(&mut self) -> Io<'_> {
        self.sockets.now = Clock::now();
        self.commanded = true;
        Io::new(&mut self.sockets)
    }

    /// Takes turns until the application has stopped the loop ([`Io::stop`]), and gives it back.
    ///
    /// # Errors
    ///
    /// [`LoopError::Wait`] if the operating system cannot tell of events; nothing that happens to single sockets.
    pub fn run<A: Application>(&mut self, mut application: A) -> Result<A, LoopError> {
        while self.turn(&mut application, None)?.is_continue() {}
        Ok(application)
    }

    /// Takes one turn: writes what was asked for since the last one, waits for events, at most `max_wait` (`None`: as
    /// long as it takes), and handles them. A turn may be over without any of the application's methods having been
    /// called but [`end_of_turn`](Application::end_of_turn). Breaks when the application has stopped the loop.
    ///
    /// # Errors
    ///
    /// [`LoopError::Wait`] as for [`run`](Self::run).
    pub fn turn<A: Application>(
        &mut self,
        application: &mut A,
        max_wait: Option<Duration>,
    ) -> Result<ControlFlow<()>, LoopError> {
        if std::mem::take(&mut self.commanded) {
            self.sockets.serve_writes(application);
        }
        self.wait(application, max_wait)?;
        let sockets = &mut self.sockets;
        sockets.now = Clock::now();
        sockets.again = false;
        for event in &self.events {
            match Key::from(event.token()) {
                Key::Waker => {
                    self.waker.rearm();
                    sockets.serve_resolver(application);
                    application.woken(&mut Io::new(sockets));
                }
                Key::Listener(number) => sockets.mark_acceptable(ListenerId(number)),
                Key::Connection(key) => {
                    if let Some(token) = sockets.connections.find(key) {
                        sockets.handle_event(application, token, event);
                    }
                }
            }
        }
        sockets.run_timers(application);
        sockets.serve_listeners(application);
        sockets.serve_reads(application, &mut self.buffer);
        if application.next_timeout().is_some_and(|due| due <= sockets.now.instant) {
            application.timeout(&mut Io::new(sockets));
        }
        sockets.settle_closes(application);
        application.end_of_turn(&mut Io::new(sockets));
        sockets.serve_writes(application);
        sockets.settle_closes(application);
        Ok(if sockets.has_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn wait<A: Application>(&mut self, application: &A, max_wait: Option<Duration>) -> Result<(), LoopError> {
        let wait =
            if self.sockets.has_work() { Some(Duration::ZERO) } else { self.wait_for(application, max_wait) };
        match self.poll.poll(&mut self.events, wait) {
            // A signal: the turn goes on, with timers and whatever else there is.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            result => result.map_err(LoopError::Wait),
        }
    }

    /// The time to the next timer, at most `max_wait`; `None` is for ever.
    fn wait_for<A: Application>(&self, application: &A, max_wait: Option<Duration>) -> Option<Duration> {
        let due = [application.next_timeout(), self.sockets.timers.next_due()].into_iter().flatten().min();
        let until_due = due.map(|due| due.since(Clock::instant()));
        [until_due, max_wait].into_iter().flatten().min()
    }
}

impl Sockets {
    fn handle_event<A: Application>(&mut self, application: &mut A, token: Token, event: &Event) {
        let Some(connection) = self.connections.get(token) else { return };
        if connection.phase == Phase::Connecting {
            self.check_connecting(application, token);
        }
        let Some(connection) = self.connections.get_mut(token) else { return };
        if connection.phase == Phase::Connecting {
            return;
        }
        // Hints only: what was received before is still to be read, and the other direction may live on.
        let hung_up = event.is_read_closed() || event.is_error();
        connection.hung_up |= hung_up;
        // With the input at its end no read will tell of a connection that broke since.
        if connection.input == Input::Ended && (event.is_error() || event.is_write_closed()) {
            let error = connection.take_error().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
            connection.output = Output::Broken(error);
            return self.close_now(token);
        }
        if hung_up || event.is_readable() {
            self.mark_readable(token);
        }
        if event.is_writable() || event.is_write_closed() {
            self.mark_writable(token);
        }
    }
}
