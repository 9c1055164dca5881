//! What an encrypted link carries, and what becomes of it when it breaks.

use std::sync::mpsc;
use std::time::Duration;

use dict_event_loop::client::{Builder, Client, ConnectError, RequestOptions, WatchOptions, WriterOptions};
use dict_event_loop::server::{Listen, Server, Settings};
use dict_protocol::dictionary;
use dict_protocol::limits::Limits;
use dict_protocol::pattern::Pattern;
use dict_protocol::value::Value;
use dictwire_tests::faults::proxy::{Manner, Proxy, Way};
use dictwire_tests::programs::{Running, command, succeed};

use super::files::Files;
use super::{Hub, listening_link, server_tls, start};
use crate::client::support::{self, SOON, eventually};

/// Publishes and watches, asks and answers.
fn work(hub: &Hub, link: &str, count: i64) {
    let connect = |name: &str| Builder::default().name(name).connect_timeout(SOON).connect(link).unwrap();
    let (writer, watcher) = (connect("writer"), connect("watcher"));
    let watch = watcher.watch(Pattern::parse("bench1/"), WatchOptions::default()).unwrap();
    let psu = writer.writer("bench1/psu", WriterOptions::default()).unwrap();
    for n in 0..count {
        psu.publish(&dictionary! { "n" => n, "text" => "größer" }).unwrap();
    }
    eventually(|| watch.value("bench1/psu", "n") == Some(count.wrapping_sub(1).into()));
    watcher
        .handle("double", |asked| asked.value.as_i64().map(|n| (2 * n).into()).ok_or_else(String::new))
        .unwrap();
    watcher.ping(SOON).unwrap();
    assert_eq!(writer.request("double", 21, &RequestOptions::default()), Ok(42.into()));
    assert_eq!(writer.close(SOON), 0);
    drop(watcher);
    hub.client("last").ping(SOON).unwrap();
}

#[test]
fn a_round_trip() {
    let hub = Hub::new();
    work(&hub, &hub.trusting(), 1_000);
}

#[test]
fn a_round_trip_of_single_bytes() {
    let hub = Hub::new();
    let proxy = Proxy::start(&hub.hub.address, Manner::Trickle);
    let link = format!("dictwires://{}?ca={}", proxy.address, hub.files.path("ca.pem"));
    work(&hub, &link, 20);
}

#[test]
fn big_messages_both_ways_at_once() {
    let hub = Hub::new();
    let (a, b) = (hub.client("a"), hub.client("b"));
    let big = |seed: u8| Value::from((0..900_000_u32).map(|n| seed ^ (n / 7) as u8).collect::<Vec<u8>>());
    for (client, seed) in [(&a, 1), (&b, 2)] {
        client.handle(&format!("echo{seed}"), |asked| Ok(asked.value.clone())).unwrap();
        client.ping(SOON).unwrap();
    }
    std::thread::scope(|scope| {
        for (client, other, seed) in [(&a, 2, 10), (&b, 1, 20)] {
            scope.spawn(move || {
                for round in 0..5 {
                    let sent = big(seed + round);
                    let options = RequestOptions { timeout: SOON * 3, ..RequestOptions::default() };
                    let answer = client.request(&format!("echo{other}"), sent.clone(), &options);
                    assert!(answer == Ok(sent), "round {round} of {seed} came back changed, or not at all");
                }
            });
        }
    });
}

#[test]
fn a_hub_that_comes_again_is_found_again() {
    let files = Files::new();
    let mut hub = start(&files, "server", false, "127.0.0.1:0");
    let address = hub.address.clone();
    let link = format!("dictwires://{address}?ca={}", files.path("ca.pem"));
    let (told, lost) = mpsc::channel();
    let client = Client::builder()
        .on_close(move |reason| told.send(reason.to_owned()).unwrap())
        .connect(&link)
        .unwrap();
    let psu = client.writer("psu", WriterOptions::default()).unwrap();
    psu.set("n", 1).unwrap();
    psu.flush(SOON).unwrap();
    hub.stop();
    assert!(lost.recv_timeout(SOON).unwrap().contains("the hub is stopping"));
    psu.set("n", 2).unwrap();
    let hub = start(&files, "server", false, &address);
    client.wait_connected(SOON).unwrap();
    psu.flush(SOON).unwrap();
    let watcher = Client::connect(&link).unwrap();
    let watch = watcher.watch(Pattern::parse("psu"), WatchOptions::default()).unwrap();
    eventually(|| watch.value("psu", "n") == Some(2.into()));
    drop(hub);
}

