//! comms: clients and servers that lose the thread easily, and what they say recorded.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use dict_event_loop::client::{self, WriterOptions};
use dict_protocol::dialect::comms::End;
use dict_protocol::dialect::{Content, Incoming, Options};
use dict_protocol::dictionary;
use dict_protocol::value::{Dictionary, Value};
use dictwire_tests::peers::{Peer, Report, are_missing};
use dictwire_tests::programs::PATIENCE;

use super::lab::{Lab, SOON};
use super::logger::{Logger, column, dictionaries, free_port};

/// What the hub calls the first peer.
const PEER: &str = "comms/127.0.0.1";

fn client(logger: &Logger, arguments: &[&str]) -> Peer {
    Peer::client("comms_client", logger.ports[0], arguments)
}

/// The messages that the timeline holds, when they are so many.
fn recorded(logger: &Logger, count: usize) -> Vec<Value> {
    let rows = logger.wait_for_rows("message", count);
    assert_eq!(column(&rows, "from"), vec![Value::from(PEER); count]);
    column(&rows, "value")
}

/// That a peer is as it should be: it reads one whole message after another and does nothing else.
fn is_well(report: &Report) -> bool {
    let calls = report.callbacks("message") == report.received();
    report.is_unharmed() && calls && report.callbacks("close") == 0
}

#[test]
fn every_message_of_a_client_is_recorded_repeats_included() {
    if are_missing() {
        return;
    }
    for [kind, order] in [["json", "big"], ["string", "little"], ["binary", "little"]] {
        let mut logger = Logger::new(&[&format!("comms://127.0.0.1:0?type={kind},order={order}")], &[]);
        let mut client = client(&logger, &["--type", kind, "--order", order]);
        client.command("run 200 1.5");
        client.wait_for_run();
        let sent = client.journal("sent");
        assert!(sent.windows(2).any(|pair| pair[0] == pair[1]), "some repeat the one before");
        assert_eq!(recorded(&logger, 300), sent, "{kind}");
        assert!(is_well(&client.report()));
        logger.stop();
        assert_eq!(logger.rows(&["--kind", "gap"]), []);
    }
}

#[test]
fn a_client_may_write_as_fast_as_it_can_and_in_any_pieces() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["comms://127.0.0.1:0?type=string"], &[]);
    let mut fast = client(&logger, &["--type", "string"]);
    fast.command("run 1e6 2e-3");
    fast.wait_for_run();
    let mut sent = fast.journal("sent");
    assert_eq!(recorded(&logger, 2_000), sent);
    assert_eq!(fast.stop()["gave_up"], Value::Bool(false));

    let mut slow = client(&logger, &["--type", "string", "--gap", "0.1"]);
    slow.command("send \"header and payload\"");
    slow.command("send \"each by itself\"");
    sent.extend(["header and payload".into(), "each by itself".into()]);
    let rows = logger.wait_for_rows("message", sent.len());
    assert_eq!(column(&rows, "value"), sent);
    logger.stop();
}

#[test]
fn a_client_gets_every_message_that_is_for_it_however_many_come_at_once() {
    if are_missing() {
        return;
    }
    for kind in ["json", "string", "binary"] {
        let mut logger = Logger::new(&[&format!("comms://127.0.0.1:0?type={kind}")], &[]);
        let mut client = client(&logger, &["--type", kind]);
        logger.wait_for_client(PEER);
        let native = logger.client("script");
        let messages: Vec<Value> = (0..2_000)
            .map(|n| match kind {
                "json" => dictionary! { "cmd" => "move", "µ" => "中", "to" => n }.into(),
                "string" => format!("{}µ {n}", "x".repeat(n % 300)).into(),
                _ => Value::Binary(vec![7; n % 300]),
            })
            .collect();
        for message in &messages {
            let content = match message.clone() {
                Value::Text(text) => client::Content::Text(text),
                Value::Binary(bytes) => client::Content::Binary(bytes),
                value => client::Content::Value(value),
            };
            native.send(Some(PEER), content).unwrap();
        }
        let report = client.wait_until(|report| report.received() >= 2_000 || !report.is_unharmed());
        assert!(is_well(&report), "{report:?}");
        assert_eq!(client.journal("received"), messages, "{kind}");
        logger.stop();
    }
}

