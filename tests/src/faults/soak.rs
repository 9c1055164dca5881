//! Row 24: work for a long time, at half of what there could be.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use dict_event_loop::client::{Client, Mode, WatchOptions};
use dict_protocol::pattern::Pattern;

use super::load::Load;
use super::oracle::{Oracle, Tail, each_exported};
use super::systems::{Logger, verify};
use super::{Miss, Setting, ensure};

/// What was measured at a moment.
#[derive(Clone, Copy)]
struct Sample {
    kib: u64,
    descriptors: usize,
}

pub(super) fn run(setting: &Setting) -> Result<String, Miss> {
    let mut logger = Logger::start();
    let mut watchers = Vec::new();
    for mode in [Mode::Latest, Mode::Every] {
        let client = Client::builder().name("watcher").connect(&*logger.address);
        let client = client.map_err(|error| error.to_string())?;
        let options = WatchOptions { mode, ..WatchOptions::default() };
        watchers.push(client.watch(Pattern::all(), options).map_err(|error| error.to_string())?);
    }
    let load = Load::start(&logger.address, 2);
    let full = full_rate(&load, setting.soak.min(Duration::from_secs(100)) / 10)?;
    load.set_rate(full / 4);
    let samples = sample(&logger, &watchers, setting.soak);
    let journals = load.finish()?;
    drop(watchers);
    logger.service.running.signal("TERM");
    let status = logger.service.running.wait();
    ensure(status.success(), || format!("the logger ended with {status}"))?;
    verify(&logger.timeline)?;
    let mut oracle = Oracle::new(&journals);
    each_exported(&logger.timeline, |entry| oracle.see(&entry))?;
    let tally = oracle.tally(Tail::Settled);
    ensure(tally.is_zero(), || tally.to_string())?;
    let size = fs::metadata(&logger.timeline).map_or(0, |file| file.len()) >> 20;
    let flat = flatness(setting, &samples)?;
    Ok(format!(
        "{:.1} minutes, half of {full} updates a second: {flat}; a timeline of {size} MiB; {tally}",
        setting.soak.as_secs_f64() / 60.0
    ))
}

/// Updates a second that both writers have acknowledged together, as fast as they can.
fn full_rate(load: &Load, long: Duration) -> Result<u64, Miss> {
    load.wait_beyond(&[0, 0])?;
    let sum = || load.acknowledged().iter().sum::<u64>();
    let (started, before) = (Instant::now(), sum());
    sleep(long);
    Ok(((sum() - before) as f64 / started.elapsed().as_secs_f64()) as u64)
}

/// Measures again and again, while the watchers' events are taken.
fn sample(logger: &Logger, watchers: &[dict_event_loop::client::Watch], long: Duration) -> Vec<Sample> {
    let started = Instant::now();
    let mut samples = Vec::new();
    let mut next = started;
    while started.elapsed() < long {
        for watch in watchers {
            while let Ok(Some(_)) = watch.next(Duration::ZERO) {}
        }
        if Instant::now() >= next {
            next += long / 200;
            let running = &logger.service.running;
            samples.push(Sample { kib: running.resident_kib(), descriptors: running.descriptors() });
        }
        sleep(Duration::from_millis(5));
    }
    samples
}

/// Memory and descriptors in the last half, when caches are full.
fn flatness(setting: &Setting, samples: &[Sample]) -> Result<String, Miss> {
    let half = &samples[samples.len() / 2..];
    let mean = |part: &[Sample]| part.iter().map(|sample| sample.kib).sum::<u64>() / part.len().max(1) as u64;
    let (third, last) = half.split_at(half.len() / 2);
    let grown = mean(last) as i64 - mean(third) as i64;
    let descriptors = |pick: fn(usize, usize) -> usize| {
        half.iter().map(|sample| sample.descriptors).reduce(pick).unwrap_or_default()
    };
    let (least, most) = (descriptors(usize::min), descriptors(usize::max));
    ensure(setting.short || grown <= 1_024, || {
        format!("memory grew by {grown} KiB from the third quarter to the last, to {} KiB", mean(last))
    })?;
    // SQLite opens a file for a moment now and then.
    ensure(most - least <= 1, || format!("between {least} and {most} descriptors"))?;
    Ok(format!(
        "memory {} KiB in the last quarter, {grown:+} KiB to the one before, {least} to {most} descriptors",
        mean(last)
    ))
}
