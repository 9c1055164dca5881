//! Rows 1, 2, 4 and 8: programs that are killed, or told to end, while two writers write as fast as they can.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use dict_event_loop::client::{Client, Mode, WatchOptions};
use dict_protocol::pattern::Pattern;

use super::children;
use super::journal::Journal;
use super::load::Load;
use super::oracle::{self, Tally};
use super::proxy::{Manner, Proxy};
use super::systems::{Hub, Logger, time_to_serve, wait_until};
use super::{Miss, Setting, ensure};
use crate::programs::Running;

/// Unacknowledged updates that each writer has at least when something is killed.
const IN_FLIGHT: u64 = 1_000;

/// Kills for which one timeline serves.
const ROUND: usize = 10;

/// Rounds of kills, each with a timeline of its own that is compared at its end.
fn rounds(times: usize, mut round: impl FnMut(usize) -> Result<Tally, Miss>) -> Result<Tally, Miss> {
    let mut sum = Tally::default();
    let mut left = times;
    while left > 0 {
        let kills = left.min(ROUND);
        sum = sum.and(round(kills)?);
        left -= kills;
    }
    Ok(sum)
}

/// A moment between 1 and 500 ms from now, but not before the writers have enough on their way.
fn some_moment(load: &Load) -> Result<u64, String> {
    sleep(Duration::from_millis(fastrand::u64(1..=500)));
    load.wait_in_flight(IN_FLIGHT)
}

/// Ends all in order, compares, and sees whether tampering would be noticed.
fn settle(load: Load, logger: Logger) -> Result<Tally, Miss> {
    let journals = load.finish()?;
    let (tally, entries) = logger.settle(&journals)?;
    oracle::notices(&journals, &entries)?;
    Ok(tally)
}

/// Row 1.
pub(super) fn logger(setting: &Setting) -> Result<String, Miss> {
    let times = setting.times(50, 3);
    let (mut least, mut slowest) = (u64::MAX, Duration::ZERO);
    let tally = rounds(times, |kills| {
        let mut logger = Logger::start();
        let load = Load::start(&logger.address, 2);
        for _ in 0..kills {
            least = least.min(some_moment(&load)?);
            logger.service.running.kill();
            let started = Instant::now();
            logger.service.restart();
            time_to_serve(&logger.address);
            slowest = slowest.max(started.elapsed());
        }
        settle(load, logger)
    })?;
    setting.within("serving again", slowest, Duration::from_secs(2))?;
    let noticed = acknowledged_too_early(setting.times(10, 3))?;
    Ok(format!(
        "{times} kills, each writer with {least} or more on their way; {tally}; serving again within {} ms; acknowledged \
         before it is committed: {noticed} lost, as it should be",
        slowest.as_millis()
    ))
}

/// The counter-test of all rows in which something is killed: the same with acknowledgements that come too early loses
/// what was acknowledged, and the oracle notices. Returns how much.
fn acknowledged_too_early(kills: usize) -> Result<u64, Miss> {
    let mut logger = Logger::start();
    let hasty = Proxy::start(&logger.address, Manner::Hasty);
    let load = Load::start(&hasty.address, 2);
    for _ in 0..kills {
        let acknowledged = load.acknowledged();
        sleep(Duration::from_millis(fastrand::u64(1..=100)));
        load.wait_beyond(&acknowledged)?;
        logger.service.running.kill();
        logger.service.restart();
        let acknowledged = load.acknowledged();
        load.wait_beyond(&acknowledged)?;
    }
    let journals = load.finish()?;
    let tally = logger.end(&journals)?;
    ensure(tally.lost > 0, || format!("acknowledged before it was committed, and nobody noticed: {tally}"))?;
    Ok(tally.lost)
}

/// Row 2.
pub(super) fn hub(setting: &Setting) -> Result<String, Miss> {
    let times = setting.times(50, 3);
    let (mut least, mut slowest) = (u64::MAX, Duration::ZERO);
    let tally = rounds(times, |kills| {
        let mut hub = Hub::start();
        let logger = Logger::of(&hub.address);
        let watchers = watchers(&hub.address)?;
        let load = Load::start(&hub.address, 2);
        for _ in 0..kills {
            least = least.min(some_moment(&load)?);
            hub.service.running.kill();
            let (killed, acknowledged) = (Instant::now(), load.acknowledged());
            hub.service.restart();
            let back = || load.is_connected() && watchers.iter().all(|(client, _)| client.is_connected());
            wait_until("all clients are back", back)?;
            // The logger is, when something is acknowledged.
            load.wait_beyond(&acknowledged)?;
            slowest = slowest.max(killed.elapsed());
        }
        settle(load, logger)
    })?;
    setting.within("coming back", slowest, Duration::from_secs(5))?;
    Ok(format!(
        "{times} kills, each writer with {least} or more on their way; {tally}; writers, watchers and logger back \
         within {} ms",
        slowest.as_millis()
    ))
}