#[test]
fn messages_to_everybody_reach_each_client() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["comms://127.0.0.1:0?type=json,order=big"], &[]);
    let mut clients = [(); 2].map(|()| client(&logger, &["--order", "big"]));
    for name in [PEER, "comms/127.0.0.1#2"] {
        logger.wait_for_client(name);
    }
    logger.run(&["send", "--json", r#"{"cmd": "fire"}"#]);
    logger.run(&["send", "text"]);
    logger.run(&["send", "--to", "comms/127.0.0.1#2", "--json", "[1, NaN, 1180591620717411303424]"]);
    let all = [dictionary! { "cmd" => "fire" }.into(), Value::from("text")];
    for client in &mut clients {
        client.wait_until(|report| report.received() >= 2);
    }
    let own = Value::from(vec![1.into(), f64::NAN.into(), Value::from(1_i128 << 70)]);
    let both = clients.each_mut().map(|client| {
        let report = client.report();
        assert!(is_well(&report), "{report:?}");
        report.messages().to_vec()
    });
    assert!(both.contains(&all.to_vec()), "{both:?}");
    assert!(both.contains(&[&all[..], &[own]].concat()), "{both:?}");
    logger.stop();
}

#[test]
fn what_a_client_cannot_be_told_is_refused_to_its_sender_alone() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["comms://127.0.0.1:0?type=json"], &[]);
    let mut client = client(&logger, &[]);
    logger.wait_for_client(PEER);
    std::fs::write(logger.path("bytes"), [0, 1]).unwrap();
    let refused = logger.try_run(&["send", "--to", PEER, "--binary", &logger.path("bytes")]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    logger.run(&["send", "--binary", &logger.path("bytes")]);
    logger.run(&["send", "--to", PEER, "good"]);
    let report = client.wait_until(|report| report.received() == 1);
    assert_eq!(report.messages(), [Value::from("good")]);
    assert!(is_well(&report));
    logger.stop();
}

#[test]
fn an_empty_message_is_one_for_text_and_bytes() {
    if are_missing() {
        return;
    }
    for kind in ["string", "binary"] {
        let mut logger = Logger::new(&[&format!("comms://127.0.0.1:0?type={kind}")], &[]);
        let mut client = client(&logger, &["--type", kind]);
        logger.wait_for_client(PEER);
        std::fs::write(logger.path("empty"), []).unwrap();
        match kind {
            "string" => logger.run(&["send", "--to", PEER, ""]),
            _ => logger.run(&["send", "--to", PEER, "--binary", &logger.path("empty")]),
        };
        let report = client.wait_until(|report| report.received() == 1);
        assert!(is_well(&report));
        logger.stop();
    }
}

#[test]
fn what_goes_out_may_be_of_another_type_than_what_comes_in() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["comms://127.0.0.1:0?type=json,send=string"], &[]);
    let mut client = client(&logger, &["--type", "string", "--send", "json"]);
    client.command(r#"send {"cmd": "fire"}"#);
    assert_eq!(recorded(&logger, 1), [dictionary! { "cmd" => "fire" }.into()]);
    logger.run(&["send", "--to", PEER, "plain"]);
    let report = client.wait_until(|report| report.received() == 1);
    assert_eq!(report.messages(), [Value::from("plain")]);
    logger.stop();
}

#[test]
fn a_server_is_not_told_what_it_said_itself() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let link = format!("comms://{}?type=string,relay=true", server.local_addr().unwrap());
    let lab = Lab::new(&[], &[&link]);
    let native = lab.client("native");
    let (sender, messages) = std::sync::mpsc::channel();
    native.on_message(move |message| drop(sender.send(message.content.clone()))).unwrap();
    native.ping(SOON).unwrap();
    let (mut stream, _) = server.accept().unwrap();
    stream.write_all(b"\x05\0\0\0hello").unwrap();
    assert_eq!(messages.recv_timeout(SOON).unwrap(), client::Content::Text("hello".to_owned()));
    native.send(None, "next").unwrap();
    let mut told = [0; 8];
    stream.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"\x04\0\0\0next");
}

#[test]
fn with_relay_what_one_client_said_reaches_all_and_is_recorded_once() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["comms://127.0.0.1:0?type=string,relay=true"], &[]);
    let mut clients = [(); 3].map(|()| client(&logger, &["--type", "string"]));
    for name in [PEER, "comms/127.0.0.1#2", "comms/127.0.0.1#3"] {
        logger.wait_for_client(name);
    }
    clients[0].command("run 100 1");
    for client in &mut clients {
        let report = client.wait_until(|report| report.received() >= 100 || !report.is_unharmed());
        assert!(is_well(&report), "{report:?}");
    }
    let sent = clients[0].journal("sent");
    for client in &clients {
        assert_eq!(client.journal("received"), sent);
    }
    let rows = logger.wait_for_rows("message", 100);
    assert_eq!(column(&rows, "value"), sent);
    logger.stop();
}

