//! How soon 49 watchers are told when the fiftieth does not read.
//!
//! Each watcher is a thread that blocks on its own socket, so that the load is the same with the frozen one and without.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use dict_event_loop::random_id;
use dict_protocol::change::{Patch, PatchBuilder};
use dict_protocol::decoder::Decoder;
use dict_protocol::limits::Limits;
use dict_protocol::packet::{Announce, Hello, Level, Mode, Outcome, Packet, Subscribe, Update, VERSION};
use dict_protocol::record::Stamp;
use dict_protocol::time::Time;
use dict_protocol::value::Value;

use crate::ours;
use crate::server::Server;
use crate::threads::join;
use crate::trouble::{Result, While, wrong};

/// Watchers, the frozen one included.
const WATCHERS: usize = 50;
/// The time between two updates that are measured.
const PACE: Duration = Duration::from_millis(1);
/// Updates of a second.
const A_SECOND: usize = 1_000;
/// Bytes of each of the updates that are sent beforehand.
const FILLER: usize = 64 << 10;
const HUB: &str = "dict-server";

/// The 99th percentile of the time from writing to the arrival at any of 49 watchers, microseconds. Before, so many
/// `fillers` are sent: in all more than sockets and the hub hold for the frozen one.
pub(crate) fn p99(updates: u64, fillers: u64, frozen: bool, of: Of) -> Result<f64> {
    // Nobody here sends heartbeats.
    let hub = ours::hub(&["--limit", "heartbeat=1h"])?;
    let reading = if frozen { WATCHERS - 1 } else { WATCHERS };
    let mut watchers = Vec::new();
    for number in 0..WATCHERS {
        let mut connection = Connection::open(&hub, &format!("watcher{number}"))?;
        connection.subscribe()?;
        watchers.push(connection);
    }
    // It stays open and is not read any more.
    let _frozen = watchers.split_off(reading);
    let mut writer = Connection::open(&hub, "writer")?;
    let source = writer.announce()?;
    let clock = Instant::now();
    let last = fillers + updates;
    scope(|scope| {
        let threads = watchers
            .into_iter()
            .map(|watcher| scope.spawn(move || watcher.watch(clock, fillers, last)))
            .collect::<Vec<_>>();
        let written = write(&mut writer, source, clock, fillers, last);
        let outcomes = threads.into_iter().map(join).collect::<Vec<_>>();
        written?;
        let mut times = outcomes.into_iter().collect::<Result<Vec<_>>>()?;
        times.truncate(WATCHERS - 1);
        of.p99(&times).ok_or_else(|| wrong(HUB, "passed nothing on"))
    })
}

/// What a percentile is of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    /// Of each second, and of these figures the median: a machine that stands still for some milliseconds now and then
    /// spoils a second, not the figure.
    MostSeconds,
    /// Of everything.
    All,
}

impl Of {
    /// The 99th percentile of the times of all watchers, microseconds.
    fn p99(self, times: &[Vec<u64>]) -> Option<f64> {
        let each = times.iter().map(Vec::len).min()?;
        let length = match self {
            Self::MostSeconds => A_SECOND,
            Self::All => each.max(1),
        };
        let mut figures = Vec::new();
        for first in (0..each).step_by(length) {
            let last = each.min(first + length);
            let mut all: Vec<u64> = times.iter().flat_map(|times| &times[first..last]).copied().collect();
            all.sort_unstable();
            figures.push(*all.get(all.len() * 99 / 100)?);
        }
        figures.sort_unstable();
        figures.get(figures.len() / 2).map(|&nanoseconds| nanoseconds as f64 / 1e3)
    }
}

/// Writes the fillers, slowly enough for all who read, then one small update after another, each with the time.
fn write(writer: &mut Connection, source: u32, clock: Instant, fillers: u64, last: u64) -> Result<()> {
    let filler = Value::Binary(vec![7; FILLER]);
    for sequence in 1..=fillers {
        writer.update(source, sequence, "filler", &filler)?;
        sleep(Duration::from_millis(4));
    }
    sleep(Duration::from_millis(500));
    let begun = Instant::now();
    for sequence in fillers + 1..=last {
        let due = PACE * u32::try_from(sequence - fillers).unwrap_or(u32::MAX);
        sleep(due.saturating_sub(begun.elapsed()));
        let now = clock.elapsed().as_nanos() as u64;
        writer.update(source, sequence, "time", &now.into())?;
    }
    Ok(())
}

/// A connection that blocks.
struct Connection {
    socket: TcpStream,
    decoder: Decoder,
    /// What was read and not yet taken.
    read: Vec<u8>,
}

