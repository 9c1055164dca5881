//! `dict-client bench latency`: from publishing to one's own subscription.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail, ensure};
use dict_event_loop::client::{Client, Level, Mode, Watch, WatchEvent, WatchOptions, Writer, WriterOptions};
use dict_protocol::pattern::Pattern;
use dict_protocol::{dictionary, packet};

use super::arguments::{Format, LatencyArguments};
use super::connection::Hub;
use super::report::Times;
use super::watcher::Watcher;
use super::writer::SourceWriter;
use super::{load, report};
use crate::PATIENCE;

/// A sleep ends that much too late at times: the rest of a wait is spent awake.
const OVERSLEPT: Duration = Duration::from_micros(200);

/// What publishes: update 1 before it all begins, then one by one.
trait Publishing: Send {
    /// Publishes the next update.
    fn send(&mut self) -> Result<()>;
    fn finish(self) -> Result<()>;
}

/// What sees it arrive.
trait Arriving {
    /// Waits a moment at most. Returns the last update that has arrived; 0 before the first.
    fn receive(&mut self) -> Result<u64>;
    fn finish(self) -> Result<()>;
}

pub(super) fn run(hub: &Hub, arguments: &LatencyArguments, format: Format) -> Result<()> {
    let prefix = super::new_prefix();
    let source = format!("{prefix}0");
    let dictionary = load::dictionary(5, None)?;
    let (times, time) = if arguments.threaded {
        let client = hub.client()?;
        let options = WatchOptions { mode: Mode::Every, ..WatchOptions::default() };
        let watch = client.watch(Pattern::Name(source.clone()), options)?;
        watch.wait_current(PATIENCE)?;
        let options = WriterOptions { level: Some(Level::None), ..WriterOptions::default() };
        let writer = client.writer(&source, options)?;
        writer.wait_announced(PATIENCE)?;
        writer.publish(&dictionary)?;
        measure(Threaded { writer, client, sequence: 1 }, Watching { watch, at: 0 }, arguments)?
    } else {
        let watcher = Watcher::begin(hub, &prefix, packet::Mode::Every, 1)?;
        let writer = SourceWriter::begin(hub, source.clone(), dictionary, false)?;
        measure(writer, watcher, arguments)?
    };
    let figures = dictionary! {
        "p50_us" => times.microseconds(0.5),
        "p90_us" => times.microseconds(0.9),
        "p99_us" => times.microseconds(0.99),
        "p99_9_us" => times.microseconds(0.999),
        "max_us" => times.microseconds(1.0),
        "messages" => arguments.messages,
        "messages_per_second" => report::per_second(arguments.messages, time),
        "seconds" => report::seconds(time),
    };
    report::print(figures, format)?;
    hub.forget([source])
}

fn measure<P: Publishing, A: Arriving>(
    publishing: P,
    mut arriving: A,
    arguments: &LatencyArguments,
) -> Result<(Times, Duration)> {
    wait_for(1, &mut arriving)?;
    let started = Instant::now();
    let (publishing, times) = match arguments.rate {
        None => one_by_one(publishing, &mut arriving, arguments.messages)?,
        Some(rate) => at_rate(publishing, &mut arriving, arguments.messages, Duration::from_secs(1) / rate)?,
    };
    let time = started.elapsed();
    publishing.finish()?;
    arriving.finish()?;
    Ok((times, time))
}

/// Publishes the next update when the last has arrived.
fn one_by_one<P: Publishing>(
    mut publishing: P,
    arriving: &mut impl Arriving,
    messages: u64,
) -> Result<(P, Times)> {
    let mut times = Times::new();
    for sequence in 2..messages + 2 {
        let sent = Instant::now();
        publishing.send()?;
        wait_for(sequence, arriving)?;
        times.add(nanoseconds(sent.elapsed()));
    }
    Ok((publishing, times))
}

