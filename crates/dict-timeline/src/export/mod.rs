//! Rows as text: JSON Lines, CSV, and one column a key.

mod cells;
pub mod csv;
pub mod json;
mod seconds;
pub mod wide;

use std::fmt::Write as _;

use dict_protocol::time::Time;

/// Appends a time as RFC 3339, in UTC, with nine digits of a second.
///
/// ```
/// use dict_protocol::time::Time;
///
/// let mut text = String::new();
/// dict_timeline::export::write_time(Time::from_nanos(-1), &mut text);
/// assert_eq!(text, "1969-12-31T23:59:59.999999999Z");
/// ```
pub fn write_time(time: Time, out: &mut String) {
    let time = jiff::Timestamp::from_nanosecond(time.as_nanos().into());
    let time = time.expect("the years 1678 to 2262 are within those of a timestamp");
    // Writing to a string does not fail.
    let _ = write!(out, "{time:.9}");
}
