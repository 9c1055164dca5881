//! What must hold when faults have stopped and everything has come to rest.

use super::client::{Client, Role};
use super::logger::Logger;
use super::notes::Notes;
use super::oracle::{Complete, check_timeline};
use super::plan::WriterPlan;
use super::world::World;

impl World {
    /// What has not come to rest, in words.
    pub(super) fn unrest(&self) -> Option<String> {
        if let Some(client) = self.clients.iter().find(|client| client.up && !client.session.is_open()) {
            return Some(format!("{} is not connected", client.name));
        }
        if let Some(logger) = self.loggers.iter().position(|logger| !logger.is_settled()) {
            return Some(format!("logger {logger} has something that is not on its disk"));
        }
        if let Some(asking) = self.clients.iter().find(|client| match &client.role {
            Role::Talker(talker) => !talker.is_settled(),
            _ => false,
        }) {
            return Some(format!("{} has not been told what became of a request", asking.name));
        }
        self.plan.writers.iter().find_map(|plan| self.unrest_of(plan))
    }

    fn unrest_of(&self, plan: &WriterPlan) -> Option<String> {
        let source = &plan.source;
        let living = self.living_writers(plan);
        let [client] = living[..] else { return Some(format!("{source} has {} writers", living.len())) };
        let client = &self.clients[client];
        let Role::Writer(writer) = &client.role else { return None };
        let (epoch, newest, content) = writer.now(&client.session);
        let is_contested = self.plan.is_contested(plan);
        if !writer.is_settled(&client.session, !is_contested) {
            return Some(format!(
                "{}: not all is acknowledged: {:?}",
                client.name,
                writer.describe(&client.session)
            ));
        }
        // Where another hub's source of that name is recorded, a logger tells of this one once, and that may be too late.
        let told = self.hubs[client.hub].highest_told(source);
        if !is_contested && told > epoch {
            return Some(format!("{source} is written in epoch {epoch}, a logger has told of {told}"));
        }
        let recorded = self.plan.recorded_name(client.hub, source);
        let holds = |host: &&Logger| host.disk.held(&recorded, epoch) == newest;
        // Of a name that two hubs have, one's is recorded.
        if !is_contested && !self.loggers.iter().all(|host| holds(&host)) {
            return Some(format!("a logger does not hold all {newest} of {recorded} epoch {epoch}"));
        }
        let watches = |watching: &&Client| watching.hub == client.hub;
        self.clients.iter().filter(watches).find_map(|watching| match &watching.role {
            Role::Watcher(watcher) if !watcher.sees(source, epoch, newest, content) => Some(format!(
                "{} sees {}, not {source} epoch {epoch} at {newest}",
                watching.name,
                watcher.describe(source)
            )),
            _ => None,
        })
    }

    /// Everything has come to rest: compares what is on the disks with what was written.
    pub(super) fn check_rest(&mut self) {
        // Of a name that two hubs have, the numbers of both mix: which came after which at one hub says nothing there.
        for plan in self.plan.writers.iter().filter(|plan| self.plan.is_contested(plan)) {
            self.notes.followed.remove(&self.plan.recorded_name(plan.hub, &plan.source));
        }
        let complete = if self.loggers.len() == 1 { self.complete_epochs() } else { Vec::new() };
        for (logger, host) in self.loggers.iter().enumerate() {
            let Notes { journal, followed, .. } = &self.notes;
            let result = check_timeline(&host.disk, journal, &host.declared, followed, &complete);
            if let Err(complaint) = result {
                let complaint = format!("logger {logger}: {complaint}");
                return self.notes.complain(format_args!("{complaint}"));
            }
        }
        self.notes.coverage.complete += complete.len() as u64;
        if let Err(complaint) = self.notes.exchanged.check() {
            self.notes.complain(format_args!("{complaint}"));
        }
    }

    fn complete_epochs(&self) -> Vec<Complete<'_>> {
        let writers = self.clients.iter().filter(|client| client.up);
        let writers = writers.filter_map(|client| match &client.role {
            Role::Writer(writer) => Some((client, writer)),
            _ => None,
        });
        writers
            .flat_map(|(client, writer)| {
                let name = self.plan.recorded_name(client.hub, &writer.plan.source);
                let epochs = writer.complete_epochs(&client.session);
                epochs.into_iter().map(move |(number, epoch)| (name.clone(), number, epoch))
            })
            .collect()
    }

    /// No timer may have been missed.
    pub(super) fn check_timers(&mut self) {
        let late = |client: &&Client| {
            client.link.is_some() && client.session.poll_timeout().is_some_and(|due| due < self.now)
        };
        let hub = (0..self.hubs.len()).find(|&hub| self.missed_hub_timer(hub).is_some());
        if let Some(client) = self.clients.iter().find(late) {
            self.notes.complain(format_args!("{} has missed a timer", client.name));
        } else if let Some(hub) = hub {
            self.notes.complain(format_args!("hub {hub} has missed a timer"));
        }
    }
}
