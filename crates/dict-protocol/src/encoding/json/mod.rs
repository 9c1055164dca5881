//! JSON as Python's standard library reads and writes it, which is the JSON of the older dialects.
//!
//! Read is strict JSON, and besides it the bare words `NaN`, `Infinity` and `-Infinity` and integers of up to
//! [`Integer::MAX_DIGITS`](crate::value::Integer::MAX_DIGITS) digits. A number with a fraction or an exponent is a
//! float, any other an integer. Of a doubled key the last value wins, at the place of the first. What Python would
//! take but could not be passed on unaltered is an error: half of a surrogate pair, a float beyond the range of 64
//! bits.
//!
//! Written is, byte for byte, what `json.dumps` writes with the arguments that a [`Style`] stands for.
//!
//! ```
//! use dict_protocol::dictionary;
//! use dict_protocol::encoding::json::{self, Style};
//!
//! let value = json::read(r#"{"µ": 1e16, "n": [NaN, 1.0, 1]}"#, 128)?;
//! let mut text = String::new();
//! json::write(&value, Style::PYTHON, 128, &mut text)?;
//! assert_eq!(text, r#"{"\u00b5": 1e+16, "n": [NaN, 1.0, 1]}"#);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod read;
mod write;

pub use read::{JsonError, read};
pub use write::{Style, write};

pub(super) use write::{is_like_tag, write_tagged};

#[cfg(test)]
mod tests;
