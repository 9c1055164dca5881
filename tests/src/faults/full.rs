//! Row 7: a disk that becomes full.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use dict_event_loop::client::{Client, Level, WatchOptions, WhenFull, WriterOptions};
use dict_protocol::pattern::Pattern;
use tempfile::TempDir;

use super::load::Load;
use super::oracle;
use super::systems::{Logger, wait_until};
use super::{Miss, Setting, ensure};
use crate::programs::PATIENCE;

/// A file system in memory, so large that it is soon full.
struct Disk {
    folder: PathBuf,
}

impl Disk {
    fn mount(folder: &Path) -> Result<Self, Miss> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(folder);
        let output = mount.output().map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(Self { folder: folder.to_owned() });
        }
        let why = String::from_utf8_lossy(&output.stderr);
        Err(Miss::LeftOut(format!("no file system can be mounted here: {}", why.trim())))
    }

    /// Gives it more room.
    fn enlarge(&self, mebibytes: u32) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,size={mebibytes}m")]).arg(&self.folder);
        assert!(mount.status().expect("mount runs").success());
    }

    /// Takes all the room that is left.
    fn fill(&self) -> PathBuf {
        let ballast = self.folder.join("ballast");
        let mut file = File::create(&ballast).expect("a name takes no room");
        for length in [1 << 20, 4_096] {
            while file.write_all(&vec![0; length]).is_ok() {}
        }
        ballast
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}

pub(super) fn run(setting: &Setting) -> Result<String, Miss> {
    let times = setting.times(3, 1);
    let mut told = String::new();
    for _ in 0..times {
        told = fill_twice(setting)?;
    }
    Ok(format!("{times} times: {told}"))
}

fn fill_twice(setting: &Setting) -> Result<String, Miss> {
    let folder = TempDir::new().expect("a folder");
    let disk = Disk::mount(folder.path())?;
    let mut logger = Logger::within(folder, &[]);
    let load = Load::start(&logger.address, 2);
    let live = Live::new(&logger.address)?;
    let quiet = Duration::from_millis(setting.form(5_000, 1_500));

    let full = stands_still(&load, quiet)?;
    live.is_served()?;
    ensure(load.acknowledged() == full, || "something was acknowledged with the disk full".to_owned())?;
    disk.enlarge(32);
    let drained =
        wait_until("it drains", || load.acknowledged().iter().zip(&full).all(|(now, then)| now > then))?;

    // Once more; this time it is killed before there is room.
    let ballast = disk.fill();
    let full = stands_still(&load, quiet)?;
    live.is_served()?;
    logger.service.running.kill();
    ensure(load.acknowledged() == full, || "something was acknowledged with the disk full".to_owned())?;
    fs::remove_file(ballast).expect("it is there");
    disk.enlarge(256);
    logger.service.restart();
    load.wait_beyond(&full)?;
    drop(live);
    let journals = load.finish()?;
    let (tally, entries) = logger.settle(&journals)?;
    oracle::notices(&journals, &entries)?;
    Ok(format!(
        "no acknowledgement for {:.1} s, watchers served; drains {} ms after there is room, and after a kill; {tally}",
        quiet.as_secs_f64(),
        drained.as_millis()
    ))
}

/// Waits until nothing is acknowledged any more for so long; up to where it was.
fn stands_still(load: &Load, quiet: Duration) -> Result<Vec<u64>, Miss> {
    let mut before = Vec::new();
    wait_until("nothing is acknowledged any more", || {
        let now = load.acknowledged();
        let stands = now == before && load.least_in_flight() > 0;
        before = now;
        sleep(quiet);
        stands
    })?;
    Ok(before)
}

/// Somebody who writes what need not be logged, and somebody who watches that.
struct Live {
    writer: dict_event_loop::client::Writer,
    watch: dict_event_loop::client::Watch,
}

impl Live {
    fn new(hub: &str) -> Result<Self, Miss> {
        let client = |name: &str| {
            Client::builder()
                .name(name)
                .connect_timeout(PATIENCE)
                .connect(hub)
                .map_err(|error| error.to_string())
        };
        let options =
            WriterOptions { level: Some(Level::Received), take_over: false, when_full: WhenFull::Drop };
        let writer = client("live")?.writer("live", options).map_err(|error| error.to_string())?;
        let watch = client("watcher")?.watch(Pattern::Name("live".into()), WatchOptions::default());
        Ok(Self { writer, watch: watch.map_err(|error| error.to_string())? })
    }

    fn is_served(&self) -> Result<(), Miss> {
        for _ in 0..100 {
            let number = fastrand::i64(..);
            self.writer.set("number", number).map_err(|error| error.to_string())?;
            let arrived =
                || self.watch.value("live", "number").and_then(|value| value.as_i64()) == Some(number);
            wait_until("watchers are served", arrived)?;
        }
        Ok(())
    }
}
