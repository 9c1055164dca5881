//! The hub itself: what it is given and what it gives back.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use dict_protocol::connection::{ConnectionError, Phase};
use dict_protocol::decoder::Decoder;
use dict_protocol::frame::{FrameError, Kind};
use dict_protocol::limits::Limits;
use dict_protocol::name;
use dict_protocol::packet::{Error, ErrorCode, Hello, Packet, Ping, Pong, VERSION, Welcome};
use dict_protocol::time::{Instant, Now};

use crate::access::{Access, Right, Standing};
use crate::exchange::Exchange;
use crate::journal::{Event, Journal};
use crate::loggers::Loggers;
use crate::peers::{Clock, ConnectionId, Due, NEVER, PeerIndex, Peers, Proof};
use crate::sources::{SourceId, Sources};
use crate::words::tame;

/// Who a hub is and what it takes.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name; `$hub/` and it is the name of its own source.
    pub name: String,
    /// When it was started, microseconds since 1970: the epoch of its own source. Must rise from run to run.
    pub run: u64,
    /// Which program it is part of, and its version.
    pub product: String,
    /// What it takes at most.
    pub limits: Limits,
}

/// Something that whoever runs the hub should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A client was accepted.
    Opened {
        /// Its name on this hub.
        client: Box<str>,
        /// Where it comes from.
        address: Box<str>,
    },
    /// A connection ended.
    Closed {
        /// Its name on this hub; empty where it never greeted.
        client: Box<str>,
        /// Where it came from.
        address: Box<str>,
        /// Why.
        reason: String,
        /// It broke a rule, a limit or was silent: not an orderly end.
        failed: bool,
    },
    /// Something that nobody is to blame for alone but somebody must look at, such as two clients with one epoch.
    Alarm(String),
}

/// What is to happen at a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A connection may have been silent for too long.
    Silence(ConnectionId),
    /// A request may have been waited for long enough.
    Request(u32),
    /// A watcher's interval is over.
    Interval(ConnectionId, SourceId),
    /// A source's writer may not be answering a Resume.
    Slice(SourceId),
}

/// No client is to make its hub send more often: the least that the limit `heartbeat` can be.
const LEAST_HEARTBEAT: Duration = Duration::from_millis(100);

/// So few timers are kept whatever they are about.
const TIMERS: usize = 1_024;

/// The hub: see the [crate's documentation](crate).
#[derive(Debug)]
pub struct Hub {
    pub(crate) config: Config,
    /// Who may do what; `None`: everybody everything.
    pub(crate) access: Option<Access>,
    pub(crate) peers: Peers,
    pub(crate) sources: Sources,
    pub(crate) exchange: Exchange,
    pub(crate) journal: Journal,
    timers: BinaryHeap<Reverse<(Instant, Timer)>>,
    /// With so many timers those of what is over are thrown away.
    timers_kept: usize,
    pub(crate) loggers: Loggers,
    /// Sources whose acknowledgement, or what their followers lack, is to be looked at when the turn ends.
    pub(crate) due: Vec<SourceId>,
    /// Subscribers that are to be sent what is due when the turn ends.
    pub(crate) feed: Vec<ConnectionId>,
    pub(crate) notices: VecDeque<Notice>,
    /// An update as it goes to all its subscribers; kept for its memory.
    pub(crate) frame: Vec<u8>,
    /// A patch or dictionary that is being put together; kept for its memory.
    pub(crate) body: Vec<u8>,
    /// The slots that an update changed; kept for its memory.
    pub(crate) changed: Vec<u32>,
    pub(crate) started: Now,
    /// The rule that it breaks, for a simulation to notice.
    #[cfg(feature = "properties")]
    pub(crate) broken: Option<crate::rules::Rule>,
}

impl Hub {
    /// A hub without connections.
    pub fn new(config: Config, now: Now) -> Self {
        let mut hub = Self {
            journal: Journal::new(config.limits.clone()),
            config,
            access: None,
            peers: Peers::default(),
            sources: Sources::default(),
            exchange: Exchange::default(),
            timers: BinaryHeap::new(),
            timers_kept: TIMERS,
            loggers: Loggers::default(),
            due: Vec::new(),
            feed: Vec::new(),
            notices: VecDeque::new(),
            frame: Vec::new(),
            body: Vec::new(),
            changed: Vec::new(),
            started: now,
            #[cfg(feature = "properties")]
            broken: None,
        };
        hub.open_journal();
        hub
    }

