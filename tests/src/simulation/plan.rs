//! What a run is made of: everything is drawn from its seed.

use std::time::Duration;

use dict_protocol::limits::Limits;
use dict_protocol::packet::{Level, Mode};
use dict_protocol::writer::{WhenFull, WriterOptions};
use fastrand::Rng;

use super::network::Weather;

/// How long faults happen, at least.
pub(super) const STORM: Duration = Duration::from_secs(5);
/// How long they go on when nothing new is published any more.
pub(super) const HUSH: Duration = Duration::from_secs(1);
/// How long it may seem, when they have stopped, that everything will not come to rest.
pub(super) const PATIENCE: Duration = Duration::from_secs(40);
/// So many updates are published before faults stop.
pub(super) const UPDATES: u64 = 500;
/// What stands before the names of the second hub's sources, where loggers put anything there.
pub(super) const PREFIX: &str = "second/";

/// The actors of a run, their limits and what happens to them.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// How many hubs there are; each has its own writers and watchers, and every logger is linked to all.
    pub(super) hubs: usize,
    /// Loggers put a prefix before the names of the second hub's sources.
    pub(super) prefix: bool,
    /// The loggers: how long each is away at first.
    pub(super) loggers: Vec<Duration>,
    /// The writers.
    pub(super) writers: Vec<WriterPlan>,
    /// The watchers.
    pub(super) watchers: Vec<WatcherPlan>,
    /// The hubs at which clients send messages and requests, one for each client.
    pub(super) talkers: Vec<usize>,
    /// What everybody takes at most.
    pub(super) limits: Limits,
    /// The network while faults happen.
    pub(super) weather: Weather,
    /// The mean time between two faults.
    pub(super) fault_every: Duration,
    /// How long a disk takes to sync, at most.
    pub(super) sync: Duration,
}

/// One writer.
#[derive(Clone, Debug)]
pub(super) struct WriterPlan {
    /// Its hub.
    pub(super) hub: usize,
    /// Its source.
    pub(super) source: String,
    /// Another hub has a source of that name.
    pub(super) shared: bool,
    /// Its spool outlives it.
    pub(super) kept: bool,
    /// How it writes.
    pub(super) options: WriterOptions,
    /// The mean time between two turns of its program.
    pub(super) every: Duration,
    /// The most publications of a turn.
    pub(super) burst: u32,
    /// The most bytes of a text.
    pub(super) text: usize,
}

/// One watcher.
#[derive(Clone, Debug)]
pub(super) struct WatcherPlan {
    /// Its hub.
    pub(super) hub: usize,
    /// How it watches.
    pub(super) mode: Mode,
    /// The least time between two updates of a source.
    pub(super) interval: Duration,
}

impl Plan {
    /// Draws a plan.
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let hubs = 1 + usize::from(rng.u8(0..4) == 0);
        let mut writers: Vec<WriterPlan> =
            (0..rng.usize(3..=4)).map(|index| WriterPlan::draw(rng, index, hubs)).collect();
        if hubs == 2 && rng.bool() {
            let first = &mut writers[0];
            (first.hub, first.shared) = (0, true);
            let second = WriterPlan { hub: 1, ..first.clone() };
            writers.push(second);
        }
        // One at least never waits.
        writers[1].options.when_full = WhenFull::Drop;
        let watchers = (0..rng.usize(1..=3)).map(|_| WatcherPlan::draw(rng, hubs)).collect();
        Self {
            hubs,
            prefix: hubs == 2 && rng.bool(),
            loggers: (0..*pick(rng, &[1, 1, 2])).map(|_| absence(rng)).collect(),
            writers,
            watchers,
            talkers: (0..rng.usize(2..=3)).map(|_| rng.usize(0..hubs)).collect(),
            limits: limits(rng),
            weather: Weather {
                latency: Duration::from_micros(rng.u64(100..20_000)),
                delay_one_in: rng.u32(10..200),
                delay: Duration::from_millis(rng.u64(10..800)),
                piece: *pick(rng, &[5, 40, 300, 4_000]),
                capacity: *pick(rng, &[600, 4_000, 60_000]),
            },
            fault_every: Duration::from_millis(rng.u64(100..800)),
            sync: Duration::from_millis(rng.u64(1..120)),
        }
    }

    /// What a logger calls a source of a hub.
    pub(super) fn recorded_name(&self, hub: usize, source: &str) -> String {
        let prefix = if self.prefix && hub == 1 && !source.starts_with('$') { PREFIX } else { "" };
        [prefix, source].concat()
    }

    /// Whether a source is recorded of one hub at a time only.
    pub(super) fn is_contested(&self, writer: &WriterPlan) -> bool {
        writer.shared && !self.prefix
    }
}

/// Most loggers are there from the beginning.
fn absence(rng: &mut Rng) -> Duration {
    Duration::from_millis(if rng.u8(0..4) == 0 { rng.u64(1..3_000) } else { 0 })
}

impl WriterPlan {
    fn draw(rng: &mut Rng, index: usize, hubs: usize) -> Self {
        let level = *pick(rng, &[Level::Logged, Level::Logged, Level::Logged, Level::Received, Level::None]);
        let when_full = *pick(rng, &[WhenFull::Drop, WhenFull::Block]);
        Self {
            hub: rng.usize(0..hubs),
            source: format!("bench/{index}"),
            shared: false,
            kept: level == Level::Logged && rng.bool(),
            options: WriterOptions { level: Some(level), take_over: false, when_full },
            every: Duration::from_millis(rng.u64(20..200)),
            burst: *pick(rng, &[2, 6, 20]),
            text: *pick(rng, &[4, 40, 400]),
        }
    }
}

impl WatcherPlan {
    fn draw(rng: &mut Rng, hubs: usize) -> Self {
        Self {
            hub: rng.usize(0..hubs),
            mode: *pick(rng, &[Mode::Latest, Mode::Every]),
            interval: Duration::from_millis(*pick(rng, &[0, 0, 50])),
        }
    }
}

/// Limits so small that queues overflow.
fn limits(rng: &mut Rng) -> Limits {
    let body = 5 << 10;
    // Several at once are more than a logger's output takes, unless room is kept for each.
    let slice = *pick(rng, &[100, 500, 8_000, 8_000]);
    Limits {
        body,
        greeting_body: 2 << 10,
        greeting: Duration::from_secs(2),
        heartbeat: Duration::from_millis(rng.u64(300..1_500)),
        dictionary: (4 << 10) - Limits::STATE_OVERHEAD,
        latest_output: rng.usize(1_000..6_000),
        every_output: rng.usize(2_000..20_000),
        // Room for one slice at least.
        durable_output: (body + slice) as usize + *pick(rng, &[0, 0, 1_000]),
        client_output: rng.usize(2_000..20_000),
        spool_updates: *pick(rng, &[8, 40, 1_000, 1_000]),
        spool: *pick(rng, &[2_000, 10_000, 1_000_000, 1_000_000]),
        slice_updates: *pick(rng, &[1, 5, 100, 1_000, 1_000]),
        slice,
        uncommitted: rng.usize(1_000..20_000),
        ..Limits::default()
    }
}

/// One of `choices`.
pub(super) fn pick<'a, T>(rng: &mut Rng, choices: &'a [T]) -> &'a T {
    &choices[rng.usize(0..choices.len())]
}
