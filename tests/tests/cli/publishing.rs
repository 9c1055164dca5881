//! `dict-client publish` and `get`.

use super::{Lab, fails};

#[test]
fn a_value_is_json_if_it_parses_as_such_and_else_text() {
    let lab = Lab::new();
    lab.client(&[
        "publish",
        "bench1/psu",
        "voltage=12.5",
        "count=1",
        "float=1.0",
        "on=true",
        "none=null",
        "nan=NaN",
        "low=-Infinity",
        "big=1180591620717411303424",
        "list=[1, {\"a\": NaN}]",
        "mode=cv",
        "quoted=\"1\"",
        "empty=",
        "a=b=c",
        "tag={\"$x\": 1}",
    ]);
    for (key, value) in [
        ("voltage", "12.5"),
        ("count", "1"),
        ("float", "1.0"),
        ("on", "true"),
        ("none", "null"),
        ("nan", r#"{"$float": "NaN"}"#),
        ("low", r#"{"$float": "-Infinity"}"#),
        ("big", "1180591620717411303424"),
        ("list", r#"[1, {"a": {"$float": "NaN"}}]"#),
        ("mode", r#""cv""#),
        ("quoted", r#""1""#),
        ("empty", r#""""#),
        ("a", r#""b=c""#),
        ("tag", r#"{"$dict": {"$x": 1}}"#),
    ] {
        assert_eq!(lab.client(&["get", "bench1/psu", key]).trim_end(), value, "{key}");
    }
    lab.client(&["publish", "bench1/psu", "count=1", "nan=NaN", "--text"]);
    assert_eq!(lab.client(&["get", "bench1/psu", "count"]), "\"1\"\n");
    assert_eq!(lab.client(&["get", "bench1/psu", "nan"]), "\"NaN\"\n");
    assert_eq!(lab.client(&["get", "bench1/psu", "on"]), "true\n", "what is not named stays");
}

#[test]
fn keys_that_are_not_named_stay_unless_all_is_replaced() {
    let lab = Lab::new();
    let values = || {
        let line = lab.client(&["get", "psu"]);
        let (_, values) = line.trim_end().split_once("\"values\":").expect("a source has values");
        values.strip_suffix('}').expect("it is an object").to_owned()
    };
    lab.client(&["publish", "psu", "a=1", "b=2"]);
    lab.client(&["publish", "psu", "b=3", "c=4"]);
    assert_eq!(values(), r#"{"a":1,"b":3,"c":4}"#);
    lab.client(&["publish", "psu", "--replace", "d=5"]);
    assert_eq!(values(), r#"{"d":5}"#);
    assert!(
        lab.feed(&["publish", "psu", "--stdin", "--patch"], "{\"e\": null}\n{\"f\": 7}\n").status.success()
    );
    assert_eq!(values(), r#"{"d":5,"e":null,"f":7}"#);
    assert!(lab.feed(&["publish", "psu", "--stdin", "--patch", "--replace"], "{\"g\": 8}").status.success());
    assert_eq!(values(), r#"{"g":8}"#);
    assert!(lab.feed(&["publish", "psu", "--stdin"], "{\"h\": 1}\n\n{\"i\": NaN}\n").status.success());
    assert_eq!(values(), r#"{"i":{"$float":"NaN"}}"#);
    assert_eq!(
        lab.timeline(&["show", "--kind", "gap", "--format", "jsonl"]),
        "",
        "each of them ended in order"
    );
}

#[test]
fn what_is_not_there_cannot_be_got() {
    let lab = Lab::new();
    fails(&lab.try_client(&["get", "psu"]), 1, "there is no source \"psu\"");
    lab.client(&["publish", "psu", "a=1"]);
    fails(&lab.try_client(&["get", "psu", "b"]), 1, "\"psu\" has no key \"b\"");
}

#[test]
fn a_source_with_a_live_writer_is_refused_unless_it_is_taken_over() {
    let lab = Lab::new();
    let mut first = dictwire_tests::programs::command("dict-client");
    first.args(lab.client_arguments(&["publish", "psu", "--stdin"])).stdin(std::process::Stdio::piped());
    first.stderr(std::process::Stdio::piped());
    let mut first = first.spawn().expect("it starts");
    let stdin = first.stdin.as_mut().expect("it is piped");
    std::io::Write::write_all(stdin, b"{\"a\": 1}\n").expect("it reads");
    while lab.try_client(&["get", "psu"]).status.code() != Some(0) {}

    fails(&lab.try_client(&["publish", "psu", "a=2"]), 1, "live writer");
    lab.client(&["publish", "psu", "a=2", "--take-over"]);
    let stdin = first.stdin.as_mut().expect("it is piped");
    let _ = std::io::Write::write_all(stdin, b"{\"a\": 3}\n");
    let output = first.wait_with_output().expect("it is our child");
    fails(&output, 1, "the last acknowledged line is 1");
    assert_eq!(lab.client(&["get", "psu", "a"]), "2\n");
}

#[test]
fn a_bad_line_ends_with_what_is_acknowledged() {
    let lab = Lab::new();
    let output = lab.feed(&["publish", "psu", "--stdin"], "{\"a\": 1}\n{\"a\": 1}\n\n{\"a\": \n{\"a\": 2}\n");
    fails(&output, 1, "line 4: at byte 7");
    fails(&output, 1, "the last acknowledged line is 2");
    fails(
        &lab.feed(&["publish", "psu", "--stdin"], "[]\n"),
        1,
        "line 1: expected a dictionary, got a list; no line",
    );
    assert!(lab.feed(&["publish", "psu", "--stdin"], "\n").status.success(), "nothing to publish");
    assert_eq!(lab.client(&["get", "psu", "a"]), "1\n");
}

#[test]
fn ctrl_c_ends_with_what_is_acknowledged() {
    let lab = Lab::new();
    let mut publish = dictwire_tests::programs::command("dict-client");
    publish.args(lab.client_arguments(&["publish", "psu", "--stdin", "--ack", "none"]));
    publish.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut publish = publish.spawn().expect("it starts");
    let mut stdin = publish.stdin.take().expect("it is piped");
    std::io::Write::write_all(&mut stdin, b"{\"a\": 1}\n").expect("it reads");
    while !lab.try_client(&["get", "psu"]).status.success() {}
    let kill = std::process::Command::new("kill").args(["-INT", &publish.id().to_string()]).status();
    assert!(kill.expect("kill runs").success());
    let output = publish.wait_with_output().expect("it is our child");
    fails(&output, 1, "interrupted; the last acknowledged line is 1");
    drop(stdin);
}

#[test]
fn it_waits_for_the_level_that_was_asked_for() {
    let lab = Lab::new();
    for level in ["none", "received", "logged"] {
        lab.client(&["publish", level, "a=1", "--ack", level]);
        assert_eq!(lab.client(&["get", level, "a"]), "1\n", "{level}");
    }
    lab.client(&["publish", "default", "a=1"]);
    let sources = lab.client(&["sources"]);
    let level_of = |source: &str| {
        let line = sources.lines().find(|line| line.starts_with(source)).expect("it is listed");
        line.split_whitespace().nth(3).expect("it has a level").to_owned()
    };
    for (source, level) in
        [("none", "none"), ("received", "received"), ("logged", "logged"), ("default", "logged")]
    {
        assert_eq!(level_of(source), level);
    }
}

#[test]
fn names_that_cannot_be_are_refused() {
    let lab = Lab::new();
    for (name, told) in [("a*", "'*'"), ("a/", "'/'"), ("$a", "'$'"), ("", "empty"), ("a\nb", "'\\n'")] {
        fails(&lab.try_client(&["publish", name, "a=1"]), 1, told);
    }
}
