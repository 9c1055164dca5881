//! `logger --rotate --keep`, and `logger backup`.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, Stdio};

use dict_timeline::Reader;
use dictwire_tests::programs::{Running, command, run, succeed};

use super::{fails, text};

/// Starts a logger that begins a file with every few updates.
fn logger(timeline: &str, listen: &str, more: &[&str]) -> (Running, String) {
    let arguments = ["--listen", listen, "--timeline", timeline, "--rotate", "400kB"];
    Running::listening("logger", &[&arguments[..], more].concat())
}

/// Starts a program that publishes what it is fed, a dictionary a line.
fn writer(hub: &str) -> (Running, ChildStdin) {
    let mut command = command("dict-client");
    command.args(["--hub", hub, "publish", "psu", "--stdin", "--ack", "logged"]).stdin(Stdio::piped());
    let mut writer = Running::start(command);
    let input = writer.take_stdin();
    (writer, input)
}

/// A dictionary of some size, all of which changes.
fn line(number: u64) -> String {
    format!("{{\"number\": {number}, \"text\": \"{number:0>1000}\"}}\n")
}

fn files(timeline: &str) -> usize {
    let files = fs::read_dir(timeline).expect("a folder");
    files
        .filter(|file| file.as_ref().is_ok_and(|file| file.path().extension().is_some_and(|end| end == "db")))
        .count()
}

/// Runs a command of logger that reads a timeline.
fn read(timeline: &str, command: &str, more: &[&str]) -> String {
    succeed("logger", &[&[command, "--timeline", timeline], more].concat())
}

/// The values of `key`, in the order in which they were recorded.
fn values(timeline: &str) -> Vec<u64> {
    let rows = read(timeline, "show", &["--key", "number", "--format", "jsonl"]);
    let value = |row: &str| row.split_once("\"value\":")?.1.split(',').next()?.parse().ok();
    rows.lines().map(|row| value(row).unwrap_or_else(|| panic!("{row}"))).collect()
}

fn folder() -> (tempfile::TempDir, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    let (timeline, copy) = (path("lab"), path("copy"));
    (folder, timeline, copy)
}

#[test]
fn a_logger_killed_while_it_goes_from_file_to_file_loses_and_doubles_nothing() {
    const LINES: u64 = 3_000;
    const KILLS: u64 = 6;
    let (_folder, timeline, _) = folder();
    let (mut logger_now, hub) = logger(&timeline, "127.0.0.1:0", &[]);
    let (mut writer, mut input) = writer(&hub);
    for number in 1..=LINES {
        input.write_all(line(number).as_bytes()).expect("the writer takes it");
        if number % (LINES / KILLS) == 0 {
            // In the middle of what it was just given.
            let begun = number - LINES / KILLS / 2;
            let last = || Reader::open(&timeline).and_then(|reader| reader.last_n()).unwrap_or_default();
            while last() < begun {
                std::thread::yield_now();
            }
            logger_now.signal("KILL");
            logger_now.wait();
            logger_now = logger(&timeline, &hub, &[]).0;
        }
    }
    drop(input);
    assert!(writer.wait().success(), "all is acknowledged");
    logger_now.signal("INT");
    assert!(logger_now.wait().success());
    assert!(files(&timeline) > 2, "{}", files(&timeline));
    assert_eq!(values(&timeline), (1..=LINES).collect::<Vec<_>>());
    assert!(read(&timeline, "verify", &[]).ends_with("nothing is wrong\n"));
}

#[test]
fn old_files_go_and_that_is_told() {
    let (path, timeline, copy) = folder();
    let (mut logger_now, hub) = logger(&timeline, "127.0.0.1:0", &["--keep", "3MB"]);
    for round in 0..8 {
        let lines: String = (1..=300).map(|number| line(round * 300 + number)).collect();
        let (mut writer, mut input) = writer(&hub);
        input.write_all(lines.as_bytes()).expect("it is taken");
        drop(input);
        assert!(writer.wait().success());
    }
    // While it is written.
    let backup = ["backup", "--timeline", &timeline, "--output", &copy];
    succeed("logger", &backup);
    fails(&run("logger", &backup), 1, "give --force to replace it");
    succeed("logger", &[&backup[..], &["--force"]].concat());
    fs::write(Path::new(&copy).join("notes.txt"), "mine").expect("it can be written");
    fails(&run("logger", &[&backup[..], &["--force"]].concat()), 1, "no part of a backup");
    fs::remove_file(Path::new(&copy).join("notes.txt")).expect("it was just written");
    // Another program's databases, one of them under a name that a part could have.
    for name in ["customers.db", "2026-11-21T10-00-00Z.db"] {
        let other = path.path().join("other");
        fs::create_dir(&other).expect("it is not there");
        fs::write(other.join(name), "SQLite format 3\0 and more").expect("it can be written");
        let over = ["backup", "--timeline", &timeline, "--output", text(&other), "--force"];
        fails(&run("logger", &over), 1, "no part of a backup");
        assert!(other.join(name).exists());
        fs::remove_dir_all(&other).expect("it can be removed");
    }
    let plain = path.path().join("report.pdf");
    fs::write(&plain, "mine").expect("it can be written");
    let over = ["backup", "--timeline", &timeline, "--output", text(&plain), "--force"];
    fails(&run("logger", &over), 1, "is no timeline: it is not replaced");
    assert_eq!(fs::read(&plain).expect("it is there"), b"mine");
    let itself = ["backup", "--timeline", &timeline, "--output", &timeline, "--force"];
    fails(&run("logger", &itself), 1, "is the timeline itself");

    logger_now.signal("INT");
    assert!(logger_now.wait().success());
    for timeline in [&timeline, &copy] {
        assert!(read(timeline, "verify", &[]).starts_with("rows up to "));
        let info = read(timeline, "info", &[]);
        assert!(info.contains("removed   rows up to "), "{info}");
        let json = read(timeline, "info", &["--format", "json"]);
        assert!(json.contains("\"pruned_n\": ") && json.contains("\"free_bytes\": "), "{json}");
        assert_eq!(values(timeline).last(), Some(&2_400));
        assert!(read(timeline, "state", &["--format", "jsonl"]).contains("\"number\":2400"));
        let early = run("logger", &["state", "--timeline", timeline, "--at", "1d"]);
        fails(&early, 1, "ask for a later time");
    }
}

