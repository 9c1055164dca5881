//! Integers that are never altered.

use alloc::boxed::Box;
use alloc::format;
use core::fmt;
use core::str::FromStr;

/// An integer: exact, of either sign, at most [`Integer::MAX_DIGITS`] decimal digits long.
///
/// Each number has one representation, so two are equal if and only if they are the same number.
///
/// ```
/// use dict_protocol::value::Integer;
///
/// let long: Integer = "-170141183460469231731687303715884105729".parse()?;
/// assert_eq!(long.to_string(), "-170141183460469231731687303715884105729");
/// assert_eq!(long.as_i128(), None);
/// assert_eq!("007".parse::<Integer>()?, Integer::from(7));
/// # Ok::<_, dict_protocol::value::ParseIntegerError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Integer(Repr);

/// Each number stands in the first variant that can hold it.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Signed(i64),
    Unsigned(u64),
    /// Decimal digits without leading zeros, after a `-` if it is negative.
    Long(Box<str>),
}

/// Why a text is no integer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseIntegerError {
    /// It is not decimal digits with an optional `-` before them.
    #[error("not decimal digits with an optional '-' before them")]
    NotDecimal,
    /// It has more digits than an integer may have.
    #[error("{digits} digits: an integer has at most {limit}")]
    TooLong {
        /// How many digits it has.
        digits: usize,
        /// [`Integer::MAX_DIGITS`].
        limit: usize,
    },
}

impl Integer {
    /// The most decimal digits that an integer can have. Python reads no more by default.
    pub const MAX_DIGITS: usize = 4_300;

    /// This number, if it fits.
    pub const fn as_i64(&self) -> Option<i64> {
        match self.0 {
            Repr::Signed(number) => Some(number),
            _ => None,
        }
    }

    /// This number, if it fits.
    pub const fn as_u64(&self) -> Option<u64> {
        match self.0 {
            Repr::Signed(number) if number >= 0 => Some(number.cast_unsigned()),
            Repr::Unsigned(number) => Some(number),
            _ => None,
        }
    }

    /// This number, if it fits.
    pub fn as_i128(&self) -> Option<i128> {
        match &self.0 {
            Repr::Signed(number) => Some((*number).into()),
            Repr::Unsigned(number) => Some((*number).into()),
            Repr::Long(digits) => digits.parse().ok(),
        }
    }

    /// This number, if it fits.
    pub fn as_u128(&self) -> Option<u128> {
        match &self.0 {
            Repr::Signed(number) => (*number).try_into().ok(),
            Repr::Unsigned(number) => Some((*number).into()),
            Repr::Long(digits) => digits.parse().ok(),
        }
    }

    /// Its decimal digits, if it is beyond both `i64` and `u64`.
    pub(crate) fn as_long(&self) -> Option<&str> {
        match &self.0 {
            Repr::Long(digits) => Some(digits),
            _ => None,
        }
    }

    /// Reads decimal text of an integer beyond 64 bits, as it stands on the wire: `None` if it is not, or not in its
    /// one form.
    pub(crate) fn from_long(text: &str) -> Option<Self> {
        is_long(text).then(|| Self(Repr::Long(text.into())))
    }
}

/// Whether `text` is the canonical decimal form of an integer beyond both `i64` and `u64`, of any length.
pub(crate) fn is_long(text: &str) -> bool {
    let (least, digits) = match text.strip_prefix('-') {
        // One beyond the last that fits: i64::MIN - 1 and u64::MAX + 1.
        Some(digits) => ("9223372036854775809", digits),
        None => ("18446744073709551616", text),
    };
    let bytes = digits.as_bytes();
    if bytes.first() == Some(&b'0') || !bytes.iter().all(u8::is_ascii_digit) {
        return false;
    }
    // Of two numbers of one length the order is that of their digits.
    digits.len() > least.len() || (digits.len() == least.len() && digits >= least)
}

impl FromStr for Integer {
    type Err = ParseIntegerError;