#[test]
fn a_connection_that_is_cut_off_is_lost_and_made_again() {
    let hub = Hub::new();
    let proxy = Proxy::start(&hub.hub.address, Manner::Whole);
    let link = format!("dictwires://{}?ca={}", proxy.address, hub.files.path("ca.pem"));
    let (told, lost) = mpsc::channel();
    let client = Client::builder()
        .on_close(move |reason| told.send(reason.to_owned()).unwrap())
        .connect(&link)
        .unwrap();
    proxy.cut();
    // An end without a goodbye is none: somebody else may have made it.
    let reason = lost.recv_timeout(SOON).unwrap();
    assert!(reason.contains("cut off") || reason.contains("reset"), "{reason}");
    client.wait_connected(SOON).unwrap();
    client.ping(SOON).unwrap();
}

#[test]
fn a_hub_that_ends_in_the_handshake_is_told_apart() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let files = Files::new();
    let ending = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // All of the greeting is read, so that the end is no reset.
        let mut hello = [0; 5];
        std::io::Read::read_exact(&mut stream, &mut hello).unwrap();
        let mut rest = vec![0; usize::from(u16::from_be_bytes([hello[3], hello[4]]))];
        std::io::Read::read_exact(&mut stream, &mut rest).unwrap();
    });
    let refused = Client::connect(&format!("dictwires://{address}?ca={}", files.path("ca.pem"))).unwrap_err();
    assert!(
        matches!(&refused, ConnectError::Insecure { reason, .. } if reason.contains("in the TLS handshake")),
        "{refused}"
    );
    ending.join().unwrap();
}

#[test]
fn real_programs_record_and_watch() {
    let files = Files::new();
    files.client("logger", 2);
    let (_server, address) = Running::listening(
        "dict-server",
        &["--listen", &listening_link(&files, "server", true, "127.0.0.1:0")],
    );
    let [ca, cert, key] = ["ca.pem", "logger.pem", "logger-key.pem"].map(|name| files.path(name));
    let link = format!("{address}?ca={ca}&cert={cert}&key={key}");
    let timeline = files.path("timeline.db");
    let (mut logger, own) = Running::listening(
        "logger",
        &[
            "--listen",
            &listening_link(&files, "server", false, "127.0.0.1:0"),
            "--connect",
            &link,
            "--timeline",
            &timeline,
        ],
    );
    let mut watching = command("dict-client");
    watching.args(["--hub", &link, "watch", "psu", "--format", "jsonl"]);
    let mut watching = Running::start(watching);
    succeed("dict-client", &["--hub", &link, "publish", "psu", "voltage=12.5", "--ack", "logged"]);
    let own = format!("{own}?pin={}", files.pin("server"));
    succeed("dict-client", &["--hub", &own, "publish", "oven", "temperature=20", "--ack", "logged"]);
    loop {
        let line = watching.line();
        assert!(!line.is_empty(), "the watcher ended");
        if line.contains("12.5") {
            break;
        }
    }
    logger.signal("INT");
    assert!(logger.wait().success());
    let rows = succeed("logger", &["show", "--timeline", &timeline, "--kind", "change", "--format", "csv"]);
    assert!(rows.contains("voltage") && rows.contains("temperature"), "{rows}");
}

#[test]
fn an_idle_connection_stays_open_by_its_heartbeats() {
    let files = Files::new();
    let limits = Limits { heartbeat: Duration::from_millis(100), ..Limits::default() };
    let tls = Some(server_tls(&files, "server", false));
    let listen = vec![Listen { address: "127.0.0.1:0".parse().unwrap(), tls }];
    let hub = support::Hub::run(Server::new(Settings { listen, limits, ..Settings::default() }).unwrap());
    let proxy = Proxy::start(&hub.address, Manner::Whole);
    let (told, lost) = mpsc::channel();
    let client = Client::builder()
        .on_close(move |reason| told.send(reason.to_owned()).unwrap())
        .connect(&format!("dictwires://{}?ca={}", proxy.address, files.path("ca.pem")))
        .unwrap();
    // More than would come within the three heartbeats after which a connection is over on which nothing does.
    for _ in 0..20 {
        let before = [Way::There, Way::Back].map(|way| proxy.passed(way));
        eventually(|| proxy.passed(Way::There) > before[0] && proxy.passed(Way::Back) > before[1]);
    }
    assert_eq!(lost.try_recv(), Err(mpsc::TryRecvError::Empty));
    client.ping(SOON).unwrap();
}
