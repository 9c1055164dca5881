//! What goes wrong, and the rest that follows.

use std::time::Duration;

use super::client::{Client, Role, skew};
use super::network::{Cut, Side, Weather};
use super::plan::{WriterPlan, pick};
use super::world::{Event, World};

/// How long something that is away stays away, at most.
const AWAY: Duration = Duration::from_millis(1_500);
/// How long a reader sleeps, at most.
const SLEEP: Duration = Duration::from_millis(2_500);

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    CutLink(Cut),
    Flip,
    JumpClock,
    Sleep,
    RestartHub,
    LosePower,
    FullDisk,
    RestartWriter,
    RivalWriter,
}

const FAULTS: &[Fault] = &[
    Fault::CutLink(Cut::Reset),
    Fault::CutLink(Cut::Reset),
    Fault::CutLink(Cut::OneSided(Side::Client)),
    Fault::CutLink(Cut::OneSided(Side::Hub)),
    Fault::CutLink(Cut::Silent),
    Fault::Flip,
    Fault::Flip,
    Fault::JumpClock,
    Fault::Sleep,
    Fault::Sleep,
    Fault::RestartHub,
    Fault::LosePower,
    Fault::LosePower,
    Fault::FullDisk,
    Fault::RestartWriter,
    Fault::RestartWriter,
    Fault::RestartWriter,
    Fault::RivalWriter,
];

impl World {
    /// Lets something go wrong, and sees to the next time.
    pub(super) fn fault(&mut self) {
        if self.calm.is_some() {
            return;
        }
        let fault = *pick(&mut self.rng, FAULTS);
        self.notes.trace.line(format_args!("fault: {fault:?}"));
        match fault {
            Fault::CutLink(cut) => self.cut_something(cut),
            Fault::Flip => self.flip_something(),
            Fault::JumpClock => self.jump_clock(),
            Fault::Sleep => self.lull_something(),
            Fault::RestartHub => self.restart_hub(),
            Fault::LosePower => self.lose_power(),
            Fault::FullDisk => self.fill_disk(),
            Fault::RestartWriter => self.replace_writer(true),
            Fault::RivalWriter => self.replace_writer(false),
        }
        let next = self.soon(self.plan.fault_every * 2);
        self.schedule.at(next, Event::Fault);
    }

    /// A client that `which` holds for.
    fn any_client(&mut self, which: impl Fn(&Client) -> bool) -> Option<usize> {
        let candidates: Vec<usize> =
            (0..self.clients.len()).filter(|index| which(&self.clients[*index])).collect();
        (!candidates.is_empty()).then(|| *pick(&mut self.rng, &candidates))
    }

    fn cut_something(&mut self, cut: Cut) {
        let Some(client) = self.any_client(|client| client.link.is_some()) else { return };
        let Some(link) = self.clients[client].link else { return };
        self.notes.trace.line(format_args!("link {link} of {}", self.clients[client].name));
        self.network.kill(link);
        match cut {
            Cut::Reset => self.notes.coverage.resets += 1,
            Cut::OneSided(_) | Cut::Silent => self.notes.coverage.silent_cuts += 1,
        }
        for side in Side::ALL {
            if cut == Cut::Reset || cut == Cut::OneSided(side) {
                let told = self.soon(self.weather.delay);
                self.schedule.at(told, Event::Told(link, side));
            }
        }
    }

    /// A bit changes on the way.
    fn flip_something(&mut self) {
        let Some(client) = self.any_client(|client| client.link.is_some()) else { return };
        let Some(link) = self.clients[client].link else { return };
        let side = *pick(&mut self.rng, &Side::ALL);
        self.notes.trace.line(format_args!("link {link} of {} to its {side:?}", self.clients[client].name));
        self.network.flip(link, side);
        self.notes.coverage.flips += 1;
    }

    /// A wall clock is set.
    fn jump_clock(&mut self) {
        let skew = skew(&mut self.rng);
        let clock = self.rng.usize(0..self.hubs.len() + self.clients.len());
        match self.clients.get_mut(clock) {
            Some(client) => client.skew = skew,
            None => self.hubs[clock - self.clients.len()].skew = skew,
        }
        self.notes.trace.line(format_args!("clock {clock} is off by {} s now", skew / 1_000_000_000));
        self.notes.coverage.clock_jumps += 1;
    }

    /// A program does not read for a while.
    fn lull_something(&mut self) {
        let Some(client) = self.any_client(|client| client.link.is_some()) else { return };
        let Some(link) = self.clients[client].link else { return };
        self.network.stall(link, Side::Client, true);
        let awake = self.soon(SLEEP);
        self.schedule.at(awake, Event::Awake(link, Side::Client));
    }

