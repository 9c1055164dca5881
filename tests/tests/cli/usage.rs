//! Help, wrong usage, and what cannot be had.

use std::fs;
use std::net::TcpListener;

use super::{Lab, fails, text};
use dictwire_tests::programs::{run, succeed};

#[test]
fn everything_has_help_and_each_program_its_version() {
    for (program, commands) in [
        ("logger", &["show", "state", "export", "info", "verify", "note"][..]),
        ("dict-server", &["keygen", "token", "limits"]),
        (
            "dict-client",
            &[
                "publish", "watch", "get", "sources", "clients", "status", "send", "request", "respond",
                "ping", "bench",
            ],
        ),
    ] {
        let version = format!("{program} {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(succeed(program, &["--version"]), version);
        let help = succeed(program, &["--help"]);
        for command in commands {
            assert!(help.contains(&format!("\n  {command} ")), "{program} --help does not list {command}");
            let help = succeed(program, &[command, "--help"]);
            assert!(help.contains(&format!("Usage: {program} {command}")), "{help}");
        }
    }
}

#[test]
fn every_option_of_a_link_is_in_the_help() {
    for program in ["logger", "dict-server"] {
        let help = succeed(program, &["--help"]);
        for scheme in ["dictwire", "dictwires", "pytcp", "comms", "comet", "pingpong"] {
            // An option that no scheme has is answered with those that it has.
            let output = run(program, &["--listen", &format!("{scheme}://a?nonsense=1")]);
            let told = String::from_utf8_lossy(&output.stderr);
            let known = told.split(" has ").nth(1).expect("the known options").trim_end();
            for option in known.trim_end_matches(" (see --help)").split(", ") {
                assert!(help.contains(&format!("\n      {option} ")), "{program} --help has no {option:?}");
            }
        }
    }
}

#[test]
fn wrong_usage_is_told_in_one_line_and_exits_2() {
    for (program, arguments, told) in [
        ("logger", &["--nonsense"][..], "'--nonsense'"),
        ("logger", &["--listen", "::1:7450"], "IPv6 address in brackets"),
        ("logger", &["--listen", "127.0.0.1:99999"], "a number from 0 to 65535"),
        ("logger", &["--listen", "http://127.0.0.1"], "unknown scheme \"http\""),
        ("logger", &["--listen", "dictwires://127.0.0.1"], "add ?cert=FILE,key=FILE"),
        ("logger", &["--listen", "127.0.0.1?cert=a,key=b"], "the option cert needs dictwires://"),
        ("dict-client", &["--hub", "dictwires://127.0.0.1?pin=ab", "sources"], "the 64 hexadecimal digits"),
        (
            "dict-server",
            &["keygen", "--output", "a", "--client", "../b"],
            "--client \"../b\": a name has letters",
        ),
        ("logger", &["--listen", "comms://127.0.0.1?type=xml"], "type=xml: write json, string or binary"),
        ("logger", &["--listen", "comet://127.0.0.1?name=a"], "a name is for links to connect to"),
        ("logger", &["--listen", "127.0.0.1:0?prefix=a"], "a prefix is for links to connect to"),
        ("logger", &["--connect", "127.0.0.1?nonsense=1"], "unknown option"),
        ("logger", &["--connect", "comet://127.0.0.1"], "add ?name=NAME"),
        (
            "logger",
            &["--connect", "pingpong://127.0.0.1"],
            "`dict-client --hub pingpong://127.0.0.1:8889 ping`",
        ),
        (
            "dict-server",
            &["--connect", "comet://127.0.0.1?name=a", "--connect", "comet://127.0.0.2?name=a"],
            "\"a\" is the name of comet://127.0.0.1",
        ),
        (
            "dict-server",
            &[
                "--listen",
                "127.0.0.1:0",
                "--listen",
                "comms://127.0.0.1:38917",
                "--connect",
                "comms://localhost:38917",
            ],
            "this program listens there itself",
        ),
        ("logger", &["--limit", "body"], "write NAME=VALUE"),
        (
            "logger",
            &["--limit", "bodies=4MiB"],
            "there is no limit \"bodies\": there are body, greeting_body",
        ),
        ("dict-server", &["--limit", "body=1"], "limit body cannot be 1: it is from 8KiB to 256MiB"),
        ("dict-server", &["--limit", "greeting=5"], "\"5\" is not a length of time"),
        ("dict-server", &["--limit", "body=16KiB"], "limit body cannot be 16KiB with the others as they are"),
        ("dict-client", &["--limit", "connections=1", "status"], "limit connections is for hubs"),
        ("dict-server", &["--limit", "watch_events=5"], "limit watch_events is for clients"),
        ("dict-client", &["--limit", "keys=many", "status"], "limit keys takes a whole number"),
        ("logger", &["--rotate", "daily"], "neither a time nor a size"),
        ("logger", &["--rotate", "0d"], "neither a time nor a size"),
        ("logger", &["--keep", "30d"], "give --rotate, too"),
        ("logger", &["backup"], "--output"),
        ("logger", &["--demo", "--connect", "127.0.0.1"], "cannot be used with"),
        ("logger", &["show", "--since", "yesterday"], "not a time"),
        ("logger", &["show", "--kind", "changes"], "there is no kind \"changes\""),
        ("logger", &["show", "--format", "xml"], "'xml'"),
        ("logger", &["show", "--limit", "some"], "--limit"),
        ("logger", &["show", "--follow", "--until", "1m"], "cannot be used with"),
        ("logger", &["export"], "--output"),
        ("logger", &["export", "--output", "-", "--every", "1s"], "--wide"),
        ("logger", &["export", "--output", "-", "--wide", "--every", "0s"], "more than zero"),
        ("logger", &["note"], "<TEXT>"),
        ("dict-server", &["--connect", "127.0.0.1"], "a hub connects to no other hub"),
        ("logger", &["note", "a", "--hub", "comms://127.0.0.1"], "there is no hub"),
        ("dict-client", &["--hub", "comet://127.0.0.1", "status"], "there is no hub"),
        ("dict-client", &["--hub", "pingpong://127.0.0.1", "watch"], "there is no hub"),
        ("dict-client", &["--hub", "a b", "status"], "\"a b\" is no host"),
        ("dict-client", &["publish", "a"], "<KEY=VALUE>"),
        ("dict-client", &["publish", "a", "b"], "write KEY=VALUE"),
        ("dict-client", &["publish", "a", "b=1", "--stdin"], "--stdin"),
        ("dict-client", &["publish", "a", "b=1", "--patch"], "--patch"),
        ("dict-client", &["publish", "a", "b=1", "--spool", "x", "--ack", "received"], "leave --ack out"),
        ("dict-client", &["publish", "a", "--stdin", "--spool", "x", "--ack", "none"], "leave --ack out"),
        ("dict-client", &["publish", "a", "b=1", "--ack", "maybe"], "'maybe'"),
        ("dict-client", &["watch", "--count", "0"], "'0'"),
        ("dict-client", &["send"], "required"),
        ("dict-client", &["send", "a", "--json", "1"], "cannot be used with"),
        ("dict-client", &["send", "--json", "{"], "--json"),
        ("dict-client", &["request", "a", "--timeout", "5"], "write a number and its unit"),
        ("dict-client", &["respond", "a"], "required"),
        ("dict-client", &["respond", "a", "--with", "1", "--exec", "cat"], "cannot be used with"),
        ("dict-client", &["respond", "a", "--exec", "'"], "names no program"),
    ] {
        eprintln!("{program} {arguments:?}");
        let output = run(program, arguments);
        fails(&output, 2, told);
        assert!(output.stderr.starts_with(format!("{program}: ").as_bytes()));
    }
}

#[test]
fn where_a_command_is_missing_the_help_is_shown_as_help() {
    for arguments in [&[][..], &["bench"]] {
        let output = run("dict-client", arguments);
        let told = String::from_utf8(output.stderr).expect("it prints UTF-8");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{told}");
        assert!(told.lines().any(|line| line.starts_with("Usage: dict-client")), "{told}");
        assert!(told.lines().any(|line| line == "Commands:"), "{told}");
    }
}

#[test]
fn a_hub_that_is_not_there_is_told_in_one_line() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let closed = listener.local_addr().expect("it is bound").to_string();
    drop(listener);
    for arguments in [
        &["publish", "a", "b=1"][..],
        &["watch"],
        &["get", "a"],
        &["sources"],
        &["clients"],
        &["status"],
        &["send", "a"],
        &["request", "a"],
        &["respond", "a", "--with", "1"],
        &["ping"],
    ] {
        let arguments: Vec<&str> = ["--hub", &closed].iter().chain(arguments).copied().collect();
        fails(
            &run("dict-client", &arguments),
            1,
            "connection refused: nobody listens there; is the program running?",
        );
    }
    fails(&run("logger", &["note", "a", "--hub", &closed]), 1, "connection refused");
    fails(&run("dict-client", &["--hub", "no-such-host.invalid", "status"]), 1, "cannot be looked up");
}