    /// Who it is and what it takes.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A client connected from `address`.
    pub fn open(&mut self, now: Now, address: &str) -> ConnectionId {
        let index = self.peers.open(now, address, &self.config.limits);
        let id = self.peers[index].id;
        match self.too_many(index) {
            Some(error) => self.fail(now, index, &error),
            None => self.watch_silence(index),
        }
        id
    }

    /// A part of the hub's own program connected, on a stream that nobody else can take: `identity` is what it acts as,
    /// without proof. [`LOCAL`](crate::access::LOCAL) may do everything; any other may do what the [rules](Hub::set_access)
    /// for it say, or everything as long as there are none for anybody.
    pub fn open_local(&mut self, now: Now, address: &str, identity: &str) -> ConnectionId {
        let id = self.open(now, address);
        if let Some(index) = self.peers.find(id) {
            self.peers[index].prove(Proof::Local(identity.into()));
        }
        id
    }

    /// A connection has shown a certificate that was verified, with these names in it. Says so before its greeting comes.
    pub fn certified(&mut self, id: ConnectionId, names: Vec<String>) {
        if let Some(index) = self.peers.find(id)
            && !names.is_empty()
        {
            self.peers[index].prove(Proof::Certificate(names));
        }
    }

    /// Why a connection that was just opened cannot be, if so.
    fn too_many(&self, index: PeerIndex) -> Option<ConnectionError> {
        let Limits { connections, address_connections, .. } = self.config.limits;
        let from_there = self.peers.count_like(index);
        let (name, what, value, limit) = if self.peers.len() > connections {
            ("connections", "number of connections", self.peers.len(), connections)
        } else if from_there > address_connections {
            ("address_connections", "number of connections from one address", from_there, address_connections)
        } else {
            return None;
        };
        Some(ConnectionError::Limit { name, what, value: value as u64, limit: limit as u64 })
    }

    /// Bytes came from a connection.
    pub fn receive(&mut self, now: Now, id: ConnectionId, mut bytes: &[u8]) {
        let Some(index) = self.peers.find(id) else { return };
        let mut decoder = std::mem::take(&mut self.peers[index].decoder);
        let result = loop {
            if self.peers[index].connection.phase() == Phase::Ended {
                break Ok(());
            }
            let offset = decoder.offset();
            match decoder.decode(&mut bytes) {
                Ok(None) => break Ok(()),
                Err(FrameError::Length { length, limit }) if !self.peers[index].is_open() => {
                    let (name, what) = ("greeting_body", "size in bytes of a greeting");
                    break Err(ConnectionError::Limit {
                        name,
                        what,
                        value: length.into(),
                        limit: limit.into(),
                    });
                }
                Err(error) => break Err(ConnectionError::Frame { offset, error }),
                Ok(Some(frame)) => {
                    if let Err(error) = Packet::parse(&frame)
                        .map_err(Into::into)
                        .and_then(|packet| self.packet(now, index, &packet))
                    {
                        break Err(error);
                    }
                }
            }
            if decoder.limit() == self.config.limits.greeting_body {
                self.greeted(index, &mut decoder);
            }
        };
        match result {
            Ok(()) => self.peers[index].decoder = decoder,
            Err(error) => self.fail(now, index, &error),
        }
        self.settle(now);
    }

    /// After the greeting, frames may be larger.
    fn greeted(&self, index: PeerIndex, decoder: &mut Decoder) {
        if self.peers[index].is_open() {
            decoder.set_limit(self.config.limits.body);
        }
    }

    /// A connection is gone, or will not be read any more. It is not known from now on.
    pub fn closed(&mut self, now: Now, id: ConnectionId, reason: &str) {
        let Some(index) = self.peers.find(id) else { return };
        self.detach(now, index, reason, false);
        self.peers.remove(index);
        self.settle(now);
    }

