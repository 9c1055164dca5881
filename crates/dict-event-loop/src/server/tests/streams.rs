//! The streams of parties: to the hub, from their listeners, and to where they wish.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::time::Duration;

use dict_protocol::limits::Limits;
use dict_protocol::session::{self, Session};

use super::puppet::{Event, add_puppet, alone, client, join, listening};
use crate::server::{Manner, Origin, Server, Settings, StreamId, Wish};
use crate::tests::harness::{eventually, pattern};
use crate::{Clock, Close, Retry};

fn greeting(name: &str) -> (Session, Vec<u8>) {
    let mut session = Session::new(session::Settings {
        name: name.to_owned(),
        product: "test".to_owned(),
        credentials: String::new(),
        client_id: [1; 16],
        limits: Limits::default(),
    });
    session.connected(Clock::now());
    let mut bytes = Vec::new();
    session.take_output(&mut bytes);
    (session, bytes)
}

#[test]
fn a_party_is_several_clients_of_the_hub() {
    let (running, strings) = alone();
    strings.wish(join(7, "10.0.0.7:1", Duration::ZERO));
    strings.wish(join(8, "10.0.0.8:1", Duration::from_millis(10)));
    let (seven, origin, peer) = strings.opened();
    assert_eq!((origin, peer.as_str()), (Origin::Local(7), "10.0.0.7:1"));
    let (eight, origin, peer) = strings.opened();
    assert_eq!((origin, peer.as_str()), (Origin::Local(8), "10.0.0.8:1"));
    assert_ne!(seven, eight);

    // One says what nobody understands, and only that one ends.
    let (mut session, hello) = greeting("eight");
    strings.pull(move |puppet| {
        puppet.send(seven, &[0x55; 100]);
        puppet.send(eight, &hello);
    });
    let mut closed = false;
    while !(session.is_open() && closed) {
        match strings.event() {
            Event::Received(stream, bytes) if stream == eight => {
                session.receive(Clock::now(), &bytes, &mut |_| ());
            }
            Event::Received(stream, _) => assert_eq!(stream, seven),
            Event::Closed(stream) => {
                assert_eq!(stream, seven);
                closed = true;
            }
            unexpected => panic!("{unexpected:?}"),
        }
    }

    // Nothing comes in its place that is not wished for.
    strings.wish(join(9, "10.0.0.9:1", Duration::from_millis(150)));
    assert_eq!(strings.opened().1, Origin::Local(9));
    running.stop();
}

#[test]
fn a_party_has_listeners_of_its_own() {
    let (running, strings, addresses) = listening(2);
    let mut first = client(addresses[0]);
    let (first_stream, origin, _) = strings.opened();
    assert_eq!(origin, Origin::Listener(0));
    let mut second = client(addresses[1]);
    let (second_stream, origin, peer) = strings.opened();
    assert_eq!(origin, Origin::Listener(1));
    assert_eq!(peer, second.local_addr().unwrap().to_string());

    second.write_all(b"question").unwrap();
    assert_eq!(strings.event(), Event::Received(second_stream, b"question".to_vec()));
    strings.pull(move |puppet| {
        puppet.send(second_stream, b"answer");
        puppet.end(second_stream, Close::Drain);
        puppet.end(first_stream, Close::Reset);
    });
    let mut answer = String::new();
    second.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "answer");
    assert_eq!(first.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    running.stop();
}

#[test]
fn a_party_listens_everywhere_or_nowhere() {
    let taker = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taker.local_addr().unwrap();
    let free = {
        let listener = TcpListener::bind("127.0.0.78:0").or_else(|_| TcpListener::bind("127.0.0.1:0"));
        listener.unwrap().local_addr().unwrap()
    };
    let mut server = Server::new(Settings::default()).unwrap();
    let error = add_puppet(&mut server, &[free.into(), taken.into()]).err().unwrap();
    assert!(error.to_string().contains(&format!("{taken}: address in use")), "{error}");
    // Child processes that other tests are just starting may hold copies of the listener for a moment.
    eventually("the first address is free", || add_puppet(&mut server, &[free.into()]).is_ok());
}

