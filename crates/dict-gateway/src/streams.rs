//! What a dialogue has under it: the sockets of its peers, and its seats at the hub.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use dict_event_loop::server::{Origin, StreamId, Wish};
use dict_event_loop::{Address, Close, Retry, random_id};
use dict_protocol::connection::ConnectionError;
use dict_protocol::limits::Limits;
use dict_protocol::mirror::{Mirror, MirrorError};
use dict_protocol::packet::{ErrorCode, Mode};
use dict_protocol::pattern::Pattern;
use dict_protocol::session::{Event, Session, Settings, SubscriptionId};
use dict_protocol::time::{Instant, Now};

use crate::peers::host_of;
use crate::told::{Letter, Told};

/// A seat at the hub: a native client on a local stream. Never given twice by one gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SeatId(u32);

/// All streams of one gateway.
pub(crate) struct Streams {
    hub: String,
    /// As whom its seats act.
    identity: String,
    limits: Limits,
    seats: HashMap<SeatId, Seat>,
    /// Seats by their streams.
    seated: HashMap<StreamId, SeatId>,
    sockets: HashMap<StreamId, Socket>,
    wishes: VecDeque<Wish>,
    ready: VecDeque<StreamId>,
    told: VecDeque<(SeatId, Told)>,
    last_seat: u32,
    /// The server is being stopped: that connections end is as it should be.
    stopping: bool,
}

struct Seat {
    session: Session,
    /// The dictionaries that it watches.
    mirror: Mirror,
    /// What it wishes to watch.
    watches: Vec<Watch>,
    /// What was refused on this connection for want of a right, besides watching.
    refusals: u64,
    stream: Option<StreamId>,
    address: String,
    /// How often it was lost since the hub last accepted it.
    losses: u32,
    leaving: bool,
}

/// Sources that a seat wishes to watch.
struct Watch {
    pattern: Pattern,
    /// `None` while the hub refuses it.
    subscription: Option<SubscriptionId>,
}

/// A peer's socket.
struct Socket {
    peer: String,
    /// The host of `peer`.
    host: String,
    output: Vec<u8>,
    ending: Option<Close>,
    established: bool,
}

impl Streams {
    /// Between the end of a seat's connection and the next, at first; each further one is twice as long.
    const REJOIN: Duration = Duration::from_millis(100);
    /// At most.
    const REJOIN_MOST: Duration = Duration::from_secs(5);

    /// Those of a gateway to the hub of that name, which has these limits; they act as `identity`.
    pub(crate) fn new(hub: &str, limits: &Limits, identity: &str) -> Self {
        // A lab program writes a few hundred updates a second: what it is given here lasts for minutes without a logger.
        let (spool, spool_updates) = (limits.spool.min(16 << 20), limits.spool_updates.min(200_000));
        let limits = Limits { spool, spool_updates, ..limits.clone() };
        Self {
            hub: hub.to_owned(),
            identity: identity.to_owned(),
            limits,
            seats: HashMap::new(),
            seated: HashMap::new(),
            sockets: HashMap::new(),
            wishes: VecDeque::new(),
            ready: VecDeque::new(),
            told: VecDeque::new(),
            last_seat: 0,
            stopping: false,
        }
    }

    /// The limits that hold for peers and seats.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The server is being stopped.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
    }

    /// Whether it is.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Wishes for connections to a peer.
    pub(crate) fn reach(&mut self, place: u32, address: Address, retry: Retry) {
        self.wishes.push_back(Wish::Reach { place, address, retry, tls: None });
    }

    pub(crate) fn poll_wish(&mut self) -> Option<Wish> {
        self.wishes.pop_front()
    }

    pub(crate) fn poll_ready(&mut self) -> Option<StreamId> {
        self.ready.pop_front()
    }

    pub(crate) fn poll_told(&mut self) -> Option<(SeatId, Told)> {
        self.told.pop_front()
    }
}

