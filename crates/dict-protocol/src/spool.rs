//! A writer's spool: the updates that are not acknowledged yet, to be sent again from any of them.
//!
//! It is a queue of chunks. Updates come in at the end; whole chunks leave at the front, either because every update in
//! them was acknowledged or, where the spool is full, because the oldest have to make room. Those that leave are applied
//! to the **base**, the dictionary as of the last update that is gone: with it a reader who needs older updates than
//! there are is told the state in their place.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::change::{DictionaryBytes, Patch};
use crate::raw::RawDictionary;
use crate::time::Time;

/// What a spool holds at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Updates.
    pub(crate) updates: usize,
    /// Bytes of their patches, and [`MemorySpool::OVERHEAD`] for each.
    pub(crate) bytes: usize,
}

impl Bounds {
    /// Whether an update with a patch of `patch` bytes fits in beside what there is already. Alone, any does.
    pub(crate) fn admit(self, updates: usize, bytes: usize, patch: usize) -> bool {
        updates == 0 || (updates < self.updates && bytes + patch + MemorySpool::OVERHEAD <= self.bytes)
    }
}

/// An update in a spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spooled<'a> {
    /// Its sequence.
    pub(crate) sequence: u64,
    /// When the writer made it, by the writer's clock.
    pub(crate) time: Time,
    /// It is the epoch's End.
    pub(crate) end: bool,
    /// Its patch.
    pub(crate) patch: &'a [u8],
}

/// The last updates of one epoch, in memory.
///
/// In steady state nothing is allocated for an update: a chunk that empties is used again.
#[derive(Debug)]
pub(crate) struct MemorySpool {
    bounds: Bounds,
    chunks: VecDeque<Chunk>,
    /// An emptied chunk, for the next one to be begun in.
    spare: Option<Chunk>,
    updates: usize,
    bytes: usize,
    base: Base,
}

/// The dictionary as of the last update that left a spool.
#[derive(Debug, Default)]
pub(crate) struct Base {
    /// That update; 0: none has left.
    pub(crate) sequence: u64,
    /// When it was made.
    pub(crate) time: Time,
    /// The dictionary.
    pub(crate) dictionary: RawDictionary,
}

#[derive(Debug, Default)]
struct Chunk {
    /// The sequence of its first update.
    first: u64,
    entries: Vec<Entry>,
    patches: Vec<u8>,
}

#[derive(Debug)]
struct Entry {
    time: Time,
    /// Where its patch ends in the chunk's patches; it begins where the one before it ends.
    patch_end: u32,
    end: bool,
}

impl MemorySpool {
    /// Bytes that an update takes besides its patch.
    pub(crate) const OVERHEAD: usize = size_of::<Entry>();

    /// The most bytes of patches in a chunk, but for a single larger one.
    const CHUNK_BYTES: usize = 64 << 10;
    /// The most updates in a chunk.
    const CHUNK_UPDATES: usize = 1_024;
    /// A spool has at least as many chunks when it is full, so that making room costs only a part of it.
    const CHUNKS: usize = 16;

    /// An empty spool of an epoch that begins.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, chunks: VecDeque::new(), spare: None, updates: 0, bytes: 0, base: Base::default() }
    }

    /// One that goes on from `base`: the sequence of the last update that has left, its time, and the dictionary as of it.
    pub(crate) fn restore(bounds: Bounds, base: (u64, Time, &DictionaryBytes<'_>)) -> Self {
        let (sequence, time, bytes) = base;
        let mut dictionary = RawDictionary::new();
        dictionary.replace(bytes);
        Self { base: Base { sequence, time, dictionary }, ..Self::new(bounds) }
    }

    /// What it is to hold at most.
    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// How many updates it holds.
    pub(crate) fn updates(&self) -> usize {
        self.updates
    }

    /// How many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The sequence of the last update that it was given, 0 before the first.
    pub(crate) fn newest(&self) -> u64 {
        self.base.sequence + self.updates as u64
    }

    /// What stands in for the updates that have left.
    pub(crate) fn base(&self) -> &Base {
        &self.base
    }

    /// Adds the update after the newest, a patch that was made by this crate. The caller has seen to it that there is room.
    pub(crate) fn push(&mut self, time: Time, end: bool, patch: &[u8]) {
        let sequence = self.newest() + 1;
        if self.chunks.back().is_none_or(|chunk| chunk.is_full(self.bounds, patch.len())) {
            let mut chunk = self.spare.take().unwrap_or_default();
            chunk.first = sequence;
            self.chunks.push_back(chunk);
        }
        let chunk = self.chunks.back_mut().expect("one was just made if there was none");
        chunk.patches.extend_from_slice(patch);
        let patch_end = u32::try_from(chunk.patches.len()).expect("a chunk is far below 4 GiB");
        chunk.entries.push(Entry { time, patch_end, end });
        self.updates += 1;
        self.bytes += patch.len() + Self::OVERHEAD;
    }

    /// Lets go of updates up to `sequence`, as far as they fill whole chunks: the rest stays for a while.
    pub(crate) fn remove_through(&mut self, sequence: u64) {
        while self.chunks.front().is_some_and(|chunk| chunk.last() <= sequence) {
            self.remove_oldest();
        }
    }

    /// Lets go of the oldest chunk, whatever is in it, and says up to which sequence; `None` if there is none.
    pub(crate) fn remove_oldest(&mut self) -> Option<u64> {
        let mut chunk = self.chunks.pop_front()?;
        self.base.absorb(&chunk);
        self.updates -= chunk.entries.len();
        self.bytes -= chunk.patches.len() + chunk.entries.len() * Self::OVERHEAD;
        if chunk.patches.capacity() <= 2 * Self::CHUNK_BYTES {
            chunk.entries.clear();
            chunk.patches.clear();
            self.spare = Some(chunk);
        }
        Some(self.base.sequence)
    }

    /// The updates after `sequence`, in order, as far as they are there.
    pub(crate) fn after(&self, sequence: u64) -> impl Iterator<Item = Spooled<'_>> {
        let chunk = self.chunks.partition_point(|chunk| chunk.last() <= sequence);
        let skipped =
            self.chunks.get(chunk).map_or(0, |chunk| sequence.saturating_add(1).saturating_sub(chunk.first));
        let skipped = usize::try_from(skipped).expect("a chunk is skipped in part only");
        self.chunks.range(chunk..).flat_map(Chunk::iter).skip(skipped)
    }
}

