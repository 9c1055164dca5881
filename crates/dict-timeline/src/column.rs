//! Values as columns: a type's number beside a content that SQLite can hold.
//!
//! SQLite has no NaN, no booleans and no long integers, and turns one number type into another where a column has a
//! type of its own. So every value stands in a column without one, and the number beside it says what it is.

use std::fmt::Write as _;

use dict_protocol::encoding::json::Style;
use dict_protocol::encoding::tagged;
use dict_protocol::value::{Integer, Kind, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};

/// The number of "there is no value: the key was removed".
pub(crate) const REMOVED: i64 = 0;
const NULL: i64 = 1;
const BOOLEAN: i64 = 2;
const INTEGER: i64 = 3;
const FLOAT: i64 = 4;
const TEXT: i64 = 5;
const BINARY: i64 = 6;
const LIST: i64 = 7;
const DICTIONARY: i64 = 8;

/// The two columns of `value`; `None` is a removal.
pub(crate) fn columns(value: Option<&Value>) -> (i64, ToSqlOutput<'_>) {
    let Some(value) = value else { return (REMOVED, borrowed(ValueRef::Null)) };
    match value {
        Value::Null => (NULL, borrowed(ValueRef::Null)),
        Value::Bool(truth) => (BOOLEAN, borrowed(ValueRef::Integer((*truth).into()))),
        Value::Integer(integer) => match integer.as_i64() {
            Some(number) => (INTEGER, borrowed(ValueRef::Integer(number))),
            None => (INTEGER, integer.to_string().into()),
        },
        // SQLite would make it null in any case.
        Value::Float(float) if float.is_nan() => (FLOAT, borrowed(ValueRef::Null)),
        Value::Float(float) => (FLOAT, borrowed(ValueRef::Real(*float))),
        Value::Text(text) => (TEXT, borrowed(ValueRef::Text(text.as_bytes()))),
        Value::Binary(bytes) => (BINARY, borrowed(ValueRef::Blob(bytes))),
        Value::List(_) => (LIST, json(value).into()),
        Value::Dictionary(_) => (DICTIONARY, json(value).into()),
    }
}

/// The value of two columns; `Some(None)` is a removal, `None` a pair that [`columns`] never makes.
pub(crate) fn value(kind: i64, content: ValueRef<'_>) -> Option<Option<Value>> {
    Some(Some(match (kind, content) {
        (REMOVED, ValueRef::Null) => return Some(None),
        (NULL, ValueRef::Null) => Value::Null,
        (BOOLEAN, ValueRef::Integer(number @ (0 | 1))) => Value::Bool(number == 1),
        (INTEGER, ValueRef::Integer(number)) => Value::from(number),
        (INTEGER, ValueRef::Text(digits)) => str::from_utf8(digits).ok()?.parse::<Integer>().ok()?.into(),
        (FLOAT, ValueRef::Null) => Value::Float(f64::NAN),
        (FLOAT, ValueRef::Real(float)) => Value::Float(float),
        (TEXT, ValueRef::Text(text)) => Value::Text(str::from_utf8(text).ok()?.to_owned()),
        (BINARY, ValueRef::Blob(bytes)) => Value::from(bytes),
        (LIST | DICTIONARY, ValueRef::Text(text)) => tagged::read(text, crate::record::DEPTH).ok()?,
        _ => return None,
    }))
}

/// The number of a type.
pub(crate) const fn type_code(kind: Kind) -> i64 {
    match kind {
        Kind::Null => NULL,
        Kind::Bool => BOOLEAN,
        Kind::Integer => INTEGER,
        Kind::Float => FLOAT,
        Kind::Text => TEXT,
        Kind::Binary => BINARY,
        Kind::List => LIST,
        Kind::Dictionary => DICTIONARY,
    }
}

/// The `$` form of a value.
pub(crate) fn json(value: &Value) -> String {
    let mut text = String::new();
    write_json(value, &mut text);
    text
}

/// Appends the `$` form of a value.
pub(crate) fn write_json(value: &Value, out: &mut String) {
    // Only a value that somebody built for output, and not one that was read, can be deeper; it is shown as absent.
    if tagged::write(value, Style::COMPACT, crate::record::DEPTH, out).is_err() {
        out.push_str("null");
    }
}

/// The name of a type, as CSV files have it.
pub(crate) fn type_name(value: Option<&Value>) -> &'static str {
    value.map_or("removed", |value| value.kind().as_str())
}

/// Appends a value as the text of one cell: what a table or a CSV file shows under a type's name.
pub(crate) fn write_cell(value: &Value, out: &mut String) {
    match value {
        Value::Null => {}
        Value::Text(text) => out.push_str(text),
        Value::Float(float) if float.is_nan() => out.push_str("NaN"),
        Value::Float(float) if float.is_infinite() => {
            out.push_str(if *float > 0.0 { "Infinity" } else { "-Infinity" });
        }
        Value::Integer(integer) => {
            // Writing to a string does not fail.
            let _ = write!(out, "{integer}");
        }
        other => write_json(other, out),
    }
}

const fn borrowed(value: ValueRef<'_>) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(value)
}
