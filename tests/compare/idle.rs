//! Resident memory for each connection that is subscribed and to which nothing comes.

use std::time::Duration;

use crate::peers::Peer;
use crate::trouble::{Result, Trouble};
use crate::wire;

/// How long memory may take to come to rest.
pub(crate) const REST: Duration = Duration::from_secs(1);

/// KiB for each of so many connections of a peer.
pub(crate) fn peer(peer: Peer, connections: u32) -> Result<f64> {
    only_on_linux()?;
    let server = peer.start(&std::env::temp_dir())?;
    std::thread::sleep(REST);
    let before = server.resident_kib()?;
    let mut open = Vec::new();
    for number in 0..connections {
        let mut socket = server.connect()?;
        wire::subscribe(peer, &mut socket, &format!("i{number}"), 'a')?;
        open.push(socket);
    }
    std::thread::sleep(REST);
    Ok(each(before, server.resident_kib()?, connections))
}

/// How much each of `connections` has added.
pub(crate) fn each(before: u64, after: u64, connections: u32) -> f64 {
    (after as f64 - before as f64) / f64::from(connections)
}

pub(crate) fn only_on_linux() -> Result<()> {
    if cfg!(target_os = "linux") {
        return Ok(());
    }
    Err(Trouble::LeftOut("the memory of a process is read from /proc, which Linux has".into()))
}
