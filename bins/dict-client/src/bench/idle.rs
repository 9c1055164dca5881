//! `dict-client bench idle`: connections to which nothing comes.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};
use dict_event_loop::Clock;
use dict_protocol::dictionary;
use dict_protocol::packet::Mode;

use super::arguments::{Format, IdleArguments};
use super::connection::{Connection, Hub, LITTLE};
use super::report;
use super::watcher::subscribe;

/// Files that this process has open besides.
const OTHERS: u64 = 20;

pub(super) fn run(hub: &Hub, arguments: &IdleArguments, format: Format) -> Result<()> {
    let IdleArguments { connections: count, hold, pid } = *arguments;
    let needed = u64::from(count) + OTHERS;
    if let Some(allowed) = dict_cli::raise_open_files(needed).filter(|allowed| *allowed < needed) {
        bail!(
            "{count} connections take {needed} open files, and this process may have {allowed}: raise the system's limit \
             (ulimit -Hn), or open fewer"
        );
    }
    let prefix = super::new_prefix();
    let before = pid.map(resident_kib).transpose()?;
    let started = Instant::now();
    let mut connections: Vec<Connection> = Vec::new();
    let mut tended = Instant::now();
    for number in 1..=count {
        let connection = hub.connect(LITTLE).and_then(|mut connection| {
            subscribe(&mut connection, &prefix, Mode::Latest)?;
            Ok(connection)
        });
        connections.push(connection.with_context(|| format!("connection {number} of {count}"))?);
        if tended.elapsed() > super::connection::TICK * 4 {
            tend(&mut connections)?;
            tended = Instant::now();
        }
    }
    let connecting = started.elapsed();
    let opened = Instant::now();
    while opened.elapsed() < hold {
        tend(&mut connections)?;
        let left = hold.saturating_sub(opened.elapsed());
        std::thread::sleep(left.min(super::connection::TICK * 4));
    }
    let after = pid.map(resident_kib).transpose()?;

    let mut figures = dictionary! {
        "connections" => count,
        "connecting_seconds" => report::seconds(connecting),
        "connections_per_second" => report::per_second(count.into(), connecting),
    };
    if let (Some(before), Some(after)) = (before, after) {
        let grown = after as f64 - before as f64;
        figures.insert("resident_kib_before", before);
        figures.insert("resident_kib_after", after);
        figures.insert("kib_per_connection", (grown / f64::from(count) * 1e3).round() / 1e3);
    }
    report::print(figures, format)?;
    connections.into_iter().try_for_each(Connection::close)
}

/// Does for each connection what is due, so that none is taken for dead.
fn tend(connections: &mut [Connection]) -> Result<()> {
    let now = Clock::now();
    let count = connections.len();
    for (number, connection) in (1..).zip(connections) {
        connection.look(now).with_context(|| format!("connection {number} of {count}"))?;
    }
    Ok(())
}

/// The resident memory of a process. Only Linux tells it so.
fn resident_kib(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| {
        format!("--pid {pid}: cannot read {path}: is it a process of this machine, and that Linux?")
    })?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| anyhow!("--pid {pid}: {path} tells no resident memory (VmRSS)"))
}
