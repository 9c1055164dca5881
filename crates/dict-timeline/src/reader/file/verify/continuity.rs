//! Whether each source's updates are all there, or a gap says which are not.

use std::collections::BTreeMap;
use std::sync::Arc;

use dict_protocol::record::Missing;
use hashbrown::HashMap;

use super::{Finding, Stream};
use crate::record::{Record, RecordKind};

/// What was seen of each source, by its name.
#[derive(Debug, Default)]
pub(super) struct Continuity(BTreeMap<Arc<str>, Source>);

/// How far an epoch is held, as a file says.
#[derive(Debug)]
pub(super) struct Held {
    pub source: Arc<str>,
    pub epoch: u64,
    pub sequence: u64,
    pub ended: bool,
}

#[derive(Debug, Default)]
struct Source {
    epochs: BTreeMap<u64, Epoch>,
    gaps: Vec<Span>,
}

/// From one (epoch, sequence) to another, both within.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: (u64, u64),
    last: (u64, u64),
}

#[derive(Debug, Default)]
struct Epoch {
    /// The greatest sequence that was seen.
    last: u64,
    /// Those below that were not, as ranges with both ends within.
    holes: Vec<(u64, u64)>,
    ended: bool,
    /// Its end, and whether a gap tells of it, stands in a file that was not looked at.
    settled: bool,
}

impl Continuity {
    /// Takes for granted what a file says of those before it, which are not looked at.
    pub(super) fn begin(&mut self, carried: &[Held]) {
        for Held { source, epoch, sequence, ended } in carried {
            let source = self.0.entry(Arc::clone(source)).or_default();
            let epoch = source.epochs.entry(*epoch).or_default();
            (epoch.last, epoch.ended) = (*sequence, *ended);
        }
        for source in self.0.values_mut() {
            for epoch in source.epochs.values_mut().rev().skip(1) {
                epoch.settled = true;
            }
        }
    }

    /// Whether all that was seen is what a file says of those before it.
    pub(super) fn agrees(&self, carried: &[Held]) -> bool {
        let seen = |held: &Held| {
            let epoch = self.0.get(&held.source)?.epochs.get(&held.epoch)?;
            Some((epoch.last, epoch.ended))
        };
        let count: usize = self.0.values().map(|source| source.epochs.len()).sum();
        count == carried.len() && carried.iter().all(|held| seen(held) == Some((held.sequence, held.ended)))
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
        epoch.ended = record.kind == RecordKind::End;
    }

    /// Tells what is missing, and what the table of positions has wrong.
    pub(super) fn finish(self, positions: &HashMap<(Arc<str>, u64), u64>, findings: &mut Vec<Finding>) {
        for (name, source) in self.0 {
            let mut later = source.epochs.keys().skip(1).map(Some).chain([None]);
            for (epoch, found) in &source.epochs {
                let source_name = || name.as_ref().to_owned();
                for hole in &found.holes {
                    for (first, last) in source.uncovered(*epoch, *hole) {
                        findings.push(Finding::Missing { source: source_name(), epoch: *epoch, first, last });
                    }
                }
                let next = later.next().flatten();
                let told = found.ended || found.settled;
                if next.is_some() && !told && !source.covers((*epoch, found.last.saturating_add(1))) {
                    findings.push(Finding::Unended {
                        source: source_name(),
                        epoch: *epoch,
                        last: found.last,
                    });
                }
                let stored = positions.get(&(Arc::clone(&name), *epoch)).copied().unwrap_or_default();
                if stored != found.last {
                    findings.push(Finding::Position {
                        source: source_name(),
                        epoch: *epoch,
                        stored,
                        found: found.last,
                    });
                }
            }
        }
    }
}

impl Epoch {
    /// Notes that `sequence` came, and whether it is held. Returns whether it could come now.
    fn take(&mut self, sequence: u64, held: bool) -> bool {
        if sequence > self.last {
            let last_missing = if held { sequence - 1 } else { sequence };
            if last_missing > self.last {
                self.holes.push((self.last + 1, last_missing));
            }
            self.last = sequence;
            return true;
        }
        false
    }
}

impl Source {
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
