//! Every limit, in one table: its name, for whom it is, unit, default, bounds and meaning, and the struct that holds what was chosen.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use crate::frame;

/// Makes the struct, its defaults and the table of one list.
macro_rules! limits {
    ($($(#[doc = $meaning:literal])+ $name:ident: $type:ty, $whom:ident, $unit:ident, $default:expr, $least:expr => $most:expr;)+) => {
        /// What a hub, a client or a decoder takes at most. [`Limits::TABLE`] has the defaults and bounds.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($(#[doc = $meaning])+ pub $name: $type,)+
        }

        impl Limits {
            /// All limits, in the order of the struct.
            pub const TABLE: &'static [Limit] = &[
                $(Limit {
                    name: stringify!($name),
                    whom: Whom::$whom,
                    unit: Unit::$unit,
                    default: $default,
                    least: $least,
                    most: $most,
                    meaning: concat!($($meaning),+).trim_ascii(),
                },)+
            ];

            /// The limits with what each is.
            pub fn amounts(&self) -> impl Iterator<Item = (&'static Limit, u64)> {
                Self::TABLE.iter().zip([$(Field::amount(self.$name)),+])
            }

            /// Sets a limit by its name, in the unit of the table.
            ///
            /// # Errors
            ///
            /// [`LimitError`] if there is no such limit, or the amount is out of its bounds.
            pub fn set(&mut self, name: &str, amount: u64) -> Result<(), LimitError> {
                let limit = Limit::find(name)?;
                limit.check(amount)?;
                match limit.name {
                    $(stringify!($name) => self.$name = Field::from_amount(amount),)+
                    _ => {}
                }
                Ok(())
            }
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: Field::from_amount($default),)+ }
            }
        }
    };
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
/// More of anything than a program holds.
const MANY: u64 = 1_000_000_000;
/// More bytes than a queue is meant for.
const LARGE: u64 = 1 << 40;
const STATE_OVERHEAD: u64 = Limits::STATE_OVERHEAD as u64;

