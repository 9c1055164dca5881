//! `Server` and `Client` of Python Comms.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::{self, Receiver};

use dict_event_loop::client::{Client, ClientClosed, Content, Incoming, SendError, WriterOptions};
use dict_protocol::dictionary;
use dict_protocol::encoding::json;

use super::super::lab::{Lab, SOON, wait_for};
use super::{describe, follow, older_server};

const PEER: &str = "comms/127.0.0.1";

/// Says something as an original client or server does.
fn say(stream: &mut TcpStream, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    stream.write_all(&[&length[..], payload].concat()).unwrap();
}

/// Waits for a message.
fn hears(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut payload = vec![0; u32::from_le_bytes(length) as usize];
    stream.read_exact(&mut payload).unwrap();
    payload
}

/// What the client hears, from now on.
fn listen(client: &Client) -> Receiver<Incoming> {
    let (told, messages) = mpsc::channel();
    client.on_message(move |message| drop(told.send(message.clone()))).unwrap();
    client.ping(SOON).unwrap();
    messages
}

/// A connection of an original client, once the hub knows it.
fn older(lab: &Lab, peers: &Receiver<String>, name: &str) -> TcpStream {
    let stream = lab.connect(0);
    assert_eq!(peers.recv_timeout(SOON).unwrap(), format!("+{name}"));
    stream
}

#[test]
fn a_server_is_started() {
    let lab = Lab::new(&["comms://127.0.0.1:0?type=string"], &[]);
    let program = lab.client("program");
    let messages = listen(&program);
    // More than the five that the original takes.
    let mut clients: Vec<TcpStream> = (0..8).map(|_| lab.connect(0)).collect();
    for client in &mut clients {
        say(client, b"hello");
        assert_eq!(messages.recv_timeout(SOON).unwrap().content, "hello".into());
    }
}

#[test]
fn a_server_is_stopped() {
    let mut lab = Lab::new(&["comms://127.0.0.1:0?type=string"], &[]);
    let program = lab.client("program");
    let peers = follow(&program);
    let mut client = older(&lab, &peers, PEER);
    lab.stop();
    let ended = client.read(&mut [0]).unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::ConnectionReset, "an original client notices nothing else");
}

