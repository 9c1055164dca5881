//! Serving, the command that has no name.

use anyhow::Result;
use clap::Args;
use dict_cli::LinkArguments;
use dict_cli::config::Keys;
use dict_event_loop::server::{Server, Settings};

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    links: LinkArguments,
}

pub(crate) fn run(ServeArguments { links }: &ServeArguments) -> Result<()> {
    let (links, _) = links.read(Keys::SERVER)?;
    if let Some(hub) = links.hubs.first() {
        return Err(hub.wrong("a hub connects to no other hub (logger --connect records one)").into());
    }
    let mut server = Server::new(Settings {
        listen: links.listen.clone(),
        insecure: links.insecure,
        insecure_older: links.insecure_older,
        product: concat!("dict-server ", env!("CARGO_PKG_VERSION")).to_owned(),
        ..Settings::default()
    })?;
    let older = links.open_older(&mut server)?;
    let handle = server.handle();
    dict_cli::on_interrupt(move || handle.stop())?;
    dict_cli::print_listening(&links, server.addresses(), &older)?;
    Ok(server.run()?)
}
