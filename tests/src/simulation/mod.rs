//! The simulation: a hub or two, writers, watchers and loggers in one thread and in virtual time, all from one seed.
//!
//! The hub, the sessions and the recorder are the real ones. The network splits, delays and breaks; disks lose what was
//! not synced; bits change on the way; clocks jump; hubs, loggers and writers are killed. After a while the faults stop, everything has to come to rest, and
//! then an oracle compares what loggers and watchers have with what writers wrote.
//!
//! | file | what it is |
//! |---|---|
//! | `world.rs`, `schedule.rs` | all actors, and the time that passes between them |
//! | `plan.rs` | what a run is made of, drawn from its seed |
//! | `network.rs`, `disk.rs` | what breaks |
//! | `client.rs`, `hub.rs`, `writer.rs`, `watcher.rs`, `logger.rs` | the actors |
//! | `talker.rs` | clients that send messages and requests |
//! | `faults.rs` | what goes wrong |
//! | `broken.rs` | rules that are broken to see that it is noticed |
//! | `wire.rs`, `journal.rs`, `oracle.rs`, `rest.rs` | what must hold: of frames, of timelines, at rest |
//! | `notes.rs`, `trace.rs`, `coverage.rs` | what a run leaves behind |

mod broken;
mod client;
mod coverage;
mod disk;
mod faults;
mod hub;
mod journal;
mod logger;
mod network;
mod notes;
mod oracle;
mod plan;
mod rest;
mod schedule;
mod talker;
mod trace;
mod watcher;
mod wire;
mod world;
mod writer;

use std::fmt;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

pub use broken::Broken;
pub use coverage::Coverage;

/// A run in which something did not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed, which makes it again.
    pub seed: u64,
    /// What did not hold.
    pub complaint: String,
    /// What happened, line by line.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.seed, self.complaint)
    }
}

/// Lets a seed happen, with a rule broken or none.
///
/// # Errors
///
/// What did not hold, with a trace: the run is made a second time for it.
pub fn run(seed: u64, broken: Option<Broken>) -> Result<Coverage, Box<Failure>> {
    let notes = world::World::new(seed, broken, false).run();
    let Some(complaint) = notes.complaint else { return Ok(notes.coverage) };
    let trace = world::World::new(seed, broken, true).run().trace.into_lines();
    Err(Box::new(Failure { seed, complaint, trace }))
}

/// What many runs came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How often what happened, over all.
    pub coverage: Coverage,
    /// Those that failed, by their seeds.
    pub failures: Vec<Failure>,
}

/// Lets seeds happen, on all processors.
pub fn run_all(seeds: Range<u64>) -> Outcome {
    let next = AtomicU64::new(seeds.start);
    let outcome: Mutex<Outcome> = Mutex::default();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let result = run(seed, None);
            let mut outcome = outcome.lock().expect("no run panics while it holds the lock");
            match result {
                Ok(counts) => outcome.coverage += &counts,
                Err(failure) => outcome.failures.push(*failure),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let mut outcome = outcome.into_inner().expect("no run panicked");
    outcome.failures.sort_by_key(|failure| failure.seed);
    outcome
}
