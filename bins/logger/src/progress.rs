//! How far long work is, on a terminal.

use std::cell::Cell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on standard error, if that is a terminal; cleared when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    shown: Cell<Shown>,
}

/// What can be seen: the same as long as `done` is in this range of the same task.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    task: &'static str,
    total: u64,
    from: u64,
    to: u64,
}

/// The parts of a task of which each moves the bar.
const STEPS: u64 = 1_000;

impl Progress {
    /// A bar that shows nothing yet.
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, shown: Cell::default() }
    }

    /// It is at `task`, and so far with it; `total` 0: nobody knows how far that is.
    pub(crate) fn show(&self, task: &'static str, done: u64, total: u64) {
        // Asking the bar takes longer than looking whether there is anything to show.
        let shown = self.shown.get();
        if (shown.task, shown.total) == (task, total) && (shown.from..shown.to).contains(&done) {
            return;
        }
        self.shown.set(Shown { task, total, from: done, to: done + total / STEPS });
        if shown.task != task {
            let form = if total == 0 { "{spinner} {msg}" } else { "{msg} {wide_bar} {percent:>3} %  {eta}" };
            let style = ProgressStyle::with_template(form).expect("both forms are right");
            self.bar.set_style(style);
            self.bar.reset_eta();
            self.bar.set_message(task);
        }
        if total > 0 {
            self.bar.set_length(total);
            self.bar.set_position(done);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
