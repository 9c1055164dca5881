//! Recording: `logger` without a command.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use dict_cli::config::{Config, Keys};
use dict_cli::{Links, Stdout, Stop, UsageError, on_interrupt};
use dict_event_loop::ListenError;
use dict_event_loop::server::ServerError;
use dict_timeline::{Amount, Options, Timeline};

use crate::amount;
use crate::arguments::{RecordArguments, TIMELINE};
use crate::demo;
use crate::serve::{Logger, Remote};

/// What the command line and the file say together.
struct Wanted {
    links: Links,
    timeline: PathBuf,
    options: Options,
    demo: bool,
    quiet: bool,
}

pub(crate) fn run(arguments: RecordArguments) -> Result<()> {
    let wanted = wanted(arguments)?;
    let mut logger = start(&wanted)?;
    let older = logger.open_older(&wanted.links)?;
    let Wanted { links, timeline, demo, quiet, .. } = wanted;
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
    let RecordArguments { timeline, rotate, keep, demo, quiet, .. } = arguments;
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
    let timeline = timeline.or_else(|| config.text("timeline").map(PathBuf::from));
    let timeline = timeline.unwrap_or_else(|| TIMELINE.into());
    Ok(Wanted { links, timeline, options, demo, quiet: quiet || config.flag("quiet") })
}

/// What the command line says, or else the file.
fn amount(given: Option<Amount>, key: &str, config: &Config) -> Result<Option<Amount>> {
    let of_file = || config.text(key).map(amount::parse).transpose();
    match given {
        Some(given) => Ok(Some(given)),
        None => Ok(of_file().map_err(|error| UsageError(format!("{key} in the file of --config: {error}")))?),
    }
}

fn start(Wanted { links, timeline, options, demo, .. }: &Wanted) -> Result<Logger> {
    let remotes = links.hubs.iter().map(|hub| Remote::new(&hub.link)).collect::<Result<Vec<_>>>()?;
    let open = || -> Result<Timeline> {
        let timeline = Timeline::create_or_open(timeline, *options)?;
        if *demo {
            demo::check(&timeline)?;
        }
        Ok(timeline)
    };
    match Logger::new(open()?, links, &remotes) {
        // The hub to record may well be this machine's, at the port that both take if nothing else is said.
        Err(error) if is_in_use(&error) && links.is_default && !remotes.is_empty() => {
            tracing::warn!("{error:#}; recording others alone (give --listen to listen elsewhere)");
            let links = Links { listen: Vec::new(), ..links.clone() };
            Logger::new(open()?, &links, &remotes)
        }
        started => started,
    }
}

fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ServerError::Listen(ListenError::InUse { .. })))
}
