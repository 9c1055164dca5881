//! Where operating systems differ; there are no such differences in any other file.

use std::io;

use socket2::Socket;

/// Whether a read or write of less than was asked for means that the next event will be reported.
///
/// The edge-triggered interfaces of these systems say so for stream sockets. Elsewhere (Windows, `poll`) mio reports
/// again only after an operation that would have blocked, so there has to be one.
pub(crate) const SHORT_TRANSFER_REARMS: bool = cfg!(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
));

/// Lets a listener have its port again while connections of an earlier one are still being forgotten.
#[cfg(unix)]
pub(crate) fn share_address_with_the_past(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_address(true)
}

/// Windows does so by itself; there the option would let two programs listen on one port.
#[cfg(not(unix))]
pub(crate) fn share_address_with_the_past(_socket: &Socket) -> io::Result<()> {
    Ok(())
}
