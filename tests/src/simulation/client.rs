//! Programs that connect to a hub: writers, watchers, and loggers' links.

use std::time::Duration;

use dict_protocol::kept::Kept;
use dict_protocol::limits::Limits;
use dict_protocol::packet::Mode;
use dict_protocol::pattern::Pattern;
use dict_protocol::session::{Event as SessionEvent, Session, Settings};
use dict_protocol::time::Instant;
use fastrand::Rng;

use super::broken::Broken;
use super::logger::Logger;
use super::network::{LinkId, Side};
use super::notes::Notes;
use super::plan::{WatcherPlan, WriterPlan, pick};
use super::talker::Talker;
use super::watcher::Watcher;
use super::world::{Event, World};
use super::writer::Writer;

/// The longest wait before the next attempt to connect.
const BACKOFF: Duration = Duration::from_millis(600);
/// How far wall clocks are off, either way.
const HOUR: i64 = 3_600_000_000_000;
const YEAR: i64 = 8_766 * HOUR;
/// How often a client that sends messages and requests does.
const TALK: Duration = Duration::from_millis(200);

/// One program, or one link of a logger.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) name: String,
    pub(super) hub: usize,
    pub(super) role: Role,
    pub(super) session: Session,
    pub(super) link: Option<LinkId>,
    /// The program runs.
    pub(super) up: bool,
    /// How far its wall clock is off, nanoseconds.
    pub(super) skew: i64,
    /// What outlives its program, if anything does.
    kept: Option<Kept>,
    /// How often its program was begun before.
    pub(super) starts: u8,
    /// For when its timer is scheduled.
    pub(super) timer: Option<Instant>,
}

/// What a client is for.
#[derive(Debug)]
pub(super) enum Role {
    Writer(Writer),
    Watcher(Watcher),
    Talker(Talker),
    /// A link of that logger.
    Logger(usize),
}

