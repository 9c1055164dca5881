//! Connections that end by a reset. A reset throws away what is still under way, so these are written to step by step:
//! the next only when the peer's system has acknowledged the last.

use std::time::Duration;

use crate::application::Application;
use crate::connection::Output;
use crate::io::Io;
use crate::sockets::Sockets;
use crate::timers::Timer;
use crate::token::Token;

/// Where the system does not tell what is acknowledged: so long after it was written everything counts as that.
pub(crate) const ACKNOWLEDGED_AFTER: Duration = Duration::from_millis(5);

/// The system does not report an acknowledgement, it has to be asked: in the next turn, after this, and then after
/// delays that double to the longest.
const FIRST_DELAY: Duration = Duration::from_millis(1);
const LONGEST_DELAY: Duration = Duration::from_millis(20);

impl Sockets {
    pub(crate) fn make_fragile(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(token) {
            connection.fragile = true;
            connection.reset_on_close();
        }
    }

    /// A write to a fragile connection is complete: no other before this one is acknowledged.
    pub(crate) fn await_acknowledgement(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        connection.unblock_output(&self.registry, token);
        if matches!(connection.output, Output::Direct) {
            connection.output = Output::Unacknowledged { since: self.now.instant };
            self.timers.set(self.now.instant, Timer::Acknowledgement(token));
        }
    }

    pub(crate) fn check_acknowledgement<A: Application>(&mut self, application: &mut A, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Output::Unacknowledged { since } = connection.output else { return };
        let now = self.now.instant;
        let waited = now.since(since);
        let again_in = match connection.is_acknowledged(&mut self.send_queues) {
            Ok(Some(true)) => None,
            Ok(Some(false)) => Some(waited.clamp(FIRST_DELAY, LONGEST_DELAY)),
            Ok(None) => ACKNOWLEDGED_AFTER.checked_sub(waited).filter(|rest| !rest.is_zero()),
            Err(error) => {
                connection.output = Output::Broken(error);
                return self.check_output(token);
            }
        };
        if let Some(delay) = again_in {
            return self.timers.set(now + delay, Timer::Acknowledgement(token));
        }
        connection.output = Output::Direct;
        application.acknowledged(&mut Io::new(self), token);
        self.queue_write(token);
    }
}
