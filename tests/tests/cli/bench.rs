//! `dict-client bench`: each form, on few updates.

use std::process::Output;

use dict_protocol::encoding::json;
use dict_protocol::value::{Dictionary, Value};
use dictwire_tests::programs::{Running, run, succeed};

use super::{Lab, fails, text};

/// A hub without a logger.
fn hub(limits: &[&str]) -> (Running, String) {
    Running::listening("dict-server", &[&["--listen", "127.0.0.1:0"], limits].concat())
}

fn bench(hub: &str, arguments: &[&str]) -> Output {
    run("dict-client", &[&["--hub", hub, "bench"], arguments].concat())
}

/// Runs a measurement, which has to go well, and returns its figures.
fn figures(hub: &str, arguments: &[&str]) -> Dictionary {
    let output = bench(hub, &[arguments, &["--format", "json"]].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && error.is_empty(), "{arguments:?}: {error}");
    let printed = String::from_utf8(output.stdout).expect("programs print UTF-8");
    assert_eq!(printed.lines().count(), 1, "{printed}");
    let Ok(Value::Dictionary(figures)) = json::read(&printed, 4) else { panic!("no object: {printed}") };
    figures
}

fn number(figures: &Dictionary, name: &str) -> f64 {
    let value = figures.get(name).unwrap_or_else(|| panic!("no {name} in {figures:?}"));
    value.as_f64().or(value.as_i64().map(|integer| integer as f64)).expect("a number")
}

/// What the hub knows of sources, without the heading.
fn sources(hub: &str) -> usize {
    let output = run("dict-client", &["--hub", hub, "sources"]);
    String::from_utf8_lossy(&output.stdout).lines().count() - 1
}

#[test]
fn throughput_counts_each_delivery_and_leaves_nothing_behind() {
    let (_hub, hub) = hub(&[]);
    for (arguments, writers, subscribers) in [
        (&[][..], 1, 1),
        (&["--whole"], 1, 1),
        (&["--writers", "3", "--subscribers", "2", "--whole"], 3, 2),
        (&["--writers", "3", "--subscribers", "2", "--in-flight", "10"], 3, 2),
        (&["--keys", "1"], 1, 1),
        (&["--keys", "40", "--size", "3000"], 1, 1),
        (&["--mode", "latest", "--writers", "2", "--subscribers", "2"], 2, 2),
    ] {
        let figures = figures(&hub, &[&["throughput", "--messages", "700"], arguments].concat());
        assert_eq!(number(&figures, "lost"), 0.0, "{arguments:?}");
        let arrived = number(&figures, "delivered") + number(&figures, "merged");
        assert_eq!(arrived, f64::from(700 * writers * subscribers), "{arguments:?}: {figures:?}");
        if !arguments.contains(&"latest") {
            assert_eq!(number(&figures, "merged"), 0.0, "{arguments:?}");
        }
        for name in ["deliveries_per_second", "bytes_per_second"] {
            assert!(number(&figures, name) > 0.0, "{arguments:?}: {figures:?}");
        }
    }
    assert_eq!(sources(&hub), 0);
}

#[test]
fn figures_for_people_are_a_line_each() {
    let (_hub, hub) = hub(&[]);
    let output = bench(&hub, &["throughput", "--messages", "10"]);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.lines().any(|line| line.split_whitespace().eq(["lost", "0"])), "{printed}");
}

#[test]
fn latency_is_measured_in_each_way() {
    let (_hub, hub) = hub(&[]);
    for arguments in [&[][..], &["--threaded"], &["--rate", "5000"], &["--rate", "5000", "--threaded"]] {
        let figures = figures(&hub, &[&["latency", "--messages", "100"], arguments].concat());
        let percentiles =
            ["p50_us", "p90_us", "p99_us", "p99_9_us", "max_us"].map(|name| number(&figures, name));
        assert!(percentiles[0] > 0.0 && percentiles.is_sorted(), "{arguments:?}: {figures:?}");
        assert_eq!(number(&figures, "messages"), 100.0);
    }
    assert_eq!(sources(&hub), 0);
}

#[test]
fn durable_counts_what_is_on_disk() {
    let lab = Lab::new();
    let form = ["durable", "--sources", "7", "--keys", "3", "--writers", "2", "--messages", "500"];
    let figures_of_some = figures(&lab.hub, &form);
    assert_eq!(number(&figures_of_some, "acknowledged"), 1_000.0);
    assert!(number(&figures_of_some, "acknowledged_per_second") > 0.0);
    assert!(number(&figures_of_some, "p50_us") <= number(&figures_of_some, "p99_us"));
    // Three keys of each source first, then one a change.
    let shown = lab.timeline(&["show", "--source", "bench/", "--format", "jsonl"]);
    let changes = shown.lines().filter(|line| line.contains("\"key\"")).count();
    assert_eq!(changes, 7 * 3 + 1_000);

    let few = ["durable", "--sources", "2", "--in-flight", "1", "--seconds", "0.2"];
    let figures_of_few = figures(&lab.hub, &few);
    assert!(number(&figures_of_few, "acknowledged") >= 1.0, "{figures_of_few:?}");
    assert_eq!(sources(&lab.hub), 0);
}

