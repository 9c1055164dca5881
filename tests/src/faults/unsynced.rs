//! Row 6: a disk that fails to sync, and what is acknowledged before a sync is complete.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::load::Load;
use super::oracle::{self, Tally};
use super::systems::{Logger, no_strace, wait_until};
use super::{Miss, Setting, calls, ensure};

pub(super) fn run(setting: &Setting) -> Result<String, Miss> {
    no_strace()?;
    let times = setting.times(20, 1);
    let mut slowest = Duration::ZERO;
    let mut tally = Tally::default();
    for _ in 0..times {
        let (took, of_this) = fail()?;
        slowest = slowest.max(took);
        tally = tally.and(of_this);
    }
    setting.within("ending after the sync that failed", slowest, Duration::from_secs(1))?;
    let traced = trace(setting)?;
    Ok(format!(
        "{times} times: exit with an error within {} ms, no acknowledgement of what was not synced, no further sync tried, {tally}; \
         {traced}",
        slowest.as_millis()
    ))
}

/// One sync fails, under load; from there to the logger's end.
fn fail() -> Result<(Duration, Tally), Miss> {
    let mut logger = Logger::start();
    let load = Load::start(&logger.address, 2);
    load.set_rate(2_000);
    load.wait_beyond(&[0, 0])?;
    logger.service.running.kill();
    let held = oracle::export(&logger.timeline)?;
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("trace");
    let failing = format!("inject=fsync,fdatasync:error=EIO:when={}", fastrand::u8(20..60));
    let path = trace.to_str().expect("the path is UTF-8");
    logger.service.restart_traced(&[&["-o", path], &calls::OPTIONS[..], &["-e", &failing]].concat());
    let status = logger.service.running.wait();
    ensure(status.code() == Some(1), || format!("the logger ended with {status}"))?;
    let trace = whole(&trace)?;
    let took = after_the_failure(&trace)?;
    calls::check_from(&trace, &held)?;
    logger.service.restart();
    load.wait_beyond(&load.acknowledged())?;
    let journals = load.finish()?;
    let (tally, entries) = logger.settle(&journals)?;
    oracle::notices(&journals, &entries)?;
    Ok((took, tally))
}

/// The trace, once the tracer has written all of it.
fn whole(trace: &Path) -> Result<String, Miss> {
    let text = || fs::read_to_string(trace).unwrap_or_default();
    let ended = || text().lines().last().is_some_and(|line| line.contains("+++ ") && line.ends_with(" +++"));
    wait_until("the trace is whole", ended)?;
    Ok(text())
}

/// How long the process lived after a sync failed, in which it may not have synced again.
fn after_the_failure(trace: &str) -> Result<Duration, Miss> {
    let time = |line: &str| line.split_whitespace().nth(1).and_then(|time| time.parse::<f64>().ok());
    let mut lines = trace.lines().skip_while(|line| !line.contains("= -1 EIO"));
    let failed = lines.next().and_then(time).ok_or_else(|| "no sync was made to fail".to_owned())?;
    let mut ended = failed;
    for line in lines {
        ensure(!line.contains("sync("), || format!("it synced again after a failure: {line}"))?;
        ended = time(line).unwrap_or(ended);
    }
    Ok(Duration::from_secs_f64(ended - failed))
}

/// Traces a logger, whose acknowledgements have to follow completed syncs; and says so of none that does not sync.
fn trace(setting: &Setting) -> Result<String, Miss> {
    let honest = traced(setting, &[])?;
    let seen = calls::check(&honest)?;
    ensure(seen.acknowledgements >= 10 && seen.syncs >= 10, || format!("too little was traced: {seen:?}"))?;
    // The counter-tests: a logger all whose syncs are swallowed, as with SQLite's synchronous=OFF, and a trace without any.
    let swallowed = traced(setting, &["-e", "inject=fsync,fdatasync:retval=0"])?;
    ensure(calls::check(&swallowed).is_err(), || {
        "acknowledgements without a sync are not noticed in the trace".to_owned()
    })?;
    let without: Vec<&str> = honest.lines().filter(|line| !line.contains("sync")).collect();
    ensure(calls::check(&without.join("\n")).is_err(), || "a trace without syncs passes".to_owned())?;
    Ok(format!(
        "in a trace of system calls {} acknowledgements, all after one of {} completed syncs of what they cover; with \
         syncs swallowed the check fails",
        seen.acknowledgements, seen.syncs
    ))
}

/// The trace of a logger that works for a moment.
fn traced(setting: &Setting, more: &[&str]) -> Result<String, Miss> {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("trace");
    let mut logger = Logger::start();
    logger.service.running.kill();
    let path = trace.to_str().expect("the path is UTF-8");
    logger.service.restart_traced(&[&["-o", path], &calls::OPTIONS[..], more].concat());
    let load = Load::start(&logger.address, 2);
    load.set_rate(1_000);
    let until = Instant::now() + setting.form(Duration::from_secs(5), Duration::from_millis(1_500));
    wait_until("it was traced for a while", || Instant::now() > until)?;
    load.wait_beyond(&[100, 100])?;
    let journals = load.finish()?;
    logger.settle(&journals)?;
    whole(&trace)
}
