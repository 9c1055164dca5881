//! A program's own types to and from [`Value`]s, for every type that serde knows.
//!
//! A struct becomes a dictionary of its fields, `None` and `()` become null, an enum's variant without content its
//! name as text, one with content a dictionary of that one key; bytes (`serde_bytes` and its like) become binary, and
//! `Vec<u8>` a list of integers, but is read from binary too.
//!
//! ```
//! use dict_protocol::typed;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct Psu { voltage: f64, mode: Mode }
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! enum Mode { Off, Constant { current: f64 } }
//!
//! let psu = Psu { voltage: 12.5, mode: Mode::Constant { current: 0.2 } };
//! let value = typed::to_value(&psu)?;
//! assert_eq!(value.as_dictionary().map(|d| &d["voltage"]), Some(&12.5.into()));
//! assert_eq!(typed::from_value::<Psu>(value)?, psu);
//! # Ok::<_, typed::TypedError>(())
//! ```

mod deserialize;
mod serialize;

use alloc::string::{String, ToString};
use core::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::value::{Dictionary, Kind, Value};

/// Why a type's value and a [`Value`] cannot stand for each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TypedError {
    /// A map has a key that is not text.
    #[error("the keys of a dictionary are text, got {found}")]
    KeyNotText {
        /// What came instead.
        found: &'static str,
    },
    /// What should be published is no dictionary.
    #[error("expected a dictionary, got {found}")]
    NotDictionary {
        /// What came instead.
        found: Kind,
    },
    /// What the type itself, or serde for it, has to object.
    #[error("{0}")]
    Type(String),
}

impl serde::ser::Error for TypedError {
    fn custom<T: Display>(message: T) -> Self {
        Self::Type(message.to_string())
    }
}

impl serde::de::Error for TypedError {
    fn custom<T: Display>(message: T) -> Self {
        Self::Type(message.to_string())
    }
}

/// The value that stands for `of`.
///
/// # Errors
///
/// If it has a map whose keys are not text, or its own `Serialize` fails.
pub fn to_value<T: Serialize + ?Sized>(of: &T) -> Result<Value, TypedError> {
    of.serialize(serialize::ValueSerializer)
}

/// The dictionary that stands for `of`: what a program publishes.
///
/// # Errors
///
/// As [`to_value`], and if it is no struct or map.
pub fn to_dictionary<T: Serialize + ?Sized>(of: &T) -> Result<Dictionary, TypedError> {
    match to_value(of)? {
        Value::Dictionary(dictionary) => Ok(dictionary),
        other => Err(TypedError::NotDictionary { found: other.kind() }),
    }
}

/// What `value` stands for.
///
/// # Errors
///
/// If it is not the form of a `T`.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, TypedError> {
    T::deserialize(deserialize::ValueDeserializer(value))
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::collections::BTreeMap;
    use alloc::vec;
    use alloc::vec::Vec;
    use core::fmt::Debug;

    use serde::Deserialize;

    use super::*;
    use crate::dictionary;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Everything {
        unit: (),
        flag: bool,
        small: i8,
        large: u128,
        least: i128,
        float: f32,
        letter: char,
        text: String,
        some: Option<i32>,
        none: Option<i32>,
        list: Vec<u8>,
        tuple: (i32, String),
        map: BTreeMap<String, f64>,
        newtype: Newtype,
        variants: Vec<Variant>,
        value: Value,
        boxed: Box<Option<Variant>>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Newtype(u64);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Variant {
        Unit,
        Newtype(u32),
        Tuple(u32, bool),
        Struct { a: i32 },
    }

    #[track_caller]
    fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(of: &T) -> Value {
        let value = to_value(of).unwrap();
        assert_eq!(&from_value::<T>(value.clone()).unwrap(), of);
        value
    }

    #[test]
    fn all_of_serdes_types() {
        let value = round_trip(&Everything {
            unit: (),
            flag: true,
            small: -3,
            large: u128::MAX,
            least: i128::MIN,
            float: 0.5,
            letter: 'µ',
            text: "text".into(),
            some: Some(1),
            none: None,
            list: vec![1, 2],
            tuple: (1, "two".into()),
            map: BTreeMap::from([("k".into(), f64::INFINITY)]),
            newtype: Newtype(u64::MAX),
            variants: vec![
                Variant::Unit,
                Variant::Newtype(1),
                Variant::Tuple(2, false),
                Variant::Struct { a: 3 },
            ],
            value: dictionary! { "binary" => vec![0_u8], "nan" => f64::NAN }.into(),
            boxed: Box::new(Some(Variant::Unit)),
        });
        let dictionary = value.as_dictionary().unwrap();
        assert_eq!(dictionary["large"], Value::from(u128::MAX));
        let variants = [
            Value::from("Unit"),
            dictionary! { "Newtype" => 1 }.into(),
            dictionary! { "Tuple" => vec![Value::from(2), false.into()] }.into(),
            dictionary! { "Struct" => dictionary! { "a" => 3 } }.into(),
        ];
        assert_eq!(dictionary["variants"].as_list(), Some(&variants[..]));
    }

    #[test]
    fn binary_is_read_as_bytes() {
        assert_eq!(from_value::<Vec<u8>>(Value::from(vec![1_u8, 2])), Ok(vec![1, 2]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let numbered = BTreeMap::from([(1, 2)]);
        assert_eq!(to_value(&numbered), Err(TypedError::KeyNotText { found: "an integer" }));
        assert_eq!(to_dictionary(&[1]), Err(TypedError::NotDictionary { found: Kind::List }));
        assert!(from_value::<i8>(128.into()).is_err());
        assert!(from_value::<Newtype>("text".into()).is_err());
        assert!(from_value::<Variant>("Absent".into()).is_err());
        assert!(from_value::<Variant>(dictionary! { "Newtype" => 1, "Unit" => 2 }.into()).is_err());
        assert!(from_value::<Value>(Value::Integer("9".repeat(40).parse().unwrap())).is_err());
    }
}
