//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use dict_cli::access::AccessArgument;
use dict_cli::{HubArgument, LINK_HELP, LimitArguments, LinkArguments, time};
use dict_protocol::pattern::Pattern;
use dict_protocol::time::Time;
use dict_timeline::{Amount, Filter, Kind, Limit};

use crate::amount;

/// The environment variable that names a timeline.
const TIMELINE_VARIABLE: &str = "DICTWIRE_TIMELINE";
/// The timeline that is meant if none is named.
pub(crate) const TIMELINE: &str = "timeline.db";

/// Keep every change of every program in one durable timeline, and read it.
///
/// Without a command it records: it is a hub that programs connect to, and it writes every change, message, request and
/// gap to the timeline before it acknowledges it. Ctrl-C or SIGTERM ends it in order. DICTWIRE_LOG=info tells on
/// standard error who comes and goes.
///
/// With --rotate the timeline is a folder, which all commands read as they read a file. A folder is gone on with as a
/// folder, without --rotate in its newest file; a timeline that is one file stays one, and refuses --rotate.
///
/// The other commands read a timeline, also while it is being written.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_long_help = LINK_HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) record: RecordArguments,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Show(ShowArguments),
    State(StateArguments),
    Export(ExportArguments),
    Info(InfoArguments),
    Verify(VerifyArguments),
    Backup(BackupArguments),
    Note(NoteArguments),
}

#[derive(Debug, Args)]
pub(crate) struct TimelineArgument {
    /// The timeline: an SQLite database, or a folder of them
    #[arg(long, value_name = "PATH", env = TIMELINE_VARIABLE, default_value = TIMELINE)]
    pub(crate) timeline: PathBuf,
}

