//! `--config`: options in a file.
//!
//! A file is one of two things, told apart by its name's ending, or where that says neither by its first line:
//!
//! - **TOML** (`.toml`), whose keys are the program's long options:
//!
//!   ```toml
//!   timeline = "lab.db"
//!   listen = ["127.0.0.1:7450", "comms://127.0.0.1:3000?type=json"]
//!   connect = "pytcp://10.0.0.7?source=psu"      # one, or a list
//!   quiet = true
//!
//!   [limits]                                     # --limit of each
//!   connections = 20000
//!   body = "2MiB"
//!   ```
//!
//!   A key that is no option of the program's is an error. Paths are relative to where the program runs, as on the
//!   command line.
//!
//! - **YAML** (`.yaml`, `.yml`), the file that programs of the older system COMET have; `comet.rs` tells what counts of it.
//!
//! The command line is not replaced but added to: what it says in `--listen` and `--connect` counts besides what the file
//! says, of an option that has one value the command line's counts, and a flag is on where either says so. Environment
//! variables count as the command line does.

mod comet;
#[cfg(test)]
mod tests;
mod toml;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use dict_protocol::link::Link;

use crate::limits::LimitSetting;
use crate::links::{Given, INSECURE, INSECURE_OLDER, NAME};
use crate::run::UsageError;

/// The options of a program that a file may hold besides `listen` and `connect`.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    texts: &'static [&'static str],
    flags: &'static [&'static str],
}

impl Keys {
    /// Those of `dict-server`.
    pub const SERVER: Self = Self { texts: &[NAME, "access"], flags: &[INSECURE, INSECURE_OLDER] };
    /// Those of `logger`.
    pub const LOGGER: Self = Self {
        texts: &[NAME, "timeline", "rotate", "keep", "access"],
        flags: &["demo", "quiet", INSECURE, INSECURE_OLDER],
    };
}

/// What a file says.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub(crate) listen: Vec<Given>,
    /// Where COMET's programs listen, which says nothing of where else a hub does.
    pub(crate) host: Option<Given>,
    pub(crate) connect: Vec<Given>,
    texts: BTreeMap<&'static str, String>,
    flags: BTreeSet<&'static str>,
    pub(crate) limits: Vec<LimitSetting>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read; a [`UsageError`] with file and line if it says what cannot be.
    pub fn read(path: &Path, keys: Keys) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(path, &text, keys)
    }

    pub(crate) fn parse(path: &Path, text: &str, keys: Keys) -> anyhow::Result<Self> {
        let file = File { name: path.display().to_string(), text: text.trim_start_matches('\u{feff}') };
        let extension = path.extension().unwrap_or_default();
        let is_toml = if extension.eq_ignore_ascii_case("toml") {
            true
        } else if extension.eq_ignore_ascii_case("yaml") || extension.eq_ignore_ascii_case("yml") {
            false
        } else {
            file.looks_like_toml()
        };
        if is_toml { toml::read(&file, keys) } else { comet::read(&file) }
    }

    /// The value of an option, if the file has it.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(String::as_str)
    }

    /// Whether an option without a value is on.
    pub fn flag(&self, key: &str) -> bool {
        self.flags.contains(key)
    }

    /// What is to be connected to.
    pub fn connect(&self) -> impl Iterator<Item = &Link> {
        self.connect.iter().map(|given| &given.link)
    }
}

/// A file that was read.
pub(crate) struct File<'a> {
    pub(crate) name: String,
    pub(crate) text: &'a str,
}

impl File<'_> {
    /// Whether the first line that says something begins a table or sets a key, as no line of YAML would.
    fn looks_like_toml(&self) -> bool {
        let mut lines = self.text.lines().map(str::trim);
        let first = lines.find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
        let key = first.split(['=', ':', ' ']).next().unwrap_or_default();
        first.starts_with('[') || first[key.len()..].trim_start().starts_with('=')
    }

    /// The line of a byte, counted from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }

    /// An error in a line.
    pub(crate) fn wrong(&self, line: usize, text: impl fmt::Display) -> anyhow::Error {
        UsageError(format!("{}, line {line}: {text}", self.name)).into()
    }
}
