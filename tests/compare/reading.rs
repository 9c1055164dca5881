//! Reading a timeline with the `logger`'s own commands, each a process of its own, whose start counts.

use std::cell::OnceCell;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use dict_protocol::change::{PatchBuilder, write_whole};
use dict_protocol::limits::Limits;
use dict_protocol::record::{Batch, Entry, EntryKind, Stamp, Stream};
use dict_protocol::time::Time;
use dict_protocol::value::{Dictionary, Value};
use dict_timeline::{Options, Timeline};
use dictwire_tests::programs;
use tempfile::TempDir;

use crate::trouble::{Result, While, wrong};

const SOURCES: u64 = 1_000;
const KEYS: u64 = 10;
/// The key that is read, which is one of ten of one of a thousand.
const SOURCE: &str = "bench/500";
const KEY: &str = "key5";
/// Rows of a page.
const PAGE: usize = 100;
/// When the timeline begins, nanoseconds since 1970; its updates are a millisecond apart.
const BEGINNING: i64 = 1_780_000_000_000_000_000;
const STEP: i64 = 1_000_000;
/// Updates of one commit.
const COMMIT: u64 = 20_000;
const LOGGER: &str = "logger";

/// A timeline that is made when it is first read, and removed with this.
pub(crate) struct Recorded {
    /// Changes that are in it at least, and where it is to be.
    least: u64,
    place: PathBuf,
    made: OnceCell<Made>,
}

struct Made {
    _folder: TempDir,
    path: PathBuf,
    changes: u64,
}

impl Made {
    /// The lines of a page, that of names included: in the short form a key has fewer changes.
    fn lines(&self) -> usize {
        PAGE.min((self.changes / (SOURCES * KEYS)) as usize) + 1
    }
}

impl Recorded {
    /// One of so many changes at least, in a folder in `place`.
    pub(crate) fn new(least: u64, place: &Path) -> Self {
        Self { least, place: place.to_owned(), made: OnceCell::new() }
    }

    /// What it holds, in words.
    pub(crate) fn told(&self) -> String {
        format!("of {} changes of {SOURCES} sources of {KEYS} keys", self.least)
    }

    fn made(&self) -> Result<&Made> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        eprintln!("making a timeline of {} changes", self.least);
        let folder = tempfile::Builder::new().prefix("dictwire-compare-").tempdir_in(&self.place);
        let folder = folder.trying(|| format!("a folder in {}", self.place.display()))?;
        let path = folder.path().join("timeline.db");
        let changes = make(&path, self.least).map_err(|error| wrong("the timeline", error.to_string()))?;
        Ok(self.made.get_or_init(|| Made { _folder: folder, path, changes }))
    }

    fn logger(&self, command: &str) -> Result<Command> {
        let mut logger = programs::command(LOGGER);
        logger.arg(command).arg("--timeline").arg(&self.made()?.path).stderr(Stdio::null());
        Ok(logger)
    }
}

/// Until the first page of a key's history is there, milliseconds.
pub(crate) fn first_page(recorded: &Recorded) -> Result<f64> {
    let mut logger = recorded.logger("show")?;
    logger.args(["--source", SOURCE, "--key", KEY, "--kind", "change", "--format", "csv"]);
    let start = Instant::now();
    let mut child = logger.stdout(Stdio::piped()).spawn().trying(|| format!("starting {LOGGER}"))?;
    let out = BufReader::new(child.stdout.take().expect("it is piped"));
    // A line of names comes first.
    let lines = out.lines().take(PAGE + 1).flatten().count();
    let milliseconds = milliseconds(start);
    // It ends by itself where its output goes nowhere.
    child.wait().trying(|| format!("waiting for {LOGGER}"))?;
    expect("lines of a first page", lines, recorded.made()?.lines())?;
    Ok(milliseconds)
}

/// Until the last page of a key's history is there, milliseconds.
pub(crate) fn last_page(recorded: &Recorded) -> Result<f64> {
    let mut logger = recorded.logger("show")?;
    logger.args(["--source", SOURCE, "--key", KEY, "--kind", "change", "--limit", &PAGE.to_string()]);
    let (milliseconds, lines) = lines_of(logger)?;
    expect("lines of a last page", lines, recorded.made()?.lines())?;
    Ok(milliseconds)
}

/// Until the dictionaries of all sources as they were in mid-file are there, milliseconds.
pub(crate) fn state(recorded: &Recorded) -> Result<f64> {
    let middle = (BEGINNING + recorded.made()?.changes as i64 / 2 * STEP) as f64 / 1e9;
    let mut logger = recorded.logger("state")?;
    logger.args(["--at", &middle.to_string(), "--format", "jsonl"]);
    let (milliseconds, lines) = lines_of(logger)?;
    expect("sources in mid-file", lines, SOURCES as usize)?;
    Ok(milliseconds)
}