limits! {
    /// The body of a frame, once a peer is accepted, and a message of an older dialect; a client that takes less than its
    /// hub sends is refused.
    body: u32, Both, Bytes, MIB, 8 * KIB => 256 * MIB;
    /// The body of a frame before that.
    greeting_body: u32, Both, Bytes, 16 * KIB, KIB => MIB;
    /// How long a peer may take to greet, and a comet client to say what it asks.
    greeting: Duration, Both, Time, 5 * SECOND, 100 => HOUR;
    /// How often each end sends something; three intervals of silence end a connection.
    heartbeat: Duration, Both, Time, 5 * SECOND, 100 => HOUR;
    /// How long a comms program may take for a message that it has begun.
    unfinished: Duration, Hub, Time, 60 * SECOND, 100 => HOUR;
    /// Lists and dictionaries within each other; a plain value has depth 0.
    depth: usize, Both, Count, 128, 4 => Limits::DEEPEST as u64;
    /// The name of a source, client or action, a pattern, and what a client calls its program.
    name: usize, Both, Bytes, 255, 64 => 512;
    /// Keys of one dictionary.
    keys: usize, Both, Count, 65_536, 1 => MANY;
    /// Keys and values of one source's dictionary, as MessagePack.
    dictionary: usize, Both, Bytes, MIB - STATE_OVERHEAD, KIB => 256 * MIB - STATE_OVERHEAD;
    /// Connections of one hub.
    connections: usize, Hub, Count, 10_000, 1 => 10_000_000;
    /// Connections from one address, at a hub and at each gateway; fewer than all, so that one machine leaves room for
    /// others.
    address_connections: usize, Hub, Count, 9_000, 1 => 10_000_000;
    /// Programs of an older dialect that are connected to one gateway, of which one address has at most half.
    peers: usize, Hub, Count, 1_000, 1 => 10_000_000;
    /// Sources that a hub keeps track of: their epochs, and the names that it has seen.
    sources: usize, Both, Count, 200_000, 2 => 100_000_000;
    /// Subscriptions of one connection.
    subscriptions: usize, Both, Count, 1_000, 1 => MANY;
    /// Actions that one connection handles.
    handlers: usize, Hub, Count, 1_000, 1 => MANY;
    /// Requests of one connection that are not answered yet.
    requests: usize, Both, Count, 1_000, 1 => MANY;
    /// Bytes that those carry; one alone may carry as much as fits in a frame.
    request_bytes: usize, Hub, Bytes, 16 * MIB, KIB => LARGE;
    /// The longest deadline of a request.
    deadline: Duration, Both, Time, HOUR, 100 => 1_000 * HOUR;
    /// Output queued for a latest subscriber, beyond which its updates are merged.
    latest_output: usize, Hub, Bytes, 256 * KIB, KIB => LARGE;
    /// Output queued for an every subscriber, beyond which its subscription is ended, and for answers and messages,
    /// beyond which the connection is.
    every_output: usize, Hub, Bytes, 4 * MIB, KIB => LARGE;
    /// Output queued for a durable subscriber, beyond which it is sent the rest from the writers' spools.
    durable_output: usize, Hub, Bytes, 8 * MIB, KIB => LARGE;
    /// Output queued at a client, beyond which its writers wait and send their newest state later, and messages and
    /// requests are refused.
    client_output: usize, Both, Bytes, 4 * MIB, KIB => LARGE;
    /// Events that wait for a program to take them from a watch, beyond which a source's are merged into its state.
    watch_events: usize, Client, Count, 100_000, 1 => MANY;
    /// Bytes that such events hold.
    watch_bytes: usize, Client, Bytes, 8 * MIB, KIB => LARGE;
    /// Messages and requests that wait for a program's callbacks, beyond which messages are dropped and requests refused.
    callbacks: usize, Client, Count, 10_000, 1 => MANY;
    /// Bytes that those hold.
    callback_bytes: usize, Client, Bytes, 16 * MIB, KIB => LARGE;
    /// Output queued for a connection, whatever it is: beyond, one that goes on asking without reading is ended.
    output: usize, Hub, Bytes, 16 * MIB, KIB => LARGE;
    /// Updates that a writer's spool holds, of all its epochs; a gateway's at most 200,000.
    spool_updates: usize, Both, Count, 1_000_000, 1 => MANY;
    /// Bytes that a writer's spool holds, of all its epochs; a gateway's at most 16 MiB.
    spool: usize, Both, Bytes, 64 * MIB, KIB => LARGE;
    /// Updates of one slice that answers a Resume.
    slice_updates: u32, Both, Count, 10_000, 1 => MANY;
    /// Bytes of one slice, beyond the first update.
    slice: u32, Both, Bytes, MIB, KIB => 256 * MIB;
    /// Bytes that a logger holds received and not yet committed, beyond which it stops reading.
    uncommitted: usize, Logger, Bytes, 32 * MIB, KIB => LARGE;
}

impl Limits {
    /// The most that `depth` can be set to. Whoever reads what somebody else has taken has to take that.
    pub const DEEPEST: usize = 256;

    /// What a State's frame has besides the dictionary, rounded up.
    pub const STATE_OVERHEAD: usize = 128;

    /// What a Message, Request or Reply may have besides its payload: names, action and fields, rounded up.
    pub const PAYLOAD_OVERHEAD: usize = 4 * 1024;

    /// The text that says why a message is refused, or why somebody ends a connection or an epoch: beyond, it is cut.
    pub const REFUSAL: usize = 1_024;

    /// How deep what a Message, Request or Reply carries may nest: in the hub's own source it stands within two
    /// dictionaries.
    pub const fn payload_depth(&self) -> usize {
        self.depth.saturating_sub(2)
    }

    /// Whether each is within its bounds, and none stands in the way of another.
    ///
    /// # Errors
    ///
    /// The first that is, with what it has to be.
    pub fn check(&self) -> Result<(), LimitError> {
        self.amounts().try_for_each(|(limit, amount)| limit.check(amount))?;
        for (limit, amount) in self.amounts() {
            let needs = self.needs();
            let needed = needs.iter().filter(|(name, ..)| *name == limit.name);
            if let Some(&(_, least, because)) = needed.max_by_key(|(_, least, _)| *least)
                && amount < least
            {
                return Err(LimitError::TooSmall { limit, amount, least, because });
            }
        }
        Ok(())
    }

    /// Raises those that others need more of, if they are not among those that were `set` on purpose; `body` is agreed
    /// with others and stays.
    pub fn raise(&mut self, set: impl Fn(&str) -> bool) {
        // In the order in which they need each other.
        for place in 0..self.needs().len() {
            let (name, least, _) = self.needs()[place];
            let is_less = self.amounts().any(|(limit, amount)| limit.name == name && amount < least);
            if is_less && name != "body" && !set(name) {
                // What cannot be raised so far is told by `check`.
                let _ = self.set(name, least);
            }
        }
    }

