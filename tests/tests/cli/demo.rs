//! `logger --demo`, and what the README says about the timeline that it leaves.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Lab, fails, text};
use dictwire_tests::programs::{Running, command, is_missing, run, succeed};

/// Runs a demo until it has printed `changes`, and returns what it printed.
fn demo(timeline: &Path, changes: usize) -> String {
    let mut command = command("logger");
    command.args(["--demo", "--listen", "127.0.0.1:0", "--timeline", text(timeline)]);
    let mut demo = Running::start(command);
    let mut printed = String::new();
    while printed.matches("  change  ").count() < changes {
        let line = demo.line();
        assert!(!line.is_empty(), "it ended after {printed}");
        printed.push_str(&line);
        printed.push('\n');
    }
    let asked = Instant::now();
    demo.signal("INT");
    printed.push_str(&demo.rest());
    assert!(demo.wait().success());
    assert!(asked.elapsed() < Duration::from_secs(2), "it took {:?} to end", asked.elapsed());
    printed
}

#[test]
fn it_prints_each_change_and_says_how_to_look_at_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let timeline = folder.path().join("timeline.db");
    let printed = demo(&timeline, 20);
    assert!(printed.starts_with("listening on 127.0.0.1:"), "{printed}");
    assert!(printed.contains("  demo/cpu ") && printed.contains("  demo/memory "), "{printed}");
    assert!(printed.contains("logger show --timeline"), "{printed}");

    let timeline = text(&timeline);
    let recorded =
        succeed("logger", &["show", "--timeline", timeline, "--kind", "change", "--format", "jsonl"]);
    assert_eq!(
        recorded.lines().count(),
        printed.matches("  change  ").count(),
        "all that is recorded was printed"
    );
    assert!(succeed("logger", &["state", "--timeline", timeline]).contains("demo/memory"));
    assert!(succeed("logger", &["info", "--timeline", timeline]).contains("demo/cpu"));
    assert!(succeed("logger", &["export", "--timeline", timeline, "--output", "-"]).contains("demo/cpu"));
    succeed("logger", &["verify", "--timeline", timeline]);
    assert_eq!(
        succeed("logger", &["show", "--timeline", timeline, "--kind", "gap", "--format", "jsonl"]),
        ""
    );
}

#[test]
fn it_goes_on_in_a_timeline_of_an_earlier_demo_and_refuses_any_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let timeline = folder.path().join("timeline.db");
    demo(&timeline, 1);
    demo(&timeline, 1);

    let mut lab = Lab::new();
    lab.client(&["publish", "bench1/psu", "a=1"]);
    lab.stop();
    let refused =
        run("logger", &["--demo", "--listen", "127.0.0.1:0", "--timeline", &lab.path("timeline.db")]);
    fails(&refused, 1, "holds bench1/psu");
}

/// The README's part in a language.
fn readme_block(language: &str) -> &'static str {
    let readme = include_str!("../../../README.md");
    let (_, rest) = readme.split_once(&format!("```{language}\n")).expect("the README has such a part");
    rest.split_once("```").expect("it ends").0
}

#[test]
fn the_queries_of_the_readme_work() {
    let folder = tempfile::tempdir().expect("a folder");
    demo(&folder.path().join("timeline.db"), 20);
    if !is_missing("sqlite3", Command::new("sqlite3").arg("--version")) {
        let mut sqlite = Command::new("sqlite3");
        sqlite.args(["timeline.db", readme_block("sql")]).current_dir(folder.path());
        let output = sqlite.output().expect("it runs");
        let rows = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(rows.lines().count() > 0 && rows.lines().all(|row| row.contains("Z|")), "{rows}");
    }
    if !is_missing("python3 with pandas", Command::new("python3").args(["-c", "import pandas"])) {
        let mut python = Command::new("python3");
        python.args(["-c", readme_block("python")]).current_dir(folder.path());
        let output = python.output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("time_ns"), "a series by time");
    }
}
