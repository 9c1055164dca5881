//! `--limit` and `[limits]`: what a program takes at most, as people set it.

use std::str::FromStr;

use clap::Args;
use dict_protocol::limits::{Limit, LimitError, Limits, Unit, Whom};

use crate::amount::{SizeError, parse_size};
use crate::config::Config;
use crate::run::UsageError;
use crate::time::{TimeError, parse_duration};

/// The help of `--limit`.
pub const LIMIT_HELP: &str =
    "Set a limit, as sources=20000, body=2MiB or greeting=2s; may be given several times";

/// And more of it.
pub const LIMIT_LONG_HELP: &str = "\
Set a limit, as sources=20000, body=2MiB or greeting=2s; may be given several times

`dict-server limits` lists all of them, and for whom each is. A larger body or depth, and more sources, are to be set at both ends. A program that \
takes --config has them there too, as keys of the table [limits].";

/// `--limit`, for clap to flatten into a program's arguments.
#[derive(Clone, Debug, Default, Args)]
pub struct LimitArguments {
    /// Those that are set.
    #[arg(long = "limit", value_name = "NAME=VALUE", help = LIMIT_HELP, long_help = LIMIT_LONG_HELP)]
    pub limits: Vec<LimitSetting>,
}

/// What a program is, as far as limits are for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A hub.
    Hub,
    /// A client.
    Client,
    /// A logger: a hub and, of others, a client.
    Logger,
}

impl Role {
    fn takes(self, whom: Whom) -> bool {
        match self {
            Self::Hub => matches!(whom, Whom::Hub | Whom::Both),
            Self::Client => matches!(whom, Whom::Client | Whom::Both),
            Self::Logger => true,
        }
    }
}

impl LimitArguments {
    /// All limits: those of the command line, else those of the file, else the defaults.
    ///
    /// # Errors
    ///
    /// [`UsageError`] if one is for other programs, or they contradict each other.
    pub fn read(&self, role: Role, config: &Config) -> anyhow::Result<Limits> {
        limits(role, config.limits.iter().chain(&self.limits))
    }
}

/// The default limits with these set, the last of each name, and others raised that these need more of.
///
/// # Errors
///
/// [`UsageError`] if one is for other programs, or they contradict each other.
pub fn limits<'a>(
    role: Role,
    settings: impl IntoIterator<Item = &'a LimitSetting>,
) -> anyhow::Result<Limits> {
    let mut limits = Limits::default();
    let settings: Vec<_> = settings.into_iter().collect();
    for LimitSetting { limit, amount } in &settings {
        if !role.takes(limit.whom) {
            let whom = match limit.whom {
                Whom::Hub => "hubs: dict-server, and logger",
                Whom::Client => "clients",
                Whom::Both => "hubs and clients",
                Whom::Logger => "loggers",
            };
            let text = format!("limit {} is for {whom}; here it would do nothing", limit.name);
            return Err(UsageError(text).into());
        }
        limits.set(limit.name, *amount).map_err(|error| UsageError(error.to_string()))?;
    }
    limits.raise(|name| settings.iter().any(|setting| setting.limit.name == name));
    limits.check().map_err(|error| UsageError(error.to_string()))?;
    Ok(limits)
}

/// A limit and what it is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSetting {
    limit: &'static Limit,
    amount: u64,
}

impl LimitSetting {
    /// What `text` means for the limit `name`: a count; bytes, as `65536` or `64KiB`; or a time, as `5s`.
    ///
    /// # Errors
    ///
    /// If there is no such limit, the text is none of these, or it is out of the limit's bounds.
    pub fn new(name: &str, text: &str) -> Result<Self, LimitSettingError> {
        let limit = Limit::find(name)?;
        let count =
            || text.parse().map_err(|_| LimitSettingError::Count { name: limit.name, text: text.to_owned() });
        let amount = match limit.unit {
            Unit::Count => count()?,
            Unit::Bytes => match parse_size(text) {
                Some(bytes) => bytes?,
                None => count()?,
            },
            Unit::Time => u64::try_from(parse_duration(text)?.as_millis()).unwrap_or(u64::MAX),
        };
        Limits::default().set(limit.name, amount)?;
        Ok(Self { limit, amount })
    }
}

