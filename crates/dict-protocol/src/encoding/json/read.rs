//! Reading JSON.

use alloc::string::String;
use alloc::vec::Vec;
use core::str;

use crate::encoding::Depth;
use crate::value::{Dictionary, Integer, ParseIntegerError, Value};

/// Why a text is not the JSON of a value. Offsets count bytes from the beginning of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// It is not UTF-8.
    #[error("at byte {offset}: not UTF-8")]
    NotUtf8 {
        /// Where the first wrong byte stands.
        offset: usize,
    },
    /// It goes on otherwise than it could.
    #[error("at byte {offset}: expected {expected}, got {found:?}")]
    Unexpected {
        /// Where.
        offset: usize,
        /// What could stand there.
        expected: &'static str,
        /// What stands there.
        found: char,
    },
    /// It ends too early.
    #[error("at byte {offset}: expected {expected}, got the end of the text")]
    UnexpectedEnd {
        /// Its length.
        offset: usize,
        /// What was to come.
        expected: &'static str,
    },
    /// A `\u` escape is half of a surrogate pair, without the other half.
    #[error("at byte {offset}: \\u{unit:04x} is half of a surrogate pair and stands alone")]
    LoneSurrogate {
        /// Where the escape begins.
        offset: usize,
        /// The half.
        unit: u16,
    },
    /// An integer has more digits than one may have.
    #[error("at byte {offset}: an integer of {digits} digits, at most {limit} are allowed")]
    IntegerTooLong {
        /// Where it begins.
        offset: usize,
        /// How many digits it has.
        digits: usize,
        /// The most it may have.
        limit: usize,
    },
    /// A number with a fraction or an exponent is too large for a float, and would become infinite.
    #[error("at byte {offset}: a number beyond the range of a 64-bit float")]
    FloatTooLarge {
        /// Where it begins.
        offset: usize,
    },
    /// Lists and dictionaries stand within one another more often than the limit allows.
    #[error("at byte {offset}: nested deeper than {limit} levels (limit depth)")]
    TooDeep {
        /// Where the list or dictionary begins that is one too many.
        offset: usize,
        /// The most levels that are allowed.
        limit: usize,
    },
}

/// Reads the one value that `text` is.
///
/// # Errors
///
/// If it is not the JSON of a value, as the [module](super) describes it, goes on after it, or nests deeper than
/// `depth`.
pub fn read(text: impl AsRef<[u8]>, depth: usize) -> Result<Value, JsonError> {
    read_bytes(text.as_ref(), depth)
}

fn read_bytes(bytes: &[u8], depth: usize) -> Result<Value, JsonError> {
    let text = str::from_utf8(bytes).map_err(|error| JsonError::NotUtf8 { offset: error.valid_up_to() })?;
    let mut parser = Parser { text, position: 0 };
    parser.skip_space();
    let value = parser.value(Depth::new(depth))?;
    parser.skip_space();
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err(parser.unexpected("the end of the text")),
    }
}

