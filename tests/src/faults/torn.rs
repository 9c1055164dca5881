//! Row 5: copies of a live timeline whose write-ahead log is cut, or flipped, in its last commit.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use dict_timeline::{Options, Timeline};
use tempfile::TempDir;

use super::journal::Journal;
use super::load::Load;
use super::oracle::{self, Tail};
use super::systems::{Logger, no_strace, settle, verify, wait_until};
use super::{Miss, Setting, ensure};

/// A logger's files, taken while a sync of its last commit was under way.
struct Copy {
    database: Vec<u8>,
    log: Vec<u8>,
    journals: Vec<Journal>,
}

pub(super) fn run(setting: &Setting) -> Result<String, Miss> {
    no_strace()?;
    let times = setting.times(5, 1);
    let (mut cuts, mut flips, mut gone) = (0, 0, 0);
    for _ in 0..times {
        let copy = copy()?;
        let last = last_commit(&copy.log)?;
        let whole = held(&copy, &copy.log)?;
        for at in last.clone().step_by(setting.form(512, 8_192)) {
            gone = gone.max(whole - held(&copy, &copy.log[..at])?);
            cuts += 1;
        }
        for at in last.clone().step_by(setting.form(509, 8_191)) {
            let mut log = copy.log.clone();
            log[at] ^= 1 << fastrand::u8(..8);
            held(&copy, &log)?;
            flips += 1;
        }
        // The counter-test: with what was acknowledged cut off as well, it is noticed.
        let half = &copy.log[..copy.log.len() / 2];
        ensure(held(&copy, half).is_err(), || "half a log is taken for a whole one".to_owned())?;
    }
    Ok(format!(
        "{cuts} cuts and {flips} flipped bits in the last commits of {times} copies: all sound and opened again, \
         at most {gone} updates gone, none of them acknowledged"
    ))
}

/// Takes a copy while the logger waits for its disk.
fn copy() -> Result<Copy, Miss> {
    let mut logger = Logger::start();
    logger.service.running.kill();
    let slow = format!("inject=fsync,fdatasync:delay_enter=4000000:when={}", fastrand::u8(20..40));
    logger.service.restart_traced(&["-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", &slow]);
    let load = Load::start(&logger.address, 2);
    load.set_rate(2_000);
    load.wait_beyond(&[0, 0])?;
    let log = logger.timeline.with_file_name("timeline.db-wal");
    // What stands still for a while waits for the disk.
    let mut before = (Vec::new(), 0);
    wait_until("the logger waits for its disk", || {
        let now = (load.acknowledged(), fs::metadata(&log).map_or(0, |log| log.len()));
        let stands = now == before && load.least_in_flight() > 0;
        before = now;
        sleep(Duration::from_millis(300));
        stands
    })?;
    let read = |path: &Path| fs::read(path).map_err(|error| error.to_string());
    let copy = Copy { database: read(&logger.timeline)?, log: read(&log)?, journals: load.journals() };
    ensure(load.acknowledged() == before.0, || "it went on meanwhile".to_owned())?;
    logger.service.running.kill();
    load.abandon();
    Ok(copy)
}

/// Where the frames of the last commit stand in a write-ahead log.
fn last_commit(log: &[u8]) -> Result<Range<usize>, Miss> {
    let number = |at: usize| log[at..at + 4].iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    let (header, frame) = (32, 24 + number(8));
    // A frame of a commit's last page says how large the database is, and belongs to the log by its salt.
    let whole = (header..=log.len().saturating_sub(frame)).step_by(frame);
    let whole = whole.take_while(|&at| log[at + 8..at + 16] == log[16..24]);
    let ends: Vec<usize> = whole.filter(|&at| number(at + 4) > 0).map(|at| at + frame).collect();
    match ends[..] {
        [.., before, last] => Ok(before..last),
        _ => Err("there are no two commits in the log".to_owned().into()),
    }
}

/// How many updates a copy with this log holds, and that it holds all it must.
fn held(copy: &Copy, log: &[u8]) -> Result<u64, Miss> {
    let folder = TempDir::new().expect("a folder");
    let timeline = folder.path().join("timeline.db");
    fs::write(&timeline, &copy.database).expect("there is room");
    fs::write(folder.path().join("timeline.db-wal"), log).expect("there is room");
    verify(&timeline)?;
    let reader = oracle::compare(&copy.journals, &oracle::export(&timeline)?, Tail::Pending);
    let opened =
        Timeline::create_or_open(&timeline, Options::default()).map_err(|error| error.to_string())?;
    opened.close().map_err(|error| error.to_string())?;
    let (writer, _) = settle(&timeline, &copy.journals, Tail::Pending)?;
    ensure(reader == writer, || format!("before it was opened again it held {reader}, then {writer}"))?;
    Ok(writer.held)
}
