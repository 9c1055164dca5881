//! Row 11: peers that are gone without a word.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use dict_event_loop::Clock;
use dict_event_loop::client::Client;
use dict_protocol::limits::Limits;
use dict_protocol::packet::Mode;
use dict_protocol::pattern::Pattern;
use dict_protocol::session::{Session, Settings};

use super::proxy::{Manner, Proxy};
use super::systems::{Hub, wait_until};
use super::{Miss, Setting, ensure};
use crate::programs::PATIENCE;

/// Silent peers at once.
const ROUND: usize = 250;

/// Beyond three heartbeats, for timers and a busy machine.
const LEEWAY: Duration = Duration::from_secs(1);

pub(super) fn run(setting: &Setting) -> Result<String, Miss> {
    let times = setting.times(1_000, 100);
    let limits = Limits {
        heartbeat: setting.form(Duration::from_secs(2), Duration::from_millis(300)),
        ..Limits::default()
    };
    let bound = limits.heartbeat * 3 + LEEWAY;
    let hub = Hub::start();
    let client =
        Client::builder().name("witness").connect(&*hub.address).map_err(|error| error.to_string())?;
    client.ping(PATIENCE).map_err(|error| error.to_string())?;
    let before = hub.service.running.descriptors();
    let mut slowest = Duration::ZERO;
    let mut left = times;
    while left > 0 {
        let peers = left.min(ROUND);
        slowest = slowest.max(fall_silent(&hub, peers, before, &limits)?);
        left -= peers;
    }
    setting.within("finding silent peers", slowest, bound)?;
    wait_until("their descriptors are freed", || hub.service.running.descriptors() == before)?;
    let noticed = notices(&hub, &limits)?;
    setting.within("a client's finding a silent hub", noticed, bound)?;
    wait_until("nothing leaks", || hub.service.running.descriptors() == before)?;
    Ok(format!(
        "{times} peers, heartbeats of {:?}: the last found after {:.2} s, a client found a silent hub after {:.2} s; \
         {before} descriptors before and after",
        limits.heartbeat,
        slowest.as_secs_f64(),
        noticed.as_secs_f64()
    ))
}

/// Peers greet, subscribe and say no more; how long until all of them are found.
fn fall_silent(hub: &Hub, peers: usize, before: usize, limits: &Limits) -> Result<Duration, Miss> {
    let mut peers: Vec<TcpStream> = (0..peers).map(|_| greeted(&hub.address, limits)).collect();
    let greeted = Instant::now();
    wait_until("all of them are connected", || {
        hub.service.running.descriptors() >= before + peers.len() || greeted.elapsed() > limits.heartbeat
    })?;
    for peer in &mut peers {
        ensure(ends(peer), || "a silent peer is not cut off".to_owned())?;
    }
    Ok(greeted.elapsed())
}

/// A connection on which a client has said what it says at first.
pub(super) fn greeted(hub: &str, limits: &Limits) -> TcpStream {
    let mut session = Session::new(Settings {
        name: "silent".to_owned(),
        product: String::new(),
        credentials: String::new(),
        client_id: dict_event_loop::random_id(),
        limits: limits.clone(),
    });
    session.subscribe(Pattern::all(), Mode::Latest, Duration::ZERO).expect("one is within any limit");
    session.connected(Clock::now());
    let mut stream = TcpStream::connect(hub).expect("the hub listens");
    stream.write_all(session.output()).expect("the system takes a few bytes");
    stream
}

/// Reads to the end, which has to come.
fn ends(peer: &mut TcpStream) -> bool {
    peer.set_read_timeout(Some(PATIENCE)).expect("a time is given");
    let mut buffer = [0; 4_096];
    loop {
        match peer.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

/// How long it takes a client to find that nothing comes any more.
fn notices(hub: &Hub, limits: &Limits) -> Result<Duration, Miss> {
    let proxy = Proxy::start(&hub.address, Manner::Whole);
    let client = Client::builder().name("client").limits(limits.clone());
    let client = client.connect(&*proxy.address).map_err(|error| error.to_string())?;
    client.ping(PATIENCE).map_err(|error| error.to_string())?;
    proxy.fall_silent();
    wait_until("the client notices", || !client.is_connected())
}