#[test]
fn a_message_is_broadcast() {
    let lab = Lab::new(&["comms://127.0.0.1:0?type=json"], &[]);
    let program = lab.client("program");
    let peers = follow(&program);
    let mut clients = [older(&lab, &peers, PEER), older(&lab, &peers, &format!("{PEER}#2"))];
    program.send(None, dictionary! { "cmd" => "fire" }).unwrap();
    for client in &mut clients {
        assert_eq!(hears(client), br#"{"cmd": "fire"}"#);
    }
}

#[test]
fn a_message_is_sent_to_one() {
    let lab = Lab::new(&["comms://127.0.0.1:0?type=string"], &[]);
    let program = lab.client("program");
    let peers = follow(&program);
    let second_name = format!("{PEER}#2");
    let (mut first, mut second) = (older(&lab, &peers, PEER), older(&lab, &peers, &second_name));
    let (told, notices) = mpsc::channel();
    program.on_notice(move |text| drop(told.send(text.to_owned())));
    program.send(Some(&second_name), "only you").unwrap();
    program.send(Some("comms/10.9.8.7"), "nobody").unwrap();
    assert!(notices.recv_timeout(SOON).unwrap().contains("10.9.8.7"), "whoever is not there is told of");
    program.send(None, "all").unwrap();
    assert_eq!([hears(&mut second), hears(&mut second)], [b"only you".to_vec(), b"all".to_vec()]);
    assert_eq!(hears(&mut first), b"all");
}

#[test]
fn clients_are_listed() {
    let lab = Lab::new(&["comms://127.0.0.1:0"], &[]);
    let program = lab.client("program");
    let peers = follow(&program);
    let client = older(&lab, &peers, PEER);
    let entry = describe(&program, PEER);
    let address = client.local_addr().unwrap().to_string();
    assert!(entry["address"].as_str().unwrap().contains(&address), "{entry:?}");
}

#[test]
fn whoever_connects_is_named() {
    let lab = Lab::new(&["comms://127.0.0.1:0"], &[]);
    let program = lab.client("program");
    let peers = follow(&program);
    let _clients = [lab.connect(0), lab.connect(0)];
    let told = [peers.recv_timeout(SOON).unwrap(), peers.recv_timeout(SOON).unwrap()];
    assert_eq!(told, [format!("+{PEER}"), format!("+{PEER}#2")]);
}

#[test]
fn whoever_closes_is_named() {
    let lab = Lab::new(&["comms://127.0.0.1:0"], &[]);
    let program = lab.client("program");
    let peers = follow(&program);
    let first = older(&lab, &peers, PEER);
    let second = older(&lab, &peers, &format!("{PEER}#2"));
    drop(second);
    assert_eq!(peers.recv_timeout(SOON).unwrap(), format!("-{PEER}#2"));
    drop(first);
    assert_eq!(peers.recv_timeout(SOON).unwrap(), format!("-{PEER}"));
}

#[test]
fn the_sender_of_a_message_is_named() {
    let lab = Lab::new(&["comms://127.0.0.1:0?type=json"], &[]);
    let program = lab.client("program");
    let (peers, messages) = (follow(&program), listen(&program));
    let mut first = older(&lab, &peers, PEER);
    let mut second = older(&lab, &peers, &format!("{PEER}#2"));
    for (stream, name) in [(&mut second, format!("{PEER}#2")), (&mut first, PEER.to_owned())] {
        // Repeated, it is two messages.
        for _ in 0..2 {
            say(stream, br#"{"cmd": "fire"}"#);
            let content = Content::Value(dictionary! { "cmd" => "fire" }.into());
            let expected = Incoming { from: name.clone(), to: None, content };
            assert_eq!(messages.recv_timeout(SOON).unwrap(), expected);
        }
    }
}

#[test]
fn a_servers_callbacks_are_removed() {
    let lab = Lab::new(&["comms://127.0.0.1:0?type=string"], &[]);
    let program = lab.client("program");
    let (told, heard) = mpsc::channel();
    let (peer, message) = (told.clone(), told);
    let on_peer = program.on_peer(move |_| peer.send("peer").unwrap()).unwrap();
    let on_message = program.on_message(move |_| message.send("message").unwrap()).unwrap();
    program.ping(SOON).unwrap();
    let mut client = lab.connect(0);
    assert_eq!(heard.recv_timeout(SOON), Ok("peer"));
    say(&mut client, b"one");
    assert_eq!(heard.recv_timeout(SOON), Ok("message"));
    assert!(program.remove_callback(on_message) && program.remove_callback(on_peer));
    say(&mut client, b"two");
    drop(client);
    assert!(heard.recv_timeout(SOON).is_err(), "they are dropped, and were not called");
}

#[test]
fn the_type_of_messages_is_agreed() {
    let links = [
        "comms://127.0.0.1:0?type=binary",
        "comms://127.0.0.1:0?type=string,send=json",
        "comms://127.0.0.1:0?type=json",
    ];
    let lab = Lab::new(&links, &[]);
    let program = lab.client("program");
    let (peers, messages) = (follow(&program), listen(&program));
    let contents = [Content::Binary(b"{}".to_vec()), "{}".into(), Content::Value(dictionary! {}.into())];
    for (gateway, content) in contents.into_iter().enumerate() {
        let mut client = lab.connect(gateway);
        assert_eq!(peers.recv_timeout(SOON).unwrap(), format!("+{PEER}"));
        say(&mut client, b"{}");
        assert_eq!(messages.recv_timeout(SOON).unwrap().content, content);
        if gateway == 1 {
            program.send(Some(PEER), "text").unwrap();
            assert_eq!(hears(&mut client), b"\"text\"", "what is sent may be another type");
        }
        drop(client);
        assert_eq!(peers.recv_timeout(SOON).unwrap(), format!("-{PEER}"));
    }
}

#[test]
fn the_order_of_a_lengths_bytes_is_agreed() {
    let lab = Lab::new(&["comms://127.0.0.1:0?type=string,order=big"], &[]);
    let program = lab.client("program");
    let (peers, messages) = (follow(&program), listen(&program));
    let mut client = older(&lab, &peers, PEER);
    client.write_all(b"\0\0\0\x05hello").unwrap();
    assert_eq!(messages.recv_timeout(SOON).unwrap().content, "hello".into());
    program.send(Some(PEER), "you too").unwrap();
    let mut bytes = [0; 11];
    client.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"\0\0\0\x07you too");
}

#[test]
fn the_most_recent_is_sent_to_one_that_reads_slowly() {
    const UPDATES: i64 = 100;
    let lab = Lab::new(&["comms://127.0.0.1:0?type=json,watch=camera"], &[]);
    let program = lab.client("program");
    let peers = follow(&program);
    let mut client = older(&lab, &peers, PEER);
    let camera = program.writer("camera", WriterOptions::default()).unwrap();
    for n in 0..UPDATES {
        // In all far more than the system keeps for one that does not read.
        camera.publish(&dictionary! { "n" => n, "image" => "x".repeat(500_000) }).unwrap();
        camera.flush(SOON).unwrap();
    }
    let mut seen = Vec::new();
    while seen.last() != Some(&(UPDATES - 1)) {
        let message = json::read(hears(&mut client), 8).unwrap();
        seen.push(message.as_dictionary().unwrap()["n"].as_i64().unwrap());
    }
    assert!(seen.is_sorted() && seen.len() < 100, "{seen:?}");
}

#[test]
fn what_one_client_says_is_relayed() {
    let lab = Lab::new(&["comms://127.0.0.1:0?type=string,relay=true"], &[]);
    let program = lab.client("program");
    let peers = follow(&program);
    let (mut first, mut second) = (older(&lab, &peers, PEER), older(&lab, &peers, &format!("{PEER}#2")));
    say(&mut first, b"hello");
    assert_eq!((hears(&mut first), hears(&mut second)), (b"hello".to_vec(), b"hello".to_vec()));
}

#[test]
fn a_client_connects() {
    let (server, address) = older_server();
    let lab = Lab::new(&[], &[&format!("comms://{address}?type=string")]);
    let program = lab.client("program");
    let messages = listen(&program);
    let (mut stream, _) = server.accept().unwrap();
    say(&mut stream, b"welcome");
    let message = messages.recv_timeout(SOON).unwrap();
    assert_eq!((message.from.as_str(), message.content), (PEER, "welcome".into()));
}

#[test]
fn a_client_sends() {
    let (server, address) = older_server();
    let lab = Lab::new(&[], &[&format!("comms://{address}?type=json")]);
    let program = lab.client("program");
    let (mut stream, _) = server.accept().unwrap();
    describe(&program, PEER);
    program.send(Some(PEER), dictionary! { "n" => 1 }).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    assert_eq!(hears(&mut stream), br#"{"n": 1}"#);
    program.send(None, "to everybody").unwrap();
    assert_eq!(hears(&mut stream), br#""to everybody""#);
}

#[test]
fn a_client_closes() {
    let (server, address) = older_server();
    let mut lab = Lab::new(&[], &[&format!("comms://{address}?type=string")]);
    let program = lab.client("program");
    let (mut stream, _) = server.accept().unwrap();
    assert_eq!(program.close(SOON), 0);
    assert_eq!(program.send(None, "x"), Err(SendError::Closed(ClientClosed::ByProgram)));
    lab.stop();
    stream.set_read_timeout(Some(SOON)).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_client_connects_again_or_not() {
    let (server, address) = older_server();
    let mut lab = Lab::new(&[], &[&format!("comms://{address}?type=string")]);
    let again = Client::builder().name("again").connect(&*lab.hub.to_string()).unwrap();
    let once = Client::builder().name("once").reconnect(false).connect(&*lab.hub.to_string()).unwrap();
    let messages = listen(&again);
    // To a server of the older system always, and as often as it takes.
    for _ in 0..3 {
        let (mut stream, _) = server.accept().unwrap();
        say(&mut stream, b"here I am");
        assert_eq!(messages.recv_timeout(SOON).unwrap().content, "here I am".into());
    }
    lab.stop();
    let closed =
        wait_for("the end", || once.send(None, "x").err().filter(|e| matches!(e, SendError::Closed(_))));
    assert!(matches!(closed, SendError::Closed(ClientClosed::Lost { .. })), "{closed}");
    assert!(matches!(again.send(None, "x"), Err(SendError::Send(_))), "it tries again");
}

#[test]
fn a_clients_callbacks_are_added() {
    let mut lab = Lab::new(&["comms://127.0.0.1:0?type=string"], &[]);
    let (told, heard) = mpsc::channel();
    let (connects, closes, messages) = (told.clone(), told.clone(), told);
    let program = Client::builder()
        .name("program")
        .on_connect(move |hub| connects.send(format!("connected as {}", hub.client)).unwrap())
        .on_close(move |_| closes.send("closed".to_owned()).unwrap())
        .connect(&*lab.hub.to_string())
        .unwrap();
    program.on_message(move |message| messages.send(format!("from {}", message.from)).unwrap()).unwrap();
    program.ping(SOON).unwrap();
    say(&mut lab.connect(0), b"hello");
    let next = || heard.recv_timeout(SOON).unwrap();
    assert_eq!([next(), next()], ["connected as program".to_owned(), format!("from {PEER}")]);
    lab.stop();
    assert_eq!(next(), "closed");
}

#[test]
fn a_clients_callbacks_are_removed() {
    let mut lab = Lab::new(&["comms://127.0.0.1:0?type=string"], &[]);
    let program = lab.client("program");
    let (told, heard) = mpsc::channel();
    let (first, second, third) = (told.clone(), told.clone(), told.clone());
    let removed = [
        program.on_message(move |_| first.send("removed").unwrap()).unwrap(),
        program.on_close(move |_| second.send("removed").unwrap()),
        program.on_connect(move |_| third.send("removed").unwrap()),
    ];
    let close = told.clone();
    program.on_message(move |_| told.send("message").unwrap()).unwrap();
    program.on_close(move |_| close.send("close").unwrap());
    assert!(removed.into_iter().all(|id| program.remove_callback(id)));
    program.ping(SOON).unwrap();
    say(&mut lab.connect(0), b"hello");
    assert_eq!(heard.recv_timeout(SOON), Ok("message"));
    lab.stop();
    assert_eq!(heard.recv_timeout(SOON), Ok("close"));
}
