//! Recording: `logger` without a command.

use std::io::Write;

use anyhow::Result;
use dict_cli::{Stdout, Stop, UsageError, on_interrupt};
use dict_event_loop::ListenError;
use dict_event_loop::server::ServerError;
use dict_timeline::{Options, Timeline};

use crate::arguments::RecordArguments;
use crate::demo;
use crate::serve::{Logger, Remote};

pub(crate) fn run(arguments: &RecordArguments) -> Result<()> {
    if arguments.config.is_some() {
        return Err(
            UsageError("--config is not supported yet: give the options on the command line".into()).into()
        );
    }
    if arguments.rotate.is_some() || arguments.keep.is_some() {
        let text = "--rotate and --keep are not supported yet: a timeline is one file, and keeps everything";
        return Err(UsageError(text.into()).into());
    }
    let logger = start(arguments)?;
    let path = &arguments.timeline.timeline;
    // Before it says that it listens: who reads that may well end it at once.
    let (stop, handle) = (Stop::new(), logger.handle());
    let (asked, is_demo) = (stop.clone(), arguments.demo);
    on_interrupt(move || if is_demo { asked.ask() } else { handle.stop() })?;
    if !arguments.quiet {
        dict_cli::print_listening(logger.addresses())?;
        let mut out = Stdout::new();
        writeln!(out, "recording in {}", path.display())?;
        out.flush()?;
    }
    if is_demo { demo::run(logger, path, arguments.quiet, &stop) } else { logger.run(path) }
}

fn start(arguments: &RecordArguments) -> Result<Logger> {
    let listen = dict_cli::listen_addresses(&arguments.listen)?;
    let remotes = arguments
        .connect
        .iter()
        .map(|link| Ok(Remote { prefix: link.options().prefix.clone(), address: dict_cli::address(link)? }))
        .collect::<Result<Vec<_>>>()?;
    let open = || -> Result<Timeline> {
        let timeline = Timeline::create_or_open(&arguments.timeline.timeline, Options::default())?;
        if arguments.demo {
            demo::check(&timeline)?;
        }
        Ok(timeline)
    };
    match Logger::new(open()?, listen, &remotes) {
        // The hub to record may well be this machine's, at the port that both take if nothing else is said.
        Err(error) if is_in_use(&error) && arguments.listen.is_empty() && !remotes.is_empty() => {
            tracing::warn!("{error:#}; recording others alone (give --listen to listen elsewhere)");
            Logger::new(open()?, Vec::new(), &remotes)
        }
        started => started,
    }
}

fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ServerError::Listen(ListenError::InUse { .. })))
}
