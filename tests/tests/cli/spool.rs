//! `dict-client publish --spool`: what is left when the command, the logger and the hub are killed.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use dict_protocol::pattern::Pattern;
use dict_spool::{Durability, SpoolFile};
use dict_timeline::{Content, Filter, Reader};
use dictwire_tests::programs::{Running, command, run};
use fastrand::Rng;
use tempfile::TempDir;

use super::{Lab, fails, text};

/// An input of so many lines, each with a number of its own but for empty ones and some that change nothing.
fn input(lines: u64) -> String {
    let line = |n: u64| match n % 10 {
        7 => "\n".to_owned(),
        // The same as the one before it.
        4 => format!("{{\"n\": {}, \"text\": \"line\"}}\n", n - 1),
        _ => format!("{{\"n\": {n}, \"text\": \"line\"}}\n"),
    };
    (1..=lines).map(line).collect()
}

/// The values of `n` that a timeline is to hold of it, once each, in order.
fn expected(lines: u64) -> Vec<i64> {
    (1..=lines).filter(|n| !matches!(n % 10, 4 | 7)).map(|n| n as i64).collect()
}

/// A hub, a logger of it, and the files of both and of the command.
struct World {
    folder: TempDir,
    address: String,
    hub: Option<Running>,
    logger: Option<Running>,
}

