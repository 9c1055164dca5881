//! The main job with real programs: what two writers published is what the timeline holds, in each one's order.

use std::path::Path;
use std::process::Stdio;

use dict_protocol::encoding::json::Style;
use dict_protocol::encoding::tagged;
use dict_protocol::value::Value;
use dictwire_tests::dictionaries::{self, Expected};
use dictwire_tests::programs::{Running, command, succeed};

/// Dictionaries a writer: enough for every case many times over; more costs time in a debug build.
const COUNT: usize = 10_000;

/// Begins to publish the lines of `input` as `source`.
fn publish(hub: &str, source: &str, input: String) -> (Running, std::thread::JoinHandle<()>) {
    let mut command = command("dict-client");
    command.args(["--hub", hub, "publish", source, "--stdin", "--ack", "logged"]).stdin(Stdio::piped());
    let mut running = Running::start(command);
    let mut stdin = running.take_stdin();
    let feeder = std::thread::spawn(move || {
        std::io::Write::write_all(&mut stdin, input.as_bytes()).expect("it reads all its input");
    });
    (running, feeder)
}

/// The changes of each source as exported: sequence, key, value in the `$` form.
fn exported(timeline: &Path, source: &str) -> Expected {
    let timeline = timeline.to_str().expect("a plain path");
    let lines = succeed(
        "logger",
        &["export", "--timeline", timeline, "--output", "-", "--format", "jsonl", "--source", source],
    );
    let mut changes = Vec::new();
    let mut last = -1;
    for line in lines.lines() {
        let row = tagged::read(line.as_bytes(), 128).unwrap_or_else(|error| panic!("{error}: {line}"));
        let row = row.as_dictionary().expect("a row is an object");
        let n = row["n"].as_i64().expect("each row has its number");
        assert!(n > last, "rows are in order: {line}");
        last = n;
        if row["kind"].as_str() != Some("change") {
            continue;
        }
        let text = |key: &str| row.get(key).and_then(Value::as_str).map(str::to_owned);
        assert_eq!(text("source").as_deref(), Some(source));
        let sequence =
            row["sequence"].as_i64().and_then(|value| u64::try_from(value).ok()).expect("a number");
        let value = row.get("value").map(|value| {
            assert!(!row.contains_key("removed"), "{line}");
            let mut text = String::new();
            tagged::write(value, Style::COMPACT, 128, &mut text).expect("it was just read");
            text
        });
        assert!(value.is_some() || row["removed"] == Value::Bool(true), "{line}");
        changes.push((sequence, text("key").expect("a change has a key"), value));
    }
    changes
}

/// Within an update the order of keys is nobody's promise.
fn sorted(mut changes: Expected) -> Expected {
    changes.sort();
    changes
}

fn holds_exactly(timeline: &Path, source: &str, expected: Expected) {
    let (changes, expected) = (sorted(exported(timeline, source)), sorted(expected));
    for (change, expected) in changes.iter().zip(&expected) {
        assert_eq!(change, expected, "{source}");
    }
    assert_eq!(changes.len(), expected.len(), "{source}");
}

fn sources() -> [(&'static str, String, Expected); 2] {
    let (psu, of_psu) = dictionaries::run(1, COUNT);
    let (oven, of_oven) = dictionaries::run(2, COUNT);
    [("bench1/psu", psu, of_psu), ("oven", oven, of_oven)]
}

#[test]
fn one_process_records_two_writers() {
    let folder = tempfile::tempdir().expect("a folder");
    let timeline = folder.path().join("timeline.db");
    let (mut logger, hub) = Running::listening(
        "logger",
        &["--listen", "127.0.0.1:0", "--timeline", timeline.to_str().expect("a plain path")],
    );
    let [psu, oven] = sources();
    let writers = [publish(&hub, psu.0, psu.1), publish(&hub, oven.0, oven.1)];
    for (mut writer, feeder) in writers {
        assert!(writer.wait().success());
        feeder.join().expect("it fed all");
    }
    // Acknowledged is on disk: a reader has it while the logger runs.
    holds_exactly(&timeline, psu.0, psu.2);
    holds_exactly(&timeline, oven.0, oven.2);
    logger.signal("INT");
    assert!(logger.wait().success());
    succeed("logger", &["verify", "--timeline", timeline.to_str().expect("a plain path")]);
}

#[test]
fn a_logger_that_comes_after_the_writers_gets_everything_through_the_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let timeline = folder.path().join("timeline.db");
    let (_server, hub) = Running::listening("dict-server", &["--listen", "127.0.0.1:0"]);
    let [psu, oven] = sources();
    let writers = [publish(&hub, psu.0, psu.1), publish(&hub, oven.0, oven.1)];
    // The writers are there, and have published, before the logger is.
    for source in [psu.0, oven.0] {
        while succeed("dict-client", &["--hub", &hub, "sources"]).lines().all(|line| !line.contains(source)) {
        }
    }
    let timeline_path = timeline.to_str().expect("a plain path");
    let (mut logger, _) = Running::listening(
        "logger",
        &["--listen", "127.0.0.1:0", "--connect", &hub, "--timeline", timeline_path],
    );
    for (mut writer, feeder) in writers {
        assert!(writer.wait().success());
        feeder.join().expect("it fed all");
    }
    holds_exactly(&timeline, psu.0, psu.2);
    holds_exactly(&timeline, oven.0, oven.2);
    logger.signal("TERM");
    assert!(logger.wait().success());
    succeed("logger", &["verify", "--timeline", timeline_path]);
}
