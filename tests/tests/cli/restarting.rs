//! A logger that is started again on its timeline: what lies between its runs.

use dictwire_tests::programs::{Running, command, succeed};
use std::process::Stdio;

use super::text;

/// The gaps of a timeline, a line each.
fn gaps(timeline: &str) -> Vec<String> {
    let rows = succeed("logger", &["show", "--timeline", timeline, "--kind", "gap", "--format", "jsonl"]);
    rows.lines().map(str::to_owned).collect()
}

/// A logger on `timeline` that listens at `listen`, and its address.
fn start(timeline: &str, listen: &str) -> (Running, String) {
    Running::listening("logger", &["--listen", listen, "--timeline", timeline])
}

fn publish(hub: &str, value: &str) {
    succeed("dict-client", &["--hub", hub, "publish", "psu", value, "--ack", "logged"]);
}

#[test]
fn runs_that_end_in_order_leave_no_gap_between_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let timeline = text(&folder.path().join("timeline.db")).to_owned();
    let mut listen = "127.0.0.1:0".to_owned();
    for run in 0..3 {
        let (mut logger, hub) = start(&timeline, &listen);
        publish(&hub, &format!("run={run}"));
        // At the same address it is the same hub.
        listen = hub;
        logger.signal("TERM");
        assert!(logger.wait().success());
    }
    assert_eq!(gaps(&timeline), Vec::<String>::new());
    succeed("logger", &["verify", "--timeline", &timeline]);
}

#[test]
fn after_a_run_that_was_killed_there_is_a_gap() {
    let folder = tempfile::tempdir().expect("a folder");
    let timeline = text(&folder.path().join("timeline.db")).to_owned();
    let (mut logger, hub) = start(&timeline, "127.0.0.1:0");
    publish(&hub, "run=0");
    // Whoever else wrote to it may have died with it.
    logger.kill();
    let (mut logger, _) = start(&timeline, &hub);
    publish(&hub, "run=1");
    logger.signal("TERM");
    assert!(logger.wait().success());
    let gaps = gaps(&timeline);
    assert!(gaps.iter().any(|gap| gap.contains("\"source\":\"psu\"")), "{gaps:?}");
}

/// Nothing of the second writer's epoch was seen by the logger, and nothing is left of it.
#[test]
fn what_another_writer_lost_while_the_logger_was_away_is_under_a_gap() {
    let folder = tempfile::tempdir().expect("a folder");
    let timeline = text(&folder.path().join("timeline.db")).to_owned();
    let spool = text(&folder.path().join("spool")).to_owned();
    let (_hub, address) = Running::listening("dict-server", &["--listen", "127.0.0.1:0"]);
    let record = || {
        let arguments = ["--listen", "127.0.0.1:0", "--timeline", &timeline, "--connect", &address];
        Running::listening("logger", &arguments).0
    };
    let kept = |value: &str| {
        let arguments = ["--hub", &address, "publish", "psu", value, "--ack", "logged", "--spool", &spool];
        succeed("dict-client", &arguments);
    };
    let mut logger = record();
    kept("a=1");
    logger.signal("TERM");
    assert!(logger.wait().success());

    let mut other = command("dict-client");
    other.args(["--hub", &address, "publish", "psu", "--stdin", "--ack", "logged"]).stdin(Stdio::piped());
    let mut other = Running::start(other);
    let mut input = other.take_stdin();
    std::io::Write::write_all(&mut input, b"{\"a\": 2}\n").expect("it takes it");
    while succeed("dict-client", &["--hub", &address, "get", "psu", "a"]) != "2\n" {
        std::thread::yield_now();
    }
    other.kill();

    let mut logger = record();
    kept("a=3");
    logger.signal("TERM");
    assert!(logger.wait().success());
    let gaps = gaps(&timeline);
    assert!(gaps.iter().any(|gap| gap.contains("\"source\":\"psu\"")), "{gaps:?}");
    succeed("logger", &["verify", "--timeline", &timeline]);
}
