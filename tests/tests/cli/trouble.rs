//! What a logger does when it cannot store.

use std::io::Write as _;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use dictwire_tests::programs::{Running, command, succeed};
use rusqlite::Connection;

use super::Lab;

#[test]
fn while_nothing_can_be_stored_watchers_are_served_and_nothing_is_acknowledged() {
    let lab = Lab::new();
    lab.client(&["publish", "psu", "voltage=1"]);
    // A disk that is full is treated in the same way, but takes a disk.
    let other = Connection::open(lab.path("timeline.db")).expect("it opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes for a moment");
    lab.client(&["publish", "psu", "voltage=2", "--ack", "received"]);
    let mut waiting = lab.start(&["publish", "oven", "temperature=20", "--ack", "logged"]);
    // Longer than is waited without trying anew.
    thread::sleep(Duration::from_secs(6));
    assert_eq!(lab.client(&["get", "psu", "voltage"]).trim(), "2");
    assert!(!lab.timeline(&["show", "--format", "jsonl"]).contains("\"value\":2"));
    other.execute_batch("COMMIT").expect("it was ours");
    assert!(waiting.wait().success(), "it is acknowledged now");
    let noted = || lab.timeline(&["show", "--kind", "note", "--format", "jsonl"]);
    while !noted().contains("nothing was stored for ") {
        thread::sleep(Duration::from_millis(50));
    }
    let rows = lab.timeline(&["show", "--kind", "change", "--format", "jsonl"]);
    assert!(rows.contains("\"value\":2") && rows.contains("temperature"), "{rows}");
    assert!(lab.timeline(&["verify"]).ends_with("nothing is wrong\n"));
}

#[test]
fn a_logger_that_fails_to_store_ends_with_an_error_and_acknowledges_nothing() {
    let mut lab = Lab::new();
    let mut publish = command("dict-client");
    publish.args(["--hub", &lab.hub, "publish", "psu", "--stdin", "--ack", "logged"]).stdin(Stdio::piped());
    let mut writer = Running::start(publish);
    let mut input = writer.take_stdin();
    input.write_all(b"{\"voltage\": 1}\n").expect("the writer takes it");
    while !lab.timeline(&["show", "--kind", "change"]).contains("voltage") {
        thread::sleep(Duration::from_millis(50));
    }
    // No disk fails on demand; a database that somebody took a table from does.
    let other = Connection::open(lab.path("timeline.db")).expect("it opens");
    other.execute_batch("DROP TABLE span").expect("it is there");
    input.write_all(b"{\"voltage\": 2}\n").expect("the writer takes it");
    assert_eq!(lab.logger.wait().code(), Some(1));

    // What was not acknowledged goes to the next logger.
    let timeline = lab.path("other.db");
    let (_next, _) = Running::listening("logger", &["--listen", &lab.hub, "--timeline", &timeline]);
    drop(input);
    assert!(writer.wait().success());
    let state = succeed("logger", &["state", "--timeline", &timeline, "--format", "jsonl"]);
    assert!(state.contains("{\"voltage\":2}"), "{state}");
}
