//! `dict-client`: what a Dictwire program does, from the command line.
#![forbid(unsafe_code)]

mod arguments;
mod bench;
mod direct;
mod exec;
mod get;
mod hub;
mod ping;
mod publish;
mod request;
mod respond;
mod send;
mod state;
mod text;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use arguments::{Arguments, Command, ConnectionArguments, ForgetArguments};
use dict_cli::Role;
use dict_event_loop::client::{Builder, Client};
use dict_protocol::limits::Limits;

/// How long the hub may take to answer what it can answer at once.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    dict_cli::run("dict-client", |Arguments { connection, command }: Arguments| match command {
        Command::Publish(arguments) => publish::run(connection, arguments),
        Command::Watch(arguments) => watch::run(connection, &arguments),
        Command::Get(arguments) => get::run(connection, &arguments),
        Command::Sources => hub::sources(connection),
        Command::Clients => hub::clients(connection),
        Command::Status => hub::status(connection),
        Command::Forget(ForgetArguments { source }) => hub::forget(connection, source),
        Command::Send(arguments) => send::run(connection, &arguments),
        Command::Request(arguments) => request::run(connection, arguments),
        Command::Respond(arguments) => respond::run(connection, arguments),
        Command::Ping(arguments) => ping::run(connection, &arguments),
        Command::Bench(arguments) => bench::run(connection, &arguments),
    })
}

impl ConnectionArguments {
    /// Connects to the hub.
    fn connect(self) -> Result<Client> {
        self.connect_as(|client| client)
    }

    /// What this client takes at most, and what it sends.
    fn limits(&self) -> Result<Limits> {
        dict_cli::limits(Role::Client, &self.limits)
    }

    /// Connects to the hub as a client about which more is said.
    fn connect_as(self, more: impl FnOnce(Builder) -> Builder) -> Result<Client> {
        let limits = self.limits()?;
        let hub = self.hub.native()?;
        let product = concat!("dict-client ", env!("CARGO_PKG_VERSION"));
        let client = Client::builder().name(self.name).product(product).limits(limits);
        Ok(more(client.credentials(dict_cli::token_for(&hub)?)).connect(hub)?)
    }
}
