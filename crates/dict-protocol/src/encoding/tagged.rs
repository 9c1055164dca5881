//! JSON in which every value survives: plain [`json`], and the `$` form for what JSON cannot say.
//!
//! | value | written as |
//! |---|---|
//! | NaN, the infinities | `{"$float": "NaN"}`, `{"$float": "Infinity"}`, `{"$float": "-Infinity"}` |
//! | binary | `{"$binary": "AAE="}`: base64 with padding |
//! | a dictionary of one key that begins with `$` | `{"$dict": {"$key": ...}}`, so that it is not taken for one of these |
//!
//! Everything else is as in plain JSON: floats have a fraction or an exponent, integers of any length have neither. What
//! is written is strict JSON, in any style. The bare words `NaN`, `Infinity` and `-Infinity` are read too.
//!
//! ```
//! use dict_protocol::encoding::json::Style;
//! use dict_protocol::encoding::tagged;
//! use dict_protocol::value::Value;
//!
//! let mut text = String::new();
//! tagged::write(&Value::from(f64::NAN), Style::PYTHON, 128, &mut text)?;
//! assert_eq!(text, r#"{"$float": "NaN"}"#);
//! assert_eq!(tagged::read(&text, 128)?, Value::from(f64::NAN));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

use alloc::string::String;
use core::mem;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::json::{self, JsonError, Style};
use super::{Depth, EncodeError};
use crate::value::{Dictionary, Kind, Value};

/// Why a text is not the tagged JSON of a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaggedError {
    /// It is not JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Lists and dictionaries stand within one another more often than the limit allows.
    #[error("nested deeper than {limit} levels (limit depth)")]
    TooDeep {
        /// The most levels that are allowed.
        limit: usize,
    },
    /// A dictionary of one key that begins with `$` and stands for nothing.
    #[error("unknown tag {tag:?}: a dictionary of this one key is written within \"$dict\"")]
    UnknownTag {
        /// The key.
        tag: String,
    },
    /// What stands under a tag is of another type than that tag has.
    #[error("\"{tag}\" holds {expected}, got {found}")]
    WrongType {
        /// The tag.
        tag: &'static str,
        /// The type it has.
        expected: Kind,
        /// The type that came.
        found: Kind,
    },
    /// The text under `$float` is none of the three words.
    #[error("{text:?} is not \"NaN\", \"Infinity\" or \"-Infinity\"")]
    NotFloat {
        /// The text.
        text: String,
    },
    /// The text under `$binary` is not base64 with padding.
    #[error("not base64: {reason}")]
    NotBase64 {
        /// What is wrong with it.
        reason: base64::DecodeError,
    },
}

/// Appends `value` to `out`.
///
/// # Errors
///
/// If it nests deeper than `depth`; the levels that the `$` form adds do not count. `out` then ends as it was.
pub fn write(value: &Value, style: Style, depth: usize, out: &mut String) -> Result<(), EncodeError> {
    json::write_tagged(value, style, depth, out)
}

/// Reads the one value that `text` is.
///
/// # Errors
///
/// If it is not the tagged JSON of a value, or the value nests deeper than `depth`.
pub fn read(text: impl AsRef<[u8]>, depth: usize) -> Result<Value, TaggedError> {
    // Each level of a value may stand within a `$dict`, and the innermost in one more tag.
    let levels = depth.saturating_mul(2).saturating_add(1);
    let value = json::read(text, levels).map_err(|error| match error {
        JsonError::TooDeep { .. } => TaggedError::TooDeep { limit: depth },
        error => error.into(),
    })?;
    untag(value, Depth::new(depth))
}

/// The value that a value read as plain JSON stands for.
fn untag(value: Value, depth: Depth) -> Result<Value, TaggedError> {
    match value {
        Value::List(mut items) => {
            let depth = enter(depth)?;
            for item in &mut items {
                *item = untag(mem::take(item), depth)?;
            }
            Ok(Value::List(items))
        }
        Value::Dictionary(dictionary) if json::is_like_tag(&dictionary) => {
            let (tag, content) = dictionary.into_iter().next().expect("what is like a tag has one key");
            untag_content(tag, content, depth)
        }
        Value::Dictionary(dictionary) => untag_entries(dictionary, depth),
        value => Ok(value),
    }
}