impl World {
    fn new() -> Self {
        let (hub, address) = Running::listening("dict-server", &["--listen", "127.0.0.1:0"]);
        let folder = tempfile::tempdir().expect("a folder");
        let mut world = Self { folder, address, hub: Some(hub), logger: None };
        world.start_logger();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start_logger(&mut self) {
        let mut logger = command("logger");
        logger.args(["--connect", &self.address, "--listen", "127.0.0.1:0"]);
        logger.args(["--timeline", text(&self.path("timeline.db"))]).stderr(Stdio::null());
        self.logger = Some(Running::start(logger));
    }

    fn start_hub(&mut self) {
        self.hub = Some(Running::listening("dict-server", &["--listen", &self.address]).0);
    }

    /// The command with an input, which need not be there.
    fn publish(&self, input: Option<&str>) -> Command {
        let mut publish = command("dict-client");
        publish.args(["--hub", &self.address, "publish", "psu", "--stdin", "--ack", "logged", "--spool"]);
        publish.arg(self.path("psu.spool")).stderr(Stdio::piped()).stdout(Stdio::piped());
        if let Some(input) = input {
            fs::write(self.path("input"), input).expect("it can be written");
            publish.stdin(File::open(self.path("input")).expect("it was just written"));
        }
        publish
    }

    /// How many updates are in the command's file, which it is using.
    fn spooled(&self) -> usize {
        let copy = tempfile::tempdir().expect("a folder");
        for name in ["psu.spool", "psu.spool-wal"] {
            fs::copy(self.path(name), copy.path().join(name)).expect("it is there");
        }
        let opened = SpoolFile::open(copy.path().join("psu.spool"), [0; 16], Durability::Process);
        opened.map_or(0, |(_, kept)| kept.updates())
    }

    /// Runs the command to its end, which has to be success.
    fn finish(&self, input: Option<&str>) {
        let output = self.publish(input).output().expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The values of `n` in the order of the timeline, which has to be sound.
    fn recorded(&self) -> Vec<i64> {
        let reader = Reader::open(self.path("timeline.db")).expect("there is a timeline");
        assert_eq!(reader.verify(|_| {}).expect("it can be read"), []);
        let keys = vec![Pattern::Name("n".to_owned())];
        let rows = reader.rows(&Filter { keys, ..Filter::default() }).expect("it can be read");
        let changes = rows.map(|row| match row.expect("it can be read").content {
            Content::Change(change) => change.value.expect("it is never removed").as_i64().expect("a number"),
            other => panic!("{other:?} is no change"),
        });
        changes.collect()
    }
}

/// Kills a command after a while; whether it still ran.
fn kill(mut child: Child, after: Duration) -> bool {
    thread::sleep(after);
    let runs = child.try_wait().expect("it is our child").is_none();
    child.kill().expect("it is our child");
    child.wait().expect("it is our child");
    runs
}

#[test]
fn killed_at_any_moment_it_leaves_each_line_in_the_timeline_once() {
    const LINES: u64 = 100_000;
    let (world, mut rng) = (World::new(), Rng::with_seed(1));
    let input = input(LINES);
    let mut killed = 0;
    for _ in 0..20 {
        let child = world.publish(Some(&input)).spawn().expect("it starts");
        killed += u32::from(kill(child, Duration::from_millis(rng.u64(1..250))));
    }
    assert!(killed > 5, "{killed} runs were killed before their end");
    world.finish(Some(&input));
    assert_eq!(world.recorded(), expected(LINES));
    world.finish(Some(&input));
    assert_eq!(world.recorded(), expected(LINES), "a run that came to its end has nothing more to publish");
}

#[test]
fn hub_and_logger_may_be_killed_too() {
    const LINES: u64 = 50_000;
    let (mut world, mut rng) = (World::new(), Rng::with_seed(2));
    let input = input(LINES);
    for round in 0..20 {
        let child = world.publish(Some(&input)).spawn().expect("it starts");
        thread::sleep(Duration::from_millis(rng.u64(1..150)));
        // Dropping is killing.
        let (hub, logger) = [(true, false), (false, true), (true, true), (false, false)][round % 4];
        if hub {
            world.hub = None;
        }
        if logger {
            world.logger = None;
        }
        kill(child, Duration::from_millis(rng.u64(0..100)));
        if hub {
            world.start_hub();
        }
        if logger {
            world.start_logger();
        }
    }
    world.finish(Some(&input));
    assert_eq!(world.recorded(), expected(LINES));
}

#[test]
fn without_a_logger_it_waits_in_the_file() {
    let mut world = World::new();
    world.logger = None;
    let input = input(50);
    let child = world.publish(Some(&input)).spawn().expect("it starts");
    assert!(kill(child, Duration::from_millis(500)), "it waits for a logger");
    world.start_logger();
    world.finish(None);
    assert_eq!(world.recorded(), expected(50), "an empty input sends what was left");
    world.finish(Some(&input));
    assert_eq!(world.recorded(), expected(50));
}

#[test]
fn what_waits_in_the_file_is_told() {
    let mut world = World::new();
    world.logger = None;
    let spool = world.path("psu.spool");
    let publish = ["--hub", &world.address, "publish", "psu", "n=1", "--spool", text(&spool)];
    fails(&run("dict-client", &publish), 1, "psu.spool, and sent when publish is run with it again");
    world.start_logger();
    world.finish(None);
    assert_eq!(world.recorded(), [1]);
}

#[test]
fn a_line_is_kept_when_the_hub_is_gone() {
    let mut world = World::new();
    let mut publish = world.publish(None);
    let mut child = publish.stdin(Stdio::piped()).spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    std::io::Write::write_all(&mut stdin, b"{\"n\": 1}\n").expect("it reads");
    while !run("dict-client", &["--hub", &world.address, "get", "psu"]).status.success() {}
    (world.hub, world.logger) = (None, None);
    std::io::Write::write_all(&mut stdin, b"{\"n\": 2}\n{\"n\": 3}\n").expect("it reads");
    while world.spooled() < 3 {}
    kill(child, Duration::ZERO);
    world.start_hub();
    world.start_logger();
    world.finish(Some("{\"n\": 1}\n{\"n\": 2}\n{\"n\": 3}\n{\"n\": 4}\n"));
    assert_eq!(world.recorded(), [1, 2, 3, 4]);
}

#[test]
fn another_input_is_taken_from_its_beginning_or_refused() {
    let world = World::new();
    let run = |input: &str| -> Output { world.publish(Some(input)).output().expect("it starts") };
    world.finish(Some("{\"n\": 1}\n{\"n\": 2}\n"));
    world.finish(Some("{\"n\": 3}\n{\"n\": 2}\n"));
    assert_eq!(world.recorded(), [1, 2, 3, 2]);
    fails(&run("{\"n\": 3}\n{\"n\": 4}\n{\"n\": 5}\n"), 1, "has taken 2 lines of another input");
    fails(&run("{\"n\": 3}\n"), 1, "use a file of its own");
    fails(&run("{\"n\": 3}\n"), 1, "; this run published nothing");
    assert_eq!(world.recorded(), [1, 2, 3, 2]);
    world.finish(Some("{\"n\": 3}\n{\"n\": 2}\n{\"n\": 2}\n\n{\"n\": 6}\n"));
    assert_eq!(world.recorded(), [1, 2, 3, 2, 6], "a longer one goes on");
}

#[test]
fn a_bad_line_is_where_it_goes_on() {
    let world = World::new();
    let output = world.publish(Some("{\"n\": 1}\n{\"n\": 2}\n{\"n\":\n")).output().expect("it starts");
    fails(&output, 1, "the last acknowledged line is 2");
    let output = world.publish(Some("{\"n\": 1}\n{\"n\": 2}\n{\"n\":\n")).output().expect("it starts");
    fails(&output, 1, "the last acknowledged line is 2");
    world.finish(Some("{\"n\": 1}\n{\"n\": 2}\n{\"n\": 3}\n"));
    assert_eq!(world.recorded(), [1, 2, 3]);
}

#[test]
fn lines_of_keys_go_on_with_what_was_there() {
    let mut lab = Lab::new();
    lab.client(&["publish", "psu", "a=1"]);
    let spool = lab.path("psu.spool");
    let arguments = ["publish", "psu", "--stdin", "--patch", "--spool", &spool];
    assert!(lab.feed(&arguments, "{\"b\": 1}\n").status.success());
    assert!(lab.feed(&arguments, "{\"b\": 1}\n{\"b\": 1}\n{\"c\": 2}\n").status.success());
    assert!(lab.client(&["get", "psu"]).contains(r#""values":{"a":1,"b":1,"c":2}"#));
    lab.client(&["publish", "psu", "d=3", "--spool", &spool]);
    assert!(lab.client(&["get", "psu"]).contains(r#""values":{"a":1,"b":1,"c":2,"d":3}"#));
    lab.stop();
    let gaps = lab.timeline(&["show", "--kind", "gap", "--format", "jsonl"]);
    assert_eq!(gaps, "", "each of them ended in order");
}

#[test]
fn a_file_whose_log_was_torn_loses_no_line() {
    const LINES: u64 = 20_000;
    let (world, mut rng) = (World::new(), Rng::with_seed(3));
    let input = input(LINES);
    for _ in 0..10 {
        let child = world.publish(Some(&input)).spawn().expect("it starts");
        kill(child, Duration::from_millis(rng.u64(20..150)));
        let wal = world.path("psu.spool-wal");
        if let Ok(log) = File::options().write(true).open(&wal) {
            let length = log.metadata().expect("it is there").len();
            log.set_len(rng.u64(0..=length)).expect("it can be cut");
        }
    }
    world.finish(Some(&input));
    let mut recorded = world.recorded();
    assert_eq!(recorded.last(), expected(LINES).last());
    recorded.sort_unstable();
    recorded.dedup();
    assert_eq!(recorded, expected(LINES), "what was forgotten may be there twice");
}

#[test]
fn a_file_in_use_a_foreign_one_and_a_damaged_one_are_refused() {
    let world = World::new();
    let mut publish = world.publish(None);
    let mut child = publish.stdin(Stdio::piped()).spawn().expect("it starts");
    while !world.path("psu.spool").exists() {}
    thread::sleep(Duration::from_millis(200));
    let told = format!("in use by another program (process {})", child.id());
    fails(&world.publish(None).output().expect("it starts"), 1, &told);
    drop(child.stdin.take());
    assert!(child.wait().expect("it is our child").success());

    let whole = fs::read(world.path("psu.spool")).expect("it is there");
    fs::write(world.path("psu.spool"), &whole[..4_096]).expect("it can be written");
    fails(&world.publish(None).output().expect("it starts"), 1, "is damaged");
    fs::write(world.path("psu.spool"), "{\"n\": 1}\n").expect("it can be written");
    fails(&world.publish(None).output().expect("it starts"), 1, "is not a spool");
    assert_eq!(fs::read(world.path("psu.spool")).expect("it is there"), b"{\"n\": 1}\n");
}
