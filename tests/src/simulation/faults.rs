//! What goes wrong, and the rest that follows.

use std::time::Duration;

use super::client::{Client, Role};
use super::network::{Cut, Side, Weather};
use super::plan::pick;
use super::world::{Event, World};

/// How long something that is away stays away, at most.
const AWAY: Duration = Duration::from_millis(1_500);
/// How long a reader sleeps, at most.
const SLEEP: Duration = Duration::from_millis(2_500);

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    CutLink(Cut),
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
    Fault::Sleep,
    Fault::Sleep,
    Fault::RestartHub,
    Fault::LosePower,
    Fault::LosePower,
    Fault::FullDisk,
    Fault::RestartWriter,
    Fault::RivalWriter,
];

impl World {
    /// Lets something go wrong, and sees to the next time.
    pub(super) fn fault(&mut self) {
        if self.calm {
            return;
        }
        let fault = *pick(&mut self.rng, FAULTS);
        self.notes.trace.line(format_args!("fault: {fault:?}"));
        match fault {
            Fault::CutLink(cut) => self.cut_something(cut),
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

    /// A program does not read for a while.
    fn lull_something(&mut self) {
        let Some(client) = self.any_client(|client| client.link.is_some()) else { return };
        let Some(link) = self.clients[client].link else { return };
        self.network.stall(link, Side::Client, true);
        let awake = self.soon(SLEEP);
        self.schedule.at(awake, Event::Awake(link, Side::Client));
    }

    fn restart_hub(&mut self) {
        let hub = self.rng.usize(0..self.hubs.len());
        self.kill_hub(hub);
        self.notes.coverage.hub_restarts += 1;
        let start = self.soon(AWAY);
        self.schedule.at(start, Event::StartHub(hub));
    }

    fn lose_power(&mut self) {
        if self.loggers.is_empty() {
            return;
        }
        let logger = self.rng.usize(0..self.loggers.len());
        if !std::mem::replace(&mut self.loggers[logger].up, false) {
            return;
        }
        self.notes.coverage.power_losses += 1;
        if self.loggers[logger].disk.lose_power(&mut self.rng) {
            self.notes.coverage.unsynced_lost += 1;
        }
        for client in self.links_of(logger) {
            self.kill_client(client);
        }
        let start = self.soon(AWAY);
        self.schedule.at(start, Event::StartLogger(logger));
    }

    fn fill_disk(&mut self) {
        if self.loggers.is_empty() {
            return;
        }
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
        }
        let take_over = dies || self.rng.bool();
        self.add_writer(plan, take_over);
    }

    /// Nothing goes wrong any more: each source gets a writer that says a last word.
    pub(super) fn calm(&mut self) {
        self.calm = true;
        self.notes.trace.line(format_args!("calm"));
        self.weather = Weather { delay: self.weather.latency, ..self.weather.clone() };
        for client in 0..self.clients.len() {
            if let Some(link) = self.clients[client].link {
                self.awake(link, Side::Client);
            }
        }
        for plan in self.plan.writers.clone() {
            self.last_word(&plan.source);
        }
        self.schedule.at(self.now, Event::Look);
    }

    /// A source's last writers may have been refused since: one of them begins again.
    pub(super) fn revive_writers(&mut self) {
        for plan in self.plan.writers.clone() {
            if self.living_writers(&plan.source).is_empty() {
                self.last_word(&plan.source);
            }
        }
    }

    /// Lets one of a source's writers go on, whichever is left.
    fn last_word(&mut self, source: &str) {
        let writers = self.writers_of(source);
        let Some(&last) = writers.last() else { return };
        if self.living_writers(source).is_empty() {
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
    pub(super) fn living_writers(&self, source: &str) -> Vec<usize> {
        let mut writers = self.writers_of(source);
        writers.retain(|&client| match &self.clients[client] {
            Client { role: Role::Writer(writer), session, .. } => !writer.is_over(session),
            _ => false,
        });
        writers
    }

    /// The programs that run and write a source, oldest first.
    pub(super) fn writers_of(&self, source: &str) -> Vec<usize> {
        (0..self.clients.len())
            .filter(|&client| match &self.clients[client] {
                Client { role: Role::Writer(writer), up, .. } => *up && writer.plan.source == source,
                _ => false,
            })
            .collect()
    }
}
