//! Row 14: a writer that writes as fast as it can, beside ordinary ones.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use dict_event_loop::client::{Client, Level, WhenFull, Writer, WriterOptions};

use super::journal::KEY;
use super::systems::{Hub, wait_until};
use super::{Miss, Setting, children, ensure};
use crate::programs::{PATIENCE, Running};

const ORDINARY: usize = 50;

/// Updates a second of an ordinary writer.
const RATE: u64 = 50;

struct Ordinary {
    client: Client,
    writer: Writer,
}

pub(super) fn run(setting: &Setting) -> Result<String, Miss> {
    let hub = Hub::start();
    let lost = Arc::new(AtomicUsize::new(0));
    let ordinary: Vec<Ordinary> =
        (0..ORDINARY).map(|number| begin(&hub.address, number, &lost)).collect::<Result<_, Miss>>()?;
    let long = Duration::from_secs(setting.form(10, 2));
    let (alone, _) = work(&ordinary, long)?;
    let mut flood = Command::new(&setting.program);
    flood.args(["child", "flood", &hub.address]).stdin(Stdio::piped());
    let mut flood = Running::start(flood);
    ensure(flood.line() == "flooding", || "the flood does not begin".to_owned())?;
    let flooding = Flooding::start(&hub.address)?;
    let (beside, slowest) = work(&ordinary, long)?;
    let flooded = flooding.rate();
    drop(flood.take_stdin());
    let share = alone.iter().zip(&beside).map(|(alone, beside)| beside / alone).fold(f64::MAX, f64::min);
    ensure(setting.short || share >= 0.9, || {
        format!("an ordinary writer had {:.0} % of its rate", share * 100.0)
    })?;
    setting.within("a ping", slowest, Duration::from_secs(5))?;
    let lost = lost.load(Ordering::Relaxed);
    ensure(lost == 0, || format!("{lost} ordinary writers lost their connection"))?;
    ensure(flooded > 0.0, || "there was no flood".to_owned())?;
    Ok(format!(
        "beside {flooded:.0} updates a second each of {ORDINARY} writers had {:.1} % of its rate alone or more; the \
         slowest ping took {:.1} ms, no connection was lost",
        share * 100.0,
        slowest.as_secs_f64() * 1e3
    ))
}

fn begin(hub: &str, number: usize, lost: &Arc<AtomicUsize>) -> Result<Ordinary, Miss> {
    let lost = lost.clone();
    let on_close = move |_: &str| {
        lost.fetch_add(1, Ordering::Relaxed);
    };
    let client = Client::builder().name(format!("ordinary{number}")).on_close(on_close);
    let client = client.connect(hub).map_err(|error| error.to_string())?;
    let options =
        WriterOptions { level: Some(Level::Received), take_over: false, when_full: WhenFull::Block };
    let writer = client.writer(&format!("ordinary{number}"), options).map_err(|error| error.to_string())?;
    writer.wait_announced(PATIENCE).map_err(|error| error.to_string())?;
    Ok(Ordinary { client, writer })
}

/// Lets all of them write at their pace for so long: what each had acknowledged, a second, and their slowest ping.
fn work(ordinary: &[Ordinary], long: Duration) -> Result<(Vec<f64>, Duration), Miss> {
    let before: Vec<u64> = ordinary.iter().map(|each| each.writer.acknowledged()).collect();
    let (started, mut slowest) = (Instant::now(), Duration::ZERO);
    let mut written = 0;
    while started.elapsed() < long {
        let due = (started.elapsed().as_secs_f64() * RATE as f64) as u64;
        while written < due {
            written += 1;
            for each in ordinary {
                each.writer.set(KEY, fastrand::i64(..)).map_err(|error| error.to_string())?;
            }
        }
        let one = &ordinary[fastrand::usize(..ordinary.len())];
        slowest = slowest.max(one.client.ping(PATIENCE).map_err(|error| error.to_string())?);
        sleep(Duration::from_millis(5));
    }
    let took = started.elapsed().as_secs_f64();
    let since = ordinary.iter().zip(before).map(|(each, before)| each.writer.acknowledged() - before);
    Ok((since.map(|acknowledged| acknowledged as f64 / took).collect(), slowest))
}

/// What the hub takes of the flood.
struct Flooding {
    _client: Client,
    watch: dict_event_loop::client::Watch,
    from: (Instant, u64),
}

impl Flooding {
    fn start(hub: &str) -> Result<Self, Miss> {
        let client = Client::builder().name("gauge").connect(hub).map_err(|error| error.to_string())?;
        let pattern = dict_protocol::pattern::Pattern::Name("flood".into());
        let watch = client.watch(pattern, Default::default()).map_err(|error| error.to_string())?;
        let mut flooding = Self { _client: client, watch, from: (Instant::now(), 0) };
        wait_until("the flood comes", || flooding.sequence() > 0)?;
        flooding.from = (Instant::now(), flooding.sequence());
        Ok(flooding)
    }

    fn sequence(&self) -> u64 {
        self.watch.sources().iter().find_map(|source| source.position).map_or(0, |(_, sequence)| sequence)
    }

    fn rate(&self) -> f64 {
        (self.sequence() - self.from.1) as f64 / self.from.0.elapsed().as_secs_f64()
    }
}

/// What the flooder does.
pub(super) fn flood(hub: &str) {
    let client = Client::builder().name("flood").connect(hub).expect("the hub is there");
    let options =
        WriterOptions { level: Some(Level::Received), take_over: false, when_full: WhenFull::Block };
    let writer = client.writer("flood", options).expect("the source is new");
    children::say("flooding");
    let stop = children::when_input_ends();
    let mut number = 0_i64;
    while !stop.load(Ordering::Acquire) {
        writer.set(KEY, number).expect("nobody replaces the writer");
        number += 1;
    }
}
