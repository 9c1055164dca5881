//! pytcp: instrument programs' servers recorded, and scripts' clients served.

use std::io::Write as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use dict_event_loop::client::WriterOptions;
use dict_protocol::dialect::pytcp;
use dict_protocol::dictionary;
use dict_protocol::value::{Dictionary, Value};
use dictwire_tests::peers::{Peer, are_missing};
use dictwire_tests::programs::PATIENCE;

use super::logger::{Logger, column, dictionaries, free_port};

/// A server on a port that was another's until just now; long before the minute is over for which it would be if the
/// connection to that one had ended in order.
fn server_on(port: u16) -> Peer {
    let deadline = Instant::now() + PATIENCE / 3;
    loop {
        match Peer::try_start("pytcp_server", &["--port", &port.to_string()]) {
            Ok(server) => return server,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    }
}

fn frame(dictionary: &Dictionary) -> Vec<u8> {
    let mut bytes = Vec::new();
    pytcp::encode(dictionary, 128, &mut bytes).unwrap();
    bytes
}

#[test]
fn what_servers_send_is_recorded() {
    if are_missing() {
        return;
    }
    let mut servers = [("psu", "1"), ("oven", "2")]
        .map(|(source, seed)| (source, Peer::start("pytcp_server", &["--seed", seed])));
    let links = servers
        .each_ref()
        .map(|(source, server)| format!("pytcp://127.0.0.1:{}?source={source}", server.port()));
    let mut logger = Logger::new(&[], &links.each_ref().map(String::as_str));
    for (_, server) in &mut servers {
        server.wait_until(|report| report.callbacks("connect") == 1);
        server.command("run 200 2");
    }
    for (source, server) in &mut servers {
        let mut report = server.wait_for_run();
        // What was set last is sent by another thread of the server, a moment later.
        loop {
            std::thread::sleep(Duration::from_millis(200));
            let later = server.report();
            if later.sent() == report.sent() {
                break;
            }
            report = later;
        }
        let states = logger.wait_for_states(source, report.sent().try_into().unwrap());
        assert_eq!(states, dictionaries(server.journal("sent")), "{source}");
        assert!(report.is_unharmed());
    }
    logger.stop();
    assert_eq!(logger.rows(&["--kind", "gap"]), []);
}

#[test]
fn a_server_without_a_source_is_called_after_its_host() {
    if are_missing() {
        return;
    }
    let mut server = Peer::start("pytcp_server", &[]);
    let mut logger = Logger::new(&[], &[&format!("pytcp://127.0.0.1:{}", server.port())]);
    server.command(r#"set {"V": 5.0}"#);
    assert_eq!(logger.wait_for_states("pytcp/127.0.0.1", 1), [dictionary! { "V" => 5.0 }]);
    logger.stop();
}

#[test]
fn a_server_that_was_restarted_has_its_port_again_and_the_loss_is_stated() {
    if are_missing() {
        return;
    }
    let mut server = Peer::start("pytcp_server", &[]);
    let port = server.port();
    let mut logger = Logger::connected("pytcp", port, "source=psu");
    server.command(r#"set {"run": 1, "V": 5}"#);
    logger.wait_for_states("psu", 1);
    server.kill();
    // The logger's end of the connection is reset: nothing lingers, which would for a minute.
    let mut server = server_on(port);
    server.command(r#"set {"run": 2}"#);
    let states = logger.wait_for_states("psu", 2);
    assert_eq!(states[1], dictionary! { "run" => 2 });
    let gaps = logger.wait_for_rows("gap", 1);
    assert_eq!(column(&gaps, "source"), ["psu".into()]);

    // The same when it is the logger that was killed.
    logger.kill();
    server.kill();
    let mut server = server_on(port);
    logger.again();
    server.command(r#"set {"run": 3}"#);
    let states = logger.wait_for_states("psu", 3);
    assert_eq!(states[2], dictionary! { "run" => 3 });
    assert_eq!(server.report().callbacks("connect"), 1);
    logger.stop();
}

#[test]
fn a_server_that_is_silent_after_a_reconnection_is_reported_and_never_hung_up_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut logger = Logger::connected("pytcp", listener.local_addr().unwrap().port(), "source=psu");
    let (mut first, _) = listener.accept().unwrap();
    first.write_all(&frame(&dictionary! { "V" => 1 })).unwrap();
    logger.wait_for_states("psu", 1);
    drop(first);
    let (mut second, _) = listener.accept().unwrap();
    let accepted = Instant::now();
    logger.wait_until_told("this server serves one connection; restart that program");
    assert!(accepted.elapsed() > Duration::from_secs(4), "it is given its time");
    second.write_all(&frame(&dictionary! { "V" => 2 })).unwrap();
    logger.wait_for_states("psu", 2);
    logger.stop();
}

#[test]
fn a_server_that_served_this_logger_before_its_restart_is_reported_too() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut logger = Logger::connected("pytcp", listener.local_addr().unwrap().port(), "source=psu");
    let (mut first, _) = listener.accept().unwrap();
    first.write_all(&frame(&dictionary! { "V" => 1 })).unwrap();
    logger.wait_for_states("psu", 1);
    logger.kill();
    logger.again();
    let (_second, _) = listener.accept().unwrap();
    logger.wait_until_told("it serves nobody else; restart that program then");
    logger.stop();
}

#[test]
fn damage_costs_no_other_dictionary() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut logger = Logger::connected("pytcp", listener.local_addr().unwrap().port(), "source=psu");
    let (mut server, _) = listener.accept().unwrap();
    let mut damaged = frame(&dictionary! { "V" => 2 });
    damaged[3] ^= 1;
    let frames = [frame(&dictionary! { "V" => 1 }), damaged, frame(&dictionary! { "V" => 3 })];
    server.write_all(&frames.concat()).unwrap();
    let states = logger.wait_for_states("psu", 2);
    assert_eq!(states, [dictionary! { "V" => 1 }, dictionary! { "V" => 3 }]);
    logger.wait_for_rows("gap", 1);
    server.write_all(&frame(&dictionary! { "V" => 4 })).unwrap();
    logger.wait_for_states("psu", 3);
    logger.stop();
}

#[test]
fn of_two_servers_under_one_source_the_second_is_reported() {
    if are_missing() {
        return;
    }
    let mut first = Peer::start("pytcp_server", &[]);
    let later = free_port();
    let links = [first.port(), later].map(|port| format!("pytcp://127.0.0.1:{port}?source=psu"));
    let mut logger = Logger::new(&[], &[&links[0], &links[1]]);
    first.command(r#"set {"V": 1}"#);
    logger.wait_for_states("psu", 1);
    assert!(!logger.told().contains("psu"));
    let mut second = server_on(later);
    second.wait_until(|report| report.callbacks("connect") == 1);
    second.command(r#"set {"V": "of another"}"#);
    logger.wait_until_told("psu");
    first.command(r#"set {"V": 2}"#);
    assert_eq!(logger.wait_for_states("psu", 2), [dictionary! { "V" => 1 }, dictionary! { "V" => 2 }]);
    logger.stop();
}

/// That a client has received nothing but what was published, in its order, up to the last.
#[test]
fn what_a_server_said_while_another_wrote_its_source_is_recorded_when_that_is_gone() {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let links: Vec<_> = listeners
        .iter()
        .map(|listener| format!("pytcp://{}?source=psu", listener.local_addr().unwrap()))
        .collect();
    let mut logger = Logger::new(&[], &[&links[0], &links[1]]);
    let (mut first, _) = listeners[0].accept().unwrap();
    let (mut second, _) = listeners[1].accept().unwrap();
    first.write_all(&frame(&dictionary! { "by" => 1 })).unwrap();
    logger.wait_for_states("psu", 1);
    second.write_all(&frame(&dictionary! { "by" => 2 })).unwrap();
    logger.wait_until_told("not recorded");
    drop((first, listeners));
    assert_eq!(logger.wait_for_states("psu", 2)[1], dictionary! { "by" => 2 });
    logger.stop();
}

fn received_in_order(client: &Peer, published: &[Dictionary]) -> usize {
    let received = dictionaries(client.journal("received"));
    assert_eq!(received.last(), published.last());
    let mut rest = published.iter();
    for dictionary in &received {
        assert!(rest.any(|published| published == dictionary), "{dictionary:?} was not published then");
    }
    received.len()
}

#[test]
fn clients_are_served_a_source() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["pytcp://127.0.0.1:0?source=psu"], &[]);
    let mut clients = [(); 3].map(|()| Peer::client("pytcp_client", logger.ports[0], &[]));
    let native = logger.client("script");
    let psu = native.writer("psu", WriterOptions::default()).unwrap();
    let published: Vec<Dictionary> = (0..300)
        .map(|n| {
            dictionary! {
                "n" => n, "nan" => f64::NAN, "µ" => "Müller 中😀", "long" => (1_i128 << 100) + n,
                "list" => vec![Value::Null, true.into(), 1.0.into()],
            }
        })
        .collect();
    for dictionary in &published {
        psu.publish(dictionary).unwrap();
    }
    let last = Value::from(published.last().unwrap().clone());
    for client in &mut clients {
        let report = client.wait_until(|report| report["last"] == last);
        assert_eq!((&report["updated"], report.runs("client")), (&Value::Bool(true), 1));
        received_in_order(client, &published);
    }
    // One that comes later has it at once; nothing is sent again to those that have it.
    let mut late = Peer::client("pytcp_client", logger.ports[0], &[]);
    late.wait_until(|report| report["last"] == last && report.received() == 1);
    logger.run(&["publish", "oven", "T=20"]);
    psu.set("n", "last").unwrap();
    late.wait_until(|report| report.received() == 2);
    logger.stop();
}

#[test]
fn clients_are_served_one_dictionary_of_all_sources() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["pytcp://127.0.0.1:0"], &[]);
    let mut client = Peer::client("pytcp_client", logger.ports[0], &[]);
    logger.run(&["publish", "bench1/psu", "V=5.0"]);
    logger.run(&["publish", "oven", "T=20", "on=true"]);
    let all = dictionary! {
        "bench1/psu" => dictionary! { "V" => 5.0 }, "oven" => dictionary! { "T" => 20, "on" => true },
    };
    client.wait_until(|report| report["last"] == Value::from(all.clone()));
    logger.stop();
}

#[test]
fn a_client_that_reads_slowly_gets_the_newest_and_is_never_cut() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["pytcp://127.0.0.1:0?source=scope"], &[]);
    let mut slow = Peer::client("pytcp_client", logger.ports[0], &[]);
    slow.command("pause");
    slow.report();
    let native = logger.client("script");
    let scope = native.writer("scope", WriterOptions::default()).unwrap();
    let trace = "x".repeat(200_000);
    let published: Vec<Dictionary> =
        (0..200).map(|n| dictionary! { "n" => n, "trace" => trace.as_str() }).collect();
    for dictionary in &published {
        scope.publish(dictionary).unwrap();
        // Each reaches the hub by itself, and none waits in the writer's memory.
        scope.flush(PATIENCE).unwrap();
    }
    slow.command("resume");
    let last = Value::from(published.last().unwrap().clone());
    let report = slow.wait_until(|report| report["last"] == last);
    assert_eq!(report.runs("client"), 1);
    let received = received_in_order(&slow, &published);
    assert!(received < published.len() / 2, "{received} were not merged");
    logger.stop();
}

#[test]
fn what_json_cannot_say_reaches_a_client_in_the_dollar_form_and_disturbs_no_writer() {
    if are_missing() {
        return;
    }
    let mut logger = Logger::new(&["pytcp://127.0.0.1:0?source=cam"], &[]);
    let mut client = Peer::client("pytcp_client", logger.ports[0], &[]);
    let native = logger.client("script");
    let cam = native.writer("cam", WriterOptions::default()).unwrap();
    cam.publish(&dictionary! { "frame" => Value::Binary(vec![0, 1]), "n" => 1 }).unwrap();
    // A report says it in the same form, wrapped: to the client it is a dictionary like any other.
    let shown = dictionary! { "frame" => dictionary! { "$binary" => "AAE=" }, "n" => 1 };
    client.wait_until(|report| report["last"] == Value::from(shown.clone()));
    cam.set("n", 2).unwrap();
    client.wait_until(|report| report.received() == 2);
    logger.stop();
}