    /// Reads decimal digits with an optional `-` before them; zeros in front are dropped and count for nothing.
    fn from_str(text: &str) -> Result<Self, ParseIntegerError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseIntegerError::NotDecimal);
        }
        if let Ok(number) = text.parse::<i64>() {
            return Ok(number.into());
        }
        if let Ok(number) = text.parse::<u64>() {
            return Ok(number.into());
        }
        let digits = digits.trim_start_matches('0');
        if digits.len() > Self::MAX_DIGITS {
            return Err(ParseIntegerError::TooLong { digits: digits.len(), limit: Self::MAX_DIGITS });
        }
        let text = if negative { format!("-{digits}").into_boxed_str() } else { digits.into() };
        Ok(Self(Repr::Long(text)))
    }
}

impl From<i64> for Integer {
    fn from(number: i64) -> Self {
        Self(Repr::Signed(number))
    }
}

impl From<u64> for Integer {
    fn from(number: u64) -> Self {
        Self(i64::try_from(number).map_or(Repr::Unsigned(number), Repr::Signed))
    }
}

impl From<i128> for Integer {
    fn from(number: i128) -> Self {
        if let Ok(number) = i64::try_from(number) {
            number.into()
        } else if let Ok(number) = u64::try_from(number) {
            number.into()
        } else {
            Self(Repr::Long(format!("{number}").into_boxed_str()))
        }
    }
}

impl From<u128> for Integer {
    fn from(number: u128) -> Self {
        match u64::try_from(number) {
            Ok(number) => number.into(),
            Err(_) => Self(Repr::Long(format!("{number}").into_boxed_str())),
        }
    }
}

macro_rules! from_smaller {
    ($($type:ty => $wide:ty),*) => {$(
        impl From<$type> for Integer {
            fn from(number: $type) -> Self {
                Self::from(number as $wide)
            }
        }
    )*};
}

// `isize` and `usize` have at most 64 bits, so no cast of these loses anything.
from_smaller!(i8 => i64, i16 => i64, i32 => i64, isize => i64, u8 => u64, u16 => u64, u32 => u64, usize => u64);

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Signed(number) => number.fmt(f),
            Repr::Unsigned(number) => number.fmt(f),
            Repr::Long(digits) => f.pad(digits),
        }
    }
}

impl fmt::Debug for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn one_form_for_each_number() {
        for number in [0, 1, -1, i64::MAX.into(), i64::MIN.into(), u64::MAX.into(), i128::MIN, i128::MAX] {
            for number in [number.saturating_sub(1), number, number.saturating_add(1)] {
                let integer = Integer::from(number);
                assert_eq!(integer.to_string(), number.to_string());
                assert_eq!(number.to_string().parse(), Ok(integer.clone()));
                assert_eq!(integer.as_i128(), Some(number));
                assert_eq!(integer.as_i64(), i64::try_from(number).ok());
                assert_eq!(integer.as_u64(), u64::try_from(number).ok());
                let fits = i64::try_from(number).is_ok() || u64::try_from(number).is_ok();
                assert_eq!(integer.as_long().is_some(), !fits);
                assert_eq!(is_long(&number.to_string()), !fits);
            }
        }
        assert_eq!(Integer::from(u128::MAX).as_u128(), Some(u128::MAX));
    }

    #[test]
    fn text_that_is_read() {
        assert_eq!("-0".parse(), Ok(Integer::from(0)));
        assert_eq!("-00012".parse(), Ok(Integer::from(-12)));
        assert_eq!("00000000000000000000000000000000000000001".parse(), Ok(Integer::from(1)));
        for text in ["", "-", "+1", " 1", "1 ", "1.0", "1e3", "--1", "٣"] {
            assert_eq!(text.parse::<Integer>(), Err(ParseIntegerError::NotDecimal), "{text:?}");
        }
    }

    #[test]
    fn the_longest() {
        let longest = "9".repeat(Integer::MAX_DIGITS);
        assert_eq!(longest.parse::<Integer>().map(|integer| integer.to_string()), Ok(longest.clone()));
        assert!(format!("-{longest}").parse::<Integer>().is_ok());
        let error = ParseIntegerError::TooLong { digits: 4_301, limit: 4_300 };
        assert_eq!(format!("{longest}9").parse::<Integer>(), Err(error));
    }
}
