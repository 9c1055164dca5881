//! Frames in place: found, verified, parsed.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use dict_protocol::decoder::Decoder;
use dict_protocol::packet::Packet;
use dict_protocol::value::Value;

use crate::samples;

/// Frames in one read.
const FRAMES: u32 = 512;
/// Longer than any body.
const BODY: u32 = 1 << 20;

/// One read's frames, each with a patch of one key.
fn read(value: &Value) -> Vec<u8> {
    let patch = samples::patch("T", value);
    let mut bytes = Vec::new();
    for sequence in 1..=u64::from(FRAMES) {
        samples::update(1, sequence, &patch).encode(&mut bytes);
    }
    bytes
}

fn verify(bytes: &[u8]) -> u32 {
    let (mut decoder, mut rest, mut frames) = (Decoder::new(BODY), bytes, 0);
    while let Some(frame) = decoder.decode(&mut rest).expect("they are frames") {
        black_box(frame);
        frames += 1;
    }
    frames
}

fn parse(bytes: &[u8]) -> u32 {
    let (mut decoder, mut rest, mut packets) = (Decoder::new(BODY), bytes, 0);
    while let Some(frame) = decoder.decode(&mut rest).expect("they are frames") {
        black_box(Packet::parse(&frame).expect("they are packets"));
        packets += 1;
    }
    packets
}

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(FRAMES.into()));
    // A small integer makes a frame of 62 bytes, a float one of 70.
    for bytes in [read(&1.into()), read(&1.5.into())] {
        let length = bytes.len() / FRAMES as usize;
        assert_eq!(verify(&bytes), FRAMES);
        group.bench_function(BenchmarkId::new("verify", length), |bencher| {
            bencher.iter(|| verify(black_box(&bytes)));
        });
        assert_eq!(parse(&bytes), FRAMES);
        group.bench_function(BenchmarkId::new("verify and parse", length), |bencher| {
            bencher.iter(|| parse(black_box(&bytes)));
        });
    }
    group.finish();
}
