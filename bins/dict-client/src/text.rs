//! Values and pairs as people write them on a command line.

use std::str::FromStr;

use dict_protocol::encoding::json::{self, Style};
use dict_protocol::encoding::tagged;
use dict_protocol::limits::Limits;
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
pub(crate) fn value_or_text(text: &str) -> Value {
    json::read(text, Limits::default().depth).unwrap_or_else(|_| text.into())
}

/// A value as programs read it: JSON in the `$` form, on one line.
pub(crate) fn to_json(value: &Value) -> String {
    let mut text = String::new();
    tagged::write(value, Style::READABLE, usize::MAX, &mut text)
        .expect("the $ form says everything at any depth");
    text
}
