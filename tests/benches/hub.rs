//! A turn of the hub, without sockets: one read of a writer's updates, passed on to all who watch.
//!
//! What else the hub holds, sources that are silent and connections that are idle, must not make a message dearer.

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use dict_hub::{Config, ConnectionId, Hub};
use dict_protocol::decoder::Decoder;
use dict_protocol::limits::Limits;
use dict_protocol::packet::{Announce, Hello, Level, Mode, Packet, Subscribe, VERSION};
use dict_protocol::time::Now;

use crate::samples;

/// Updates in one read: 35 KiB.
const UPDATES: usize = 512;
/// Sources that are announced at once while a hub is filled.
const AT_ONCE: usize = 1_000;

/// A hub, its writer with its sources, and who watches them.
struct Lab {
    hub: Hub,
    writer: ConnectionId,
    watchers: Vec<ConnectionId>,
    /// By their numbers on this hub.
    sources: Vec<u32>,
}

impl Lab {
    /// `watchers` watch all of `sources`, and `idle` more connections watch what nobody writes.
    fn new(watchers: usize, sources: usize, idle: usize) -> Self {
        let config =
            Config { name: "lab".into(), run: 1, product: "bench".into(), limits: Limits::default() };
        let mut hub = Hub::new(config, Now::default());
        for number in 0..idle {
            let connection = open(&mut hub, number);
            send(&mut hub, connection, &subscribe("nobody/"));
        }
        let watchers = (0..watchers).map(|number| open(&mut hub, idle + number)).collect::<Vec<_>>();
        for &watcher in &watchers {
            send(&mut hub, watcher, &subscribe("bench/"));
        }
        let writer = open(&mut hub, idle + watchers.len());
        let mut lab = Self { hub, writer, watchers, sources: Vec::with_capacity(sources) };
        lab.announce(sources);
        lab
    }

    fn announce(&mut self, sources: usize) {
        while self.sources.len() < sources {
            let before = self.sources.len();
            for number in before..sources.min(before + AT_ONCE) {
                let source = format!("bench/{number}");
                send(&mut self.hub, self.writer, &announce(&source));
            }
            let (writer, known) = (self.writer, &mut self.sources);
            turn(&mut self.hub, &mut |connection, output| {
                if connection == writer {
                    packets(output, |packet| {
                        if let Packet::Announced(announced) = packet {
                            known.push(announced.id);
                        }
                    });
                }
            });
            assert!(self.sources.len() > before, "the hub takes {sources} sources");
        }
    }
}

fn open(hub: &mut Hub, number: usize) -> ConnectionId {
    let connection = hub.open(Now::default(), &format!("192.0.2.1:{number}"));
    let client_id = (number as u128 + 1).to_le_bytes();
    let hello = Packet::Hello(Hello {
        version_min: VERSION,
        version_max: VERSION,
        client_id,
        time: Now::default().time,
        max_body: Limits::default().body,
        heartbeat: 0,
        name: &format!("client{number}"),
        product: "bench",
        credentials: "",
    });
    send(hub, connection, &hello);
    turn(hub, &mut |_, _| ());
    connection
}

fn send(hub: &mut Hub, connection: ConnectionId, packet: &Packet<'_>) {
    let mut bytes = Vec::new();
    packet.encode(&mut bytes);
    hub.receive(Now::default(), connection, &bytes);
}

fn announce(source: &str) -> Packet<'_> {
    Packet::Announce(Announce {
        epoch: 1,
        previous: 0,
        newest: 0,
        level: Level::Received,
        replay: false,
        take_over: false,
        source,
    })
}

fn subscribe(pattern: &str) -> Packet<'_> {
    Packet::Subscribe(Subscribe { id: 1, mode: Mode::Latest, prefix: true, interval: 0, pattern })
}

/// What whoever drives a hub does at the end of a turn; `look` is given what is written.
fn turn(hub: &mut Hub, look: &mut impl FnMut(ConnectionId, &[u8])) {
    loop {
        hub.end_turn(Now::default());
        while let Some(connection) = hub.poll_ready() {
            let output = hub.output(connection);
            look(connection, output);
            let length = output.len();
            hub.wrote(connection, length);
        }
        while hub.poll_notice().is_some() {}
        if !hub.wants_turn() {
            break;
        }
    }
}

fn packets(mut bytes: &[u8], mut each: impl FnMut(Packet<'_>)) {
    let mut decoder = Decoder::new(Limits::default().body);
    while let Some(frame) = decoder.decode(&mut bytes).expect("a hub writes frames") {
        each(Packet::parse(&frame).expect("a hub writes packets"));
    }
}

/// What the writer sends: updates of one key, of one source after another.
struct Stream {
    sources: Vec<u32>,
    sent: usize,
    whole: Vec<u8>,
    change: Vec<u8>,
}

impl Stream {
    fn new(sources: &[u32]) -> Self {
        let (whole, change) = (samples::whole(&samples::state(0)), samples::patch("T", &1.5.into()));
        Self { sources: sources.to_vec(), sent: 0, whole, change }
    }

    fn read(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..UPDATES {
            let source = self.sources[self.sent % self.sources.len()];
            let round = self.sent / self.sources.len();
            let patch = if round == 0 { &self.whole } else { &self.change };
            samples::update(source, round as u64 + 1, patch).encode(&mut bytes);
            self.sent += 1;
        }
        bytes
    }
}

/// Measures one read after another of updates of the first `active` sources.
fn measure(group: &mut BenchmarkGroup<'_, WallTime>, id: BenchmarkId, mut lab: Lab, active: usize) {
    let mut stream = Stream::new(&lab.sources[..active]);
    // Each source's first update states it whole; what is measured comes after.
    while stream.sent < active {
        lab.hub.receive(Now::default(), lab.writer, &stream.read());
        turn(&mut lab.hub, &mut |_, _| ());
    }
    let mut passed = 0;
    lab.hub.receive(Now::default(), lab.writer, &stream.read());
    let watchers = &lab.watchers;
    turn(&mut lab.hub, &mut |connection, output| {
        if watchers.contains(&connection) {
            packets(output, |packet| passed += usize::from(matches!(packet, Packet::Update(_))));
        }
    });
    assert_eq!(passed, UPDATES * watchers.len(), "every update goes to each watcher");

    group.throughput(Throughput::Elements((UPDATES * watchers.len()) as u64));
    group.bench_function(id, |bencher| {
        bencher.iter_batched(
            || stream.read(),
            |bytes| {
                lab.hub.receive(Now::default(), lab.writer, &bytes);
                turn(&mut lab.hub, &mut |_, _| ());
            },
            BatchSize::SmallInput,
        );
    });
}

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hub");
    for watchers in [1, 50] {
        measure(&mut group, BenchmarkId::new("watchers", watchers), Lab::new(watchers, 1, 0), 1);
    }
    for silent in [10, 100_000] {
        measure(&mut group, BenchmarkId::new("silent sources", silent), Lab::new(1, 1 + silent, 0), 1);
    }
    for sources in [10, 100_000] {
        measure(&mut group, BenchmarkId::new("sources in turn", sources), Lab::new(1, sources, 0), sources);
    }
    for idle in [10, 8_000] {
        measure(&mut group, BenchmarkId::new("idle connections", idle), Lab::new(1, 1, idle), 1);
    }
    group.finish();
}
