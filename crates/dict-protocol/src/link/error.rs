//! What can be wrong with a link.

use alloc::string::String;

use crate::name::NameError;

/// Why a text is no link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The scheme is not known.
    #[error(
        "unknown scheme {scheme:?}: write pytcp://, comms://, comet:// or pingpong:// for an older dialect, \
         and dictwire://host:port, host:port alone, or encrypted dictwires://host:port for the native protocol"
    )]
    Scheme {
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
    /// An option is not the dialect's, or has no value.
    #[error("unknown option {option:?}: {scheme}:// has {known}")]
    Option {
        /// What was given.
        option: String,
        /// The link's scheme.
        scheme: &'static str,
        /// What could have been.
        known: &'static str,
    },
    /// An option's value is none of those that it may have.
    #[error("{option}={value}: write {allowed}")]
    Value {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What may stand there.
        allowed: &'static str,
    },
    /// An option's value is not a name, or the beginning of names, as it has to be.
    #[error("{option}={value}: {error}")]
    Name {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// Which rule it breaks.
        error: NameError,
    },
    /// A value has a `%` that begins no byte, or bytes that are no text.
    #[error("{value:?}: after % two hexadecimal digits stand for a byte of UTF-8; % itself is %25")]
    Percent {
        /// What was given.
        value: String,
    },
    /// An option means something only together with another.
    #[error("the option {option} needs {needs}")]
    Needs {
        /// The option.
        option: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// Two options that contradict each other.
    #[error("the options {option} and {other} cannot both be given: {why}")]
    Excludes {
        /// The one.
        option: &'static str,
        /// The other.
        other: &'static str,
        /// What each of them would mean.
        why: &'static str,
    },
}