/// Seats.
impl Streams {
    /// Takes a seat as a client that wishes to be called `name` and comes from `address`.
    pub(crate) fn take_seat(&mut self, name: &str, address: &str) -> SeatId {
        self.last_seat += 1;
        let id = SeatId(self.last_seat);
        let settings = Settings {
            name: name.to_owned(),
            product: concat!("gateway ", env!("CARGO_PKG_VERSION")).to_owned(),
            credentials: String::new(),
            client_id: random_id(),
            limits: self.limits.clone(),
        };
        let seat = Seat {
            session: Session::new(settings),
            mirror: Mirror::new(&self.limits),
            watches: Vec::new(),
            refusals: 0,
            stream: None,
            address: address.to_owned(),
            losses: 0,
            leaving: false,
        };
        self.wish_to_join(id, address, Duration::ZERO);
        self.seats.insert(id, seat);
        id
    }

    /// Has a seat watch sources, for as long as it is there. What the hub refuses for want of a right is asked for again on
    /// each new connection: there is one whenever the rights change.
    pub(crate) fn watch(&mut self, id: SeatId, pattern: Pattern) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        seat.watches.push(Watch { pattern, subscription: None });
        seat.ask_for_watches();
    }

    /// Gives a seat up, in order. Nothing that it is told afterwards matters.
    pub(crate) fn leave_seat(&mut self, id: SeatId, reason: &str) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        seat.leaving = true;
        match seat.stream {
            Some(stream) => {
                seat.session.bye(reason, &mut |_| ());
                self.ready.push_back(stream);
            }
            None => drop(self.seats.remove(&id)),
        }
    }

    /// Whether a seat is given up or never was.
    pub(crate) fn is_gone(&self, id: SeatId) -> bool {
        self.seats.get(&id).is_none_or(|seat| seat.leaving)
    }

    /// Whether the hub has accepted a seat, on a stream that stands.
    pub(crate) fn is_seated(&self, id: SeatId) -> bool {
        self.seats.get(&id).is_some_and(|seat| seat.session.is_open())
    }

    /// What a seat watches, as it is now.
    pub(crate) fn mirror(&self, id: SeatId) -> Option<&Mirror> {
        self.seats.get(&id).map(|seat| &seat.mirror)
    }

    /// Does something with a seat's session; it is told of what follows by [`Told`]. `None` if there is no such seat.
    pub(crate) fn with_seat<R>(
        &mut self,
        id: SeatId,
        call: impl FnOnce(&mut Session, &mut dyn FnMut(Event<'_>)) -> R,
    ) -> Option<R> {
        let Self { hub, seats, told, limits, ready, .. } = self;
        let Seat { session, mirror, watches, refusals, stream, losses, leaving, .. } = seats.get_mut(&id)?;
        let mut failure = None;
        let result = call(session, &mut |event| {
            if *leaving {
                return;
            }
            if matches!(event, Event::Connected(_)) {
                *losses = 0;
            }
            let is_complete = completes(watches, &event);
            if let Some(text) = refused(watches, refusals, &event) {
                tracing::warn!(%hub, "the hub refuses a gateway: {text}");
            }
            match mirrored(mirror, &event, is_complete) {
                // It says that there is something to look at: once is enough.
                Ok(true) if matches!(told.back(), Some((seat, Told::Watched)) if *seat == id) => {}
                Ok(true) => told.push_back((id, Told::Watched)),
                Ok(false) => told.extend(Told::from_event(&event, limits.depth).map(|event| (id, event))),
                Err(error) => failure = Some(error),
            }
        });
        if let Some(error) = failure {
            // It is our own hub: this is a defect, and a new connection the best that is left.
            tracing::error!(%error, "a gateway cannot read what its hub says");
            session.fail(&ConnectionError::Rule(error.to_string()), &mut |_| ());
        }
        if let Some(stream) = *stream
            && (!session.output().is_empty() || session.should_close())
        {
            ready.push_back(stream);
        }
        Some(result)
    }

    /// Tells the sender of a message that its receiver, a seat, cannot take it. What was for everybody is let pass.
    pub(crate) fn refuse(&mut self, id: SeatId, letter: &Letter, reason: &str) {
        if !letter.addressed {
            return;
        }
        let refused = self.with_seat(id, |session, _| session.refuse(letter.id, &letter.from, reason));
        if let Some(Err(error)) = refused {
            tracing::warn!(
                to = letter.from,
                reason,
                "a sender cannot be told that its message is refused: {error}"
            );
        }
    }

    fn wish_to_join(&mut self, id: SeatId, address: &str, after: Duration) {
        let (address, identity) = (address.to_owned(), self.identity.clone());
        self.wishes.push_back(Wish::Join { place: id.0, address, identity, after });
    }

    /// When a session has something to do next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.seats.values().filter_map(|seat| seat.session.poll_timeout()).min()
    }

    /// Does what sessions have to do.
    pub(crate) fn handle_timeout(&mut self, now: Now) {
        let is_due = |seat: &Seat| seat.session.poll_timeout().is_some_and(|at| at <= now.instant);
        let due: Vec<_> = self.seats.iter().filter(|(_, seat)| is_due(seat)).map(|(&id, _)| id).collect();
        for id in due {
            self.with_seat(id, |session, events| session.handle_timeout(now, events));
        }
    }
}