struct Parser<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Parser<'a> {
    fn value(&mut self, depth: Depth) -> Result<Value, JsonError> {
        match self.peek() {
            Some(b'"') => self.string().map(Value::Text),
            Some(b'{') => {
                let depth = self.enter(depth)?;
                self.dictionary(depth)
            }
            Some(b'[') => {
                let depth = self.enter(depth)?;
                self.list(depth)
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn enter(&self, depth: Depth) -> Result<Depth, JsonError> {
        depth.enter().map_err(|limit| JsonError::TooDeep { offset: self.position, limit })
    }

    fn list(&mut self, depth: Depth) -> Result<Value, JsonError> {
        self.position += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Ok(Value::List(items));
        }
        loop {
            self.skip_space();
            items.push(self.value(depth)?);
            self.skip_space();
            if self.take(b']') {
                return Ok(Value::List(items));
            }
            self.require(b',', "',' or ']'")?;
        }
    }

    fn dictionary(&mut self, depth: Depth) -> Result<Value, JsonError> {
        self.position += 1;
        let mut dictionary = Dictionary::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(Value::Dictionary(dictionary));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a key in quotation marks"));
            }
            let key = self.string()?;
            self.skip_space();
            self.require(b':', "':'")?;
            self.skip_space();
            let value = self.value(depth)?;
            dictionary.insert(key, value);
            self.skip_space();
            if self.take(b'}') {
                return Ok(Value::Dictionary(dictionary));
            }
            self.require(b',', "',' or '}'")?;
        }
    }

    fn word(&mut self) -> Result<Value, JsonError> {
        let words = [
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("NaN", Value::Float(f64::NAN)),
            ("Infinity", Value::Float(f64::INFINITY)),
        ];
        let rest = &self.text[self.position..];
        for (word, value) in words {
            if rest.starts_with(word) {
                self.position += word.len();
                return Ok(value);
            }
        }
        Err(self.unexpected("a value"))
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let offset = self.position;
        let negative = self.take(b'-');
        if negative && self.text[self.position..].starts_with("Infinity") {
            self.position += "Infinity".len();
            return Ok(Value::Float(f64::NEG_INFINITY));
        }
        if !self.take(b'0') {
            self.digits()?;
        }
        let mut integer = true;
        if self.take(b'.') {
            integer = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            integer = false;
            if !self.take(b'-') {
                self.take(b'+');
            }
            self.digits()?;
        }
        let text = &self.text[offset..self.position];
        if integer { read_integer(text, offset) } else { read_float(text, offset) }
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.position;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.position += 1;
        }
        if self.position == start { Err(self.unexpected("a digit")) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.position += 1;
        let mut text = String::new();
        loop {
            text.push_str(self.plain());
            match self.peek() {
                Some(b'"') => {
                    self.position += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return Err(self.unexpected("a character that may stand in a text unescaped")),
                None => return Err(self.unexpected("a quotation mark at the end of a text")),
            }
        }
    }

    /// What comes up to the next quotation mark, backslash or control character.
    fn plain(&mut self) -> &'a str {
        let rest = &self.text[self.position..];
        let end = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
        let plain = &rest[..end.unwrap_or(rest.len())];
        self.position += plain.len();
        plain
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let offset = self.position;
        self.position += 1;
        let char = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(offset),
            _ => return Err(self.unexpected("one of the escapes \" \\ / b f n r t u")),
        };
        self.position += 1;
        Ok(char)
    }

    /// Reads one `\u` escape, or the two of a surrogate pair; the first begins at `offset`.
    fn unicode_escape(&mut self, offset: usize) -> Result<char, JsonError> {
        let unit = self.code_unit()?;
        if let Some(char) = char::from_u32(unit.into()) {
            return Ok(char);
        }
        let lone = JsonError::LoneSurrogate { offset, unit };
        if !self.text[self.position..].starts_with("\\u") {
            return Err(lone);
        }
        self.position += 1;
        let pair = [unit, self.code_unit()?];
        match char::decode_utf16(pair).next() {
            Some(Ok(char)) => Ok(char),
            _ => Err(lone),
        }
    }

    /// Reads the `u` of an escape and its four hexadecimal digits.
    fn code_unit(&mut self) -> Result<u16, JsonError> {
        self.position += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else { return Err(self.unexpected("a hexadecimal digit")) };
            unit = unit * 16 + digit;
            self.position += 1;
        }
        Ok(u16::try_from(unit).expect("four hexadecimal digits have 16 bits"))
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.position += usize::from(there);
        there
    }

    fn require(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.take(byte) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    #[cold]
    fn unexpected(&self, expected: &'static str) -> JsonError {
        let offset = self.position;
        match self.text[offset..].chars().next() {
            Some(found) => JsonError::Unexpected { offset, expected, found },
            None => JsonError::UnexpectedEnd { offset, expected },
        }
    }
}

fn read_integer(text: &str, offset: usize) -> Result<Value, JsonError> {
    text.parse::<Integer>().map(Value::Integer).map_err(|error| match error {
        ParseIntegerError::TooLong { digits, limit } => JsonError::IntegerTooLong { offset, digits, limit },
        ParseIntegerError::NotDecimal => unreachable!("the grammar admits only decimal digits"),
    })
}

fn read_float(text: &str, offset: usize) -> Result<Value, JsonError> {
    let float: f64 = text.parse().expect("what the grammar admits is a number");
    if float.is_finite() { Ok(Value::Float(float)) } else { Err(JsonError::FloatTooLarge { offset }) }
}