/// Recording, the command that has no name.
#[derive(Debug, Args)]
pub(crate) struct RecordArguments {
    /// The timeline: an SQLite database, or a folder of them [default: timeline.db]
    #[arg(long, value_name = "PATH", env = TIMELINE_VARIABLE)]
    pub(crate) timeline: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) links: LinkArguments,
    #[command(flatten)]
    pub(crate) access: AccessArgument,
    #[command(flatten)]
    pub(crate) limits: LimitArguments,
    /// Make the timeline a folder, and in it begin a file after each such time or size, as 1d or 8GB
    #[arg(long, value_name = "TIME|SIZE", value_parser = amount::parse)]
    pub(crate) rotate: Option<Amount>,
    /// Of such a folder, remove files that are older than this, as 30d, or the oldest beyond this size, as 500GB
    ///
    /// If the clock jumps ahead, so that even the newest row looks too old, nothing is removed for its age until newer
    /// rows are stored and an hour has passed: then the clock is believed. If it was ahead and is set back, what was
    /// recorded meanwhile stays until its time has come; files are begun as often as before.
    #[arg(long, value_name = "TIME|SIZE", value_parser = amount::parse)]
    pub(crate) keep: Option<Amount>,
    /// Record this machine's own processor load, memory and network besides, and print each change
    #[arg(long)]
    pub(crate) demo: bool,
    /// Print nothing but errors
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// Which rows of a timeline.
#[derive(Debug, Args)]
pub(crate) struct FilterArguments {
    /// Rows of this source, or with a trailing / or * of all whose names begin so; may be given several times
    #[arg(long = "source", value_name = "S", value_parser = pattern)]
    sources: Vec<Pattern>,
    /// Changes of this key, or with a trailing / or * of all that begin so; may be given several times
    #[arg(long = "key", value_name = "K", value_parser = pattern)]
    keys: Vec<Pattern>,
    /// Rows of this kind: change, message, request, connection, clock, gap, note; may be given several times
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<Kind>,
    /// Not before this time: 10m (ago), 2026-11-21, 2026-11-21T10:00 (local), or seconds since 1970
    #[arg(long, value_name = "T", value_parser = time::parse)]
    since: Option<Time>,
    /// Before this time
    #[arg(long, value_name = "T", value_parser = time::parse)]
    until: Option<Time>,
    /// The last N rows of those alone
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

impl FilterArguments {
    /// The same as a filter; `limit` is used where none was given.
    pub(crate) fn into_filter(self, limit: Option<u64>) -> Filter {
        let Self { sources, keys, kinds, since, until, .. } = self;
        let limit = self.limit.or(limit).map(Limit::Last);
        Filter { sources, keys, kinds, since, until, limit, ..Filter::default() }
    }
}

/// Print rows: every change, message, request, connection, clock, gap and note, oldest first.
///
/// On a terminal the last 100 of those asked for, unless --limit says otherwise; in a pipe all of them.
#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    pub(crate) timeline: TimelineArgument,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// Go on with what is recorded from now on, until Ctrl-C
    #[arg(long, conflicts_with = "until")]
    pub(crate) follow: bool,
    /// How to print them; times are local in a table, UTC otherwise
    #[arg(long, value_enum, default_value_t = RowFormat::Table)]
    pub(crate) format: RowFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RowFormat {
    /// Aligned columns, for people
    Table,
    /// Comma-separated values with a line of names
    Csv,
    /// A JSON object a line
    Jsonl,
}

/// Print every dictionary as it was at a time.
#[derive(Debug, Args)]
pub(crate) struct StateArguments {
    #[command(flatten)]
    pub(crate) timeline: TimelineArgument,
    /// At this time, as for show --since; without it, now
    #[arg(long, value_name = "T", value_parser = time::parse)]
    pub(crate) at: Option<Time>,
    /// This source, or with a trailing / or * all whose names begin so; may be given several times
    #[arg(long = "source", value_name = "S", value_parser = pattern)]
    pub(crate) sources: Vec<Pattern>,
    /// How to print them
    #[arg(long, value_enum, default_value_t = StateFormat::Table)]
    pub(crate) format: StateFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum StateFormat {
    /// A line for each key, for people
    Table,
    /// A JSON object for each source
    Jsonl,
}

/// Write rows to a file.
///
/// The file appears under its name when it is complete.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    pub(crate) timeline: TimelineArgument,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// The file to write; - is standard output
    #[arg(long, value_name = "FILE|-")]
    pub(crate) output: PathBuf,
    /// Replace the file if there is one
    #[arg(long)]
    pub(crate) force: bool,
    /// How to write them [default: jsonl if FILE ends so, else csv]
    #[arg(long, value_enum)]
    pub(crate) format: Option<ExportFormat>,
    /// One column for each key, and a line for each update: what a spreadsheet wants
    #[arg(long)]
    pub(crate) wide: bool,
    /// With --wide, a line for each step of this length, as 1s or 100ms
    #[arg(long, value_name = "STEP", requires = "wide", value_parser = time::parse_interval)]
    pub(crate) every: Option<Duration>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Comma-separated values with a line of names
    Csv,
    /// A JSON object a line
    Jsonl,
}

/// Tell what a timeline holds: its span, sources, counts, gaps, size, growth, and when the disk will be full.
#[derive(Debug, Args)]
pub(crate) struct InfoArguments {
    #[command(flatten)]
    pub(crate) timeline: TimelineArgument,
    /// How to print it
    #[arg(long, value_enum, default_value_t = InfoFormat::Table)]
    pub(crate) format: InfoFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum InfoFormat {
    /// For people
    Table,
    /// One JSON object
    Json,
}

/// Check that a timeline is whole: exit 1 if anything is wrong.
///
/// The database's structure, the checksum of every record, and that every update of every source is there once or is
/// covered by a gap. Gaps that are recorded are not wrong: see info.
#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    #[command(flatten)]
    pub(crate) timeline: TimelineArgument,
}

/// Copy a timeline, also while it is being written.
///
/// The copy holds what is committed when it is begun, is checked as by verify, and appears under its name when it is
/// complete; a timeline that is a folder is copied to a folder. Recording goes on meanwhile.
///
/// As long as the file that is being written is copied, the log beside it (PATH-wal) grows by what is recorded: see that
/// the disk has room for both. A logger that is killed in that time waits with its next start until the copy is done.
#[derive(Debug, Args)]
pub(crate) struct BackupArguments {
    #[command(flatten)]
    pub(crate) timeline: TimelineArgument,
    /// The file or folder to make
    #[arg(long, value_name = "PATH")]
    pub(crate) output: PathBuf,
    /// Replace an older backup there
    #[arg(long)]
    pub(crate) force: bool,
}

/// Put a marker in the timeline: "run 7 starts".
///
/// It goes through the hub to every logger, and is on disk when the command ends.
#[derive(Debug, Args)]
pub(crate) struct NoteArguments {
    /// What it says
    pub(crate) text: String,
    #[command(flatten)]
    pub(crate) hub: HubArgument,
    #[command(flatten)]
    pub(crate) limits: LimitArguments,
}

/// For clap, whose parsers return results.
fn pattern(text: &str) -> Result<Pattern, std::convert::Infallible> {
    Ok(Pattern::parse(text))
}