    /// A deadline of [`Hub::poll_timeout`] has passed (or not yet: that does nothing).
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(&Reverse((at, timer))) = self.timers.peek() {
            if at > now.instant {
                break;
            }
            self.timers.pop();
            match timer {
                Timer::Silence(id) => self.check_silence(now, at, id),
                Timer::Request(id) => self.check_request(now, id),
                Timer::Interval(id, source) => self.interval_over(id, source),
                Timer::Slice(id) => self.check_slice(now, id),
            }
        }
        self.settle(now);
    }

    /// When [`Hub::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    /// Call it when all that came in this turn was given: sends acknowledgements, and to subscribers with room what is
    /// due. Until then they are gathered, so that a busy turn costs one of each.
    pub fn end_turn(&mut self, now: Now) {
        self.settle(now);
        while let Some(id) = self.due.pop() {
            self.look_after(now, id);
        }
        self.settle(now);
        while let Some(id) = self.feed.pop() {
            if let Some(index) = self.peers.find(id) {
                self.feed(now, index);
            }
        }
    }

    /// The next connection that has something to write or is to be closed: see [`Hub::output`], [`Hub::is_ended`].
    pub fn poll_ready(&mut self) -> Option<ConnectionId> {
        self.peers.next_ready()
    }

    /// What is to be written to a connection.
    pub fn output(&self, id: ConnectionId) -> &[u8] {
        self.peers.find(id).map_or(&[], |index| self.peers[index].connection.output.pending())
    }

    /// The first `count` bytes of [`Hub::output`] were written.
    pub fn wrote(&mut self, id: ConnectionId, count: usize) {
        let Some(index) = self.peers.find(id) else { return };
        let limits = &self.config.limits;
        let peer = &mut self.peers[index];
        peer.connection.output.wrote(count);
        if peer.owed() > 0 && peer.connection.output.len() < limits.latest_output / 2 {
            self.feed.push(id);
        }
        if peer.waits_for_room && peer.has_room(limits.slice as usize, limits) {
            peer.waits_for_room = false;
            for place in 0..peer.dealings().watches.len() {
                self.mark_due(self.peers[index].dealings().watches[place]);
            }
        }
        self.peers[index].rest();
    }

    /// Whether [`Hub::end_turn`] has work although nothing came in: after [`Hub::wrote`].
    pub fn wants_turn(&self) -> bool {
        !self.due.is_empty() || !self.feed.is_empty()
    }

    /// Whether a connection is over: to be closed when its output is written.
    pub fn is_ended(&self, id: ConnectionId) -> bool {
        self.peers.find(id).is_none_or(|index| self.peers[index].connection.phase() == Phase::Ended)
    }

    /// Whether a connection follows sources as a logger: what it still says are acknowledgements.
    pub fn is_logger(&self, id: ConnectionId) -> bool {
        self.peers.find(id).is_some_and(|index| self.peers[index].is_logger())
    }

    /// The next notice for whoever runs the hub.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.peers.len()
    }

    /// Whether each logger that is connected was sent something of every source that has any update, so that what it holds
    /// shows whether more was to come.
    pub fn is_told(&self) -> bool {
        self.sources.iter().all(|source| {
            let shows = |position| position > 0 || source.newest == 0;
            source.followers.iter().all(|follower| follower.position.is_some_and(shows))
        })
    }

    /// Ends the hub's own source, so that a logger knows that nothing of this run is missing: once [`Hub::is_told`].
    /// Connections stay, so that loggers can take it and acknowledge; then call [`Hub::bye`].
    pub fn end_journal(&mut self, now: Now) {
        self.settle(now);
        self.journal.end(now.time);
        self.settle(now);
    }

    /// Whether every logger that is connected has all of the hub's own source on disk.
    pub fn is_journal_logged(&self) -> bool {
        let source = &self.sources[self.journal.source];
        source.followers.is_empty() || source.held_by_all() >= self.journal.sequence()
    }

    /// Ends every connection in order.
    pub fn bye(&mut self, now: Now, reason: &str) {
        let all: Vec<PeerIndex> = self.peers.iter().map(|(index, _)| index).collect();
        for index in all {
            self.peers[index].connection.bye(reason);
            self.detach(now, index, reason, false);
        }
    }

    /// One packet of a connection.
    fn packet(&mut self, now: Now, from: PeerIndex, packet: &Packet<'_>) -> Result<(), ConnectionError> {
        let connection = &mut self.peers[from].connection;
        connection.admit(now.instant, packet)?;
        let (queued, limit) = (connection.output.len(), self.config.limits.output);
        if queued > limit {
            let (name, what) = ("output", "number of bytes waiting to be read");
            return Err(ConnectionError::Limit { name, what, value: queued as u64, limit: limit as u64 });
        }
        match packet {
            Packet::Update(update) => return self.update(now, from, update),
            Packet::State(state) => return self.state(now, from, state),
            Packet::Ack(ack) => self.ack(from, *ack),
            Packet::Resume(resume) => self.resume(now, from, *resume),
            Packet::Ping(ping) => self.ping(now, from, *ping),
            Packet::Hello(hello) => return self.hello(now, from, hello),
            Packet::Announce(announce) => self.announce(now, from, announce),
            Packet::Subscribe(subscribe) => self.subscribe(now, from, subscribe),
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(now, from, unsubscribe.id),
            Packet::Message(message) => return self.message(now, from, message),
            Packet::Request(request) => return self.request(now, from, request),
            Packet::Reply(reply) => return self.reply(now, from, reply),
            Packet::Handle(handle) => self.handle(from, handle),
            Packet::Refuse(refuse) => self.message_refused(from, refuse),
            Packet::Bye(bye) => self.ended_by_peer(now, from, None, bye.reason),
            Packet::Error(error) if error.closing => {
                self.ended_by_peer(now, from, Some(error.code), error.text);
            }
            Packet::Error(error) if error.about == Kind::Announce as u8 => {
                self.given_up(now, from, error.reference, error.text);
            }
            // Connection::admit lets none of a hub's own packets through.
            _ => {}
        }
        Ok(())
    }

    fn hello(&mut self, now: Now, from: PeerIndex, hello: &Hello<'_>) -> Result<(), ConnectionError> {
        if !(hello.version_min..=hello.version_max).contains(&VERSION) {
            let (min, max) = (hello.version_min, hello.version_max);
            return Err(ConnectionError::Version { ours: VERSION, min, max });
        }
        let body = self.config.limits.body;
        if hello.max_body < body {
            let text = format!(
                "this hub sends frames of up to {body} bytes, and the client takes {} (limit body of both)",
                hello.max_body
            );
            return Err(ConnectionError::Rule(text));
        }
        let (product, limit) = (hello.product.len(), self.config.limits.name);
        if product > limit {
            let (value, limit) = (product as u64, limit as u64);
            let what = "size in bytes of a product's name";
            return Err(ConnectionError::Limit { name: "name", what, value, limit });
        }
        let wish = if hello.name.is_empty() { "client" } else { hello.name };
        name::validate(wish, self.config.limits.name)
            .map_err(|error| ConnectionError::Rule(format!("client name {wish:?}: {error}")))?;
        // Before it has a name: whoever is nobody here leaves no trace.
        let standing = self.standing_of(from, hello.credentials).map_err(ConnectionError::Credentials)?;
        let logger = self.loggers.presence(&standing);
        self.peers[from].standing = standing;
        self.peers[from].logger = logger;
        self.peers.greeted(from, wish, &tame(hello.product));
        let limits = &self.config.limits;
        let wish = Duration::from_millis(hello.heartbeat.into()).max(LEAST_HEARTBEAT);
        let heartbeat = if hello.heartbeat == 0 { limits.heartbeat } else { wish.min(limits.heartbeat) };
        let peer = &mut self.peers[from];
        peer.client_id = hello.client_id;
        peer.connection.open(heartbeat);
        let name = Box::<str>::from(peer.name());
        self.peers.send(
            from,
            &Packet::Welcome(Welcome {
                version: VERSION,
                run: self.config.run,
                client_time: hello.time,
                time: now.time,
                max_body: body,
                heartbeat: u32::try_from(heartbeat.as_millis()).unwrap_or(u32::MAX),
                logger,
                hub: &self.config.name,
                name: &name,
            }),
        );
        self.watch_silence(from);
        let identity = self.identity(from);
        let peer = &self.peers[from];
        let (client, address) = (Box::<str>::from(peer.name()), Box::<str>::from(peer.address()));
        let (identity, product) = (identity.as_deref(), peer.product());
        let opened = Event::Opened { client: &client, identity, address: &address, product };
        self.journal.event(now.time, opened);
        self.notices.push_back(Notice::Opened { client, address });
        Ok(())
    }

    /// As whom a connection acts that greets with these credentials.
    fn standing_of(&self, index: PeerIndex, credentials: &str) -> Result<Standing, String> {
        let (access, peer) = (self.access.as_ref(), &self.peers[index]);
        match peer.local() {
            Some(name) => Ok(Standing::of_local(access, name)),
            None => Standing::of_client(access, credentials, peer.certified()),
        }
    }

    /// What a connection that was accepted is called in the rules; `None` where there are none.
    pub(crate) fn identity(&self, index: PeerIndex) -> Option<Arc<str>> {
        self.access.as_ref()?;
        let peer = &self.peers[index];
        peer.standing.name().or(peer.local()).cloned()
    }

    fn ping(&mut self, now: Now, from: PeerIndex, ping: Ping) {
        let peer = &mut self.peers[from];
        peer.offset = ping.offset;
        peer.uncertainty = ping.uncertainty;
        if let Some(uncertainty) = ping.uncertainty {
            let clock = Clock { offset: ping.offset, uncertainty, at: now.instant };
            // The timeline needs no row for each heartbeat: only for what says something new, and that not all the time.
            if peer.clock.is_none_or(|told| clock.is_news_after(told)) {
                peer.clock = Some(clock);
                let event = Event::Clock { client: peer.name(), offset: ping.offset, uncertainty };
                self.journal.event(now.time, event);
            }
        }
        self.peers.send(from, &Packet::Pong(Pong { client_time: ping.time, time: now.time, id: ping.id }));
    }

    fn ended_by_peer(&mut self, now: Now, index: PeerIndex, code: Option<ErrorCode>, text: &str) {
        let error = ConnectionError::Ended { code, text: text.to_owned() };
        self.peers[index].connection.fail(&error);
        self.detach(now, index, &error.to_string(), code.is_some());
    }

    /// Ends a connection that broke a rule or a limit.
    pub(crate) fn fail(&mut self, now: Now, index: PeerIndex, error: &ConnectionError) {
        self.peers[index].connection.fail(error);
        self.detach(now, index, &error.to_string(), true);
    }

    /// Tells a connection that something it asked for was refused; the connection stays.
    pub(crate) fn refuse(&mut self, to: PeerIndex, code: ErrorCode, about: u8, reference: u64, text: &str) {
        self.peers.send(to, &Packet::Error(Error { code, about, reference, closing: false, text }));
    }

    /// Tells a connection that it has no right to something it asked for.
    pub(crate) fn forbid(&mut self, to: PeerIndex, right: Right, name: &str, about: u8, reference: u64) {
        let text = self.peers[to].standing.lacks(right, format_args!("{name:?}"));
        self.refuse(to, ErrorCode::Forbidden, about, reference, &text);
    }

    /// Takes a connection out of everything; what is queued for it may still be written.
    fn detach(&mut self, now: Now, index: PeerIndex, reason: &str, failed: bool) {
        let peer = &mut self.peers[index];
        if std::mem::replace(&mut peer.detached, true) {
            return;
        }
        // These may be the peer's words: all its sources share what is kept of them.
        let reason: Arc<str> = tame(reason).into();
        let (client, address) = (Box::<str>::from(peer.name()), Box::<str>::from(peer.address()));
        let was_logger = peer.is_logger();
        peer.subscriptions.clear();
        peer.due = None;
        let (writes, watches) = (peer.take_writes(), peer.take_watches());
        self.peers.touch(index);
        self.peers.forget_name(index);
        for source in writes {
            self.writer_gone(now, source, index, &reason);
        }
        for source in watches {
            self.unwatch(source, index);
        }
        self.leave_exchange(now, index);
        if was_logger {
            self.loggers_changed();
        }
        if !client.is_empty() {
            let identity = self.identity(index);
            let identity = identity.as_deref();
            let closed = Event::Closed { client: &client, identity, address: &address, reason: &reason };
            self.journal.event(now.time, closed);
        }
        self.notices.push_back(Notice::Closed { client, address, reason: (*reason).to_owned(), failed });
    }

    /// Sees to it that a timer runs out when silence has lasted too long, or before that.
    fn watch_silence(&mut self, index: PeerIndex) {
        let peer = &mut self.peers[index];
        let Some(deadline) = peer.connection.deadline() else { return };
        if peer.alarm > deadline {
            peer.alarm = deadline;
            let id = peer.id;
            self.set_timer(deadline, Timer::Silence(id));
        }
    }

    /// Sets a timer. Those of what is over by now are not taken back one by one, but thrown away together when there may
    /// be as many of them as of the others.
    pub(crate) fn set_timer(&mut self, at: Instant, timer: Timer) {
        if self.timers.len() >= self.timers_kept {
            let Self { timers, peers, sources, exchange, .. } = self;
            timers.retain(|&Reverse((at, timer))| match timer {
                Timer::Silence(id) => peers.find(id).is_some_and(|index| peers[index].alarm == at),
                Timer::Request(number) => exchange.is_due_at(number, at),
                Timer::Interval(id, source) => peers.find(id).is_some_and(|index| {
                    let watcher = sources.find(source).and_then(|source| source.watcher(index));
                    watcher.is_some_and(|watcher| watcher.queued && watcher.next == at)
                }),
                Timer::Slice(id) => sources.find(id).is_some_and(|source| source.resume.is_some()),
            });
            self.timers_kept = (2 * self.timers.len()).max(TIMERS);
        }
        self.timers.push(Reverse((at, timer)));
    }

    /// A connection's timer ran out; if there were signs of life meanwhile, it is set anew.
    fn check_silence(&mut self, now: Now, at: Instant, id: ConnectionId) {
        let Some(index) = self.peers.find(id) else { return };
        let peer = &mut self.peers[index];
        if peer.alarm != at || peer.connection.phase() == Phase::Ended {
            return;
        }
        peer.alarm = NEVER;
        peer.give_up_empty();
        match peer.connection.check(now.instant) {
            Ok(()) => self.watch_silence(index),
            Err(error) => self.fail(now, index, &error),
        }
    }

    /// Notes that a subscriber is to be sent something when it has room.
    pub(crate) fn owe(&mut self, index: PeerIndex, due: Due) {
        let peer = &mut self.peers[index];
        peer.owe(due);
        if peer.owed() == 1 {
            self.feed.push(peer.id);
        }
    }

    /// Notes that a source is to be looked at when the turn ends.
    pub(crate) fn mark_due(&mut self, id: SourceId) {
        if let Some(source) = self.sources.find(id)
            && !std::mem::replace(&mut source.due, true)
        {
            self.due.push(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dict_protocol::frame::Encoding;
    use dict_protocol::packet::{Payload, Request, RequestFields};

    #[test]
    fn timers_of_what_is_over_do_not_pile_up() {
        let now = Now::default();
        let config = Config { name: "lab".into(), run: 1, product: String::new(), limits: Limits::default() };
        let mut hub = Hub::new(config, now);
        let client = hub.open(now, "192.0.2.1:1000");
        let mut bytes = Vec::new();
        Packet::Hello(Hello {
            version_min: VERSION,
            version_max: VERSION,
            client_id: [1; 16],
            time: now.time,
            max_body: u32::MAX,
            heartbeat: 0,
            name: "asker",
            product: "",
            credentials: "",
        })
        .encode(&mut bytes);
        hub.receive(now, client, &bytes);
        for id in 0..10 * TIMERS as u32 {
            bytes.clear();
            let payload = Payload { encoding: Encoding::Text, bytes: b"" };
            let fields = RequestFields { id, deadline: u32::MAX, action: "$nothing", to: "", from: "" };
            Packet::Request(Request { fields, payload }).encode(&mut bytes);
            hub.receive(now, client, &bytes);
            hub.wrote(client, hub.output(client).len());
        }
        assert!(!hub.is_ended(client));
        assert!(hub.timers.len() <= TIMERS);
    }
}
