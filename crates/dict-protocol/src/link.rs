//! Links: where to listen or what to reach, as people write it.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::net::Ipv6Addr;
use core::str::FromStr;

use crate::limits::Limits;
use crate::name::{self, NameError};

/// One end of a connection, written as a URL; a name or address alone will do.
///
/// | part | if it is left out |
/// |---|---|
/// | scheme, `dictwire://` | the native protocol |
/// | host: a name, an IPv4 address, an IPv6 address in brackets | an error |
/// | port, 0 to let the system choose one to listen on | [`Link::PORT`] |
/// | options after `?`, separated by `&` or `,` | their defaults |
///
/// The native protocol has one option: `prefix`, put before the name of each source that comes through the link, so that
/// sources of two hubs do not meet under one name.
///
/// ```
/// use dict_protocol::link::Link;
///
/// let link: Link = "dictwire://lab-pc:7451?prefix=lab2/".parse()?;
/// assert_eq!((link.host(), link.port(), link.prefix()), ("lab-pc", 7451, "lab2/"));
/// let link: Link = "[::1]".parse()?;
/// assert_eq!(link.to_string(), "[::1]:7450");
/// # Ok::<(), dict_protocol::link::LinkError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    host: String,
    port: u16,
    prefix: String,
}

impl Link {
    /// The port of the native protocol.
    pub const PORT: u16 = 7450;

    /// The host, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What goes before each source's name; empty as a rule.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl Default for Link {
    /// A hub on this machine: `127.0.0.1:7450`.
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: Self::PORT, prefix: String::new() }
    }
}

impl FromStr for Link {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        let (scheme, rest) = text.split_once("://").unwrap_or((SCHEME, text));
        check_scheme(scheme)?;
        let (address, options) = rest.split_once('?').unwrap_or((rest, ""));
        let address = address.strip_suffix('/').unwrap_or(address);
        let (host, port) = split_port(address)?;
        Ok(Self { host: bare_host(host)?.to_owned(), port, prefix: prefix(options)? })
    }
}

impl TryFrom<&str> for Link {
    type Error = LinkError;

    fn try_from(text: &str) -> Result<Self, LinkError> {
        text.parse()
    }
}

impl TryFrom<&String> for Link {
    type Error = LinkError;

    fn try_from(text: &String) -> Result<Self, LinkError> {
        text.parse()
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)?;
        } else {
            write!(f, "{}:{}", self.host, self.port)?;
        }
        if self.prefix.is_empty() { Ok(()) } else { write!(f, "?prefix={}", self.prefix) }
    }
}

/// The native protocol's scheme.
const SCHEME: &str = "dictwire";
/// Schemes whose meaning is settled and which no version understands yet.
const TO_COME: [&str; 5] = ["dictwires", "pytcp", "comms", "comet", "pingpong"];

fn check_scheme(scheme: &str) -> Result<(), LinkError> {
    if scheme.eq_ignore_ascii_case(SCHEME) {
        Ok(())
    } else if TO_COME.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        Err(LinkError::NotYet { scheme: scheme.to_owned() })
    } else {
        Err(LinkError::Scheme { scheme: scheme.to_owned() })
    }
}

fn split_port(address: &str) -> Result<(&str, u16), LinkError> {
    let colon = address.rfind(':').filter(|at| !address[*at..].contains(']'));
    let Some(colon) = colon else { return Ok((address, Link::PORT)) };
    let port = &address[colon + 1..];
    match port.parse() {
        Ok(number) if port.bytes().all(|byte| byte.is_ascii_digit()) => Ok((&address[..colon], number)),
        _ => Err(LinkError::Port { port: port.to_owned() }),
    }
}

/// The host without brackets.
fn bare_host(host: &str) -> Result<&str, LinkError> {
    if host.is_empty() {
        return Err(LinkError::NoHost);
    }
    let invalid = || LinkError::Host { host: host.to_owned() };
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or_else(invalid)?;
        let (address, zone) = inner.split_once('%').unwrap_or((inner, "0"));
        let is_address = address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty();
        return if is_address { Ok(inner) } else { Err(invalid()) };
    }
    let may_stand = |c: char| !c.is_whitespace() && !c.is_control() && !":/@[]?#".contains(c);
    if host.chars().all(may_stand) { Ok(host) } else { Err(invalid()) }
}

