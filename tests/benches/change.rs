//! What changed in a dictionary: found by a writer, applied by a hub and by a watcher.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use dict_protocol::change::{Patch, apply, difference};
use dict_protocol::encoding::messagepack::DictionaryBytes;
use dict_protocol::raw::RawDictionary;
use dict_protocol::value::Dictionary;

use crate::samples;

/// A dictionary of so many keys, `changed` in the last one.
fn of(keys: u32, changed: f64) -> Dictionary {
    let mut dictionary: Dictionary =
        (0..keys).map(|key| (format!("key{key}"), f64::from(key) * 0.25)).collect();
    dictionary.insert(last(keys), changed);
    dictionary
}

fn last(keys: u32) -> String {
    format!("key{}", keys - 1)
}

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("change");
    group.throughput(Throughput::Elements(1));
    let mut out = Vec::new();
    for keys in [5, 100] {
        let (old, new) = (of(keys, 1.5), of(keys, 2.5));
        assert!(difference(&old, &new, samples::depth(), &mut out).expect("it is short"));
        group.bench_function(BenchmarkId::new("difference", keys), |bencher| {
            bencher.iter(|| {
                out.clear();
                difference(black_box(&old), black_box(&new), samples::depth(), &mut out)
            });
        });
        assert!(!difference(&old, &old.clone(), samples::depth(), &mut out).expect("it is short"));
        let same = old.clone();
        group.bench_function(BenchmarkId::new("no difference", keys), |bencher| {
            bencher.iter(|| difference(black_box(&old), black_box(&same), samples::depth(), &mut out));
        });

        let patches = [1.5, 2.5].map(|value| samples::patch(&last(keys), &value.into()));
        group.bench_function(BenchmarkId::new("parse and apply to values", keys), |bencher| {
            let (mut dictionary, mut turn) = (old.clone(), 0);
            bencher.iter(|| {
                turn ^= 1;
                let patch = Patch::parse(black_box(&patches[turn]), samples::depth());
                apply(&patch.expect("it is a patch"), &mut dictionary);
            });
            assert!(dictionary == old || dictionary == new);
        });
        let bytes = samples::encoded(&old);
        let whole = DictionaryBytes::parse(&bytes, samples::depth()).expect("it is a dictionary");
        group.bench_function(BenchmarkId::new("parse and apply to bytes", keys), |bencher| {
            bencher.iter_batched_ref(
                || {
                    let mut raw = RawDictionary::new();
                    raw.replace(&whole);
                    (raw, 0)
                },
                |(raw, changed)| {
                    let patch = Patch::parse(black_box(&patches[1]), samples::depth());
                    raw.apply(&patch.expect("it is a patch"), |_| *changed += 1);
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}
