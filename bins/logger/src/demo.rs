//! `logger --demo`: two publishers of this machine's own figures, and each change as it is committed.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use dict_cli::{RowTable, Stdout, Stop};
use dict_event_loop::client::{Builder, Client, WriterOptions};
use dict_protocol::dictionary;
use dict_protocol::name::HUB_SOURCE;
use dict_protocol::value::Dictionary;
use dict_timeline::{Filter, Kind, Reader, Timeline};
use sysinfo::{Networks, System};

use crate::serve::Logger;

const CPU: &str = "demo/cpu";
const MEMORY: &str = "demo/memory";

/// Between two publications.
const INTERVAL: Duration = Duration::from_millis(200);
/// Between two looks at what was committed.
const POLL: Duration = Duration::from_millis(50);
/// How long the last values may take to be committed when the demo ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// Refuses a timeline that holds anything but an earlier demo.
pub(crate) fn check(timeline: &Timeline) -> Result<()> {
    let is_foreign = |source: &str| source != CPU && source != MEMORY && !source.starts_with(HUB_SOURCE);
    match timeline.positions()?.into_iter().find(|position| is_foreign(&position.source)) {
        Some(position) => bail!(
            "{} holds {}, and a demo does not belong beside it: give --timeline PATH for one of its own",
            timeline.path().display(),
            position.source
        ),
        None => Ok(()),
    }
}

/// Runs the logger with its two publishers until it is asked to `stop`.
///
/// They end first, so that the logger still takes their last values; the printer ends last, so that it tells of them.
pub(crate) fn run(logger: Logger, path: &Path, quiet: bool, stop: &Stop) -> Result<()> {
    let hub = reachable(*logger.addresses().first().context("a demo has to listen somewhere")?);
    // A hub of larger frames is left alone by whoever does not take them.
    let client = || Client::builder().limits(logger.limits().clone());
    let reader = Reader::open(path)?;
    let start = reader.last_n()?;
    let handle = logger.handle();
    let all_is_committed = Stop::new();

    let printer = (!quiet).then(|| {
        let committed = all_is_committed.clone();
        spawn("printer", stop, move || print(&reader, start, &committed))
    });
    let publishers = [
        spawn("cpu", stop, publisher(client(), hub, CPU, processor(), stop))?,
        spawn("memory", stop, publisher(client(), hub, MEMORY, memory(), stop))?,
    ];
    let supervisor = thread::spawn(move || {
        let ended = publishers.map(join);
        handle.stop();
        ended.into_iter().collect::<Result<()>>()
    });

    let served = logger.run(path);
    stop.ask();
    let published = supervisor.join().map_err(|_| anyhow!("the demo's supervisor panicked"))?;
    all_is_committed.ask();
    if let Some(printer) = printer {
        join(printer?)?;
    }
    served?;
    published?;
    if quiet { Ok(()) } else { say_how_to_look(path) }
}

/// Starts a thread; if it fails, all the others are asked to stop.
fn spawn(
    name: &str,
    stop: &Stop,
    work: impl FnOnce() -> Result<()> + Send + 'static,
) -> Result<JoinHandle<Result<()>>> {
    let stop = stop.clone();
    let work = move || work().inspect_err(|_| stop.ask());
    thread::Builder::new().name(name.to_owned()).spawn(work).context("cannot start a thread")
}

fn join(thread: JoinHandle<Result<()>>) -> Result<()> {
    thread.join().map_err(|_| anyhow!("a thread of the demo panicked"))?
}

/// Where a hub that listens on `address` can be reached from this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}

/// What a program with an instrument does: it connects, and publishes what it reads, over and over.
fn publisher(
    client: Builder,
    hub: SocketAddr,
    source: &'static str,
    mut read: impl FnMut() -> Dictionary + Send + 'static,
    stop: &Stop,
) -> impl FnOnce() -> Result<()> + Send + 'static {
    let stop = stop.clone();
    move || {
        let client = client.name(source).connect(hub.to_string().as_str())?;
        let writer = client.writer(source, WriterOptions::default())?;
        while !stop.within(INTERVAL) {
            writer.publish(&read())?;
        }
        writer.end(FAREWELL)?;
        client.close(FAREWELL);
        Ok(())
    }
}

/// Reads how busy the processor's cores are, in percent.
fn processor() -> impl FnMut() -> Dictionary + Send {
    let mut system = System::new();
    system.refresh_cpu_usage();
    move || {
        system.refresh_cpu_usage();
        let mut values = dictionary! { "load_percent" => rounded(system.global_cpu_usage()) };
        for (number, core) in system.cpus().iter().enumerate() {
            values.insert(format!("core{number}_percent"), rounded(core.cpu_usage()));
        }
        values
    }
}

/// To a tenth: what is less is noise.
fn rounded(percent: f32) -> f64 {
    (f64::from(percent) * 10.0).round() / 10.0
}

/// Reads how much memory is in use, and what the network has carried, in bytes.
fn memory() -> impl FnMut() -> Dictionary + Send {
    let mut system = System::new();
    let mut networks = Networks::new_with_refreshed_list();
    move || {
        system.refresh_memory();
        networks.refresh(true);
        let received: u64 = networks.values().map(sysinfo::NetworkData::total_received).sum();
        let sent: u64 = networks.values().map(sysinfo::NetworkData::total_transmitted).sum();
        dictionary! {
            "total" => system.total_memory(),
            "used" => system.used_memory(),
            "swap_used" => system.used_swap(),
            "network_received" => received,
            "network_sent" => sent,
        }
    }
}

/// Prints each change after row `start` as it is committed, until all are.
fn print(reader: &Reader, start: u64, all_is_committed: &Stop) -> Result<()> {
    let changes = Filter { kinds: vec![Kind::Change], after: Some(start), ..Filter::default() };
    let mut following = reader.follow(&changes)?;
    let mut table = RowTable::new(true);
    let mut out = Stdout::new();
    loop {
        // Asked before looking: what was committed by then is seen.
        let ended = all_is_committed.within(POLL);
        let rows = following.poll()?;
        if rows.is_empty() && ended {
            return Ok(());
        }
        if !rows.is_empty() {
            rows.iter().for_each(|row| table.add(row));
            table.write(&mut out)?;
            out.flush()?;
        }
    }
}

fn say_how_to_look(path: &Path) -> Result<()> {
    let path = path.display();
    let mut out = Stdout::new();
    writeln!(out, "\nAll of it is in {path}. Look at it with")?;
    for command in [
        format!("logger show --timeline {path} --source demo/cpu --limit 20"),
        format!("logger state --timeline {path}"),
        format!("logger info --timeline {path}"),
        format!("logger export --timeline {path} --wide --every 1s --output demo.csv"),
        format!("sqlite3 {path} \"SELECT time, source, key, value FROM changes LIMIT 10\""),
    ] {
        writeln!(out, "  {command}")?;
    }
    Ok(out.flush()?)
}
