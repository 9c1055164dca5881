//! Row 3: a writer that is killed in the middle of a frame, and whose spool file is kept.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;

use super::journal::{Journal, KEY, content};
use super::oracle::{self, Tally};
use super::proxy::{Manner, Proxy, Way};
use super::systems::{Logger, wait_until};
use super::{Miss, Setting, ensure};
use crate::programs::{Running, command};

const SOURCE: &str = "bench1/psu";

pub(super) fn run(setting: &Setting) -> Result<String, Miss> {
    let times = setting.times(50, 3);
    let lines = setting.form(200_000, 5_000);
    let kills = 10.min(times);
    let mut tally = Tally::default();
    for _ in 0..times.div_ceil(kills) {
        tally = tally.and(round(kills, lines)?);
    }
    Ok(format!(
        "{} kills in mid-frame, each followed by the same input: {tally}",
        times.div_ceil(kills) * kills
    ))
}

/// Kills a writer of an input so often; at last it is left to finish.
fn round(kills: usize, lines: u64) -> Result<Tally, Miss> {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("input.jsonl");
    let mut text = String::new();
    for number in 1..=lines {
        writeln!(text, r#"{{"{KEY}": "{}"}}"#, content(SOURCE, number)).expect("a string takes it");
    }
    fs::write(&input, text).expect("there is room");
    let logger = Logger::start();
    let proxy = Proxy::start(&logger.address, Manner::Whole);
    let spool = folder.path().join("spool");
    for _ in 0..kills {
        // Its connection ends, mostly within a frame; it is killed before it can connect again.
        proxy.next(Manner::Cut(Way::There, fastrand::u64(1_000..200_000)));
        let cuts = proxy.cuts();
        let mut writer = start(&proxy, &input, &spool);
        let mut ended = None;
        wait_until("the connection is cut", || {
            ended = writer.ended();
            ended.is_some() || proxy.cuts() > cuts
        })?;
        // Its input may have been done by then.
        let failed = ended.filter(|status| !status.success());
        ensure(failed.is_none(), || format!("the writer ended by itself: {failed:?}"))?;
        writer.kill();
    }
    let status = start(&proxy, &input, &spool).wait();
    ensure(status.success(), || format!("the last run of the writer ended with {status}"))?;
    let journals = [Journal { sent: lines, acknowledged: lines, ..Journal::new(SOURCE) }];
    let (tally, entries) = logger.settle(&journals)?;
    oracle::notices(&journals, &entries)?;
    Ok(tally)
}

fn start(proxy: &Proxy, input: &Path, spool: &Path) -> Running {
    let mut writer = command("dict-client");
    writer
        .args(["--hub", &proxy.address, "publish", SOURCE, "--stdin", "--ack", "logged", "--spool"])
        .arg(spool);
    writer.stdin(File::open(input).expect("it was written")).stderr(std::process::Stdio::null());
    Running::start(writer)
}
