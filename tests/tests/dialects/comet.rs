//! comet: clients that one unanswered request spoils for good, and servers that answer once a connection.

use std::time::{Duration, Instant};

use dict_protocol::dictionary;
use dict_protocol::value::Value;
use dictwire_tests::peers::{Peer, Report, are_missing};
use dictwire_tests::programs::{PATIENCE, Running};

use super::logger::{Logger, column};

/// Starts to answer, and waits until the hub knows.
fn respond(logger: &Logger, arguments: &[&str]) -> Running {
    let mut running = logger.start(&[&["respond"], arguments].concat());
    let line = running.line();
    assert!(line.starts_with("answering"), "{line}");
    running
}

fn client(logger: &Logger) -> Peer {
    Peer::client("comet_client", logger.ports[0], &[])
}

/// What stands in a report about a client's object for a server.
fn about(report: &Report, name: &str, key: &str) -> Value {
    report["clients"].as_dictionary().unwrap()[name].as_dictionary().unwrap()[key].clone()
}

/// The answers that a client has, when they are so many and it is not spoiled.
fn answers(client: &mut Peer, count: usize) -> Vec<Value> {
    let wanted = i64::try_from(count).unwrap();
    let report = client
        .wait_until(|report| report.received() >= wanted || !about(report, "server", "spoiled").is_null());
    assert_eq!(about(&report, "server", "spoiled"), Value::Null);
    let received = client.journal("received").into_iter();
    received.map(|answer| answer.as_dictionary().unwrap()["result"].clone()).collect()
}

