//! The comparison with other servers in its smallest form: what it prints, not what it measures.

use std::process::{Command, Output};

use serde_json::Value;

fn compare(arguments: &[&str]) -> Output {
    compare_in(env!("CARGO_TARGET_TMPDIR"), arguments)
}

fn compare_in(folder: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_compare"));
    command.args(["--short", "--rounds", "1", "--dir", folder]).args(arguments);
    command.output().expect("it starts")
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it prints UTF-8");
    (text(&output.stdout), text(&output.stderr))
}

/// Whether a part was left out for what this machine does not have.
fn is_left_out(part: &Value) -> bool {
    let trouble = part["trouble"].as_str().unwrap_or_default();
    ["not installed (apt-get install", "which Linux has", "it takes 2 processors"]
        .iter()
        .any(|missing| trouble.contains(missing))
}

#[test]
fn every_part_of_every_row_has_a_figure_or_is_named_as_missing() {
    let output = compare(&["--format", "json"]);
    let (out, errors) = texts(&output);
    assert!(output.status.success(), "{out}{errors}");
    let told: Value = serde_json::from_str(&out).unwrap();
    assert!(told["machine"]["cores"].as_u64().unwrap() > 0);
    for name in ["processor", "kernel", "file_system"] {
        assert!(told["machine"][name].is_string(), "{name}: {told}");
    }
    for peer in ["NATS", "Redis", "mosquitto", "Dictwire"] {
        assert!(!told["versions"][peer].as_str().unwrap().is_empty(), "{peer}");
    }
    let rows = told["rows"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row["row"].as_str().unwrap()).collect();
    let all = [
        "relay",
        "fan-in",
        "fan-out",
        "round-trip",
        "round-trip-1",
        "durable-10",
        "durable-60",
        "idle",
        "frozen",
        "read-page",
        "read-state",
        "read-export",
        "file-size",
    ];
    assert_eq!(names, all);
    for row in rows {
        let parts = row["parts"].as_array().unwrap();
        let has_target = parts.iter().any(|part| part["target"].is_string());
        assert!(has_target || row["row"] == "file-size", "{row}: a target");
        for part in parts {
            let figure = part["median"].as_f64();
            // How much memory 200 connections take may be less than a page.
            let is_there = figure.is_some_and(|figure| figure > 0.0 || row["row"] == "idle");
            assert!(is_there || is_left_out(part), "{}: {part}", row["row"]);
        }
    }
}

#[test]
fn the_table_has_the_machine_and_a_line_for_each_part() {
    let output = compare(&["relay", "round-trip"]);
    let (out, errors) = texts(&output);
    assert!(output.status.success(), "{out}{errors}");
    assert!(out.contains("THESE FIGURES MEAN NOTHING") && out.contains("versions: Redis: "), "{out}");
    let count = |row: &str| out.lines().filter(|line| line.starts_with(row)).count();
    assert_eq!((count("relay "), count("round-trip ")), (6, 6), "{out}");
}

#[test]
fn a_row_that_is_not_there_is_wrong_usage() {
    let output = compare(&["relais"]);
    let (_, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors.contains("there is no row relais: there are relay, fan-in"), "{errors}");
}

#[cfg(target_os = "linux")]
#[test]
fn durable_runs_in_memory_are_refused() {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    if !mounts.lines().any(|line| line.contains(" /dev/shm tmpfs ")) {
        return;
    }
    let output = compare_in("/dev/shm", &["durable-10"]);
    let (out, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(errors.contains("tmpfs, which is no disk: give --dir"), "{errors}");
}
