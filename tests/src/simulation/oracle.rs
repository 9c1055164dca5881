//! What must hold of a logger's timeline, whatever happened.
//!
//! The oracle compares the rows on a disk with the [`Journal`] that the writers' side kept: each update once, in its
//! source's order, equal in content, and all that is missing of a source under a gap.

use std::collections::{BTreeMap, BTreeSet};

use dict_protocol::change::{self, Patch};
use dict_protocol::encoding::messagepack::decode_dictionary;
use dict_protocol::record::{EntryKind, GapReason, Missing};
use dict_protocol::value::Dictionary;

use super::disk::{Disk, Row};
use super::journal::{Epoch, Journal};
use super::notes::Followed;
use super::plan::PREFIX;

const DEPTH: usize = 128;

/// What the rows of one epoch add up to so far.
#[derive(Debug, Default)]
struct Held {
    position: u64,
    ended: bool,
    dictionary: Dictionary,
    /// Updates that are under gaps.
    missing: u64,
}

/// A gap between epochs: from a sequence of one to the beginning of another.
type Span = (Missing, u64);

/// The epochs of each source that a logger knows of, since its last start.
pub(super) type Declared = BTreeMap<String, BTreeSet<u64>>;

/// An epoch of which nothing may be missing: the source as the logger calls it, its number, and what was published.
pub(super) type Complete<'a> = (String, u64, &'a Epoch);