#[test]
fn whoever_handles_an_action_answers_and_that_is_in_the_timeline() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["comet://127.0.0.1:0"], &[]);
    let _telegram = respond(&logger, &["Telegram", "--with", r#"{"sent": true, "µ": "中"}"#]);
    let _others = respond(&logger, &["", "--exec", "cat"]);
    let mut client = client(&logger);
    client.command(r#"ask server "Telegram" {"1234": "Müller: run done µ"}"#);
    client.command(r#"ask server "query" "status?""#);
    client.command(r#"ask server "data" {"v": [NaN, 1180591620717411303424, 1.0, null]}"#);
    let data = vec![f64::NAN.into(), (1_i128 << 70).into(), 1.0.into(), Value::Null];
    let expected = [
        dictionary! { "sent" => true, "µ" => "中" }.into(),
        "status?".into(),
        // What a program of the command line prints is JSON in the `$` form, and read as such.
        Value::from(dictionary! { "v" => data.clone() }),
    ];
    assert_eq!(answers(&mut client, 3), expected);
    let rows = logger.wait_for_rows("request", 3);
    assert_eq!(column(&rows, "from"), vec![Value::from("comet/127.0.0.1"); 3]);
    assert_eq!(column(&rows, "action"), ["Telegram", "query", "data"].map(Value::from));
    assert_eq!(rows[0]["value"], dictionary! { "1234" => "Müller: run done µ" }.into());
    assert_eq!(column(&rows, "result"), expected);
    assert!(rows.iter().all(|row| row["duration_ns"].as_i64() > Some(0)), "{rows:?}");
    logger.stop();
}

#[test]
fn a_responder_that_never_answers_does_not_spoil_the_client() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["comet://127.0.0.1:0?timeout=0.3"], &[]);
    let (held, never) = std::sync::mpsc::channel::<()>();
    let never = std::sync::Mutex::new(never);
    let silent = logger.client("silent");
    silent
        .handle("wait", move |_| {
            let _ = never.lock().unwrap().recv();
            Ok(Value::Null)
        })
        .unwrap();
    silent.ping(PATIENCE).unwrap();
    let _other = respond(&logger, &["status", "--with", "1"]);
    let mut client = client(&logger);
    client.command(r#"ask server "wait" 1"#);
    client.command(r#"ask server "status" 1"#);
    let answers = answers(&mut client, 2);
    assert!(answers[0].as_str().is_some_and(|text| text.starts_with("Error: no answer came in time")));
    assert_eq!(answers[1], 1.into());
    let outcomes = column(&logger.wait_for_rows("request", 2), "outcome");
    assert_eq!(outcomes, ["late", "result"].map(Value::from));
    drop(held);
    logger.stop();
}

#[test]
fn a_request_that_nobody_answers_is_answered_with_an_error() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["comet://127.0.0.1:0?timeout=1"], &[]);
    let mut client = client(&logger);
    client.command(r#"ask server "fly" 1"#);
    let answer = answers(&mut client, 1).remove(0);
    assert!(answer.as_str().unwrap().starts_with("Error: "), "{answer:?}");

    let _slow = respond(&logger, &["wait", "--exec", "sleep", "30"]);
    client.command(r#"ask server "wait" 1"#);
    let answer = answers(&mut client, 2).remove(1);
    assert!(answer.as_str().unwrap().starts_with("Error: "), "{answer:?}");

    let mut leaving = respond(&logger, &["leave", "--exec", "sleep", "30"]);
    client.command(r#"ask server "leave" 1"#);
    std::thread::sleep(Duration::from_millis(200));
    leaving.signal("KILL");
    leaving.wait();
    let answer = answers(&mut client, 3).remove(2);
    assert!(answer.as_str().unwrap().starts_with("Error: "), "{answer:?}");
    logger.stop();
}

#[test]
fn a_request_without_action_or_value_and_one_of_bytes_need_nobody() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["comet://127.0.0.1:0"], &[]);
    let mut client = client(&logger);
    client.command(r#"ask server "" 0"#);
    assert_eq!(answers(&mut client, 1), ["Error: invalid action and or value , 0".into()]);
    for empty in [r#""a" []"#, r#""a" {}"#, r#""a" """#, "null 1", "[] 1", "0 1"] {
        client.command(&format!("ask server {empty}"));
    }
    for answer in answers(&mut client, 7) {
        assert!(answer.as_str().unwrap().starts_with("Error: invalid action and or value"), "{answer:?}");
    }
    client.command("binary server 0001726177206279746573ff");
    client.wait_until(|report| report.received() == 8);
    let binary = Value::from(&b"First 10 bytes of request: \0\x01raw byte"[..]);
    assert_eq!(client.journal("received")[7], binary);
    assert_eq!(about(&client.report(), "server", "spoiled"), Value::Null);
    logger.stop();
}

#[test]
fn a_stop_answers_what_is_open() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["comet://127.0.0.1:0"], &[]);
    let _slow = respond(&logger, &["wait", "--exec", "sleep", "30"]);
    let mut client = client(&logger);
    for _ in 0..3 {
        client.command(r#"post server "wait" 1"#);
    }
    client.wait_until(|report| about(report, "server", "busy") == Value::Bool(true));
    std::thread::sleep(Duration::from_millis(200));
    let asked = Instant::now();
    logger.stop();
    assert!(asked.elapsed() < Duration::from_secs(10), "nobody waits for the sleeper");
    // The first has its answer; those that come after it are refused, there is nobody.
    client.wait_until(|report| report.received() == 1);
    let answer = client.journal("received").remove(0);
    assert!(answer.as_dictionary().unwrap()["result"].as_str().unwrap().starts_with("Error: "), "{answer:?}");
}

#[test]
fn many_requests_of_several_clients_are_each_answered_their_own() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["comet://127.0.0.1:0"], &[]);
    let native = logger.client("echo");
    native.handle("", |asked| Ok(asked.value.clone())).unwrap();
    native.ping(dictwire_tests::programs::PATIENCE).unwrap();
    let mut clients =
        ["1", "2", "3"].map(|seed| Peer::client("comet_client", logger.ports[0], &["--seed", seed]));
    for client in &mut clients {
        client.command("run 50 2");
    }
    for client in &mut clients {
        client.wait_for_run();
        let asked = client.journal("sent").into_iter();
        let asked: Vec<Value> = asked.map(|sent| sent.as_dictionary().unwrap()["value"].clone()).collect();
        assert_eq!(answers(client, 100), asked);
        client.stop();
    }
    logger.wait_for_rows("request", 300);
    logger.stop();
}

#[test]
fn a_program_is_asked_by_its_name_and_gets_a_connection_for_each_request() {
    if are_missing() {
        return;
    }
    let mut server = Peer::start("comet_server", &["--function", "on=0", "--function", "="]);
    let link = format!("comet://127.0.0.1:{}?name=Telegram", server.port());
    let mut logger = Logger::new(&["comet://127.0.0.1:0"], &[&link]);
    logger.wait_for_client("Telegram");
    let request = ["request", "on", r#"{"Plot": "IV", "v": NaN}"#, "--to", "Telegram"];
    let printed = "{\"got\": {\"Plot\": \"IV\", \"v\": {\"$float\": \"NaN\"}}}\n";
    assert_eq!(logger.run(&request), printed);
    assert_eq!(logger.run(&["request", "off", "[1, 2.0]", "--to", "Telegram"]), "{\"got\": [1, 2.0]}\n");
    let report = server.report();
    assert_eq!((report.callbacks("connect"), report.count("unanswered")), (2, 0));
    let asked = dictionary! { "action" => "off", "value" => vec![Value::from(1), 2.0.into()] };
    assert_eq!(server.journal("received")[1], asked.into());

    // When it is gone, and while it says nothing, whoever asks is told.
    server.kill();
    let gone = logger.try_run(&request);
    assert_eq!(gone.status.code(), Some(1), "{gone:?}");
    let silent = Peer::start("comet_server", &["--silent", "--port", &server.port().to_string()]);
    let unanswered = logger.try_run(&[&request[..], &["--timeout", "500ms"]].concat());
    assert_eq!(unanswered.status.code(), Some(1), "{unanswered:?}");
    drop(silent);
    logger.stop();
}

#[test]
fn comets_own_configuration_file_is_accepted_as_it_is() {
    if are_missing() {
        return;
    }
    let server = Peer::start("comet_server", &["--function", "="]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.yaml");
    let port = server.port();
    let yaml = format!(
        "Socket_connection:\n    Host:\n      IP: 127.0.0.1\n      Port: 0\n    Client:\n      Telegram:\n        \
         IP: 127.0.0.1\n        Port: {port}\n"
    );
    for yaml in [yaml.clone(), format!("settings:\n    {}", yaml.trim_end().replace('\n', "\n    "))] {
        std::fs::write(&file, yaml).unwrap();
        let mut logger = Logger::configured(file.to_str().unwrap(), &["comet"]);
        let arguments = ["request", "--config", file.to_str().unwrap(), "--to", "Telegram", "on", "1"];
        assert_eq!(dictwire_tests::programs::succeed("dict-client", &arguments), "{\"got\": 1}\n");
        assert_eq!(logger.run(&["request", "on", "2", "--to", "Telegram"]), "{\"got\": 2}\n");
        let mut client = client(&logger);
        client.command(r#"ask server "fly" 1"#);
        answers(&mut client, 1);
        logger.stop();
    }
}