impl Connection {
    fn open(hub: &Server, name: &str) -> Result<Self> {
        let decoder = Decoder::new(Limits::default().body);
        let mut connection = Self { socket: hub.connect()?, decoder, read: Vec::new() };
        connection.send(&Packet::Hello(Hello {
            version_min: VERSION,
            version_max: VERSION,
            client_id: random_id(),
            time: Time::default(),
            max_body: Limits::default().body,
            heartbeat: 0,
            name,
            product: "dictwire-compare",
            credentials: "",
        }))?;
        connection.until(|packet| Ok(matches!(packet, Packet::Welcome(_)).then_some(())))?;
        Ok(connection)
    }

    fn subscribe(&mut self) -> Result<()> {
        let pattern = "compare";
        self.send(&Packet::Subscribe(Subscribe {
            id: 1,
            mode: Mode::Latest,
            prefix: false,
            interval: 0,
            pattern,
        }))?;
        self.until(|packet| Ok(matches!(packet, Packet::Current(_)).then_some(())))
    }

    fn announce(&mut self) -> Result<u32> {
        self.send(&Packet::Announce(Announce {
            epoch: 1,
            previous: 0,
            newest: 0,
            level: Level::None,
            replay: false,
            take_over: false,
            source: "compare",
        }))?;
        self.until(|packet| match packet {
            Packet::Announced(announced) if announced.outcome == Outcome::Accepted => Ok(Some(announced.id)),
            Packet::Announced(announced) => Err(wrong(HUB, announced.reason)),
            _ => Ok(None),
        })
    }

    fn update(&mut self, source: u32, sequence: u64, key: &str, value: &Value) -> Result<()> {
        let mut bytes = Vec::new();
        let mut patch = PatchBuilder::new(Limits::default().depth, &mut bytes);
        let set = patch.set(key, value).and_then(|()| patch.finish());
        set.map_err(|error| wrong("compare", error.to_string()))?;
        self.send(&Packet::Update(Update {
            source,
            sequence,
            stamp: Stamp::default(),
            end: false,
            end_of_slice: false,
            replayed: false,
            patch: &bytes,
        }))
    }

    fn send(&mut self, packet: &Packet<'_>) -> Result<()> {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes);
        self.socket.write_all(&bytes).trying(|| format!("writing to {HUB}"))
    }

    /// Reads until a packet is what is looked for.
    fn until<T>(&mut self, mut look: impl FnMut(&Packet<'_>) -> Result<Option<T>>) -> Result<T> {
        loop {
            let mut bytes = &self.read[..];
            let mut found = None;
            while found.is_none() {
                let frame = self.decoder.decode(&mut bytes);
                let Some(frame) = frame.map_err(|error| wrong(HUB, error.to_string()))? else { break };
                let packet = Packet::parse(&frame).map_err(|error| wrong(HUB, error.to_string()))?;
                found = look(&packet)?;
            }
            let taken = self.read.len() - bytes.len();
            self.read.drain(..taken);
            if let Some(found) = found {
                return Ok(found);
            }
            self.receive()?;
        }
    }

    fn receive(&mut self) -> Result<()> {
        let before = self.read.len();
        self.read.resize(before + (256 << 10), 0);
        let count = self.socket.read(&mut self.read[before..]).trying(|| format!("reading from {HUB}"))?;
        self.read.truncate(before + count);
        if count == 0 { Err(wrong(HUB, "closed the connection")) } else { Ok(()) }
    }

    /// Reads to the last update, and returns how long after it was written each came, nanoseconds; not that of fillers.
    fn watch(mut self, clock: Instant, fillers: u64, last: u64) -> Result<Vec<u64>> {
        let mut times = Vec::new();
        let mut before = fillers;
        self.until(|packet| {
            let (sequence, set) = match packet {
                Packet::Update(update) => (update.sequence, update.patch),
                Packet::State(state) => return Ok((state.sequence >= last).then_some(())),
                Packet::Error(error) => return Err(wrong(HUB, error.text)),
                _ => return Ok(None),
            };
            if sequence > fillers {
                let now = clock.elapsed().as_nanos() as u64;
                let patch = Patch::parse(set, Limits::default().depth);
                let patch = patch.map_err(|error| wrong(HUB, error.to_string()))?;
                let written =
                    patch.set().find(|(key, _)| *key == "time").and_then(|(_, value)| value.as_u64());
                let written =
                    written.ok_or_else(|| wrong(HUB, format!("update {sequence} is not what was sent")))?;
                // What was merged because this watcher was late counts for each update in it.
                times.extend(std::iter::repeat_n(now.saturating_sub(written), (sequence - before) as usize));
                before = sequence;
            }
            Ok((sequence >= last).then_some(()))
        })?;
        Ok(times)
    }
}
