//! Row 13: a subscriber that is stopped, so that it reads nothing, while others go on.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use dict_event_loop::client::{Client, Mode, WatchEvent, WatchOptions};
use dict_protocol::pattern::Pattern;
use dict_protocol::time::Time;

use super::load::Load;
use super::oracle;
use super::systems::{Hub, Logger};
use super::{Miss, Setting, children, ensure};
use crate::programs::{PATIENCE, Running};

/// Updates a second of each of the two writers.
const RATE: u64 = 1_000;

pub(super) fn run(setting: &Setting) -> Result<String, Miss> {
    let long = Duration::from_secs(setting.form(60, 2));
    // Twice the limit of what is queued: buffers grow by doubling.
    let latest = one(setting, "latest", long, 2 * 256)?;
    let every = one(setting, "every", long, 2 * 4_096)?;
    Ok(format!("stopped for {} s: latest: {latest}; every: {every}", long.as_secs()))
}

/// Stops a watcher of this mode; the hub may grow by so many KiB.
fn one(setting: &Setting, mode: &str, long: Duration, most: u64) -> Result<String, Miss> {
    // The hub keeps the watcher's connection while it is stopped.
    let hub = Hub::start_with(&["--limit", "heartbeat=30s"]);
    let logger = Logger::of(&hub.address);
    let load = Load::start(&hub.address, 2);
    load.set_rate(RATE);
    load.wait_beyond(&[0, 0])?;
    let mut watching = Command::new(&setting.program);
    watching.args(["child", "watch", &hub.address, mode]).stdin(Stdio::piped());
    let mut watching = Running::start(watching);
    ensure(watching.line() == "watching", || "the watcher does not watch".to_owned())?;
    let usual = long.min(Duration::from_secs(20));
    let ahead = Latencies::during(&hub.address, usual)?;
    let before = hub.service.running.resident_kib();
    watching.signal("STOP");
    let measuring = Latencies::start(&hub.address)?;
    let (mut grown, until) = (0, Instant::now() + long);
    while Instant::now() < until {
        grown = grown.max(hub.service.running.resident_kib().saturating_sub(before));
        sleep(Duration::from_millis(50));
    }
    let meanwhile = measuring.stop();
    watching.signal("CONT");
    ensure(grown <= most, || format!("{mode}: the hub grew by {grown} KiB, {most} allowed"))?;
    // Before and after, since the machine may have had something else to do.
    let usual = ahead.max(Latencies::during(&hub.address, usual)?);
    setting.within("p99 of another watcher", meanwhile, usual.mul_f64(1.2))?;
    let journals = load.finish()?;
    let (tally, entries) = logger.settle(&journals)?;
    oracle::notices(&journals, &entries)?;
    // None is missing, so none was merged.
    ensure(tally.held == tally.sent, || format!("the logger holds {} of {}", tally.held, tally.sent))?;
    Ok(format!(
        "the hub grew by {grown} KiB, p99 of another watcher {:.0} µs before or after and {:.0} µs meanwhile, the logger's {tally}",
        usual.as_secs_f64() * 1e6,
        meanwhile.as_secs_f64() * 1e6
    ))
}

/// Measures how old updates are when a watcher has them.
struct Latencies {
    stop: Arc<AtomicBool>,
    /// The ages of each second's updates, in nanoseconds.
    measuring: JoinHandle<Vec<Vec<i64>>>,
}

impl Latencies {
    fn start(hub: &str) -> Result<Self, Miss> {
        let client = Client::builder().name("other").connect(hub).map_err(|error| error.to_string())?;
        let options = WatchOptions { mode: Mode::Every, ..WatchOptions::default() };
        let watch = client.watch(Pattern::all(), options).map_err(|error| error.to_string())?;
        watch.wait_current(PATIENCE).map_err(|error| error.to_string())?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let measuring = std::thread::spawn(move || {
            let (mut seconds, since) = (vec![Vec::new()], Instant::now());
            while !stopped.load(Ordering::Acquire) {
                if let Ok(Some(WatchEvent::Update(update))) = watch.next(Duration::from_millis(100)) {
                    seconds.resize(seconds.len().max(since.elapsed().as_secs() as usize + 1), Vec::new());
                    // The writer is on the same machine: its clock is this one.
                    let age = now() - update.stamp.writer_time;
                    seconds.last_mut().expect("there is one at least").push(age);
                }
            }
            seconds
        });
        Ok(Self { stop, measuring })
    }

    fn during(hub: &str, long: Duration) -> Result<Duration, Miss> {
        let measuring = Self::start(hub)?;
        sleep(long);
        Ok(measuring.stop())
    }

    /// The 99th percentile of a second, in the median of all seconds: a moment in which the machine did something else
    /// would be the 99th percentile of a minute alone.
    fn stop(self) -> Duration {
        self.stop.store(true, Ordering::Release);
        let seconds = self.measuring.join().expect("it does not panic");
        let p99 = |ages: Vec<i64>| percentile(ages, 99);
        let each = seconds.into_iter().filter(|ages| !ages.is_empty()).map(p99).collect();
        Duration::from_nanos(percentile(each, 50).max(0).cast_unsigned())
    }
}

/// 0 where there is nothing.
fn percentile(mut values: Vec<i64>, percent: usize) -> i64 {
    values.sort_unstable();
    values.get(values.len() * percent / 100).copied().unwrap_or(0)
}

fn now() -> Time {
    dict_event_loop::Clock::now().time
}

/// What the watcher does that is stopped.
pub(super) fn watch(hub: &str, mode: Mode) {
    let client = Client::builder().name("stopped").connect(hub).expect("the hub is there");
    let watch =
        client.watch(Pattern::all(), WatchOptions { mode, ..WatchOptions::default() }).expect("it may");
    watch.wait_current(PATIENCE).expect("the hub tells");
    children::say("watching");
    let stop = children::when_input_ends();
    while !stop.load(Ordering::Acquire) {
        let _ = watch.next(Duration::from_millis(100));
    }
}
