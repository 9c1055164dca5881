//! Faults, made on purpose with the real programs, and what has to hold all the same.
//!
//! Each row of the table in `tests/FAULTS.md` is a function here, in a long form that makes the figures and a short one
//! for `cargo test`, which judges nothing by its speed. What decides about losses is always the same: each writer keeps
//! a [`journal`] of what it sent and what was acknowledged, and an [`oracle`] compares it with the exported timeline.
//!
//! | file | rows |
//! |---|---|
//! | `killed.rs` | 1, 2, 4, 8: programs that are killed, or told to end |
//! | `spooled.rs` | 3: a writer that is killed and has a spool file |
//! | `torn.rs` | 5: a write-ahead log that is cut or flipped |
//! | `unsynced.rs`, `calls.rs` | 6: a disk that fails to sync; what a trace of system calls says |
//! | `full.rs` | 7: a full disk |
//! | `cut.rs`, `exchanges.rs` | 9, 10: connections that are cut anywhere, or pass one byte at a time |
//! | `silent.rs` | 11: peers that fall silent |
//! | `flipped.rs` | 12: bits flipped on the way |
//! | `stopped.rs` | 13: a subscriber that does not read |
//! | `flooded.rs` | 14: a writer that writes as fast as it can |
//! | `crowded.rs` | 15, 16: no descriptors left; everybody at once |
//! | `lengths.rs` | 17: lengths that are claimed |
//! | `slow.rs` | 18: connections that say a byte a second |
//! | `bombs.rs` | 19: values that nest too deep |
//! | `poison.rs` | 20: values and names that programs stumble over |
//! | `clocks.rs` | 21: clocks that jump |
//! | `browser.rs` | 22: a web browser that posts frames |
//! | `soak.rs` | 24: hours of work |
//! | `attack.rs` | all of 15, 17 to 20 and 22 at once, beside ordinary clients |
//!
//! `hostile.rs` has what strangers send, and the hub that they send it to.
//! `load.rs` has the writers, `systems.rs` the programs under test, `proxy.rs` what stands between them, and
//! `children.rs` what the program `faults` does as a child of itself.

mod attack;
pub mod bombs;
mod browser;
mod calls;
pub mod children;
mod clocks;
mod crowded;
mod cut;
mod exchanges;
mod flipped;
mod flooded;
mod full;
mod hostile;
pub mod journal;
mod killed;
mod lengths;
mod load;
pub mod oracle;
mod poison;
pub mod proxy;
mod silent;
mod slow;
mod soak;
mod spooled;
mod stopped;
mod systems;
mod torn;
mod unsynced;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A row of the table.
pub struct Row {
    /// Its number.
    pub number: u8,
    /// What goes wrong.
    pub fault: &'static str,
    /// Lets it go wrong; tells what was seen.
    pub run: fn(&Setting) -> Result<String, Miss>,
}

/// All rows, by number.
pub const ROWS: &[Row] = &[
    Row { number: 1, fault: "logger killed under load", run: killed::logger },
    Row { number: 2, fault: "hub killed under load", run: killed::hub },
    Row { number: 3, fault: "writer killed in mid-frame, spool file kept", run: spooled::run },
    Row { number: 4, fault: "all killed at once", run: killed::all },
    Row { number: 5, fault: "write-ahead log cut or flipped at its tail", run: torn::run },
    Row { number: 6, fault: "fsync fails", run: unsynced::run },
    Row { number: 7, fault: "disk full", run: full::run },
    Row { number: 8, fault: "SIGTERM and Ctrl-C under load", run: killed::told_to_end },
    Row { number: 9, fault: "connection cut at every byte of an exchange", run: cut::at_every_byte },
    Row { number: 10, fault: "one byte a read and a write", run: cut::byte_by_byte },
    Row { number: 11, fault: "half-open peers", run: silent::run },
    Row { number: 12, fault: "bits flipped, 1 in 10 KB", run: flipped::run },
    Row { number: 13, fault: "subscriber stopped", run: stopped::run },
    Row { number: 14, fault: "one flooder beside 50 ordinary writers", run: flooded::run },
    Row { number: 15, fault: "no file descriptors left", run: crowded::descriptors },
    Row { number: 16, fault: "everybody reconnects at once", run: crowded::everybody },
    Row { number: 17, fault: "lengths that cannot be", run: lengths::run },
    Row { number: 18, fault: "slow loris", run: slow::run },
    Row { number: 19, fault: "nesting bombs", run: bombs::run },
    Row { number: 20, fault: "poison values", run: poison::run },
    Row { number: 21, fault: "clock jumps", run: clocks::run },
    Row { number: 22, fault: "a web browser posts a frame", run: browser::run },
    Row { number: 24, fault: "soak", run: soak::run },
];

/// All that strangers can do at once, which is no row of its own.
pub const ATTACK: Row = Row { number: 0, fault: "rows 15, 17 to 20 and 22 at once", run: attack::run };

/// How rows are to be run.
#[derive(Clone, Debug)]
pub struct Setting {
    /// How often a fault happens, in rows that repeat it; else as the row itself says.
    pub times: Option<usize>,
    /// In a form of some seconds, which judges nothing by its speed.
    pub short: bool,
    /// How long a soak takes.
    pub soak: Duration,
    /// The program `faults`, for those of its processes that are to be killed.
    pub program: PathBuf,
}

impl Setting {
    /// How often: as was asked for, else `usual`, or `short` in the short form.
    fn times(&self, usual: usize, short: usize) -> usize {
        self.times.unwrap_or(if self.short { short } else { usual })
    }

    /// One of two, by the form.
    fn form<T>(&self, usual: T, short: T) -> T {
        if self.short { short } else { usual }
    }

    /// That something took no longer than it may; not judged in the short form.
    fn within(&self, what: &str, took: Duration, limit: Duration) -> Result<(), Miss> {
        ensure(self.short || took <= limit, || format!("{what} took {took:.2?}, more than {limit:?}"))
    }
}

/// Why a row did not hold, or was not tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// What was promised does not hold.
    Broken(String),
    /// What it needs is not here.
    LeftOut(String),
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(what) => f.write_str(what),
            Self::LeftOut(why) => write!(f, "left out: {why}"),
        }
    }
}

impl From<String> for Miss {
    fn from(what: String) -> Self {
        Self::Broken(what)
    }
}

/// That something holds.
fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Miss> {
    if holds { Ok(()) } else { Err(Miss::Broken(otherwise())) }
}
