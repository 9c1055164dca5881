//! How fast updates are committed, each changing one key, and how fast they are read again.
//!
//! `cargo run --release -p dict-timeline --example commit_speed -- PATH [SOURCES] [KEYS] [SECONDS]`
//!
//! Put PATH on the disk that is meant, not on one in memory. A file that exists already, as one left by a run that was
//! killed, is opened and read only.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use dict_protocol::dictionary;
use dict_protocol::encoding::messagepack;
use dict_protocol::pattern::Pattern;
use dict_protocol::record::{Batch, Entry, EntryKind, Stamp, Stream};
use dict_protocol::time::Time;
use dict_protocol::value::Dictionary;
use dict_timeline::{CommitOptions, Committer, Filter, Limit, Options, Reader, Refused, Timeline};

/// Updates of one batch.
const BATCH: u64 = 1_000;
/// Batches on their way at most.
const FLIGHT: usize = 60;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(arguments.next().ok_or("which PATH?")?);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let (sources, keys, seconds) = (number(1_000)?, number(10)?, number(10)?);
    let (exists, start) = (path.exists(), Instant::now());
    let timeline = Timeline::create_or_open(&path, Options::default())?;
    if exists {
        println!("opened for writing after {:.1?}", start.elapsed());
        timeline.close()?;
        return read(&path);
    }
    let committer = Committer::start(timeline, CommitOptions::default(), || {})?;
    let mut made = 0_u64;
    let mut spare: Vec<Batch> = Vec::new();
    spare.resize_with(FLIGHT, Batch::default);
    spare.push(declare(sources, keys));
    let start = Instant::now();
    let mut slowest = Duration::ZERO;
    let (mut committed, mut last) = (0, start);
    while start.elapsed() < Duration::from_secs(seconds) {
        if let Some(mut batch) = spare.pop() {
            fill(&mut batch, &mut made, sources, keys);
            match committer.submit(batch) {
                Ok(()) => {}
                Err(Refused::Full(batch)) => spare.push(batch),
                Err(refused) => return Err(refused.into()),
            }
        } else {
            std::thread::sleep(Duration::from_micros(200));
        }
        for mut batch in committer.committed() {
            committed += batch.entries.len();
            slowest = slowest.max(last.elapsed());
            last = Instant::now();
            batch.clear();
            spare.push(batch);
        }
        if let Some(error) = committer.failure() {
            return Err(error.to_string().into());
        }
    }
    let lasted = start.elapsed();
    println!(
        "{:.0} updates a second, {committed} in {lasted:.1?}; longest pause {slowest:.0?}",
        committed as f64 / lasted.as_secs_f64()
    );
    let closing = Instant::now();
    committer.close()?;
    println!("closed, all in order by key, after {:.1?}", closing.elapsed());
    read(&path)
}

fn read(path: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let reader = Reader::open(path)?;
    let info = reader.info()?;
    let rows = info.rows[0].1;
    println!(
        "{rows} changes, {:.0} bytes each; info {:.1?}",
        info.size as f64 / rows as f64,
        start.elapsed()
    );
    let start = Instant::now();
    let filter = Filter {
        sources: vec![Pattern::Name("source/0".into())],
        keys: vec![Pattern::Name("key0".into())],
        limit: Some(Limit::First(100)),
        ..Filter::default()
    };
    let page = reader.rows(&filter)?.count();
    println!("first {page} rows of a key {:.1?}", start.elapsed());
    let start = Instant::now();
    let middle = info.times.map(|(a, b)| Time::from_nanos(a.as_nanos().midpoint(b.as_nanos())));
    let states = reader.state(middle, &[])?.len();
    println!("state of {states} sources in mid-file {:.1?}", start.elapsed());
    let start = Instant::now();
    let count = reader.rows(&Filter::default())?.count();
    println!("all rows: {:.0} a second", count as f64 / start.elapsed().as_secs_f64());
    let start = Instant::now();
    let findings = reader.verify(|_| {})?;
    println!(
        "verify: {} findings, {:.0} rows a second",
        findings.len(),
        count as f64 / start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Every source's first update, which states all its keys.
fn declare(sources: u64, keys: u64) -> Batch {
    let mut batch = Batch::default();
    let whole: Dictionary = (0..keys).map(|key| (format!("key{key}"), 0.0)).collect();
    for source in 0..sources {
        let name = format!("source/{source}");
        let stream = Stream { index: source as u32, hub: "bench".into(), source: name, epoch: 1 };
        batch.streams.push(stream);
        push(&mut batch, source as u32, 1, &whole);
    }
    batch
}

fn fill(batch: &mut Batch, made: &mut u64, sources: u64, keys: u64) {
    for _ in 0..BATCH {
        let (source, round) = (*made % sources, *made / sources);
        let value = *made as f64 * 0.25;
        let change = dictionary! { format!("key{}", round % keys) => value };
        push(batch, source as u32, round + 2, &change);
        *made += 1;
    }
}

fn push(batch: &mut Batch, stream: u32, sequence: u64, set: &Dictionary) {
    let start = batch.bytes.len();
    messagepack::write_array_len(0, &mut batch.bytes);
    messagepack::encode_dictionary(set, 128, &mut batch.bytes).expect("shallow and short");
    let now = jiff::Timestamp::now().as_nanosecond() as i64;
    let time = Time::from_nanos(now);
    let stamp = Stamp {
        hub_time: time,
        writer_time: Time::from_nanos(now - 50_000),
        offset: -1_200,
        uncertainty: Some(40_000),
    };
    batch.entries.push(Entry {
        stream,
        kind: EntryKind::Update,
        sequence,
        time,
        stamp,
        replayed: false,
        late: false,
        body: start..batch.bytes.len(),
    });
}
