//! Closed by default: nobody but this machine is served, unless somebody said so.

use std::net::SocketAddr;

use thiserror::Error;

/// A server would listen for strangers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Exposure {
    /// Natively, without TLS or without asking for credentials.
    #[error(
        "not listening on {address}, which others can reach, {}: listen on 127.0.0.1, or on \
         'dictwires://{address}?cert=server.pem,key=server-key.pem' with --access FILE (`dict-server keygen` makes the \
         certificates, `dict-server token` the tokens); --insecure accepts it as it is",
        lacks(*.encrypted, *.asks_credentials)
    )]
    Native {
        /// Where it was bound.
        address: SocketAddr,
        /// Whether it has TLS.
        encrypted: bool,
        /// Whether it asks for credentials.
        asks_credentials: bool,
    },
    /// For programs of an older system.
    #[error(
        "not listening on {address} for an older dialect: others can reach it, and in that dialect nobody can show who \
         he is; listen on 127.0.0.1, or accept it with --insecure-older"
    )]
    Older {
        /// Where it was bound.
        address: SocketAddr,
    },
}

fn lacks(encrypted: bool, asks_credentials: bool) -> &'static str {
    match (encrypted, asks_credentials) {
        (false, false) => "without TLS and without credentials",
        (false, true) => "without TLS",
        (true, _) => "without credentials",
    }
}

/// Whether a native listener may be bound there.
pub(super) fn check(
    address: SocketAddr,
    encrypted: bool,
    asks_credentials: bool,
    insecure: bool,
) -> Result<(), Exposure> {
    if is_loopback(address) || (encrypted && asks_credentials) {
        return Ok(());
    }
    if insecure {
        tracing::warn!(%address, "listening {}, as asked for", lacks(encrypted, asks_credentials));
        return Ok(());
    }
    Err(Exposure::Native { address, encrypted, asks_credentials })
}

/// Whether a listener of an older dialect may be bound there.
pub(super) fn check_older(address: SocketAddr, insecure: bool) -> Result<(), Exposure> {
    if is_loopback(address) {
        return Ok(());
    }
    if insecure {
        tracing::warn!(%address, "listening for an older dialect, in which anybody may say anything, as asked for");
        return Ok(());
    }
    Err(Exposure::Older { address })
}

/// Whether this machine alone can reach it. An IPv4 address may be written as one of IPv6.
fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bound_counts() {
        for (address, is_open) in [
            ("127.0.0.1:1", false),
            ("127.9.9.9:1", false),
            ("[::1]:1", false),
            ("[::ffff:127.0.0.1]:1", false),
            ("0.0.0.0:1", true),
            ("[::]:1", true),
            ("[::ffff:0.0.0.0]:1", true),
            ("10.0.0.7:1", true),
            ("169.254.1.1:1", true),
            ("[fe80::1]:1", true),
        ] {
            let address = address.parse().unwrap();
            for (encrypted, asks, insecure) in
                (0..8).map(|bits: u8| (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0))
            {
                let refused = is_open && !(encrypted && asks) && !insecure;
                assert_eq!(check(address, encrypted, asks, insecure).is_err(), refused, "{address}");
            }
            assert_eq!(check_older(address, false).is_err(), is_open, "{address}");
            assert_eq!(check_older(address, true), Ok(()));
        }
    }
}
