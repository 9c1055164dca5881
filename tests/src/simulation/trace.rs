//! What happened, in words: only put together when a run is made again because it failed.

use std::fmt;

use dict_protocol::time::Instant;

/// The last lines of a run, or nothing if nobody asked.
#[derive(Debug, Default)]
pub(super) struct Trace {
    lines: Option<Vec<String>>,
    now: Instant,
}

impl Trace {
    /// A trace that keeps its lines, or none.
    pub(super) fn new(kept: bool) -> Self {
        Self { lines: kept.then(Vec::new), now: Instant::default() }
    }

    /// It is now so late.
    pub(super) fn set_time(&mut self, now: Instant) {
        self.now = now;
    }

    /// Adds a line, if lines are kept.
    pub(super) fn line(&mut self, line: fmt::Arguments<'_>) {
        if let Some(lines) = &mut self.lines {
            let milliseconds = self.now.as_nanos() as f64 / 1e6;
            lines.push(format!("{milliseconds:>12.3} ms  {line}"));
        }
    }

    /// The lines so far.
    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