    pub(super) fn restart_hub(&mut self) {
        let hub = self.rng.usize(0..self.hubs.len());
        self.kill_hub(hub);
        self.notes.coverage.hub_restarts += 1;
        let start = self.soon(AWAY);
        self.schedule.at(start, Event::StartHub(hub));
    }

    pub(super) fn lose_power(&mut self) {
        let logger = self.rng.usize(0..self.loggers.len());
        if !self.loggers[logger].up {
            // It is off already: again, when it may be on.
            let at = self.soon(AWAY);
            return self.schedule.at(at, Event::LosePower);
        }
        self.notes.coverage.power_losses += 1;
        if self.loggers[logger].disk.lose_power(self.broken, &mut self.rng) {
            self.notes.coverage.unsynced_lost += 1;
        }
        self.stop_logger(logger);
        let start = self.soon(AWAY);
        self.schedule.at(start, Event::StartLogger(logger));
    }

    pub(super) fn stop_logger(&mut self, logger: usize) {
        self.loggers[logger].up = false;
        for client in self.links_of(logger) {
            self.kill_client(client);
        }
    }

    fn fill_disk(&mut self) {
        let logger = self.rng.usize(0..self.loggers.len());
        self.loggers[logger].full = true;
        let room = self.soon(AWAY);
        self.schedule.at(room, Event::Room(logger));
    }

    /// Another program begins to write a source: in place of one that has died, or beside it.
    fn replace_writer(&mut self, dies: bool) {
        let is_writer = |client: &Client| client.up && matches!(client.role, Role::Writer(_));
        let Some(client) = self.any_client(is_writer) else { return };
        let Role::Writer(writer) = &self.clients[client].role else { return };
        let plan = writer.plan.clone();
        if dies {
            self.kill_client(client);
            self.notes.coverage.writer_restarts += 1;
            if self.keeps_spool(client) {
                let again = self.soon(AWAY);
                return self.schedule.at(again, Event::Restore(client));
            }
        }
        let take_over = dies || self.rng.bool();
        self.add_writer(plan, take_over);
    }

    /// Nothing goes wrong any more.
    pub(super) fn calm(&mut self) {
        self.calm = Some(self.now);
        self.notes.trace.line(format_args!("calm"));
        self.weather = Weather { delay: self.weather.latency, ..self.weather.clone() };
        self.network.clear_flips();
        for client in 0..self.clients.len() {
            if let Some(link) = self.clients[client].link {
                self.awake(link, Side::Client);
            }
        }
        self.schedule.at(self.now, Event::Look);
    }

    /// Each source's writers say a last word.
    pub(super) fn last_words(&mut self) {
        self.notes.trace.line(format_args!("last words"));
        for plan in self.plan.writers.clone() {
            self.last_word(&plan);
        }
    }

    /// A source's last writers may have been refused since: one of them begins again.
    pub(super) fn revive_writers(&mut self) {
        for plan in self.plan.writers.clone() {
            if self.living_writers(&plan).is_empty() {
                self.last_word(&plan);
            }
        }
    }

    /// Lets one of a source's writers go on, whichever is left.
    fn last_word(&mut self, plan: &WriterPlan) {
        let writers = self.writers_of(plan);
        let Some(&last) = writers.last() else { return };
        if self.living_writers(plan).is_empty() {
            self.begin_again(last);
        }
        for client in writers {
            let now = self.clocks(self.clients[client].skew);
            if let Client { role: Role::Writer(writer), session, .. } = &mut self.clients[client] {
                writer.publish_something(session, now, &mut self.rng, &mut self.notes);
                self.flush_client(client);
            }
        }
    }

    /// Those of a source's writers that are not over.
    pub(super) fn living_writers(&self, plan: &WriterPlan) -> Vec<usize> {
        let mut writers = self.writers_of(plan);
        writers.retain(|&client| match &self.clients[client] {
            Client { role: Role::Writer(writer), session, .. } => !writer.is_over(session),
            _ => false,
        });
        writers
    }

    /// The programs that run and write a source of a hub, oldest first.
    fn writers_of(&self, plan: &WriterPlan) -> Vec<usize> {
        (0..self.clients.len())
            .filter(|&client| match &self.clients[client] {
                Client { role: Role::Writer(writer), up, hub, .. } => {
                    *up && *hub == plan.hub && writer.plan.source == plan.source
                }
                _ => false,
            })
            .collect()
    }
}
