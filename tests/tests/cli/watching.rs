//! `dict-client watch`.

use dict_protocol::encoding::json;
use dict_protocol::value::{Dictionary, Value};

use super::Lab;
use dictwire_tests::programs::{Running, command};

fn row(line: &str) -> Dictionary {
    match json::read(line, 128) {
        Ok(Value::Dictionary(row)) => row,
        other => panic!("{line:?} is {other:?}"),
    }
}

/// What a row of JSON Lines says: its kind, and what it is about.
fn summary(line: &str) -> String {
    let row = row(line);
    let text = |field: &str| row.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut value = String::new();
    if let Some(found) = row.get("value") {
        json::write(found, json::Style::COMPACT, 128, &mut value).expect("plain values");
    } else if row.get("removed").is_some() {
        value.push_str("removed");
    }
    match &*text("kind") {
        "change" => format!("{} {}={value}", text("source"), text("key")),
        "message" => format!("message from {} {value}", text("from")),
        "connection" => format!("{} {}", text("source"), text("event")),
        kind => kind.to_owned(),
    }
}

#[test]
fn a_watcher_sees_what_there_is_and_then_each_change() {
    let lab = Lab::new();
    lab.client(&["publish", "bench1/psu", "a=1", "b=2"]);
    lab.client(&["publish", "bench2/psu", "a=1"]);
    // Overlapping patterns tell everything once.
    let mut watch =
        lab.start(&["watch", "bench1/", "bench*", "bench1/psu", "--format", "jsonl", "--count", "9"]);
    let mut first: Vec<String> = (0..5).map(|_| summary(&watch.line())).collect();
    first.sort();
    assert_eq!(
        first,
        ["bench1/psu a=1", "bench1/psu b=2", "bench1/psu offline", "bench2/psu a=1", "bench2/psu offline"]
    );
    lab.client(&["publish", "bench1/psu", "--replace", "b=2", "c=NaN"]);
    let told: Vec<String> = (0..4).map(|_| summary(&watch.line())).collect();
    assert_eq!(
        told,
        ["bench1/psu online", "bench1/psu a=removed", "bench1/psu b=2", "bench1/psu c={\"$float\":\"NaN\"}"]
    );
    assert!(watch.wait().success(), "it ends when there were as many lines as were asked for");
}

#[test]
fn rows_are_those_of_a_timeline() {
    let lab = Lab::new();
    let mut watch = lab.start(&["--name", "screen", "watch", "psu", "--format", "jsonl", "--count", "1"]);
    wait_for_subscription(&lab, "screen");
    lab.client(&["publish", "psu", "a=1"]);
    let recorded = lab.timeline(&["show", "--source", "psu", "--kind", "change", "--format", "jsonl"]);
    let mut recorded = row(recorded.trim_end());
    assert!(recorded.remove("n").is_some(), "only a timeline has numbers");
    assert_eq!(row(&watch.line()), recorded);
}

/// Waits until the hub knows what a client subscribed to.
fn wait_for_subscription(lab: &Lab, name: &str) {
    let subscribed = |line: &str| line.starts_with(name) && line.split_whitespace().rev().nth(1) != Some("0");
    while !lab.client(&["clients"]).lines().any(subscribed) {}
}

#[test]
fn in_mode_latest_the_newest_gets_through() {
    let lab = Lab::new();
    let mut watch = lab.start(&["--name", "screen", "watch", "psu", "--mode", "latest", "--format", "jsonl"]);
    wait_for_subscription(&lab, "screen");
    let input: String = (0..=2_000).map(|number| format!("{{\"a\": {number}}}\n")).collect();
    assert!(lab.feed(&["publish", "psu", "--stdin"], &input).status.success());
    while summary(&watch.line()) != "psu a=2000" {}
}

#[test]
fn messages_are_shown_where_they_are_asked_for() {
    let lab = Lab::new();
    lab.client(&["publish", "psu", "a=1", "--ack", "logged"]);
    let mut watch =
        lab.start(&["--name", "screen", "watch", "psu", "--messages", "--format", "jsonl", "--count", "5"]);
    // By then it listens: it subscribed to messages first.
    assert_eq!(summary(&watch.line()), "psu offline");
    assert_eq!(summary(&watch.line()), "psu a=1");
    lab.client(&["send", "hello"]);
    lab.client(&["send", "--json", "{\"b\": NaN}", "--to", "screen"]);
    std::fs::write(lab.path("bytes"), [0, 255]).expect("a file");
    lab.client(&["--name", "me", "send", "--binary", &lab.path("bytes")]);
    assert_eq!(summary(&watch.line()), "message from dict-client \"hello\"");
    assert_eq!(summary(&watch.line()), "message from dict-client {\"b\":{\"$float\":\"NaN\"}}");
    assert_eq!(summary(&watch.line()), "message from me {\"$binary\":\"AP8=\"}");
    assert!(watch.wait().success());
}

#[test]
fn a_table_is_aligned_and_plain_in_a_pipe() {
    let lab = Lab::new();
    lab.client(&["publish", "psu", "a=1", "long_key=2"]);
    let mut watch = lab.start(&["watch", "psu", "--count", "3"]);
    let lines: Vec<String> = (0..4).map(|_| watch.line()).collect();
    // On a busy machine the first row may be printed alone: columns grow when the others come.
    let titles: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(titles, ["TIME", "KIND", "SOURCE", "KEY", "VALUE"]);
    assert!(lines[2].ends_with("psu     a         1"), "{lines:?}");
    assert!(lines[3].ends_with("psu     long_key  2"), "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains('\u{1b}')));
}

#[test]
fn ctrl_c_ends_it_in_order_and_so_does_a_closed_pipe() {
    let lab = Lab::new();
    lab.client(&["publish", "psu", "a=1"]);
    let mut watch = lab.start(&["watch", "psu"]);
    watch.line();
    watch.signal("INT");
    assert!(watch.wait().success());

    let mut closed = command("dict-client");
    closed.args(lab.client_arguments(&["watch", "psu"])).stderr(std::process::Stdio::piped());
    let mut closed = Running::start(closed);
    closed.line();
    closed.close_output();
    lab.client(&["publish", "psu", "a=2"]);
    assert!(closed.wait().success());
}