impl Base {
    fn absorb(&mut self, chunk: &Chunk) {
        for update in chunk.iter() {
            let patch = Patch::parse(update.patch, usize::MAX).expect("only patches are put into a spool");
            self.dictionary.apply(&patch, |_| ());
            self.sequence = update.sequence;
            self.time = update.time;
        }
        self.dictionary.compact();
    }
}

impl Chunk {
    fn last(&self) -> u64 {
        self.first + self.entries.len() as u64 - 1
    }

    fn is_full(&self, bounds: Bounds, patch: usize) -> bool {
        let updates = (bounds.updates / MemorySpool::CHUNKS).clamp(1, MemorySpool::CHUNK_UPDATES);
        let bytes = (bounds.bytes / MemorySpool::CHUNKS).min(MemorySpool::CHUNK_BYTES);
        self.entries.len() >= updates || self.patches.len() + patch > bytes
    }

    fn iter(&self) -> impl Iterator<Item = Spooled<'_>> {
        let mut start = 0;
        self.entries.iter().zip(self.first..).map(move |(entry, sequence)| {
            let end = entry.patch_end as usize;
            let patch = &self.patches[start..end];
            start = end;
            Spooled { sequence, time: entry.time, end: entry.end, patch }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::PatchBuilder;
    use crate::dictionary;

    /// The patch that sets `n` to a number.
    fn patch(number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut patch = PatchBuilder::new(1, &mut bytes);
        patch.set("n", &number.into()).unwrap();
        patch.finish().unwrap();
        bytes
    }

    fn push(spool: &mut MemorySpool, number: u64) {
        let bytes = patch(number);
        spool.push(Time::from_nanos(number as i64), false, &bytes);
    }

    fn has_room(spool: &MemorySpool, number: u64) -> bool {
        spool.bounds().admit(spool.updates(), spool.bytes(), patch(number).len())
    }

    fn sequences(spool: &MemorySpool, after: u64) -> Vec<u64> {
        spool.after(after).map(|update| update.sequence).collect()
    }

    #[test]
    fn updates_are_found_by_sequence() {
        let mut spool = MemorySpool::new(Bounds { updates: 64, bytes: 1 << 20 });
        (1..=20).for_each(|number| push(&mut spool, number));
        for after in 0..=21 {
            assert_eq!(sequences(&spool, after), (after + 1..=20).collect::<Vec<_>>());
        }
        assert!(sequences(&spool, u64::MAX).is_empty());
        let seventh = spool.after(6).next().unwrap();
        let expected = patch(7);
        assert_eq!(seventh, Spooled { sequence: 7, time: Time::from_nanos(7), end: false, patch: &expected });
    }

    #[test]
    fn what_leaves_becomes_the_base() {
        let mut spool = MemorySpool::new(Bounds { updates: 64, bytes: 1 << 20 });
        (1..=20).for_each(|number| push(&mut spool, number));
        // Chunks hold four: the acknowledged part of the third one stays.
        spool.remove_through(10);
        assert_eq!((spool.base().sequence, spool.base().time), (8, Time::from_nanos(8)));
        assert_eq!(spool.base().dictionary.decode(), dictionary! { "n" => 8 });
        assert_eq!(sequences(&spool, 0), (9..=20).collect::<Vec<_>>());
        spool.remove_through(20);
        assert_eq!((spool.updates(), spool.bytes(), spool.newest()), (0, 0, 20));
        push(&mut spool, 21);
        assert_eq!(sequences(&spool, 0), [21]);
    }

    #[test]
    fn bounds_hold() {
        let size = patch(1).len() + MemorySpool::OVERHEAD;
        let mut by_updates = MemorySpool::new(Bounds { updates: 3, bytes: 1 << 20 });
        let mut by_bytes = MemorySpool::new(Bounds { updates: 100, bytes: 3 * size });
        for spool in [&mut by_updates, &mut by_bytes] {
            for number in 1..=3 {
                assert!(has_room(spool, number));
                push(spool, number);
            }
            assert!(!has_room(spool, 4));
            assert_eq!(spool.remove_oldest(), Some(1));
            assert!(has_room(spool, 4));
        }
        assert!(Bounds { updates: 0, bytes: 0 }.admit(0, 0, 1_000), "one is always taken");
    }
}
