//! Writers that write as fast as acknowledgements come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dict_event_loop::client::{Client, Level, WhenFull, Writer, WriterOptions};
use dict_protocol::limits::Limits;

use super::journal::{Journal, KEY, Life, content};
use crate::programs::PATIENCE;

/// Updates that a writer has on their way at most.
pub(super) const WINDOW: u64 = 8_000;

/// What writers of the fault tests ask for: everything on disk, nothing dropped.
pub(super) fn logged() -> WriterOptions {
    WriterOptions { level: Some(Level::Logged), take_over: false, when_full: WhenFull::Block }
}

/// Writers, each on a thread of its own.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    writers: Vec<Loading>,
}

struct Loading {
    client: Client,
    writer: Arc<Writer>,
    rate: Arc<AtomicU64>,
    thread: JoinHandle<Journal>,
}

impl Load {
    /// `writers` that write to a hub, which need not be there yet.
    pub(super) fn start(hub: &str, writers: usize) -> Self {
        Self::start_with(hub, writers, &Limits::default())
    }

    /// As [`Load::start`], with clients that keep to these limits.
    pub(super) fn start_with(hub: &str, writers: usize, limits: &Limits) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let writers = (1..=writers).map(|number| Loading::start(hub, number, limits, &stop)).collect();
        Self { stop, writers }
    }

    /// Bounds the updates a second of each writer.
    pub(super) fn set_rate(&self, rate: u64) {
        self.writers.iter().for_each(|writer| writer.rate.store(rate, Ordering::Relaxed));
    }

    /// The least that any of them has unacknowledged now.
    pub(super) fn least_in_flight(&self) -> u64 {
        self.writers.iter().map(|writer| writer.writer.unacknowledged()).min().unwrap_or(0)
    }

    /// What each has acknowledged.
    pub(super) fn acknowledged(&self) -> Vec<u64> {
        self.writers.iter().map(|writer| writer.writer.acknowledged()).collect()
    }

    /// Whether all of them are connected.
    pub(super) fn is_connected(&self) -> bool {
        self.writers.iter().all(|writer| writer.client.is_connected())
    }

    /// Waits until each has more than so many unacknowledged.
    pub(super) fn wait_in_flight(&self, least: u64) -> Result<u64, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let in_flight = self.least_in_flight();
            if in_flight >= least {
                return Ok(in_flight);
            }
            if Instant::now() > deadline {
                return Err(format!("no {least} updates came to be on their way, but {in_flight}"));
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// Waits until each has got an acknowledgement beyond these.
    pub(super) fn wait_beyond(&self, acknowledged: &[u64]) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while self.acknowledged().iter().zip(acknowledged).any(|(now, then)| now <= then) {
            if Instant::now() > deadline {
                return Err(format!("nothing was acknowledged after {acknowledged:?}"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// What was acknowledged so far, while they go on: what was sent is only a bound.
    pub(super) fn journals(&self) -> Vec<Journal> {
        let journal = |loading: &Loading| {
            let acknowledged = loading.writer.acknowledged();
            let sent = acknowledged + loading.writer.unacknowledged() + WINDOW;
            let lives = vec![Life { epoch: loading.writer.epoch(), first: 1 }];
            Journal { lives, sent, acknowledged, ..Journal::new(loading.writer.source()) }
        };
        self.writers.iter().map(journal).collect()
    }

    /// Stops writing, and waits until all is acknowledged.
    pub(super) fn finish(self) -> Result<Vec<Journal>, String> {
        let writers = self.stop_writing();
        writers.into_iter().map(|(loading, journal)| loading.flushed(journal)).collect()
    }

    /// Stops writing, and forgets what is not acknowledged.
    pub(super) fn abandon(self) -> Vec<Journal> {
        let acknowledged = |(loading, mut journal): (Abandoned, Journal)| {
            journal.acknowledged = loading.writer.acknowledged();
            journal
        };
        self.stop_writing().into_iter().map(acknowledged).collect()
    }

    fn stop_writing(self) -> Vec<(Abandoned, Journal)> {
        self.stop.store(true, Ordering::Release);
        let stopped = self.writers.into_iter().map(|Loading { client, writer, thread, .. }| {
            let journal = thread.join().expect("a writer does not panic");
            (Abandoned { client, writer }, journal)
        });
        stopped.collect()
    }
}

/// A writer that writes no more.
struct Abandoned {
    client: Client,
    writer: Arc<Writer>,
}

impl Abandoned {
    fn flushed(self, mut journal: Journal) -> Result<Journal, String> {
        let flushed = self.writer.flush(PATIENCE).map_err(|error| error.to_string())?;
        if flushed.dropped > 0 {
            return Err(format!("{} updates were dropped", flushed.dropped));
        }
        journal.acknowledged = journal.sent;
        drop(self.writer);
        self.client.close(PATIENCE);
        Ok(journal)
    }
}

impl Loading {
    fn start(hub: &str, number: usize, limits: &Limits, stop: &Arc<AtomicBool>) -> Self {
        let name = format!("writer{number}");
        let builder = Client::builder().name(&*name).limits(limits.clone());
        let client = builder.start(hub).expect("the address is one");
        let source = format!("bench{number}/psu");
        let writer = Arc::new(client.writer(&source, logged()).expect("the source is new"));
        let (writing, stopped) = (writer.clone(), stop.clone());
        let rate = Arc::new(AtomicU64::new(u64::MAX));
        let bound = rate.clone();
        let thread = std::thread::spawn(move || write(&writing, &stopped, &bound));
        Self { client, writer, rate, thread }
    }
}

fn write(writer: &Writer, stop: &AtomicBool, rate: &AtomicU64) -> Journal {
    let mut journal = Journal::new(writer.source());
    let (mut since, mut written, mut pace) = (Instant::now(), 0, u64::MAX);
    while !stop.load(Ordering::Acquire) {
        let wanted = rate.load(Ordering::Relaxed);
        if wanted != pace {
            (since, written, pace) = (Instant::now(), 0, wanted);
        }
        let due =
            if pace == u64::MAX { u64::MAX } else { (since.elapsed().as_secs_f64() * pace as f64) as u64 };
        if written >= due || writer.unacknowledged() >= WINDOW {
            std::thread::sleep(Duration::from_micros(500));
            continue;
        }
        for _ in 0..(due - written).min(100) {
            publish(writer, &mut journal);
            written += 1;
        }
    }
    journal
}

/// Publishes the next update of a journal.
pub(super) fn publish(writer: &Writer, journal: &mut Journal) {
    let number = journal.sent + 1;
    let published = writer.set(KEY, content(&journal.source, number)).expect("nobody replaces the writer");
    let sequence = published.expect("each text differs from the one before");
    journal.sent = number;
    if journal.lives.is_empty() || sequence == 1 {
        journal.lives.push(Life { epoch: writer.epoch(), first: number });
    }
}
