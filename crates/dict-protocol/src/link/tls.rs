//! What a link says of its encryption.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

use super::LinkError;
use super::options::bad;

/// Whom an encrypted link trusts, and what it shows of itself. Files are PEM.
///
/// | option | to connect | to listen |
/// |---|---|---|
/// | `ca=FILE` | trust certificates that this CA signed, and no others; if left out, those that this machine trusts | only clients that show a certificate that this CA signed come in |
/// | `cert=FILE` | the certificate to show if the other end asks for one | the certificate to show, and those between it and its CA; needed |
/// | `key=FILE` | its private key | its private key; needed |
/// | `pin=SHA256` | trust the one certificate with this SHA-256, whatever its CA, name and dates are | |
/// | `server=NAME` | the name or address that the certificate must be for, if that is not the link's host | |
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Tls {
    /// The file of the CA that is trusted.
    pub ca: Option<String>,
    /// The file of this end's certificate.
    pub cert: Option<String>,
    /// The file of its private key.
    pub key: Option<String>,
    /// The one certificate that is trusted.
    pub pin: Option<Pin>,
    /// The name that the other end's certificate must be for.
    pub server: Option<String>,
}

impl Tls {
    /// Takes an option; false if it is none of these.
    pub(super) fn set(&mut self, encrypted: bool, key: &str, value: &str) -> Result<bool, LinkError> {
        let (option, text) = match key {
            "ca" => ("ca", Some(&mut self.ca)),
            "cert" => ("cert", Some(&mut self.cert)),
            "key" => ("key", Some(&mut self.key)),
            "server" => ("server", Some(&mut self.server)),
            "pin" => ("pin", None),
            _ => return Ok(false),
        };
        if !encrypted {
            return Err(LinkError::Needs { option, needs: "dictwires://, the encrypted protocol" });
        }
        match text {
            Some(_) if value.is_empty() => return Err(bad(option, value, "a name")),
            Some(text) => *text = Some(value.to_owned()),
            None => self.pin = Some(Pin::parse(value)?),
        }
        Ok(true)
    }

    /// Whether the options go together.
    pub(super) fn check(&self) -> Result<(), LinkError> {
        match (&self.cert, &self.key) {
            (Some(_), None) => {
                return Err(LinkError::Needs { option: "cert", needs: "key=FILE, its private key" });
            }
            (None, Some(_)) => {
                return Err(LinkError::Needs { option: "key", needs: "cert=FILE, its certificate" });
            }
            _ => {}
        }
        let other = match self {
            Self { pin: None, .. } => return Ok(()),
            Self { ca: Some(_), .. } => "ca",
            Self { server: Some(_), .. } => "server",
            _ => return Ok(()),
        };
        let why = "a pin trusts one certificate, whatever its CA and its name are";
        Err(LinkError::Excludes { option: "pin", other, why })
    }
}

/// The SHA-256 of a certificate (of its DER form, as tools call it the fingerprint).
///
/// Written as 64 hexadecimal digits, perhaps with colons between the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pin(pub [u8; 32]);

impl Pin {
    fn parse(text: &str) -> Result<Self, LinkError> {
        let invalid = || bad("pin", text, "the 64 hexadecimal digits of the certificate's SHA-256");
        let mut digits = text.chars().filter(|character| *character != ':').map(|digit| digit.to_digit(16));
        let mut pin = [0; 32];
        for byte in &mut pin {
            let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else {
                return Err(invalid());
            };
            *byte = (high << 4 | low) as u8;
        }
        if digits.next().is_some() { Err(invalid()) } else { Ok(Self(pin)) }
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
