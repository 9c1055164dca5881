//! Rows 15 and 16: no descriptors left, and everybody at once.

use std::net::TcpStream;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use dict_event_loop::client::Client;
use dict_protocol::limits::Limits;

use super::silent::greeted;
use super::systems::{Hub, wait_until};
use super::{Miss, Setting, ensure};
use crate::programs::{PATIENCE, is_missing};

/// Row 15.
pub(super) fn descriptors(setting: &Setting) -> Result<String, Miss> {
    if is_missing("prlimit", Command::new("prlimit").arg("--version")) {
        return Err(Miss::LeftOut("there is no prlimit".to_owned()));
    }
    let hub = Hub::start();
    let limited = Command::new("prlimit")
        .args(["--nofile=64", &format!("--pid={}", hub.service.running.id())])
        .status();
    assert!(limited.expect("prlimit runs").success());
    let client = |name: &str| Client::builder().name(name).connect_timeout(PATIENCE).connect(&*hub.address);
    let first = client("first").map_err(|error| error.to_string())?;
    first.ping(PATIENCE).map_err(|error| error.to_string())?;
    let since = first.hub();

    let crowd: Vec<TcpStream> = (0..200).map(|_| greeted(&hub.address, &Limits::default())).collect();
    wait_until("no descriptor is left", || hub.service.running.descriptors() >= 63)?;
    let long = Duration::from_secs(setting.form(10, 2));
    let (started, used) = (Instant::now(), hub.service.running.processor_time());
    let mut slowest = Duration::ZERO;
    while started.elapsed() < long {
        slowest = slowest.max(first.ping(PATIENCE).map_err(|error| error.to_string())?);
        sleep(Duration::from_millis(100));
    }
    let used = hub.service.running.processor_time() - used;
    let share = used.as_secs_f64() / started.elapsed().as_secs_f64();
    ensure(setting.short || share < 0.05, || format!("it used {:.1} % of a core", share * 100.0))?;
    ensure(first.hub() == since, || "the one that was connected was not left unharmed".to_owned())?;

    drop(crowd);
    let relieved = Instant::now();
    let second = client("second").map_err(|error| error.to_string())?;
    second.ping(PATIENCE).map_err(|error| error.to_string())?;
    let took = relieved.elapsed();
    setting.within("accepting again", took, Duration::from_secs(1))?;
    Ok(format!(
        "64 descriptors, 200 connects: {:.1} % of a core for {} s, the slowest ping of one connected before {:.1} ms, \
         accepts again after {} ms",
        share * 100.0,
        long.as_secs(),
        slowest.as_secs_f64() * 1e3,
        took.as_millis()
    ))
}

/// Row 16.
pub(super) fn everybody(setting: &Setting) -> Result<String, Miss> {
    let (times, clients) = (setting.times(20, 2), setting.form(500, 50));
    let mut hub = Hub::start();
    let start = |number: usize| Client::builder().name(format!("client{number}")).start(&*hub.address);
    let clients: Vec<Client> =
        (0..clients).map(start).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    wait_until("all are connected", || clients.iter().all(Client::is_connected))?;
    let mut slowest = Duration::ZERO;
    for _ in 0..times {
        let run = |client: &Client| client.hub().map(|hub| hub.run);
        let before = run(&clients[0]);
        hub.service.running.kill();
        hub.service.restart();
        let back = |client: &Client| client.is_connected() && run(client) != before;
        slowest = slowest.max(wait_until("all are back", || clients.iter().all(back))?);
        for client in &clients {
            client.ping(PATIENCE).map_err(|error| error.to_string())?;
        }
    }
    setting.within("everybody's return", slowest, Duration::from_secs(5))?;
    Ok(format!("{} clients, {times} times: all back within {:.2} s", clients.len(), slowest.as_secs_f64()))
}
