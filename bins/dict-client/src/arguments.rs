//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use dict_cli::{HubArgument, LIMIT_HELP, LIMIT_LONG_HELP, LimitSetting, time};
use dict_event_loop::client::{Level, Mode};
use dict_protocol::pattern::Pattern;

use crate::bench::BenchArguments;
use crate::text::Pair;

/// Publish, watch, send, ask, answer and measure: what a Dictwire program does, from the command line.
///
/// DICTWIRE_LOG=info tells more on standard error.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct ConnectionArguments {
    #[command(flatten)]
    pub(crate) hub: HubArgument,
    /// The name to be known by on the hub, which others send and ask to
    #[arg(long, global = true, value_name = "NAME", default_value = "dict-client")]
    pub(crate) name: String,
    // As in `LimitArguments`, and with every command.
    #[arg(
        long = "limit",
        global = true,
        value_name = "NAME=VALUE",
        help = LIMIT_HELP,
        long_help = LIMIT_LONG_HELP
    )]
    pub(crate) limits: Vec<LimitSetting>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Publish(PublishArguments),
    Watch(WatchArguments),
    Get(GetArguments),
    /// List the sources that the hub knows
    Sources,
    /// List the clients that are connected
    Clients,
    /// Tell how the hub is
    Status,
    Forget(ForgetArguments),
    Send(SendArguments),
    Request(RequestArguments),
    Respond(RespondArguments),
    Ping(PingArguments),
    Bench(BenchArguments),
}

/// Publish a dictionary
///
/// SOURCE KEY=VALUE... sets those keys and leaves the others as they are; the command ends when that is
/// acknowledged. With --stdin it goes on until the input ends. What is to be left as it is (also with --stdin
/// --patch) is read from the hub first: where a hub has rules, that takes the right read besides write, and
/// --replace does without.
#[derive(Debug, Args)]
pub(crate) struct PublishArguments {
    /// The source's name, as bench1/psu
    pub(crate) source: String,
    /// A key and its value: JSON (or NaN, Infinity, -Infinity) if it parses as such, else text
    #[arg(value_name = "KEY=VALUE", required_unless_present = "stdin", value_parser = str::parse::<Pair>)]
    pub(crate) pairs: Vec<Pair>,
    /// State the whole dictionary: keys that are not given are removed
    #[arg(long)]
    pub(crate) replace: bool,
    /// Take each VALUE as text, whatever it looks like
    #[arg(long)]
    pub(crate) text: bool,
    /// Read dictionaries from standard input: a JSON object a line, each the whole new state
    ///
    /// Waits while more is unacknowledged than fits in memory (64 MiB, a million updates). Ends with 0 when
    /// every line is acknowledged; if it fails, it tells which line is the last that is.
    #[arg(long, conflicts_with_all = ["pairs", "text"])]
    pub(crate) stdin: bool,
    /// With --stdin: each line holds keys to set, and leaves the others (null is a value like any other)
    #[arg(long, requires = "stdin", conflicts_with = "pairs")]
    pub(crate) patch: bool,
    /// Replace another client that is writing the source now
    #[arg(long)]
    pub(crate) take_over: bool,
    /// What to wait for [default: logged where the hub has had a logger, else received]
    #[arg(long, value_enum)]
    pub(crate) ack: Option<Ack>,
    /// Keep what no logger has yet in this file, which outlives the command; run again with it, what is left
    /// is sent
    ///
    /// It is made where there is none, and belongs to one command at a time. With --stdin it also remembers
    /// how many lines were taken: run again with the same input, however the last run ended, the command goes
    /// on with the line after them, so that each is in the timeline once; a run that came to its end has
    /// nothing more to publish. An input whose first line is another is taken from its beginning. One that is
    /// not what was taken, though its first line is, is an error: give it a file of its own. What is written
    /// is synced to the disk before it is sent. Goes with --ack logged alone.
    #[arg(long, value_name = "FILE")]
    pub(crate) spool: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Ack {
    /// Nothing: it is sent
    None,
    /// The hub has it in memory
    Received,
    /// Every logger of the hub has it on disk
    Logged,
}

impl From<Ack> for Level {
    fn from(ack: Ack) -> Self {
        match ack {
            Ack::None => Self::None,
            Ack::Received => Self::Received,
            Ack::Logged => Self::Logged,
        }
    }
}

/// Print what sources are, and then every change as it comes, until Ctrl-C
#[derive(Debug, Args)]
pub(crate) struct WatchArguments {
    /// A source's name, or with a trailing / or * the beginning of names; none means all
    #[arg(value_name = "PATTERN")]
    pub(crate) patterns: Vec<String>,
    /// Each update, or the latest where several came while the last was printed
    #[arg(long, value_enum, default_value_t = WatchMode::Every)]
    pub(crate) mode: WatchMode,
    /// Print messages too that are sent to all, or to this client
    #[arg(long)]
    pub(crate) messages: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t = WatchFormat::Table)]
    pub(crate) format: WatchFormat,
    /// End after N lines
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
}

