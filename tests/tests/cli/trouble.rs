//! What a logger does when it cannot store.

use std::thread;
use std::time::Duration;

use dictwire_tests::programs::{Running, run};
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
    lab.client(&["publish", "psu", "voltage=1"]);
    // No disk fails on demand; a database that somebody took a table from does.
    let other = Connection::open(lab.path("timeline.db")).expect("it opens");
    other.execute_batch("DROP TABLE span").expect("it is there");
    let arguments = ["--hub", &lab.hub, "publish", "psu", "voltage=2", "--ack", "logged"];
    let (hub, arguments) = (lab.hub.clone(), arguments.map(str::to_owned));
    let writer = thread::spawn(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run("dict-client", &arguments)
    });
    assert_eq!(lab.logger.wait().code(), Some(1));
    drop(other);
    // Whoever waits for the acknowledgement gets it from the next logger, or none.
    let timeline = lab.path("other.db");
    let (_next, _) = Running::listening("logger", &["--listen", &hub, "--timeline", &timeline]);
    assert!(writer.join().expect("it does not panic").status.success());
    let rows = dictwire_tests::programs::succeed("logger", &["show", "--timeline", &timeline]);
    assert!(rows.contains("voltage"), "{rows}");
}
