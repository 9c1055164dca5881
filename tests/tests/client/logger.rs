//! What is to be logged, with a logger made by hand: it keeps what it is sent in memory and acknowledges when told to.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use dict_event_loop::client::{Level, LoggerPresence, WhenFull, WriterOptions};
use dict_event_loop::{Clock, random_id};
use dict_protocol::limits::Limits;
use dict_protocol::packet::{Ack, Mode, Resume};
use dict_protocol::pattern::Pattern;
use dict_protocol::session::{Event, Session, Settings};

use super::support::{A_WHILE, Hub, SOON, eventually};

/// Runs until it is dropped.
pub(super) struct Logger {
    stop: Arc<AtomicBool>,
    running: Option<JoinHandle<HashMap<u32, Vec<u64>>>>,
}

impl Logger {
    pub(super) fn new(hub: &Hub) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stream = TcpStream::connect(&hub.address).unwrap();
        let stopped = stop.clone();
        Self { stop, running: Some(std::thread::spawn(move || log(stream, &stopped))) }
    }

    /// Ends it; what it was sent: sequences by source.
    pub(super) fn stop(mut self) -> HashMap<u32, Vec<u64>> {
        self.stop.store(true, Ordering::Release);
        self.running.take().unwrap().join().unwrap()
    }
}

fn log(mut stream: TcpStream, stop: &AtomicBool) -> HashMap<u32, Vec<u64>> {
    let mut session = Session::new(Settings {
        name: "logger".to_owned(),
        product: String::new(),
        credentials: String::new(),
        client_id: random_id(),
        limits: Limits::default(),
    });
    session.subscribe(Pattern::all(), Mode::Durable, Duration::ZERO).unwrap();
    session.connected(Clock::now());
    let mut held: HashMap<u32, Vec<u64>> = HashMap::new();
    let mut buffer = vec![0; 65_536];
    stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    while !stop.load(Ordering::Acquire) {
        let length = match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(_) => 0,
        };
        let mut resumes = Vec::new();
        let mut acks = HashMap::new();
        session.receive(Clock::now(), &buffer[..length], &mut |event| match event {
            Event::Source(source) if !held.contains_key(&source.id) => {
                held.insert(source.id, Vec::new());
                resumes.push(Resume {
                    source: source.id,
                    after: 0,
                    highest: source.epoch,
                    updates: 0,
                    bytes: 0,
                });
            }
            Event::Update(update) => {
                held.get_mut(&update.source).unwrap().push(update.sequence);
                acks.insert(update.source, update.sequence);
            }
            Event::State(state) => {
                held.get_mut(&state.source).unwrap().push(state.sequence);
                acks.insert(state.source, state.sequence);
            }
            _ => {}
        });
        resumes.into_iter().for_each(|resume| assert!(session.resume(resume)));
        acks.into_iter()
            .for_each(|(source, sequence)| assert!(session.acknowledge(Ack { source, sequence })));
        session.handle_timeout(Clock::now(), &mut |_| ());
        stream.write_all(session.output()).unwrap();
        session.wrote(session.output().len());
    }
    held
}

#[test]
fn what_a_logger_holds_is_acknowledged() {
    let hub = Hub::new();
    let logger = Logger::new(&hub);
    let client = hub.client("writer");
    eventually(|| client.logger() == LoggerPresence::Present);
    let writer = client.writer("a", WriterOptions::default()).unwrap();
    for n in 1..=5_000 {
        writer.set("n", n).unwrap();
    }
    let flushed = writer.flush(SOON).unwrap();
    assert_eq!(writer.level(), Some(Level::Logged));
    assert_eq!((flushed.acknowledged, flushed.dropped), (5_000, 0));
    let held = logger.stop();
    assert_eq!(held.into_values().collect::<Vec<_>>(), [(1..=5_000).collect::<Vec<_>>()]);
    eventually(|| client.logger() == LoggerPresence::Away);
}

#[test]
fn a_logger_that_comes_later_gets_everything_that_is_kept() {
    let hub = Hub::new();
    let limits = Limits { spool_updates: 1_000, ..Limits::default() };
    let client = hub.builder("writer").limits(limits).connect(&hub.address).unwrap();
    let options =
        WriterOptions { level: Some(Level::Logged), when_full: WhenFull::Block, ..Default::default() };
    let writer = client.writer("a", options).unwrap();
    let writing = std::thread::spawn(move || {
        for n in 1..=5_000 {
            writer.set("n", n).unwrap();
        }
        writer
    });
    std::thread::sleep(A_WHILE);
    assert!(!writing.is_finished(), "it waits for room");
    let logger = Logger::new(&hub);
    let writer = writing.join().unwrap();
    let flushed = writer.flush(SOON).unwrap();
    assert_eq!((flushed.acknowledged, flushed.dropped), (5_000, 0));
    assert_eq!(logger.stop().into_values().collect::<Vec<_>>(), [(1..=5_000).collect::<Vec<_>>()]);
}

#[test]
fn what_was_dropped_is_reported() {
    let hub = Hub::new();
    let limits = Limits { spool_updates: 160, ..Limits::default() };
    let client = hub.builder("writer").limits(limits).connect(&hub.address).unwrap();
    let writer =
        client.writer("a", WriterOptions { level: Some(Level::Logged), ..Default::default() }).unwrap();
    for n in 1..=1_000 {
        writer.set("n", n).unwrap();
    }
    let dropped = writer.dropped();
    assert!((840..860).contains(&dropped), "{dropped}");
    let logger = Logger::new(&hub);
    let flushed = writer.flush(SOON).unwrap();
    assert_eq!((flushed.acknowledged, flushed.dropped), (1_000, dropped));
    assert_eq!(logger.stop().into_values().collect::<Vec<_>>(), [(dropped..=1_000).collect::<Vec<_>>()]);
}
