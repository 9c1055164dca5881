//! Serving, the command that has no name.

use anyhow::Result;
use clap::Args;
use dict_cli::access::{AccessArgument, AccessFile};
use dict_cli::config::Keys;
use dict_cli::{LimitArguments, LinkArguments, Role};
use dict_event_loop::server::{Server, Settings};

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    links: LinkArguments,
    #[command(flatten)]
    access: AccessArgument,
    #[command(flatten)]
    limits: LimitArguments,
}

pub(crate) fn run(ServeArguments { links, access, limits }: ServeArguments) -> Result<()> {
    let (links, config) = links.read(Keys::SERVER)?;
    let access = access.read(&config)?;
    let limits = limits.read(Role::Hub, &config)?;
    if let Some(hub) = links.hubs.first() {
        return Err(hub.wrong("a hub connects to no other hub (logger --connect records one)").into());
    }
    dict_cli::allow_open_files(&limits, links.older_listen.len());
    let mut server = Server::new(Settings {
        name: links.name.clone(),
        listen: links.listen.clone(),
        insecure: links.insecure,
        insecure_older: links.insecure_older,
        product: concat!("dict-server ", env!("CARGO_PKG_VERSION")).to_owned(),
        access: access.as_ref().map(|file| file.access().clone()),
        limits,
    })?;
    let older = links.open_older(&mut server)?;
    access.map_or(Ok(()), |file: AccessFile| file.watch(server.handle()))?;
    let handle = server.handle();
    dict_cli::on_interrupt(move || handle.stop())?;
    dict_cli::print_listening(&links, server.addresses(), &older)?;
    Ok(server.run()?)
}