impl WatchArguments {
    /// The patterns, at least one.
    pub(crate) fn patterns(&self) -> Vec<Pattern> {
        match &*self.patterns {
            [] => vec![Pattern::all()],
            patterns => patterns.iter().map(|text| Pattern::parse(text)).collect(),
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum WatchMode {
    /// Each update
    Every,
    /// The latest state; updates are merged while the reader is slow
    Latest,
}

impl From<WatchMode> for Mode {
    fn from(mode: WatchMode) -> Self {
        match mode {
            WatchMode::Every => Self::Every,
            WatchMode::Latest => Self::Latest,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum WatchFormat {
    /// Aligned columns, for people
    Table,
    /// A JSON object a line, as from logger show
    Jsonl,
}

/// Print a source's dictionary as JSON, or one value of it
#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// The source's name
    pub(crate) source: String,
    /// Print the value under this key alone; exit 1 if there is none
    pub(crate) key: Option<String>,
}

/// Have the hub forget a source that nobody writes any more
///
/// Whoever comes to watch is not told of it, until it is written again. What loggers have of it stays.
#[derive(Debug, Args)]
pub(crate) struct ForgetArguments {
    /// The source's name
    pub(crate) source: String,
}

/// Send a message: to everybody who listens for messages, or to one client
#[derive(Debug, Args)]
pub(crate) struct SendArguments {
    /// A text
    #[arg(value_name = "TEXT", required_unless_present_any = ["binary", "json"])]
    pub(crate) text: Option<String>,
    /// The bytes of a file; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["text", "json"])]
    pub(crate) binary: Option<PathBuf>,
    /// A value, as JSON
    #[arg(long, value_name = "TEXT", conflicts_with = "text")]
    pub(crate) json: Option<String>,
    /// The client that it is for
    #[arg(long, value_name = "NAME")]
    pub(crate) to: Option<String>,
}

/// Ask for an action, and print the answer as JSON
///
/// Without a hub, a program of the older COMET is asked itself: with --hub comet://HOST:PORT, or by its name
/// with --config and --to. If what it answers begins with "Error: ", that is printed, and the command exits
/// with 1.
#[derive(Debug, Args)]
pub(crate) struct RequestArguments {
    /// What is asked for
    pub(crate) action: String,
    /// With this value: JSON (or NaN, Infinity, -Infinity) if it parses as such, else text [default: null]
    pub(crate) value: Option<String>,
    /// The client that is to answer [default: whoever handles the action]
    #[arg(long, value_name = "NAME")]
    pub(crate) to: Option<String>,
    /// Ask the COMET program without a hub that this file calls NAME: a Client of COMET's own YAML, or a
    /// comet:// link to connect to of a logger's or server's TOML
    #[arg(long, value_name = "FILE", requires = "to")]
    pub(crate) config: Option<PathBuf>,
    /// How long to wait for the answer
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = time::parse_interval)]
    pub(crate) timeout: Duration,
}

/// Answer an action, until Ctrl-C
#[derive(Debug, Args)]
#[group(skip)]
#[command(group = ArgGroup::new("answer").required(true).args(["with", "exec"]))]
pub(crate) struct RespondArguments {
    /// The action to answer; "" is every one that nobody else answers
    pub(crate) action: String,
    /// Answer always with this value: JSON (or NaN, Infinity, -Infinity) if it parses as such, else text
    #[arg(long, value_name = "VALUE")]
    pub(crate) with: Option<String>,
    /// Run this program for each request, without a shell: what follows is its arguments, or if nothing does,
    /// spaces and quotes in COMMAND divide it
    ///
    /// The value comes on its standard input as JSON; what it writes is the answer, as VALUE of --with. If it
    /// exits with another code than 0, the asker gets an error. It is killed when the asker waits no longer.
    #[arg(long, value_name = "COMMAND", num_args = 1.., allow_hyphen_values = true)]
    pub(crate) exec: Option<Vec<String>>,
}

/// Measure the time to the hub and back
///
/// With --hub pingpong://HOST:PORT, the time to a server of that older system: a ping, and then readings as
/// its own client sends them, the next one when the last is answered or lost.
#[derive(Debug, Args)]
pub(crate) struct PingArguments {
    /// How often
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: u64,
    /// Between two
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = time::parse_duration)]
    pub(crate) interval: Duration,
    /// How long to wait for the connection, and for each answer
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = time::parse_interval)]
    pub(crate) timeout: Duration,
}
