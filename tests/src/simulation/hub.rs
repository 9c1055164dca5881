//! Hubs, and the machines that they run on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dict_hub::{Config, ConnectionId, Hub};
use dict_protocol::time::{Instant, Now};

use super::broken::{Broken, Tamper};
use super::client::Role;
use super::network::{LinkId, Side};
use super::wire::Wire;
use super::world::{Event, World};

/// How long a hub gathers what comes, at most.
const TURN: Duration = Duration::from_micros(300);
/// What may wait beside updates and States, bytes: presence, answers.
const SMALL: usize = 1_200;

/// A machine that a hub runs on, most of the time.
#[derive(Debug)]
pub(super) struct HubHost {
    name: String,
    /// How far its wall clock is off, nanoseconds.
    pub(super) skew: i64,
    /// When it was started, by its clock, each time.
    started: BTreeSet<u64>,
    runs: Option<Running>,
}

#[derive(Debug)]
struct Running {
    hub: Hub,
    connections: BTreeMap<LinkId, ConnectionId>,
    links: BTreeMap<ConnectionId, LinkId>,
    wire: Wire,
    /// A turn is scheduled.
    turn: bool,
    /// For when its timer is scheduled.
    timer: Option<Instant>,
}

impl HubHost {
    pub(super) fn new(index: usize) -> Self {
        Self { name: format!("hub{index}"), skew: 0, started: BTreeSet::new(), runs: None }
    }

    pub(super) fn is_up(&self) -> bool {
        self.runs.is_some()
    }

    /// The highest epoch of a source that a logger has told this run of the hub; 0 for none.
    pub(super) fn highest_told(&self, source: &str) -> u64 {
        self.runs.as_ref().map_or(0, |running| running.wire.highest_told(source))
    }
}

impl World {
    pub(super) fn start_hub(&mut self, index: usize) {
        let now = self.hub_clocks(index);
        let host = &mut self.hubs[index];
        if host.is_up() {
            return;
        }
        // It may have been started before at what its clock says is the same time.
        let run = (now.time.as_epoch().max(1)..).find(|run| host.started.insert(*run)).unwrap_or(1);
        self.notes.trace.line(format_args!("{} starts", host.name));
        let config = Config {
            name: host.name.clone(),
            run,
            product: "simulation".into(),
            limits: self.plan.limits.clone(),
        };
        let sources = self.plan.writers.iter().filter(|writer| writer.hub == index);
        let recorded = sources
            .map(|writer| (writer.source.clone(), self.plan.recorded_name(index, &writer.source)))
            .collect();
        let mut hub = Hub::new(config, now);
        if let Some(Broken::Hub(rule)) = self.broken {
            hub.break_rule(rule);
        }
        host.runs = Some(Running {
            hub,
            connections: BTreeMap::new(),
            links: BTreeMap::new(),
            wire: Wire::new(recorded),
            turn: false,
            timer: None,
        });
    }

    fn hub_clocks(&self, index: usize) -> Now {
        self.clocks(self.hubs[index].skew)
    }

    /// A hub dies, with all that it knew.
    pub(super) fn kill_hub(&mut self, index: usize) {
        let Some(running) = self.hubs[index].runs.take() else { return };
        self.notes.trace.line(format_args!("{} dies", self.hubs[index].name));
        for link in running.connections.into_keys() {
            if self.rng.bool() {
                self.network.kill(link);
                let told = self.soon(self.weather.latency);
                self.schedule.at(told, Event::Told(link, Side::Client));
            }
            self.close(link, Side::Hub);
        }
    }

    pub(super) fn open_hub(&mut self, link: LinkId, index: usize) {
        let now = self.hub_clocks(index);
        let Some(running) = &mut self.hubs[index].runs else { return };
        let id = running.hub.open(now, "simulated");
        running.connections.insert(link, id);
        running.links.insert(id, link);
        running.wire.opened(link);
        self.plan_turn(index);
    }

    fn hub_of(&self, link: LinkId) -> usize {
        self.clients[self.links[link]].hub
    }

    pub(super) fn hub_received(&mut self, link: LinkId, bytes: &[u8]) {
        let index = self.hub_of(link);
        let now = self.hub_clocks(index);
        let logger = match self.clients[self.links[link]].role {
            Role::Logger(logger) => Some(logger),
            _ => None,
        };
        let Some(running) = &mut self.hubs[index].runs else { return };
        let Some(&id) = running.connections.get(&link) else { return };
        let changed;
        let bytes = if Tamper::is_for(self.broken) {
            changed = self.tamper.change(self.broken, link, bytes, self.clients[self.links[link]].starts);
            &changed
        } else {
            bytes
        };
        running.wire.hub_receives(link, bytes, logger, &mut self.notes);
        running.hub.receive(now, id, bytes);
        self.plan_turn(index);
    }

