//! What a measurement tells.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Result, bail};
use dict_cli::Stdout;
use dict_protocol::link::Link;

/// Round trips, printed one by one and summed up in the end.
pub(super) struct Report {
    out: Stdout,
    link: String,
    times: Vec<Duration>,
    lost: usize,
}

impl Report {
    pub(super) fn new(link: &Link) -> Self {
        Self { out: Stdout::new(), link: link.to_string(), times: Vec::new(), lost: 0 }
    }

    /// There is a connection, after so long.
    pub(super) fn connected(&mut self, time: Duration) -> io::Result<()> {
        let text = format!("connected to {} in {}", self.link, milliseconds(time));
        self.line(text)
    }

    /// An answer came.
    pub(super) fn came(&mut self, number: u64, time: Duration) -> io::Result<()> {
        self.times.push(time);
        self.line(format_args!("{number}: {}", milliseconds(time)))
    }

    /// No answer came.
    pub(super) fn lost(&mut self, number: u64, why: impl fmt::Display) -> io::Result<()> {
        self.lost += 1;
        self.line(format_args!("{number}: lost: {why}"))
    }

    /// An answer came that was lost before, and remains so.
    pub(super) fn late(&mut self, number: u64, time: Duration) -> io::Result<()> {
        self.line(format_args!("{number}: too late, after {}", milliseconds(time)))
    }

    /// Sums up.
    ///
    /// # Errors
    ///
    /// If nothing came back at all.
    pub(super) fn finish(mut self) -> Result<()> {
        let text = summary(&mut self.times, self.lost);
        self.line(text)?;
        if self.times.is_empty() {
            bail!("nothing came back from {}", self.link);
        }
        Ok(())
    }

    fn line(&mut self, text: impl fmt::Display) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }
}

/// Least, mean, median, 99th percentile, most, and the share that was lost.
fn summary(times: &mut [Duration], lost: usize) -> String {
    times.sort_unstable();
    let sent = times.len() + lost;
    let loss = format!("loss {lost} of {sent} ({:.1} %)", 100.0 * lost as f64 / sent.max(1) as f64);
    let (Some(min), Some(max)) = (times.first(), times.last()) else { return loss };
    let mean = times.iter().sum::<Duration>().div_f64(times.len() as f64);
    format!(
        "min {}, mean {}, p50 {}, p99 {}, max {}, {loss}",
        milliseconds(*min),
        milliseconds(mean),
        milliseconds(percentile(times, 50)),
        milliseconds(percentile(times, 99)),
        milliseconds(*max)
    )
}

/// The least time that so many of a hundred do not exceed; `sorted` is not empty.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted[rank - 1]
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_what_was_lost() {
        let mut times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        let text = summary(&mut times, 50);
        assert_eq!(
            text,
            "min 1.000 ms, mean 100.500 ms, p50 100.000 ms, p99 198.000 ms, max 200.000 ms, loss 50 of 250 (20.0 %)"
        );
        assert_eq!(summary(&mut [], 3), "loss 3 of 3 (100.0 %)");
        assert_eq!(summary(&mut [], 0), "loss 0 of 0 (0.0 %)");
    }
}
