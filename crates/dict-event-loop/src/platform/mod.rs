//! Where operating systems differ; there are no such differences in any other place.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

use std::io;
use std::time::Duration;

use socket2::{Socket, TcpKeepalive};

#[cfg(not(target_os = "linux"))]
pub(crate) use self::elsewhere::SendQueues;
#[cfg(target_os = "linux")]
pub(crate) use self::linux::SendQueues;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_peer_is_asked_after_ten_seconds() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = socket2::SockRef::from(&stream);
        keep_alive(&socket).unwrap();
        assert!(socket.keepalive().unwrap());
        #[cfg(unix)]
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(10));
        #[cfg(target_os = "linux")]
        assert_eq!(
            (socket.tcp_keepalive_interval().unwrap(), socket.tcp_keepalive_retries().unwrap()),
            (Duration::from_secs(5), 3)
        );
    }
}
