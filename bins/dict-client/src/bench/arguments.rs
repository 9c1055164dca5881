//! The command line of `dict-client bench`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum, value_parser};
use dict_cli::time;
use dict_protocol::packet::Mode;

/// More updates than anybody waits for.
const MANY: u64 = 1_000_000_000;

/// No hub takes a larger dictionary.
const LARGEST: i64 = 256 << 20;

/// Measure what a hub carries
///
/// Sources are called bench/RUN/NUMBER, with another RUN each time; they are ended and forgotten afterwards,
/// but stay at the hub, offline, after a run that failed or was interrupted. Where a hub has rules, that takes the rights read and write on bench/.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    #[command(subcommand)]
    pub(super) work: Work,
    /// How to print the result
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub(super) format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    /// A line for each figure, for people
    Table,
    /// One JSON object
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Work {
    Throughput(ThroughputArguments),
    Latency(LatencyArguments),
    Durable(DurableArguments),
    Idle(IdleArguments),
}

/// Updates a second, from writers through the hub to subscribers
///
/// Each update changes one key of a dictionary of five. Subscribers check that no update is missing and that each
/// has the value it must have. The time is from the start of writing to the last delivery.
#[derive(Debug, Args)]
pub(super) struct ThroughputArguments {
    /// Programs that write, a source each
    #[arg(long, value_name = "W", default_value_t = 1, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(super) writers: u32,
    /// Programs that watch all of them
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(super) subscribers: u32,
    /// Updates that each writer publishes
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = value_parser!(u64).range(1..=MANY))]
    pub(super) messages: u64,
    /// Give the writers whole dictionaries, of which they find what changed, instead of the changed key
    #[arg(long)]
    pub(super) whole: bool,
    /// Each update, or the latest where several came while the last was read
    #[arg(long, value_enum, default_value_t = BenchMode::Every)]
    pub(super) mode: BenchMode,
    /// Bytes of the dictionary as JSON, filled up by a text [default: what its keys have, 62 for five]
    #[arg(long, value_name = "BYTES", value_parser = value_parser!(u32).range(..=LARGEST))]
    pub(super) size: Option<u32>,
    /// Keys of the dictionary
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub(super) keys: u32,
    /// Updates of all writers together that may be on their way to a subscriber, in mode every
    ///
    /// A hub ends the subscription of a subscriber for which it holds more than its limit every_output.
    #[arg(long, value_name = "N", default_value_t = 15_000, value_parser = value_parser!(u64).range(1..=MANY))]
    pub(super) in_flight: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum BenchMode {
    /// Each update
    Every,
    /// The latest state; updates are merged while the reader is slow
    Latest,
}

impl From<BenchMode> for Mode {
    fn from(mode: BenchMode) -> Self {
        match mode {
            BenchMode::Every => Self::Every,
            BenchMode::Latest => Self::Latest,
        }
    }
}

/// The time from publishing to one's own subscription, through the hub
#[derive(Debug, Args)]
pub(super) struct LatencyArguments {
    /// Publish so many a second, whatever has arrived; the time counts from when each was to be sent, so that what
    /// waits behind a slow one counts too [default: the next one when the last has arrived]
    #[arg(long, value_name = "PER_SECOND", value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub(super) rate: Option<u32>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = value_parser!(u64).range(1..=MANY))]
    pub(super) messages: u64,
    /// Use the client that programs use, whose connection has a thread of its own, instead of a bare connection
    #[arg(long)]
    pub(super) threaded: bool,
}

/// Updates a second that a logger has on disk
///
/// Each changes one key, of one source after the other. The hub needs a logger, in whose timeline they stay.
#[derive(Debug, Args)]
pub(super) struct DurableArguments {
    /// Programs that write, the sources divided among them
    #[arg(long, value_name = "W", default_value_t = 1, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(super) writers: u32,
    /// Sources, of all writers together
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub(super) sources: u32,
    /// Keys of each source
    #[arg(long, value_name = "K", default_value_t = 10, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub(super) keys: u32,
    /// Publish for so long
    #[arg(long, value_name = "SECONDS", default_value = "10s", value_parser = seconds)]
    pub(super) seconds: Duration,
    /// Publish so many from each writer, however long that takes
    #[arg(long, value_name = "N", conflicts_with = "seconds", value_parser = value_parser!(u64).range(1..=MANY))]
    pub(super) messages: Option<u64>,
    /// Updates of all writers together that may be without acknowledgement
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = value_parser!(u64).range(1..=MANY))]
    pub(super) in_flight: u64,
}

/// Connections that are subscribed, and to which nothing comes
#[derive(Debug, Args)]
pub(super) struct IdleArguments {
    /// How many
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub(super) connections: u32,
    /// Hold them for so long
    #[arg(long, value_name = "SECONDS", default_value = "1s", value_parser = seconds)]
    pub(super) hold: Duration,
    /// The process of the hub, on this machine: tells how much more memory it has with the connections (Linux)
    #[arg(long, value_name = "PID")]
    pub(super) pid: Option<u32>,
}

/// A number of seconds, or a time with its unit.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string()),
        Err(_) => time::parse_duration(text).map_err(|error| error.to_string()),
    }
}