    /// What each needs at the least as the others are, and why.
    fn needs(&self) -> [(&'static str, u64, &'static str); 10] {
        let frame = u64::from(self.body) + frame::OVERHEAD as u64;
        let [dictionary, latest, every, durable] =
            [self.dictionary, self.latest_output, self.every_output, self.durable_output]
                .map(|bytes| bytes as u64);
        [
            ("body", self.greeting_body.into(), "greeting_body is that large"),
            ("body", dictionary + STATE_OVERHEAD, "a whole dictionary travels in one frame"),
            ("every_output", frame, "one frame has to fit"),
            ("durable_output", frame + u64::from(self.slice), "one slice has to fit, and one frame more"),
            ("client_output", frame, "one frame has to fit"),
            ("callback_bytes", self.body.into(), "one message has to fit"),
            ("uncommitted", self.body.into(), "one update has to fit"),
            ("output", latest, "latest_output is that large"),
            ("output", every, "every_output is that large"),
            ("output", durable, "durable_output is that large"),
        ]
    }
}

/// A line of the table of limits. Amounts are in its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its name.
    pub name: &'static str,
    /// For whom it is.
    pub whom: Whom,
    /// What it counts.
    pub unit: Unit,
    /// What it is unless something else is said.
    pub default: u64,
    /// The least that it can be set to.
    pub least: u64,
    /// The most that it can be set to.
    pub most: u64,
    /// What it limits.
    pub meaning: &'static str,
}

impl Limit {
    /// The limit of that name.
    ///
    /// # Errors
    ///
    /// [`LimitError::Unknown`] if there is none.
    pub fn find(name: &str) -> Result<&'static Self, LimitError> {
        let found = Limits::TABLE.iter().find(|limit| limit.name == name);
        found.ok_or_else(|| LimitError::Unknown { name: name.to_owned() })
    }

    /// Whether it can be set to `amount`.
    fn check(&'static self, amount: u64) -> Result<(), LimitError> {
        if (self.least..=self.most).contains(&amount) {
            return Ok(());
        }
        Err(LimitError::Bounds { limit: self, amount })
    }
}

/// For whom a limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// A hub and its gateways.
    Hub,
    /// A client.
    Client,
    /// Each of both, for itself. A gateway is a client of its hub.
    Both,
    /// A logger.
    Logger,
}

impl Whom {
    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::Client => "client",
            Self::Both => "both",
            Self::Logger => "logger",
        }
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things.
    Count,
    /// Milliseconds.
    Time,
}

impl Unit {
    /// An amount for people, who can write it so too.
    pub fn show(self, amount: u64) -> impl fmt::Display {
        Shown { unit: self, amount }
    }
}

struct Shown {
    unit: Unit,
    amount: u64,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units: &[(u64, &str)] = match self.unit {
            Unit::Bytes => &[(1 << 40, "TiB"), (1 << 30, "GiB"), (MIB, "MiB"), (KIB, "KiB")],
            Unit::Count => &[],
            Unit::Time => &[(HOUR, "h"), (SECOND, "s"), (1, "ms")],
        };
        let whole = units.iter().find(|(unit, _)| self.amount >= *unit && self.amount.is_multiple_of(*unit));
        let (amount, unit) = whole.map_or((self.amount, ""), |(unit, name)| (self.amount / unit, *name));
        f.pad(&alloc::format!("{amount}{unit}"))
    }
}

/// Why limits cannot be so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// There is no limit of that name.
    #[error("there is no limit {name:?}: there are {}", Names)]
    Unknown {
        /// The name.
        name: String,
    },
    /// It cannot be set to that.
    #[error(
        "limit {} cannot be {}: it is from {} to {}",
        limit.name, limit.unit.show(*amount), limit.unit.show(limit.least), limit.unit.show(limit.most)
    )]
    Bounds {
        /// Which.
        limit: &'static Limit,
        /// To what it was to be set.
        amount: u64,
    },
    /// Another one needs more of it.
    #[error(
        "limit {} cannot be {} with the others as they are: it needs {} at least, as {because}",
        limit.name, limit.unit.show(*amount), limit.unit.show(*least)
    )]
    TooSmall {
        /// Which.
        limit: &'static Limit,
        /// What it is.
        amount: u64,
        /// What it has to be, at the least.
        least: u64,
        /// Why.
        because: &'static str,
    },
}