impl Seat {
    /// Asks for what it wishes to watch and has no subscription for.
    fn ask_for_watches(&mut self) {
        for Watch { pattern, subscription } in &mut self.watches {
            if subscription.is_none() {
                let asked = self.session.subscribe(pattern.clone(), Mode::Latest, Duration::ZERO);
                *subscription = Some(asked.expect("a seat watches a thing or two, as long as names may be"));
            }
        }
    }
}

/// Whether all that a seat watches was told, or nothing will be.
fn completes(watches: &[Watch], event: &Event<'_>) -> bool {
    let (Event::Current(ended) | Event::SubscriptionRefused { subscription: ended, .. }) = event else {
        return false;
    };
    watches.iter().any(|watch| watch.subscription == Some(*ended))
}

/// What the hub refuses a seat for want of a right, in its words, if that is to be told: a program that does not know of
/// it goes on trying, so the first refusal of a connection is.
fn refused<'a>(watches: &mut [Watch], refusals: &mut u64, event: &Event<'a>) -> Option<&'a str> {
    match event {
        Event::SubscriptionRefused { subscription, text, .. } => {
            // Else it is the one to messages.
            if let Some(watch) = watches.iter_mut().find(|watch| watch.subscription == Some(*subscription)) {
                watch.subscription = None;
            }
            Some(text)
        }
        Event::Notice(error) if error.code == ErrorCode::Forbidden => {
            *refusals += 1;
            (*refusals == 1).then_some(error.text)
        }
        Event::Connected(_) => {
            *refusals = 0;
            None
        }
        _ => None,
    }
}

/// Takes in what is watched; whether a dictionary is another one since, or gone.
fn mirrored(mirror: &mut Mirror, event: &Event<'_>, is_complete: bool) -> Result<bool, MirrorError> {
    match event {
        // What was watched on an earlier connection and is not there is not for this seat any more.
        _ if is_complete => {
            let before = mirror.iter().len();
            mirror.retain(|known| known.id().is_some());
            Ok(mirror.iter().len() < before)
        }
        Event::Source(source) => {
            mirror.source(source)?;
            if source.is_forgotten() {
                mirror.retain(|known| known.name() != source.name);
            }
            Ok(source.is_forgotten())
        }
        Event::State(state) => mirror.state(state).map(|seen| seen.is_some()),
        Event::Update(update) => mirror.update(update).map(|seen| seen.is_some()),
        Event::Disconnected { .. } => {
            mirror.disconnected("the gateway has no connection to its hub");
            Ok(false)
        }
        _ => Ok(false),
    }
}

/// Sockets.
impl Streams {
    /// How many there are.
    pub(crate) fn sockets(&self) -> usize {
        self.sockets.len()
    }

    /// How many there are from where this one comes.
    pub(crate) fn sockets_like(&self, socket: StreamId) -> usize {
        let Some(Socket { host, .. }) = self.sockets.get(&socket) else { return 0 };
        self.sockets.values().filter(|other| other.host == *host).count()
    }

    /// Who is at the other end, for people.
    pub(crate) fn peer(&self, socket: StreamId) -> &str {
        self.sockets.get(&socket).map_or("?", |socket| &socket.peer)
    }

    /// Has something written: what `write` appends to the socket's output. `None` if the socket is gone.
    pub(crate) fn write<R>(&mut self, socket: StreamId, write: impl FnOnce(&mut Vec<u8>) -> R) -> Option<R> {
        let output = &mut self.sockets.get_mut(&socket)?.output;
        let result = write(output);
        if !output.is_empty() {
            self.ready.push_back(socket);
        }
        Some(result)
    }

