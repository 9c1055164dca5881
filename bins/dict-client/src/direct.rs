//! Connections to programs of older systems, with no hub between: plain and blocking.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use dict_cli::UsageError;
use dict_protocol::link::{Link, Options};

/// Checks that a link says where a program is and nothing else: the options of links are for hubs.
pub(crate) fn check(link: &Link) -> Result<()> {
    if *link.options() == Options::default() {
        return Ok(());
    }
    Err(UsageError(format!("--hub {link}: the options of a link are for a hub that has it: leave them out"))
        .into())
}

/// Connects to the first address of a link's host that can be reached, within `timeout`.
pub(crate) fn connect(link: &Link, timeout: Duration) -> Result<TcpStream> {
    let host = link.host();
    let addresses = (host, link.port()).to_socket_addrs();
    let addresses = addresses.with_context(|| format!("the name {host:?} cannot be looked up"))?;
    let deadline = Instant::now() + timeout;
    let mut failure = anyhow!("the name {host:?} has no address");
    for address in addresses {
        // No time at all would be refused as an argument.
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failure = unreachable(address, &error, timeout),
        }
    }
    Err(failure)
}

fn unreachable(address: SocketAddr, error: &io::Error, timeout: Duration) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            anyhow!("cannot reach {address}: connection refused; is that program running there?")
        }
        io::ErrorKind::TimedOut => anyhow!("cannot reach {address}: no answer in {timeout:?}"),
        _ => anyhow!("cannot reach {address}: {error}"),
    }
}

/// Whether an error of reading says only that nothing has come yet.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