/// Checks the rows on a logger's disk.
///
/// # Errors
///
/// What is wrong, in words.
pub(super) fn check_timeline(
    disk: &Disk,
    journal: &Journal,
    declared: &Declared,
    followed: &Followed,
    complete: &[Complete<'_>],
) -> Result<(), String> {
    let mut held: BTreeMap<&str, BTreeMap<u64, Held>> = BTreeMap::new();
    let mut spans: BTreeMap<&str, Vec<Span>> = BTreeMap::new();
    for row in disk.rows() {
        let epochs = held.entry(&row.source).or_default();
        check_row(row, epochs, spans.entry(&row.source).or_default(), journal)
            .map_err(|complaint| format!("{} epoch {}: {complaint}", row.source, row.epoch))?;
    }
    for (source, epochs) in &held {
        check_epochs(source, epochs, &spans[source], declared.get(*source), followed.get(*source))?;
    }
    complete.iter().try_for_each(|(source, number, epoch)| {
        let held = held.get(&**source).and_then(|epochs| epochs.get(number));
        let (position, missing) = held.map_or((0, 0), |held| (held.position, held.missing));
        if (position, missing) == (epoch.newest(), u64::from(epoch.after_loss)) {
            return Ok(());
        }
        let newest = epoch.newest();
        Err(format!("{source} epoch {number}: {position} of {newest} are held, {missing} of them as missing"))
    })
}

fn check_row(
    row: &Row,
    epochs: &mut BTreeMap<u64, Held>,
    spans: &mut Vec<Span>,
    journal: &Journal,
) -> Result<(), String> {
    let entry = &row.entry;
    if let EntryKind::Gap { missing } = entry.kind {
        if missing.after_epoch >= row.epoch {
            return Err(format!("a gap from epoch {} goes backwards", missing.after_epoch));
        }
        spans.push((missing, row.epoch));
        return Ok(());
    }
    let is_late = epochs.last_key_value().is_some_and(|(newest, _)| *newest > row.epoch);
    let held = epochs.entry(row.epoch).or_default();
    if entry.late != is_late {
        return Err(format!("sequence {} is marked late: {}", entry.sequence, entry.late));
    }
    match entry.kind {
        EntryKind::Update | EntryKind::End => {
            if entry.sequence != held.position + 1 {
                return Err(format!("{} follows {}", entry.sequence, held.position));
            }
            if entry.sequence == 1 && begins_after_loss(row, journal) {
                return Err("an update that is missing is held".to_owned());
            }
            let patch = Patch::parse(&row.body, DEPTH).map_err(|error| format!("a bad patch: {error}"))?;
            change::apply(&patch, &mut held.dictionary);
        }
        EntryKind::State { missing } => {
            let from = (missing.after_epoch, missing.after);
            if from != (row.epoch, held.position) || entry.sequence <= held.position {
                return Err(format!("a gap from {from:?} to {} follows {}", entry.sequence, held.position));
            }
            let is_loss = missing.reason == GapReason::LinkLost;
            if is_loss != (missing.after == 0 && begins_after_loss(row, journal)) {
                return Err(format!("{missing:?} is no reason"));
            }
            held.missing += entry.sequence - held.position;
            held.dictionary =
                decode_dictionary(&row.body, DEPTH).map_err(|error| format!("a bad dictionary: {error}"))?;
        }
        other => return Err(format!("{other:?} of a writer that sends nothing of the kind")),
    }
    held.position = entry.sequence;
    held.ended = entry.kind == EntryKind::End;
    check_content(row, held, journal)
}

/// Whether the writer said that its epoch's first update is missing.
fn begins_after_loss(row: &Row, journal: &Journal) -> bool {
    journal.epoch(own_name(&row.source), row.epoch).is_some_and(|epoch| epoch.after_loss)
}

/// What a source is called at its hub.
fn own_name(recorded: &str) -> &str {
    recorded.strip_prefix(PREFIX).unwrap_or(recorded)
}

/// Whether the dictionary is what the writer's was. A hub's own source has no journal.
fn check_content(row: &Row, held: &Held, journal: &Journal) -> Result<(), String> {
    if row.source.starts_with('$') {
        return Ok(());
    }
    let sequence = held.position;
    let epoch = journal.epoch(own_name(&row.source), row.epoch).ok_or("it never was")?;
    let state = epoch.state(sequence).ok_or_else(|| format!("{sequence} never was"))?;
    if *state != held.dictionary {
        return Err(format!("the dictionary as of {sequence} is {:?}, was {state:?}", held.dictionary));
    }
    if held.ended && !(epoch.ended && sequence == epoch.newest()) {
        return Err(format!("{sequence} is held as the End, of {}", epoch.newest()));
    }
    Ok(())
}

/// Whether all that is missing between the first and the last epoch held is under gaps.
fn check_epochs(
    source: &str,
    epochs: &BTreeMap<u64, Held>,
    spans: &[Span],
    declared: Option<&BTreeSet<u64>>,
    followed: Option<&BTreeSet<(u64, u64)>>,
) -> Result<(), String> {
    let Some((&first, _)) = epochs.first_key_value() else { return Ok(()) };
    let Some((&last, _)) = epochs.last_key_value() else { return Ok(()) };
    // Those between the first and the last that it knew of, and each that a hub saw right before one that it holds: unless
    // its number is below all that was held when it came, as of a clock that goes wrong.
    let mut known: BTreeSet<u64> = epochs.keys().chain(declared.into_iter().flatten()).copied().collect();
    known = known.range(first..last).copied().collect();
    let followed = followed.into_iter().flatten();
    let is_due =
        |(before, after): &&(u64, u64)| epochs.contains_key(after) && (*before > first || *after == first);
    known.extend(followed.filter(is_due).map(|(before, _)| *before));
    for epoch in known {
        let held = epochs.get(&epoch).map_or(0, |held| held.position);
        // Nobody but the writer knows that there was no more, unless it said so by an End.
        let is_complete = epochs.get(&epoch).is_some_and(|held| held.ended);
        let is_covered = spans
            .iter()
            .any(|(missing, to)| *to > epoch && (missing.after_epoch, missing.after) <= (epoch, held));
        if !is_complete && !is_covered {
            return Err(format!("{source} epoch {epoch}: what follows {held} is under no gap"));
        }
    }
    Ok(())
}
