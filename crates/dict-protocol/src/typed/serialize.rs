//! From any type to a value.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Display;

use serde::ser::{
    Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{TypedError, to_value};
use crate::value::{Dictionary, Value};

/// How many items are reserved for at most, whatever a type says of its length.
const RESERVE: usize = 64;

pub(super) struct ValueSerializer;

macro_rules! scalars {
    ($($method:ident($type:ty))*) => {$(
        fn $method(self, value: $type) -> Result<Value, TypedError> {
            Ok(value.into())
        }
    )*};
}

impl Serializer for ValueSerializer {
    type Ok = Value;
    type Error = TypedError;
    type SerializeSeq = ListSerializer;
    type SerializeTuple = ListSerializer;
    type SerializeTupleStruct = ListSerializer;
    type SerializeTupleVariant = ListSerializer;
    type SerializeMap = DictionarySerializer;
    type SerializeStruct = DictionarySerializer;
    type SerializeStructVariant = DictionarySerializer;

    scalars! {
        serialize_bool(bool)
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64) serialize_i128(i128)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_u128(u128)
        serialize_f32(f32) serialize_f64(f64)
        serialize_str(&str) serialize_bytes(&[u8])
    }

    fn serialize_char(self, char: char) -> Result<Value, TypedError> {
        Ok(Value::Text(char.into()))
    }

    fn serialize_none(self) -> Result<Value, TypedError> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, TypedError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, TypedError> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, TypedError> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Value, TypedError> {
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, TypedError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, TypedError> {
        Ok(in_variant(variant, to_value(value)?))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<ListSerializer, TypedError> {
        Ok(ListSerializer::new(len.unwrap_or(0), None))
    }

    fn serialize_tuple(self, len: usize) -> Result<ListSerializer, TypedError> {
        Ok(ListSerializer::new(len, None))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<ListSerializer, TypedError> {
        Ok(ListSerializer::new(len, None))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<ListSerializer, TypedError> {
        Ok(ListSerializer::new(len, Some(variant)))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<DictionarySerializer, TypedError> {
        Ok(DictionarySerializer::new(len.unwrap_or(0), None))
    }

    fn serialize_struct(self, _: &'static str, len: usize) -> Result<DictionarySerializer, TypedError> {
        Ok(DictionarySerializer::new(len, None))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<DictionarySerializer, TypedError> {
        Ok(DictionarySerializer::new(len, Some(variant)))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<Value, TypedError> {
        Ok(Value::Text(value.to_string()))
    }
}

fn in_variant(variant: &'static str, value: Value) -> Value {
    Value::Dictionary(Dictionary::from([(variant, value)]))
}

pub(super) struct ListSerializer {
    items: Vec<Value>,
    variant: Option<&'static str>,
}

impl ListSerializer {
    fn new(len: usize, variant: Option<&'static str>) -> Self {
        Self { items: Vec::with_capacity(len.min(RESERVE)), variant }
    }

    fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), TypedError> {
        self.items.push(to_value(item)?);
        Ok(())
    }

    fn finish(self) -> Value {
        let list = Value::List(self.items);
        match self.variant {
            Some(variant) => in_variant(variant, list),
            None => list,
        }
    }
}

macro_rules! lists {
    ($($of:ident::$push:ident)*) => {$(
        impl $of for ListSerializer {
            type Ok = Value;
            type Error = TypedError;

            fn $push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), TypedError> {
                self.push(item)
            }

            fn end(self) -> Result<Value, TypedError> {
                Ok(self.finish())
            }
        }
    )*};
}

lists! {
    SerializeSeq::serialize_element
    SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field
    SerializeTupleVariant::serialize_field
}

pub(super) struct DictionarySerializer {
    entries: Dictionary,
    /// A map's key whose value is still to come.
    key: Option<String>,
    variant: Option<&'static str>,
}

impl DictionarySerializer {
    fn new(len: usize, variant: Option<&'static str>) -> Self {
        Self { entries: Dictionary::with_capacity(len.min(RESERVE)), key: None, variant }
    }

    fn insert<T: Serialize + ?Sized>(&mut self, key: impl Into<String>, value: &T) -> Result<(), TypedError> {
        self.entries.insert(key, to_value(value)?);
        Ok(())
    }

    fn finish(self) -> Value {
        let dictionary = Value::Dictionary(self.entries);
        match self.variant {
            Some(variant) => in_variant(variant, dictionary),
            None => dictionary,
        }
    }
}

impl SerializeMap for DictionarySerializer {
    type Ok = Value;
    type Error = TypedError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), TypedError> {
        self.key = Some(key.serialize(KeySerializer)?);
        Ok(())
    }

    /// # Panics
    ///
    /// If no key came before it: a defect of the type's `Serialize`.
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), TypedError> {
        let key = self.key.take().expect("serialize_key comes before serialize_value");
        self.insert(key, value)
    }

    fn end(self) -> Result<Value, TypedError> {
        Ok(self.finish())
    }
}

macro_rules! structs {
    ($($of:ident)*) => {$(
        impl $of for DictionarySerializer {
            type Ok = Value;
            type Error = TypedError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), TypedError> {
                self.insert(key, value)
            }

            fn end(self) -> Result<Value, TypedError> {
                Ok(self.finish())
            }
        }
    )*};
}

structs! { SerializeStruct SerializeStructVariant }

/// Takes text, and what is written as text.
struct KeySerializer;

macro_rules! no_keys {
    ($($method:ident($($type:ty),*) -> $result:ty, $found:literal;)*) => {$(
        fn $method(self, $(_: $type),*) -> Result<$result, TypedError> {
            Err(TypedError::KeyNotText { found: $found })
        }
    )*};
}

type Never = Impossible<String, TypedError>;

impl Serializer for KeySerializer {
    type Ok = String;
    type Error = TypedError;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    fn serialize_str(self, text: &str) -> Result<String, TypedError> {
        Ok(text.into())
    }

    fn serialize_char(self, char: char) -> Result<String, TypedError> {
        Ok(char.into())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<String, TypedError> {
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<String, TypedError> {
        value.serialize(self)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<String, TypedError> {
        Ok(value.to_string())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<String, TypedError> {
        Err(TypedError::KeyNotText { found: "an option" })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<String, TypedError> {
        Err(TypedError::KeyNotText { found: "a variant with content" })
    }

    no_keys! {
        serialize_bool(bool) -> String, "a boolean";
        serialize_i8(i8) -> String, "an integer";
        serialize_i16(i16) -> String, "an integer";
        serialize_i32(i32) -> String, "an integer";
        serialize_i64(i64) -> String, "an integer";
        serialize_i128(i128) -> String, "an integer";
        serialize_u8(u8) -> String, "an integer";
        serialize_u16(u16) -> String, "an integer";
        serialize_u32(u32) -> String, "an integer";
        serialize_u64(u64) -> String, "an integer";
        serialize_u128(u128) -> String, "an integer";
        serialize_f32(f32) -> String, "a float";
        serialize_f64(f64) -> String, "a float";
        serialize_bytes(&[u8]) -> String, "binary";
        serialize_none() -> String, "an option";
        serialize_unit() -> String, "null";
        serialize_unit_struct(&'static str) -> String, "null";
        serialize_seq(Option<usize>) -> Never, "a list";
        serialize_tuple(usize) -> Never, "a list";
        serialize_tuple_struct(&'static str, usize) -> Never, "a list";
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never, "a variant with content";
        serialize_map(Option<usize>) -> Never, "a dictionary";
        serialize_struct(&'static str, usize) -> Never, "a dictionary";
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never, "a variant with content";
    }
}
