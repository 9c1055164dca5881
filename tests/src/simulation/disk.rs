//! A logger's disk: what was not synced is lost with the power, or part of it.

use std::collections::BTreeMap;

use dict_protocol::record::{Batch, Entry, EntryKind, Missing, Position, Stream, StreamIndex};
use fastrand::Rng;

use super::broken::Broken;

/// One row as it stands on the disk.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// The source.
    pub(super) source: String,
    /// Its epoch.
    pub(super) epoch: u64,
    /// All the rest; its stream and body range mean nothing any more.
    pub(super) entry: Entry,
    /// Its body.
    pub(super) body: Vec<u8>,
}

/// A disk with a timeline on it, and the process that writes it.
#[derive(Debug, Default)]
pub(super) struct Disk {
    /// Survives anything.
    rows: Vec<Row>,
    /// Handed over, but in no sync yet.
    waiting: Vec<Batch>,
    /// In the sync that is going on, as one transaction.
    syncing: Vec<Batch>,
    /// Streams that this run of the process declared.
    streams: BTreeMap<StreamIndex, (String, u64)>,
    /// The last sequence of each (source, epoch) on the disk.
    held: BTreeMap<String, BTreeMap<u64, u64>>,
    /// Rows whose gaps wait for the next transaction, where that rule is broken.
    later: Vec<(usize, Missing)>,
}

impl Disk {
    /// Takes a batch to be written.
    pub(super) fn write(&mut self, batch: Batch) {
        self.waiting.push(batch);
    }

    /// Whether something is in no sync yet.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty() || !self.later.is_empty()
    }

    /// Begins to sync all that waits, as one transaction.
    pub(super) fn begin_sync(&mut self) {
        self.syncing.append(&mut self.waiting);
    }

    /// The sync is done: returns what is on the disk now, for the recorder.
    pub(super) fn synced(&mut self, broken: Option<Broken>) -> Vec<Batch> {
        for (row, gap) in std::mem::take(&mut self.later) {
            self.rows[row].entry.kind = EntryKind::State { missing: gap };
        }
        let batches = std::mem::take(&mut self.syncing);
        for batch in &batches {
            self.keep(batch, broken);
        }
        batches
    }

    /// Stores again what is held: a rule is broken.
    pub(super) fn store_again(&mut self, source: &str, epoch: u64, sequence: u64) {
        let is_it = |row: &&Row| row.source == source && row.epoch == epoch && row.entry.sequence == sequence;
        self.rows.extend(self.rows.iter().find(is_it).cloned());
    }

    /// The power goes. What was being synced may be on the disk or not, as a whole; the rest is lost.
    pub(super) fn lose_power(&mut self, broken: Option<Broken>, rng: &mut Rng) -> bool {
        self.later.clear();
        let syncing = std::mem::take(&mut self.syncing);
        let survives = rng.bool();
        if survives {
            for batch in &syncing {
                self.keep(batch, broken);
            }
        }
        let lost = !self.waiting.is_empty() || (!survives && !syncing.is_empty());
        self.waiting.clear();
        self.streams.clear();
        lost
    }

    /// What a timeline says of itself when it is opened.
    pub(super) fn positions(&self) -> Vec<Position> {
        let mut positions = BTreeMap::new();
        for row in &self.rows {
            if matches!(row.entry.kind, EntryKind::Gap { .. }) {
                continue;
            }
            let position = Position {
                source: row.source.clone(),
                epoch: row.epoch,
                sequence: row.entry.sequence,
                ended: row.entry.kind == EntryKind::End,
                time: row.entry.time,
            };
            positions.insert((row.source.clone(), row.epoch), position);
        }
        positions.into_values().collect()
    }

    /// The last sequence of an epoch that is on the disk, 0 for none.
    pub(super) fn held(&self, source: &str, epoch: u64) -> u64 {
        self.held.get(source).and_then(|epochs| epochs.get(&epoch)).copied().unwrap_or(0)
    }

    /// All rows in their order.
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    fn keep(&mut self, batch: &Batch, broken: Option<Broken>) {
        for Stream { index, source, epoch, .. } in &batch.streams {
            self.streams.insert(*index, (source.clone(), *epoch));
        }
        for entry in &batch.entries {
            let mut entry = entry.clone();
            match (broken, &mut entry.kind) {
                (Some(Broken::GapMovesPosition), _) if entry.late => continue,
                (Some(Broken::GapNotStored), EntryKind::Gap { .. }) => continue,
                (Some(Broken::StateWithoutGap), EntryKind::State { missing }) => {
                    missing.after = entry.sequence;
                }
                (Some(Broken::StateBeforeGap), EntryKind::State { missing }) => {
                    self.later.push((self.rows.len(), *missing));
                    missing.after = entry.sequence;
                }
                _ => {}
            }
            let (source, epoch) = self.streams[&entry.stream].clone();
            let held = self.held.entry(source.clone()).or_default().entry(epoch).or_default();
            *held = (*held).max(entry.sequence);
            let body = batch.body(&entry).to_vec();
            self.rows.push(Row { source, epoch, entry, body });
        }
    }
}
