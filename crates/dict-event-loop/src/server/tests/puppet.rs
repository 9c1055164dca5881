//! A party that does what the test says and tells what happens to it, on a server in a thread of its own.

use std::collections::{HashMap, VecDeque};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use dict_protocol::time::{Instant, Now};

use crate::server::access::LOCAL;
use crate::server::{Manner, Origin, Party, Server, ServerError, ServerHandle, Settings, StreamId, Wish};
use crate::tests::harness::PATIENCE;
use crate::{Address, Close, Waker};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    Opened(StreamId, Origin, String),
    Received(StreamId, Vec<u8>),
    InputEnded(StreamId),
    Acknowledged(StreamId),
    Closed(StreamId),
    LinkFailed(u32, String),
    Finishing,
}

type Command = Box<dyn FnOnce(&mut Puppet) + Send>;

pub(super) struct Puppet {
    events: Sender<Event>,
    commands: Receiver<Command>,
    pub(super) wishes: VecDeque<Wish>,
    outputs: HashMap<StreamId, Vec<u8>>,
    endings: HashMap<StreamId, Close>,
    ready: VecDeque<StreamId>,
    pub(super) manner: Manner,
    /// What it says when a socket's input ends.
    pub(super) after_input: Option<Close>,
    /// Ends each stream as soon as it has it, and wishes for this in its place.
    pub(super) fickle: Option<Wish>,
    /// What it owes when the server is being stopped: until this is taken it is not finished.
    pub(super) owes: bool,
    pub(super) takes_input: bool,
}

impl Puppet {
    pub(super) fn send(&mut self, stream: StreamId, bytes: &[u8]) {
        self.outputs.entry(stream).or_default().extend_from_slice(bytes);
        self.ready.push_back(stream);
    }

    pub(super) fn end(&mut self, stream: StreamId, how: Close) {
        self.endings.insert(stream, how);
        self.ready.push_back(stream);
    }

    fn tell(&self, event: Event) {
        // A test that has seen enough is gone.
        let _ = self.events.send(event);
    }
}

impl Party for Puppet {
    fn poll_wish(&mut self) -> Option<Wish> {
        self.wishes.pop_front()
    }

    fn opened(&mut self, _: Now, stream: StreamId, origin: Origin, peer: &str) {
        self.tell(Event::Opened(stream, origin, peer.to_owned()));
        if self.fickle.is_some() {
            self.end(stream, Close::Drain);
        }
    }

    fn manner(&self, _: StreamId) -> Manner {
        self.manner
    }

    fn received(&mut self, _: Now, stream: StreamId, bytes: &[u8]) {
        assert!(self.takes_input);
        self.tell(Event::Received(stream, bytes.to_vec()));
    }

    fn input_ended(&mut self, _: Now, stream: StreamId) -> Option<Close> {
        self.tell(Event::InputEnded(stream));
        self.after_input
    }

    fn output(&mut self, stream: StreamId) -> &[u8] {
        self.outputs.get(&stream).map_or(&[], Vec::as_slice)
    }

    fn written(&mut self, _: Now, stream: StreamId, count: usize) {
        self.outputs.get_mut(&stream).expect("there was output").drain(..count);
    }

    fn acknowledged(&mut self, _: Now, stream: StreamId) {
        self.tell(Event::Acknowledged(stream));
    }

    fn closed(&mut self, _: Now, stream: StreamId, _: &str) {
        self.tell(Event::Closed(stream));
        self.wishes.extend(self.fickle.clone());
    }

    fn ending(&self, stream: StreamId) -> Option<Close> {
        self.endings.get(&stream).copied()
    }

    fn is_established(&self, _: StreamId) -> bool {
        false
    }

    fn link_failed(&mut self, _: Now, place: u32, error: &str) {
        self.tell(Event::LinkFailed(place, error.to_owned()));
    }

    fn takes_input(&self) -> bool {
        self.takes_input
    }

    fn woken(&mut self, _: Now) {
        while let Ok(command) = self.commands.try_recv() {
            command(self);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: Now) {}

    fn end_turn(&mut self, _: Now) {}

    fn poll_ready(&mut self) -> Option<StreamId> {
        self.ready.pop_front()
    }

    fn is_finished(&mut self, _: Now) -> bool {
        self.tell(Event::Finishing);
        !self.owes
    }

    fn failure(&mut self) -> Option<String> {
        None
    }
}

/// The test's end of a [`Puppet`].
pub(super) struct Strings {
    commands: Sender<Command>,
    pub(super) events: Receiver<Event>,
    waker: Waker,
}

impl Strings {
    /// Runs `command` in the server's thread and waits for that.
    pub(super) fn pull(&self, command: impl FnOnce(&mut Puppet) + Send + 'static) {
        let (sender, done) = mpsc::channel();
        let command = move |puppet: &mut Puppet| {
            command(puppet);
            sender.send(()).unwrap();
        };
        self.commands.send(Box::new(command)).unwrap();
        self.waker.wake();
        done.recv_timeout(PATIENCE).expect("the server comes to the command");
    }

    pub(super) fn wish(&self, wish: Wish) {
        self.pull(|puppet| puppet.wishes.push_back(wish));
    }

    pub(super) fn event(&self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("an event comes")
    }

    pub(super) fn opened(&self) -> (StreamId, Origin, String) {
        match self.event() {
            Event::Opened(stream, origin, peer) => (stream, origin, peer),
            unexpected => panic!("{unexpected:?}"),
        }
    }
}

/// Adds a puppet to a server, with listeners on the addresses of `listen`.
pub(super) fn add_puppet(
    server: &mut Server,
    listen: &[Address],
) -> Result<(Strings, Vec<SocketAddr>), ServerError> {
    let (sender, events) = mpsc::channel();
    let (commands, for_puppet) = mpsc::channel();
    let puppet = Puppet {
        events: sender,
        commands: for_puppet,
        wishes: VecDeque::new(),
        outputs: HashMap::new(),
        endings: HashMap::new(),
        ready: VecDeque::new(),
        manner: Manner::Usual,
        after_input: Some(Close::Drain),
        fickle: None,
        owes: false,
        takes_input: true,
    };
    let addresses = server.add_party(Box::new(puppet), listen)?;
    Ok((Strings { commands, events, waker: server.waker() }, addresses))
}

/// A server that runs.
pub(super) struct Running {
    pub(super) handle: ServerHandle,
    thread: JoinHandle<Result<(), ServerError>>,
}

impl Running {
    pub(super) fn start(server: Server) -> Self {
        let handle = server.handle();
        Self { handle, thread: std::thread::spawn(move || server.run()) }
    }

    pub(super) fn stop(self) {
        self.handle.stop();
        self.thread.join().unwrap().unwrap();
    }
}

/// A running server without listeners, and a puppet on it.
pub(super) fn alone() -> (Running, Strings) {
    let (running, strings, _) = listening(0);
    (running, strings)
}

/// A running server, and a puppet with so many listeners.
pub(super) fn listening(count: usize) -> (Running, Strings, Vec<SocketAddr>) {
    let mut server = Server::new(Settings::default()).unwrap();
    let anywhere: Address = "127.0.0.1:0".parse().unwrap();
    let (strings, addresses) = add_puppet(&mut server, &vec![anywhere; count]).unwrap();
    (Running::start(server), strings, addresses)
}

pub(super) fn join(place: u32, address: &str, after: Duration) -> Wish {
    Wish::Join { place, address: address.to_owned(), identity: LOCAL.to_owned(), after }
}

pub(super) fn client(address: SocketAddr) -> TcpStream {
    crate::tests::harness::client(address)
}
