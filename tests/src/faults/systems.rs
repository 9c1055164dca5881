//! The programs under test.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use dict_event_loop::client::Client;
use tempfile::TempDir;

use super::journal::Journal;
use super::oracle::{self, Entry, Tail, Tally};
use super::{Miss, ensure};
use crate::programs::{self, PATIENCE, Running, command, is_missing, run};

/// An address of this machine that nobody listens on, below the ports that systems give to connections by themselves:
/// a client that tries one of those again and again may end up connected to itself.
pub(super) fn free_address() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let process = std::process::id() as u16 % 97 * 100;
        let port = 20_000 + process + NEXT.fetch_add(1, Ordering::Relaxed) % 2_000;
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr().expect("it is bound").to_string();
        }
    }
}

/// A program that can be started again and again with the same arguments.
pub(super) struct Service {
    pub(super) running: Running,
    name: &'static str,
    arguments: Vec<String>,
}

impl Service {
    pub(super) fn start(name: &'static str, arguments: Vec<String>) -> Self {
        let running = started(name, &arguments);
        Self { running, name, arguments }
    }

    /// Starts it again, after its end, under strace with these options. It stays our own child.
    pub(super) fn restart_traced(&mut self, options: &[&str]) {
        let mut traced = Command::new("strace");
        traced.args(["-D", "-f", "-q", "--seccomp-bpf", "-ttt", "-yy"]).args(options);
        // What is made to go wrong is told there, by both.
        traced.arg(programs::program(self.name)).args(&self.arguments).stderr(Stdio::null());
        self.running = listening(traced);
    }

    /// Starts it again, after its end, with a limit as `prlimit` takes it.
    pub(super) fn restart_limited(&mut self, limit: &str) {
        let mut limited = Command::new("prlimit");
        limited.arg(limit).arg(programs::program(self.name)).args(&self.arguments);
        self.running = listening(limited);
    }

    /// Starts it again, after its end.
    pub(super) fn restart(&mut self) {
        self.running = started(self.name, &self.arguments);
    }
}

fn started(name: &str, arguments: &[String]) -> Running {
    let mut command = command(name);
    command.args(arguments);
    listening(command)
}

/// Whether there is no strace, which some faults are made with.
pub(super) fn no_strace() -> Result<(), Miss> {
    // A process may be traced by its parent or not at all: both have to work.
    if is_missing("strace", Command::new("strace").args(["-D", "-o", "/dev/null", "true"])) {
        return Err(Miss::LeftOut("there is no strace, or it may not trace".to_owned()));
    }
    Ok(())
}

/// Starts a command that says that it listens.
fn listening(mut command: Command) -> Running {
    command.env("DICTWIRE_LOG", "off");
    let mut running = Running::start(command);
    let line = running.line();
    assert!(line.starts_with("listening on "), "it printed {line:?}");
    running
}

/// A folder with a timeline, and the logger that records in it.
pub(super) struct Logger {
    pub(super) service: Service,
    pub(super) address: String,
    pub(super) timeline: PathBuf,
    _folder: TempDir,
}

impl Logger {
    /// One that holds the hub as well.
    pub(super) fn start() -> Self {
        Self::with(&[])
    }

    /// One that records another hub too.
    pub(super) fn of(hub: &str) -> Self {
        Self::with(&["--connect", hub])
    }

    /// One with further arguments.
    pub(super) fn with(more: &[&str]) -> Self {
        Self::within(tempfile::tempdir().expect("a folder"), more)
    }

    /// One whose timeline stands in this folder.
    pub(super) fn within(folder: TempDir, more: &[&str]) -> Self {
        let timeline = folder.path().join("timeline.db");
        let address = free_address();
        let path = timeline.to_str().expect("the path is UTF-8");
        let mut arguments =
            vec!["--timeline".to_owned(), path.to_owned(), "--listen".into(), address.clone()];
        arguments.extend(more.iter().map(|&more| more.to_owned()));
        Self { service: Service::start("logger", arguments), address, timeline, _folder: folder }
    }

    /// Ends it in order; then its timeline has to be sound, and to hold what the journals say.
    pub(super) fn settle(mut self, journals: &[Journal]) -> Result<(Tally, Vec<Entry>), Miss> {
        self.stop()?;
        settle(&self.timeline, journals, Tail::Settled)
    }

    /// Ends it in order; its timeline has to be sound, whatever it holds of what the journals say.
    pub(super) fn end(mut self, journals: &[Journal]) -> Result<Tally, Miss> {
        self.stop()?;
        verify(&self.timeline)?;
        Ok(oracle::compare(journals, &oracle::export(&self.timeline)?, Tail::Settled))
    }

    fn stop(&mut self) -> Result<(), Miss> {
        self.service.running.signal("TERM");
        let status = self.service.running.wait();
        ensure(status.success(), || format!("the logger ended with {status}"))
    }
}

/// A timeline that nobody writes has to be sound, and to hold what the journals say.
pub(super) fn settle(timeline: &Path, journals: &[Journal], tail: Tail) -> Result<(Tally, Vec<Entry>), Miss> {
    verify(timeline)?;
    let entries = oracle::export(timeline)?;
    let tally = oracle::compare(journals, &entries, tail);
    ensure(tally.is_zero(), || tally.to_string())?;
    Ok((tally, entries))
}

/// What `logger verify` says.
pub(super) fn verify(timeline: &Path) -> Result<(), Miss> {
    let verified = run("logger", &["verify", "--timeline", timeline.to_str().expect("the path is UTF-8")]);
    ensure(verified.status.success(), || {
        let told = [verified.stdout, verified.stderr].concat();
        format!("logger verify: {}", String::from_utf8_lossy(&told).trim_end())
    })
}

/// A hub alone.
pub(super) struct Hub {
    pub(super) service: Service,
    pub(super) address: String,
}

impl Hub {
    pub(super) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(super) fn start_with(more: &[&str]) -> Self {
        let address = free_address();
        let mut arguments = vec!["--listen".to_owned(), address.clone()];
        arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        Self { service: Service::start("dict-server", arguments), address }
    }
}

/// How long a hub takes from now on to serve a client that comes anew.
pub(super) fn time_to_serve(address: &str) -> Duration {
    let started = Instant::now();
    let client = Client::builder().name("probe").connect_timeout(PATIENCE);
    let client = client.connect(address).expect("somebody listens");
    client.ping(PATIENCE).expect("the hub answers");
    let took = started.elapsed();
    client.close(Duration::from_secs(1));
    took
}

/// Waits until something holds; how long that took.
pub(super) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) -> Result<Duration, Miss> {
    let started = Instant::now();
    while !holds() {
        ensure(started.elapsed() < PATIENCE, || format!("not within {PATIENCE:?}: {what}"))?;
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(started.elapsed())
}
