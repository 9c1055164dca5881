//! How a server ends: nothing more is taken in, what is under way is finished, everybody is told.

use std::sync::atomic::Ordering;
use std::time::Duration;

use dict_protocol::time::{Instant, Now};

use super::node::{Node, Owner};
use crate::io::Io;

/// How long a server that is being stopped waits for what its parties and its loggers still have to do.
const PATIENCE: Duration = Duration::from_secs(3);

/// How far the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Running,
    /// It takes nothing more in, and waits until this time for what is under way.
    Finishing(Instant),
    /// What is queued is written; then the loop ends.
    Stopped,
}

impl Node {
    /// Goes on with stopping, if that was asked for.
    pub(super) fn advance_stage(&mut self, io: &mut Io<'_>) {
        let now = io.now();
        if self.failure.is_none() {
            self.failure = self.guests.iter_mut().find_map(|guest| guest.party.failure());
        }
        match self.stage {
            Stage::Running if self.failure.is_some() => {
                self.stage = Stage::Finishing(now.instant);
                io.again();
            }
            Stage::Running if self.stop.load(Ordering::Acquire) => self.begin_finishing(io),
            Stage::Finishing(deadline) => self.finish(io, deadline),
            Stage::Running | Stage::Stopped => {}
        }
    }

    fn begin_finishing(&mut self, io: &mut Io<'_>) {
        let now = io.now();
        tracing::info!("stopping");
        for (listener, _) in self.listeners.drain() {
            io.stop_listening(listener);
        }
        // Writers keep what is not acknowledged; acknowledgements of what came in still come and go out.
        for &(token, owner) in self.owners.iter() {
            if matches!(owner, Owner::Hub(id) if !self.hub.is_logger(id)) {
                io.pause_reading(token);
            }
        }
        self.stage = Stage::Finishing(now.instant + PATIENCE);
        io.again();
    }

    fn finish(&mut self, io: &mut Io<'_>, deadline: Instant) {
        let now = io.now();
        // What parties still say comes before the hub's last word; and only a run that is known in full has one.
        let mut finished = self.parties_finished(now) && self.hub.is_told();
        if finished && !std::mem::replace(&mut self.journal_ended, true) {
            self.hub.end_journal(now);
        }
        finished &= self.hub.is_journal_logged();
        if finished || now.instant >= deadline {
            self.stage = Stage::Stopped;
            self.hub.bye(now, "the hub is stopping");
            self.exchange(io);
            io.stop();
        } else if self.exchange(io) {
            // Whoever was waiting for the last of it may have finished by now.
            io.again();
        }
    }

    /// Asks all of them, each time: it tells them that the end has come.
    fn parties_finished(&mut self, now: Now) -> bool {
        let mut finished = true;
        for guest in &mut self.guests {
            finished &= guest.party.is_finished(now);
        }
        finished
    }
}
