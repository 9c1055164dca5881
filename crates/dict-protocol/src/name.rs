//! Names of sources, clients and actions: which may be used.

/// How the name of a hub's own source begins; what the hub is called follows.
pub const HUB_SOURCE: &str = "$hub/";

/// Checks that `name` may name a source (or a client, or an action).
///
/// It has 1 to `limit` bytes, no control characters and no `*`, does not begin with `$`, which is the hub's, and does
/// not end with `/`, which makes a pattern of it.
///
/// ```
/// use dict_protocol::name::{self, NameError};
///
/// assert_eq!(name::validate("bench1/psu", 255), Ok(()));
/// assert_eq!(name::validate("bench1/", 255), Err(NameError::Slash));
/// ```
///
/// # Errors
///
/// The first of these rules that it breaks.
pub fn validate(name: &str, limit: usize) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > limit {
        return Err(NameError::TooLong { length: name.len(), limit });
    }
    if let Some((offset, character)) = name.char_indices().find(|(_, c)| c.is_control() || *c == '*') {
        return Err(NameError::Character { character, offset });
    }
    if name.starts_with('$') {
        return Err(NameError::Dollar);
    }
    if name.ends_with('/') {
        return Err(NameError::Slash);
    }
    Ok(())
}

/// Why a name cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It has no characters.
    #[error("a name cannot be empty")]
    Empty,
    /// It has too many bytes.
    #[error("a name of {length} bytes is over the limit of {limit} (limit name)")]
    TooLong {
        /// How many bytes it has.
        length: usize,
        /// How many it may have.
        limit: usize,
    },
    /// It holds a control character or a `*`.
    #[error("a name cannot hold {character:?}, as at byte {offset}")]
    Character {
        /// Which.
        character: char,
        /// Where, bytes from the beginning.
        offset: usize,
    },
    /// It begins with `$`.
    #[error("names that begin with '$' are the hub's own")]
    Dollar,
    /// It ends with `/`.
    #[error("a name cannot end with '/': that means every name that begins so")]
    Slash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "bench1/psu", "名前", "with space", "a$b", "/"] {
            let expected = if good == "/" { Err(NameError::Slash) } else { Ok(()) };
            assert_eq!(validate(good, 255), expected, "{good}");
        }
        assert_eq!(validate("", 255), Err(NameError::Empty));
        assert_eq!(validate("ab", 1), Err(NameError::TooLong { length: 2, limit: 1 }));
        assert_eq!(validate("a\nb", 255), Err(NameError::Character { character: '\n', offset: 1 }));
        assert_eq!(validate("é*", 255), Err(NameError::Character { character: '*', offset: 2 }));
        assert_eq!(validate("$hub/x", 255), Err(NameError::Dollar));
    }
}
