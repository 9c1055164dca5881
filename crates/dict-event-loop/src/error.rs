//! What can go wrong: each error tells what, where, and what to do about it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;

use crate::address::Address;

/// The event loop itself cannot work. Errors of single sockets never come to this.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoopError {
    /// The operating system did not give what a loop is made of.
    #[error("cannot start an event loop: {0}; the limit of open files may be too low (see `ulimit -n`)")]
    Start(#[source] io::Error),
    /// Waiting for events failed, which it does only when something is broken.
    #[error("cannot wait for network events: {0}")]
    Wait(#[source] io::Error),
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// There is no colon and port.
    #[error("{text:?} has no port; write host:port, as in 127.0.0.1:7450")]
    NoPort {
        /// What was given.
        text: String,
    },
    /// What follows the last colon is no number from 0 to 65535.
    #[error("the port in {text:?} is not a number from 0 to 65535")]
    BadPort {
        /// What was given.
        text: String,
    },
    /// There is nothing before the port.
    #[error(
        "the host before port {port} is missing; write 127.0.0.1:{port} for this machine, \
         0.0.0.0:{port} for all its networks"
    )]
    NoHost {
        /// The port that was given.
        port: u16,
    },
    /// The host cannot be one.
    #[error("{host:?} is not a host; an IPv6 address stands in brackets, as in [::1]:7450")]
    BadHost {
        /// The host that was given.
        host: String,
    },
}

/// A listener could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The host is a name that could not be looked up.
    #[error(
        "cannot listen on {address}: the name cannot be looked up: {source}; check its spelling or \
         give an IP address"
    )]
    Resolve {
        /// Where to listen.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else listens there.
    #[error(
        "cannot listen on {address}: address in use; is another logger or server running? choose \
         another port"
    )]
    InUse {
        /// Where to listen.
        address: SocketAddr,
    },
    /// The address is not this machine's.
    #[error(
        "cannot listen on {address}: no network of this machine has that address; 127.0.0.1 is for \
         this machine alone, 0.0.0.0 for all its networks"
    )]
    NotOurs {
        /// Where to listen.
        address: SocketAddr,
    },
    /// Low ports are kept for administrators on some systems.
    #[error("cannot listen on {address}: not permitted; choose a port of 1024 or above")]
    NotPermitted {
        /// Where to listen.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Failed {
        /// Where to listen.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl ListenError {
    pub(crate) fn new(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address },
            io::ErrorKind::AddrNotAvailable => Self::NotOurs { address },
            io::ErrorKind::PermissionDenied => Self::NotPermitted { address },
            _ => Self::Failed { address, source },
        }
    }
}

/// A link's other end was not reached, at any of its addresses; of several, the last one's error.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The host is a name that could not be looked up.
    #[error(
        "cannot reach {address}: the name cannot be looked up: {source}; check its spelling and the \
         network"
    )]
    Resolve {
        /// What to reach.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// The machine is there and nobody listens.
    #[error("cannot reach {address}: connection refused: nobody listens there; is the program running?")]
    Refused {
        /// What to reach.
        address: SocketAddr,
    },
    /// No answer came.
    #[error(
        "cannot reach {address}: no answer in {after:?}; is the machine on, and does its firewall let \
         the port through?"
    )]
    TimedOut {
        /// What to reach.
        address: SocketAddr,
        /// How long was waited.
        after: Duration,
    },
    /// Anything else.
    #[error("cannot reach {address}: {source}")]
    Failed {
        /// What to reach.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl LinkError {
    pub(crate) fn new(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused { address },
            _ => Self::Failed { address, source },
        }
    }
}
