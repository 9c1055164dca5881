//! Peers: small Python programs of our own, in `tests/peers/`, each of which does what a program of one of the four
//! older systems does, its defects included. What they print and take is told in `tests/peers/peer.py`.

use std::fmt;
use std::io::{BufRead as _, Write as _};
use std::ops::Deref;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use dict_protocol::encoding::json::Style;
use dict_protocol::encoding::tagged;
use dict_protocol::value::{Dictionary, Value};
use tempfile::TempDir;

use crate::programs::{PATIENCE, Running, is_missing};

/// As deep as anything nests that peers print.
const DEPTH: usize = 128;

/// Whether there is no Python for them; tests that need them are then left out.
pub fn are_missing() -> bool {
    let script = "import sys; sys.exit(sys.version_info < (3, 9))";
    is_missing("python3 of version 3.9 or later", Command::new("python3").args(["-c", script]))
}

/// A peer that runs; killed when it is dropped.
pub struct Peer {
    program: String,
    running: Running,
    stdin: ChildStdin,
    lines: Receiver<Dictionary>,
    folder: TempDir,
    port: u16,
}

impl Peer {
    /// Starts the peer `program`, which has to become ready. Servers listen on any port unless the arguments name one.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        Self::try_start(program, arguments).unwrap_or_else(|error| panic!("{program} {arguments:?}: {error}"))
    }

    /// Starts a client of whoever listens on `port` of this machine.
    ///
    /// # Panics
    ///
    /// If it does not become ready.
    pub fn client(program: &str, port: u16, arguments: &[&str]) -> Self {
        Self::start(program, &[&["--port", &port.to_string()], arguments].concat())
    }

    /// Starts the peer `program`.
    ///
    /// # Errors
    ///
    /// What it says if it cannot listen, or connect.
    ///
    /// # Panics
    ///
    /// If it says neither that nor that it is ready.
    pub fn try_start(program: &str, arguments: &[&str]) -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(format!("{program}.py"));
        let mut command = Command::new("python3");
        // No folder of compiled modules is left beside them.
        command.arg("-B").arg(script).args(["--port", "0"]).args(arguments);
        command.arg("--journal").arg(folder.path().join("journal.jsonl")).stdin(Stdio::piped());
        let mut running = Running::start(command);
        let stdin = running.take_stdin();
        let mut peer =
            Self { program: program.to_owned(), lines: lines(&mut running), running, stdin, folder, port: 0 };
        let line = peer.line();
        if let Some(error) = line.get("failed").and_then(Value::as_str) {
            return Err(error.to_owned());
        }
        let port = line.get("ready").and_then(Value::as_i64).unwrap_or_else(|| panic!("it printed {line:?}"));
        peer.port = u16::try_from(port).expect("a port");
        Ok(peer)
    }

    /// The port that it listens on, or that its connection comes from.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Gives it a command.
    ///
    /// # Panics
    ///
    /// If it is gone.
    pub fn command(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap_or_else(|error| panic!("{}: {error}", self.program));
    }

    /// The next line that it prints.
    ///
    /// # Panics
    ///
    /// If there comes none.
    pub fn line(&mut self) -> Dictionary {
        let line = self.lines.recv_timeout(PATIENCE);
        line.unwrap_or_else(|error| panic!("{} prints nothing: {error}", self.program))
    }

    /// The value of the next line that is about `name`; other lines are passed over.
    ///
    /// # Panics
    ///
    /// If there comes none.
    pub fn line_about(&mut self, name: &str) -> Value {
        loop {
            if let Some(value) = self.line().remove(name) {
                return value;
            }
        }
    }

    /// What it has seen so far.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    pub fn report(&mut self) -> Report {
        self.command("report");
        self.next_report()
    }

    /// Waits until what it has seen satisfies `condition`.
    ///
    /// # Panics
    ///
    /// If that does not come about.
    #[track_caller]
    pub fn wait_until(&mut self, condition: impl Fn(&Report) -> bool) -> Report {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let report = self.report();
            if condition(&report) {
                return report;
            }
            assert!(Instant::now() < deadline, "it did not come about: {} reports {report:?}", self.program);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until what its command `run` began is sent, and returns what it has seen.
    ///
    /// # Panics
    ///
    /// If it does not end, or died.
    #[track_caller]
    pub fn wait_for_run(&mut self) -> Report {
        let report = self.wait_until(|report| report.runs("run") == 0);
        assert_eq!(report.died("run"), None);
        report
    }

    /// Ends it, in its orderly way, and returns what it had seen.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn stop(&mut self) -> Report {
        self.command("stop");
        let report = self.next_report();
        assert!(self.running.wait().success(), "{}", self.program);
        report
    }

    /// Ends it by force, and waits until it is gone.
    pub fn kill(&mut self) {
        self.running.signal("KILL");
        self.running.wait();
    }

    /// The values that its journal has of a kind, such as `sent` and `received`.
    ///
    /// # Panics
    ///
    /// If the journal is none.
    pub fn journal(&self, what: &str) -> Vec<Value> {
        let entries = self.journal_entries().into_iter();
        let entries = entries.filter(|entry| entry["what"].as_str() == Some(what));
        entries.map(|mut entry| entry.remove("value").expect("each entry has one")).collect()
    }

    /// All entries of its journal: `n`, `time` (Unix seconds), `what`, `value`, and what else belongs to that.
    ///
    /// # Panics
    ///
    /// If the journal is none.
    pub fn journal_entries(&self) -> Vec<Dictionary> {
        let journal = std::fs::read_to_string(self.folder.path().join("journal.jsonl")).expect("a journal");
        // The last line may be cut if it was killed.
        let whole = &journal[..journal.rfind('\n').map_or(0, |end| end + 1)];
        let entries: Vec<Dictionary> = whole.lines().map(dictionary).collect();
        for (entry, n) in entries.iter().zip(1..) {
            assert_eq!(entry["n"], Value::from(n), "the journal is complete");
        }
        entries
    }

    fn next_report(&mut self) -> Report {
        match self.line_about("report") {
            Value::Dictionary(report) => Report(report),
            other => panic!("a report is a dictionary, not {other:?}"),
        }
    }
}

