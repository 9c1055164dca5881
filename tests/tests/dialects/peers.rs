//! The peers among themselves: each defect of the original programs is there. What our programs have to live with is
//! proved to exist by this, or a test of ours against a peer would prove nothing.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use dict_protocol::crc::checksum;
use dict_protocol::dialect::pytcp;
use dict_protocol::dictionary;
use dict_protocol::value::Value;
use dictwire_tests::peers::{Peer, Report, are_missing};
use dictwire_tests::programs::PATIENCE;

/// A listener of the test's own, and its port.
fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A connection of the test's own.
fn connect(port: u16) -> TcpStream {
    let connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection
}

/// Reads exactly `expected`.
fn reads(connection: &mut TcpStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    connection.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, expected);
}

/// Ends a connection by a reset, as closing one does in which something was not read: the `unread` bytes that its peer
/// sends. The peer has then written all of it, so that it is told of the reset where it reads.
fn reset(connection: TcpStream, unread: usize) {
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = vec![0; unread];
    while connection.peek(&mut bytes).unwrap() < unread {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(connection);
}

/// A frame of pytcp around any content.
fn pytcp_frame(content: &str) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let sum = checksum(content.as_bytes()).to_be_bytes();
    [&[pytcp::START], &length[..], &sum, content.as_bytes(), &[pytcp::STOP]].concat()
}

/// A message of comms.
fn comms_message(payload: &[u8]) -> Vec<u8> {
    [&u32::try_from(payload.len()).unwrap().to_le_bytes(), payload].concat()
}

fn comms_pair(arguments: &[&str]) -> (Peer, Peer) {
    let server = Peer::start("comms_server", arguments);
    let client = Peer::client("comms_client", server.port(), arguments);
    (server, client)
}

fn values(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|&text| Value::from(text)).collect()
}

/// That it uses the processor while nobody sends it anything: its report is to show it again and again.
fn spins(peer: &mut Peer) -> Report {
    let before = peer.wait_until(|report| report.callbacks("message") > 1_000);
    let after = peer.wait_until(|report| report.callbacks("message") > before.callbacks("message") + 50_000);
    assert!(after.cpu() > before.cpu() + 0.05, "{before:?} {after:?}");
    assert_eq!(after.received(), before.received(), "and yet there is nothing");
    after
}

