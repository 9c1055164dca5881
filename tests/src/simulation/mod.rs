//! The simulation: a hub or two, writers, watchers and loggers in one thread and in virtual time, all from one seed.
//!
//! The hub, the sessions and the recorder are the real ones. The network splits, delays and breaks; disks lose what was
//! not synced; hubs, loggers and writers are killed. After a while the faults stop, everything has to come to rest, and
//! then an oracle compares what loggers and watchers have with what writers wrote.
//!
//! | file | what it is |
//! |---|---|
//! | `world.rs`, `schedule.rs` | all actors, and the time that passes between them |
//! | `plan.rs` | what a run is made of, drawn from its seed |
//! | `network.rs`, `disk.rs` | what breaks |
//! | `client.rs`, `hub.rs`, `writer.rs`, `watcher.rs`, `logger.rs` | the actors |
//! | `faults.rs` | what goes wrong |
//! | `wire.rs`, `journal.rs`, `oracle.rs`, `rest.rs` | what must hold: of frames, of timelines, at rest |
//! | `notes.rs`, `trace.rs`, `coverage.rs` | what a run leaves behind |

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
mod trace;
mod watcher;
mod wire;
mod world;
mod writer;

use std::fmt;

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

/// Lets a seed happen.
///
/// # Errors
///
/// What did not hold, with a trace: the run is made a second time for it.
pub fn run(seed: u64) -> Result<Coverage, Box<Failure>> {
    let notes = world::World::new(seed, false).run();
    let Some(complaint) = notes.complaint else { return Ok(notes.coverage) };
    let trace = world::World::new(seed, true).run().trace.into_lines();
    Err(Box::new(Failure { seed, complaint, trace }))
}
