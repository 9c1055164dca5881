//! Whether a timeline is what it should be.

use std::fmt;
use std::path::PathBuf;

use super::file::Verification;
use super::{File, Files, Reader};
use crate::error::{Error, Result};

/// Findings at most: a timeline that is broken in more places is as broken.
pub(super) const MOST: usize = 1_000;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// SQLite finds its own structure damaged.
    Database(String),
    /// A record is not what was written.
    Damaged {
        /// Its number.
        n: u64,
        /// What is wrong with it.
        what: String,
    },
    /// Records are gone.
    NumbersMissing {
        /// The first number that no record takes.
        first: u64,
        /// The last.
        last: u64,
    },
    /// An update is there twice, or after one that follows it.
    Repeated {
        /// Its number.
        n: u64,
        /// Whose.
        source: String,
        /// In which epoch.
        epoch: u64,
        /// Which.
        sequence: u64,
    },
    /// Updates are missing, and no gap says so.
    Missing {
        /// Whose.
        source: String,
        /// In which epoch.
        epoch: u64,
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
    },
    /// A later epoch began before this one's end was seen, and no gap says so.
    Unended {
        /// Whose.
        source: String,
        /// Which epoch.
        epoch: u64,
        /// The last update held of it.
        last: u64,
    },
    /// The position that is told to hubs is not that of the records.
    Position {
        /// Whose.
        source: String,
        /// In which epoch.
        epoch: u64,
        /// What the table says.
        stored: u64,
        /// What the records say.
        found: u64,
    },
    /// Whether it ended, or the time of its last update, is not in the table of positions as in the records.
    Standing {
        /// Whose.
        source: String,
        /// In which epoch.
        epoch: u64,
        /// The last update.
        sequence: u64,
    },
    /// The name of a source or hub, or an epoch, is not what was written.
    Stream {
        /// The source's name as it is now.
        source: String,
        /// The epoch.
        epoch: u64,
        /// The hub's name.
        hub: String,
    },
    /// A number in the table `position` is greater than can be.
    Beyond {
        /// The file.
        path: PathBuf,
        /// Which.
        column: &'static str,
        /// What it is.
        value: u64,
        /// What it can be at most.
        most: u64,
    },
    /// The newest file of a folder is gone, and perhaps others after it.
    FileMissing {
        /// The file.
        path: PathBuf,
        /// The one that it went on with.
        after: PathBuf,
    },
    /// A file of a folder does not begin with what stood at the end of the file before it.
    Beginning {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// The tables of rows do not say what the records say.
    Derived {
        /// Which: `change`, `span`, or `others`.
        table: &'static str,
        /// The difference is among the numbers from here
        first: u64,
        /// to here.
        last: u64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(what) => write!(f, "the database is damaged: {what}"),
            Self::Damaged { n, what } => write!(f, "row {n} is damaged: {what}"),
            Self::NumbersMissing { first, last } => write!(f, "rows {first} to {last} are gone"),
            Self::Repeated { n, source, epoch, sequence } => {
                write!(f, "row {n} repeats update {sequence} of {source}, epoch {epoch}, or is out of order")
            }
            Self::Missing { source, epoch, first, last } => {
                write!(
                    f,
                    "updates {first} to {last} of {source}, epoch {epoch}, are missing, and no gap says so"
                )
            }
            Self::Unended { source, epoch, last } => write!(
                f,
                "of {source}, epoch {epoch}, what came after update {last} is unknown, and no gap says so"
            ),
            Self::Position { source, epoch, stored, found } => write!(
                f,
                "of {source}, epoch {epoch}, update {found} is the last, and the table of positions says {stored}"
            ),
            Self::Standing { source, epoch, sequence } => write!(
                f,
                "of {source}, epoch {epoch}, the table of positions has another time or end than update {sequence}"
            ),
            Self::Stream { source, epoch, hub } => {
                write!(f, "{source}, epoch {epoch}, through hub {hub}: one of these is not what was recorded")
            }
            Self::Beyond { path, column, value, most } => {
                write!(f, "in {}, position.{column} is {value}, and can be {most} at most", path.display())
            }
            Self::FileMissing { path, after } => {
                write!(f, "{}, which went on with {}, is gone", path.display(), after.display())
            }
            Self::Beginning { path, what } => {
                write!(f, "{} does not go on with the file before it: {what}", path.display())
            }
            Self::Derived { table, first, last } => {
                write!(f, "the rows {first} to {last} in the tables ({table}) differ from what was recorded")
            }
        }
    }
}

/// What [`Reader::verify`] is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// SQLite's own check of the file's structure; of this no progress is known.
    Database,
    /// Checksums, numbering and continuity of the records.
    Records,
    /// The table of changes against the records.
    Changes,
}

/// How far [`Reader::verify`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is at.
    pub stage: Stage,
    /// How much of that is done,
    pub done: u64,
    /// of how much; 0: not known.
    pub total: u64,
}

impl Reader {
    /// Checks everything that can be checked, and returns what is wrong: nothing, if all is well.
    ///
    /// The database's structure, the checksum of each record, that no number is left out; for each source and epoch that
    /// every update is present once or covered by a gap, and that an epoch ended or a gap says what is not known of its
    /// end; that the tables of rows, of spans and of positions say what the records say, and that names are those that
    /// were recorded. Of a folder besides that all files are there, but those that were removed because of their age,
    /// that each begins with what stood at the end of the one before, and says of those before it where their rows are.
    /// A writer may go on meanwhile: what it adds is not looked at.
    ///
    /// What cannot be checked is what stands nowhere twice: records at the end that are gone together with all that was
    /// made of them, as when an older copy of a file is put back; and names in files of schema version 1.
    ///
    /// # Errors
    ///
    /// What keeps it from checking at all; not what it finds.
    pub fn verify(&self, mut progress: impl FnMut(Progress)) -> Result<Vec<Finding>> {
        let mut verification = Verification::new(self.is_folder());
        let parts = self.parts(|_| true)?;
        for (place, path) in parts.iter().enumerate() {
            let file = match self.part(path) {
                Ok(Some(file)) => file,
                // Removed since: whether that is recorded, the next one's numbers tell.
                Ok(None) => continue,
                Err(error) if matches!(self.files, Files::Folder(_)) => {
                    verification.unreadable(path, &error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let pruned = self.newest(File::pruned)?;
            let goes_on = place + 1 < parts.len();
            match verification.check(&file, pruned, goes_on, &mut progress) {
                // A file this broken cannot be looked at any further.
                Err(error @ (Error::Sqlite(_) | Error::Corrupt { .. })) if verification.has_found() => {
                    verification.broken(path, &error);
                }
                checked => checked?,
            }
        }
        Ok(verification.finish())
    }
}
