//! `dict-client bench throughput`: a thread for each writer and each subscriber.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use dict_protocol::dictionary;

use super::arguments::{BenchMode, Format, ThroughputArguments};
use super::connection::{Hub, TICK};
use super::watcher::{Checked, Watcher};
use super::writer::SourceWriter;
use super::{load, report};
use crate::PATIENCE;

/// What the threads know of each other.
struct Run {
    /// For each subscriber, and there for each source, the last update that arrived.
    arrived: Vec<Vec<AtomicU64>>,
    /// The last update of each source.
    last: u64,
    /// Updates of one writer that may be on their way, if that is bounded.
    in_flight: Option<u64>,
    /// Something went wrong: everybody is to stop.
    stop: AtomicBool,
}

pub(super) fn run(hub: &Hub, arguments: &ThroughputArguments, format: Format) -> Result<()> {
    let ThroughputArguments { writers, subscribers, messages, whole, mode, size, keys, in_flight } =
        *arguments;
    let dictionary = load::dictionary(keys, size)?;
    let prefix = super::new_prefix();
    let (writers, subscribers) = (writers as usize, subscribers as usize);
    let run = Run {
        arrived: (0..subscribers).map(|_| (0..writers).map(|_| AtomicU64::new(0)).collect()).collect(),
        last: messages + 1,
        in_flight: (mode == BenchMode::Every).then_some((in_flight / writers as u64).max(1)),
        stop: AtomicBool::new(false),
    };
    let watchers = (0..subscribers).map(|_| Watcher::begin(hub, &prefix, mode.into(), writers));
    let watchers = watchers.collect::<Result<Vec<_>>>()?;
    let (started, watched) = thread::scope(|scope| {
        let run = &run;
        let watching: Vec<_> = watchers
            .into_iter()
            .zip(&run.arrived)
            .map(|(watcher, arrived)| scope.spawn(move || run.guard(|| run.watch(watcher, arrived))))
            .collect();
        let begun = run.guard(|| {
            let begin =
                |number| run.begin(hub, format!("{prefix}{number}"), number, dictionary.clone(), whole);
            (0..writers).map(begin).collect::<Result<Vec<_>>>()
        });
        let started = Instant::now();
        let written = begun.and_then(|begun| {
            let writing: Vec<_> = begun
                .into_iter()
                .enumerate()
                .map(|(number, writer)| scope.spawn(move || run.guard(|| run.write(writer, number))))
                .collect();
            writing.into_iter().try_for_each(|thread| thread.join().expect("writers do not panic"))
        });
        let watched = watching.into_iter().map(|thread| thread.join().expect("subscribers do not panic"));
        let watched = watched.collect::<Result<Vec<_>>>();
        written.and(watched).map(|watched| (started, watched))
    })?;

    let time = watched.iter().map(|(_, ended)| *ended).max().map_or(Duration::ZERO, |ended| ended - started);
    let sum = |figure: fn(&Checked) -> u64| watched.iter().map(|(checked, _)| figure(checked)).sum::<u64>();
    let (delivered, merged) = (sum(|checked| checked.delivered), sum(|checked| checked.merged));
    let sent = messages * (writers * subscribers) as u64;
    let lost = sent - delivered - merged;
    let figures = dictionary! {
        "deliveries_per_second" => report::per_second(delivered, time),
        "bytes_per_second" => report::per_second(sum(|checked| checked.bytes), time),
        "delivered" => delivered,
        "lost" => lost,
        "merged" => merged,
        "seconds" => report::seconds(time),
    };
    report::print(figures, format)?;
    hub.forget((0..writers).map(|number| format!("{prefix}{number}")))?;
    if lost > 0 {
        bail!("{lost} of {sent} updates did not arrive");
    }
    Ok(())
}

impl Run {
    /// Stops everybody if a part fails.
    fn guard<T>(&self, part: impl FnOnce() -> Result<T>) -> Result<T> {
        part().inspect_err(|_| self.stop.store(true, Ordering::Relaxed))
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The last update of a source that has arrived everywhere.
    fn arrived_everywhere(&self, number: usize) -> u64 {
        let arrived = self.arrived.iter().map(|sources| sources[number].load(Ordering::Relaxed));
        arrived.min().unwrap_or(u64::MAX)
    }

    /// Begins a source, and waits until that has arrived: whole dictionaries are larger than what changes, and many at once
    /// could be more than the hub holds for a subscriber.
    fn begin(
        &self,
        hub: &Hub,
        source: String,
        number: usize,
        dictionary: dict_protocol::value::Dictionary,
        whole: bool,
    ) -> Result<SourceWriter> {
        let mut writer = SourceWriter::begin(hub, source, dictionary, whole)?;
        self.wait_for_arrival(&mut writer, number)?;
        Ok(writer)
    }

    fn wait_for_arrival(&self, writer: &mut SourceWriter, number: usize) -> Result<()> {
        while self.arrived_everywhere(number) < writer.sequence() && !self.is_stopped() {
            writer.pause()?;
        }
        Ok(())
    }

    /// Writes all updates of a source, and ends it when they have arrived.
    fn write(&self, mut writer: SourceWriter, number: usize) -> Result<()> {
        while writer.sequence() < self.last && !self.is_stopped() {
            let left = self.last - writer.sequence();
            let Some(in_flight) = self.in_flight else {
                writer.send_batch(left)?;
                continue;
            };
            let room =
                in_flight.saturating_sub(writer.sequence() - self.arrived_everywhere(number)).min(left);
            // Not each update that has arrived makes a batch of its own.
            if room < left.min(in_flight.div_ceil(4)) {
                writer.pause()?;
            } else {
                writer.send_batch(room)?;
            }
        }
        self.wait_for_arrival(&mut writer, number)?;
        writer.finish()
    }

    /// Takes in everything, until the last update of each source has come, or nothing comes any more. Returns what arrived,
    /// and when the last of it did.
    fn watch(&self, mut watcher: Watcher, arrived: &[AtomicU64]) -> Result<(Checked, Instant)> {
        let mut ended = Instant::now();
        while watcher.at().iter().any(|&at| at < self.last) && !self.is_stopped() {
            if watcher.receive()? {
                ended = Instant::now();
                for (arrived, &at) in arrived.iter().zip(watcher.at()) {
                    arrived.store(at, Ordering::Relaxed);
                }
            } else if ended.elapsed() > PATIENCE + TICK {
                // What has not come by now is lost, and is counted; writers do not wait for it.
                self.stop.store(true, Ordering::Relaxed);
            }
        }
        watcher.finish().map(|checked| (checked, ended))
    }
}
