//! Writing JSON.

use alloc::string::String;
use core::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::encoding::{Depth, EncodeError};
use crate::value::{Dictionary, Value};

/// How JSON looks. What it says is the same in every style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Characters beyond ASCII are written as `\u` escapes, so that the text passes through anything.
    pub ascii: bool,
    /// No spaces stand after commas and colons.
    pub compact: bool,
}

impl Style {
    /// `json.dumps(value)`: what the older dialects' programs write.
    pub const PYTHON: Self = Self { ascii: true, compact: false };
    /// `json.dumps(value, ensure_ascii=False)`: for people to read.
    pub const READABLE: Self = Self { ascii: false, compact: false };
    /// `json.dumps(value, ensure_ascii=False, separators=(",", ":"))`: the shortest.
    pub const COMPACT: Self = Self { ascii: false, compact: true };
}

/// Appends `value` to `out` as plain JSON, NaN and the infinities as bare words.
///
/// # Errors
///
/// If it nests deeper than `depth`, or holds binary, which plain JSON cannot say. `out` then ends as it was.
pub fn write(value: &Value, style: Style, depth: usize, out: &mut String) -> Result<(), EncodeError> {
    write_as(value, style, false, depth, out)
}

/// Appends `value` to `out` as tagged JSON.
pub(in crate::encoding) fn write_tagged(
    value: &Value,
    style: Style,
    depth: usize,
    out: &mut String,
) -> Result<(), EncodeError> {
    write_as(value, style, true, depth, out)
}

fn write_as(
    value: &Value,
    style: Style,
    tagged: bool,
    depth: usize,
    out: &mut String,
) -> Result<(), EncodeError> {
    let start = out.len();
    let result = Writer { style, tagged, out }.value(value, Depth::new(depth));
    result.inspect_err(|_| out.truncate(start))
}

struct Writer<'o> {
    style: Style,
    /// What plain JSON cannot say is written in the `$` form.
    tagged: bool,
    out: &'o mut String,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, depth: Depth) -> Result<(), EncodeError> {
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Value::Integer(integer) => self.format(format_args!("{integer}")),
            Value::Float(float) => self.float(*float),
            Value::Text(text) => self.text(text),
            Value::Binary(bytes) => self.binary(bytes)?,
            Value::List(items) => self.list(items, depth.write()?)?,
            Value::Dictionary(dictionary) => self.dictionary(dictionary, depth.write()?)?,
        }
        Ok(())
    }

    fn list(&mut self, items: &[Value], depth: Depth) -> Result<(), EncodeError> {
        self.out.push('[');
        for (index, item) in items.iter().enumerate() {
            self.comma(index);
            self.value(item, depth)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn dictionary(&mut self, dictionary: &Dictionary, depth: Depth) -> Result<(), EncodeError> {
        let wrap = self.tagged && is_like_tag(dictionary);
        if wrap {
            self.open_tag("$dict");
        }
        self.out.push('{');
        for (index, (key, value)) in dictionary.iter().enumerate() {
            self.comma(index);
            self.text(key);
            self.colon();
            self.value(value, depth)?;
        }
        self.out.push('}');
        if wrap {
            self.out.push('}');
        }
        Ok(())
    }

    fn binary(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        if !self.tagged {
            return Err(EncodeError::Binary { length: bytes.len() });
        }
        self.open_tag("$binary");
        self.out.push('"');
        STANDARD.encode_string(bytes, self.out);
        self.out.push_str("\"}");
        Ok(())
    }

    fn float(&mut self, float: f64) {
        if float.is_finite() {
            self.finite(float);
            return;
        }
        let word = match float {
            f64::INFINITY => "Infinity",
            f64::NEG_INFINITY => "-Infinity",
            _ => "NaN",
        };
        if self.tagged {
            self.open_tag("$float");
            self.text(word);
            self.out.push('}');
        } else {
            self.out.push_str(word);
        }
    }

    /// The fewest digits that read back as the same float. `Debug` gives them and chooses between fraction and exponent
    /// as Python's `repr` does; but that writes an exponent with its sign and at least two digits.
    fn finite(&mut self, float: f64) {
        let start = self.out.len();
        self.format(format_args!("{float:?}"));
        self.round_half_to_even(float, start);
        let Some(exponent) = self.out[start..].find('e').map(|at| start + at + 1) else { return };
        if !self.out[exponent..].starts_with('-') {
            self.out.insert(exponent, '+');
        }
        if self.out.len() - exponent < 3 {
            self.out.insert(exponent + 1, '0');
        }
    }

    /// Where a float lies just between the two nearest decimals of its number of digits, and both read back as it,
    /// `Debug` takes the upper one and Python the even one. So does this, for the float written from `start` on.
    fn round_half_to_even(&mut self, float: f64, start: usize) {
        let end = self.out[start..].find('e').map_or(self.out.len(), |at| start + at);
        let digits = self.out[start..end].trim_start_matches(['-', '0', '.']);
        let count = digits.bytes().filter(u8::is_ascii_digit).count();
        let last = self.out.as_bytes()[end - 1];
        // Two decimals of 15 digits never read back as one float.
        if count <= 15 || last.is_multiple_of(2) {
            return;
        }
        let written = self.out.len();
        self.format(format_args!("{float:.*e}", count - 1));
        let nearest = self.out[written..].bytes().take_while(|&byte| byte != b'e').last();
        self.out.truncate(written);
        if nearest != Some(last - 1) {
            return;
        }
        self.replace_digit(end - 1, last - 1);
        // Below a power of two floats lie closer together: there the nearest decimal may be that of the next float.
        if self.out[start..].parse() != Ok(float) {
            self.replace_digit(end - 1, last);
        }
    }

    fn replace_digit(&mut self, at: usize, digit: u8) {
        self.out.replace_range(at..=at, char::from(digit).encode_utf8(&mut [0; 4]));
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        let mut plain = 0;
        for (at, char) in text.char_indices() {
            let escape = match char {
                '"' => Some("\\\""),
                '\\' => Some("\\\\"),
                '\n' => Some("\\n"),
                '\r' => Some("\\r"),
                '\t' => Some("\\t"),
                '\u{8}' => Some("\\b"),
                '\u{c}' => Some("\\f"),
                '\0'..' ' => None,
                '\u{7f}'.. if self.style.ascii => None,
                _ => continue,
            };
            self.out.push_str(&text[plain..at]);
            plain = at + char.len_utf8();
            match escape {
                Some(escape) => self.out.push_str(escape),
                None => self.unicode_escape(char),
            }
        }
        self.out.push_str(&text[plain..]);
        self.out.push('"');
    }

    #[cold]
    fn unicode_escape(&mut self, char: char) {
        for unit in char.encode_utf16(&mut [0; 2]) {
            self.format(format_args!("\\u{unit:04x}"));
        }
    }

    fn open_tag(&mut self, tag: &str) {
        self.out.push('{');
        self.text(tag);
        self.colon();
    }

    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.out.push_str(if self.style.compact { "," } else { ", " });
        }
    }

    fn colon(&mut self) {
        self.out.push_str(if self.style.compact { ":" } else { ": " });
    }

    fn format(&mut self, arguments: core::fmt::Arguments<'_>) {
        self.out.write_fmt(arguments).expect("a string takes what it is given");
    }
}

/// Whether a dictionary would be read as a tag if it were written as it is.
pub(in crate::encoding) fn is_like_tag(dictionary: &Dictionary) -> bool {
    dictionary.len() == 1 && dictionary.at(0).is_some_and(|(key, _)| key.starts_with('$'))
}
