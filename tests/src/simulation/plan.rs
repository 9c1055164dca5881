//! What a run is made of: everything is drawn from its seed.

use std::time::Duration;

use dict_protocol::limits::Limits;
use dict_protocol::packet::{Level, Mode};
use dict_protocol::writer::{WhenFull, WriterOptions};
use fastrand::Rng;

use super::network::Weather;

/// How long faults happen.
pub(super) const STORM: Duration = Duration::from_secs(6);
/// How long everything may take to come to rest when they have stopped.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The actors of a run, their limits and what happens to them.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// How many hubs there are; each has its own writers and watchers, and every logger is linked to all.
    pub(super) hubs: usize,
    /// How many loggers there are.
    pub(super) loggers: usize,
    /// The writers.
    pub(super) writers: Vec<WriterPlan>,
    /// The watchers.
    pub(super) watchers: Vec<WatcherPlan>,
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
        let loggers = *pick(rng, &[0, 1, 1, 1, 2, 2]);
        let writers = (0..rng.usize(1..=4)).map(|index| WriterPlan::draw(rng, index, hubs)).collect();
        let watchers = (0..rng.usize(1..=3)).map(|_| WatcherPlan::draw(rng, hubs)).collect();
        Self {
            hubs,
            loggers,
            writers,
            watchers,
            limits: limits(rng),
            weather: Weather {
                latency: Duration::from_micros(rng.u64(100..20_000)),
                delay_one_in: rng.u32(10..200),
                delay: Duration::from_millis(rng.u64(10..800)),
                piece: *pick(rng, &[3, 40, 300, 4_000]),
                capacity: *pick(rng, &[600, 4_000, 60_000]),
            },
            fault_every: Duration::from_millis(rng.u64(150..2_000)),
            sync: Duration::from_millis(rng.u64(1..120)),
        }
    }
}

impl WriterPlan {
    fn draw(rng: &mut Rng, index: usize, hubs: usize) -> Self {
        let level = *pick(rng, &[Level::Logged, Level::Logged, Level::Logged, Level::Received, Level::None]);
        let when_full = *pick(rng, &[WhenFull::Drop, WhenFull::Block]);
        Self {
            hub: rng.usize(0..hubs),
            source: format!("bench/{index}"),
            options: WriterOptions { level: Some(level), take_over: false, when_full },
            every: Duration::from_millis(rng.u64(20..300)),
            burst: *pick(rng, &[1, 3, 12]),
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
    Limits {
        body: 4 << 10,
        greeting_body: 2 << 10,
        greeting: Duration::from_secs(2),
        heartbeat: Duration::from_millis(rng.u64(300..1_500)),
        dictionary: (4 << 10) - Limits::STATE_OVERHEAD,
        latest_output: rng.usize(1_000..6_000),
        every_output: rng.usize(2_000..20_000),
        durable_output: rng.usize(7_200..16_000),
        client_output: rng.usize(2_000..20_000),
        spool_updates: *pick(rng, &[8, 40, 1_000]),
        spool: *pick(rng, &[2_000, 10_000, 1_000_000]),
        slice_updates: rng.u32(1..20),
        slice: rng.u32(100..3_000),
        uncommitted: rng.usize(1_000..20_000),
        ..Limits::default()
    }
}

/// One of `choices`.
pub(super) fn pick<'a, T>(rng: &mut Rng, choices: &'a [T]) -> &'a T {
    &choices[rng.usize(0..choices.len())]
}
