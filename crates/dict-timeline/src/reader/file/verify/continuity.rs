//! Whether each source's updates are all there, or a gap says which are not.

use std::collections::BTreeMap;
use std::sync::Arc;

use dict_protocol::record::Missing;
use dict_protocol::time::Time;
use hashbrown::HashMap;

use super::{Finding, Stream};
use crate::carried::ENDED_EPOCHS;
use crate::record::{Record, RecordKind};

/// What was seen of each source, by its name.
#[derive(Debug, Default)]
pub(super) struct Continuity(BTreeMap<Arc<str>, Source>);

/// How far epochs are held, as a file says, by source and epoch.
pub(super) type Held = HashMap<(Arc<str>, u64), Standing>;

/// How far an epoch is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub sequence: u64,
    pub ended: bool,
    pub time: Time,
}

#[derive(Debug, Default)]
struct Source {
    epochs: BTreeMap<u64, Epoch>,
    gaps: Vec<Span>,
    /// The newest epoch that stands in files that were not looked at, and so do the ends of those before it, or the gap
    /// that covers them: even if something of one of them came later.
    settled_before: u64,
}

/// From one (epoch, sequence) to another, both within.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: (u64, u64),
    last: (u64, u64),
}

#[derive(Debug, Default)]
struct Epoch {
    /// The greatest sequence that was seen, and what was seen last.
    standing: Standing,
    /// Those below that were not, as ranges with both ends within.
    holes: Vec<(u64, u64)>,
}

impl Continuity {
    /// Takes for granted what a file says of those before it, which are not looked at.
    pub(super) fn begin(&mut self, carried: &Held) {
        for ((source, epoch), standing) in carried {
            let source = self.0.entry(Arc::clone(source)).or_default();
            source.epochs.entry(*epoch).or_default().standing = *standing;
            source.settled_before = source.settled_before.max(*epoch);
        }
    }

    /// Whether all that was seen is what a file says of those before it. What that needs not take over, and did not, is
    /// forgotten.
    pub(super) fn agrees(&mut self, carried: &Held, findings: &mut Vec<Finding>) -> bool {
        for (name, source) in &mut self.0 {
            let ended = source.epochs.iter().rev().filter(|(_, epoch)| epoch.standing.ended);
            let older = ended.skip(ENDED_EPOCHS).map(|(number, _)| *number);
            let gone = older.filter(|number| !carried.contains_key(&(Arc::clone(name), *number)));
            for number in gone.collect::<Vec<_>>() {
                source.tell_holes(name, number, findings);
                source.epochs.remove(&number);
            }
        }
        self.differences(carried).next().is_none()
    }

    /// Tells what the table of positions at the end of a file has wrong.
    pub(super) fn compare(&self, positions: &Held, findings: &mut Vec<Finding>) {
        let mut differences: Vec<_> = self.differences(positions).collect();
        differences.sort_unstable_by(|(a, ..), (b, ..)| a.cmp(b));
        findings.extend(differences.into_iter().map(|((source, epoch), stored, found)| {
            let source = source.as_ref().to_owned();
            if stored.sequence == found.sequence {
                return Finding::Standing { source, epoch, sequence: found.sequence };
            }
            Finding::Position { source, epoch, stored: stored.sequence, found: found.sequence }
        }));
    }

    /// Of which epochs other things are stored than were seen: what is stored, and what was seen.
    fn differences(&self, stored: &Held) -> impl Iterator<Item = ((Arc<str>, u64), Standing, Standing)> {
        let seen = self.0.iter().flat_map(|(name, source)| {
            source.epochs.iter().map(|(epoch, found)| ((Arc::clone(name), *epoch), found.standing))
        });
        let seen = seen.map(|(place, found)| {
            let stored = stored.get(&place).copied().unwrap_or_default();
            (place, stored, found)
        });
        let unseen = stored.iter().filter(|((name, epoch), _)| {
            !self.0.get(name).is_some_and(|source| source.epochs.contains_key(epoch))
        });
        let unseen = unseen.map(|(place, stored)| (place.clone(), *stored, Standing::default()));
        seen.filter(|(_, stored, found)| stored != found).chain(unseen)
    }

