//! Which rows are wanted.

use dict_protocol::pattern::Pattern;
use dict_protocol::time::Time;

use crate::row::Kind;

/// Which rows are wanted: those that pass every part. The default wants all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Rows of these sources; empty: of all, and rows of none. A hub's events belong to its source `$hub/...`; rows
    /// about a connection belong, besides, to the source that they name.
    pub sources: Vec<Pattern>,
    /// Changes of these keys, and no rows of other kinds; empty: all. A prefix here matches keys that begin with `$`
    /// like any other.
    pub keys: Vec<Pattern>,
    /// Rows of these kinds; empty: of all.
    pub kinds: Vec<Kind>,
    /// Not before this time.
    pub since: Option<Time>,
    /// Before this time.
    pub until: Option<Time>,
    /// With greater numbers than this.
    pub after: Option<u64>,
    /// How many at most.
    pub limit: Option<Limit>,
}

/// How many rows at most, and which. Either way the oldest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many from the beginning.
    First(u64),
    /// So many at the end.
    Last(u64),
}

impl Filter {
    pub(crate) fn wants_kind(&self, kind: Kind) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            && (self.keys.is_empty() || kind == Kind::Change)
    }

    pub(crate) fn wants_source(&self, source: &str) -> bool {
        self.sources.is_empty() || self.sources.iter().any(|pattern| pattern.matches(source))
    }

    pub(crate) fn wants_key(&self, key: &str) -> bool {
        self.keys.is_empty()
            || self.keys.iter().any(|pattern| match pattern {
                Pattern::Name(name) => key == name,
                Pattern::Prefix(prefix) => key.starts_with(prefix.as_str()),
            })
    }

    pub(crate) fn wants_time(&self, time: Time) -> bool {
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
    }
}
