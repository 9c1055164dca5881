//! The readers' side: any number of them, in any processes, while one writes.
//!
//! Nothing here holds a transaction for longer than one slice of rows, so that the writer's log can always begin anew.

mod backup;
mod file;
mod follow;
mod info;
mod rows;
mod state;
mod verify;

use std::cell::RefCell;
use std::fs;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::folder::{self, Extent, Part};
use crate::settings;
pub(crate) use file::File;
pub(crate) use file::records;

pub use follow::Follow;
pub use info::{Growth, Info, SourceInfo};
pub use rows::Rows;
pub use state::State;
pub use verify::{Finding, Progress, Stage};

/// A timeline, opened for reading: a file, or a folder of files that are read as one.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    files: Files,
}

/// What a timeline consists of.
#[derive(Debug)]
enum Files {
    One(File),
    /// A folder, and its newest file as it was last looked for. The others are opened when they are read.
    Folder(RefCell<(Part, File)>),
}

/// A file that is read from.
#[derive(Debug)]
enum Held<'r> {
    Kept(&'r File),
    Opened(Box<File>),
}

impl Deref for Held<'_> {
    type Target = File;

    fn deref(&self) -> &File {
        match self {
            Self::Kept(file) => file,
            Self::Opened(file) => file,
        }
    }
}

impl Reader {
    /// Opens the timeline at `path`. It may be in use by a writer, or have been left by one that was killed.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]: no file is ever created; [`Error::Foreign`], [`Error::Newer`], [`Error::Older`],
    /// [`Error::Access`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        settings::check_version()?;
        let given = path.as_ref();
        let not_found = || Error::NotFound { path: given.to_owned() };
        let path = match fs::canonicalize(given) {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(not_found()),
            Err(source) => return Err(Error::Access { path: given.to_owned(), source }),
        };
        let files = if path.is_dir() {
            let Some(newest) = folder::list(&path)?.pop() else {
                return Err(Error::Foreign { path, found: "a folder with no timeline in it".to_owned() });
            };
            let file = File::open(&newest.path)?;
            Files::Folder(RefCell::new((newest, file)))
        } else {
            Files::One(File::open(&path).map_err(|error| match error {
                Error::NotFound { .. } => not_found(),
                error => error,
            })?)
        };
        Ok(Self { path, files })
    }

    /// The file, or the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a folder of files.
    pub const fn is_folder(&self) -> bool {
        matches!(self.files, Files::Folder(_))
    }

    /// The number of the last row that is committed; 0 if there is none.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn last_n(&self) -> Result<u64> {
        self.newest(|file| Ok(file.end()?.cast_unsigned()))
    }

    /// Asks the file that is being written.
    fn newest<T>(&self, ask: impl FnOnce(&File) -> Result<T>) -> Result<T> {
        match &self.files {
            Files::One(file) => ask(file),
            Files::Folder(newest) => {
                let mut newest = newest.borrow_mut();
                let last = folder::list(&self.path)?.pop();
                if let Some(last) = last.filter(|last| *last != newest.0) {
                    *newest = (last.clone(), File::open(&last.path)?);
                }
                ask(&newest.1)
            }
        }
    }

    /// The files that are wanted, the oldest first; the newest is always among them. `wanted` is asked about those whose
    /// rows are known.
    fn parts(&self, wanted: impl Fn(&Extent) -> bool) -> Result<Vec<PathBuf>> {
        if let Files::One(_) = self.files {
            return Ok(vec![self.path.clone()]);
        }
        let catalogue = self.newest(|file| Ok(folder::catalogue(file.database())?))?;
        let parts = folder::list(&self.path)?.into_iter();
        let parts = parts.filter(|part| catalogue.get(part.name()).is_none_or(&wanted));
        Ok(parts.map(|part| part.path).collect())
    }

    /// The files in which there can be rows that pass.
    fn parts_for(&self, filter: &Filter) -> Result<Vec<PathBuf>> {
        self.parts(|extent| {
            filter.after.is_none_or(|after| extent.last_n.cast_unsigned() > after)
                && filter.since.is_none_or(|since| extent.time_max >= since)
                && filter.until.is_none_or(|until| extent.time_min < until)
        })
    }

    /// Opens one of those files; `None`: it was removed since.
    fn part(&self, path: &Path) -> Result<Option<Held<'_>>> {
        if let Files::One(file) = &self.files {
            return Ok(Some(Held::Kept(file)));
        }
        match File::open(path) {
            Ok(file) => Ok(Some(Held::Opened(Box::new(file)))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Source and key of everything that passes and is in a file that has rows in the time asked for.
    pub(crate) fn columns(&self, filter: &Filter) -> Result<Vec<(Arc<str>, String)>> {
        let mut sources: Vec<(Arc<str>, Vec<String>)> = Vec::new();
        let (mut places, mut known) = (HashMap::new(), HashSet::new());
        for path in self.parts_for(filter)? {
            let Some(file) = self.part(&path)? else { continue };
            for (source, key) in file.columns(filter)? {
                if !known.insert((Arc::clone(&source), key.clone())) {
                    continue;
                }
                let place = *places.entry(Arc::clone(&source)).or_insert(sources.len());
                match sources.get_mut(place) {
                    Some((_, keys)) => keys.push(key),
                    None => sources.push((source, vec![key])),
                }
            }
        }
        let columns = sources
            .into_iter()
            .flat_map(|(source, keys)| keys.into_iter().map(move |key| (Arc::clone(&source), key)));
        Ok(columns.collect())
    }
}
