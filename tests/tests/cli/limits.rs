//! `--limit`, `[limits]` and the list of all.

use std::fs;
use std::net::TcpStream;

use dict_protocol::limits::Limits;
use dictwire_tests::programs::{Running, run, succeed};

use super::{fails, text};

#[test]
fn all_limits_are_listed() {
    let listed = succeed("dict-server", &["limits"]);
    assert_eq!(listed.lines().count(), Limits::TABLE.len() + 1, "{listed}");
    for limit in Limits::TABLE {
        let line = listed.lines().find(|line| line.starts_with(&format!("{} ", limit.name)));
        let line = line.unwrap_or_else(|| panic!("no {} in {listed}", limit.name));
        assert!(line.ends_with(limit.meaning), "{line}");
        assert_eq!(line.split_whitespace().nth(1), Some(limit.whom.as_str()), "{line}");
        let default = limit.unit.show(limit.default).to_string();
        assert_eq!(line.split_whitespace().nth(2), Some(&*default), "{line}");
    }
}

#[test]
fn a_limit_that_is_set_holds_and_a_client_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    fs::write(path("lab.toml"), "[limits]\nsources = 9\nconnections = 3\n").expect("a file");
    let timeline = path("timeline.db");
    for (program, more) in [("dict-server", &[][..]), ("logger", &["--timeline", &timeline])] {
        // The command line counts before the file; a logger's own connection is one.
        let connections = format!("connections={}", 1 + more.len() / 2);
        let limits = ["--listen", "127.0.0.1:0", "--config", &path("lab.toml"), "--limit", &connections];
        let (_hub, address) = Running::listening(program, &[&limits[..], more].concat());
        let client = ["--hub", &address, "status"];
        succeed("dict-client", &client);
        let held = TcpStream::connect(&address).expect("it listens");
        fails(&run("dict-client", &client), 1, "(limit connections)");
        drop(held);
    }
}

#[test]
fn a_hub_of_larger_frames_needs_clients_that_take_them() {
    let larger = ["--limit", "body=2MiB", "--limit", "dictionary=1900KiB"];
    let (_hub, address) =
        Running::listening("dict-server", &[&["--listen", "127.0.0.1:0"], &larger[..]].concat());
    let status = ["--hub", &address, "status"];
    let told =
        "this hub sends frames of up to 2097152 bytes, and the client takes 1048576 (limit body of both)";
    fails(&run("dict-client", &status), 1, told);
    let large = "x".repeat(100_000);
    let pairs: Vec<String> = (0..15).map(|key| format!("key{key}={large}")).collect();
    let client =
        |arguments: &[&str]| succeed("dict-client", &[&["--hub", &address], &larger[..], arguments].concat());
    for pair in &pairs {
        client(&["publish", "large", pair]);
    }
    let got = client(&["get", "large", "key0"]);
    assert_eq!(got.trim().trim_matches('"'), large);
}

#[test]
fn a_client_that_cannot_take_a_source_says_so_and_ends() {
    let (_hub, address) = Running::listening("dict-server", &["--listen", "127.0.0.1:0"]);
    let client = |arguments: &[&str]| run("dict-client", &[&["--hub", &address], arguments].concat());
    assert!(client(&["publish", "deep", "a=[[[[1]]]]"]).status.success());
    for command in ["watch", "get"] {
        let told = "the source \"deep\" cannot be watched: a dictionary that cannot be read: ";
        fails(&client(&["--limit", "depth=4", command, "deep"]), 1, told);
    }
    for source in ["other", "another"] {
        assert!(client(&["publish", source, "a=1"]).status.success());
    }
    let mut watched = client(&["--limit", "sources=2", "watch"]);
    // That the last writer has gone may be told before.
    watched.stdout.clear();
    fails(&watched, 1, "more than 2 sources (limit sources)");
}
