//! Frames as they are written.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use dict_protocol::change::write_whole;
use dict_protocol::packet::{Packet, State};
use dict_protocol::record::Stamp;

use crate::samples;

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(1));
    let mut out = Vec::new();
    let patch = samples::patch("T", &1.5.into());
    group.bench_function("update of one key", |bencher| {
        bencher.iter(|| {
            out.clear();
            samples::update(1, 2, black_box(&patch)).encode(&mut out);
            out.len()
        });
    });
    let (value, mut bytes) = (1.5.into(), Vec::new());
    group.bench_function("patch and update of one key", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            samples::write_patch("T", black_box(&value), &mut bytes);
            out.clear();
            samples::update(1, 2, &bytes).encode(&mut out);
            out.len()
        });
    });
    let state = samples::state(0);
    group.bench_function("whole dictionary of five keys", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            write_whole(black_box(&state), samples::depth(), &mut bytes).expect("it is short");
            bytes.len()
        });
    });
    let dictionary = samples::encoded(&state);
    let state = Packet::State(State {
        source: 1,
        sequence: 2,
        stamp: Stamp::default(),
        missing: None,
        end_of_slice: false,
        replayed: false,
        dictionary: &dictionary,
    });
    group.bench_function("state of five keys", |bencher| {
        bencher.iter(|| {
            out.clear();
            black_box(&state).encode(&mut out);
            out.len()
        });
    });
    group.finish();
}
