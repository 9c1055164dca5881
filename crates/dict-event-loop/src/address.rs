//! A host and a port, as people write them.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use crate::error::AddressError;

/// Where to listen or what to reach: a host name or IP address, and a port.
///
/// Written `host:port`, with IPv6 addresses in brackets.
///
/// ```
/// use dict_event_loop::Address;
///
/// let address: Address = "[::1]:7450".parse()?;
/// assert_eq!(address, Address::new("::1", 7450)?);
/// assert_eq!(address.to_string(), "[::1]:7450");
/// assert!("::1:7450".parse::<Address>().is_err());
/// # Ok::<(), dict_event_loop::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// An address from its parts; an IPv6 `host` may stand in brackets.
    ///
    /// # Errors
    ///
    /// If `host` is empty, or has a colon and is no IPv6 address.
    pub fn new(host: &str, port: u16) -> Result<Self, AddressError> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if bare.is_empty() {
            return Err(AddressError::NoHost { port });
        }
        let bracketed = bare.len() != host.len();
        if (bracketed || bare.contains(':')) && !is_ipv6(bare) {
            return Err(AddressError::BadHost { host: host.to_owned() });
        }
        Ok(Self { host: bare.to_owned(), port })
    }

    /// The name or IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 0 lets the system choose one to listen on.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The socket address, if the host is an IP address and no name has to be looked up.
    pub(crate) fn literal(&self) -> Option<SocketAddr> {
        self.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, self.port))
    }

    /// Looks the host up. Blocks, for a name perhaps for many seconds.
    pub(crate) fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let addresses: Vec<_> = (self.host.as_str(), self.port).to_socket_addrs()?.collect();
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        Ok(addresses)
    }
}

/// Whether `host` is an IPv6 address, perhaps with a zone (`fe80::1%eth0`).
fn is_ipv6(host: &str) -> bool {
    let (ip, zone) = host.split_once('%').unwrap_or((host, "0"));
    !zone.is_empty() && ip.parse::<std::net::Ipv6Addr>().is_ok()
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(AddressError::NoPort { text: text.to_owned() });
        };
        let port = port.parse().map_err(|_| AddressError::BadPort { text: text.to_owned() })?;
        if host.contains(':') && !host.starts_with('[') {
            return Err(AddressError::BadHost { host: host.to_owned() });
        }
        Self::new(host, port)
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write() {
        for (text, host, literal) in [
            ("127.0.0.1:7450", "127.0.0.1", true),
            ("[::1]:7450", "::1", true),
            ("[fe80::1%eth0]:7450", "fe80::1%eth0", false),
            ("lab-pc.example:7450", "lab-pc.example", false),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.host(), address.port()), (host, 7450));
            assert_eq!(address.literal().is_some(), literal, "{text}");
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn what_is_refused() {
        for text in
            ["", "host", "host:", "host:70000", ":7450", "::1:7450", "[::1]", "[host]:1", "a:b:1", "[]:1"]
        {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