#[test]
fn a_logger_killed_during_a_backup_waits_for_its_end_and_goes_on() {
    let (folder, _, _) = folder();
    let path = text(&folder.path().join("plain.db")).to_owned();
    let (mut logger_now, hub) =
        Running::listening("logger", &["--timeline", &path, "--listen", "127.0.0.1:0"]);
    succeed("dict-client", &["--hub", &hub, "publish", "psu", "number=1", "--ack", "logged"]);
    // What a backup does as long as it copies.
    let reader = rusqlite::Connection::open(&path).expect("it is there");
    reader.execute_batch("BEGIN; SELECT count(*) FROM record").expect("it can be read");
    succeed("dict-client", &["--hub", &hub, "publish", "psu", "number=2", "--ack", "logged"]);
    logger_now.signal("KILL");
    logger_now.wait();

    let mut again = command("logger");
    again.args(["--timeline", &path, "--listen", &hub]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut again = again.spawn().expect("it starts");
    let mut errors = BufReader::new(again.stderr.take().expect("it is piped"));
    let mut told = String::new();
    errors.read_line(&mut told).expect("it says so");
    assert!(told.contains("a program that reads it"), "{told}");
    drop(reader);
    let mut printed = BufReader::new(again.stdout.take().expect("it is piped"));
    let mut listening = String::new();
    printed.read_line(&mut listening).expect("it starts");
    assert!(listening.contains("listening"), "{listening}");
    succeed("dict-client", &["--hub", &hub, "publish", "psu", "number=3", "--ack", "logged"]);
    again.kill().expect("it is our child");
    again.wait().expect("it is our child");
    assert_eq!(values(&path), [1, 2, 3]);
    assert!(read(&path, "verify", &[]).contains("nothing is wrong\n"));
}

#[test]
fn one_file_stays_one_and_a_folder_stays_a_folder() {
    let (folder, timeline, copy) = folder();
    let (mut logger_now, hub) = logger(&timeline, "127.0.0.1:0", &[]);
    succeed("dict-client", &["--hub", &hub, "publish", "psu", "voltage=1"]);
    let second = ["--timeline", &timeline, "--listen", "127.0.0.1:0"];
    fails(&run("logger", &second), 1, "being written by another logger");
    logger_now.signal("INT");
    assert!(logger_now.wait().success());
    // Without --rotate it goes on where it was.
    let (mut logger_now, hub) = Running::listening("logger", &second);
    succeed("dict-client", &["--hub", &hub, "publish", "psu", "voltage=2"]);
    logger_now.signal("INT");
    assert!(logger_now.wait().success());
    assert_eq!(files(&timeline), 1);

    let plain = text(&folder.path().join("plain.db")).to_owned();
    let (mut logger_now, _) =
        Running::listening("logger", &["--timeline", &plain, "--listen", "127.0.0.1:0"]);
    let backup = ["backup", "--timeline", &plain, "--output", &copy];
    succeed("logger", &backup);
    succeed("logger", &[&backup[..], &["--force"]].concat());
    assert!(read(&copy, "verify", &[]).ends_with("nothing is wrong\n"));
    let over = ["backup", "--timeline", &copy, "--output", &plain, "--force"];
    fails(&run("logger", &over), 1, "a timeline that a logger has written");
    logger_now.signal("INT");
    assert!(logger_now.wait().success());
    let rotated = ["--timeline", &plain, "--rotate", "1d", "--listen", "127.0.0.1:0"];
    fails(&run("logger", &rotated), 1, "is one file, and only a folder of files can be rotated");
}