fn prefix(options: &str) -> Result<String, LinkError> {
    let mut prefix = String::new();
    for option in options.split(['&', ',']).filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("prefix", value)) => {
                // A prefix alone may end with a slash, as no name may.
                match name::validate(value, Limits::default().name) {
                    Ok(()) | Err(NameError::Slash) => prefix = value.to_owned(),
                    Err(error) => return Err(LinkError::Prefix { prefix: value.to_owned(), error }),
                }
            }
            _ => return Err(LinkError::Option { option: option.to_owned() }),
        }
    }
    Ok(prefix)
}

/// Why a text is no link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The scheme is not known.
    #[error("unknown scheme {scheme:?}: write dictwire://host:port, or host:port alone")]
    Scheme {
        /// What was given.
        scheme: String,
    },
    /// The scheme is one that a later version understands.
    #[error("{scheme}:// is not supported yet: this version speaks dictwire:// alone")]
    NotYet {
        /// What was given.
        scheme: String,
    },
    /// There is no host.
    #[error("the host is missing: 127.0.0.1 is this machine alone, 0.0.0.0 all its networks to listen on")]
    NoHost,
    /// The host cannot be one.
    #[error("{host:?} is no host: write a name, an IPv4 address, or an IPv6 address in brackets")]
    Host {
        /// What was given.
        host: String,
    },
    /// The port is no number from 0 to 65535.
    #[error("{port:?} is no port: a number from 0 to 65535 (an IPv6 address stands in brackets)")]
    Port {
        /// What was given.
        port: String,
    },
    /// An option is not known, or has no value.
    #[error("unknown option {option:?}: known is prefix=TEXT")]
    Option {
        /// What was given.
        option: String,
    },
    /// The prefix cannot be the beginning of names.
    #[error("the prefix {prefix:?} cannot begin names: {error}")]
    Prefix {
        /// What was given.
        prefix: String,
        /// Which rule it breaks.
        error: NameError,
    },
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn what_people_write() {
        for (text, host, port, prefix) in [
            ("127.0.0.1:7450", "127.0.0.1", 7450, ""),
            ("127.0.0.1", "127.0.0.1", 7450, ""),
            ("lab-pc.example:1", "lab-pc.example", 1, ""),
            ("DICTWIRE://localhost:0/", "localhost", 0, ""),
            ("[::1]", "::1", 7450, ""),
            ("[fe80::1%eth0]:99", "fe80::1%eth0", 99, ""),
            ("a:1?prefix=lab2/", "a", 1, "lab2/"),
            ("a?prefix=one,prefix=two", "a", 7450, "two"),
        ] {
            let link: Link = text.parse().unwrap();
            assert_eq!((link.host(), link.port(), link.prefix()), (host, port, prefix), "{text}");
            assert_eq!(link.to_string().parse(), Ok(link), "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        let host = |host: &str| LinkError::Host { host: host.to_owned() };
        let port = |port: &str| LinkError::Port { port: port.to_owned() };
        for (text, error) in [
            ("", LinkError::NoHost),
            (":7450", LinkError::NoHost),
            ("::1:7450", host("::1")),
            ("[host]:1", host("[host]")),
            ("[::1", host("[:")),
            ("a b:1", host("a b")),
            ("a:b@c:1", host("a:b@c")),
            ("host:", port("")),
            ("host:+1", port("+1")),
            ("host:65536", port("65536")),
            ("http://host", LinkError::Scheme { scheme: "http".to_owned() }),
            ("comms://host:3000?type=json", LinkError::NotYet { scheme: "comms".to_owned() }),
            ("host?prefx=a", LinkError::Option { option: "prefx=a".to_owned() }),
            ("host?prefix=$a", LinkError::Prefix { prefix: "$a".to_owned(), error: NameError::Dollar }),
        ] {
            assert_eq!(text.parse::<Link>(), Err(error), "{text}");
        }
    }
}
