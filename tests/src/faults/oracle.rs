//! Compares journals with a timeline.

use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use dict_protocol::encoding::tagged;
use dict_protocol::value::{Dictionary, Value};

use super::journal::{self, Journal, KEY};
use crate::programs;

/// Epoch and sequence of an update.
pub type Place = (u64, u64);

/// What a timeline says of a source of the fault tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An update.
    Update {
        /// Whose.
        source: String,
        /// In which epoch.
        epoch: u64,
        /// Its sequence.
        sequence: u64,
        /// What it sets.
        text: String,
    },
    /// Updates that are stated to be missing.
    Gap {
        /// Whose.
        source: String,
        /// From which epoch and sequence.
        from: Place,
        /// To before which epoch, or to which epoch and sequence.
        to: Place,
    },
}

/// What came of comparing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Updates that were sent.
    pub sent: u64,
    /// Of these, how many were acknowledged.
    pub acknowledged: u64,
    /// And how many are in the timeline.
    pub held: u64,
    /// Not there, never acknowledged, and stated to be missing.
    pub stated: u64,
    /// Acknowledged and not there; or not there and not stated to be missing.
    pub lost: u64,
    /// There more than once.
    pub doubled: u64,
    /// There after a later one.
    pub reordered: u64,
    /// Not as it was sent, or under another epoch or sequence, or never sent.
    pub altered: u64,
}

impl Tally {
    /// Nothing is lost, doubled, reordered or altered.
    pub fn is_zero(&self) -> bool {
        (self.lost, self.doubled, self.reordered, self.altered) == (0, 0, 0, 0)
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            acknowledged: self.acknowledged + other.acknowledged,
            held: self.held + other.held,
            stated: self.stated + other.stated,
            lost: self.lost + other.lost,
            doubled: self.doubled + other.doubled,
            reordered: self.reordered + other.reordered,
            altered: self.altered + other.altered,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, stated, lost, doubled, reordered, altered, .. } = self;
        write!(f, "{sent} updates")?;
        if *stated > 0 {
            write!(f, ", {stated} never acknowledged and in a gap")?;
        }
        write!(f, ": {lost} lost, {doubled} doubled, {reordered} reordered, {altered} altered")
    }
}

/// Whether what was sent last may be on its way still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// No: all has to be held, or stated to be missing.
    Settled,
    /// Yes: what was not acknowledged, and is later than all that is held, is nobody's loss yet.
    Pending,
}

/// Compares while entries come, in the timeline's order.
pub struct Oracle<'a> {
    journals: Vec<Watched<'a>>,
    places: HashMap<&'a str, usize>,
    tally: Tally,
}

struct Watched<'a> {
    journal: &'a Journal,
    /// For each number, whether it is held.
    held: Vec<bool>,
    last: (u64, u64, u64),
    gaps: Vec<(Place, Place)>,
}

impl<'a> Oracle<'a> {
    /// An oracle for these sources; others are passed over.
    pub fn new(journals: &'a [Journal]) -> Self {
        let places = journals.iter().enumerate().map(|(place, journal)| (&*journal.source, place)).collect();
        let watched = |journal: &'a Journal| Watched {
            journal,
            held: vec![false; usize::try_from(journal.sent).expect("they fit in memory") + 1],
            last: (0, 0, 0),
            gaps: Vec::new(),
        };
        let sent = journals.iter().map(|journal| journal.sent).sum();
        let tally = Tally { sent, ..Tally::default() };
        Self { journals: journals.iter().map(watched).collect(), places, tally }
    }

    /// Takes the next entry.
    pub fn see(&mut self, entry: &Entry) {
        let (Entry::Update { source, .. } | Entry::Gap { source, .. }) = entry;
        let Some(&place) = self.places.get(&**source) else { return };
        let watched = &mut self.journals[place];
        match entry {
            Entry::Gap { from, to, .. } => watched.gaps.push((*from, *to)),
            Entry::Update { epoch, sequence, text, .. } => {
                watched.see(*epoch, *sequence, text, &mut self.tally);
            }
        }
    }

    /// What came of it.
    pub fn tally(self, tail: Tail) -> Tally {
        let mut tally = self.tally;
        for Watched { journal, held, gaps, .. } in self.journals {
            let newest = held.iter().rposition(|&held| held).unwrap_or(0);
            for (place, held) in held.iter().enumerate().skip(1) {
                let number = place as u64;
                let acknowledged = journal.is_acknowledged(number);
                tally.acknowledged += u64::from(acknowledged);
                if *held {
                    tally.held += 1;
                } else if acknowledged {
                    tally.lost += 1;
                } else if is_stated(&gaps, journal.place(number)) {
                    tally.stated += 1;
                } else if tail == Tail::Settled || place < newest {
                    tally.lost += 1;
                }
            }
        }
        tally
    }
}

