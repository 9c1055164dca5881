//! How much of an input a spool has taken, and how to know the input again.

use anyhow::{Result, bail};
use dict_protocol::crc;

/// How many lines were taken, and checksums of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Bookmark {
    /// How many lines, empty ones included.
    pub(super) lines: u64,
    /// Of the first line that is not empty.
    first: u32,
    /// Of all lines, each after the other's.
    all: u32,
}

impl Bookmark {
    /// Takes one more line.
    pub(super) fn take(&mut self, line: &[u8]) {
        self.lines += 1;
        let line = line.trim_ascii();
        let mut chain = self.all.to_le_bytes().to_vec();
        chain.extend_from_slice(line);
        self.all = crc::checksum(&chain);
        if self.first == 0 && !line.is_empty() {
            // Zero says that there is none.
            self.first = crc::checksum(line).max(1);
        }
    }

    /// Whether `self`, the beginning of an input up to its first line that is not empty, may be of the input that this
    /// bookmark is in.
    pub(super) fn may_begin(&self, taken: &Self) -> bool {
        self.first == taken.first && self.lines <= taken.lines
    }

    /// As it is kept in a spool.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let Self { lines, first, all } = self;
        [&lines.to_le_bytes()[..], &first.to_le_bytes(), &all.to_le_bytes()].concat()
    }

    /// From what is kept in a spool: nothing, where lines were not what was published.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let Ok(bytes) = <[u8; 16]>::try_from(bytes) else {
            bail!("another program's bookmark is in the spool: use a file of its own for this command");
        };
        let (lines, rest) = bytes.split_at(8);
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte));
        let checksum = |bytes: &[u8]| u32::try_from(number(bytes)).expect("it is of four bytes");
        Ok(Self { lines: number(lines), first: checksum(&rest[..4]), all: checksum(&rest[4..]) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lines: &[&str]) -> Bookmark {
        let mut bookmark = Bookmark::default();
        lines.iter().for_each(|line| bookmark.take(line.as_bytes()));
        bookmark
    }

    #[test]
    fn an_input_is_known_by_its_first_line_and_checked_by_all() {
        let taken = after(&["", "{\"a\": 1}\n", "{\"a\": 2}\r\n"]);
        assert_eq!(taken.lines, 3);
        assert_eq!(Bookmark::from_bytes(&taken.to_bytes()).unwrap(), taken);
        assert!(after(&["", "{\"a\": 1}"]).may_begin(&taken));
        assert!(!after(&["", "{\"a\": 2}"]).may_begin(&taken));
        assert!(!after(&["{\"a\": 1}"]).may_begin(&Bookmark::default()));
        assert_eq!(after(&["", "{\"a\": 1}", "{\"a\": 2}"]), taken);
        assert_ne!(after(&["", "{\"a\": 1}", "{\"a\": 3}"]), taken);
        assert_ne!(after(&["{\"a\": 1}", "", "{\"a\": 2}"]), taken);
    }

    #[test]
    fn another_programs_bookmark_is_refused() {
        assert_eq!(Bookmark::from_bytes(b"").unwrap(), Bookmark::default());
        assert!(Bookmark::from_bytes(b"page 7").is_err());
    }
}