/// The lines that a peer prints. They are always read, or it would wait for that when many have come together.
fn lines(running: &mut Running) -> Receiver<Dictionary> {
    let (sender, receiver) = channel();
    let output = running.take_output();
    std::thread::spawn(move || {
        for line in output.lines() {
            let line = dictionary(&line.expect("peers print ASCII"));
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

fn dictionary(line: &str) -> Dictionary {
    match tagged::read(line, DEPTH) {
        Ok(Value::Dictionary(dictionary)) => dictionary,
        other => panic!("a peer's line is a dictionary, not {other:?}: {line}"),
    }
}

/// What a peer has seen.
#[derive(Clone)]
pub struct Report(Dictionary);

/// As JSON, and not all of it where messages are long.
impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 3_000;
        let mut text = String::new();
        tagged::write(&self.0.clone().into(), Style::READABLE, DEPTH, &mut text).map_err(|_| fmt::Error)?;
        write!(f, "{:.MOST$}{}", text, if text.len() > MOST { "..." } else { "" })
    }
}

impl Deref for Report {
    type Target = Dictionary;

    fn deref(&self) -> &Dictionary {
        &self.0
    }
}

impl Report {
    /// A number that stands under `key`; 0 if there is none.
    pub fn count(&self, key: &str) -> i64 {
        self.get(key).and_then(Value::as_i64).unwrap_or(0)
    }

    /// How many messages, dictionaries or answers it has received.
    pub fn received(&self) -> i64 {
        self.count("received")
    }

    /// How much it has sent, or tried to.
    pub fn sent(&self) -> i64 {
        self.count("sent")
    }

    /// What it received last, at most 20.
    ///
    /// # Panics
    ///
    /// If the report is none.
    pub fn messages(&self) -> &[Value] {
        self["messages"].as_list().expect("a list")
    }

    /// How often its user was called back for `name`.
    pub fn callbacks(&self, name: &str) -> i64 {
        self.number_in("callbacks", name)
    }

    /// In which order its user was called back: what for, and how often in a row.
    ///
    /// # Panics
    ///
    /// If the report is none.
    pub fn order(&self) -> Vec<(&str, i64)> {
        let order = self["order"].as_list().expect("a list").iter();
        let pairs = order.map(|pair| pair.as_list().expect("a pair"));
        pairs.map(|pair| (pair[0].as_str().expect("a name"), pair[1].as_i64().expect("a number"))).collect()
    }

    /// How many of its threads of this name run.
    pub fn runs(&self, name: &str) -> i64 {
        self.number_in("runs", name)
    }

    /// What its thread of this name died of, if it did.
    pub fn died(&self, name: &str) -> Option<&str> {
        self["died"].as_dictionary()?.get(name)?.as_str()
    }

    /// Whether none of its threads died.
    pub fn is_unharmed(&self) -> bool {
        self["died"].as_dictionary().is_some_and(Dictionary::is_empty)
    }

    /// How much processor time it has used, seconds.
    ///
    /// # Panics
    ///
    /// If the report is none.
    pub fn cpu(&self) -> f64 {
        self["cpu"].as_f64().expect("seconds")
    }

    fn number_in(&self, key: &str, name: &str) -> i64 {
        self[key].as_dictionary().and_then(|numbers| numbers.get(name)).and_then(Value::as_i64).unwrap_or(0)
    }
}
