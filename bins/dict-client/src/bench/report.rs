//! What a measurement prints: figures under their names.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use dict_cli::{Stdout, value_text};
use dict_protocol::value::Dictionary;
use hdrhistogram::Histogram;

use super::arguments::Format;

pub(super) fn print(figures: Dictionary, format: Format) -> Result<()> {
    let mut out = Stdout::new();
    match format {
        Format::Json => writeln!(out, "{}", value_text(&figures.into()))?,
        Format::Table => {
            let width = figures.keys().map(str::len).max().unwrap_or(0);
            for (name, value) in &figures {
                writeln!(out, "{name:<width$}  {}", value_text(value))?;
            }
        }
    }
    Ok(out.flush()?)
}

/// How many of `count` came in a second of `time`.
pub(super) fn per_second(count: u64, time: Duration) -> u64 {
    (count as f64 / time.as_secs_f64().max(1e-9)) as u64
}

/// Seconds, to a thousandth.
pub(super) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round() / 1e3
}

/// How long things took.
pub(super) struct Times(Histogram<u64>);

impl Times {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        // Nanoseconds to a thousandth of themselves, up to an hour.
        Self(Histogram::new_with_max(3_600_000_000_000, 3).expect("the bounds are in order"))
    }

    /// Adds one, in nanoseconds.
    pub(super) fn add(&mut self, nanoseconds: u64) {
        self.0.saturating_record(nanoseconds);
    }

    /// Adds all of another.
    pub(super) fn add_all(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    /// The time that so much of them, from 0 to 1, does not exceed: microseconds, to a tenth.
    pub(super) fn microseconds(&self, quantile: f64) -> f64 {
        (self.0.value_at_quantile(quantile) as f64 / 100.0).round() / 10.0
    }
}
