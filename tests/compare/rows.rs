//! What is compared: the rows of the table, and who takes part in each.

use std::path::PathBuf;
use std::rc::Rc;

use crate::durable::{self, Durable};
use crate::frozen::{self, Of};
use crate::peers::Peer;
use crate::processors::Placement;
use crate::reading::{self, Recorded};
use crate::throughput::{self, Load};
use crate::trouble::Result;
use crate::{idle, latency, ours};

/// How much is done.
pub(crate) struct Scale {
    /// Some seconds for everything, to see that it works: the figures mean nothing.
    pub(crate) short: bool,
    /// Where durable runs have their files.
    pub(crate) place: PathBuf,
    /// Idle connections that this machine allows.
    pub(crate) connections: u32,
}

impl Scale {
    fn pick<T>(&self, long: T, short: T) -> T {
        if self.short { short } else { long }
    }
}

/// Runs once, and returns the figure.
type Run = Box<dyn Fn(&Scale) -> Result<f64>>;

/// Who takes part in a row.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    /// What its figure does not promise, or other than the rest.
    pub(crate) note: &'static str,
    pub(crate) run: Run,
}

/// What a figure is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Role {
    /// The best of these is what ours is compared with.
    Peer,
    /// Printed beside the others.
    Beside,
    /// Ours, and the target.
    Ours(Target),
}

/// What ours must reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// So many times the best peer, at least where more is better, else at most.
    Times(f64),
    /// So much, at most.
    Most(f64),
    /// So much, at least.
    Least(f64),
}

/// A row of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) work: String,
    pub(crate) unit: &'static str,
    pub(crate) more_is_better: bool,
    pub(crate) parts: Vec<Part>,
}

fn part(name: &'static str, role: Role, run: impl Fn(&Scale) -> Result<f64> + 'static) -> Part {
    Part { name, role, note: "", run: Box::new(run) }
}

fn noted(note: &'static str, part: Part) -> Part {
    Part { note, ..part }
}

/// All rows.
pub(crate) fn rows(scale: &Scale) -> Vec<Row> {
    let messages = |long, short| scale.pick(long, short);
    let recorded = Rc::new(Recorded::new(scale.pick(10_000_000, 20_000), &scale.place));
    vec![
        relay(Load { writers: 1, subscribers: 1, messages: messages(4_000_000, 2_000) }),
        spread("fan-in", Load { writers: 4, subscribers: 1, messages: messages(1_000_000, 1_000) }),
        spread("fan-out", Load { writers: 1, subscribers: 50, messages: messages(300_000, 500) }),
        round_trip("round-trip", messages(30_000, 200), Placement::Apart),
        round_trip("round-trip-1", messages(30_000, 200), Placement::Together),
        durable_row("durable-10", 2.0, scale.pick(10, 1)),
        durable_row("durable-60", 1.0, scale.pick(60, 1)),
        idle_row(scale.connections),
        frozen_row(messages(10_000, 200), scale.pick(400, 4)),
        read_page(&recorded),
        read_state(&recorded),
        read_export(&recorded),
        file_size(&recorded),
    ]
}

fn through(load: Load) -> impl Iterator<Item = Part> {
    Peer::SERVERS.into_iter().map(move |peer| {
        // It would take minutes.
        let load = if peer == Peer::Mosquitto {
            Load { messages: load.messages.div_ceil(10), ..load }
        } else {
            load
        };
        part(peer.name(), Role::Peer, move |_| throughput::peer(peer, load))
    })
}

fn relay(load: Load) -> Row {
    let mut parts = vec![noted(
        "one socket to another, no server",
        part("bare loopback", Role::Beside, move |_| throughput::loopback(load.messages)),
    )];
    parts.extend(through(load));
    parts.push(part("Dictwire, patches", Role::Ours(Target::Times(2.0)), move |_| {
        ours::throughput(load, false)
    }));
    parts
        .push(part("Dictwire, whole", Role::Ours(Target::Times(1.0)), move |_| ours::throughput(load, true)));
    throughput_row("relay", load, parts)
}

fn spread(name: &'static str, load: Load) -> Row {
    let mut parts = through(load).collect::<Vec<_>>();
    parts.push(part("Dictwire, patches", Role::Ours(Target::Times(2.0)), move |_| {
        ours::throughput(load, false)
    }));
    throughput_row(name, load, parts)
}

fn throughput_row(name: &'static str, load: Load, parts: Vec<Part>) -> Row {
    let Load { writers, subscribers, messages } = load;
    let work = format!("{writers} to {subscribers}, {messages} messages from each writer");
    Row { name, work, unit: "deliveries/s", more_is_better: true, parts }
}

