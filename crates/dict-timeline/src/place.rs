//! Whether a path is one where a timeline can be kept: what the operating system knows of it.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::lock::beside;
use crate::schema::APPLICATION_ID;

/// What stands at a path before SQLite is let at it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing, or an empty file.
    Nothing,
    /// A timeline.
    Timeline,
}

/// The one name of a file, whether it is there yet or not, so that two ways to write it meet at one lock.
///
/// # Errors
///
/// [`Error::NoDirectory`] or [`Error::Access`].
pub(crate) fn canonical(path: &Path) -> Result<PathBuf> {
    let access = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Access { path, source }
    };
    match fs::canonicalize(path) {
        Ok(whole) => return Ok(whole),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(access(path)(error)),
    }
    let Some(name) = path.file_name() else {
        return Err(access(path)(io::Error::from(io::ErrorKind::InvalidInput)));
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match fs::canonicalize(directory) {
        Ok(directory) => Ok(directory.join(name)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::NoDirectory { path: directory.to_owned() })
        }
        Err(error) => Err(access(directory)(error)),
    }
}

/// Looks at a file's first bytes, so that a file of another program is never opened as a database, let alone changed.
///
/// # Errors
///
/// [`Error::Foreign`] or [`Error::Access`].
pub(crate) fn look(path: &Path) -> Result<Found> {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    const HEADER: usize = 100;
    const APPLICATION_ID_AT: usize = 68;

    let access = |source| Error::Access { path: path.to_owned(), source };
    let foreign = |found: &str| Error::Foreign { path: path.to_owned(), found: found.to_owned() };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(access(error)),
    };
    if file.metadata().map_err(access)?.is_dir() {
        return Err(foreign("a directory"));
    }
    let mut header = Vec::with_capacity(HEADER);
    file.take(HEADER as u64).read_to_end(&mut header).map_err(access)?;
    // Of a file whose first page was being written when the power failed there may be nothing but its length; what SQLite
    // was doing stands in its journal.
    let is_blank = header.iter().all(|byte| *byte == 0);
    if header.is_empty() || is_blank && beside(path, "-journal").exists() {
        return Ok(Found::Nothing);
    }
    if header.len() < HEADER || !header.starts_with(MAGIC) {
        return Err(foreign("not an SQLite database"));
    }
    let id: [u8; 4] =
        header[APPLICATION_ID_AT..APPLICATION_ID_AT + 4].try_into().expect("a range of four bytes");
    match i32::from_be_bytes(id) {
        APPLICATION_ID => Ok(Found::Timeline),
        0 => Err(foreign("an SQLite database of some other program")),
        id => Err(foreign(&format!("an SQLite database with application id {id:#010x}"))),
    }
}

/// The type of the network file system that holds `path`, if it stands on one that is known as such.
///
/// On Linux from the table of mounts; on Windows from the path's form; elsewhere nothing is known.
pub(crate) fn network_file_system(path: &Path) -> Option<String> {
    system::network_file_system(path)
}

#[cfg(target_os = "linux")]
mod system {
    use std::path::{Path, PathBuf};

    /// File systems without memory that processes on several machines share coherently, by their names in the kernel.
    const NETWORK: [&str; 19] = [
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "gfs2",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
        "vboxsf",
    ];

    pub(super) fn network_file_system(path: &Path) -> Option<String> {
        let table = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
        let kind = file_system(&table, path)?;
        NETWORK.contains(&kind).then(|| kind.to_owned())
    }

    /// The type of the file system that is mounted deepest over `path`; of two at one place the later covers the other.
    pub(super) fn file_system<'a>(table: &'a str, path: &Path) -> Option<&'a str> {
        table
            .lines()
            .filter_map(|line| {
                // "36 35 98:0 /root /mount/point options optional... - type device options"
                let (mount, file_system) = line.split_once(" - ")?;
                let place = unescape(mount.split(' ').nth(4)?);
                path.starts_with(&place)
                    .then_some((place.components().count(), file_system.split(' ').next()?))
            })
            .max_by_key(|(depth, _)| *depth)
            .map(|(_, kind)| kind)
    }

    /// The kernel writes a space, tab, newline or backslash of a path as `\` and three octal digits.
    fn unescape(text: &str) -> PathBuf {
        let plain = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
        plain.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to)).into()
    }
}

#[cfg(windows)]
mod system {
    use std::path::{Component, Path, Prefix};

    pub(super) fn network_file_system(path: &Path) -> Option<String> {
        match path.components().next()? {
            Component::Prefix(prefix)
                if matches!(prefix.kind(), Prefix::UNC(..) | Prefix::VerbatimUNC(..)) =>
            {
                Some("a shared folder".to_owned())
            }
            _ => None,
        }
    }
}

#[cfg(not(any(target_os = "linux", windows)))]
mod system {
    pub(super) fn network_file_system(_: &std::path::Path) -> Option<String> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 0:21 / / rw,relatime - ext4 /dev/vda rw
23 22 0:22 / /home rw shared:1 - nfs4 server:/home rw
24 22 0:23 / /home/me/my\\040disk rw - xfs /dev/vdb rw
25 22 0:24 / /mnt rw - ext4 /dev/vdc rw
26 22 0:25 / /mnt rw - cifs //server/share rw
";

    #[test]
    fn the_deepest_mount_decides() {
        let kind = |path: &str| system::file_system(TABLE, Path::new(path));
        assert_eq!(kind("/var/timeline.db"), Some("ext4"));
        assert_eq!(kind("/home/me/timeline.db"), Some("nfs4"));
        assert_eq!(kind("/homework/timeline.db"), Some("ext4"));
        assert_eq!(kind("/home/me/my disk/timeline.db"), Some("xfs"));
        assert_eq!(kind("/mnt/timeline.db"), Some("cifs"));
    }

    #[test]
    fn this_machines_table_is_understood() {
        assert_eq!(network_file_system(Path::new("/proc/self")), None);
    }
}
