//! Where a hub listens, as `dict-server` and `logger` are told and tell.

use std::io::{self, Write};
use std::net::SocketAddr;

use dict_event_loop::Address;
use dict_protocol::dialect::Dialect;
use dict_protocol::link::Link;

use crate::run::UsageError;
use crate::stdout::Stdout;

/// The addresses that `links` say to listen on; without any, the native port of this machine alone.
///
/// # Errors
///
/// [`UsageError`] if a link has a prefix: only what is connected to can have one.
pub fn listen_addresses(links: &[Link]) -> anyhow::Result<Vec<Address>> {
    if links.is_empty() {
        return Ok(vec![address(&Link::default())?]);
    }
    if let Some(link) = links.iter().find(|link| !link.options().prefix.is_empty()) {
        return Err(UsageError(format!("--listen {link}: a prefix is for links to connect to")).into());
    }
    links.iter().map(address).collect()
}

/// Tells where a hub listens, a line each.
///
/// # Errors
///
/// If standard output cannot be written.
pub fn print_listening(addresses: &[SocketAddr]) -> io::Result<()> {
    let mut out = Stdout::new();
    for address in addresses {
        writeln!(out, "listening on {address}")?;
    }
    out.flush()
}

/// A link's host and port.
///
/// # Errors
///
/// [`UsageError`] if the host cannot be one, or the link is for an older dialect.
pub fn address(link: &Link) -> anyhow::Result<Address> {
    if link.dialect() != Dialect::Native {
        return Err(UsageError(format!("{}:// is not supported yet", link.dialect().scheme())).into());
    }
    Address::new(link.host(), link.port()).map_err(|error| UsageError(format!("{link}: {error}")).into())
}
