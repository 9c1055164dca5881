//! Patterns: which sources a subscription is for.

use alloc::string::String;
use core::fmt;

/// A source's name, or the beginning of names.
///
/// In text, a trailing `*` or `/` makes a prefix, and the empty text means every source:
///
/// ```
/// use dict_protocol::pattern::Pattern;
///
/// assert!(Pattern::parse("bench1/").matches("bench1/psu"));
/// assert!(Pattern::parse("bench*").matches("bench1/psu"));
/// assert!(!Pattern::parse("bench1").matches("bench1/psu"));
/// assert!(Pattern::all().matches("anything"));
/// assert!(!Pattern::all().matches("$hub/lab"));
/// ```
///
/// Names that begin with `$` are the hub's own: a prefix matches them only if it begins with `$` itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// Exactly this name.
    Name(String),
    /// Every name that begins so.
    Prefix(String),
}

impl Pattern {
    /// Every source but the hub's own.
    pub const fn all() -> Self {
        Self::Prefix(String::new())
    }

    /// Reads the form that people write.
    pub fn parse(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.into()),
            None if text.is_empty() || text.ends_with('/') => Self::Prefix(text.into()),
            None => Self::Name(text.into()),
        }
    }

    /// Whether `name` is meant.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(exact) => name == exact,
            Self::Prefix(prefix) => {
                name.starts_with(prefix.as_str()) && (prefix.starts_with('$') || !name.starts_with('$'))
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(prefix) if !prefix.ends_with('/') => write!(f, "{prefix}*"),
            Self::Name(text) | Self::Prefix(text) => f.write_str(text),
        }
    }
}
