//! What follows the `?` of a link.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::{LinkError, Scheme, Tls};
use crate::dialect::{Dialect, comms};
use crate::limits::Limits;
use crate::name::{self, NameError};
use crate::pattern::Pattern;

/// What a link says besides dialect, host and port.
///
/// | dialect | option | meaning | default |
/// |---|---|---|---|
/// | native | `prefix=TEXT` | put before the names of sources that come, so that two hubs' do not meet | nothing |
/// | | `token-file=FILE` | to connect: the file that holds the token that says who this program is | none |
/// | `dictwire` | `insecure-token=true`, `false` | whether a token is sent though others could read it | `false` |
/// | `dictwires` | `ca=FILE`, `cert=FILE`, `key=FILE`, `pin=SHA256`, `server=NAME` | see [`Tls`] | |
/// | all older ones | `identity=NAME` | as whom the link acts where there are rules of access | the dialect's name |
/// | pytcp | `source=NAME` | the source that is served, or that a server's dictionary becomes | all; by host |
/// | comms | `type=json`, `string`, `binary` | what comes in | `json` |
/// | | `send=json`, `string`, `binary` | what goes out | as `type` |
/// | | `order=little`, `big` | the bytes of a length | `little` |
/// | | `source=NAME` | the source that dictionaries that come in feed as well; needs `type=json` | none |
/// | | `as=state`, `patch` | how they do; needs `source` | `state` |
/// | | `relay=true`, `false` | whether what one client of the link says is sent to all its clients | `false` |
/// | | `watch=PATTERN` | sources whose dictionaries are sent to the peers | none |
/// | comet | `name=NAME` | what the program to connect to is called by those who ask it | none |
/// | | `timeout=SECONDS` | how long an answer to a program that connects may take | 30 |
/// | pingpong | `source=NAME` | the source that the readings become | by host |
///
/// Whether an option suits a link to listen on, or one to connect to, is for whoever is given the link to say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    /// What goes before each source's name; empty as a rule.
    pub prefix: String,
    /// The file that holds the token to greet with (native).
    pub token_file: Option<String>,
    /// Whether a token is sent where it is not encrypted, to another machine (native).
    pub insecure_token: bool,
    /// As whom the link acts at its hub, where there are rules of access (older dialects).
    pub identity: Option<String>,
    /// Whom this end trusts, and what it shows (native, encrypted).
    pub tls: Tls,
    /// The source that the link is about.
    pub source: Option<String>,
    /// How dictionaries feed `source` (comms).
    pub apply: Apply,
    /// Whether what one client says is sent to all clients (comms).
    pub relay: bool,
    /// The sources whose dictionaries are sent to the peers (comms).
    pub watch: Option<Pattern>,
    /// What both ends agreed on (comms).
    pub comms: comms::Settings,
    /// What the program that is connected to is called (comet).
    pub name: Option<String>,
    /// How long an answer to a program that connects may take (comet).
    pub timeout: Duration,
}

/// How a dictionary that comes as a message feeds a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Apply {
    /// It is the source's whole state.
    #[default]
    State,
    /// It holds keys to set; the others stay.
    Patch,
}

