//! All actors of a run, and the time that passes between them.

use std::time::Duration;

use dict_protocol::time::{Instant, Now, Time};
use fastrand::Rng;

use super::broken::{Broken, Tamper};
use super::client::{Client, Role};
use super::hub::HubHost;
use super::logger::Logger;
use super::network::{LinkId, Network, Side, Weather};
use super::notes::Notes;
use super::plan::{HUSH, PATIENCE, Plan, STORM, UPDATES};
use super::schedule::Schedule;
use super::trace::Trace;

/// 2026-11-21T00:00:00Z, where virtual time begins.
const BEGINNING: i64 = 1_795_219_200_000_000_000;
/// A storm that lasts so long brings nothing about any more.
const TOO_LONG: Duration = Duration::from_secs(120);
/// More events than any sound run has.
const EVENTS: u64 = 2_000_000;
/// How often it is looked whether everything has come to rest.
const LOOK: Duration = Duration::from_millis(250);

/// What is to happen.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// Bytes arrive at an end of a link.
    Arrival(LinkId, Side),
    /// An end of a link learns that the link is over.
    Told(LinkId, Side),
    /// A client tries to connect.
    Connect(usize),
    /// A client's timer may have run out.
    ClientTimer(usize),
    /// A hub has taken in what came, and is to send what is due.
    HubTurn(usize),
    /// A hub's timer may have run out.
    HubTimer(usize),
    /// A hub starts again.
    StartHub(usize),
    /// A writer's program has a turn.
    Work(usize),
    /// A writer's program goes on in a new epoch.
    BeginAgain(usize),
    /// A logger's disk has synced, in that run of it.
    Synced(usize, u32),
    /// A logger's power is back.
    StartLogger(usize),
    /// A logger's disk has room again.
    Room(usize),
    /// An end of a link is read again.
    Awake(LinkId, Side),
    /// A client that sends messages and requests has a turn.
    Talk(usize),
    /// A writer's program, which was killed, begins again with its spool.
    Restore(usize),
    /// Something goes wrong.
    Fault,
    /// A hub is killed and started again.
    RestartHub,
    /// A logger's machine loses its power.
    LosePower,
    /// Nothing new is published any more, if enough has happened.
    Hush,
    /// Nothing goes wrong any more.
    Calm,
    /// It is looked whether everything has come to rest.
    Look,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) rng: Rng,
    pub(super) now: Instant,
    pub(super) schedule: Schedule<Event>,
    pub(super) network: Network,
    pub(super) weather: Weather,
    pub(super) notes: Notes,
    pub(super) hubs: Vec<HubHost>,
    pub(super) clients: Vec<Client>,
    pub(super) loggers: Vec<Logger>,
    /// The client at the one end of each link, by link.
    pub(super) links: Vec<usize>,
    /// The rule that this run breaks.
    pub(super) broken: Option<Broken>,
    pub(super) tamper: Tamper,
    /// Nothing new is published.
    pub(super) hush: bool,
    /// Faults have stopped, then.
    pub(super) calm: Option<Instant>,
    /// How much had been sent again or acknowledged when it last had become more, since then.
    progress: (u64, Instant),
    done: bool,
}

impl World {
    /// Everything that a seed stands for, at the beginning.
    pub(super) fn new(seed: u64, broken: Option<Broken>, trace: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let plan = Plan::draw(&mut rng);
        let mut notes = Notes { trace: Trace::new(trace), ..Notes::default() };
        notes.trace.line(format_args!("{plan:#?}"));
        let mut world = Self {
            rng,
            now: Instant::from_nanos(1),
            schedule: Schedule::default(),
            network: Network::default(),
            weather: plan.weather.clone(),
            notes,
            hubs: Vec::new(),
            clients: Vec::new(),
            loggers: Vec::new(),
            links: Vec::new(),
            broken,
            tamper: Tamper::default(),
            hush: false,
            calm: None,
            progress: (0, Instant::default()),
            done: false,
            plan,
        };
        world.populate();
        world
    }

    fn populate(&mut self) {
        let plan = self.plan.clone();
        for index in 0..plan.hubs {
            self.hubs.push(HubHost::new(index));
            self.start_hub(index);
        }
        for (logger, &absence) in plan.loggers.iter().enumerate() {
            self.loggers.push(Logger::new(&plan));
            for hub in 0..plan.hubs {
                self.add_logger_link(logger, hub);
            }
            if !absence.is_zero() {
                self.stop_logger(logger);
                self.schedule.at(self.now + absence, Event::StartLogger(logger));
            }
        }
        for writer in plan.writers {
            self.add_writer(writer, false);
        }
        for watcher in plan.watchers {
            self.add_watcher(watcher);
        }
        for (number, &hub) in plan.talkers.iter().enumerate() {
            self.add_talker(number, hub);
        }
        let fault = self.soon(plan.fault_every * 2);
        self.schedule.at(fault, Event::Fault);
        // Of what every run is to have, something at least is certain.
        for event in [Event::RestartHub, Event::LosePower] {
            let at = self.soon(STORM);
            self.schedule.at(at, event);
        }
        self.schedule.at(self.now + STORM, Event::Hush);
    }