/// Rows a second that are exported as CSV, to a file.
pub(crate) fn export(recorded: &Recorded) -> Result<f64> {
    let file = csv(recorded)?;
    let mut logger = recorded.logger("export")?;
    logger.arg("--force").arg("--output").arg(&file);
    let start = Instant::now();
    let status = logger.status().trying(|| format!("starting {LOGGER}"))?;
    let seconds = start.elapsed().as_secs_f64();
    if !status.success() {
        return Err(wrong(LOGGER, format!("export: {status}")));
    }
    let text = std::fs::File::open(&file).trying(|| format!("opening {}", file.display()))?;
    let rows = BufReader::new(text).lines().count() - 1;
    expect("exported rows", rows, recorded.made()?.changes as usize)?;
    Ok(rows as f64 / seconds)
}

fn csv(recorded: &Recorded) -> Result<PathBuf> {
    Ok(recorded.made()?.path.with_extension("csv"))
}

/// Bytes that a change takes in the timeline.
pub(crate) fn size(recorded: &Recorded) -> Result<f64> {
    let Made { path, changes, .. } = recorded.made()?;
    each(path, *changes)
}

/// Bytes that a change takes as CSV.
pub(crate) fn csv_size(recorded: &Recorded) -> Result<f64> {
    let file = csv(recorded)?;
    if !file.exists() {
        export(recorded)?;
    }
    each(&file, recorded.made()?.changes)
}

fn each(file: &Path, changes: u64) -> Result<f64> {
    let bytes = std::fs::metadata(file).trying(|| format!("looking at {}", file.display()))?.len();
    Ok(bytes as f64 / changes as f64)
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// Runs a command to its end; how long that took, and how many lines it printed.
fn lines_of(mut command: Command) -> Result<(f64, usize)> {
    let start = Instant::now();
    let output = command.output().trying(|| format!("starting {LOGGER}"))?;
    let milliseconds = milliseconds(start);
    if !output.status.success() {
        return Err(wrong(LOGGER, output.status.to_string()));
    }
    Ok((milliseconds, output.stdout.iter().filter(|byte| **byte == b'\n').count()))
}

fn expect(what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(wrong(LOGGER, format!("printed {found} {what} in place of {expected}")))
}

/// Writes the timeline: all keys of each source, then one key after the other, of one source after the other; whole
/// commits, until there are so many changes. Returns how many there are.
fn make(path: &Path, least: u64) -> dict_timeline::Result<u64> {
    let mut timeline = Timeline::create_or_open(path, Options::default())?;
    let whole: Dictionary = (0..KEYS).map(|key| (format!("key{key}"), 0.0)).collect();
    let mut batch = Batch::default();
    for source in 0..SOURCES {
        let name = format!("bench/{source}");
        batch.streams.push(Stream { index: source as u32, hub: "lab".into(), source: name, epoch: 1 });
        let start = batch.bytes.len();
        write_whole(&whole, Limits::default().depth, &mut batch.bytes).expect("it is short");
        push(&mut batch, source, 1, 0, start);
    }
    timeline.append(std::slice::from_ref(&batch))?;
    let mut updates = 0;
    while SOURCES * KEYS + updates < least {
        batch.clear();
        for number in updates..updates + COMMIT {
            let (source, round) = (number % SOURCES, number / SOURCES);
            let start = batch.bytes.len();
            let mut patch = PatchBuilder::new(Limits::default().depth, &mut batch.bytes);
            let value = Value::from(number as f64 / 8.0);
            let set = patch.set(&format!("key{}", round % KEYS), &value).and_then(|()| patch.finish());
            set.expect("it is short");
            push(&mut batch, source, round + 2, number, start);
        }
        timeline.append(std::slice::from_ref(&batch))?;
        updates += COMMIT;
    }
    timeline.close()?;
    Ok(SOURCES * KEYS + updates)
}

/// Adds the update whose patch is what stands in the batch from `start`.
fn push(batch: &mut Batch, source: u64, sequence: u64, number: u64, start: usize) {
    let time = Time::from_nanos(BEGINNING + number as i64 * STEP);
    batch.entries.push(Entry {
        stream: source as u32,
        kind: EntryKind::Update,
        sequence,
        time,
        stamp: Stamp {
            hub_time: time,
            writer_time: time.offset_by(-50_000),
            offset: -1_200,
            uncertainty: Some(40_000),
        },
        replayed: false,
        late: false,
        body: start..batch.bytes.len(),
    });
}
