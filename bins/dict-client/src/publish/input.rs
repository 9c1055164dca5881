//! Dictionaries, one a line.

use std::io::{BufRead, BufReader, Read};

use anyhow::{Context as _, Result, bail};
use dict_protocol::encoding::json;
use dict_protocol::value::{Dictionary, Value};

use super::bookmark::Bookmark;

/// Bytes of a line at most: what is in a dictionary within the limits is far less, even with every character escaped.
const LONGEST: u64 = 16 << 20;
/// Bytes that are read at once, where there are so many: of those whole lines can be taken without waiting for more.
const BUFFER: usize = 64 << 10;

/// Reads dictionaries, one a line; empty lines count and are left out.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    bookmark: Bookmark,
    line: Vec<u8>,
    depth: usize,
}

/// Where an input goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// It has no line.
    Empty,
    /// With its first line, which has been read.
    Anew,
    /// After the lines that were taken before.
    After,
}

impl<R: Read> Lines<R> {
    /// Of dictionaries that nest no deeper than `depth`.
    pub(super) fn new(input: R, depth: usize) -> Self {
        let input = BufReader::with_capacity(BUFFER, input);
        Self { input, bookmark: Bookmark::default(), line: Vec::new(), depth }
    }

    /// The number of the line that was read last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.bookmark.lines
    }

    /// What was read, up to that line.
    pub(super) fn bookmark(&self) -> Bookmark {
        self.bookmark
    }

    /// Whether another line can be had without waiting for one.
    pub(super) fn has_more(&self) -> bool {
        let mut lines = self.input.buffer().split_inclusive(|&byte| byte == b'\n');
        lines.any(|line| line.ends_with(b"\n") && !line.trim_ascii().is_empty())
    }

    /// Begins to read an input of which so much may have been taken before: passes over that.
    pub(super) fn start(&mut self, taken: &Bookmark) -> Result<Start> {
        if !self.advance()? {
            return Ok(Start::Empty);
        }
        if !self.bookmark.may_begin(taken) {
            return Ok(Start::Anew);
        }
        while self.bookmark.lines < taken.lines && self.advance()? {}
        if self.bookmark != *taken {
            bail!(
                "the spool has taken {} lines of another input that begins with the same line: use a file of its own for \
                 this one (what is in that spool is sent when the command is run with an empty input)",
                taken.lines
            );
        }
        Ok(Start::After)
    }

    /// The next line's dictionary; `None` at the end of the input.
    pub(super) fn next(&mut self) -> Result<Option<Dictionary>> {
        if self.advance()? { self.dictionary().map(Some) } else { Ok(None) }
    }

    /// The dictionary of the line that was read last.
    pub(super) fn dictionary(&self) -> Result<Dictionary> {
        self.parse().with_context(|| format!("line {}", self.number()))
    }

    /// Reads the next line that is not empty; `false` at the end of the input.
    fn advance(&mut self) -> Result<bool> {
        loop {
            self.line.clear();
            let read = self.input.by_ref().take(LONGEST + 1).read_until(b'\n', &mut self.line);
            if read.context("cannot read standard input")? == 0 {
                return Ok(false);
            }
            self.bookmark.take(&self.line);
            if self.line.len() as u64 > LONGEST {
                bail!("line {} is longer than {LONGEST} bytes", self.number());
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(true);
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
        let mut lines = Lines::new(&b"{\"a\": NaN}\n\n  \r\n{\"a\": 1}"[..], 2);
        assert_eq!(lines.next().unwrap().map(|dictionary| dictionary.len()), Some(1));
        assert_eq!(lines.next().unwrap().map(|dictionary| dictionary.len()), Some(1));
        assert_eq!(lines.number(), 4);
        assert!(lines.next().unwrap().is_none());
    }

    #[test]
    fn an_input_goes_on_after_what_was_taken_of_it() {
        let text = "\n{\"a\": 1}\n{\"a\": 2}\n\n{\"a\": 3}\n";
        let mut lines = Lines::new(text.as_bytes(), 2);
        assert_eq!(lines.start(&Bookmark::default()).unwrap(), Start::Anew);
        assert_eq!(lines.dictionary().unwrap().get("a"), Some(&1.into()));
        lines.next().unwrap();
        let taken = lines.bookmark();
        assert!(lines.has_more());
        let mut again = Lines::new(text.as_bytes(), 2);
        assert_eq!(again.start(&taken).unwrap(), Start::After);
        assert_eq!(again.next().unwrap().and_then(|line| line.get("a").cloned()), Some(3.into()));
        assert!(!again.has_more());

        assert_eq!(Lines::new(&b"\n \n"[..], 2).start(&taken).unwrap(), Start::Empty);
        assert_eq!(Lines::new(&b"{\"b\": 1}"[..], 2).start(&taken).unwrap(), Start::Anew);
        for other in ["\n{\"a\": 1}\n", "\n{\"a\": 1}\n{\"a\": 4}\n{\"a\": 3}\n"] {
            let error = Lines::new(other.as_bytes(), 2).start(&taken).unwrap_err();
            assert!(error.to_string().contains("has taken 3 lines of another input"), "{error}");
        }
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, told) in [
            ("{}\n{\"a\": }", "line 2: at byte 6"),
            ("{}\n[1]", "line 2: expected a dictionary, got a list"),
            ("{}\n1\n", "line 2: expected a dictionary, got an integer"),
            ("{}\n{\"a\": [[1]]}", "line 2: at byte 7: nested deeper than 2 levels (limit depth)"),
        ] {
            let mut lines = Lines::new(text.as_bytes(), 2);
            lines.next().unwrap();
            let error = format!("{:#}", lines.next().unwrap_err());
            assert!(error.starts_with(told), "{error}");
        }
    }
}
