//! Dictionaries, one a line.

use std::io::{BufRead, Read as _};

use anyhow::{Context as _, Result, bail};
use dict_protocol::encoding::json;
use dict_protocol::limits::Limits;
use dict_protocol::value::{Dictionary, Value};

/// Bytes of a line at most: what is in a dictionary within the limits is far less, even with every character escaped.
const LONGEST: u64 = 16 << 20;

/// Reads dictionaries, one a line; empty lines count and are left out.
pub(super) struct Lines<R> {
    input: R,
    number: u64,
    line: Vec<u8>,
    depth: usize,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, number: 0, line: Vec::new(), depth: Limits::default().depth }
    }

    /// The number of the line that was read last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line's dictionary; `None` at the end of the input.
    pub(super) fn next(&mut self) -> Result<Option<Dictionary>> {
        loop {
            self.line.clear();
            let read = self.input.by_ref().take(LONGEST + 1).read_until(b'\n', &mut self.line);
            if read.context("cannot read standard input")? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if self.line.len() as u64 > LONGEST {
                bail!("line {} is longer than {LONGEST} bytes", self.number);
            }
            if !self.line.trim_ascii().is_empty() {
                return self.parse().with_context(|| format!("line {}", self.number)).map(Some);
            }
        }
    }

    fn parse(&self) -> Result<Dictionary> {
        match json::read(&self.line, self.depth)? {
            Value::Dictionary(dictionary) => Ok(dictionary),
            other => bail!("expected a dictionary, got {} {}", article(other.kind().as_str()), other.kind()),
        }
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_and_empty_ones_left_out() {
        let mut lines = Lines::new(&b"{\"a\": NaN}\n\n  \r\n{\"a\": 1}"[..]);
        assert_eq!(lines.next().unwrap().map(|dictionary| dictionary.len()), Some(1));
        assert_eq!(lines.next().unwrap().map(|dictionary| dictionary.len()), Some(1));
        assert_eq!(lines.number(), 4);
        assert!(lines.next().unwrap().is_none());
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, told) in [
            ("{}\n{\"a\": }", "line 2: at byte 6"),
            ("{}\n[1]", "line 2: expected a dictionary, got a list"),
            ("{}\n1\n", "line 2: expected a dictionary, got an integer"),
        ] {
            let mut lines = Lines::new(text.as_bytes());
            lines.next().unwrap();
            let error = format!("{:#}", lines.next().unwrap_err());
            assert!(error.starts_with(told), "{error}");
        }
    }
}
