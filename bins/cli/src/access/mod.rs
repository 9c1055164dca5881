//! `--access`: who may do what, in a file that may change while the program runs.
//!
//! ```toml
//! [identity.bench1]
//! token = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
//! read = ["bench1/", "shared/"]      # sources; "*" is all but the hub's own, whose names begin with $
//! write = ["bench1/"]
//! request = ["*", "$sources"]        # actions
//!
//! [identity.comms]                   # neither token nor certificate: for a gateway's programs
//! write = ["chamber"]
//! ```
//!
//! `dict_hub::access` says what each right is. The file is read at the start; if anything is wrong with it, the program does
//! not start. Then it is looked at every second. If it has changed it is read again, and holds at once; while it cannot be
//! read, or is wrong, what was read last holds, and it is tried again every second. No signal is needed, which not every
//! system has, and no descriptor, as long as nothing has changed.

mod file;

#[cfg(feature = "properties")]
pub(crate) use file::parse;

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use clap::Args;
use dict_event_loop::server::ServerHandle;
use dict_event_loop::server::access::Access;

use crate::config::Config;

/// Between two looks at the file.
const INTERVAL: Duration = Duration::from_secs(1);

/// A file that was written so short before it was read may have been written again within the same tick of its clock.
const SETTLED: Duration = Duration::from_secs(2);

/// `--access`, for clap to flatten into a program's arguments.
#[derive(Clone, Debug, Args)]
pub struct AccessArgument {
    /// Serve nobody but the identities in this file, each as far as its rights go
    ///
    /// TOML: a table [identity.NAME] for each, with token = "sha256:..." (`dict-server token NAME` makes one) or
    /// certificate = "NAME", and for each right a list of patterns: read, write, log (sources), request, handle (actions),
    /// send (clients). It is read again when it changes. Without it, whoever can connect may do everything.
    #[arg(long, value_name = "FILE")]
    pub access: Option<PathBuf>,
}

impl AccessArgument {
    /// The file that the command line names, or else the file of `--config`; `None` if neither does.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or (on Unix) others can write it or own it; a [`UsageError`](crate::UsageError) with file and line if it says what
    /// cannot be.
    pub fn read(self, config: &Config) -> anyhow::Result<Option<AccessFile>> {
        let path = self.access.or_else(|| config.text("access").map(PathBuf::from));
        path.map(AccessFile::read).transpose()
    }
}

/// The rules that hold, and the file that they are from.
#[derive(Debug)]
pub struct AccessFile {
    path: PathBuf,
    access: Access,
    /// The file as it was when it was last read without a fault.
    read: Stamp,
    /// It cannot have changed since without looking otherwise.
    settled: bool,
    /// What is wrong with it, as was told.
    wrong: Option<String>,
}

impl AccessFile {
    fn read(path: PathBuf) -> anyhow::Result<Self> {
        // Looked at first: if it changes in between, it will look otherwise.
        let read = Stamp::of(&path);
        let access = file::read(&path)?;
        let settled = read.is_settled();
        Ok(Self { path, access, read, settled, wrong: None })
    }

    /// The rules.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// From now on brings the rules to a server whenever the file changes, on a thread that lives as long as the process.
    ///
    /// # Errors
    ///
    /// If there can be no thread.
    pub fn watch(mut self, server: ServerHandle) -> io::Result<()> {
        let thread = thread::Builder::new().name("access".to_owned());
        let watching = move || {
            loop {
                thread::sleep(INTERVAL);
                if self.look() {
                    tracing::warn!(path = %self.path.display(), "the access rules have changed, and hold from now on");
                    server.set_access(self.access.clone());
                }
            }
        };
        thread.spawn(watching).map(drop)
    }

    /// Reads the file again if it may have changed. Returns whether there are other rules now.
    fn look(&mut self) -> bool {
        let stamp = Stamp::of(&self.path);
        if self.settled && self.wrong.is_none() && stamp == self.read {
            return false;
        }
        match file::read(&self.path) {
            Ok(access) => {
                self.settled = stamp.is_settled();
                self.read = stamp;
                self.wrong = None;
                let changed = access != self.access;
                self.access = access;
                changed
            }
            Err(error) => {
                let text = format!("{error:#}");
                if self.wrong.as_ref() != Some(&text) {
                    tracing::warn!("{text}; the access rules stay as they were");
                }
                self.wrong = Some(text);
                false
            }
        }
    }
}

/// How a file looks from outside; asking takes no descriptor.
#[derive(Debug, PartialEq, Eq)]
struct Stamp(Option<Looks>);

#[derive(Debug, PartialEq, Eq)]
struct Looks {
    modified: Option<SystemTime>,
    length: u64,
    permissions: Permissions,
    number: u64,
}

impl Stamp {
    fn of(path: &Path) -> Self {
        let looks = |metadata: Metadata| Looks {
            modified: metadata.modified().ok(),
            length: metadata.len(),
            permissions: metadata.permissions(),
            number: number(&metadata),
        };
        Self(fs::metadata(path).ok().map(looks))
    }

    /// Whether it has looked so for a while.
    fn is_settled(&self) -> bool {
        let Some(Looks { modified, .. }) = &self.0 else { return false };
        modified.is_none_or(|modified| modified.elapsed().is_ok_and(|age| age >= SETTLED))
    }
}

/// What tells a file from one that has taken its place.
#[cfg(unix)]
fn number(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

/// Nothing that the standard library gives: its times and its length have to do.
#[cfg(not(unix))]
fn number(_: &Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "[identity.a]\nread = ['*']\n";
    const TWO: &str = "[identity.b]\nread = ['*']\n";

    fn names(file: &AccessFile) -> Vec<String> {
        file.access.identities().map(|identity| identity.name.to_string()).collect()
    }

    #[test]
    fn what_is_written_in_place_of_the_file_counts_and_what_is_wrong_does_not() {
        let path = std::env::temp_dir().join(format!("dictwire-access-{}.toml", std::process::id()));
        let write = |text: &str| {
            // Aside and renamed, as editors do.
            let aside = path.with_extension("new");
            fs::write(&aside, text).unwrap();
            fs::rename(&aside, &path).unwrap();
        };
        write(ONE);
        let mut file = AccessFile::read(path.clone()).unwrap();
        assert_eq!(names(&file), ["a"]);
        assert!(!file.look(), "it is the same");
        // As long, and perhaps within one tick of the clock.
        fs::write(&path, TWO).unwrap();
        assert!(file.look());
        assert_eq!(names(&file), ["b"]);
        for wrong in ["[identity.a]\nraed = []\n", "nothing"] {
            write(wrong);
            assert!(!file.look() && file.wrong.is_some());
            assert_eq!(names(&file), ["b"]);
        }
        fs::remove_file(&path).unwrap();
        assert!(!file.look() && file.wrong.is_some());
        write(TWO);
        assert!(!file.look() && file.wrong.is_none(), "what holds is back");
        write(ONE);
        assert!(file.look());
        fs::remove_file(&path).unwrap();
    }
}
