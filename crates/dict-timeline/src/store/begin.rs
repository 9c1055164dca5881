//! The beginning of a file in a folder: made aside, whole and on the disk before it has its name.

use std::fs;
use std::io;
use std::path::Path;

use rusqlite::params;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::Options;
use super::file::Store;
use crate::carried::{CarriedRow, CarriedSum, ENDED_EPOCHS};
use crate::error::{Error, Result};
use crate::folder::{self, COMPANIONS, Part};
use crate::lock::beside;

/// What a file is called until it is whole.
const ASIDE: &str = ".new";

/// Begins a folder's first file.
pub(super) fn first(part: &Part, options: &Options) -> Result<()> {
    begin(part, options, |_| Ok(()))
}

/// Begins the file that goes on with `file`, whose name is that of `before`.
pub(super) fn next(part: &Part, file: &Store, before: &Part, options: &Options) -> Result<()> {
    let next_n = file.next_n();
    begin(part, options, |database| {
        database.execute("ATTACH DATABASE ?1 AS earlier", [path_text(&before.path)?])?;
        carry(database, before.name(), next_n)?;
        database.execute("DETACH DATABASE earlier", ())?;
        Ok(())
    })
}

fn begin(part: &Part, options: &Options, fill: impl FnOnce(&Connection) -> Result<()>) -> Result<()> {
    let aside = beside(&part.path, ASIDE);
    remove_with_companions(&aside)?;
    let made = make(&aside, options, fill).and_then(|()| {
        reached("made a file aside");
        fs::rename(&aside, &part.path)?;
        reached("renamed it");
        Ok(part.path.parent().map_or(Ok(()), folder::sync)?)
    });
    if made.is_err() {
        // The error that was is worth more than one of clearing up.
        let _ = remove_with_companions(&aside);
    }
    made
}

fn make(aside: &Path, options: &Options, fill: impl FnOnce(&Connection) -> Result<()>) -> Result<()> {
    let file = Store::open(aside, options)?;
    reached("made an empty file aside");
    fill(file.database())?;
    reached("filled it");
    file.close()?;
    Ok(fs::OpenOptions::new().write(true).open(aside)?.sync_all()?)
}

/// Takes over what a reader and a recorder have to know of the file before, which is attached as `earlier`.
fn carry(database: &Connection, name: &str, next_n: i64) -> Result<()> {
    let transaction = Transaction::new_unchecked(database, TransactionBehavior::Immediate)?;
    transaction.execute_batch(&include_str!("carry.sql").replace(":ended", &ENDED_EPOCHS.to_string()))?;
    transaction.execute(
        "INSERT INTO part SELECT min(first_n), max(last_n), ?1, min(time_min), max(time_max) FROM earlier.span",
        [name],
    )?;
    let sum = sum(&transaction)?;
    transaction.execute(
        "UPDATE position SET first_n = ?1, derived_n = ?1, carried_crc = ?2,
            pruned_n = (SELECT pruned_n FROM earlier.position)",
        params![next_n, sum],
    )?;
    Ok(transaction.commit()?)
}

/// The checksum of the changes that were taken over; there are no others yet.
fn sum(database: &Connection) -> Result<u32> {
    let mut sum = CarriedSum::default();
    let mut query = database
        .prepare("SELECT series_id, n, time, type, value FROM main.change_row ORDER BY series_id, n")?;
    let mut rows = query.query(())?;
    while let Some(row) = rows.next()? {
        let (series, n, time, kind) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        sum.add(CarriedRow { series, n, time, kind, value: row.get_ref(4)? });
    }
    Ok(sum.finish())
}

/// Removes what a writer that was killed left of a file that it began or removed.
///
/// # Errors
///
/// [`Error::Access`].
pub(super) fn tidy(folder: &Path) -> Result<()> {
    let access = |source| Error::Access { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(access)? {
        let path = entry.map_err(access)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let plain = COMPANIONS.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        let is_aside = plain.strip_suffix(ASIDE).is_some_and(Part::is_name);
        let is_alone = plain != name && Part::is_name(plain) && !folder.join(plain).exists();
        if is_aside || is_alone {
            fs::remove_file(&path).map_err(access)?;
        }
    }
    Ok(())
}

fn remove_with_companions(path: &Path) -> Result<()> {
    for suffix in ["", COMPANIONS[0], COMPANIONS[1]] {
        match fs::remove_file(beside(path, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

fn path_text(path: &Path) -> Result<&str> {
    let wrong = || io::Error::other(format!("{} is not in Unicode, as SQLite needs it", path.display()));
    Ok(path.to_str().ok_or_else(wrong)?)
}

/// A place at which a test looks what a crash there would leave.
pub(super) fn reached(step: &'static str) {
    #[cfg(test)]
    super::tests::reached(step);
    let _ = step;
}