    /// The hub's end of a link was closed by the other side, or broke.
    pub(super) fn hub_lost(&mut self, link: LinkId, reason: &str) {
        let index = self.hub_of(link);
        let now = self.hub_clocks(index);
        let Some(running) = &mut self.hubs[index].runs else { return };
        let Some(id) = running.connections.remove(&link) else { return };
        running.links.remove(&id);
        running.wire.closed(link);
        running.hub.closed(now, id, reason);
        self.plan_turn(index);
    }

    fn plan_turn(&mut self, index: usize) {
        let at = self.soon(TURN);
        let Some(running) = &mut self.hubs[index].runs else { return };
        if !std::mem::replace(&mut running.turn, true) {
            self.schedule.at(at, Event::HubTurn(index));
        }
    }

    pub(super) fn hub_timer(&mut self, index: usize) {
        let now = self.hub_clocks(index);
        let Some(running) = &mut self.hubs[index].runs else { return };
        running.timer = None;
        running.hub.handle_timeout(now);
        if running.hub.poll_timeout().is_some_and(|next| next <= now.instant) {
            self.notes.complain(format_args!("{}: a timer that never ends", self.hubs[index].name));
        }
        self.plan_turn(index);
    }

    pub(super) fn hub_turn(&mut self, index: usize) {
        let now = self.hub_clocks(index);
        let Some(running) = &mut self.hubs[index].runs else { return };
        running.turn = false;
        for link in running.wire.followers() {
            if running.connections.get(&link).is_none_or(|&id| running.hub.is_ended(id)) {
                running.wire.forget_follower(link);
            }
        }
        let disks: Vec<_> = self.loggers.iter().map(|logger| &logger.disk).collect();
        running.wire.look_at_disks(&disks);
        running.hub.end_turn(now);
        while let Some(running) = &mut self.hubs[index].runs {
            let Some(id) = running.hub.poll_ready() else { break };
            if let Some(&link) = running.links.get(&id) {
                self.flush_hub(link);
            }
        }
        let Some(running) = &mut self.hubs[index].runs else { return };
        while running.hub.poll_notice().is_some() {}
        if running.hub.wants_turn() {
            self.plan_turn(index);
        }
        self.set_hub_timer(index);
    }

    fn set_hub_timer(&mut self, index: usize) {
        let Some(running) = &mut self.hubs[index].runs else { return };
        if let Some(at) = running.hub.poll_timeout()
            && running.timer.is_none_or(|set| at < set || set <= self.now)
        {
            running.timer = Some(at);
            self.schedule.at(at.max(self.now), Event::HubTimer(index));
        }
    }

    /// Writes what waits for a connection, as far as the link takes it.
    pub(super) fn flush_hub(&mut self, link: LinkId) {
        let index = self.hub_of(link);
        let Some(running) = &mut self.hubs[index].runs else { return };
        let Some(&id) = running.connections.get(&link) else { return };
        let output = running.hub.output(id).to_vec();
        running.wire.hub_sends(link, &output, &mut self.notes);
        self.check_queue(link, output.len());
        let taken = if output.is_empty() { 0 } else { self.write(link, Side::Hub, &output) };
        let Some(running) = &mut self.hubs[index].runs else { return };
        running.hub.wrote(id, taken);
        running.wire.wrote(link, taken);
        let ended = running.hub.is_ended(id);
        let wants_turn = running.hub.wants_turn();
        if ended {
            self.close(link, Side::Hub);
            self.hub_lost(link, "over");
        } else if wants_turn {
            self.plan_turn(index);
        }
    }

    /// When a hub's timer was to run out that has not; `None` where all is well.
    pub(super) fn missed_hub_timer(&self, index: usize) -> Option<Instant> {
        let running = self.hubs[index].runs.as_ref()?;
        let due = running.hub.poll_timeout()?;
        (due < self.now && !running.turn).then_some(due)
    }

    fn check_queue(&mut self, link: LinkId, queued: usize) {
        let limits = &self.plan.limits;
        let client = &self.clients[self.links[link]];
        let most = match client.role {
            Role::Logger(_) => limits.durable_output,
            // A State is begun while there is room for something, and may be as large as a body.
            Role::Writer(_) | Role::Watcher(_) | Role::Talker(_) => {
                limits.every_output.max(limits.latest_output + limits.body as usize)
            }
        };
        let most = most + SMALL;
        if queued > most {
            let name = &client.name;
            self.notes.complain(format_args!("{queued} bytes wait for {name}, {most} allowed"));
        }
    }
}
