//! Where operating systems differ; there are no such differences in any other file.

use std::io;
use std::time::Duration;

use socket2::{Socket, TcpKeepalive};

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

/// Lets the system ask a silent peer whether it is still there: after 10 s, then twice more.
pub(crate) fn keep_alive(socket: &Socket) -> io::Result<()> {
    let questions = TcpKeepalive::new().with_time(Duration::from_secs(10));
    socket.set_tcp_keepalive(&with_intervals(questions))
}

#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "netbsd",
    target_vendor = "apple",
    windows,
))]
fn with_intervals(questions: TcpKeepalive) -> TcpKeepalive {
    questions.with_interval(Duration::from_secs(5)).with_retries(3)
}

/// Elsewhere they are the system's own.
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "netbsd",
    target_vendor = "apple",
    windows,
)))]
fn with_intervals(questions: TcpKeepalive) -> TcpKeepalive {
    questions
}
