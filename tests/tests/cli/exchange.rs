//! Requests, answers, messages, pings, and what the hub tells of itself.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{Lab, fails};
use dictwire_tests::programs::{Running, command};

/// Starts to answer, and waits until the hub knows.
fn respond(lab: &Lab, arguments: &[&str]) -> Running {
    let mut running = lab.start(arguments);
    let line = running.line();
    assert!(line.starts_with("answering"), "{line}");
    running
}

#[test]
fn a_request_is_answered_by_a_value_or_by_a_program() {
    let lab = Lab::new();
    let mut with = respond(&lab, &["--name", "psu", "respond", "zero", "--with", "{\"ok\": true}"]);
    let _cat = respond(&lab, &["respond", "echo", "--exec", "cat"]);
    let _words = respond(&lab, &["respond", "say", "--exec", "echo two", "words"]);
    let _divided = respond(&lab, &["respond", "split", "--exec", "echo 'two  words' $HOME"]);
    assert_eq!(lab.client(&["request", "zero"]), "{\"ok\": true}\n");
    assert_eq!(lab.client(&["request", "zero", "1", "--to", "psu"]), "{\"ok\": true}\n");
    assert_eq!(with.line(), "dict-client#4: zero null -> {\"ok\": true}");
    let value = "[1, 1.0, NaN, {\"a\": 1180591620717411303424}]";
    let answer = "[1, 1.0, {\"$float\": \"NaN\"}, {\"a\": 1180591620717411303424}]\n";
    assert_eq!(lab.client(&["request", "echo", value]), answer);
    assert_eq!(lab.client(&["request", "echo", "plain text"]), "\"plain text\"\n");
    // One word is divided and no shell sees it; of several each is an argument.
    assert_eq!(lab.client(&["request", "split"]), "\"two  words $HOME\"\n");
    fails(&lab.try_client(&["request", "say"]), 1, "cannot run echo two");
    with.signal("INT");
    assert!(with.wait().success());
    fails(&lab.try_client(&["request", "zero"]), 1, "nobody answers \"zero\"");
}

#[test]
fn a_program_that_fails_or_is_too_slow_is_an_error_and_answers_again() {
    let lab = Lab::new();
    let script = "import sys, time, json\nvalue = json.load(sys.stdin)\nif value == 'slow': time.sleep(60)\nif value == 'bad': sys.exit(3)\nprint(json.dumps([value]))";
    let _python = respond(&lab, &["respond", "try", "--exec", "python3", "-c", script]);
    fails(&lab.try_client(&["request", "try", "bad"]), 1, "exit status: 3");
    let start = Instant::now();
    fails(&lab.try_client(&["request", "try", "slow", "--timeout", "300ms"]), 1, "no answer in time");
    assert!(start.elapsed() < Duration::from_secs(30), "nobody waits for the sleeper");
    assert_eq!(lab.client(&["request", "try", "good", "--timeout", "1m"]), "[\"good\"]\n");
}

#[test]
fn a_message_to_nobody_is_a_failure() {
    let lab = Lab::new();
    fails(&lab.try_client(&["send", "hello", "--to", "nobody"]), 1, "nobody");
    fails(&lab.try_client(&["send", "--binary", "/no/such/file"]), 1, "cannot read /no/such/file");
    lab.client(&["send", "hello"]);
}

#[test]
fn what_is_over_a_limit_is_an_error_and_not_cut_or_taken_for_a_text() {
    let lab = Lab::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("large");
    fs::write(&path, vec![1; 16 << 10]).expect("a file");
    let file = path.to_str().expect("it is text");
    lab.client(&["send", "--binary", file]);
    let smaller = ["--limit", "body=16KiB", "--limit", "dictionary=8KiB", "send", "--binary", file];
    fs::write(&path, vec![1; (16 << 10) + 1]).expect("a file");
    fails(&lab.try_client(&smaller), 1, "more than the 16384 bytes that a message may (limit body)");
    fs::write(&path, vec![1; (1 << 20) + 1]).expect("a file");
    fails(&lab.try_client(&["send", "--binary", file]), 1, "(limit body)");

    let deep = format!("{}{}", "[".repeat(10), "]".repeat(10));
    let limited = |arguments: &[&str]| lab.try_client(&[&["--limit", "depth=9"], arguments].concat());
    fails(&limited(&["publish", "psu", &format!("a={deep}")]), 2, "deeper than 9 levels (limit depth)");
    fails(&limited(&["send", "--json", &deep]), 2, "deeper than 9 levels (limit depth)");
    fails(&limited(&["request", "zero", &deep]), 2, "deeper than 9 levels (limit depth)");
    fails(&limited(&["respond", "zero", "--with", &deep]), 2, "deeper than 9 levels (limit depth)");
    lab.client(&["publish", "psu", &format!("a={deep}")]);
    assert_eq!(lab.client(&["get", "psu", "a"]).trim(), deep);
}

#[test]
fn the_hub_tells_of_itself() {
    let lab = Lab::new();
    lab.client(&["--name", "script", "publish", "bench1/psu", "a=1", "b=2"]);
    let sources = lab.client(&["sources"]);
    let line = sources.lines().find(|line| line.starts_with("bench1/psu")).expect("it is listed");
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!((words[1], words[2], words[3], words[6]), ("no", "script", "logged", "2"), "{line}");

    let clients = lab.client(&["--name", "me", "clients"]);
    assert!(clients.lines().any(|line| line.starts_with("logger ")), "{clients}");
    assert!(
        clients.lines().any(|line| line.starts_with("me ") && line.contains("dict-client 0")),
        "{clients}"
    );

    let status = lab.client(&["status"]);
    for told in ["hub", "run", "version", "uptime_s", "connections", "sources", "logger        present"] {
        assert!(status.lines().any(|line| line.starts_with(told)), "{told} is not in {status}");
    }
}

#[test]
fn a_ping_measures_and_sums_up() {
    let lab = Lab::new();
    let printed = lab.client(&["ping", "--count", "3", "--interval", "1ms"]);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 5, "{printed}");
    assert!(lines[0].starts_with("connected to ") && lines[0].ends_with(" ms"));
    assert!(lines[1].starts_with("1: ") && lines[3].starts_with("3: "));
    for figure in ["min ", "mean ", "p50 ", "p99 ", "max ", "loss 0 of 3 (0.0 %)"] {
        assert!(lines[4].contains(figure), "{printed}");
    }
}

#[test]
fn a_ping_to_somebody_who_says_nothing_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("it is bound").to_string();
    let mut ping = command("dict-client");
    ping.args(["--hub", &address, "ping", "--timeout", "200ms"]).stdout(Stdio::null());
    fails(&ping.output().expect("it runs"), 1, "200ms");
}
