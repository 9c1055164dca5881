//! What the program `faults` does as a child of itself: what is to be killed needs a process of its own.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Subcommand;
use dict_event_loop::client::{Client, Mode, Writer};

use super::journal::{Journal, KEY, Life, content};
use super::load::{WINDOW, logged};
use super::{attack, flooded, stopped};
use crate::programs::PATIENCE;

/// What a child is to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Task {
    /// Write a source until standard input ends, and keep a journal.
    Write {
        /// Where.
        hub: String,
        /// Which source.
        source: String,
        /// From which update on.
        first: u64,
        /// The journal.
        journal: PathBuf,
    },
    /// Watch everything until standard input ends.
    Watch {
        /// Where.
        hub: String,
        /// How: every or latest.
        mode: String,
    },
    /// Attack a hub for some seconds.
    Attack {
        /// How many.
        seconds: u64,
        /// Where it listens, for each dialect.
        addresses: Vec<String>,
    },
    /// Write as fast as possible until standard input ends.
    Flood {
        /// Where.
        hub: String,
    },
}

/// Does it.
///
/// # Panics
///
/// If it cannot: its exit code tells.
pub fn run(task: Task) {
    match task {
        Task::Write { hub, source, first, journal } => write(&hub, &source, first, &journal),
        Task::Watch { hub, mode } => {
            stopped::watch(&hub, if mode == "every" { Mode::Every } else { Mode::Latest });
        }
        Task::Attack { seconds, addresses } => attack::attack(seconds, &addresses),
        Task::Flood { hub } => flooded::flood(&hub),
    }
}

/// The file of a journal's next life.
pub(super) fn file(folder: &Path, journal: &Journal) -> PathBuf {
    folder.join(format!("{}-{}", journal.source.replace('/', "-"), journal.lives.len() + 1))
}

/// Adds to a journal what the file of a life says.
pub(super) fn read(file: &Path, journal: &mut Journal) {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    // The last line may be cut.
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let (mut first, mut acknowledged) = (0, 0);
    for line in whole.lines() {
        let mut words = line.split(' ');
        let (what, number) = (words.next(), words.next().and_then(|word| word.parse::<u64>().ok()));
        match (what, number) {
            (Some("epoch"), Some(epoch)) => {
                first = words.next().and_then(|word| word.parse().ok()).expect("where it begins");
                journal.lives.push(Life { epoch, first });
            }
            (Some("sending"), Some(number)) => journal.sent = number,
            (Some("acknowledged"), Some(number)) => acknowledged = number,
            _ => panic!("no journal: {line:?}"),
        }
    }
    if acknowledged >= first && first > 0 {
        journal.acknowledged_later.push((first, acknowledged));
    }
}

fn write(hub: &str, source: &str, first: u64, journal: &Path) {
    let mut file = OpenOptions::new().create(true).append(true).open(journal).expect("a file");
    let client = Client::builder().name("writer").start(hub).expect("the address is one");
    let writer = client.writer(source, logged()).expect("the source is new");
    writer.wait_announced(PATIENCE).expect("the hub accepts it");
    note(&mut file, &format!("epoch {} {first}", writer.epoch()));
    let stop = when_input_ends();
    let (mut number, mut acknowledged) = (first, 0);
    while !stop.load(Ordering::Acquire) || number == first {
        if writer.unacknowledged() < WINDOW {
            for _ in 0..100 {
                note(&mut file, &format!("sending {number}"));
                writer.set(KEY, content(source, number)).expect("nobody replaces the writer");
                number += 1;
            }
        } else {
            std::thread::sleep(Duration::from_micros(500));
        }
        note_acknowledged(&mut file, &writer, first, &mut acknowledged);
    }
    writer.flush(PATIENCE).expect("all is acknowledged");
    note_acknowledged(&mut file, &writer, first, &mut acknowledged);
    drop(writer);
    client.close(PATIENCE);
}

fn note_acknowledged(file: &mut File, writer: &Writer, first: u64, noted: &mut u64) {
    let acknowledged = writer.acknowledged();
    if acknowledged > *noted {
        *noted = acknowledged;
        note(file, &format!("acknowledged {}", first + acknowledged - 1));
    }
}

/// Tells whoever started this process.
pub(super) fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("somebody reads it");
}

/// One write a line, so that what was written before a kill is there after it.
fn note(file: &mut File, line: &str) {
    file.write_all(format!("{line}\n").as_bytes()).expect("the disk has room");
}

/// Set when whoever started this process closes its standard input, or is gone.
pub(super) fn when_input_ends() -> Arc<AtomicBool> {
    let ended = Arc::new(AtomicBool::new(false));
    let stop = ended.clone();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stop.store(true, Ordering::Release);
    });
    ended
}
