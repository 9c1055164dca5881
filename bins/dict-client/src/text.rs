//! Values and pairs as people write them on a command line.

use std::fmt;
use std::str::FromStr;

use dict_cli::UsageError;
use dict_protocol::encoding::json::{self, JsonError, Style};
use dict_protocol::encoding::tagged;
use dict_protocol::value::Value;

/// `KEY=VALUE`, divided at the first `=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl FromStr for Pair {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, value) = text.split_once('=').ok_or("there is no = in it: write KEY=VALUE")?;
        Ok(Self { key: key.to_owned(), value: value.to_owned() })
    }
}

/// The value that a person means: JSON (or NaN, Infinity, -Infinity) if it can be read as that, else the text itself.
///
/// # Errors
///
/// If it is JSON as far as it was read, and nests deeper than `depth`: a text is not what was meant.
pub(crate) fn value_or_text(text: &str, depth: usize) -> Result<Value, JsonError> {
    match json::read(text, depth) {
        Err(error @ JsonError::TooDeep { .. }) => Err(error),
        read => Ok(read.unwrap_or_else(|_| text.into())),
    }
}

/// The same of an argument of the command line.
pub(crate) fn argument(text: &str, depth: usize) -> Result<Value, UsageError> {
    value_or_text(text, depth).map_err(|error| UsageError(format!("{}: {error}", Beginning(text))))
}

/// As much of a text as says which it is.
struct Beginning<'t>(&'t str);

impl fmt::Display for Beginning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(40) {
            Some((end, _)) => write!(f, "{:?}...", &self.0[..end]),
            None => write!(f, "{:?}", self.0),
        }
    }
}

/// A value as programs read it: JSON in the `$` form, on one line.
pub(crate) fn to_json(value: &Value) -> String {
    let mut text = String::new();
    tagged::write(value, Style::READABLE, usize::MAX, &mut text)
        .expect("the $ form says everything at any depth");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_deep_is_no_text() {
        assert_eq!(value_or_text("[[1]]", 2), Ok(json::read("[[1]]", 2).unwrap()));
        assert_eq!(value_or_text("[[1", 2), Ok("[[1".into()));
        let error = argument("[[[1]]]", 2).unwrap_err().to_string();
        assert!(error.starts_with("\"[[[1]]]\": ") && error.contains("(limit depth)"), "{error}");
        let error = argument(&"[".repeat(100), 2).unwrap_err().to_string();
        assert!(error.starts_with(&format!("\"{}\"...: ", "[".repeat(40))), "{error}");
    }
}
