//! `dict-client ping`.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use dict_cli::{Stdout, Stop};

use crate::arguments::{ConnectionArguments, PingArguments};

pub(crate) fn run(connection: ConnectionArguments, arguments: &PingArguments) -> Result<()> {
    let PingArguments { count, interval, timeout } = *arguments;
    let stop = Stop::on_interrupt()?;
    let mut out = Stdout::new();
    let link = connection.hub.hub.clone();
    let started = Instant::now();
    let client = connection.connect_as(|client| client.connect_timeout(timeout))?;
    writeln!(out, "connected to {link} in {}", milliseconds(started.elapsed()))?;
    out.flush()?;

    let mut times = Vec::new();
    let mut sent = 0;
    while sent < count && !(sent > 0 && stop.within(interval)) {
        sent += 1;
        match client.ping(timeout) {
            Ok(time) => {
                writeln!(out, "{sent}: {}", milliseconds(time))?;
                times.push(time);
            }
            Err(error) => writeln!(out, "{sent}: lost: {error}")?,
        }
        out.flush()?;
    }
    writeln!(out, "{}", summary(&mut times, sent))?;
    out.flush()?;
    if times.is_empty() {
        bail!("nothing came back from {link}");
    }
    Ok(())
}

/// Least, mean, median, 99th percentile, most, and the share that was lost.
fn summary(times: &mut [Duration], sent: u64) -> String {
    times.sort_unstable();
    let lost = sent - times.len() as u64;
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
        let text = summary(&mut times, 250);
        assert_eq!(
            text,
            "min 1.000 ms, mean 100.500 ms, p50 100.000 ms, p99 198.000 ms, max 200.000 ms, loss 50 of 250 (20.0 %)"
        );
        assert_eq!(summary(&mut [], 3), "loss 3 of 3 (100.0 %)");
    }
}
