//! `dict-server`: a hub alone. It passes on what programs publish and keeps the latest of it in memory; a `logger`
//! elsewhere records it. And the commands that make what a hub needs.
#![forbid(unsafe_code)]

mod keygen;
mod limits;
mod serve;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use dict_cli::LINK_HELP;

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
    serve: serve::ServeArguments,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Keygen(keygen::KeygenArguments),
    Token(token::TokenArguments),
    /// List what a hub takes at most: the limits that --limit sets
    Limits,
}

fn main() -> ExitCode {
    dict_cli::run("dict-server", |Arguments { serve, command }: Arguments| match command {
        None => serve::run(serve),
        Some(Command::Keygen(arguments)) => keygen::run(&arguments),
        Some(Command::Token(arguments)) => token::run(&arguments),
        Some(Command::Limits) => limits::run(),
    })
}