#[test]
fn a_dictionary_is_a_source_too_if_the_link_says_so() {
    if are_missing() {
        return;
    }
    for (options, last) in [
        ("source=bench", dictionary! { "I" => 0.5 }),
        ("source=bench,as=patch", dictionary! { "V" => 5, "on" => true, "I" => 0.5 }),
    ] {
        let mut logger = Logger::new(&[&format!("comms://127.0.0.1:0?{options}")], &[]);
        let mut client = client(&logger, &[]);
        for message in [r#"{"V": 5, "on": true}"#, r#"{"V": 5, "on": true}"#, "[1]", r#"{"I": 0.5}"#] {
            client.command(&format!("send {message}"));
        }
        assert_eq!(recorded(&logger, 4).len(), 4);
        let states = logger.wait_for_states("bench", 2);
        assert_eq!(states, [dictionary! { "V" => 5, "on" => true }, last], "{options}");
        logger.stop();
    }
}

#[test]
fn a_second_client_does_not_write_the_source_of_the_first_and_that_is_reported() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["comms://127.0.0.1:0?source=bench"], &[]);
    let mut clients = [(); 2].map(|()| client(&logger, &[]));
    clients[0].command(r#"send {"V": 1}"#);
    logger.wait_for_states("bench", 1);
    clients[1].command(r#"send {"V": "of another"}"#);
    logger.wait_until_told("bench");
    clients[0].command(r#"send {"V": 2}"#);
    assert_eq!(logger.wait_for_states("bench", 2)[1], dictionary! { "V" => 2 });
    logger.wait_for_rows("message", 3);
    logger.stop();
}

/// The dictionaries that stand in what is read from a connection, up to `last`.
fn read_up_to(connection: &mut TcpStream, last: &Dictionary) -> Vec<Dictionary> {
    let (mut end, mut buffer) = (End::new(&Options::default()), vec![0; 1 << 16]);
    let mut received = Vec::new();
    while received.last() != Some(last) {
        let count = connection.read(&mut buffer).unwrap();
        let mut bytes = &buffer[..count];
        while let Some(incoming) = end.decode(&mut bytes).unwrap() {
            let Incoming::Message(Content::Value(value)) = incoming else { panic!("{incoming:?}") };
            received.push(value.as_dictionary().unwrap().clone());
        }
    }
    received
}

#[test]
fn clients_are_sent_what_is_watched_and_slow_ones_the_newest() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["comms://127.0.0.1:0?watch=bench1/"], &[]);
    let mut quick = client(&logger, &[]);
    let mut slow = TcpStream::connect(("127.0.0.1", logger.ports[0])).unwrap();
    logger.wait_for_client("comms/127.0.0.1#2");
    let native = logger.client("script");
    let scope = native.writer("bench1/scope", WriterOptions::default()).unwrap();
    let trace = "x".repeat(20_000);
    let published: Vec<Dictionary> =
        (0..300).map(|n| dictionary! { "n" => n, "trace" => trace.as_str() }).collect();
    for dictionary in &published {
        scope.publish(dictionary).unwrap();
        scope.flush(PATIENCE).unwrap();
    }
    let last = published.last().unwrap();
    let report = quick.wait_until(|report| report.messages().last() == Some(&last.clone().into()));
    assert!(is_well(&report), "{report:?}");
    let received = read_up_to(&mut slow, last).len();
    assert!(received < 250, "{received} of 300 were not merged");

    logger.run(&["publish", "oven", "T=20"]);
    logger.run(&["publish", "bench1/psu", "V=5"]);
    let psu = Value::from(dictionary! { "V" => 5 });
    let before = report.received();
    let report = quick.wait_until(|report| report.messages().last() == Some(&psu));
    assert_eq!(report.received(), before + 1, "what has not changed is not sent");
    logger.stop();
}

/// That a client, when its hub ended, noticed a reset instead of spinning at an orderly end.
fn noticed_a_reset(client: &mut Peer) {
    let report = client.wait_until(|report| report.died("reader 1").is_some());
    assert_eq!(
        (report.callbacks("message"), report.callbacks("close")),
        (report.received(), 1),
        "{report:?}"
    );
    assert!(report.died("reader 1").unwrap().starts_with("ConnectionRefusedError"), "{report:?}");
}

#[test]
fn a_hub_that_ends_resets_its_clients_however_it_ends() {
    if are_missing() {
        return;
    }
    for is_killed in [true, false] {
        let mut logger =
            Logger::new(&["comms://127.0.0.1:0?type=string", "comms://127.0.0.1:0?type=binary"], &[]);
        let mut text = client(&logger, &["--type", "string"]);
        logger.wait_for_client(PEER);
        let mut bytes = Peer::client("comms_client", logger.ports[1], &["--type", "binary"]);
        logger.wait_for_client("comms/127.0.0.1#2");
        text.command("send \"one\"");
        logger.wait_for_rows("message", 1);
        logger.run(&["send", "--to", PEER, "another"]);
        text.wait_until(|report| report.received() == 1);
        if is_killed {
            logger.kill();
        } else {
            logger.stop();
        }
        noticed_a_reset(&mut text);
        noticed_a_reset(&mut bytes);
    }
}

