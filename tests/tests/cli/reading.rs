//! `logger show`, `state`, `export`, `info`, `verify`, `note`.

use std::fs;

use super::{Lab, fails};
use dictwire_tests::programs::{Running, command, run};

fn lab() -> Lab {
    let lab = Lab::new();
    lab.client(&["publish", "bench1/psu", "voltage=1", "mode=cv"]);
    lab.client(&["publish", "bench1/psu", "voltage=NaN"]);
    lab.client(&["publish", "oven", "temperature=20.5"]);
    lab
}

/// Changes a text wherever it stands in a file: in the record and in the table by key.
fn damage(path: &str, text: &str) {
    let mut bytes = fs::read(path).expect("it is there");
    let windows = bytes.windows(text.len()).enumerate();
    let places: Vec<usize> =
        windows.filter(|(_, bytes)| *bytes == text.as_bytes()).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place] = b'n';
    }
    fs::write(path, bytes).expect("it can be written");
}

impl Lab {
    /// Publishes so many updates of one key, which counts from 0.
    fn feed_many(&self, count: u32) {
        let input: String = (0..count).map(|number| format!("{{\"a\": {number}}}\n")).collect();
        assert!(self.feed(&["publish", "psu", "--stdin"], &input).status.success());
    }
}

#[test]
fn filters_choose_rows_and_formats_say_the_same() {
    let lab = lab();
    let count = |arguments: &[&str]| {
        let arguments: Vec<&str> = ["show", "--format", "jsonl"].iter().chain(arguments).copied().collect();
        lab.timeline(&arguments).lines().count()
    };
    assert_eq!(count(&["--kind", "change"]), 5);
    assert_eq!(count(&["--source", "bench1/", "--kind", "change"]), 4);
    assert_eq!(count(&["--source", "oven", "--source", "bench1/psu", "--kind", "change"]), 5);
    assert_eq!(count(&["--key", "voltage"]), 2);
    assert_eq!(count(&["--key", "vol*", "--key", "temperature"]), 3);
    assert_eq!(count(&["--key", "voltage", "--since", "1h"]), 2);
    assert_eq!(count(&["--key", "voltage", "--until", "1h"]), 0);
    assert_eq!(count(&["--key", "voltage", "--limit", "1"]), 1);
    assert_eq!(count(&["--source", "nobody"]), 0);

    let last = ["show", "--key", "voltage", "--limit", "1", "--format"];
    let jsonl = lab.timeline(&[&last[..], &["jsonl"]].concat());
    assert!(
        jsonl.contains(r#""key":"voltage","value":{"$float":"NaN"}"#) && jsonl.contains("Z\",\"hub\":"),
        "{jsonl}"
    );
    let csv = lab.timeline(&[&last[..], &["csv"]].concat());
    let (names, cells) = csv.split_once('\n').expect("two lines");
    let place = names.split(',').position(|name| name == "value").expect("there are values");
    assert_eq!(cells.split(',').nth(place), Some("NaN"), "{csv}");
    let table = lab.timeline(&[&last[..], &["table"]].concat());
    assert!(table.lines().count() == 2 && table.trim_end().ends_with("voltage  NaN"), "{table}");
}

#[test]
fn the_state_is_that_of_a_time() {
    let lab = lab();
    let now = lab.timeline(&["state", "--format", "jsonl"]);
    assert_eq!(now.lines().count(), 2, "{now}");
    assert!(now.contains(r#""values":{"voltage":{"$float":"NaN"},"mode":"cv"}"#), "{now}");
    assert_eq!(lab.timeline(&["state", "--at", "1h", "--format", "jsonl"]), "");
    let oven = lab.timeline(&["state", "--source", "oven"]);
    assert!(oven.lines().count() == 2 && oven.trim_end().ends_with("temperature  20.5"), "{oven}");
}

#[test]
fn an_export_appears_whole_or_not_at_all() {
    let lab = lab();
    let (timeline, output) = (lab.path("timeline.db"), lab.path("out.jsonl"));
    lab.timeline(&["export", "--output", &output]);
    let exported = fs::read_to_string(&output).expect("it is there");
    assert!(exported.lines().all(|line| line.starts_with("{\"kind\":")), "its name tells the format");
    assert_eq!(exported.lines().filter(|line| line.contains("\"kind\":\"change\"")).count(), 5);

    let again = ["export", "--timeline", &timeline, "--output", &output, "--kind", "note"];
    fails(&run("logger", &again), 1, "give --force to replace it");
    assert_eq!(fs::read_to_string(&output).expect("it is there"), exported);
    lab.timeline(&["export", "--output", &output, "--kind", "note", "--force"]);
    assert_eq!(fs::read_to_string(&output).expect("it is there"), "");

    let itself = ["export", "--timeline", &timeline, "--output", &timeline, "--force"];
    fails(&run("logger", &itself), 1, "is the timeline itself");
    let nowhere = ["export", "--timeline", &timeline, "--output", &lab.path("none/out.csv")];
    fails(&run("logger", &nowhere), 1, "cannot write");
    let left: Vec<_> = fs::read_dir(lab.folder.path())
        .expect("it is there")
        .map(|entry| entry.expect("it can be listed").file_name().into_string().expect("a plain name"))
        .filter(|name| !name.starts_with("timeline.db") && name != "out.jsonl")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_spreadsheet_gets_a_column_for_each_key() {
    let lab = lab();
    let csv = lab.timeline(&["export", "--output", "-", "--wide", "--source", "bench1/"]);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "time,n,bench1/psu:voltage,bench1/psu:mode");
    assert!(lines[1].ends_with(",1,cv") && lines[2].ends_with(",NaN,cv"), "{csv}");
    let steps = lab.timeline(&["export", "--output", "-", "--wide", "--every", "1h", "--format", "jsonl"]);
    assert!(steps.starts_with("{\"time\":\"") && steps.contains("\"oven:temperature\":20.5"), "{steps}");
}

#[test]
fn info_tells_and_verify_finds_nothing_wrong() {
    let mut lab = lab();
    lab.stop();
    let info = lab.timeline(&["info"]);
    assert!(info.contains("5 changes") && info.lines().any(|line| line.starts_with("bench1/psu")), "{info}");
    let json = lab.timeline(&["info", "--format", "json"]);
    assert!(json.contains("\"change\": 5") && json.contains("\"source\": \"oven\""), "{json}");
    assert!(lab.timeline(&["verify"]).ends_with("nothing is wrong\n"));
}

#[test]
fn verify_exits_1_if_anything_is_wrong() {
    let mut lab = lab();
    lab.stop();
    let path = lab.path("timeline.db");
    damage(&path, "mode");
    let output = run("logger", &["verify", "--timeline", &path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("wrong"));
    assert!(!output.stdout.is_empty(), "it says what");
}

#[test]
fn a_note_stands_in_the_timeline_when_the_command_ends() {
    let lab = Lab::new();
    dictwire_tests::programs::succeed("logger", &["note", "run 7 starts", "--hub", &lab.hub]);
    let notes = lab.timeline(&["show", "--kind", "note", "--format", "jsonl"]);
    assert!(notes.contains("\"text\":\"run 7 starts\""), "{notes}");
}

#[test]
fn without_a_logger_there_is_no_note() {
    let (_server, hub) = Running::listening("dict-server", &["--listen", "127.0.0.1:0"]);
    fails(&run("logger", &["note", "run 7 starts", "--hub", &hub]), 1, "there is no logger");
}

#[test]
fn follow_goes_on_with_what_comes() {
    let lab = lab();
    let mut follow = command("logger");
    follow.args([
        "show",
        "--timeline",
        &lab.path("timeline.db"),
        "--key",
        "voltage",
        "--format",
        "jsonl",
        "--follow",
    ]);
    let mut follow = Running::start(follow);
    assert!(follow.line().contains("\"value\":1"));
    assert!(follow.line().contains("NaN"));
    lab.client(&["publish", "bench1/psu", "voltage=3"]);
    assert!(follow.line().contains("\"value\":3"));
    follow.signal("INT");
    assert!(follow.wait().success());
}

#[test]
fn an_export_gives_what_stands_before_damage_and_then_says_so() {
    let mut lab = lab();
    lab.stop();
    let path = lab.path("timeline.db");
    damage(&path, "temperature");
    let output = run("logger", &["export", "--timeline", &path, "--output", "-", "--format", "jsonl"]);
    let rows = String::from_utf8_lossy(&output.stdout);
    assert_eq!(rows.matches("\"key\":\"voltage\"").count(), 2, "{rows}");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("checksum"), "{told}");
}

#[test]
fn a_long_export_is_complete_and_in_order() {
    let lab = Lab::new();
    lab.feed_many(30_000);
    let rows = lab.timeline(&["export", "--output", "-", "--format", "jsonl", "--kind", "change"]);
    let mut next = 0;
    for row in rows.lines() {
        assert!(row.contains(&format!("\"value\":{next},")), "{row}: not {next}");
        next += 1;
    }
    assert_eq!(next, 30_000);
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let lab = Lab::new();
    // More than an export reads ahead.
    lab.feed_many(30_000);
    let timeline = lab.path("timeline.db");
    for arguments in [
        &["show", "--format", "jsonl"][..],
        &["show", "--format", "table"],
        &["show", "--format", "csv"],
        &["export", "--output", "-"],
        &["export", "--output", "-", "--wide"],
    ] {
        let mut command = command("logger");
        command.args(arguments).args(["--timeline", &timeline]).stdout(std::process::Stdio::piped());
        let mut child = command.stderr(std::process::Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it is our child");
        assert!(output.status.success(), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}