#[test]
fn pytcp_sends_what_differs_in_pythons_sense() {
    if are_missing() {
        return;
    }
    let mut server = Peer::start("pytcp_server", &[]);
    let mut client = Peer::client("pytcp_client", server.port(), &[]);
    for (set, sent) in [("{}", 0), (r#"{"a": 1, "n": NaN}"#, 1), (r#"{"a": 1.0, "n": NaN}"#, 1), ("{}", 2)] {
        server.command(&format!("set {set}"));
        server.wait_until(|report| report.sent() == sent);
    }
    client.wait_until(|report| report.received() == 2);
    server.command("run 500 0.4");
    server.wait_for_run();
    // The last of the run may be on its way still; what follows it has been sent when it is there.
    server.command(r#"set {"done": true}"#);
    let done = Value::from(dictionary! { "done" => true });
    client.wait_until(|report| report.messages().last() == Some(&done));
    let sent = server.report().sent();
    assert!((100..200).contains(&sent), "some of 203 do not differ: {sent}");
    assert_eq!(client.journal("received"), server.journal("sent"));
    assert!(server.stop().is_unharmed());
}

#[test]
fn a_pytcp_client_has_the_last_dictionary_and_a_flag_that_reading_clears() {
    if are_missing() {
        return;
    }
    let mut server = Peer::start("pytcp_server", &[]);
    let mut client = Peer::client("pytcp_client", server.port(), &[]);
    let mut read = |updated, last: Value| {
        client.wait_until(|report| report["last"] == last);
        client.command("read");
        let line = client.line();
        assert_eq!((&line["read"], &line["updated"]), (&last, &Value::Bool(updated)));
    };
    read(false, dictionary! {}.into());
    server.command(r#"set {"V": 5.0}"#);
    read(true, dictionary! { "V" => 5.0 }.into());
    read(false, dictionary! { "V" => 5.0 }.into());
    server.command(r#"put {"I": null}"#);
    read(true, dictionary! { "V" => 5.0, "I" => Value::Null }.into());
}

#[test]
fn a_pytcp_server_serves_one_connection_in_its_life() {
    if are_missing() {
        return;
    }
    let mut server = Peer::start("pytcp_server", &[]);
    let mut first = Peer::client("pytcp_client", server.port(), &[]);
    server.command(r#"set {"a": 0}"#);
    first.wait_until(|report| report.received() == 1);
    first.stop();
    // It notices when it sends, and not at once.
    server.command("run 100 60");
    let report = server.wait_until(|report| report.died("server").is_some());
    assert!(report.died("server").unwrap().starts_with("BrokenPipeError"), "{report:?}");

    let mut second = Peer::client("pytcp_client", server.port(), &[]);
    server.command(r#"set {"a": 1}"#);
    std::thread::sleep(Duration::from_millis(200));
    let report = second.report();
    assert_eq!((report.received(), report.runs("client")), (0, 1), "connected, and silence");
    assert_eq!(server.report().callbacks("connect"), 1);
}

#[test]
fn a_pytcp_server_cannot_have_its_port_again_while_the_old_connection_lingers() {
    if are_missing() {
        return;
    }
    let begin = |port: u16| Peer::try_start("pytcp_server", &["--port", &port.to_string()]);
    let mut server = begin(0).ok().unwrap();
    let mut orderly = connect(server.port());
    server.command(r#"set {"a": 1}"#);
    reads(&mut orderly, &pytcp_frame(r#"{"a": 1}"#));
    server.kill();
    let error = begin(server.port()).err().expect("the client has not closed");
    assert!(error.contains("Address already in use"), "{error}");
    assert_eq!(orderly.read(&mut [0]).unwrap(), 0, "the end came");
    drop(orderly);
    assert!(begin(server.port()).is_err(), "it was closed in an orderly way");

    let mut server = begin(0).ok().unwrap();
    let connection = connect(server.port());
    server.command(r#"set {"a": 1}"#);
    server.wait_until(|report| report.sent() == 1);
    server.kill();
    reset(connection, pytcp_frame(r#"{"a": 1}"#).len());
    begin(server.port()).map(drop).expect("after a reset nothing lingers");
}

#[test]
fn a_pytcp_client_dies_of_what_is_no_json_and_skips_as_far_as_a_damaged_length_says() {
    if are_missing() {
        return;
    }
    let (listener, port) = listener();
    let mut client = Peer::client("pytcp_client", port, &[]);
    let (mut server, _) = listener.accept().unwrap();
    let mut damaged = pytcp_frame(r#"{"a": 1}"#);
    let swallowed = pytcp_frame(r#"{"a": 2}"#);
    damaged[4] += u8::try_from(swallowed.len()).unwrap();
    let good = pytcp_frame(r#"{"a": 3}"#);
    server.write_all(&[damaged, swallowed, good].concat()).unwrap();
    let report = client.wait_until(|report| report.received() > 0);
    assert_eq!(report["last"], dictionary! { "a" => 3 }.into());
    assert_eq!(report.count("damaged"), 1);

    server.write_all(&pytcp_frame("{\"a\": }")).unwrap();
    let report = client.wait_until(|report| report.died("client").is_some());
    assert!(report.died("client").unwrap().starts_with("JSONDecodeError"), "{report:?}");
    server.write_all(&pytcp_frame(r#"{"a": 4}"#)).unwrap();
    assert_eq!(client.stop().received(), 1);

    let (mut client, longest) = (Peer::client("pytcp_client", port, &[]), "9".repeat(4_300));
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(&pytcp_frame(&format!("{{\"a\": {longest}}}"))).unwrap();
    client.wait_until(|report| report.received() == 1);
    server.write_all(&pytcp_frame(&format!("{{\"a\": {longest}9}}"))).unwrap();
    let report = client.wait_until(|report| report.died("client").is_some());
    assert!(report.died("client").unwrap().starts_with("ValueError"), "{report:?}");
}

#[test]
fn comms_carries_messages_both_ways() {
    if are_missing() {
        return;
    }
    for arguments in [["--type", "json", "--order", "big"], ["--type", "string", "--order", "little"]] {
        let (mut server, mut client) = comms_pair(&arguments);
        // Neither is asked for more while it writes, so that each reads a whole message.
        client.command("run 200 0.5");
        client.wait_for_run();
        server.wait_until(|report| report.received() == 100);
        server.command("run 200 0.5");
        server.wait_for_run();
        let report = client.wait_until(|report| report.received() == 100);
        assert_eq!(report.order(), [("connect", 1), ("message", 100)]);
        assert_eq!(server.journal("received"), client.journal("sent"));
        assert_eq!(client.journal("received"), server.journal("sent"));
    }
}

#[test]
fn a_comms_server_sends_by_index_to_all_and_never_by_handle() {
    if are_missing() {
        return;
    }
    let (mut server, mut first) = comms_pair(&["--type", "string"]);
    server.wait_until(|report| report.callbacks("connect") == 1);
    let mut second = Peer::client("comms_client", server.port(), &["--type", "string"]);
    server.wait_until(|report| report.callbacks("connect") == 2);
    server.command("send-handle 1 \"by handle\"");
    server.command("send-index 1 \"by index\"");
    second.wait_until(|report| report.received() == 1);
    server.command("broadcast \"all\"");
    second.wait_until(|report| report.received() == 2);
    first.wait_until(|report| report.received() == 1);
    assert_eq!(second.journal("received"), values(&["by index", "all"]));
    assert_eq!(first.journal("received"), values(&["all"]));
}

#[test]
fn a_comms_server_relays_as_the_example_does() {
    if are_missing() {
        return;
    }
    let mut server = Peer::start("comms_server", &["--type", "string", "--relay"]);
    let mut first = Peer::client("comms_client", server.port(), &["--type", "string"]);
    let mut second = Peer::client("comms_client", server.port(), &["--type", "string"]);
    server.wait_until(|report| report.callbacks("connect") == 2);
    first.command("send \"fire\"");
    second.wait_until(|report| report.received() == 1);
    first.wait_until(|report| report.received() == 1);
}

#[test]
fn broadcasts_of_a_comms_server_come_to_stand_within_one_another() {
    if are_missing() {
        return;
    }
    let mut server = Peer::start("comms_server", &["--type", "string", "--gap", "0.3"]);
    let mut client = connect(server.port());
    server.wait_until(|report| report.callbacks("connect") == 1);
    server.command("broadcast \"one\"");
    server.command("broadcast \"other\"");
    let mut headers = [0; 8];
    client.read_exact(&mut headers).unwrap();
    assert!([b"\x03\0\0\0\x05\0\0\0", b"\x05\0\0\0\x03\0\0\0"].contains(&&headers), "{headers:?}");
}

#[test]
fn a_comms_reader_loses_the_thread_where_a_message_comes_in_pieces() {
    if are_missing() {
        return;
    }
    let (listener, port) = listener();
    let mut client = Peer::client("comms_client", port, &["--type", "string"]);
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(&comms_message(b"whole and good")).unwrap();
    let message = comms_message(b"halves");
    server.write_all(&message[..7]).unwrap();
    let report = client.wait_until(|report| report.received() == 2);
    assert_eq!(report.messages(), values(&["whole and good", "hal"]));
}

#[test]
fn a_comms_reader_loses_most_of_what_is_written_at_once() {
    if are_missing() {
        return;
    }
    let (listener, port) = listener();
    let mut client = Peer::client("comms_client", port, &["--type", "json"]);
    let (mut server, _) = listener.accept().unwrap();
    let messages = (0..20_000).flat_map(|n| comms_message(format!("{{\"number\": {n}}}").as_bytes()));
    server.write_all(&messages.collect::<Vec<u8>>()).unwrap();
    let report = client.wait_until(|report| report.died("reader 1").is_some());
    assert!(report.received() < 20_000, "{report:?}");
}

#[test]
fn a_comms_peer_of_text_or_bytes_spins_at_an_orderly_end_and_notices_a_reset() {
    if are_missing() {
        return;
    }
    for kind in ["string", "binary"] {
        let (mut server, mut client) = comms_pair(&["--type", kind]);
        server.wait_until(|report| report.callbacks("connect") == 1);
        client.kill();
        assert_eq!(spins(&mut server).callbacks("close"), 0);
        let (mut server, mut client) = comms_pair(&["--type", kind]);
        server.wait_until(|report| report.callbacks("connect") == 1);
        server.kill();
        assert_eq!(spins(&mut client).callbacks("close"), 0);
    }
    let mut server = Peer::start("comms_server", &["--type", "string"]);
    let client = connect(server.port());
    server.wait_until(|report| report.callbacks("connect") == 1);
    server.command("send-index 0 \"unread\"");
    reset(client, comms_message(b"unread").len());
    let report = server.wait_until(|report| report.callbacks("close") == 1);
    assert_eq!((report.order(), report.is_unharmed()), (vec![("connect", 1), ("close", 1)], true));
}

#[test]
fn a_comms_peer_of_json_dies_of_an_orderly_end_and_of_a_length_of_zero() {
    if are_missing() {
        return;
    }
    let (mut server, mut client) = comms_pair(&[]);
    server.wait_until(|report| report.callbacks("connect") == 1);
    client.kill();
    let report = server.wait_until(|report| report.died("client 1").is_some());
    assert!(report.died("client 1").unwrap().starts_with("JSONDecodeError"), "{report:?}");
    assert_eq!((report.callbacks("close"), report.runs("accept")), (0, 1));

    let mut client = Peer::client("comms_client", server.port(), &[]);
    server.wait_until(|report| report.callbacks("connect") == 2);
    let mut other = connect(server.port());
    other.write_all(&comms_message(b"")).unwrap();
    let report = server.wait_until(|report| report.died("client 3").is_some());
    assert!(report.died("client 3").unwrap().starts_with("JSONDecodeError"), "{report:?}");
    client.command("send {\"cmd\": \"fire\"}");
    server.wait_until(|report| report.received() == 1);
}

#[test]
fn a_comms_client_connects_again_once_and_reads_with_two_threads_then() {
    if are_missing() {
        return;
    }
    let (listener, port) = listener();
    let mut client = Peer::client("comms_client", port, &[]);
    let (server, _) = listener.accept().unwrap();
    client.command("send 1");
    reset(server, comms_message(b"1").len());
    let (mut server, _) = listener.accept().unwrap();
    let report = client.wait_until(|report| report.runs("reader 2") == 1);
    assert_eq!((report.runs("reader 1"), report.callbacks("connect")), (1, 2), "two read");
    let mut sent = 0;
    while client.report().is_unharmed() {
        // Of each message one thread may take the header and the other the payload.
        server.write_all(&comms_message(b"{\"cmd\": \"fire\"}")).unwrap();
        sent += 1;
    }
    assert!(client.report().received() < sent);
}

#[test]
fn a_comms_client_dies_if_it_is_refused_when_it_comes_back() {
    if are_missing() {
        return;
    }
    let (listener, port) = listener();
    let mut client = Peer::client("comms_client", port, &[]);
    let (server, _) = listener.accept().unwrap();
    drop(listener);
    client.command("send 1");
    reset(server, comms_message(b"1").len());
    let report = client.wait_until(|report| report.died("reader 1").is_some());
    assert!(report.died("reader 1").unwrap().starts_with("ConnectionRefusedError"), "{report:?}");
    assert_eq!(report.order(), [("connect", 1), ("close", 1)]);
}

#[test]
fn a_comms_client_gives_up_when_it_cannot_send() {
    if are_missing() {
        return;
    }
    let (listener, port) = listener();
    let mut client = Peer::client("comms_client", port, &["--type", "binary"]);
    let (_server, _) = listener.accept().unwrap();
    client.command("run 1e9 1e-4");
    let report = client.wait_until(|report| report["gave_up"] == Value::Bool(true));
    assert!(report.sent() < 100_000);
}

#[test]
fn comet_asks_functions_in_turn_and_takes_the_first_true_answer() {
    if are_missing() {
        return;
    }
    let functions =
        ["--function", "on=0", "--function", "on={\"V\": 5}", "--function", "=", "--function", "on=9"];
    let mut server = Peer::start("comet_server", &functions);
    let mut client = Peer::client("comet_client", server.port(), &[]);
    client.command("ask server \"on\" \"psu\"");
    client.command("ask server \"off\" {\"µ\": [NaN, 中]}".replace("中", "\"中\"").as_str());
    client.command("ask server \"\" 0");
    client.wait_until(|report| report.received() == 3);
    let answers = [
        dictionary! { "action" => "on", "result" => dictionary! { "V" => 5 } },
        dictionary! { "action" => "off", "result" => dictionary! { "got" => dictionary! {
            "µ" => vec![Value::from(f64::NAN), "中".into()],
        } } },
        dictionary! { "action" => "", "result" => "Error: invalid action and or value , 0" },
    ];
    assert_eq!(client.journal("received"), answers.map(Value::from));
    let order = [("connect", 1), ("on=0", 1), ("on={\"V\": 5}", 1), ("connect", 1)];
    assert_eq!(server.report().order()[..4], order, "the third was not asked at first");

    client.command("binary server 0001726177206279746573ff");
    client.wait_until(|report| report.received() == 4);
    assert_eq!(client.journal("received")[3], b"First 10 bytes of request: \0\x01raw byte"[..].into());
    client.command("run 100 0.5");
    client.wait_for_run();
    assert_eq!(client.stop().received(), 54);
    let report = server.stop();
    assert_eq!((report.received(), report.sent(), report.count("unanswered")), (54, 54, 0));
}

#[test]
fn a_comet_server_leaves_what_is_no_dictionary_unanswered() {
    if are_missing() {
        return;
    }
    let mut server = Peer::start("comet_server", &[]);
    let mut client = connect(server.port());
    let header = r#"{"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", "content-length": 3}"#;
    client.write_all(&u16::try_from(header.len()).unwrap().to_be_bytes()).unwrap();
    client.write_all(format!("{header}[1]").as_bytes()).unwrap();
    server.wait_until(|report| report.count("unanswered") == 1);
    client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(client.read(&mut [0]).is_err(), "neither an answer nor an end");
}

/// What stands in a report about a comet client's object for a server.
fn comet_client(report: &Report, name: &str, key: &str) -> Value {
    report["clients"].as_dictionary().unwrap()[name].as_dictionary().unwrap()[key].clone()
}

#[test]
fn a_comet_client_is_spoiled_by_one_connection() {
    if are_missing() {
        return;
    }
    let (closed, port) = listener();
    drop(closed);
    let mut silent = Peer::start("comet_server", &["--silent"]);
    let good = Peer::start("comet_server", &["--function", "="]);
    let targets = [("refused", port), ("silent", silent.port()), ("good", good.port())];
    let targets = targets.map(|(name, port)| format!("{name}=127.0.0.1:{port}"));
    let arguments: Vec<&str> = targets.iter().flat_map(|target| ["--client", target]).collect();
    let mut client = Peer::start("comet_client", &arguments);
    for name in ["refused", "silent", "good"] {
        client.command(&format!("post {name} \"on\" 1"));
    }
    silent.wait_until(|report| report.count("unanswered") == 1);
    let report = client
        .wait_until(|report| !comet_client(report, "refused", "spoiled").is_null() && report.received() == 1);
    assert!(
        comet_client(&report, "refused", "spoiled").as_str().unwrap().starts_with("ConnectionRefusedError")
    );

    // That there is a server now does not help, nor does asking again.
    let mut late = Peer::start("comet_server", &["--port", &port.to_string(), "--function", "="]);
    client.command("ask refused \"on\" 2");
    client.command("post silent \"on\" 2");
    client.command("ask good \"on\" 2");
    let report = client.wait_until(|report| report.received() == 2);
    assert_eq!(comet_client(&report, "good", "answered"), 2.into());
    assert_eq!(late.report().callbacks("connect"), 0);
    assert_eq!((silent.report().callbacks("connect"), report.runs("post")), (1, 2), "waiting for ever");
    silent.kill();
    client.wait_until(|report| !comet_client(report, "silent", "spoiled").is_null());
}

#[test]
fn pingpong_measures_round_trips() {
    if are_missing() {
        return;
    }
    let mut server = Peer::start("pingpong_server", &[]);
    let arguments = ["--interval", "0.01", "--count", "6", "--patient"];
    let mut client = Peer::client("pingpong_client", server.port(), &arguments);
    let printed: Vec<Value> = (0..7).map(|_| client.line_about("round_trip")).collect();
    let report = client.wait_until(|report| report.runs("sender") == 0);
    assert_eq!(report["round_trips"], printed.into());
    assert_eq!((report.count("answers"), report.count("lost")), (7, 0));
    let texts = client.journal("sent");
    assert_eq!(texts[0].as_str(), Some("ping"));
    for (text, value) in
        texts[1..].iter().zip(["102", "21.5", "-3", "1e-05", "1180591620717411303424", "nan"])
    {
        let text = text.as_str().unwrap();
        assert!(text.starts_with("ping / ('") && text.ends_with(&format!("', {value})")), "{text}");
    }
    let bytes = texts.iter().map(|text| text.as_str().unwrap().as_bytes().into());
    assert_eq!(server.journal("received"), bytes.collect::<Vec<Value>>());
    client.stop();
    let report = server.wait_until(|report| report.received() == 8);
    assert_eq!(report.sent(), 8, "the end is answered too");
}

#[test]
fn a_pingpong_server_keeps_a_connection_until_it_accepts_the_next() {
    if are_missing() {
        return;
    }
    let mut server = Peer::start("pingpong_server", &[]);
    let mut first = connect(server.port());
    first.write_all(b"ping").unwrap();
    reads(&mut first, b"pong");
    first.shutdown(Shutdown::Write).unwrap();
    reads(&mut first, b"pong");
    first.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(first.read(&mut [0]).is_err(), "no end comes");
    let _second = connect(server.port());
    server.wait_until(|report| report.callbacks("connect") == 2);
    first.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(first.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_pingpong_client_counts_answers_tells_what_is_lost_and_does_not_come_back() {
    if are_missing() {
        return;
    }
    let (listener, port) = listener();
    let arguments = ["--interval", "0.05", "--loss", "0.3"];
    let mut client = Peer::client("pingpong_client", port, &arguments);
    let (mut server, _) = listener.accept().unwrap();
    reads(&mut server, b"ping");
    let lost = client.line_about("lost");
    assert!(lost.as_f64().unwrap() >= 0.3);
    // What comes late is told as the round trip of the first that was sent, however much was sent since.
    reads(&mut server, b"ping / ('");
    server.write_all(b"pong").unwrap();
    let first = client.line_about("round_trip");
    assert!(first.as_f64().unwrap() >= 0.3);
    drop(server);
    client.wait_until(|report| report.died("sender").is_some() && report.died("receiver").is_some());
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "it does not connect again");
}