#[test]
fn durable_needs_a_logger() {
    let (_hub, hub) = hub(&[]);
    fails(&bench(&hub, &["durable"]), 1, "has no logger");
}

#[test]
fn idle_connections_are_counted() {
    let (_server, hub) = hub(&[]);
    let plain = figures(&hub, &["idle", "--connections", "20", "--hold", "0"]);
    assert_eq!(number(&plain, "connections"), 20.0);
    assert!(number(&plain, "connecting_seconds") >= 0.0);
}

#[cfg(target_os = "linux")]
#[test]
fn idle_connections_are_weighed() {
    let (server, hub) = hub(&[]);
    let pid = server.id().to_string();
    let weighed = figures(&hub, &["idle", "--connections", "20", "--hold", "0.1", "--pid", &pid]);
    let grown = number(&weighed, "resident_kib_after") - number(&weighed, "resident_kib_before");
    assert!((number(&weighed, "kib_per_connection") - grown / 20.0).abs() < 0.01, "{weighed:?}");
    assert!(number(&weighed, "resident_kib_before") > 0.0);
    // Above what the system gives out.
    fails(
        &bench(&hub, &["idle", "--connections", "1", "--pid", "999999999"]),
        1,
        "--pid 999999999: cannot read",
    );
}

#[test]
fn a_hub_that_takes_no_more_connections_says_so_once() {
    let (_server, hub) = hub(&["--limit", "address_connections=5"]);
    let refused = bench(&hub, &["idle", "--connections", "9"]);
    fails(&refused, 1, "connection 6 of 9: ");
    fails(&refused, 1, "(limit address_connections)");
}

#[cfg(unix)]
#[test]
fn a_process_that_may_not_open_as_many_files_says_so_once() {
    let (_server, hub) = hub(&[]);
    let client = dictwire_tests::programs::program("dict-client");
    let script =
        format!("ulimit -n 64; exec '{}' --hub {hub} bench idle --connections 100", client.display());
    let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("there is a shell");
    fails(&output, 1, "ulimit -Hn");
}

#[test]
fn a_hub_that_goes_away_ends_the_measurement() {
    let (mut server, hub) = hub(&[]);
    let mut command = dictwire_tests::programs::command("dict-client");
    command.args(["--hub", &hub, "bench", "idle", "--connections", "3", "--hold", "1h"]);
    let client = command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let client = client.spawn().expect("the program starts");
    while clients(&hub) < 3 {
        std::thread::yield_now();
    }
    server.kill();
    fails(&client.wait_with_output().expect("it is our child"), 1, " of 3: the ");
}

/// How many connections of a measurement the hub has.
fn clients(hub: &str) -> usize {
    let output = run("dict-client", &["--hub", hub, "clients"]);
    String::from_utf8_lossy(&output.stdout).matches("dict-client-").count()
}

#[test]
fn where_there_are_rules_it_takes_a_token_and_rights() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    let (rules, token) = (path("access.toml"), path("bench.token"));
    let made = succeed("dict-server", &["token", "bench", "--output", &token]);
    let rights =
        made.replace("read = []", "read = [\"bench/\"]").replace("write = []", "write = [\"bench/\"]");
    assert_ne!(rights, made);
    std::fs::write(&rules, rights).expect("a file");
    let (_hub, hub) = hub(&["--access", &rules]);
    let few = ["throughput", "--messages", "10"];
    fails(&bench(&hub, &few), 1, "the hub did not accept this client: ");
    assert_eq!(number(&figures(&format!("{hub}?token-file={token}"), &few), "delivered"), 10.0);
}

#[test]
fn wrong_usage_is_told() {
    for (arguments, told) in [
        (&["throughput", "--writers", "0"][..], "0 is not in 1..=1000"),
        (&["throughput", "--size", "61"], "--size 61: a dictionary of so many keys has 62 bytes"),
        (&["throughput", "--mode", "durable"], "[possible values: every, latest]"),
        (&["latency", "--rate", "0"], "0 is not in"),
        (&["durable", "--writers", "3", "--sources", "2"], "--writers 3: each takes a source"),
        (&["durable", "--seconds", "1", "--messages", "1"], "cannot be used with"),
        (&["durable", "--seconds=-1"], "--seconds"),
        (&["idle"], "--connections <N>"),
    ] {
        // Nobody listens there, and nobody is asked.
        fails(&bench("127.0.0.1:1", arguments), 2, told);
    }
    fails(&bench("pingpong://127.0.0.1:1", &["throughput"]), 2, "there is no hub");
}