impl Options {
    /// How long an answer may take if nothing is said.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// The options of a link, from names and values.
    pub(super) fn read<'a>(
        scheme: Scheme,
        pairs: impl IntoIterator<Item = (&'a str, Cow<'a, str>)>,
    ) -> Result<Self, LinkError> {
        let Scheme { dialect, encrypted } = scheme;
        let mut options = Self::default();
        let (mut send, mut apply) = (None, None);
        for (key, value) in pairs {
            let value = &*value;
            match (dialect, key) {
                (Dialect::Native, "prefix") => options.prefix = prefix("prefix", value)?.to_owned(),
                (Dialect::Native, "token-file") => options.token_file = Some(file("token-file", value)?),
                (Dialect::Native, "insecure-token") if !encrypted => {
                    options.insecure_token = boolean("insecure-token", value)?;
                }
                (Dialect::PyTcp | Dialect::Comms | Dialect::Comet | Dialect::PingPong, "identity") => {
                    options.identity = Some(name("identity", value)?);
                }
                (Dialect::Native, key) if options.tls.set(encrypted, key, value)? => {}
                (Dialect::PyTcp | Dialect::Comms | Dialect::PingPong, "source") => {
                    options.source = Some(name("source", value)?);
                }
                (Dialect::Comms, "type") => options.comms.incoming = payload("type", value)?,
                (Dialect::Comms, "send") => send = Some(payload("send", value)?),
                (Dialect::Comms, "order") => options.comms.order = order(value)?,
                (Dialect::Comms, "as") => apply = Some(how_to_apply(value)?),
                (Dialect::Comms, "relay") => options.relay = boolean("relay", value)?,
                (Dialect::Comms, "watch") => options.watch = Some(pattern(value)?),
                (Dialect::Comet, "name") => options.name = Some(name("name", value)?),
                (Dialect::Comet, "timeout") => options.timeout = seconds(value)?,
                _ => return Err(unknown(scheme, key)),
            }
        }
        options.tls.check()?;
        options.comms.outgoing = send.unwrap_or(options.comms.incoming);
        if apply.is_some() && options.source.is_none() {
            return Err(LinkError::Needs { option: "as", needs: "source=NAME" });
        }
        if options.source.is_some() && options.comms.incoming != comms::Payload::Json {
            return Err(LinkError::Needs {
                option: "source",
                needs: "type=json: dictionaries come as nothing else",
            });
        }
        options.apply = apply.unwrap_or_default();
        Ok(options)
    }

    /// Writes `?` and the options that are not the defaults, if there are any.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prefix, tls, source, apply, relay, watch, comms, name, timeout, .. } = self;
        let Self { token_file, insecure_token, identity, .. } = self;
        let default = comms::Settings::default();
        let seconds = || timeout.as_secs_f64().to_string();
        let pairs = [
            ("prefix", (!prefix.is_empty()).then(|| prefix.clone())),
            ("token-file", token_file.clone()),
            ("insecure-token", insecure_token.then(|| "true".to_owned())),
            ("ca", tls.ca.clone()),
            ("cert", tls.cert.clone()),
            ("key", tls.key.clone()),
            ("pin", tls.pin.as_ref().map(ToString::to_string)),
            ("server", tls.server.clone()),
            ("type", (comms.incoming != default.incoming).then(|| comms.incoming.to_string())),
            ("send", (comms.outgoing != comms.incoming).then(|| comms.outgoing.to_string())),
            ("order", (comms.order != default.order).then(|| comms.order.to_string())),
            ("source", source.clone()),
            ("as", (*apply == Apply::Patch).then(|| "patch".to_owned())),
            ("relay", relay.then(|| "true".to_owned())),
            ("watch", watch.as_ref().map(Pattern::to_string)),
            ("name", name.clone()),
            ("timeout", (*timeout != Self::TIMEOUT).then(seconds)),
            ("identity", identity.clone()),
        ];
        let mut separator = '?';
        for (key, value) in pairs.iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
            write!(f, "{separator}{key}=")?;
            encode(value, f)?;
            separator = '&';
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            token_file: None,
            insecure_token: false,
            identity: None,
            tls: Tls::default(),
            source: None,
            apply: Apply::State,
            relay: false,
            watch: None,
            comms: comms::Settings::default(),
            name: None,
            timeout: Self::TIMEOUT,
        }
    }
}

/// What follows the `?`, as names and values.
pub(super) fn split(scheme: Scheme, text: &str) -> Result<Vec<(&str, Cow<'_, str>)>, LinkError> {
    text.split(['&', ','])
        .filter(|option| !option.is_empty())
        .map(|option| {
            let (key, value) = option.split_once('=').ok_or_else(|| unknown(scheme, option))?;
            Ok((key, decode(value)?))
        })
        .collect()
}

