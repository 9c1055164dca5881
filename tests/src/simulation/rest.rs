//! What must hold when faults have stopped and everything has come to rest.

use super::client::{Client, Role};
use super::oracle::check_timeline;
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
        self.plan.writers.iter().find_map(|plan| self.unrest_of(&plan.source))
    }

    fn unrest_of(&self, source: &str) -> Option<String> {
        let living = self.living_writers(source);
        let [client] = living[..] else { return Some(format!("{source} has {} writers", living.len())) };
        let client = &self.clients[client];
        let Role::Writer(writer) = &client.role else { return None };
        let (epoch, newest, content) = writer.now(&client.session);
        if !writer.is_settled(&client.session, !self.loggers.is_empty()) {
            return Some(format!(
                "{}: not all is acknowledged: {:?}",
                client.name,
                writer.describe(&client.session)
            ));
        }
        let told = self.hubs[client.hub].highest_told(source);
        if told > epoch {
            return Some(format!("{source} is written in epoch {epoch}, a logger has told of {told}"));
        }
        for (logger, host) in self.loggers.iter().enumerate() {
            let held = host.disk.held(source, epoch);
            if held != newest {
                return Some(format!("logger {logger} holds {held} of {newest} of {source} epoch {epoch}"));
            }
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
        for (logger, host) in self.loggers.iter().enumerate() {
            if let Err(complaint) = check_timeline(&host.disk, &self.notes.journal, &host.declared) {
                self.notes.complain(format_args!("logger {logger}: {complaint}"));
            }
        }
    }
}