    /// Lets time pass until everything has come to rest, or something does not hold.
    pub(super) fn run(mut self) -> Notes {
        let mut events = 0;
        while !self.done && self.notes.complaint.is_none() {
            let Some((at, event)) = self.schedule.next() else {
                self.notes.complain(format_args!("nothing is to happen any more"));
                break;
            };
            debug_assert!(at >= self.now, "time does not run backwards");
            self.now = at;
            self.notes.trace.set_time(at);
            self.happen(event);
            events += 1;
            if events > EVENTS {
                self.notes.complain(format_args!("{events} events, and no end"));
            }
        }
        self.notes
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrival(link, side) => self.arrived(link, side),
            Event::Told(link, side) => self.told(link, side),
            Event::Connect(client) => self.connect(client),
            Event::ClientTimer(client) => self.client_timer(client),
            Event::HubTurn(hub) => self.hub_turn(hub),
            Event::HubTimer(hub) => self.hub_timer(hub),
            Event::StartHub(hub) => self.start_hub(hub),
            Event::Work(client) => self.work(client),
            Event::BeginAgain(client) => self.begin_again(client),
            Event::Synced(logger, run) => self.synced(logger, run),
            Event::StartLogger(logger) => self.start_logger(logger),
            Event::Room(logger) => self.loggers[logger].full = false,
            Event::Awake(link, side) => self.awake(link, side),
            Event::Talk(client) => self.talk(client),
            Event::Restore(client) => self.restore_writer(client),
            Event::Fault => self.fault(),
            Event::RestartHub => self.restart_hub(),
            Event::LosePower => self.lose_power(),
            Event::Hush => self.hush(),
            Event::Calm => self.calm(),
            Event::Look => self.look(),
        }
    }

    /// Enough has happened, or the storm goes on: then each source's writer says a last word.
    fn hush(&mut self) {
        let counts = &self.notes.coverage;
        let enough = counts.updates >= UPDATES && counts.hub_restarts > 0 && counts.power_losses > 0;
        if !enough {
            if self.now.since(Instant::default()) > TOO_LONG {
                self.notes.complain(format_args!("no {UPDATES} updates in {} s", TOO_LONG.as_secs()));
            }
            return self.schedule.at(self.now + LOOK, Event::Hush);
        }
        self.hush = true;
        self.last_words();
        self.schedule.at(self.now + HUSH, Event::Calm);
    }

    fn look(&mut self) {
        self.check_timers();
        let progress = self.notes.coverage.replayed + self.notes.coverage.acknowledgements;
        if progress != self.progress.0 {
            self.progress = (progress, self.now);
        }
        let since = self.now.since(self.progress.1.max(self.calm.unwrap_or_default()));
        match self.unrest() {
            None => {
                self.check_rest();
                self.done = true;
            }
            Some(what) if since > PATIENCE => self.notes.complain(format_args!("no rest: {what}")),
            Some(_) => {
                self.revive_writers();
                self.schedule.at(self.now + LOOK, Event::Look);
            }
        }
    }

    /// Both clocks of a machine whose wall clock is off by `skew` nanoseconds.
    pub(super) fn clocks(&self, skew: i64) -> Now {
        let time = Time::from_nanos(BEGINNING + self.now.as_nanos() as i64).offset_by(skew);
        Now { instant: self.now, time }
    }

    /// A time at most `most` from now.
    pub(super) fn soon(&mut self, most: Duration) -> Instant {
        self.now + Duration::from_nanos(self.rng.u64(1..=most.as_nanos().max(1) as u64))
    }

    /// Something has arrived: reads all that has.
    fn arrived(&mut self, link: LinkId, side: Side) {
        while let Some(bytes) = self.network.read(self.now, link, side) {
            match side {
                Side::Client => self.client_received(link, &bytes),
                Side::Hub => self.hub_received(link, &bytes),
            }
            // What was read made room for what waits at the other end.
            match side.other() {
                Side::Client => self.flush_client(self.links[link]),
                Side::Hub => self.flush_hub(link),
            }
        }
    }

    pub(super) fn awake(&mut self, link: LinkId, side: Side) {
        let paused = match self.clients[self.links[link]].role {
            Role::Logger(logger) if side == Side::Client => self.loggers[logger].paused,
            _ => false,
        };
        self.network.stall(link, side, paused);
        self.arrived(link, side);
    }

    /// Writes to a link as much as it takes; returns how much.
    pub(super) fn write(&mut self, link: LinkId, side: Side, bytes: &[u8]) -> usize {
        let (taken, arrivals) = self.network.write(&mut self.rng, &self.weather, self.now, link, side, bytes);
        for at in arrivals {
            self.schedule.at(at, Event::Arrival(link, side.other()));
        }
        taken
    }

    /// Closes an end; the other is told when all that was written has arrived.
    pub(super) fn close(&mut self, link: LinkId, side: Side) {
        if self.network.close(link, side) && !self.network.is_dead(link) {
            let at = self.network.last_arrival(link, side.other()).max(self.now) + self.weather.latency;
            self.schedule.at(at, Event::Told(link, side.other()));
        }
    }

    fn told(&mut self, link: LinkId, side: Side) {
        if !self.network.is_open(link, side) {
            return;
        }
        self.awake(link, side);
        if !self.network.is_open(link, side) {
            return;
        }
        self.network.close(link, side);
        match side {
            Side::Client => self.client_lost(link),
            Side::Hub => self.hub_lost(link, "closed by the other side"),
        }
    }
}
