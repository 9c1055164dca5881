//! The fixed fields of packets: little-endian integers, and text as a u16 length and UTF-8.
//!
//! The [`packet!`] macro declares a packet once: its fields in the order in which they travel.

use alloc::vec::Vec;

use super::PacketError;
use crate::time::Time;

/// The rest of a body that is being read.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    length: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, length: bytes.len() }
    }

    /// Bytes from the body's beginning.
    pub(super) fn offset(&self) -> usize {
        self.length - self.bytes.len()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], PacketError> {
        let Some((taken, rest)) = self.bytes.split_at_checked(count) else {
            return Err(PacketError::Short { offset: self.offset(), needed: count, left: self.bytes.len() });
        };
        self.bytes = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PacketError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.bytes)
    }

    pub(super) fn finish(&self) -> Result<(), PacketError> {
        match self.bytes.len() {
            0 => Ok(()),
            extra => Err(PacketError::Long { extra }),
        }
    }

    pub(super) fn invalid(&self, field: &'static str, value: u64) -> PacketError {
        PacketError::Field { field, offset: self.offset(), value }
    }
}

/// One field of a packet.
pub(super) trait Field<'a>: Sized {
    fn read(fields: &mut Fields<'a>) -> Result<Self, PacketError>;
    fn write(&self, out: &mut Vec<u8>);
}

macro_rules! integer_fields {
    ($($integer:ty),*) => {$(
        impl<'a> Field<'a> for $integer {
            fn read(fields: &mut Fields<'a>) -> Result<Self, PacketError> {
                fields.array().map(Self::from_le_bytes)
            }

            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

integer_fields!(u8, u16, u32, u64, i64);

impl<'a> Field<'a> for bool {
    fn read(fields: &mut Fields<'a>) -> Result<Self, PacketError> {
        match u8::read(fields)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(fields.invalid("yes or no", other.into())),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl<'a, const N: usize> Field<'a> for [u8; N] {
    fn read(fields: &mut Fields<'a>) -> Result<Self, PacketError> {
        fields.array()
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl<'a> Field<'a> for Time {
    fn read(fields: &mut Fields<'a>) -> Result<Self, PacketError> {
        i64::read(fields).map(Self::from_nanos)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.as_nanos().write(out);
    }
}

/// A number that may be unknown, which travels as the greatest one.
impl<'a> Field<'a> for Option<u64> {
    fn read(fields: &mut Fields<'a>) -> Result<Self, PacketError> {
        u64::read(fields).map(|value| (value != u64::MAX).then_some(value))
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.unwrap_or(u64::MAX).write(out);
    }
}

impl<'a> Field<'a> for &'a str {
    fn read(fields: &mut Fields<'a>) -> Result<Self, PacketError> {
        let length = usize::from(u16::read(fields)?);
        let offset = fields.offset();
        let bytes = fields.take(length)?;
        core::str::from_utf8(bytes)
            .map_err(|error| PacketError::Utf8 { offset: offset + error.valid_up_to() })
    }

    /// Writes as much as a u16 can count, cut between characters: names and reasons are limited far below.
    fn write(&self, out: &mut Vec<u8>) {
        let length = self.floor_char_boundary(usize::from(u16::MAX));
        out.extend_from_slice(&(length as u16).to_le_bytes());
        out.extend_from_slice(&self.as_bytes()[..length]);
    }
}

/// Whatever follows the fixed fields.
impl<'a> Field<'a> for &'a [u8] {
    fn read(fields: &mut Fields<'a>) -> Result<Self, PacketError> {
        Ok(fields.rest())
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

/// Declares a packet: a struct whose fields travel in the order in which they stand.
macro_rules! packet {
    ($(#[$doc:meta])* pub struct $name:ident<'a> { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<'a> { $($(#[$field_doc])* pub $field: $type,)* }
        packet!(@codec <'a> $name<'a> { $($field: $type,)* });
    };
    // One of its fields is a secret: how it is shown stands with it.
    ($(#[$doc:meta])* pub struct $name:ident<'a> without Debug { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct $name<'a> { $($(#[$field_doc])* pub $field: $type,)* }
        packet!(@codec <'a> $name<'a> { $($field: $type,)* });
    };
    ($(#[$doc:meta])* pub struct $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
        packet!(@codec <'a> $name { $($field: $type,)* });
    };
    (@codec <$a:lifetime> $name:ty { $($field:ident: $type:ty,)* }) => {
        impl<$a> $crate::packet::fields::Field<$a> for $name {
            fn read(
                fields: &mut $crate::packet::fields::Fields<$a>,
            ) -> Result<Self, $crate::packet::PacketError> {
                $(let $field = <$type as $crate::packet::fields::Field<$a>>::read(fields)?;)*
                Ok(Self { $($field),* })
            }

            fn write(&self, out: &mut alloc::vec::Vec<u8>) {
                $($crate::packet::fields::Field::write(&self.$field, out);)*
            }
        }
    };
}
pub(super) use packet;

/// Declares an enumeration that travels as one number.
macro_rules! code {
    (
        $(#[$doc:meta])*
        pub enum $name:ident: $integer:ty = $what:literal {
            $($(#[$variant_doc:meta])* $variant:ident = $code:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant = $code,)* }

        impl<'a> $crate::packet::fields::Field<'a> for $name {
            fn read(
                fields: &mut $crate::packet::fields::Fields<'a>,
            ) -> Result<Self, $crate::packet::PacketError> {
                match <$integer as $crate::packet::fields::Field<'a>>::read(fields)? {
                    $($code => Ok(Self::$variant),)*
                    other => Err(fields.invalid($what, other.into())),
                }
            }

            fn write(&self, out: &mut alloc::vec::Vec<u8>) {
                out.extend_from_slice(&(*self as $integer).to_le_bytes());
            }
        }
    };
}
pub(super) use code;
