//! The ping/pong server and client.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use dict_event_loop::Clock;
use dict_event_loop::client::WatchOptions;
use dict_protocol::dialect::pingpong::{Paired, RoundTrips};
use dict_protocol::dictionary;
use dict_protocol::pattern::Pattern;

use super::super::lab::{Lab, SOON, wait_for};
use super::older_server;

/// Sends text, and waits for the answer.
fn ping(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
    let mut pong = [0; 4];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"pong");
}

#[test]
fn a_server_answers() {
    let lab = Lab::new(&["pingpong://127.0.0.1:0"], &[]);
    let mut clients = [lab.connect(0), lab.connect(0)];
    for text in ["ping", "ping / ('2023-10-30 12:00:00.000001', 102)", "anything"] {
        clients.iter_mut().for_each(|client| ping(client, text));
    }
}

#[test]
fn a_servers_readings_are_a_source() {
    let lab = Lab::new(&["pingpong://127.0.0.1:0"], &[]);
    let watch = lab.client("program").watch(Pattern::all(), WatchOptions::default()).unwrap();
    let mut client = lab.connect(0);
    ping(&mut client, "ping");
    ping(&mut client, "ping / ('2023-10-30 12:00:00.000001', 102)");
    let reading = dictionary! { "time" => "2023-10-30 12:00:00.000001", "value" => 102 };
    wait_for("it", || (watch.latest("pingpong/127.0.0.1").as_ref() == Some(&reading)).then_some(()));
}

#[test]
fn a_client_reports_round_trips() {
    let lab = Lab::new(&["pingpong://127.0.0.1:0"], &[]);
    let mut stream = lab.connect(0);
    let mut round_trips = RoundTrips::new();
    for text in ["ping", "ping / ('2023-10-30 12:00:00.000001', 102)"] {
        assert!(round_trips.sent(Clock::now().instant));
        ping(&mut stream, text);
        let paired = round_trips.answered(Clock::now().instant);
        assert!(matches!(paired, Paired::RoundTrip(time) if time < SOON), "{paired:?}");
    }
    assert_eq!(round_trips.lost(), 0);
    // The hub itself is measured by what every client has.
    assert!(lab.client("program").ping(SOON).unwrap() < SOON);
}

#[test]
fn a_client_reports_loss() {
    let (server, address) = older_server();
    let mut stream = TcpStream::connect(address).unwrap();
    let (mut other, _) = server.accept().unwrap();
    let (mut round_trips, patience) = (RoundTrips::new(), Duration::from_secs(10));
    let sent = Clock::now().instant;
    assert!(round_trips.sent(sent));
    stream.write_all(b"ping").unwrap();
    assert_eq!(round_trips.expire(sent + patience / 2, patience), 0);
    assert_eq!(round_trips.expire(sent + patience, patience), 1);
    assert_eq!(round_trips.lost(), 1);
    other.write_all(b"pong").unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
    let late = round_trips.answered(sent + 2 * patience);
    assert_eq!(late, Paired::Late(2 * patience), "it is not taken for the answer to the next");
}
