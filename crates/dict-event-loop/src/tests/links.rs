//! Connections that the loop makes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::harness::{Echo, Event, PATIENCE, Running};
use crate::resolver::Resolution;
use crate::*;

fn impatient() -> Settings {
    Settings {
        connect_timeout: Duration::from_millis(100),
        retry_least: Duration::from_millis(1),
        retry_most: Duration::from_millis(10),
        ..Settings::default()
    }
}

/// A port on which nobody listens, and which nobody else can have meanwhile.
fn reserved_port() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

#[test]
fn a_link_waits_for_its_server_and_comes_back() {
    let (socket, address) = reserved_port();
    let running = Running::with_settings(impatient());
    let link = running.call(move |_, io| io.connect(&address.into(), Retry::Always));
    for _ in 0..3 {
        let (failed, error, retry_in) = running.link_failed();
        assert_eq!(failed, link);
        assert!(matches!(error, LinkError::Refused { address: at } if at == address), "{error}");
        assert!(retry_in.unwrap() <= Duration::from_millis(10));
    }

    socket.listen(8).unwrap();
    let server: TcpListener = socket.into();
    for _ in 0..3 {
        let (mut accepted, _) = server.accept().unwrap();
        let (token, via) = running.opened();
        assert_eq!(via, Via::Link(link));
        running.call(move |_, io| io.established(token));
        accepted.write_all(b"hello").unwrap();
        let mut back = [0; 5];
        accepted.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"hello");
        drop(accepted);
        assert_eq!(running.closed().0, token);
    }

    // Dropped, it lets go of the link and not of the connection.
    let (mut accepted, _) = server.accept().unwrap();
    let (token, _) = running.opened();
    running.call(move |_, io| {
        io.drop_link(link);
        io.drop_link(link);
    });
    accepted.write_all(b"hello").unwrap();
    assert_eq!(running.received(token, 5), b"hello");
    drop(accepted);
    running.closed();
    server.set_nonblocking(true).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert!(server.accept().is_err(), "a dropped link came back");
}

#[test]
fn delays_grow_until_the_link_has_been_good_for_a_while() {
    // Of a connection that the application calls good, and one that it does not.
    for good in [true, false] {
        let settings = Settings { retry_least: Duration::from_millis(1), ..Settings::default() };
        let retry_in = fifth_delay(settings, good, Duration::ZERO);
        assert!(retry_in >= Duration::from_millis(16), "{retry_in:?}");
    }
    let lasting = Duration::from_millis(40);
    let settings =
        Settings { retry_least: Duration::from_millis(1), retry_most: lasting, ..Settings::default() };
    let retry_in = fifth_delay(settings.clone(), false, lasting * 2);
    assert!(retry_in >= Duration::from_millis(16), "{retry_in:?}");
    let retry_in = fifth_delay(settings, true, lasting * 2);
    assert!(retry_in <= Duration::from_millis(2), "{retry_in:?}");
}

/// The delay that a link has come to after five connections, the last of which stays for some time.
fn fifth_delay(settings: Settings, good: bool, stays: Duration) -> Duration {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let running = Running::with_settings(settings);
    running.call(move |_, io| io.connect(&address.into(), Retry::Always));
    let opened = || {
        let accepted = server.accept().unwrap();
        let (token, _) = running.opened();
        if good {
            running.call(move |_, io| io.established(token));
        }
        (accepted, token)
    };
    // Accepted and closed four times: 1, 2, 4 and 8 ms. Then nobody listens, and the next delay is told.
    for _ in 0..4 {
        drop(opened());
        running.closed();
    }
    let (_last, token) = opened();
    std::thread::sleep(stays);
    drop(server);
    running.call(move |_, io| io.close(token, Close::Now));
    running.closed();
    running.link_failed().2.unwrap()
}

#[test]
fn a_link_that_is_not_retried_fails_once() {
    let (_reserved, address) = reserved_port();
    let running = Running::with_settings(impatient());
    running.call(move |_, io| io.connect(&address.into(), Retry::Never));
    let (_, error, retry_in) = running.link_failed();
    assert_eq!(retry_in, None);
    assert!(
        error.to_string().contains("connection refused: nobody listens there; is the program running?"),
        "{error}"
    );
    std::thread::sleep(Duration::from_millis(50));
    running.call(|_, _| ());
    assert!(running.events.try_recv().is_err(), "it was tried again");
}

#[test]
fn names_are_looked_up_and_all_their_addresses_tried() {
    // On many machines the name has an IPv6 address before the one that is listened on.
    let running = Running::with_settings(impatient());
    let port = running.address.port();
    let link =
        running.call(move |_, io| io.connect(&Address::new("localhost", port).unwrap(), Retry::Always));
    let vias = [running.opened().1, running.opened().1];
    assert!(vias.contains(&Via::Link(link)), "{vias:?}");
}

/// What a look-up brings is made up here: no name is sure to have several addresses.
#[test]
fn addresses_are_tried_in_turn() {
    let (_reserved, refused) = reserved_port();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut echo, events) = Echo::alone();
    let mut event_loop = EventLoop::with_settings(impatient()).unwrap();
    let link = event_loop.io().connect(&Address::new("made.up.invalid", 7450).unwrap(), Retry::Never);
    let addresses = Ok(vec![refused, refused, server.local_addr().unwrap()]);
    event_loop.sockets.resolved(&mut echo, Resolution { link, addresses });
    loop {
        assert!(event_loop.turn(&mut echo, Some(PATIENCE)).unwrap().is_continue());
        match events.try_recv() {
            Ok(Event::Opened(_, via)) => return assert_eq!(via, Via::Link(link)),
            Ok(unexpected) => panic!("{unexpected:?}"),
            Err(_) => {}
        }
    }
}

#[test]
fn a_name_that_cannot_be_is_told() {
    let running = Running::start();
    running.call(|_, io| io.connect(&Address::new("no..host", 7450).unwrap(), Retry::Never));
    let (_, error, retry_in) = running.link_failed();
    assert!(matches!(error, LinkError::Resolve { .. }), "{error}");
    assert_eq!(retry_in, None);
}

/// Linux drops the packets of those that find the queue of a listener full, as a firewall would.
#[cfg(target_os = "linux")]
#[test]
fn a_server_that_does_not_answer_is_given_up_in_time() {
    let (socket, address) = reserved_port();
    socket.listen(0).unwrap();
    let _queued = std::net::TcpStream::connect(address).unwrap();
    let running = Running::with_settings(impatient());
    running.call(move |_, io| io.connect(&address.into(), Retry::Never));
    let (_, error, _) = running.link_failed();
    assert!(matches!(error, LinkError::TimedOut { .. }), "{error}");
}

#[test]
fn a_link_can_be_dropped_at_any_moment() {
    let (_reserved, address) = reserved_port();
    let running = Running::with_settings(impatient());
    running.call(move |_, io| {
        for host in ["localhost", "127.0.0.1"] {
            let address = Address::new(host, address.port()).unwrap();
            let link = io.connect(&address, Retry::Always);
            io.drop_link(link);
        }
    });
    let resolving = running.call(|_, io| io.connect(&Address::new("localhost", 1).unwrap(), Retry::Always));
    running.call(move |_, io| io.drop_link(resolving));
    let (_client, token) = running.opened_client();
    running.call(move |_, io| io.close(token, Close::Now));
    let only_link = |event: &Event| matches!(event, Event::LinkFailed(link, ..) if *link != resolving);
    assert!(!running.events.try_iter().any(|event| only_link(&event)));
}