fn untag_content(tag: String, content: Value, depth: Depth) -> Result<Value, TaggedError> {
    match (tag.as_str(), content) {
        ("$float", Value::Text(text)) => match text.as_str() {
            "NaN" => Ok(Value::Float(f64::NAN)),
            "Infinity" => Ok(Value::Float(f64::INFINITY)),
            "-Infinity" => Ok(Value::Float(f64::NEG_INFINITY)),
            _ => Err(TaggedError::NotFloat { text }),
        },
        ("$binary", Value::Text(text)) => match STANDARD.decode(text) {
            Ok(bytes) => Ok(Value::Binary(bytes)),
            Err(reason) => Err(TaggedError::NotBase64 { reason }),
        },
        ("$dict", Value::Dictionary(dictionary)) => untag_entries(dictionary, depth),
        ("$float", other) => Err(wrong_type("$float", Kind::Text, &other)),
        ("$binary", other) => Err(wrong_type("$binary", Kind::Text, &other)),
        ("$dict", other) => Err(wrong_type("$dict", Kind::Dictionary, &other)),
        _ => Err(TaggedError::UnknownTag { tag }),
    }
}

fn untag_entries(mut dictionary: Dictionary, depth: Depth) -> Result<Value, TaggedError> {
    let depth = enter(depth)?;
    for (_, value) in dictionary.iter_mut() {
        *value = untag(mem::take(value), depth)?;
    }
    Ok(Value::Dictionary(dictionary))
}

fn wrong_type(tag: &'static str, expected: Kind, found: &Value) -> TaggedError {
    TaggedError::WrongType { tag, expected, found: found.kind() }
}

fn enter(depth: Depth) -> Result<Depth, TaggedError> {
    depth.enter().map_err(|limit| TaggedError::TooDeep { limit })
}

#[cfg(test)]
mod tests {
    use alloc::{format, vec};

    use super::*;
    use crate::dictionary;

    const DEPTH: usize = 4;

    fn written(value: impl Into<Value>) -> String {
        let mut text = String::new();
        write(&value.into(), Style::COMPACT, DEPTH, &mut text).unwrap();
        text
    }

    #[test]
    fn the_form_of_what_json_cannot_say() {
        assert_eq!(written(f64::NAN), r#"{"$float":"NaN"}"#);
        assert_eq!(written(f64::NEG_INFINITY), r#"{"$float":"-Infinity"}"#);
        assert_eq!(written(vec![0_u8, 1]), r#"{"$binary":"AAE="}"#);
        assert_eq!(written(dictionary! { "$binary" => "AAE=" }), r#"{"$dict":{"$binary":"AAE="}}"#);
        assert_eq!(written(dictionary! { "$dict" => 1 }), r#"{"$dict":{"$dict":1}}"#);
        assert_eq!(written(dictionary! { "$a" => 1, "b" => 2 }), r#"{"$a":1,"b":2}"#);
        assert_eq!(written(dictionary! { "a" => 1 }), r#"{"a":1}"#);
        assert_eq!(written(u128::MAX), "340282366920938463463374607431768211455");
    }

    #[test]
    fn what_people_may_write() {
        assert_eq!(
            read("[NaN, -Infinity]", DEPTH).unwrap(),
            [f64::NAN, f64::NEG_INFINITY].into_iter().collect()
        );
        assert_eq!(read(r#"{"$dict": {"a": 1}}"#, DEPTH).unwrap(), dictionary! { "a" => 1 }.into());
        let two = r#"{"$float": "NaN", "b": {"$float": "NaN"}}"#;
        assert_eq!(read(two, DEPTH).unwrap(), dictionary! { "$float" => "NaN", "b" => f64::NAN }.into());
    }

    #[test]
    fn the_levels_of_tags_do_not_count() {
        let innermost = Value::from(vec![0_u8]);
        let value = (0..DEPTH).fold(innermost, |inner, _| dictionary! { "$dict" => inner }.into());
        assert_eq!(read(written(value.clone()), DEPTH), Ok(value));
        let text = r#"{"$dict": {"$dict": [{"$dict": {"a": [[1]]}}]}}"#;
        assert_eq!(read(text, DEPTH), Err(TaggedError::TooDeep { limit: DEPTH }));
    }

    #[test]
    fn what_is_refused() {
        let cases = [
            (
                r#"[{"$date": 1}]"#,
                r#"unknown tag "$date": a dictionary of this one key is written within "$dict""#,
            ),
            (r#"{"$float": 1.0}"#, r#""$float" holds text, got float"#),
            (r#"{"$binary": null}"#, r#""$binary" holds text, got null"#),
            (r#"{"$dict": {"$float": {"$dict": [1]}}}"#, r#""$dict" holds dictionary, got list"#),
            (r#"{"$float": "nan"}"#, r#""nan" is not "NaN", "Infinity" or "-Infinity""#),
            (r#"{"$binary": "AAE"}"#, "not base64: "),
            (r#"{"$binary": "AA E="}"#, "not base64: "),
            ("[1", "at byte 2: expected ',' or ']', got the end of the text"),
        ];
        for (text, message) in cases {
            let error = format!("{}", read(text, DEPTH).unwrap_err());
            assert!(error.starts_with(message), "{text}: {error}");
        }
    }
}
