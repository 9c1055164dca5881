//! A copy of a timeline, taken while it is written.

use std::fs;
use std::io;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::file::File;
use super::{Files, Reader};
use crate::error::{Error, Result};
use crate::folder::{self, Part};

/// Pages that are copied before it is asked again whether to go on: 8 MiB.
const STEP: i32 = 1_024;

impl Reader {
    /// Copies the timeline to `to`, where nothing may be: a file to a file, a folder to a folder. What is committed when
    /// it begins is in it, and it is on the disk when this returns.
    ///
    /// Neither commits nor readers wait for it. But as long as the file that is being written is copied, its write-ahead
    /// log cannot begin anew, and grows by what is committed meanwhile.
    ///
    /// `go_on` is called with how much is done, of how much, in pages of the file at hand; an error from it ends all.
    ///
    /// # Errors
    ///
    /// What SQLite, the system or `go_on` says. What was copied by then stays for the caller to remove.
    pub fn backup(&self, to: &Path, mut go_on: impl FnMut(u64, u64) -> io::Result<()>) -> Result<()> {
        if fs::symlink_metadata(to).is_ok() {
            let path = to.to_owned();
            return Err(Error::Access { path, source: io::ErrorKind::AlreadyExists.into() });
        }
        match &self.files {
            Files::One(file) => copy(file, to, &mut go_on),
            Files::Folder(_) => self.copy_folder(to, &mut go_on),
        }
    }

    fn copy_folder(&self, to: &Path, go_on: &mut impl FnMut(u64, u64) -> io::Result<()>) -> Result<()> {
        fs::create_dir(to)?;
        let mut done: Vec<Part> = Vec::new();
        loop {
            let parts = folder::list(&self.path)?;
            // What was the newest may have grown while it was copied, if another came after it.
            let last = done.pop();
            if last.is_some() && last.as_ref() == parts.last() {
                return Ok(folder::sync(to)?);
            }
            for part in parts.iter().filter(|part| !done.contains(part)) {
                let copied = to.join(part.name());
                if last.as_ref() == Some(part) {
                    fs::remove_file(&copied)?;
                }
                match File::open(&part.path) {
                    Ok(file) => copy(&file, &copied, go_on)?,
                    // Removed for its age, as the newest will say.
                    Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            done = parts;
        }
    }
}

/// Copies what is committed in one file.
fn copy(file: &File, to: &Path, go_on: &mut impl FnMut(u64, u64) -> io::Result<()>) -> Result<()> {
    let source = file.database();
    // What is read in one transaction does not change; otherwise each commit would have the copy begin anew.
    let transaction = source.unchecked_transaction()?;
    transaction.query_row("SELECT count(*) FROM position", (), |_| Ok(()))?;
    let mut target = Connection::open(to)?;
    // A copy that is not finished is of no use: one sync at the end is enough.
    target.pragma_update(None, "synchronous", 0)?;
    let backup = Backup::new(source, &mut target)?;
    loop {
        let step = backup.step(STEP)?;
        let progress = backup.progress();
        let total = u64::try_from(progress.pagecount).unwrap_or_default();
        go_on(total - u64::try_from(progress.remaining).unwrap_or_default().min(total), total)?;
        match step {
            StepResult::Done => break,
            StepResult::More => {}
            _ => return Err(Error::Busy),
        }
    }
    drop(backup);
    target.close().map_err(|(_, error)| error)?;
    Ok(fs::OpenOptions::new().write(true).open(to)?.sync_all()?)
}
