//! Files that nobody else may read: private keys, tokens.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The most that is read of such a file, bytes.
const LIMIT: u64 = 1 << 20;

/// Why a secret cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read it, or write it.
    #[error(
        "{path} is not secret: its mode is {mode:03o}, so that others may get at it; chmod 600 {path}",
        path = .path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is longer than any secret.
    #[error("{} has more than {LIMIT} bytes, which no secret has", .path.display())]
    Long {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a file that holds a secret.
///
/// On Unix it is refused if anybody but its owner may read or write it. On Windows, whose files have no such mode, nothing
/// is checked.
///
/// # Errors
///
/// If it cannot be read, is open to others, or has more than 1 MiB.
pub fn read(path: &Path) -> Result<Vec<u8>, PrivateError> {
    let cannot = |source| PrivateError::Read { path: path.to_owned(), source };
    // Of the file that is open, not of whatever has its name a moment later.
    let file = File::open(path).map_err(cannot)?;
    let mode = others_mode(&file).map_err(cannot)?;
    if let Some(mode) = mode {
        return Err(PrivateError::Exposed { path: path.to_owned(), mode });
    }
    let mut secret = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut secret).map_err(cannot)?;
    if secret.len() as u64 > LIMIT {
        return Err(PrivateError::Long { path: path.to_owned() });
    }
    Ok(secret)
}

/// Makes a file that holds a secret: on Unix nobody but its owner may read or write it. None that is there is overwritten.
///
/// # Errors
///
/// If there is a file of that name, or it cannot be written.
pub fn create(path: &Path, secret: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    for_the_owner_alone(&mut options);
    let mut file = options.open(path)?;
    // Half of one would stand in the way of the next attempt.
    file.write_all(secret).and_then(|()| file.sync_all()).inspect_err(|_| drop(fs::remove_file(path)))
}

#[cfg(unix)]
fn for_the_owner_alone(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600);
}

#[cfg(not(unix))]
fn for_the_owner_alone(_: &mut OpenOptions) {}

/// The file's mode, if it lets others in.
#[cfg(unix)]
fn others_mode(file: &File) -> io::Result<Option<u32>> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    Ok((mode & 0o077 != 0).then_some(mode))
}

#[cfg(not(unix))]
fn others_mode(_: &File) -> io::Result<Option<u32>> {
    Ok(None)
}