fn unknown(scheme: Scheme, option: &str) -> LinkError {
    let known = match scheme.dialect {
        Dialect::Native if scheme.encrypted => {
            "prefix=TEXT, token-file=FILE, ca=FILE, cert=FILE, key=FILE, pin=SHA256, server=NAME"
        }
        Dialect::Native => "prefix=TEXT, token-file=FILE, insecure-token=true|false",
        Dialect::PyTcp | Dialect::PingPong => "source=NAME, identity=NAME",
        Dialect::Comms => {
            "type=json|string|binary, send=json|string|binary, order=little|big, source=NAME, \
             as=state|patch, relay=true|false, watch=PATTERN, identity=NAME"
        }
        Dialect::Comet => "name=NAME, timeout=SECONDS, identity=NAME",
    };
    LinkError::Option { option: option.to_owned(), scheme: scheme.text(), known }
}

/// A value with its `%` and digits as the bytes that they stand for.
fn decode(value: &str) -> Result<Cow<'_, str>, LinkError> {
    let Some((first, rest)) = value.split_once('%') else { return Ok(value.into()) };
    let invalid = || LinkError::Percent { value: value.to_owned() };
    let mut bytes = first.as_bytes().to_vec();
    for part in rest.split('%') {
        let (digits, plain) = part.split_at_checked(2).ok_or_else(invalid)?;
        // It would take a sign too.
        let byte = u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'));
        bytes.push(byte.ok_or_else(invalid)?);
        bytes.extend_from_slice(plain.as_bytes());
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| invalid())
}

/// Writes a value so that [`split`] finds it whole.
fn encode(value: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for character in value.chars() {
        match character {
            '%' | '&' | ',' => write!(f, "%{:02X}", u32::from(character))?,
            _ => write!(f, "{character}")?,
        }
    }
    Ok(())
}

fn name(option: &'static str, value: &str) -> Result<String, LinkError> {
    match name::validate(value, Limits::default().name) {
        Ok(()) => Ok(value.to_owned()),
        Err(error) => Err(LinkError::Name { option, value: value.to_owned(), error }),
    }
}

/// The beginning of names, which alone may end with a slash.
fn prefix<'a>(option: &'static str, value: &'a str) -> Result<&'a str, LinkError> {
    match name::validate(value, Limits::default().name) {
        Ok(()) | Err(NameError::Slash) => Ok(value),
        Err(error) => Err(LinkError::Name { option, value: value.to_owned(), error }),
    }
}

fn pattern(value: &str) -> Result<Pattern, LinkError> {
    let pattern = Pattern::parse(value);
    let (Pattern::Name(text) | Pattern::Prefix(text)) = &pattern;
    // The hub's own sources may be watched, though nobody may name a source so.
    let text = text.strip_prefix('$').unwrap_or(text);
    if !text.is_empty() {
        prefix("watch", text)?;
    }
    Ok(pattern)
}

fn payload(option: &'static str, value: &str) -> Result<comms::Payload, LinkError> {
    value.parse().map_err(|_| bad(option, value, "json, string or binary"))
}

fn order(value: &str) -> Result<comms::Order, LinkError> {
    value.parse().map_err(|_| bad("order", value, "little or big"))
}

fn how_to_apply(value: &str) -> Result<Apply, LinkError> {
    match value {
        "state" => Ok(Apply::State),
        "patch" => Ok(Apply::Patch),
        _ => Err(bad("as", value, "state or patch")),
    }
}

fn boolean(option: &'static str, value: &str) -> Result<bool, LinkError> {
    value.parse().map_err(|_| bad(option, value, "true or false"))
}

fn file(option: &'static str, value: &str) -> Result<String, LinkError> {
    if value.is_empty() { Err(bad(option, value, "the path of a file")) } else { Ok(value.to_owned()) }
}

/// A number of seconds, perhaps with a fraction, as long as a request may take at all.
fn seconds(value: &str) -> Result<Duration, LinkError> {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = value.parse().ok().filter(|_| is_plain);
    let duration = number.and_then(|number| Duration::try_from_secs_f64(number).ok());
    let fits = |duration: &Duration| !duration.is_zero() && *duration <= Limits::default().deadline;
    duration
        .filter(fits)
        .ok_or_else(|| bad("timeout", value, "a number of seconds, more than 0 and at most an hour"))
}

pub(super) fn bad(option: &'static str, value: &str, allowed: &'static str) -> LinkError {
    LinkError::Value { option, value: value.to_owned(), allowed }
}
