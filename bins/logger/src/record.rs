//! Recording: `logger` without a command.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use dict_cli::access::AccessFile;
use dict_cli::config::{Config, Keys};
use dict_cli::{Links, Role, Stdout, Stop, UsageError, on_interrupt};
use dict_event_loop::ListenError;
use dict_event_loop::server::{Server, ServerError};
use dict_protocol::limits::Limits;
use dict_timeline::{Amount, Error, Options, Timeline};

use crate::amount;
use crate::arguments::{RecordArguments, TIMELINE};
use crate::demo;
use crate::serve::{self, Logger, Remote};

/// Between two attempts to open a timeline that another program keeps from being opened.
const RETRY: Duration = Duration::from_millis(200);

/// What the command line and the file say together.
struct Wanted {
    links: Links,
    timeline: PathBuf,
    options: Options,
    access: Option<AccessFile>,
    limits: Limits,
    demo: bool,
    quiet: bool,
}

pub(crate) fn run(arguments: RecordArguments) -> Result<()> {
    let wanted = wanted(arguments)?;
    dict_cli::allow_open_files(&wanted.limits, wanted.links.older_listen.len());
    let remotes = wanted.links.hubs.iter().map(|hub| Remote::new(&hub.link)).collect::<Result<Vec<_>>>()?;
    // Bound before the timeline is opened: a start that is refused leaves none behind.
    let mut server = bind(&wanted)?;
    let older = wanted.links.open_older(&mut server)?;
    let logger = Logger::new(server, open_timeline(&wanted)?, &remotes)?;
    let Wanted { links, timeline, access, demo, quiet, .. } = wanted;
    access.map_or(Ok(()), |file| file.watch(logger.handle()))?;
    // Before it says that it listens: who reads that may well end it at once.
    let (stop, handle) = (Stop::new(), logger.handle());
    let asked = stop.clone();
    on_interrupt(move || if demo { asked.ask() } else { handle.stop() })?;
    if !quiet {
        dict_cli::print_listening(&links, logger.addresses(), &older)?;
        let mut out = Stdout::new();
        writeln!(out, "recording in {}", timeline.display())?;
        out.flush()?;
    }
    if demo { demo::run(logger, &timeline, quiet, &stop) } else { logger.run(&timeline) }
}

fn wanted(arguments: RecordArguments) -> Result<Wanted> {
    let (links, config) = arguments.links.read(Keys::LOGGER)?;
    dict_cli::check_tokens(&links.hubs)?;
    let RecordArguments { timeline, rotate, keep, access, limits, demo, quiet, .. } = arguments;
    let access = access.read(&config)?;
    let limits = limits.read(Role::Logger, &config)?;
    let mut options = Options::default();
    options.rotate = amount(rotate, "rotate", &config)?;
    options.keep = amount(keep, "keep", &config)?;
    if options.keep.is_some() && options.rotate.is_none() {
        let text = "--keep removes whole files: give --rotate, too, so that there are several";
        return Err(UsageError(text.into()).into());
    }
    let demo = demo || config.flag("demo");
    if demo && let Some(given) = links.hubs.iter().chain(&links.older_connect).next() {
        return Err(given.wrong("this cannot be used with --demo, which records this machine alone").into());
    }
    if demo && access.is_some() {
        let text = "--demo cannot be used with --access: it publishes by itself, as nobody in particular";
        return Err(UsageError(text.into()).into());
    }
    let timeline = timeline.or_else(|| config.text("timeline").map(PathBuf::from));
    let timeline = timeline.unwrap_or_else(|| TIMELINE.into());
    Ok(Wanted { links, timeline, options, access, limits, demo, quiet: quiet || config.flag("quiet") })
}

/// What the command line says, or else the file.
fn amount(given: Option<Amount>, key: &str, config: &Config) -> Result<Option<Amount>> {
    let of_file = || config.text(key).map(amount::parse).transpose();
    match given {
        Some(given) => Ok(Some(given)),
        None => Ok(of_file().map_err(|error| UsageError(format!("{key} in the file of --config: {error}")))?),
    }
}

fn bind(Wanted { links, access, limits, .. }: &Wanted) -> Result<Server> {
    let access = || access.as_ref().map(|file| file.access().clone());
    match serve::server(links, access(), limits) {
        // The hub to record may well be this machine's, at the port that both take if nothing else is said.
        Err(error) if is_in_use(&error) && links.is_default && !links.hubs.is_empty() => {
            tracing::warn!("{error:#}; recording others alone (give --listen to listen elsewhere)");
            serve::server(&Links { listen: Vec::new(), ..links.clone() }, access(), limits)
        }
        bound => bound,
    }
}

fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ServerError::Listen(ListenError::InUse { .. })))
}

fn open_timeline(Wanted { timeline, options, demo, .. }: &Wanted) -> Result<Timeline> {
    let timeline = open(timeline, *options)?;
    if *demo {
        demo::check(&timeline)?;
    }
    Ok(timeline)
}

/// Opens the timeline; waits as long as another program keeps it from being recovered, or locked.
fn open(path: &Path, options: Options) -> Result<Timeline, Error> {
    let mut is_told = false;
    loop {
        match Timeline::create_or_open(path, options) {
            Err(error @ (Error::RecoveryBlocked { .. } | Error::Busy)) => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!("{error}; until then nothing is recorded, and it is tried again");
                }
                thread::sleep(RETRY);
            }
            opened => return opened,
        }
    }
}