impl Client {
    /// Does something with the session, and brings what it tells to whom it concerns.
    fn with_session(
        &mut self,
        loggers: &mut [Logger],
        notes: &mut Notes,
        broken: Option<Broken>,
        does: impl FnOnce(&mut Session, &mut dyn FnMut(SessionEvent<'_>)),
    ) {
        let Self { session, role, name, hub, .. } = self;
        does(session, &mut |event| {
            if let SessionEvent::Connected(_) | SessionEvent::Disconnected { .. } = event {
                notes.trace.line(format_args!("{name}: {event:?}"));
            }
            match (&mut *role, &event) {
                (Role::Logger(logger), event) => loggers[*logger].event(*hub, event, broken, notes),
                (Role::Watcher(watcher), event) => watcher.event(event, notes),
                (Role::Talker(talker), event) => talker.event(event, broken, notes),
                (Role::Writer(writer), SessionEvent::Writer { change, .. }) => writer.changed(change, notes),
                (Role::Writer(_), _) => {}
            }
        });
    }
}

/// A session of a program that has just started.
fn start_session(rng: &mut Rng, name: &str, limits: &Limits) -> Session {
    Session::new(settings(name, rng.u128(..).to_le_bytes(), limits))
}

fn settings(name: &str, client_id: [u8; 16], limits: &Limits) -> Settings {
    let (name, product, credentials) = (name.into(), "simulation".into(), String::new());
    Settings { name, product, credentials, client_id, limits: limits.clone() }
}

/// How far a wall clock may be off after it has jumped.
pub(super) fn skew(rng: &mut Rng) -> i64 {
    let most = *pick(rng, &[HOUR, HOUR, 10 * YEAR]);
    // Before 1970.
    if rng.u8(0..8) == 0 { -57 * YEAR } else { rng.i64(-most..most) }
}

/// That of a logger.
fn start_logger_session(rng: &mut Rng, name: &str, limits: &Limits) -> Session {
    let mut session = start_session(rng, name, limits);
    for pattern in [Pattern::all(), Pattern::Prefix("$".into())] {
        session.subscribe(pattern, Mode::Durable, Duration::ZERO).expect("two are within the limit");
    }
    session
}

/// Programs come and go.
impl World {
    pub(super) fn add_writer(&mut self, mut plan: WriterPlan, take_over: bool) {
        plan.options.take_over = take_over;
        let name = format!("writer {} of {}", self.clients.len(), plan.source);
        let kept = plan.kept.then(|| Kept::new(self.rng.u128(..).to_le_bytes()));
        let mut session = match &kept {
            Some(kept) => self.restored_session(&name, kept),
            None => start_session(&mut self.rng, &name, &self.plan.limits),
        };
        let (hub, every, skew) = (plan.hub, plan.every, skew(&mut self.rng));
        let writer = Writer::new(plan, &mut session, self.clocks(skew));
        let client = self.enter(name, hub, skew, session, Role::Writer(writer));
        self.clients[client].kept = kept;
        let work = self.soon(every);
        self.schedule.at(work, Event::Work(client));
    }

    fn restored_session(&self, name: &str, kept: &Kept) -> Session {
        Session::restore(settings(name, kept.client_id(), &self.plan.limits), kept.clone())
    }

    /// A writer's program begins again, with what it has kept.
    pub(super) fn restore_writer(&mut self, client: usize) {
        let now = self.clocks(self.clients[client].skew);
        let Client { name, kept: Some(kept), .. } = &self.clients[client] else { return };
        let session = self.restored_session(name, kept);
        let this = &mut self.clients[client];
        let Role::Writer(writer) = &mut this.role else { return };
        (this.session, this.up, this.timer) = (session, true, None);
        this.starts += 1;
        writer.begin_again(&mut this.session, now, self.hush, &mut self.notes);
        if self.hush {
            writer.publish_something(&mut this.session, now, &mut self.rng, &mut self.notes);
        }
        self.notes.coverage.spools_restored += 1;
        self.notes.trace.line(format_args!("{} begins again with its spool", self.clients[client].name));
        let (connect, work) = (self.soon(BACKOFF), self.soon(BACKOFF));
        self.schedule.at(connect, Event::Connect(client));
        self.schedule.at(work, Event::Work(client));
    }

    /// Whether a client's spool outlives it.
    pub(super) fn keeps_spool(&self, client: usize) -> bool {
        self.clients[client].kept.is_some()
    }

    pub(super) fn add_talker(&mut self, number: usize, hub: usize) {
        let name = format!("talker {number}");
        let mut session = start_session(&mut self.rng, &name, &self.plan.limits);
        let talker = Talker::new(name.clone(), &mut session);
        let client = self.enter(name, hub, 0, session, Role::Talker(talker));
        let talk = self.soon(TALK);
        self.schedule.at(talk, Event::Talk(client));
    }

    pub(super) fn add_watcher(&mut self, plan: WatcherPlan) {
        let name = format!("watcher {} ({:?})", self.clients.len(), plan.mode);
        let mut session = start_session(&mut self.rng, &name, &self.plan.limits);
        session.subscribe(Pattern::all(), plan.mode, plan.interval).expect("one is within the limit");
        let (hub, watcher) = (plan.hub, Watcher::new(plan, name.clone(), &self.plan.limits));
        self.enter(name, hub, 0, session, Role::Watcher(watcher));
    }

    pub(super) fn add_logger_link(&mut self, logger: usize, hub: usize) {
        let name = format!("logger {logger} at hub {hub}");
        let session = start_logger_session(&mut self.rng, &name, &self.plan.limits);
        self.enter(name, hub, 0, session, Role::Logger(logger));
    }

    fn enter(&mut self, name: String, hub: usize, skew: i64, session: Session, role: Role) -> usize {
        let (link, up, kept, starts, timer) = (None, true, None, 0, None);
        self.clients.push(Client { name, hub, role, session, link, up, skew, kept, starts, timer });
        let client = self.clients.len() - 1;
        let connect = self.soon(BACKOFF);
        self.schedule.at(connect, Event::Connect(client));
        client
    }

    /// A program is gone, with all its memory.
    pub(super) fn kill_client(&mut self, client: usize) {
        self.notes.trace.line(format_args!("{} is killed", self.clients[client].name));
        self.clients[client].up = false;
        if let Some(link) = self.clients[client].link.take() {
            self.close(link, Side::Client);
        }
    }

    /// A logger's link begins again with nothing in memory.
    pub(super) fn revive_logger_link(&mut self, client: usize) {
        let Client { name, .. } = &self.clients[client];
        let session = start_logger_session(&mut self.rng, name, &self.plan.limits);
        let this = &mut self.clients[client];
        (this.session, this.up, this.timer) = (session, true, None);
        let connect = self.soon(BACKOFF);
        self.schedule.at(connect, Event::Connect(client));
    }
}

/// Connections.
impl World {
    pub(super) fn connect(&mut self, client: usize) {
        let this = &self.clients[client];
        if !this.up || this.link.is_some() {
            return;
        }
        if !self.hubs[this.hub].is_up() {
            let again = self.soon(BACKOFF);
            return self.schedule.at(again, Event::Connect(client));
        }
        let link = self.network.connect();
        self.links.push(client);
        self.open_hub(link, self.clients[client].hub);
        let now = self.clocks(self.clients[client].skew);
        let this = &mut self.clients[client];
        this.link = Some(link);
        this.session.connected(now);
        self.notes.trace.line(format_args!("{} connects by link {link}", self.clients[client].name));
        self.flush_client(client);
    }

    /// A client's end of a link was closed by the other side, or broke.
    pub(super) fn client_lost(&mut self, link: LinkId) {
        let client = self.links[link];
        if self.clients[client].link != Some(link) {
            return;
        }
        self.clients[client].link = None;
        self.let_go(client, "the link broke");
    }

    fn let_go(&mut self, client: usize, reason: &str) {
        let this = &mut self.clients[client];
        this.with_session(&mut self.loggers, &mut self.notes, self.broken, |session, events| {
            session.disconnected(reason, events);
        });
        if this.up {
            let connect = self.soon(BACKOFF);
            self.schedule.at(connect, Event::Connect(client));
        }
    }

    pub(super) fn client_received(&mut self, link: LinkId, bytes: &[u8]) {
        let client = self.links[link];
        let now = self.clocks(self.clients[client].skew);
        let this = &mut self.clients[client];
        if this.link != Some(link) {
            return;
        }
        this.with_session(&mut self.loggers, &mut self.notes, self.broken, |session, events| {
            session.receive(now, bytes, events);
        });
        self.after(client);
    }

    pub(super) fn client_timer(&mut self, client: usize) {
        let now = self.clocks(self.clients[client].skew);
        let this = &mut self.clients[client];
        this.timer = None;
        if this.link.is_none() {
            return;
        }
        let was_open = this.session.is_open();
        this.with_session(&mut self.loggers, &mut self.notes, self.broken, |session, events| {
            session.handle_timeout(now, events);
        });
        if was_open && !this.session.is_open() {
            self.silence(client);
        }
        if self.clients[client].session.poll_timeout().is_some_and(|next| next <= self.now) {
            self.notes.complain(format_args!("{}: a timer that never ends", self.clients[client].name));
        }
        self.after(client);
    }

    /// A client has heard nothing for too long. On a link that works that cannot be.
    fn silence(&mut self, client: usize) {
        self.notes.coverage.silences += 1;
        let Client { name, link, .. } = &self.clients[client];
        let long_calm = self.calm.is_some_and(|calm| self.now.since(calm) > 4 * self.plan.limits.heartbeat);
        if let Some(link) = link.filter(|&link| long_calm && self.network.is_sound(link)) {
            self.notes.complain(format_args!("{name}: silence on link {link}, which works"));
        }
    }

    /// Something was told to a client's session: does what is to be done then.
    fn after(&mut self, client: usize) {
        if let Role::Logger(logger) = self.clients[client].role {
            self.serve_logger(logger);
        }
        self.flush_client(client);
    }

    /// Writes what a client has to write, closes if it is over, and sets its timer.
    pub(super) fn flush_client(&mut self, client: usize) {
        self.keep_spool(client);
        loop {
            let Some(link) = self.clients[client].link else { return };
            let output = self.clients[client].session.output().to_vec();
            let taken = if output.is_empty() { 0 } else { self.write(link, Side::Client, &output) };
            let this = &mut self.clients[client];
            this.session.wrote(taken);
            if this.session.should_close() {
                this.link = None;
                self.close(link, Side::Client);
                return self.let_go(client, "over");
            }
            if taken == 0 || this.session.output().is_empty() {
                break;
            }
        }
        let this = &mut self.clients[client];
        if let Some(at) = this.session.poll_timeout()
            && this.timer.is_none_or(|set| at < set || set <= self.now)
        {
            this.timer = Some(at);
            self.schedule.at(at.max(self.now), Event::ClientTimer(client));
        }
    }
}

/// What writers' programs do.
impl World {
    /// What is new in a spool that outlives its program is stored before anything is sent.
    fn keep_spool(&mut self, client: usize) {
        // One that breaks the rule does so once in a while only.
        if self.broken == Some(Broken::SentBeforeKept) && self.rng.u8(0..4) > 0 {
            return;
        }
        let Client { kept: Some(kept), session, name, .. } = &mut self.clients[client] else { return };
        session.keep(&mut |entry| {
            if let Err(error) = kept.take(&entry) {
                self.notes.complain(format_args!("{name}: {error}"));
            }
        });
    }

    pub(super) fn talk(&mut self, client: usize) {
        if self.hush {
            return;
        }
        let others: Vec<String> = (self.clients.iter())
            .filter(|other| matches!(other.role, Role::Talker(_)))
            .map(|other| other.name.clone())
            .collect();
        let now = self.clocks(self.clients[client].skew);
        let Client { role: Role::Talker(talker), session, .. } = &mut self.clients[client] else { return };
        talker.talk(session, now, &others, &mut self.rng, &mut self.notes);
        self.flush_client(client);
        let next = self.soon(TALK * 2);
        self.schedule.at(next, Event::Talk(client));
    }

    pub(super) fn work(&mut self, client: usize) {
        if self.hush || !self.clients[client].up {
            return;
        }
        let now = self.clocks(self.clients[client].skew);
        let Client { role: Role::Writer(writer), session, .. } = &mut self.clients[client] else { return };
        writer.work(session, now, &mut self.rng, &mut self.notes);
        let every = writer.plan.every;
        if writer.is_over(session) && self.rng.u8(0..10) == 0 {
            let again = self.soon(every * 10);
            self.schedule.at(again, Event::BeginAgain(client));
        }
        let next = self.soon(every * 2);
        self.schedule.at(next, Event::Work(client));
        self.flush_client(client);
    }

    pub(super) fn begin_again(&mut self, client: usize) {
        if !self.clients[client].up {
            return;
        }
        let now = self.clocks(self.clients[client].skew);
        let Client { role: Role::Writer(writer), session, .. } = &mut self.clients[client] else { return };
        if writer.is_over(session) {
            let take_over = self.hush || self.rng.u8(0..3) == 0;
            writer.begin_again(session, now, take_over, &mut self.notes);
            self.notes.trace.line(format_args!("{} begins again", self.clients[client].name));
            self.flush_client(client);
        }
    }
}

/// What loggers do.
impl World {
    /// Brings what a logger has received to its disk, and its answers on their way.
    pub(super) fn serve_logger(&mut self, logger: usize) {
        if self.loggers[logger].write(self.broken, &mut self.notes) {
            self.begin_sync(logger);
        }
        let paused = self.loggers[logger].should_pause();
        let changed = std::mem::replace(&mut self.loggers[logger].paused, paused) != paused;
        self.notes.coverage.pauses += u64::from(changed && paused);
        for client in self.links_of(logger) {
            let hub = self.clients[client].hub;
            self.loggers[logger].answer(hub, &mut self.clients[client].session);
            self.flush_client(client);
            if let (true, Some(link)) = (changed, self.clients[client].link) {
                self.network.stall(link, Side::Client, paused);
                self.schedule.at(self.now, Event::Arrival(link, Side::Client));
            }
        }
    }

    pub(super) fn links_of(&self, logger: usize) -> Vec<usize> {
        let is_link = |client: &usize| matches!(self.clients[*client].role, Role::Logger(of) if of == logger);
        (0..self.clients.len()).filter(is_link).collect()
    }

    fn begin_sync(&mut self, logger: usize) {
        let done = self.soon(self.plan.sync);
        let this = &mut self.loggers[logger];
        this.disk.begin_sync();
        self.schedule.at(done, Event::Synced(logger, this.run));
    }

    pub(super) fn synced(&mut self, logger: usize, run: u32) {
        if !self.loggers[logger].up || self.loggers[logger].run != run {
            return;
        }
        if self.loggers[logger].full {
            self.notes.coverage.disk_full += 1;
            let again = self.soon(self.plan.sync * 4);
            return self.schedule.at(again, Event::Synced(logger, run));
        }
        self.loggers[logger].synced(self.broken);
        self.serve_logger(logger);
    }

    pub(super) fn start_logger(&mut self, logger: usize) {
        self.loggers[logger].restart();
        for client in self.links_of(logger) {
            self.revive_logger_link(client);
        }
    }
}