    /// Takes in one record.
    pub(super) fn take(
        &mut self,
        stream: &Stream,
        record: &Record<'_>,
        missing: Option<Missing>,
        findings: &mut Vec<Finding>,
    ) {
        let source = self.0.entry(Arc::clone(&stream.source)).or_default();
        if let Some(missing) = missing {
            let first = (missing.after_epoch, missing.after.saturating_add(1));
            source.gaps.push(Span { first, last: (stream.epoch, record.sequence) });
        }
        let epoch = match record.kind {
            // It may come before anything of its epoch, or when that is held already.
            RecordKind::Gap => return,
            _ => source.epochs.entry(stream.epoch).or_default(),
        };
        // A State holds the dictionary as of its sequence, but neither that update nor those before it.
        let held = matches!(record.kind, RecordKind::Update | RecordKind::End);
        if !epoch.take(record.sequence, held) {
            findings.push(Finding::Repeated {
                n: record.n.cast_unsigned(),
                source: stream.source.as_ref().to_owned(),
                epoch: stream.epoch,
                sequence: record.sequence,
            });
        }
        (epoch.standing.ended, epoch.standing.time) = (record.kind == RecordKind::End, record.time);
    }

    /// Tells what is missing.
    pub(super) fn finish(self, findings: &mut Vec<Finding>) {
        for (name, source) in self.0 {
            let mut later = source.epochs.keys().skip(1).map(Some).chain([None]);
            for (epoch, found) in &source.epochs {
                source.tell_holes(&name, *epoch, findings);
                let next = later.next().flatten();
                let Standing { sequence: last, ended, .. } = found.standing;
                let told = ended || *epoch < source.settled_before;
                if next.is_some() && !told && !source.covers((*epoch, last.saturating_add(1))) {
                    let source = name.as_ref().to_owned();
                    findings.push(Finding::Unended { source, epoch: *epoch, last });
                }
            }
        }
    }
}

impl Epoch {
    /// Notes that `sequence` came, and whether it is held. Returns whether it could come now.
    fn take(&mut self, sequence: u64, held: bool) -> bool {
        let last = self.standing.sequence;
        if sequence > last {
            let last_missing = if held { sequence - 1 } else { sequence };
            if last_missing > last {
                self.holes.push((last + 1, last_missing));
            }
            self.standing.sequence = sequence;
            return true;
        }
        false
    }
}

impl Source {
    /// Tells what is missing within an epoch.
    fn tell_holes(&self, name: &str, epoch: u64, findings: &mut Vec<Finding>) {
        for hole in self.epochs.get(&epoch).into_iter().flat_map(|found| &found.holes) {
            findings.extend(self.uncovered(epoch, *hole).into_iter().map(|(first, last)| {
                let source = name.to_owned();
                Finding::Missing { source, epoch, first, last }
            }));
        }
    }

    fn covers(&self, place: (u64, u64)) -> bool {
        self.gaps.iter().any(|gap| gap.first <= place && place <= gap.last)
    }

    /// What of a hole in an epoch is in no gap.
    fn uncovered(&self, epoch: u64, hole: (u64, u64)) -> Vec<(u64, u64)> {
        let mut left = vec![hole];
        for gap in &self.gaps {
            if gap.last.0 < epoch || gap.first.0 > epoch {
                continue;
            }
            let first = if gap.first.0 == epoch { gap.first.1 } else { 0 };
            let last = if gap.last.0 == epoch { gap.last.1 } else { u64::MAX };
            left = left
                .into_iter()
                .flat_map(|(a, b)| {
                    let before = (a, b.min(first.saturating_sub(1)));
                    let after = (a.max(last.saturating_add(1)), b);
                    if last < a || first > b { [Some((a, b)), None] } else { [Some(before), Some(after)] }
                })
                .flatten()
                .filter(|(a, b)| a <= b)
                .collect();
        }
        left
    }
}
