//! An application that sends back what it gets and tells what happens to it, on a loop in a thread of its own.

use std::collections::HashMap;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use dict_protocol::time::Instant;

use crate::*;

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) enum Event {
    Opened(Token, Via),
    Received(Token, Vec<u8>),
    InputEnded,
    Acknowledged(Token),
    Closed(Token, Closed),
    LinkFailed(LinkId, LinkError, Option<Duration>),
}

type Command = Box<dyn FnOnce(&mut Echo, &mut Io<'_>) + Send>;

pub(crate) struct Echo {
    events: Sender<Event>,
    commands: Receiver<Command>,
    pub(crate) outputs: HashMap<Token, Vec<u8>>,
    /// Connections of this listener are read and not answered, nor told of.
    pub(crate) sink: Option<ListenerId>,
    sinks: Vec<Token>,
    pub(crate) keep_open_after_input: bool,
    /// Whether what is opened becomes fragile.
    pub(crate) fragile: bool,
    received_this_turn: Vec<Token>,
    written_this_turn: Vec<Token>,
    pub(crate) turns: u64,
    pub(crate) sunk: u64,
    pub(crate) partial_writes: u64,
    pub(crate) timer: Option<(Instant, Duration)>,
    pub(crate) ticks: u64,
}

impl Application for Echo {
    fn opened(&mut self, io: &mut Io<'_>, token: Token, via: Via, _: SocketAddr) {
        if self.fragile {
            io.fragile(token);
        }
        if self.sink.is_some_and(|sink| via == Via::Listener(sink)) {
            self.sinks.push(token);
        } else {
            self.tell(Event::Opened(token, via));
        }
        assert!(self.outputs.insert(token, Vec::new()).is_none(), "{token} is opened twice");
    }

    fn received(&mut self, io: &mut Io<'_>, token: Token, bytes: &[u8]) {
        assert!(!bytes.is_empty());
        assert!(!self.received_this_turn.contains(&token), "two reads of {token} in one turn");
        self.received_this_turn.push(token);
        if self.sinks.contains(&token) {
            self.sunk += bytes.len() as u64;
            return;
        }
        self.outputs
            .get_mut(&token)
            .expect("bytes come in between opened and closed")
            .extend_from_slice(bytes);
        self.tell(Event::Received(token, bytes.to_vec()));
        io.write(token);
    }

    fn input_ended(&mut self, io: &mut Io<'_>, token: Token) {
        self.tell(Event::InputEnded);
        if !self.keep_open_after_input {
            io.close(token, Close::Drain);
        }
    }

    fn output(&mut self, token: Token) -> &[u8] {
        self.outputs.get(&token).expect("output is asked for between opened and closed")
    }

    fn written(&mut self, _: &mut Io<'_>, token: Token, length: usize) {
        assert!(length > 0);
        assert!(!self.written_this_turn.contains(&token), "two writes to {token} in one turn");
        self.written_this_turn.push(token);
        let output = self.outputs.get_mut(&token).expect("output is written between opened and closed");
        output.drain(..length);
        self.partial_writes += u64::from(!output.is_empty());
    }

    fn acknowledged(&mut self, _: &mut Io<'_>, token: Token) {
        self.tell(Event::Acknowledged(token));
    }

    fn closed(&mut self, _: &mut Io<'_>, token: Token, reason: Closed) {
        assert!(self.outputs.remove(&token).is_some(), "{token} is closed and was not open");
        if !self.sinks.contains(&token) {
            self.tell(Event::Closed(token, reason));
        }
    }

    fn link_failed(&mut self, _: &mut Io<'_>, link: LinkId, error: LinkError, retry_in: Option<Duration>) {
        self.tell(Event::LinkFailed(link, error, retry_in));
    }

    fn woken(&mut self, io: &mut Io<'_>) {
        while let Ok(command) = self.commands.try_recv() {
            command(self, io);
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.timer.map(|(due, _)| due)
    }

    fn timeout(&mut self, io: &mut Io<'_>) {
        let (due, interval) = self.timer.expect("a timer was set");
        assert!(due <= io.now().instant);
        self.timer = Some((io.now().instant + interval, interval));
        self.ticks += 1;
    }

    fn end_of_turn(&mut self, io: &mut Io<'_>) {
        let due_later = |(due, _)| due > io.now().instant;
        assert!(self.timer.is_none_or(due_later), "a timer was due and not run in this turn");
        self.turns += 1;
        self.received_this_turn.clear();
        self.written_this_turn.clear();
    }
}

impl Echo {
    fn tell(&self, event: Event) {
        // A test that has seen enough is gone.
        let _ = self.events.send(event);
    }
}

/// A loop with an [`Echo`] in a thread.
pub(crate) struct Running {
    pub(crate) waker: Waker,
    pub(crate) address: SocketAddr,
    pub(crate) events: Receiver<Event>,
    commands: Sender<Command>,
    thread: Option<JoinHandle<Echo>>,
}

impl Running {
    pub(crate) fn start() -> Self {
        Self::with_settings(Settings::default())
    }

    pub(crate) fn with_settings(settings: Settings) -> Self {
        let mut event_loop = EventLoop::with_settings(settings).unwrap();
        let address = event_loop.io().listen(&"127.0.0.1:0".parse().unwrap()).unwrap().address;
        let waker = event_loop.waker();
        let (commands, for_application) = mpsc::channel();
        let (sender, events) = mpsc::channel();
        let echo = Echo::new(sender, for_application);
        let thread = thread::spawn(move || event_loop.run(echo).unwrap());
        Self { waker, address, events, commands, thread: Some(thread) }
    }

    /// Runs `command` in the loop's thread and waits for its result.
    pub(crate) fn call<R: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Echo, &mut Io<'_>) -> R + Send + 'static,
    ) -> R {
        let (sender, result) = mpsc::channel();
        let command = move |echo: &mut Echo, io: &mut Io<'_>| sender.send(command(echo, io)).unwrap();
        self.commands.send(Box::new(command)).unwrap();
        self.waker.wake();
        result.recv_timeout(PATIENCE).expect("the loop comes to the command")
    }

    pub(crate) fn client(&self) -> TcpStream {
        client(self.address)
    }

    /// Connects, and waits for the loop to know it.
    pub(crate) fn opened_client(&self) -> (TcpStream, Token) {
        let client = self.client();
        let token = self.opened().0;
        (client, token)
    }

    pub(crate) fn event(&self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("an event comes")
    }

    pub(crate) fn opened(&self) -> (Token, Via) {
        loop {
            if let Event::Opened(token, via) = self.event() {
                return (token, via);
            }
        }
    }

    pub(crate) fn closed(&self) -> (Token, Closed) {
        loop {
            if let Event::Closed(token, reason) = self.event() {
                return (token, reason);
            }
        }
    }

    pub(crate) fn link_failed(&self) -> (LinkId, LinkError, Option<Duration>) {
        loop {
            if let Event::LinkFailed(link, error, retry_in) = self.event() {
                return (link, error, retry_in);
            }
        }
    }

    /// What is received on `token` until there are `length` bytes of it.
    pub(crate) fn received(&self, token: Token, length: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < length {
            if let Event::Received(from, bytes) = self.event()
                && from == token
            {
                all.extend(bytes);
            }
        }
        all
    }

    /// How many turns the loop takes in 300 ms.
    pub(crate) fn turns_in_a_while(&self) -> u64 {
        let before = self.call(|echo, _| echo.turns);
        thread::sleep(Duration::from_millis(300));
        self.call(|echo, _| echo.turns) - before
    }

    /// Asserts that the loop waits while nothing happens.
    pub(crate) fn assert_idle(&self) {
        let turns = self.turns_in_a_while();
        assert!(turns < 20, "{turns} turns without anything to do");
    }

    pub(crate) fn send(&self, token: Token, bytes: Vec<u8>) {
        self.call(move |echo, io| {
            echo.outputs.get_mut(&token).expect("the connection is open").extend(bytes);
            io.write(token);
        });
    }

    /// Ends the loop in order and waits for that.
    pub(crate) fn stop(mut self) -> Echo {
        let thread = self.thread.take().expect("it is taken only here and in drop");
        self.call(|_, io| io.stop());
        thread.join().expect("the loop does not panic")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where the test has failed already, the loop may be in no state to end.
        if let Some(thread) = self.thread.take()
            && !thread::panicking()
        {
            let _ = self.commands.send(Box::new(|_, io| io.stop_now()));
            self.waker.wake();
            assert!(thread.join().is_ok(), "the loop panicked");
        }
    }
}

impl Echo {
    pub(crate) fn new(events: Sender<Event>, commands: Receiver<Command>) -> Self {
        Self {
            events,
            commands,
            outputs: HashMap::new(),
            sink: None,
            sinks: Vec::new(),
            keep_open_after_input: false,
            fragile: false,
            received_this_turn: Vec::new(),
            written_this_turn: Vec::new(),
            turns: 0,
            sunk: 0,
            partial_writes: 0,
            timer: None,
            ticks: 0,
        }
    }

    /// An application for a loop in the test's own thread.
    pub(crate) fn alone() -> (Self, Receiver<Event>) {
        let (sender, events) = mpsc::channel();
        (Self::new(sender, mpsc::channel().1), events)
    }
}

/// Waits for what other threads bring about.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn client(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.set_write_timeout(Some(PATIENCE)).unwrap();
    client.set_nodelay(true).unwrap();
    client
}

/// Bytes of which each part differs from the others.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32).map(|position| (position.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Sends `bytes` from another thread, so that they can be read back here meanwhile.
pub(crate) fn send_meanwhile(stream: &TcpStream, bytes: Vec<u8>) -> JoinHandle<TcpStream> {
    let mut stream = stream.try_clone().unwrap();
    thread::spawn(move || {
        stream.write_all(&bytes).unwrap();
        stream
    })
}

/// Runs `body` in a process of its own with another limit of open files (`ulimit -n`); `name` is the test's.
#[cfg(unix)]
pub(crate) fn with_descriptors(limit: &str, name: &str, body: impl FnOnce()) {
    const MARK: &str = "DICTWIRE_TEST_WITH_DESCRIPTORS";
    if std::env::var_os(MARK).is_some() {
        return body();
    }
    let script = format!("ulimit -n {limit} && exec \"$0\" --exact \"$1\" --nocapture");
    let status = std::process::Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env(MARK, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{name} failed with {limit} descriptors");
}
