//! How many files this process may have open: each connection is one.

use dict_protocol::limits::Limits;

/// Files besides connections: what is listened on, the timeline, standard output.
const OTHERS: u64 = 100;

/// Has the system allow for as many open files as the limit `connections` promises, and for the `peers` of so many gateways,
/// as far as this process may ask for that; if it is not enough, that is told once. On Windows there is no such limit.
pub fn allow_open_files(limits: &Limits, gateways: usize) {
    let needed = limits.connections.saturating_add(limits.peers.saturating_mul(gateways)) as u64 + OTHERS;
    if let Some(allowed) = raise_open_files(needed)
        && allowed < needed
    {
        tracing::warn!(
            "this process may have {allowed} files open, and takes {needed} for all connections that its limits allow: raise \
             the system's limit (ulimit -Hn), or give --limit connections=NUMBER"
        );
    }
}

/// Raises how many files this process may have open as far as `needed`, and as it can be raised. Returns how many that are
/// then; `None` if there is no such limit.
#[cfg(unix)]
pub fn raise_open_files(needed: u64) -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let current = current?;
    let wanted = needed.min(maximum.unwrap_or(u64::MAX));
    if wanted <= current {
        return Some(current);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        Ok(()) => Some(wanted),
        Err(error) => {
            tracing::debug!(%error, wanted, "the limit of open files cannot be raised");
            Some(current)
        }
    }
}

/// There is no such limit.
#[cfg(not(unix))]
pub fn raise_open_files(_: u64) -> Option<u64> {
    None
}