#[test]
fn the_other_half_lives_as_long_as_the_party_wants() {
    let (running, strings, addresses) = listening(1);
    strings.pull(|puppet| puppet.after_input = None);
    let mut stays = client(addresses[0]);
    let (stream, ..) = strings.opened();
    stays.shutdown(Shutdown::Write).unwrap();
    assert_eq!(strings.event(), Event::InputEnded(stream));
    strings.pull(move |puppet| puppet.send(stream, b"still here"));
    let mut bytes = [0; 10];
    stays.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"still here");

    strings.pull(|puppet| puppet.after_input = Some(Close::Drain));
    let mut goes = client(addresses[0]);
    let (stream, ..) = strings.opened();
    goes.shutdown(Shutdown::Write).unwrap();
    assert_eq!(strings.event(), Event::InputEnded(stream));
    assert_eq!(goes.read(&mut [0]).unwrap(), 0);
    assert_eq!(strings.event(), Event::Closed(stream));
    running.stop();
}

#[test]
fn a_link_on_demand_is_made_once() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let (running, strings) = alone();
    let reach = |place| Wish::Reach { place, address: address.into(), retry: Retry::Never, tls: None };
    for place in 3..6 {
        strings.wish(reach(place));
        let (mut accepted, _) = server.accept().unwrap();
        let (stream, origin, peer) = strings.opened();
        assert_eq!((origin, peer), (Origin::Link(place), address.to_string()));
        strings.pull(move |puppet| puppet.send(stream, b"message"));
        let mut bytes = [0; 7];
        accepted.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"message");
        drop(accepted);
        assert_eq!(strings.event(), Event::InputEnded(stream));
        assert_eq!(strings.event(), Event::Closed(stream));
    }
    server.set_nonblocking(true).unwrap();
    std::thread::sleep(Duration::from_millis(150));
    assert!(server.accept().is_err(), "it came again");

    drop(server);
    strings.wish(reach(6));
    assert!(matches!(strings.event(), Event::LinkFailed(6, error) if error.contains("connection refused")));
    std::thread::sleep(Duration::from_millis(150));
    assert!(strings.events.try_recv().is_err(), "it was tried again");
    running.stop();
}

#[test]
fn a_permanent_link_comes_again() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let (running, strings) = alone();
    strings.wish(Wish::Reach { place: 2, address: address.into(), retry: Retry::Always, tls: None });
    let mut streams: Vec<StreamId> = Vec::new();
    for _ in 0..3 {
        drop(server.accept().unwrap());
        let (stream, origin, _) = strings.opened();
        assert_eq!(origin, Origin::Link(2));
        assert!(!streams.contains(&stream));
        streams.push(stream);
        while strings.event() != Event::Closed(stream) {}
    }
    drop(server);
    for _ in 0..2 {
        while !matches!(strings.event(), Event::LinkFailed(2, _)) {}
    }
    running.stop();
}

#[test]
fn a_fragile_stream_is_acknowledged_and_ends_by_a_reset() {
    let (running, strings, addresses) = listening(1);
    strings.pull(|puppet| puppet.manner = Manner::Fragile);
    let mut client = client(addresses[0]);
    let (stream, ..) = strings.opened();
    strings.pull(move |puppet| puppet.send(stream, &pattern(1_000)));
    assert_eq!(strings.event(), Event::Acknowledged(stream));
    let mut bytes = vec![0; 1_000];
    client.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, pattern(1_000));
    strings.pull(move |puppet| puppet.end(stream, Close::Drain));
    assert_eq!(strings.event(), Event::Closed(stream));
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    running.stop();
}

#[test]
fn a_party_that_takes_no_input_gets_all_of_it_later() {
    let (running, strings, addresses) = listening(1);
    strings.wish(join(0, "here", Duration::ZERO));
    let (local, ..) = strings.opened();
    let mut client = client(addresses[0]);
    let (stream, ..) = strings.opened();
    let (_, hello) = greeting("held up");
    strings.pull(move |puppet| {
        puppet.takes_input = false;
        puppet.send(local, &hello);
    });
    client.write_all(b"later").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert!(strings.events.try_recv().is_err());
    strings.pull(|puppet| puppet.takes_input = true);
    let mut from = Vec::new();
    while !(from.contains(&local) && from.contains(&stream)) {
        match strings.event() {
            Event::Received(stream, _) => from.push(stream),
            unexpected => panic!("{unexpected:?}"),
        }
    }
    running.stop();
}
