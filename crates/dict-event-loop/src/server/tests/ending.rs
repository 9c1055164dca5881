//! Streams that do not last, and servers that stop.

use std::io::Read;
use std::time::Duration;

use super::puppet::{Event, Running, add_puppet, client, join};
use crate::server::{Server, Settings, Wish};
use crate::tests::harness::eventually;
use crate::{Address, Retry};

#[test]
fn a_party_that_lost_its_connection_is_joined_again_though_nothing_else_happens_and_not_at_once() {
    let mut server = Server::new(Settings::default()).unwrap();
    let (strings, _) = add_puppet(&mut server, &[]).unwrap();
    let running = Running::start(server);
    strings.pull(|puppet| {
        puppet.fickle = Some(join(0, "here", Duration::from_millis(100)));
        puppet.wishes.push_back(join(0, "here", Duration::ZERO));
    });
    std::thread::sleep(Duration::from_millis(650));
    running.stop();
    let opened = strings.events.try_iter().filter(|event| matches!(event, Event::Opened(..))).count();
    assert!((2..=8).contains(&opened), "joined {opened} times");
}

#[test]
fn a_server_that_stops_hears_all_its_parties_and_lets_nobody_new_in() {
    let mut server = Server::new(Settings::default()).unwrap();
    // Where there is one, an address that no other test uses, lest one of them takes the port.
    let address = if cfg!(target_os = "linux") { "127.0.0.79:0" } else { "127.0.0.1:0" };
    let address: Address = address.parse().unwrap();
    let (owing, addresses) = add_puppet(&mut server, &[address]).unwrap();
    let (other, _) = add_puppet(&mut server, &[]).unwrap();
    let running = Running::start(server);
    owing.pull(|puppet| puppet.owes = true);
    let mut known = client(addresses[0]);
    let (stream, ..) = owing.opened();

    running.handle.stop();
    assert_eq!(owing.event(), Event::Finishing);
    assert_eq!(other.event(), Event::Finishing, "nobody tells it while another is not finished");
    // It owes something, also to somebody whom it has yet to reach.
    let far = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let reached = far.local_addr().unwrap();
    owing.wish(Wish::Reach { place: 5, address: reached.into(), retry: Retry::Never, tls: None });
    owing.pull(move |puppet| puppet.send(stream, b"the last"));
    let (mut accepted, _) = far.accept().unwrap();
    // Child processes that other tests are just starting may hold copies of the listener for a moment.
    eventually("nobody listens", || std::net::TcpStream::connect(addresses[0]).is_err());
    owing.pull(|puppet| puppet.owes = false);
    running.stop();
    let mut last = String::new();
    known.read_to_string(&mut last).unwrap();
    assert_eq!(last, "the last");
    assert_eq!(accepted.read(&mut [0]).unwrap(), 0);
}
