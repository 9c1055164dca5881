//! Links: where to listen or what to reach, in which dialect, as people write it.

mod error;
mod options;
#[cfg(test)]
mod tests;
mod tls;

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use core::fmt;
use core::net::Ipv6Addr;
use core::str::FromStr;

pub use error::LinkError;
pub use options::{Apply, Options};
pub use tls::{Pin, Tls};

use crate::dialect::Dialect;

/// One end of a connection, written as a URL; a name or address alone will do.
///
/// | part | if it is left out |
/// |---|---|
/// | scheme: `dictwire://`, encrypted `dictwires://`, `pytcp://`, `comms://`, `comet://`, `pingpong://` | `dictwire` |
/// | host: a name, an IPv4 address, an IPv6 address in brackets | an error |
/// | port, 0 to let the system choose one to listen on | the dialect's [own](Dialect::default_port) |
/// | options after `?`, separated by `&` or `,` | their defaults |
///
/// [`Options`] tells which options each dialect has. In their values `%` and two hexadecimal digits stand for a byte, as
/// in any URL: `%26` for `&`, `%2C` for `,`, `%25` for `%` itself. Of an option that is given twice, the last counts.
///
/// ```
/// use dict_protocol::dialect::Dialect;
/// use dict_protocol::link::Link;
///
/// let link: Link = "dictwire://lab-pc:7451?prefix=lab2/".parse()?;
/// assert_eq!((link.host(), link.port(), &*link.options().prefix), ("lab-pc", 7451, "lab2/"));
/// let link: Link = "[::1]".parse()?;
/// assert_eq!(link.to_string(), "[::1]:7450");
/// let link: Link = "dictwires://lab-pc?ca=lab/ca.pem".parse()?;
/// assert_eq!((link.is_encrypted(), link.options().tls.ca.as_deref()), (true, Some("lab/ca.pem")));
/// let link: Link = "pytcp://127.0.0.1?source=bench1/psu".parse()?;
/// assert_eq!((link.dialect(), link.port()), (Dialect::PyTcp, 12_345));
/// # Ok::<(), dict_protocol::link::LinkError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    dialect: Dialect,
    encrypted: bool,
    host: String,
    port: u16,
    options: Options,
}

impl Link {
    /// The port of the native protocol.
    pub const PORT: u16 = 7450;

    /// A link from its parts, not encrypted. An IPv6 address stands in brackets; options are names and values, as they are
    /// meant.
    ///
    /// # Errors
    ///
    /// If the host cannot be one, or an option is not the dialect's or not as it has to be.
    pub fn new<'a>(
        dialect: Dialect,
        host: &str,
        port: u16,
        options: impl IntoIterator<Item = (&'a str, Cow<'a, str>)>,
    ) -> Result<Self, LinkError> {
        Self::with(Scheme { dialect, encrypted: false }, host, port, options)
    }

    fn with<'a>(
        scheme: Scheme,
        host: &str,
        port: u16,
        options: impl IntoIterator<Item = (&'a str, Cow<'a, str>)>,
    ) -> Result<Self, LinkError> {
        let Scheme { dialect, encrypted } = scheme;
        let host = bare_host(host)?.to_owned();
        Ok(Self { dialect, encrypted, host, port, options: Options::read(scheme, options)? })
    }

    /// What is spoken.
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Whether what is spoken travels in TLS: `dictwires://`.
    pub const fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// The host, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The options.
    pub const fn options(&self) -> &Options {
        &self.options
    }
}

impl Default for Link {
    /// A hub on this machine: `127.0.0.1:7450`.
    fn default() -> Self {
        Self {
            dialect: Dialect::Native,
            encrypted: false,
            host: "127.0.0.1".to_owned(),
            port: Self::PORT,
            options: Options::default(),
        }
    }
}

impl FromStr for Link {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Scheme::read(scheme)?, rest),
            None => (Scheme { dialect: Dialect::Native, encrypted: false }, text),
        };
        let (address, options) = rest.split_once('?').unwrap_or((rest, ""));
        let address = address.strip_suffix('/').unwrap_or(address);
        let (host, port) = split_port(address)?;
        let options = options::split(scheme, options)?;
        Self::with(scheme, host, port.unwrap_or(scheme.dialect.default_port()), options)
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
    /// Writes what parses to the same link, without what is the default.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dialect, encrypted, host, port, options } = self;
        if *encrypted || *dialect != Dialect::Native {
            write!(f, "{}://", Scheme { dialect: *dialect, encrypted: *encrypted }.text())?;
        }
        if host.contains(':') {
            write!(f, "[{host}]:{port}")?;
        } else {
            write!(f, "{host}:{port}")?;
        }
        options.write(f)
    }
}

/// The native protocol, encrypted.
const ENCRYPTED: &str = "dictwires";

/// What stands before `://`.
#[derive(Clone, Copy)]
struct Scheme {
    dialect: Dialect,
    encrypted: bool,
}

impl Scheme {
    const fn text(self) -> &'static str {
        if self.encrypted { ENCRYPTED } else { self.dialect.scheme() }
    }

    fn read(text: &str) -> Result<Self, LinkError> {
        if text.eq_ignore_ascii_case(ENCRYPTED) {
            return Ok(Self { dialect: Dialect::Native, encrypted: true });
        }
        let mut dialects = Dialect::ALL.into_iter();
        let dialect = dialects.find(|dialect| text.eq_ignore_ascii_case(dialect.scheme()));
        let dialect = dialect.ok_or_else(|| LinkError::Scheme { scheme: text.to_owned() })?;
        Ok(Self { dialect, encrypted: false })
    }
}

fn split_port(address: &str) -> Result<(&str, Option<u16>), LinkError> {
    let colon = address.rfind(':').filter(|at| !address[*at..].contains(']'));
    let Some(colon) = colon else { return Ok((address, None)) };
    let port = &address[colon + 1..];
    match port.parse() {
        Ok(number) if port.bytes().all(|byte| byte.is_ascii_digit()) => Ok((&address[..colon], Some(number))),
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
