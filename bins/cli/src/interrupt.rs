//! Ctrl-C.

use std::process;

use anyhow::Context;

/// Calls `stop` when the person at the keyboard presses Ctrl-C, or the system asks the program to end (SIGTERM, SIGHUP).
///
/// `stop` runs on a thread of its own and should only make the program end in order. Who asks a second time does not
/// want to wait for that: the process exits at once, with 1. To be called once.
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
