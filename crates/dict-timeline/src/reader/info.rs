//! What a timeline holds, in figures.

use std::path::PathBuf;

use dict_protocol::time::Time;

use super::Reader;
use super::file::Tally;
use crate::error::Result;
use crate::row::Kind;

/// What a timeline holds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Info {
    /// The file, or the folder.
    pub path: PathBuf,
    /// How many files it consists of.
    pub files: u64,
    /// Its bytes, those of logs included.
    pub size: u64,
    /// The first and the last number in use; `None`: it is empty.
    pub numbers: Option<(u64, u64)>,
    /// Up to which number rows were removed, with the files that they stood in; 0: none were.
    pub pruned: u64,
    /// The earliest and the latest time.
    pub times: Option<(Time, Time)>,
    /// How many rows there are of each kind.
    pub rows: Vec<(Kind, u64)>,
    /// Every source, by name.
    pub sources: Vec<SourceInfo>,
    /// How fast it grows.
    pub growth: Growth,
}

/// How fast a timeline grows, in bytes a day; `None` where less than a minute is there to tell it from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Growth {
    /// As in its last hour, or as much of an hour as there is.
    pub last_hour: Option<f64>,
    /// As in all of its time.
    pub overall: Option<f64>,
}

/// What a timeline holds of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceInfo {
    /// Its name.
    pub source: String,
    /// How many keys it has in the file where it has most.
    pub keys: u64,
    /// How many lives of its writer are known.
    pub epochs: u64,
    /// The newest of them.
    pub epoch: u64,
    /// The last sequence held in that.
    pub sequence: u64,
    /// Whether that was its orderly end.
    pub ended: bool,
    /// The time of its newest row.
    pub last: Option<Time>,
    /// How many gaps it has.
    pub gaps: u64,
}

impl Reader {
    /// What the timeline holds.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn info(&self) -> Result<Info> {
        let mut tally = Tally::default();
        // The newest first: it knows the end of what the others hold the beginning of.
        for path in self.parts(|_| true)?.iter().rev() {
            if let Some(file) = self.part(path)? {
                tally.add(&file)?;
            }
        }
        Ok(tally.finish(self.path.clone()))
    }
}
