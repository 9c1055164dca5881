//! Listeners.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpListener};

use super::harness::{Running, client, eventually};
use crate::*;

#[cfg(unix)]
#[test]
fn a_thousand_connections() {
    const NAME: &str = "tests::accepting::a_thousand_connections";
    super::harness::with_descriptors("$(ulimit -H -n)", NAME, || {
        let running = Running::start();
        let mut clients: Vec<_> = (0..1_000).map(|_| running.client()).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            client.write_all(&number.to_le_bytes()).unwrap();
        }
        for (number, client) in clients.iter_mut().enumerate() {
            let mut back = [0; size_of::<usize>()];
            client.read_exact(&mut back).unwrap();
            assert_eq!(usize::from_le_bytes(back), number);
        }
        assert_eq!(running.call(|echo, _| echo.outputs.len()), 1_000);
        drop(clients);
        for _ in 0..1_000 {
            running.closed();
        }
        assert_eq!(running.call(|echo, _| echo.outputs.len()), 0);
    });
}

#[test]
fn more_than_a_turns_budget_are_accepted() {
    let running = Running::with_settings(Settings { accepts: 3, ..Settings::default() });
    let clients: Vec<_> = (0..50).map(|_| running.client()).collect();
    for _ in &clients {
        running.opened();
    }
}

/// The process has no descriptor left while somebody knocks: no spinning, nothing lost, and all is well afterwards.
#[cfg(unix)]
#[test]
fn a_listener_rests_without_descriptors_and_goes_on_later() {
    const NAME: &str = "tests::accepting::a_listener_rests_without_descriptors_and_goes_on_later";
    super::harness::with_descriptors("64", NAME, || {
        let running = Running::start();
        let (mut before, before_token) = running.opened_client();
        let mut ballast = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            ballast.push(file);
        }
        ballast.pop();
        let mut knocking = running.client();
        knocking.write_all(b"let me in").unwrap();

        running.assert_idle();
        before.write_all(b"unharmed").unwrap();
        assert_eq!(running.received(before_token, 8), b"unharmed");
        assert!(running.events.try_recv().is_err(), "there was no descriptor to accept with");

        drop(ballast);
        let (token, _) = running.opened();
        assert_eq!(running.received(token, 9), b"let me in");
    });
}

#[test]
fn a_port_in_use_is_told_with_advice() {
    let running = Running::start();
    let address = running.address;
    let error = running.call(move |_, io| io.listen(&address.into())).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {address}: address in use; is another logger or server running? choose another port"
        )
    );
    let error = running.call(|_, io| io.listen(&"192.0.2.1:0".parse().unwrap())).unwrap_err();
    assert!(matches!(error, ListenError::NotOurs { .. }), "{error}");
    let error = running.call(|_, io| io.listen(&"no..host:0".parse().unwrap())).unwrap_err();
    assert!(matches!(error, ListenError::Resolve { .. }), "{error}");
}

#[test]
fn names_and_both_families_can_be_listened_on() {
    let running = Running::start();
    let named = running.call(|_, io| io.listen(&"localhost:0".parse().unwrap())).unwrap();
    assert!(named.address.ip().is_loopback());
    drop(client(named.address));
    assert_eq!(running.opened().1, Via::Listener(named.id));

    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return; // A machine without IPv6.
    }
    let both = running.call(|_, io| io.listen(&"[::]:0".parse().unwrap())).unwrap();
    for host in ["127.0.0.1", "::1"] {
        let _client = client(std::net::SocketAddr::new(host.parse().unwrap(), both.address.port()));
        assert_eq!(running.opened().1, Via::Listener(both.id));
    }
}

#[test]
fn a_listener_can_be_closed_without_its_connections() {
    let running = Running::start();
    // Where there is one, an address that no other test uses, lest one of them takes the port.
    let address = if cfg!(target_os = "linux") { "127.0.0.77:0" } else { "127.0.0.1:0" };
    let listening = running.call(|_, io| io.listen(&address.parse().unwrap())).unwrap();
    let mut stays = client(listening.address);
    let (token, via) = running.opened();
    assert_eq!(via, Via::Listener(listening.id));
    running.call(move |_, io| io.stop_listening(listening.id));
    // Child processes that other tests are just starting may hold copies of the listener for a moment.
    eventually("nobody listens", || std::net::TcpStream::connect(listening.address).is_err());
    stays.write_all(b"here").unwrap();
    assert_eq!(running.received(token, 4), b"here");
    // And its port is free at once, its connection notwithstanding.
    let again = running.call(move |_, io| io.listen(&listening.address.into())).unwrap();
    assert_ne!(again.id, listening.id);
}
