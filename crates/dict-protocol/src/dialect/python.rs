//! What the older dialects take over from Python: what is equal, what is true, and its JSON.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::encoding::EncodeError;
use crate::encoding::json::{self, Style};
use crate::value::{Dictionary, Integer, Value};

/// Whether two dictionaries are equal as Python's `==` has it; see [`equal`].
pub fn equal_dictionaries(a: &Dictionary, b: &Dictionary) -> bool {
    a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| equal(value, other)))
}

/// Whether two values are equal as Python's `==` has it: `1`, `1.0` and `True` are, and so are `0.0` and `-0.0`.
/// Numbers of different types compare exactly: 2⁵³ + 1 is not the float that is nearest to it.
///
/// NaN counts as equal to NaN. In Python that depends on whether both are one object, which has no meaning here; and a
/// dictionary that holds one must not count as changed for ever.
pub fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Dictionary(a), Value::Dictionary(b)) => equal_dictionaries(a, b),
        _ => match (Number::of(a), Number::of(b)) {
            (Some(a), Some(b)) => a.equals(&b),
            _ => a == b,
        },
    }
}

/// Whether a value is true in Python's sense: not null, false, zero, or empty.
pub fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Integer(integer) => integer.as_i64() != Some(0),
        Value::Float(float) => *float != 0.0,
        Value::Text(text) => !text.is_empty(),
        Value::Binary(bytes) => !bytes.is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Dictionary(dictionary) => !dictionary.is_empty(),
    }
}

/// A value as Python's `str` has it, as far as it is plain: lists and dictionaries that hold something come out as JSON.
pub fn to_text(value: &Value, depth: usize) -> Result<String, EncodeError> {
    Ok(match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Float(float) if float.is_nan() => "nan".to_owned(),
        Value::Float(f64::INFINITY) => "inf".to_owned(),
        Value::Float(f64::NEG_INFINITY) => "-inf".to_owned(),
        Value::Text(text) => text.clone(),
        value => {
            let mut text = String::new();
            write(value, Style::READABLE, depth, &mut text)?;
            text
        }
    })
}

/// The JSON form of a value for a program that knows plain JSON and nothing else.
///
/// JSON has no binary; that becomes `{"$binary": "base64"}`, as in [tagged](crate::encoding::tagged) JSON. All else stays
/// as it is: Python's JSON has words for NaN and the infinities, and a dictionary that looks like a tag is not wrapped,
/// because a program that put it in expects to get it out. So this is for reading, and has no way back; what such
/// programs send is taken as it is.
///
/// # Errors
///
/// If it nests deeper than `depth`; the level that a `$` form adds does not count.
pub fn sayable(value: &Value, depth: usize) -> Result<Value, EncodeError> {
    sayable_within(value, depth, depth)
}

fn sayable_within(value: &Value, left: usize, limit: usize) -> Result<Value, EncodeError> {
    let enter = || left.checked_sub(1).ok_or(EncodeError::TooDeep { limit });
    Ok(match value {
        Value::Binary(bytes) => Dictionary::from([("$binary", STANDARD.encode(bytes))]).into(),
        Value::List(items) => {
            let left = enter()?;
            let items: Result<Vec<_>, _> =
                items.iter().map(|item| sayable_within(item, left, limit)).collect();
            items?.into()
        }
        Value::Dictionary(dictionary) => {
            let left = enter()?;
            let entries: Result<Dictionary, _> = dictionary
                .iter()
                .map(|(key, value)| Ok((key, sayable_within(value, left, limit)?)))
                .collect();
            entries?.into()
        }
        value => value.clone(),
    })
}

/// Appends the JSON of the [`sayable`] form of a value to `out`.
///
/// # Errors
///
/// If it nests deeper than `depth`. `out` then ends as it was.
pub fn write(value: &Value, style: Style, depth: usize, out: &mut String) -> Result<(), EncodeError> {
    match json::write(value, style, depth, out) {
        // Seldom, and so the only case that costs a copy.
        Err(EncodeError::Binary { .. }) => {
            json::write(&sayable(value, depth)?, style, depth.saturating_add(1), out)
        }
        result => result,
    }
}

/// Appends the JSON of the [`sayable`] form of a dictionary to `out`, as `json.dumps` writes it.
///
/// # Errors
///
/// If it nests deeper than `depth`. `out` then ends as it was.
pub fn write_dictionary(dictionary: &Dictionary, depth: usize, out: &mut String) -> Result<(), EncodeError> {
    let start = out.len();
    write_entries(dictionary, depth, out).inspect_err(|_| out.truncate(start))
}