#[test]
fn a_busy_port_is_told_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let timeline = folder.path().join("timeline.db");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let busy = listener.local_addr().expect("it is bound").to_string();
    fails(&run("dict-server", &["--listen", &busy]), 1, "address in use");
    fails(&run("logger", &["--listen", &busy, "--timeline", text(&timeline)]), 1, "address in use");
}

#[test]
fn a_file_that_is_no_timeline_is_told_in_one_line_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    fs::write(path("notes.txt"), "not a database").expect("a file");
    for (file, told) in [
        (path("notes.txt"), "is not a timeline"),
        (path(""), "is not a timeline"),
        (path("none/timeline.db"), "none"),
    ] {
        for arguments in [&["show"][..], &["state"], &["info"], &["verify"], &["export", "--output", "-"]] {
            let arguments: Vec<&str> = arguments.iter().copied().chain(["--timeline", &file]).collect();
            fails(&run("logger", &arguments), 1, told);
        }
        fails(&run("logger", &["--listen", "127.0.0.1:0", "--timeline", &file]), 1, told);
    }
    assert_eq!(fs::read_to_string(path("notes.txt")).expect("it is there"), "not a database");
}

#[test]
fn readers_create_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let timeline = folder.path().join("timeline.db");
    fails(&run("logger", &["show", "--timeline", text(&timeline)]), 1, "there is no timeline");
    assert_eq!(fs::read_dir(folder.path()).expect("it is there").count(), 0);
}

#[test]
fn a_timeline_has_one_logger() {
    let lab = Lab::new();
    let second = run("logger", &["--listen", "127.0.0.1:0", "--timeline", &lab.path("timeline.db")]);
    fails(&second, 1, "is being written by another logger");
}

#[test]
fn defaults_come_from_the_environment() {
    let lab = Lab::new();
    lab.client(&["publish", "a", "b=1"]);
    let mut get = dictwire_tests::programs::command("dict-client");
    let output = get.env("DICTWIRE_HUB", &lab.hub).args(["get", "a", "b"]).output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n");
    let mut state = dictwire_tests::programs::command("logger");
    state.env("DICTWIRE_TIMELINE", lab.path("timeline.db"));
    let output = state.args(["state", "--format", "jsonl"]).output().expect("it runs");
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"values\":{\"b\":1}"));
}
