//! From a value to any type.

use alloc::string::String;

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer, StringDeserializer};
use serde::de::{Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::TypedError;
use crate::value::{Dictionary, Integer, Value};

pub(super) struct ValueDeserializer(pub(super) Value);

impl IntoDeserializer<'_, TypedError> for ValueDeserializer {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for ValueDeserializer {
    type Error = TypedError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypedError> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Integer(integer) => visit_integer(&integer, visitor),
            Value::Float(float) => visitor.visit_f64(float),
            Value::Text(text) => visitor.visit_string(text),
            Value::Binary(bytes) => visitor.visit_byte_buf(bytes),
            Value::List(items) => {
                let mut items = SeqDeserializer::new(items.into_iter().map(Self));
                let value = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(value)
            }
            Value::Dictionary(dictionary) => {
                let mut entries = entries(dictionary);
                let value = visitor.visit_map(&mut entries)?;
                entries.end()?;
                Ok(value)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypedError> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            value => visitor.visit_some(Self(value)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, TypedError> {
        visitor.visit_newtype_struct(self)
    }

    /// Binary is a list of bytes too, where a type asks for a list.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypedError> {
        match self.0 {
            Value::Binary(bytes) => visitor.visit_seq(SeqDeserializer::new(bytes.into_iter())),
            value => Self(value).deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypedError> {
        match self.0 {
            Value::Text(variant) => {
                StringDeserializer::new(variant).deserialize_enum(name, variants, visitor)
            }
            Value::Dictionary(dictionary) if dictionary.len() == 1 => {
                MapAccessDeserializer::new(entries(dictionary)).deserialize_enum(name, variants, visitor)
            }
            other => Err(TypedError::invalid_type(
                Unexpected::Other(other.kind().as_str()),
                &"the text of a variant or a dictionary of one key",
            )),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct map struct identifier ignored_any
    }
}

fn entries<'de>(
    dictionary: Dictionary,
) -> MapDeserializer<'de, impl Iterator<Item = (String, ValueDeserializer)>, TypedError> {
    MapDeserializer::new(dictionary.into_iter().map(|(key, value)| (key, ValueDeserializer(value))))
}

fn visit_integer<'de, V: Visitor<'de>>(integer: &Integer, visitor: V) -> Result<V::Value, TypedError> {
    if let Some(number) = integer.as_i64() {
        visitor.visit_i64(number)
    } else if let Some(number) = integer.as_u64() {
        visitor.visit_u64(number)
    } else if let Some(number) = integer.as_i128() {
        visitor.visit_i128(number)
    } else if let Some(number) = integer.as_u128() {
        visitor.visit_u128(number)
    } else {
        Err(TypedError::custom("an integer beyond 128 bits"))
    }
}