fn round_trip(name: &'static str, messages: u64, placement: Placement) -> Row {
    let mut parts = vec![part("bare TCP echo", Role::Peer, move |_| latency::echo(messages, placement))];
    for peer in Peer::SERVERS {
        parts.push(part(peer.name(), Role::Beside, move |_| latency::peer(peer, messages, placement)));
    }
    let ours = Role::Ours(Target::Times(1.1));
    let places = match placement {
        Placement::Apart => "server and load on a processor each",
        Placement::Together => "server and load on the same processor",
    };
    let run = move |threaded| move |_: &Scale| ours::latency(messages, threaded, placement);
    parts.push(part("Dictwire, one-threaded", ours, run(false)));
    parts.push(part("Dictwire, threaded Client", Role::Beside, run(true)));
    let work = format!("one in flight, p50 of {messages}, {places}");
    Row { name, work, unit: "µs", more_is_better: false, parts }
}

fn durable_row(name: &'static str, times: f64, seconds: u64) -> Row {
    let load = Durable { sources: 1_000, keys: 10, seconds };
    let peer = |name, peer: Peer, connections, role| {
        part(name, role, move |scale| durable::peer(peer, load, connections, &scale.place))
    };
    let parts = vec![
        peer("Redis, appendfsync always", Peer::RedisAlways, 1, Role::Peer),
        // It reads a little of each connection before it syncs for all of them together.
        peer("Redis, always, 50 connections", Peer::RedisAlways, 50, Role::Peer),
        noted(
            "not durable: synced once a second, acknowledged before",
            peer("Redis, appendfsync everysec", Peer::RedisEverysec, 1, Role::Beside),
        ),
        noted(
            "not durable: acknowledged before it is synced, which is minutes later",
            peer("JetStream, file", Peer::JetStream, 1, Role::Beside),
        ),
        part("Dictwire, logger", Role::Ours(Target::Times(times)), move |scale| {
            ours::durable(load, &scale.place)
        }),
    ];
    let work = format!("{} sources of {} keys, one changed each time, {seconds} s", load.sources, load.keys);
    Row { name, work, unit: "acknowledged/s", more_is_better: true, parts }
}

fn idle_row(connections: u32) -> Row {
    let mut parts = Vec::new();
    for peer in Peer::SERVERS {
        parts.push(part(peer.name(), Role::Peer, move |_| idle::peer(peer, connections)));
    }
    parts.push(part("Dictwire", Role::Ours(Target::Most(0.8)), move |_| ours::idle(connections)));
    let work = format!("{connections} connections, subscribed to what nobody writes");
    Row { name: "idle", work, unit: "KiB each", more_is_better: false, parts }
}

fn frozen_row(updates: u64, fillers: u64) -> Row {
    let run = move |frozen, of| move |_: &Scale| frozen::p99(updates, fillers, frozen, of);
    let parts = vec![
        part("Dictwire, all reading", Role::Peer, run(false, Of::MostSeconds)),
        part("Dictwire, one frozen", Role::Ours(Target::Times(1.2)), run(true, Of::MostSeconds)),
        part("all reading, p99 of all", Role::Beside, run(false, Of::All)),
        part("one frozen, p99 of all", Role::Beside, run(true, Of::All)),
    ];
    let work =
        format!("1 to 50, p99 of 49 in a second, the median of all seconds; {updates} updates, 1,000/s");
    Row { name: "frozen", work, unit: "µs", more_is_better: false, parts }
}

/// A part that reads the timeline which all these share.
fn reading(
    name: &'static str,
    role: Role,
    recorded: &Rc<Recorded>,
    read: fn(&Recorded) -> Result<f64>,
) -> Part {
    let recorded = Rc::clone(recorded);
    part(name, role, move |_| read(&recorded))
}

fn read_page(recorded: &Rc<Recorded>) -> Row {
    let parts = vec![
        reading("Dictwire, first page", Role::Ours(Target::Most(50.0)), recorded, reading::first_page),
        reading("Dictwire, last page", Role::Ours(Target::Most(50.0)), recorded, reading::last_page),
    ];
    let work = format!("100 changes of one key, {}", recorded.told());
    Row { name: "read-page", work, unit: "ms", more_is_better: false, parts }
}

fn read_state(recorded: &Rc<Recorded>) -> Row {
    let parts = vec![reading("Dictwire", Role::Ours(Target::Most(200.0)), recorded, reading::state)];
    let work = format!("all dictionaries as they were in mid-file, {}", recorded.told());
    Row { name: "read-state", work, unit: "ms", more_is_better: false, parts }
}

fn read_export(recorded: &Rc<Recorded>) -> Row {
    let ours = Role::Ours(Target::Least(500_000.0));
    let parts = vec![reading("Dictwire, as CSV", ours, recorded, reading::export)];
    let work = format!("every change to a file, {}", recorded.told());
    Row { name: "read-export", work, unit: "rows/s", more_is_better: true, parts }
}

fn file_size(recorded: &Rc<Recorded>) -> Row {
    let parts = vec![
        reading("the same as CSV", Role::Peer, recorded, reading::csv_size),
        reading("Dictwire, timeline", Role::Beside, recorded, reading::size),
    ];
    let work = format!("what a change takes, {}", recorded.told());
    Row { name: "file-size", work, unit: "bytes", more_is_better: false, parts }
}