fn write_entries(dictionary: &Dictionary, depth: usize, out: &mut String) -> Result<(), EncodeError> {
    let too_deep = EncodeError::TooDeep { limit: depth };
    let left = depth.checked_sub(1).ok_or(too_deep)?;
    out.push('{');
    for (index, (key, value)) in dictionary.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        json::write(&Value::from(key), Style::PYTHON, 0, out)?;
        out.push_str(": ");
        write(value, Style::PYTHON, left, out).map_err(|error| match error {
            EncodeError::TooDeep { .. } => too_deep,
            error => error,
        })?;
    }
    out.push('}');
    Ok(())
}

/// What Python takes for a number.
enum Number<'a> {
    Small(i64),
    Integer(&'a Integer),
    Float(f64),
}

impl<'a> Number<'a> {
    fn of(value: &'a Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(Self::Small((*value).into())),
            Value::Integer(integer) => Some(integer.as_i64().map_or(Self::Integer(integer), Self::Small)),
            Value::Float(float) => Some(Self::Float(*float)),
            _ => None,
        }
    }

    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Small(a), Self::Small(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Self::Small(integer), Self::Float(float)) | (Self::Float(float), Self::Small(integer)) => {
                is_whole(*float) && *float as i128 == i128::from(*integer)
            }
            (Self::Integer(integer), Self::Float(float)) | (Self::Float(float), Self::Integer(integer)) => {
                // The decimal digits of a whole float are exact, however many they are.
                is_whole(*float) && format!("{float:.0}") == integer.to_string()
            }
            // Each number has one form.
            (Self::Small(_), Self::Integer(_)) | (Self::Integer(_), Self::Small(_)) => false,
        }
    }
}

/// Whether a float is finite and has no fraction.
fn is_whole(float: f64) -> bool {
    float % 1.0 == 0.0
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::dictionary;

    #[test]
    fn equality() {
        let same: [(Value, Value); 8] = [
            (1.into(), true.into()),
            (0.0.into(), false.into()),
            (1.0.into(), 1.into()),
            (0.0.into(), (-0.0).into()),
            (f64::NAN.into(), (-f64::NAN).into()),
            (1e30.into(), 1_000_000_000_000_000_019_884_624_838_656_i128.into()),
            (18_446_744_073_709_551_616.0.into(), (1_u128 << 64).into()),
            (
                dictionary! { "a" => vec![1.into(), Value::Null], "b" => 2 }.into(),
                dictionary! { "b" => 2.0, "a" => vec![true.into(), Value::Null] }.into(),
            ),
        ];
        for (a, b) in same {
            assert!(equal(&a, &b) && equal(&b, &a), "{a:?} {b:?}");
        }
        let different: [(Value, Value); 9] = [
            (1.into(), "1".into()),
            (0.into(), Value::Null),
            (((1_i64 << 53) + 1).into(), ((1_i64 << 53) as f64).into()),
            (u64::MAX.into(), (u64::MAX as f64).into()),
            (i64::MAX.into(), (i64::MAX as f64).into()),
            (1.into(), 1.5.into()),
            (u128::MAX.into(), f64::INFINITY.into()),
            ("a".into(), b"a".as_slice().into()),
            (dictionary! { "a" => 1 }.into(), dictionary! { "b" => 1 }.into()),
        ];
        for (a, b) in different {
            assert!(!equal(&a, &b) && !equal(&b, &a), "{a:?} {b:?}");
        }
    }

    #[test]
    fn truth() {
        let empty = Value::List(vec![]);
        for value in [Value::Null, false.into(), 0.into(), (-0.0).into(), "".into(), empty.clone()] {
            assert!(!is_true(&value), "{value:?}");
        }
        assert!(!is_true(&Dictionary::new().into()));
        for value in [true.into(), (-1).into(), u128::MAX.into(), f64::NAN.into(), "0".into()] {
            assert!(is_true(&value), "{value:?}");
        }
        assert!(is_true(&vec![empty].into()));
    }

    #[test]
    fn binary_takes_the_dollar_form_and_nothing_else_does() {
        let value =
            dictionary! { "b" => vec![0_u8, 1], "$binary" => f64::NAN, "c" => dictionary! { "$x" => 1 } };
        let mut text = String::new();
        write_dictionary(&value, 2, &mut text).unwrap();
        assert_eq!(text, r#"{"b": {"$binary": "AAE="}, "$binary": NaN, "c": {"$x": 1}}"#);
    }

    #[test]
    fn the_level_of_the_dollar_form_does_not_count() {
        let value = dictionary! { "b" => vec![Value::from(vec![7_u8])] };
        let mut text = String::from("before");
        assert_eq!(write_dictionary(&value, 1, &mut text), Err(EncodeError::TooDeep { limit: 1 }));
        assert_eq!(write_dictionary(&value, 0, &mut text), Err(EncodeError::TooDeep { limit: 0 }));
        assert_eq!(text, "before");
        write_dictionary(&value, 2, &mut text).unwrap();
        assert_eq!(text, r#"before{"b": [{"$binary": "Bw=="}]}"#);
    }
}
