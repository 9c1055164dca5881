//! What stands in Rust in the place of each call of the older systems' Python classes: `PARITY.md` of
//! `dict-gateway` has a row for each test here, and the other way round.

mod comet;
mod comms;
mod pingpong;
mod pytcp;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::mpsc::{self, Receiver};

use dict_event_loop::client::{Client, PeerEvent, RequestOptions};
use dict_protocol::value::{Dictionary, Value};

use super::lab::{SOON, wait_for};

/// A program of an older system that listens, and where.
fn older_server() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// Who comes (+) and goes (-), from now on.
fn follow(client: &Client) -> Receiver<String> {
    let (told, peers) = mpsc::channel();
    let tell = move |event: &PeerEvent| {
        let text = match event {
            PeerEvent::Opened { name, .. } => format!("+{name}"),
            PeerEvent::Closed { name, .. } => format!("-{name}"),
            other => format!("{other:?}"),
        };
        // Nobody may listen any more.
        let _ = told.send(text);
    };
    client.on_peer(tell).unwrap();
    client.ping(SOON).unwrap();
    peers
}

/// What the hub says of a client of that name, once it is there.
fn describe(client: &Client, name: &str) -> Dictionary {
    wait_for(name, || {
        let clients = client.request("$clients", Value::Null, &RequestOptions::default()).unwrap();
        let mut clients = clients.as_list().unwrap().iter().filter_map(Value::as_dictionary);
        clients.find(|client| client["name"] == name.into()).cloned()
    })
}

/// The names of the tests of a file.
fn tests<'a>(dialect: &str, text: &'a str) -> impl Iterator<Item = String> + use<'a> {
    let dialect = dialect.to_owned();
    text.split("#[test]\nfn ")
        .skip(1)
        .map(move |test| format!("{dialect}::{}", test.split('(').next().unwrap()))
}

#[test]
fn each_row_of_the_table_has_its_test_and_each_test_its_row() {
    let table = include_str!("../../../../crates/dict-gateway/PARITY.md");
    let cells = table.lines().filter_map(|line| line.strip_suffix("` |")?.rsplit_once("| `"));
    let rows: Vec<String> = cells.map(|(_, test)| test.to_owned()).collect();
    let files = [
        ("pytcp", include_str!("pytcp.rs")),
        ("comms", include_str!("comms.rs")),
        ("comet", include_str!("comet.rs")),
        ("pingpong", include_str!("pingpong.rs")),
    ];
    let tests: BTreeSet<String> =
        files.into_iter().flat_map(|(dialect, text)| tests(dialect, text)).collect();
    assert!(!tests.is_empty());
    assert_eq!(rows.iter().cloned().collect::<BTreeSet<_>>(), tests);
    assert_eq!(rows.len(), tests.len(), "one row a test");
}
