//! `dict-server`: a hub alone. It passes on what programs publish and keeps the latest of it in memory; a `logger`
//! elsewhere records it.
#![forbid(unsafe_code)]

mod limits;
mod token;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use dict_cli::access::{AccessArgument, AccessFile};
use dict_cli::config::Keys;
use dict_cli::{LINK_HELP, LimitArguments, LinkArguments};
use dict_event_loop::server::{Server, Settings};

/// Pass dictionaries, messages and requests on between programs.
///
/// The hub holds the latest state of each source in memory and nothing else. To keep everything in a timeline too, run
/// `logger` in its place, or `logger --connect` beside it.
///
/// Ctrl-C or SIGTERM ends it in order. DICTWIRE_LOG=info tells on standard error who comes and goes.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_long_help = LINK_HELP)]
struct Arguments {
    #[command(flatten)]
    serve: ServeArguments,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Token(token::TokenArguments),
    /// List what a hub takes at most: the limits that --limit sets
    Limits,
}

/// Serving, the command that has no name.
#[derive(Debug, Args)]
struct ServeArguments {
    #[command(flatten)]
    links: LinkArguments,
    #[command(flatten)]
    access: AccessArgument,
    #[command(flatten)]
    limits: LimitArguments,
}

fn main() -> ExitCode {
    dict_cli::run("dict-server", |Arguments { serve: arguments, command }: Arguments| match command {
        None => serve(arguments),
        Some(Command::Token(arguments)) => token::run(&arguments),
        Some(Command::Limits) => limits::run(),
    })
}

fn serve(ServeArguments { links, access, limits }: ServeArguments) -> anyhow::Result<()> {
    let (links, config) = links.read(Keys::SERVER)?;
    let access = access.read(&config)?;
    let limits = limits.read(&config)?;
    if let Some(hub) = links.hubs.first() {
        return Err(hub.wrong("a hub connects to no other hub (logger --connect records one)").into());
    }
    let mut server = Server::new(Settings {
        listen: links.listen.clone(),
        product: concat!("dict-server ", env!("CARGO_PKG_VERSION")).to_owned(),
        access: access.as_ref().map(|file| file.access().clone()),
        limits,
        ..Settings::default()
    })?;
    let older = links.open_older(&mut server)?;
    access.map_or(Ok(()), |file: AccessFile| file.watch(server.handle()))?;
    let handle = server.handle();
    dict_cli::on_interrupt(move || handle.stop())?;
    dict_cli::print_listening(server.addresses(), &older)?;
    Ok(server.run()?)
}