fn watchers(hub: &str) -> Result<Vec<(Client, dict_event_loop::client::Watch)>, Miss> {
    let watcher = |mode: Mode| {
        let client = Client::builder().name("watcher").connect(hub).map_err(|error| error.to_string())?;
        let options = WatchOptions { mode, ..WatchOptions::default() };
        let watch = client.watch(Pattern::all(), options).map_err(|error| error.to_string())?;
        Ok((client, watch))
    };
    [Mode::Latest, Mode::Every].into_iter().map(watcher).collect()
}

/// Row 8.
pub(super) fn told_to_end(setting: &Setting) -> Result<String, Miss> {
    let times = setting.times(50, 4);
    let mut slowest = Duration::ZERO;
    let mut signals = ["TERM", "INT"].into_iter().cycle();
    let tally = rounds(times, |kills| {
        let mut logger = Logger::start();
        let load = Load::start(&logger.address, 2);
        for _ in 0..kills {
            some_moment(&load)?;
            let (signal, told) = (signals.next().expect("they never end"), Instant::now());
            logger.service.running.signal(signal);
            let status = logger.service.running.wait();
            slowest = slowest.max(told.elapsed());
            ensure(status.code() == Some(0), || format!("after SIG{signal} the logger ended with {status}"))?;
            logger.service.restart();
        }
        settle(load, logger)
    })?;
    setting.within("ending", slowest, Duration::from_secs(5))?;
    Ok(format!(
        "{times} times, half SIGTERM, half SIGINT: always exit 0, within {} ms; {tally}",
        slowest.as_millis()
    ))
}

/// Row 4.
pub(super) fn all(setting: &Setting) -> Result<String, Miss> {
    let times = setting.times(20, 2);
    let folder = tempfile::tempdir().expect("a folder");
    let mut hub = Hub::start();
    let mut logger = Logger::of(&hub.address);
    let mut slowest = Duration::ZERO;
    let mut journals = vec![Journal::new("bench1/psu"), Journal::new("bench2/psu")];
    for _ in 0..times {
        let files: Vec<_> = journals.iter().map(|journal| children::file(folder.path(), journal)).collect();
        let mut writers: Vec<_> = journals
            .iter()
            .zip(&files)
            .map(|(journal, file)| writer(setting, &hub.address, journal, file))
            .collect();
        wait_until("the writers' first update is acknowledged", || {
            files.iter().zip(&journals).all(|(file, journal)| {
                let mut now = journal.clone();
                children::read(file, &mut now);
                now.acknowledged > journal.acknowledged
                    || now.acknowledged_later != journal.acknowledged_later
            })
        })?;
        sleep(Duration::from_millis(fastrand::u64(1..=500)));
        let mut all: Vec<&mut Running> = writers.iter_mut().collect();
        all.extend([&mut hub.service.running, &mut logger.service.running]);
        slowest = slowest.max(kill_at_once(&mut all));
        for (journal, file) in journals.iter_mut().zip(&files) {
            children::read(file, journal);
        }
        hub.service.restart();
        logger.service.restart();
    }
    // A last life of each, so that what the others left unsaid is stated.
    let files: Vec<_> = journals.iter().map(|journal| children::file(folder.path(), journal)).collect();
    for (journal, file) in journals.iter_mut().zip(&files) {
        let mut last = writer(setting, &hub.address, journal, file);
        drop(last.take_stdin());
        let status = last.wait();
        ensure(status.success(), || format!("the last life of a writer ended with {status}"))?;
        children::read(file, journal);
    }
    let (tally, entries) = logger.settle(&journals)?;
    oracle::notices(&journals, &entries)?;
    Ok(format!(
        "{times} times, hub, logger and two writers without a spool file, killed within {:.1} ms; {tally}",
        slowest.as_secs_f64() * 1e3
    ))
}

/// Kills one after the other, without waiting in between; how long that took at most.
fn kill_at_once(all: &mut [&mut Running]) -> Duration {
    let started = Instant::now();
    let mut kill = Command::new("kill");
    kill.arg("-KILL").args(all.iter().map(|running| running.id().to_string()));
    assert!(kill.status().expect("kill runs").success());
    let took = started.elapsed();
    for running in all {
        running.wait();
    }
    took
}

/// A writer in a process of its own.
fn writer(setting: &Setting, hub: &str, journal: &Journal, file: &Path) -> Running {
    let mut command = Command::new(&setting.program);
    command.args(["child", "write", hub, &journal.source, &(journal.sent + 1).to_string()]).arg(file);
    command.stdin(Stdio::piped());
    Running::start(command)
}