impl FromStr for LimitSetting {
    type Err = LimitSettingError;

    fn from_str(text: &str) -> Result<Self, LimitSettingError> {
        let (name, value) = text.split_once('=').ok_or(LimitSettingError::Shape)?;
        Self::new(name, value)
    }
}

/// Why a limit cannot be set so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitSettingError {
    /// No `=` stands in it.
    #[error("write NAME=VALUE, as connections=20000, body=2MiB or greeting=2s")]
    Shape,
    /// It is no number.
    #[error("limit {name} takes a whole number, with a unit where it is bytes, not {text:?}")]
    Count {
        /// Which limit.
        name: &'static str,
        /// What was given.
        text: String,
    },
    /// It is no size.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// It is no time.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// There is no such limit, or it cannot be that.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_written_in_their_units() {
        for (text, amount) in [
            ("connections=20000", 20_000),
            ("body=2097152", 2 << 20),
            ("body=4MiB", 4 << 20),
            ("body=1MB", 1_000_000),
            ("greeting=2s", 2_000),
            ("heartbeat=250ms", 250),
        ] {
            assert_eq!(text.parse::<LimitSetting>().unwrap().amount, amount, "{text}");
        }
        for (text, told) in [
            ("connections", "write NAME=VALUE"),
            ("conections=5", "there is no limit \"conections\": there are body, "),
            ("connections=many", "limit connections takes a whole number"),
            ("connections=4MiB", "limit connections takes a whole number"),
            ("connections=0", "limit connections cannot be 0: it is from 1 to"),
            ("body=xMiB", "\"xMiB\" is not a size"),
            ("body=1", "limit body cannot be 1: it is from 8KiB to 256MiB"),
            ("body=-1", "limit body takes a whole number"),
            ("greeting=5", "\"5\" is not a length of time"),
            ("greeting=2h", "limit greeting cannot be 2h: it is from 100ms to 1h"),
        ] {
            let error = text.parse::<LimitSetting>().unwrap_err().to_string();
            assert!(error.starts_with(told), "{text}: {error}");
        }
    }

    #[test]
    fn the_command_line_counts_before_the_file_and_contradictions_are_told() {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        let mut config = Config::default();
        config.limits = parse(&["connections=5", "sources=9"]);
        let read = |texts| LimitArguments { limits: parse(texts) }.read(Role::Hub, &config);
        let limits = read(&["connections=7", "connections=8"]).unwrap();
        assert_eq!((limits.connections, limits.sources, limits.body), (8, 9, 1 << 20));
        let error = read(&["body=16KiB"]).unwrap_err();
        assert!(error.downcast_ref::<UsageError>().is_some(), "{error}");
        assert!(error.to_string().starts_with("limit body cannot be 16KiB with the others"), "{error}");
        let limits = read(&["body=32MiB"]).unwrap();
        assert!(limits.every_output > 32 << 20 && limits.output > 32 << 20);
    }

    #[test]
    fn a_limit_that_would_do_nothing_is_told() {
        for (role, text, told) in [
            (Role::Client, "connections=1", Some("limit connections is for hubs: dict-server, and logger;")),
            (Role::Client, "watch_events=5", None),
            (Role::Client, "uncommitted=1MiB", Some("limit uncommitted is for loggers;")),
            (Role::Hub, "watch_events=5", Some("limit watch_events is for clients;")),
            (Role::Hub, "connections=1", None),
            (Role::Hub, "body=4MiB", None),
            (Role::Client, "body=4MiB", None),
            (Role::Logger, "watch_events=5", None),
            (Role::Logger, "connections=1", None),
        ] {
            let error = limits(role, &[text.parse().unwrap()]).err().map(|error| error.to_string());
            let is_told = error.as_deref().unwrap_or_default().starts_with(told.unwrap_or_default());
            assert!(error.is_some() == told.is_some() && is_told, "{role:?} {text}: {error:?}");
        }
    }
}
