//! Other clients that come and go.

use std::sync::mpsc::{self, Receiver};

use dict_event_loop::client::{Client, PeerEvent, RequestOptions};
use dict_protocol::limits::Limits;
use dict_protocol::value::Value;

use super::support::{A_WHILE, Hub, SOON, eventually};

/// What the client is told of others, from now on.
fn follow(client: &Client) -> Receiver<PeerEvent> {
    let (told, peers) = mpsc::channel();
    client.on_peer(move |event| told.send(event.clone()).unwrap()).unwrap();
    client.ping(SOON).unwrap();
    peers
}

/// A short form: who came (+) or went (-).
fn next(peers: &Receiver<PeerEvent>) -> String {
    match peers.recv_timeout(SOON).unwrap() {
        PeerEvent::Opened { name, .. } => format!("+{name}"),
        PeerEvent::Closed { name, .. } => format!("-{name}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn those_who_come_and_go_are_named() {
    let hub = Hub::new();
    let (watcher, _earlier) = (hub.client("watcher"), hub.client("earlier"));
    let peers = follow(&watcher);
    let psu = hub.builder("psu").product("psu 1.0").connect(&hub.address).unwrap();
    let PeerEvent::Opened { name, address, product } = peers.recv_timeout(SOON).unwrap() else { panic!() };
    assert_eq!((name.as_str(), product.as_str()), ("psu", "psu 1.0"));
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let second = hub.client("psu");
    assert_eq!(next(&peers), "+psu#2");
    psu.send(None, "a message is nobody's coming").unwrap();
    psu.close(SOON);
    let PeerEvent::Closed { name, address: same, reason } = peers.recv_timeout(SOON).unwrap() else {
        panic!()
    };
    assert_eq!((name.as_str(), &same), ("psu", &address));
    assert!(reason.contains("closing"), "{reason}");
    second.close(SOON);
    assert_eq!(next(&peers), "-psu#2");
    assert!(peers.recv_timeout(A_WHILE).is_err());
}

#[test]
fn what_was_missed_while_the_connection_was_gone_is_said() {
    let mut hub = Hub::new();
    let address = hub.address.clone();
    let watcher = hub.client("watcher");
    let peers = follow(&watcher);
    hub.client("first").close(SOON);
    assert_eq!([next(&peers), next(&peers)], ["+first", "-first"]);
    hub.stop();
    eventually(|| !watcher.is_connected());
    let hub = Hub::at(&address, Limits::default());
    watcher.wait_connected(SOON).unwrap();
    assert_eq!(next(&peers), "Missed");
    watcher.ping(SOON).unwrap();
    let _second = hub.client("second");
    assert_eq!(next(&peers), "+second");
}

#[test]
fn it_ends_when_the_callback_is_removed() {
    let hub = Hub::new();
    let (watcher, other) = (hub.client("watcher"), hub.client("other"));
    let (told, peers) = mpsc::channel();
    let id = watcher.on_peer(move |event| told.send(event.clone()).unwrap()).unwrap();
    assert!(watcher.remove_callback(id));
    watcher.ping(SOON).unwrap();
    let clients = other.request("$clients", Value::Null, &RequestOptions::default()).unwrap();
    let subscriptions = clients.as_list().unwrap().iter().filter_map(Value::as_dictionary);
    assert!(subscriptions.into_iter().all(|client| client["subscriptions"] == 0.into()), "{clients:?}");
    let _third = hub.client("third");
    assert!(peers.recv_timeout(SOON).is_err(), "the callback is dropped, not called");
}

#[test]
fn what_the_callback_does_not_take_is_bounded() {
    let hub = Hub::new();
    let limits = Limits { callbacks: 2, ..Limits::default() };
    let watcher = hub.builder("watcher").limits(limits).connect(&hub.address).unwrap();
    let (told, peers) = mpsc::channel();
    let (release, wait) = mpsc::channel::<()>();
    watcher
        .on_peer(move |event| {
            told.send(event.clone()).unwrap();
            let _ = wait.recv();
        })
        .unwrap();
    watcher.ping(SOON).unwrap();
    let connect = |name: &str| {
        let client = hub.client(name);
        // It was told of before it answers.
        watcher.ping(SOON).unwrap();
        client
    };
    let _first = connect("0");
    assert_eq!(next(&peers), "+0", "and this blocks");
    let _others: Vec<Client> = ["1", "2", "3", "4"].into_iter().map(connect).collect();
    drop(release);
    assert_eq!([next(&peers), next(&peers), next(&peers)], ["+1", "+2", "Missed"]);
    let _last = connect("5");
    assert_eq!(next(&peers), "+5");
}
