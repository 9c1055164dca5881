//! `logger`: a hub that records everything that comes to it, and to the hubs it is connected to, in one timeline; and
//! the commands that read a timeline.
#![forbid(unsafe_code)]

mod ahead;
mod amount;
mod arguments;
mod backup;
mod demo;
mod export;
mod info;
mod note;
mod progress;
mod record;
mod recording;
mod serve;
mod show;
mod state;
mod verify;
mod written_back;

use std::process::ExitCode;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    dict_cli::run("logger", |Arguments { record, command }: Arguments| match command {
        None => record::run(record),
        Some(Command::Show(arguments)) => show::run(arguments),
        Some(Command::State(arguments)) => state::run(arguments),
        Some(Command::Export(arguments)) => export::run(arguments),
        Some(Command::Info(arguments)) => info::run(arguments),
        Some(Command::Verify(arguments)) => verify::run(arguments),
        Some(Command::Backup(arguments)) => backup::run(arguments),
        Some(Command::Note(arguments)) => note::run(arguments),
    })
}
