//! `dict-server`: a hub alone. It passes on what programs publish and keeps the latest of it in memory; a `logger`
//! elsewhere records it.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use dict_cli::UsageError;
use dict_event_loop::server::{Server, Settings};
use dict_protocol::link::Link;

/// Pass dictionaries, messages and requests on between programs.
///
/// The hub holds the latest state of each source in memory and nothing else. To keep everything in a timeline too, run
/// `logger` in its place, or `logger --connect` beside it.
///
/// Ctrl-C or SIGTERM ends it in order. DICTWIRE_LOG=info tells on standard error who comes and goes.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen: HOST:PORT, port 0 for any that is free; may be given several times [default: 127.0.0.1:7450]
    #[arg(long, value_name = "LINK")]
    listen: Vec<Link>,
    /// A server of an older dialect to connect to (not supported yet)
    #[arg(long, value_name = "LINK")]
    connect: Vec<Link>,
    /// Read the options from a file (not supported yet)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    dict_cli::run("dict-server", serve)
}

fn serve(Arguments { listen, connect, config }: Arguments) -> anyhow::Result<()> {
    if let Some(link) = connect.first() {
        let text = "a hub connects to no other hub (use logger --connect to record one), and links to servers of \
                    older dialects are not supported yet";
        return Err(UsageError(format!("--connect {link}: {text}")).into());
    }
    if config.is_some() {
        return Err(
            UsageError("--config is not supported yet: give the options on the command line".into()).into()
        );
    }
    let server = Server::new(Settings {
        listen: dict_cli::listen_addresses(&listen)?,
        product: concat!("dict-server ", env!("CARGO_PKG_VERSION")).to_owned(),
        ..Settings::default()
    })?;
    let handle = server.handle();
    dict_cli::on_interrupt(move || handle.stop())?;
    dict_cli::print_listening(server.addresses())?;
    Ok(server.run()?)
}