#[test]
fn a_client_that_left_is_gone_at_once_and_its_name_is_free() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["comms://127.0.0.1:0?type=string"], &[]);
    for _ in 0..3 {
        let mut client = client(&logger, &["--type", "string"]);
        logger.wait_for_client(PEER);
        assert!(!logger.run(&["clients"]).contains("comms/127.0.0.1#2"));
        client.stop();
        logger.wait_until_gone(PEER);
    }
    logger.stop();
}

#[test]
fn a_server_is_recorded_and_told() {
    if are_missing() {
        return;
    }
    let mut server = Peer::start("comms_server", &["--order", "big"]);
    let mut logger = Logger::connected("comms", server.port(), "type=json,order=big,source=bench");
    server.wait_until(|report| report.callbacks("connect") == 1);
    server.command("run 200 1.5");
    server.wait_for_run();
    let sent = server.journal("sent");
    assert_eq!(recorded(&logger, 300), sent);
    let mut states = dictionaries(sent.into_iter().filter(|value| value.as_dictionary().is_some()).collect());
    states.dedup();
    assert_eq!(logger.wait_for_states("bench", states.len()), states);
    logger.run(&["send", "--to", PEER, "--json", r#"{"cmd": "stop"}"#]);
    let report = server.wait_until(|report| report.received() == 1);
    assert_eq!(report.messages(), [dictionary! { "cmd" => "stop" }.into()]);
    assert!(report.is_unharmed());
    logger.stop();
    assert_eq!(logger.rows(&["--kind", "gap"]), []);
    // It notices a reset, or a server of text would spin.
    let report = server.wait_until(|report| report.callbacks("close") == 1);
    assert!(report.is_unharmed() && report.runs("client 1") == 0, "{report:?}");
}

#[test]
fn broadcasts_within_one_another_cost_a_connection_and_a_gap() {
    if are_missing() {
        return;
    }
    let mut server = Peer::start("comms_server", &["--gap", "0.3"]);
    let mut logger = Logger::connected("comms", server.port(), "source=bench");
    server.wait_until(|report| report.callbacks("connect") == 1);
    server.command(r#"send-index 0 {"n": 1}"#);
    logger.wait_for_states("bench", 1);
    server.command(r#"broadcast {"n": 2}"#);
    server.command(r#"broadcast {"n": 3}"#);
    // Whether it is told of the reset where it reads or where it writes is chance; the new connection is read.
    let report = server.wait_until(|report| report.callbacks("connect") == 2);
    assert_eq!(report.runs("client 2"), 1);
    server.command(r#"broadcast {"n": 4}"#);
    let states = logger.wait_for_states("bench", 2);
    assert_eq!(states, [dictionary! { "n" => 1 }, dictionary! { "n" => 4 }]);
    logger.wait_for_rows("gap", 1);
    assert_eq!(recorded(&logger, 2).len(), 2);
    logger.stop();
}

#[test]
fn a_server_is_found_again() {
    if are_missing() {
        return;
    }
    let port = free_port();
    let mut logger = Logger::connected("comms", port, "type=string");
    for n in 1..=3 {
        let mut server = Peer::start("comms_server", &["--type", "string", "--port", &port.to_string()]);
        server.wait_until(|report| report.callbacks("connect") == 1);
        server.command("send-index 0 \"here again\"");
        recorded(&logger, n);
        server.kill();
    }
    logger.stop();
}

#[test]
fn a_message_is_written_in_one_piece_and_the_next_when_the_last_is_acknowledged() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut logger = Logger::connected("comms", listener.local_addr().unwrap().port(), "type=string");
    let (mut server, _) = listener.accept().unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    server.write_all(b"\x05\0\0\0hello").unwrap();
    recorded(&logger, 1);
    let native = logger.client("script");
    for n in 0..100 {
        native.send(Some(PEER), format!("message {n:03}")).unwrap();
    }
    // As an original reads: each with one call. Nothing says here how fast it is.
    for n in 0..100 {
        let (mut header, mut payload) = ([0; 4], [0; 11]);
        assert_eq!((server.read(&mut header).unwrap(), header), (4, [11, 0, 0, 0]));
        assert_eq!(server.read(&mut payload).unwrap(), 11);
        assert_eq!(payload, *format!("message {n:03}").as_bytes());
    }
    logger.stop();
}