impl Watched<'_> {
    fn see(&mut self, epoch: u64, sequence: u64, text: &str, tally: &mut Tally) {
        let number = journal::number(text).filter(|&number| number <= self.journal.sent);
        let Some(number) = number else {
            tally.altered += 1;
            return;
        };
        let misplaced = self.journal.place(number).is_some_and(|place| place != (epoch, sequence));
        if misplaced || text != journal::content(&self.journal.source, number) {
            tally.altered += 1;
        }
        let held = &mut self.held[usize::try_from(number).expect("it is among those in memory")];
        if std::mem::replace(held, true) {
            tally.doubled += 1;
            return;
        }
        let (last_epoch, last_sequence, last_number) = self.last;
        if (epoch, sequence) <= (last_epoch, last_sequence) || number < last_number {
            tally.reordered += 1;
        }
        self.last = (epoch, sequence, number);
    }
}

fn is_stated(gaps: &[(Place, Place)], place: Option<Place>) -> bool {
    place.is_some_and(|place| gaps.iter().any(|&(from, to)| from <= place && place <= to))
}

/// Compares journals with entries.
pub fn compare<'e>(journals: &[Journal], entries: impl IntoIterator<Item = &'e Entry>, tail: Tail) -> Tally {
    let mut oracle = Oracle::new(journals);
    entries.into_iter().for_each(|entry| oracle.see(entry));
    oracle.tally(tail)
}

/// What `logger export` says that a timeline holds.
///
/// # Errors
///
/// What it says if it fails.
pub fn export(timeline: &Path) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    each_exported(timeline, |entry| entries.push(entry))?;
    Ok(entries)
}

/// As [`export`], entry by entry.
///
/// # Errors
///
/// What it says if it fails.
///
/// # Panics
///
/// If what it prints is not what it should be.
pub fn each_exported(timeline: &Path, mut see: impl FnMut(Entry)) -> Result<(), String> {
    let mut command = programs::command("logger");
    command.arg("export").arg("--timeline").arg(timeline).args(["--output", "-", "--format", "jsonl"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut lines = BufReader::with_capacity(1 << 20, child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    while lines.read_line(&mut line).expect("programs print UTF-8") > 0 {
        if let Some(entry) = entry(line.trim_end()) {
            see(entry);
        }
        line.clear();
    }
    let output = child.wait_with_output().expect("it is our child");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn entry(line: &str) -> Option<Entry> {
    // What hubs and clients do besides is much, and none of it is of interest.
    if !line.starts_with(r#"{"kind":"change""#) && !line.starts_with(r#"{"kind":"gap""#) {
        return None;
    }
    let Ok(Value::Dictionary(mut row)) = tagged::read(line, 128) else { panic!("no row: {line}") };
    let number = |row: &Dictionary, key: &str| row.get(key).and_then(Value::as_i64).map(i64::cast_unsigned);
    let Some(Value::Text(source)) = row.remove("source") else { panic!("no source: {line}") };
    let epoch = number(&row, "epoch").expect("each has an epoch");
    if row["kind"].as_str() == Some("gap") {
        let from = (epoch, number(&row, "first_sequence").expect("each gap has a beginning"));
        let to = match (number(&row, "to_epoch"), number(&row, "last_sequence")) {
            (Some(to), _) => (to, number(&row, "to_sequence").unwrap_or(0)),
            (None, Some(last)) => (epoch, last),
            (None, None) => (epoch, u64::MAX),
        };
        return Some(Entry::Gap { source, from, to });
    }
    let sequence = number(&row, "sequence").expect("each change has a sequence");
    let text = match row.remove("value") {
        Some(Value::Text(text)) if row["key"].as_str() == Some(KEY) => text,
        other => format!("{:?} {other:?}", row["key"]),
    };
    Some(Entry::Update { source, epoch, sequence, text })
}

/// Takes away, doubles, exchanges and alters an acknowledged update, in turn, and tells which of that is not noticed.
///
/// # Errors
///
/// What is not noticed.
pub fn notices(journals: &[Journal], entries: &[Entry]) -> Result<(), String> {
    let updates: Vec<usize> =
        (0..entries.len()).filter(|&at| matches!(entries[at], Entry::Update { .. })).collect();
    let middle = updates.len() / 2;
    let at = *updates.get(middle).ok_or("there is no update to tamper with")?;
    let same_source = |other: &&usize| source(&entries[**other]) == source(&entries[at]);
    let next = *updates[middle + 1..].iter().find(same_source).ok_or("there are too few updates")?;
    let tampered = |what: &str, with: &dyn Fn(&mut Vec<Entry>), expected: fn(&Tally) -> u64| {
        let mut entries = entries.to_vec();
        with(&mut entries);
        let tally = compare(journals, &entries, Tail::Settled);
        if expected(&tally) > 0 {
            Ok(())
        } else {
            Err(format!("an update that was {what} is not noticed: {tally}"))
        }
    };
    tampered("taken away", &|entries| drop(entries.remove(at)), |tally| tally.lost)?;
    tampered("doubled", &|entries| entries.insert(at, entries[at].clone()), |tally| tally.doubled)?;
    tampered("exchanged", &|entries| entries.swap(at, next), |tally| tally.reordered)?;
    let alter = |entries: &mut Vec<Entry>| {
        if let Entry::Update { text, .. } = &mut entries[at] {
            text.push('x');
        }
    };
    tampered("altered", &alter, |tally| tally.altered)
}

fn source(entry: &Entry) -> &str {
    let (Entry::Update { source, .. } | Entry::Gap { source, .. }) = entry;
    source
}