/// The names of all limits, for people.
struct Names;

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, limit) in Limits::TABLE.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { ", " })?;
            f.write_str(limit.name)?;
        }
        Ok(())
    }
}

/// The type of a limit. Its table's bounds keep amounts within the type.
trait Field: Copy {
    fn from_amount(amount: u64) -> Self;
    fn amount(self) -> u64;
}

impl Field for u32 {
    fn from_amount(amount: u64) -> Self {
        Self::try_from(amount).unwrap_or(Self::MAX)
    }

    fn amount(self) -> u64 {
        self.into()
    }
}

impl Field for usize {
    fn from_amount(amount: u64) -> Self {
        // Where memory has 32 bits, what is more than there can be is no limit.
        Self::try_from(amount).unwrap_or(Self::MAX)
    }

    fn amount(self) -> u64 {
        self as u64
    }
}

impl Field for Duration {
    fn from_amount(amount: u64) -> Self {
        Self::from_millis(amount)
    }

    fn amount(self) -> u64 {
        u64::try_from(self.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn the_defaults_hold_together() {
        assert_eq!(Limits::default().check(), Ok(()));
        for (limit, amount) in Limits::default().amounts() {
            assert_eq!(amount, limit.default, "{}", limit.name);
            assert!(limit.meaning.ends_with('.') && !limit.meaning.contains("  "), "{}", limit.meaning);
        }
    }

    #[test]
    fn what_a_larger_body_needs_is_raised_unless_it_was_set() {
        let mut limits = Limits { body: 256 << 20, ..Limits::default() };
        limits.raise(|_| false);
        assert_eq!(limits.check(), Ok(()));
        let mut limits = Limits { body: 32 << 20, ..Limits::default() };
        limits.raise(|name| name == "output");
        let error = limits.check().unwrap_err().to_string();
        assert!(error.starts_with("limit output cannot be 16MiB with the others as they are"), "{error}");
        let mut limits = Limits { body: 16 << 10, ..Limits::default() };
        limits.raise(|_| false);
        assert!(limits.check().unwrap_err().to_string().starts_with("limit body cannot be 16KiB"));
    }

    #[test]
    fn each_is_set_by_its_name_within_its_bounds() {
        for limit in Limits::TABLE {
            let mut limits = Limits::default();
            for amount in [limit.least, limit.most] {
                limits.set(limit.name, amount).unwrap();
                let others = limits.amounts().filter(|(other, amount)| *amount != other.default);
                assert!(others.map(|(other, _)| other.name).all(|name| name == limit.name));
                let is = limits.amounts().find(|(other, _)| other.name == limit.name);
                assert_eq!(is, Some((limit, amount)));
            }
            for amount in [limit.least.wrapping_sub(1), limit.most + 1] {
                assert_eq!(limits.set(limit.name, amount), Err(LimitError::Bounds { limit, amount }));
            }
        }
        let error = Limits::default().set("bodies", 1).unwrap_err().to_string();
        assert!(error.starts_with("there is no limit \"bodies\": there are body, greeting_body,"), "{error}");
        let error = Limits::default().set("greeting", 99).unwrap_err().to_string();
        assert_eq!(error, "limit greeting cannot be 99ms: it is from 100ms to 1h");
    }

    #[test]
    fn limits_that_contradict_each_other_are_told() {
        for (name, amount, told) in [
            (
                "body",
                8 * KIB,
                "limit body cannot be 8KiB with the others as they are: it needs 1MiB at least",
            ),
            ("greeting_body", MIB, ""),
            ("every_output", MIB, "as one frame has to fit"),
            ("durable_output", 2 * MIB, "as one slice has to fit, and one frame more"),
            ("client_output", KIB, "limit client_output cannot be 1KiB"),
            ("callback_bytes", KIB, "as one message has to fit"),
            ("uncommitted", KIB, "as one update has to fit"),
            ("output", MIB, "it needs 8MiB at least, as durable_output is that large"),
            ("latest_output", 32 * MIB, "as latest_output is that large"),
            ("dictionary", MIB, "limit body cannot be 1MiB"),
        ] {
            let mut limits = Limits::default();
            limits.set(name, amount).unwrap();
            let error = limits.check().err().map_or_else(String::new, |error| error.to_string());
            assert!(error.contains(told) && error.is_empty() == told.is_empty(), "{name}: {error}");
        }
    }
}
