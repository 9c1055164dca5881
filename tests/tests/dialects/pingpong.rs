//! pingpong: clients whose readings are recorded, and a server that is measured.

use dict_protocol::dialect::pingpong::Reading;
use dict_protocol::dictionary;
use dict_protocol::value::{Dictionary, Value};
use dictwire_tests::peers::{Peer, are_missing};
use dictwire_tests::programs::{run, succeed};

use super::logger::Logger;

/// What the readings among the texts that a client sent become.
fn states(client: &Peer) -> Vec<Dictionary> {
    let texts = client.journal("sent").into_iter();
    let state = |text: Value| {
        let reading = Reading::parse(text.as_str()?).map(|Reading { time, value }| (time.to_owned(), value));
        reading.map(|(time, value)| dictionary! { "time" => time, "value" => value })
    };
    texts.filter_map(state).collect()
}

#[test]
fn readings_are_recorded_and_each_is_answered_once() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["pingpong://127.0.0.1:0"], &[]);
    let arguments = ["--interval", "0.01", "--count", "60", "--patient"];
    let mut first = Peer::client("pingpong_client", logger.ports[0], &arguments);
    let of_first = logger.wait_for_states("pingpong/127.0.0.1", 60);
    let mut second = Peer::client("pingpong_client", logger.ports[0], &arguments);
    let of_second = logger.wait_for_states("pingpong/127.0.0.1#2", 60);
    for (client, recorded) in [(&mut first, of_first), (&mut second, of_second)] {
        let report = client.wait_until(|report| report.runs("sender") == 0 && report.count("answers") == 61);
        assert!(report.is_unharmed(), "{report:?}");
        assert_eq!(
            (report.sent(), report.received(), report.count("lost")),
            (61, 61, 0),
            "no answer is surplus"
        );
        // It takes what one read returns for one answer, whatever that is.
        assert_eq!(client.journal("received"), vec![Value::from(&b"pong"[..]); 61]);
        assert_eq!(recorded, states(client));
    }
    logger.stop();
    assert_eq!(logger.rows(&["--kind", "gap"]), []);
}

#[test]
fn any_other_text_is_a_key() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["pingpong://127.0.0.1:0?source=sensor"], &[]);
    let mut client = Peer::client(
        "pingpong_client",
        logger.ports[0],
        &["--interval", "0.01", "--count", "1", "--patient"],
    );
    client.wait_until(|report| report.count("answers") == 2);
    let mut state = states(&client).remove(0);
    let mut expected = vec![state.clone()];
    for (text, answers) in [("hello Müller", 3), ("ping", 4), ("ping / ('yesterday', 5)", 5)] {
        client.command(&format!("send \"{text}\""));
        client.wait_until(|report| report.count("answers") == answers);
        state.insert("text", text);
        expected.push(state.clone());
    }
    assert_eq!(logger.wait_for_states("sensor", 4), expected);
    logger.stop();
}

#[test]
fn a_client_that_left_may_come_again() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["pingpong://127.0.0.1:0"], &[]);
    let mut expected = Vec::new();
    for _ in 0..3 {
        let arguments = ["--interval", "0.01", "--count", "5", "--patient"];
        let mut client = Peer::client("pingpong_client", logger.ports[0], &arguments);
        client.wait_until(|report| report.count("answers") == 6);
        expected.extend(states(&client));
        client.stop();
        logger.wait_until_gone("pingpong/127.0.0.1");
    }
    assert_eq!(logger.wait_for_states("pingpong/127.0.0.1", 15), expected);
    logger.stop();
}

#[test]
fn a_server_is_measured_without_waiting_for_its_end() {
    if are_missing() {
        return;
    }
    let mut server = Peer::start("pingpong_server", &[]);
    let hub = format!("pingpong://127.0.0.1:{}", server.port());
    for connection in 1..=2 {
        let printed = succeed("dict-client", &["--hub", &hub, "ping", "--count", "5", "--interval", "10ms"]);
        let lines: Vec<&str> = printed.lines().collect();
        assert!(lines[0].starts_with("connected to ") && lines[5].starts_with("5: "), "{printed}");
        assert!(lines[6].contains("p99 ") && lines[6].ends_with("loss 0 of 5 (0.0 %)"), "{printed}");
        // The end of the input is a read too, which it answers.
        let report = server.wait_until(|report| report.received() == 6 * connection);
        assert_eq!(report.callbacks("connect"), connection);
    }
    let received = server.journal("received");
    assert_eq!(received[0], b"ping"[..].into());
    for reading in &received[1..5] {
        let text = std::str::from_utf8(reading.as_binary().unwrap()).unwrap();
        assert!(Reading::parse(text).is_some(), "{text}");
    }
}

#[test]
fn a_server_that_hangs_is_a_loss() {
    if are_missing() {
        return;
    }
    let mut server = Peer::start("pingpong_server", &[]);
    server.command("pause");
    server.report();
    let hub = format!("pingpong://127.0.0.1:{}", server.port());
    let arguments = ["--hub", &hub, "ping", "--count", "2", "--interval", "10ms", "--timeout", "300ms"];
    let output = run("dict-client", &arguments);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.trim_end().ends_with("loss 2 of 2 (100.0 %)"), "{printed}");
    assert_eq!(output.status.code(), Some(1));
}
