//! Commits of groups, synced: what they cost is mostly the disk's that holds the target folder.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use dict_protocol::record::{Batch, Entry, EntryKind, Stamp, Stream};
use dict_protocol::time::Time;
use dict_timeline::{Options, Timeline};

use crate::samples;

const SOURCES: u32 = 1_000;
/// Updates of one batch.
const BATCH: u64 = 1_000;

/// Makes batches of updates of one key, of one source after the other.
struct Maker {
    made: u64,
    whole: Vec<u8>,
    change: Vec<u8>,
}

impl Maker {
    fn batch(&mut self) -> Batch {
        let mut batch = Batch::default();
        for _ in 0..BATCH {
            let stream = (self.made % u64::from(SOURCES)) as u32;
            let sequence = self.made / u64::from(SOURCES) + 1;
            if sequence == 1 {
                let source = format!("bench/{stream}");
                batch.streams.push(Stream { index: stream, hub: "lab".into(), source, epoch: 1 });
            }
            let start = batch.bytes.len();
            batch.bytes.extend_from_slice(if sequence == 1 { &self.whole } else { &self.change });
            // A millisecond apart, from 2026 on.
            let time = Time::from_nanos(1_780_000_000_000_000_000 + self.made as i64 * 1_000_000);
            batch.entries.push(Entry {
                stream,
                kind: EntryKind::Update,
                sequence,
                time,
                stamp: Stamp { hub_time: time, writer_time: time, offset: 0, uncertainty: Some(40_000) },
                replayed: false,
                late: false,
                body: start..batch.bytes.len(),
            });
            self.made += 1;
        }
        batch
    }
}

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timeline");
    for batches in [1, 20] {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let timeline = Timeline::create_or_open(folder.path().join("timeline.db"), Options::default());
        let mut timeline = timeline.expect("a new timeline");
        let mut maker = Maker {
            made: 0,
            whole: samples::whole(&samples::state(0)),
            change: samples::patch("T", &1.5.into()),
        };
        for _ in 0..u64::from(SOURCES).div_ceil(BATCH) {
            timeline.append(&[maker.batch()]).expect("it is stored");
        }
        let updates = batches as u64 * BATCH;
        group.throughput(Throughput::Elements(updates));
        group.bench_function(BenchmarkId::new("commit", updates), |bencher| {
            bencher.iter_batched(
                || (0..batches).map(|_| maker.batch()).collect::<Vec<_>>(),
                |group| timeline.append(&group).expect("it is stored"),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}
