//! `dict-server`: a hub alone. It passes on what programs publish and keeps the latest of it in memory; a `logger`
//! elsewhere records it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use dict_cli::config::Keys;
use dict_cli::{LINK_HELP, LinkArguments};
use dict_event_loop::server::{Server, Settings};

/// Pass dictionaries, messages and requests on between programs.
///
/// The hub holds the latest state of each source in memory and nothing else. To keep everything in a timeline too, run
/// `logger` in its place, or `logger --connect` beside it.
///
/// Ctrl-C or SIGTERM ends it in order. DICTWIRE_LOG=info tells on standard error who comes and goes.
#[derive(Debug, Parser)]
#[command(version, after_long_help = LINK_HELP)]
struct Arguments {
    #[command(flatten)]
    links: LinkArguments,
}

fn main() -> ExitCode {
    dict_cli::run("dict-server", serve)
}

fn serve(Arguments { links }: Arguments) -> anyhow::Result<()> {
    let (links, _) = links.read(Keys::SERVER)?;
    if let Some(hub) = links.hubs.first() {
        return Err(hub.wrong("a hub connects to no other hub (logger --connect records one)").into());
    }
    let mut server = Server::new(Settings {
        listen: links.listen.clone(),
        product: concat!("dict-server ", env!("CARGO_PKG_VERSION")).to_owned(),
        ..Settings::default()
    })?;
    let older = links.open_older(&mut server)?;
    let handle = server.handle();
    dict_cli::on_interrupt(move || handle.stop())?;
    dict_cli::print_listening(server.addresses(), &older)?;
    Ok(server.run()?)
}
