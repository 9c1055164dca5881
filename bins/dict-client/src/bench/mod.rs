//! `dict-client bench`: loads a hub, and says what came of it.
//!
//! What is measured is the hub, so a load costs little: one-threaded [`connection`]s that a thread drives by plain
//! blocking reads and writes, with nothing allocated for an update. What arrives is checked against what was sent.

mod arguments;
mod connection;
mod durable;
mod idle;
mod latency;
mod load;
mod report;
mod stream;
mod throughput;
mod watcher;
mod writer;

use anyhow::Result;

use crate::arguments::ConnectionArguments;
pub(crate) use arguments::BenchArguments;
use arguments::Work;
use connection::Hub;
use dict_event_loop::random_id;

pub(crate) fn run(connection: ConnectionArguments, arguments: &BenchArguments) -> Result<()> {
    let hub = Hub::new(connection)?;
    match &arguments.work {
        Work::Throughput(work) => throughput::run(&hub, work, arguments.format),
        Work::Latency(work) => latency::run(&hub, work, arguments.format),
        Work::Durable(work) => durable::run(&hub, work, arguments.format),
        Work::Idle(work) => idle::run(&hub, work, arguments.format),
    }
}

/// What the names of this run's sources begin with.
fn new_prefix() -> String {
    let id = random_id();
    format!("bench/{:08x}/", u32::from_be_bytes([id[0], id[1], id[2], id[3]]))
}