    /// Bytes that wait to be written.
    pub(crate) fn queued(&self, socket: StreamId) -> usize {
        self.sockets.get(&socket).map_or(0, |socket| socket.output.len())
    }

    /// Closes a socket when its output is written, or as `how` says.
    pub(crate) fn close(&mut self, socket: StreamId, how: Close) {
        if let Some(state) = self.sockets.get_mut(&socket) {
            state.ending = Some(how);
            self.ready.push_back(socket);
        }
    }

    /// The peer has proved that it is one: a link to it starts again from its shortest delay.
    pub(crate) fn establish(&mut self, socket: StreamId) {
        if let Some(state) = self.sockets.get_mut(&socket)
            && !std::mem::replace(&mut state.established, true)
        {
            self.ready.push_back(socket);
        }
    }
}

/// What the server tells, as far as it is the same for all dialects. Each returns whether the stream is a peer's socket.
impl Streams {
    pub(crate) fn opened(&mut self, now: Now, stream: StreamId, origin: Origin, peer: &str) -> bool {
        let Origin::Local(place) = origin else {
            let (peer, host) = (peer.to_owned(), host_of(peer));
            let socket = Socket { peer, host, output: Vec::new(), ending: None, established: false };
            self.sockets.insert(stream, socket);
            return true;
        };
        let id = SeatId(place);
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.stream = Some(stream);
            seat.ask_for_watches();
            self.seated.insert(stream, id);
            self.with_seat(id, |session, _| session.connected(now));
        } else {
            self.ready.push_back(stream);
        }
        false
    }

    pub(crate) fn received(&mut self, now: Now, stream: StreamId, bytes: &[u8]) -> bool {
        let Some(&id) = self.seated.get(&stream) else { return true };
        self.with_seat(id, |session, events| session.receive(now, bytes, events));
        false
    }

    pub(crate) fn output(&self, stream: StreamId) -> &[u8] {
        match self.seated.get(&stream) {
            Some(id) => self.seats[id].session.output(),
            None => self.sockets.get(&stream).map_or(&[], |socket| &socket.output),
        }
    }

    /// Whether it is a peer's socket that has no output left.
    pub(crate) fn written(&mut self, stream: StreamId, count: usize) -> bool {
        if let Some(id) = self.seated.get(&stream) {
            if let Some(seat) = self.seats.get_mut(id) {
                seat.session.wrote(count);
            }
            return false;
        }
        let Some(socket) = self.sockets.get_mut(&stream) else { return false };
        socket.output.drain(..count);
        socket.output.is_empty()
    }

    pub(crate) fn ending(&self, stream: StreamId) -> Option<Close> {
        match self.seated.get(&stream) {
            Some(id) => self.seats[id].session.should_close().then_some(Close::Drain),
            None => self.sockets.get(&stream).map_or(Some(Close::Now), |socket| socket.ending),
        }
    }

    pub(crate) fn is_established(&self, stream: StreamId) -> bool {
        self.sockets.get(&stream).is_some_and(|socket| socket.established)
    }

    pub(crate) fn closed(&mut self, stream: StreamId, reason: &str) -> bool {
        let Some(id) = self.seated.remove(&stream) else { return self.sockets.contains_key(&stream) };
        let Some(seat) = self.seats.get_mut(&id) else { return false };
        seat.stream = None;
        if seat.leaving || self.stopping {
            self.seats.remove(&id);
            return false;
        }
        let (name, losses) = (&seat.session.settings().name, seat.losses);
        // Again and again means that the hub does not want it: that is told once.
        if losses == 0 {
            tracing::warn!(hub = %self.hub, name, reason, "a gateway lost its seat at the hub");
        }
        seat.losses += 1;
        let after = Self::REJOIN.saturating_mul(1 << losses.min(6)).min(Self::REJOIN_MOST);
        let address = seat.address.clone();
        self.with_seat(id, |session, events| session.disconnected(reason, events));
        self.wish_to_join(id, &address, after);
        false
    }

    /// Forgets a socket that is closed, when its dialogue has been told.
    pub(crate) fn forget(&mut self, socket: StreamId) {
        self.sockets.remove(&socket);
    }
}