/// Publishes an update each `interval`. What is late counts from when it was to be sent.
fn at_rate<P: Publishing>(
    mut publishing: P,
    arriving: &mut impl Arriving,
    messages: u64,
    interval: Duration,
) -> Result<(P, Times)> {
    let started = Instant::now();
    let interval = nanoseconds(interval);
    // Update 1 was before.
    let due = |sequence: u64| started + Duration::from_nanos(interval * (sequence - 2));
    // Nobody takes in what is sent: the publisher is to end, too.
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let is_over = &over;
        let sending = scope.spawn(move || {
            for sequence in 2..messages + 2 {
                sleep_until(due(sequence), is_over);
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                publishing.send()?;
            }
            anyhow::Ok(publishing)
        });
        let mut times = Times::new();
        let mut at = 1;
        let mut came = Instant::now();
        while at < messages + 1 {
            let arrived = arriving.receive().inspect_err(|_| over.store(true, Ordering::Relaxed))?;
            let now = Instant::now();
            if arrived > at {
                came = now;
            } else if now > due(at + 1).max(came) + PATIENCE {
                over.store(true, Ordering::Relaxed);
                break;
            }
            for sequence in at + 1..=arrived {
                times.add(nanoseconds(now.saturating_duration_since(due(sequence))));
            }
            at = arrived;
        }
        // A publisher that failed is why nothing came.
        let publishing = sending.join().map_err(|_| anyhow!("the publisher panicked"))??;
        ensure!(at == messages + 1, "only {} of {messages} updates have arrived", at - 1);
        Ok((publishing, times))
    })
}

fn wait_for(sequence: u64, arriving: &mut impl Arriving) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while arriving.receive()? < sequence {
        if Instant::now() > deadline {
            bail!("update {sequence} has not arrived in {} s", PATIENCE.as_secs());
        }
    }
    Ok(())
}

/// Waits for a time, or less if all is over.
fn sleep_until(due: Instant, over: &AtomicBool) {
    loop {
        let wait = due.saturating_duration_since(Instant::now());
        if wait <= OVERSLEPT || over.load(Ordering::Relaxed) {
            break;
        }
        thread::sleep((wait - OVERSLEPT).min(PATIENCE / 20));
    }
    while Instant::now() < due && !over.load(Ordering::Relaxed) {
        thread::yield_now();
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Publishing for SourceWriter {
    fn send(&mut self) -> Result<()> {
        Self::send(self)
    }

    fn finish(self) -> Result<()> {
        Self::finish(self)
    }
}

impl Arriving for Watcher {
    fn receive(&mut self) -> Result<u64> {
        Self::receive(self)?;
        Ok(self.at()[0])
    }

    fn finish(self) -> Result<()> {
        Self::finish(self).map(drop)
    }
}

/// The client that programs use, as it publishes.
struct Threaded {
    writer: Writer,
    client: Client,
    sequence: u64,
}

impl Publishing for Threaded {
    fn send(&mut self) -> Result<()> {
        self.sequence += 1;
        let published = self.writer.set(load::KEY, load::value(self.sequence))?;
        ensure!(published == Some(self.sequence), "update {} was not made", self.sequence);
        Ok(())
    }

    fn finish(self) -> Result<()> {
        self.writer.end(PATIENCE)?;
        self.client.close(PATIENCE);
        Ok(())
    }
}

/// The client that programs use, as it watches.
struct Watching {
    watch: Watch,
    at: u64,
}

impl Arriving for Watching {
    fn receive(&mut self) -> Result<u64> {
        match self.watch.next(super::connection::TICK)? {
            Some(WatchEvent::Update(update)) => self.at = update.sequence,
            Some(WatchEvent::State(state)) => self.at = state.sequence,
            Some(WatchEvent::Missed { sequences, .. }) => bail!("updates {sequences:?} did not arrive"),
            _ => {}
        }
        Ok(self.at)
    }

    fn finish(self) -> Result<()> {
        Ok(())
    }
}
