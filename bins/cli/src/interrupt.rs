//! Ctrl-C.

use std::process;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;

/// Calls `stop` when the person at the keyboard presses Ctrl-C, or the system asks the program to end (SIGTERM, SIGHUP).
///
/// `stop` runs on a thread of its own and should only make the program end in order. Who asks a second time does not
/// want to wait for that: the process exits at once, with 1. To be called once in a program.
///
/// # Errors
///
/// If the system does not let the program handle signals.
pub fn on_interrupt(stop: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let mut stop = Some(stop);
    ctrlc::set_handler(move || match stop.take() {
        Some(stop) => stop(),
        None => process::exit(1),
    })
    .context("cannot handle Ctrl-C")
}

/// The wish that something end: asked for once, heard by all who hold a clone.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Stop {
    /// A wish that nobody has yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The wish of whoever presses Ctrl-C; to be called once in a program, see [`on_interrupt`].
    ///
    /// # Errors
    ///
    /// As [`on_interrupt`].
    pub fn on_interrupt() -> anyhow::Result<Self> {
        let stop = Self::new();
        let asked = stop.clone();
        on_interrupt(move || asked.ask())?;
        Ok(stop)
    }

    /// Asks everybody to end.
    pub fn ask(&self) {
        let (asked, changed) = &*self.shared;
        *asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    /// Waits for it to be asked for, `duration` at most. Returns whether it is.
    pub fn within(&self, duration: Duration) -> bool {
        let (asked, changed) = &*self.shared;
        let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        *changed
            .wait_timeout_while(asked, duration, |asked| !*asked)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_hears_it() {
        let stop = Stop::new();
        assert!(!stop.within(Duration::ZERO));
        let heard = std::thread::spawn({
            let stop = stop.clone();
            move || stop.within(Duration::from_secs(60))
        });
        stop.ask();
        assert!(heard.join().unwrap());
        assert!(stop.within(Duration::ZERO));
    }
}
