//! `logger backup`.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};
use dict_cli::on_interrupt;
use dict_timeline::Reader;
use tempfile::TempDir;

use crate::arguments::BackupArguments;
use crate::progress::Progress;
use crate::verify;

pub(crate) fn run(BackupArguments { timeline, output, force }: BackupArguments) -> Result<()> {
    let reader = Reader::open(&timeline.timeline)?;
    check_place(&reader, &output, force)?;
    let folder = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let aside = tempfile::Builder::new().prefix(".backup-").tempdir_in(folder);
    let aside =
        aside.with_context(|| format!("cannot write {} in {}", output.display(), folder.display()))?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    on_interrupt(move || flag.store(true, Ordering::Relaxed))?;
    let going_on = || match interrupted.load(Ordering::Relaxed) {
        true => Err(io::Error::other("interrupted: nothing was written")),
        false => Ok(()),
    };

    let copy = aside.path().join("copy");
    let progress = Progress::new();
    reader.backup(&copy, |done, total| {
        progress.show("copying", done, total);
        going_on()
    })?;
    let findings = verify::check(&Reader::open(&copy)?, &progress)?;
    drop(progress);
    if let Some(finding) = findings.first() {
        bail!("no backup was made, since the copy is not whole: {finding}; see `logger verify`");
    }
    going_on()?;
    keep(&aside, &copy, &output)?;
    sync(folder).with_context(|| format!("cannot make {}", output.display()))
}

/// Refuses at once what would be refused when all is copied.
fn check_place(reader: &Reader, output: &Path, force: bool) -> Result<()> {
    let Ok(found) = fs::metadata(output) else { return Ok(()) };
    if fs::canonicalize(output).is_ok_and(|output| output.starts_with(reader.path())) {
        bail!("{} is the timeline itself, or in it: choose another place", output.display());
    }
    if !force {
        bail!("{} exists: give --force to replace it", output.display());
    }
    if let Some(foreign) = dict_timeline::foreign(output)? {
        match foreign.strip_prefix(output).ok().filter(|_| found.is_dir()) {
            Some(name) => bail!(
                "{} holds {}, which is no part of a backup: it is not replaced",
                output.display(),
                name.display()
            ),
            None => bail!("{} is no timeline: it is not replaced", output.display()),
        }
    }
    let mut lock = output.as_os_str().to_owned();
    lock.push(".lock");
    if Path::new(&lock).exists() {
        bail!("{} is a timeline that a logger has written: it is not replaced", output.display());
    }
    Ok(())
}

/// Puts the copy in its place. What was there is removed with what is aside.
fn keep(aside: &TempDir, copy: &Path, output: &Path) -> Result<()> {
    let made = || format!("cannot make {}", output.display());
    if fs::metadata(copy).with_context(made)?.is_dir() || output.is_dir() {
        match fs::rename(output, aside.path().join("replaced")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).with_context(made),
            _ => {}
        }
    }
    fs::rename(copy, output).with_context(made)
}

/// Sees to it that the new name stays when the power fails.
fn sync(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened, and names are kept by the file system itself.
    if cfg!(unix) {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}
