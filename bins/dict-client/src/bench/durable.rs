//! `dict-client bench durable`: updates that a logger has on disk.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use dict_event_loop::Clock;
use dict_protocol::dictionary;
use dict_protocol::packet::{Level, LoggerPresence};
use dict_protocol::session::{Event, Session, WriterId};
use dict_protocol::time::Instant;
use dict_protocol::value::{Dictionary, Value};
use dict_protocol::writer::{WhenFull, Writer, WriterChange, WriterOptions};

use super::arguments::{DurableArguments, Format};
use super::connection::{Connection, Hub, MUCH};
use super::report::{self, Times};

/// Bytes that gather before they are written.
const BATCH: usize = 32 << 10;

/// Sources that are begun, or ended, at once.
const AT_ONCE: usize = 1_000;

/// How long acknowledgements may take, if none comes.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(hub: &Hub, arguments: &DurableArguments, format: Format) -> Result<()> {
    let DurableArguments { writers, sources, keys, seconds, messages, in_flight } = *arguments;
    if writers > sources {
        bail!(dict_cli::UsageError(format!(
            "--writers {writers}: each takes a source, and --sources is {sources}"
        )));
    }
    let prefix = super::new_prefix();
    let mut programs = all_at_once(0..writers, |writer| {
        let own = (writer..sources).step_by(writers as usize).map(|number| format!("{prefix}{number}"));
        Program::begin(hub, own, keys, (in_flight / u64::from(writers)).max(1))
    })?;
    let started = Clock::instant();
    let until = if messages.is_some() { None } else { Some(started + seconds) };
    let stop = AtomicBool::new(false);
    all_at_once(&mut programs, |program| {
        let written = program.write(messages.unwrap_or(u64::MAX), until, &stop);
        written.inspect_err(|_| stop.store(true, Ordering::Relaxed))
    })?;
    let time = Clock::instant().since(started);

    let mut times = Times::new();
    let mut acknowledged = 0;
    for program in &programs {
        times.add_all(&program.times);
        acknowledged += program.acknowledged;
    }
    let figures = dictionary! {
        "acknowledged_per_second" => report::per_second(acknowledged, time),
        "acknowledged" => acknowledged,
        "p50_us" => times.microseconds(0.5),
        "p99_us" => times.microseconds(0.99),
        "max_us" => times.microseconds(1.0),
        "seconds" => report::seconds(time),
    };
    report::print(figures, format)?;
    all_at_once(programs, Program::finish)?;
    hub.forget((0..sources).map(|number| format!("{prefix}{number}")))
}

/// Has each of many do something in a thread of its own: of a program that waited for the others the hub would hear nothing,
/// and take it for dead.
fn all_at_once<I: Send, T: Send>(
    each: impl IntoIterator<Item = I>,
    work: impl Fn(I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let work = &work;
    thread::scope(|scope| {
        let threads = each.into_iter().map(|one| scope.spawn(move || work(one))).collect::<Vec<_>>();
        threads.into_iter().map(|thread| thread.join().expect("writers do not panic")).collect()
    })
}

/// A program that writes several sources on one connection.
struct Program {
    connection: Connection,
    sources: Vec<Source>,
    keys: Vec<String>,
    in_flight: u64,
    /// Updates that were published, after the first of each source.
    published: u64,
    acknowledged: u64,
    times: Times,
}

struct Source {
    id: WriterId,
    name: String,
    newest: u64,
    acknowledged: u64,
    /// When each update that is not acknowledged was published.
    waiting: VecDeque<Instant>,
}

impl Program {
    /// Begins all sources, with update 1 acknowledged.
    fn begin(hub: &Hub, names: impl Iterator<Item = String>, keys: u32, in_flight: u64) -> Result<Self> {
        let mut connection = hub.connect(MUCH)?;
        ensure!(
            connection.session.logger() == LoggerPresence::Present,
            "the hub {} has no logger, so nothing is ever acknowledged as logged: start one (logger --connect HOST), or \
             measure the hub alone with bench throughput",
            hub.link
        );
        let keys: Vec<_> = (0..keys).map(|key| format!("key{key}")).collect();
        let dictionary: Dictionary = keys.iter().map(|key| (key.as_str(), 0.0)).collect();
        let options = WriterOptions {
            level: Some(Level::Logged),
            when_full: WhenFull::Block,
            ..WriterOptions::default()
        };
        let mut sources = Vec::new();
        let mut names = names.peekable();
        while names.peek().is_some() {
            let begun = sources.len();
            for name in names.by_ref().take(AT_ONCE) {
                let id = connection.session.add_writer(Clock::now(), &name, options)?;
                connection.session.publish(Clock::now(), id, &dictionary)?;
                sources.push(Source { id, name, newest: 1, acknowledged: 1, waiting: VecDeque::new() });
            }
            wait(&mut connection, &sources[begun..], |writer| writer.acknowledged() == 1)?;
        }
        Ok(Self { connection, sources, keys, in_flight, published: 0, acknowledged: 0, times: Times::new() })
    }

    /// Publishes `count` updates, or until that time, one source after the other, and waits until all are acknowledged.
    fn write(&mut self, count: u64, until: Option<Instant>, stop: &AtomicBool) -> Result<()> {
        let mut heard = Clock::instant();
        loop {
            let now = Clock::now();
            let is_over = self.published >= count || until.is_some_and(|until| now.instant >= until);
            if is_over && self.acknowledged == self.published {
                return Ok(());
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let room = (self.in_flight + self.acknowledged - self.published).min(count - self.published);
            let before = self.acknowledged;
            if is_over || room == 0 {
                self.receive(true)?;
            } else {
                for _ in 0..room {
                    self.publish(now)?;
                    if self.connection.session.output().len() >= BATCH {
                        break;
                    }
                }
                self.connection.flush()?;
                self.receive(false)?;
            }
            if self.acknowledged > before {
                heard = now.instant;
            } else if now.instant.since(heard) > PATIENCE {
                let missing = self.published - self.acknowledged;
                bail!("{missing} updates are not acknowledged as logged after {} s", PATIENCE.as_secs());
            }
        }
    }

    fn publish(&mut self, now: dict_protocol::time::Now) -> Result<()> {
        let place = self.published as usize % self.sources.len();
        let source = &mut self.sources[place];
        let key = &self.keys[source.newest as usize % self.keys.len()];
        source.newest += 1;
        let value = Value::Float(source.newest as f64);
        let published = self.connection.session.patch(now, source.id, [(key.as_str(), &value)], [])?;
        ensure!(published == Some(source.newest), "update {} of {} was not made", source.newest, source.name);
        source.waiting.push_back(now.instant);
        self.published += 1;
        Ok(())
    }

    /// Takes in what came; where nothing did, waits for it.
    fn receive(&mut self, waits: bool) -> Result<()> {
        let Self { connection, sources, times, acknowledged, .. } = self;
        let now = &mut None;
        let take = |event: &Event<'_>| {
            let Event::Writer { writer, change: WriterChange::Acknowledged { sequence } } = *event else {
                return;
            };
            // Writers are numbered in the order in which they were added.
            let Ok(place) = sources.binary_search_by_key(&writer, |source| source.id) else { return };
            let source = &mut sources[place];
            let count = sequence.saturating_sub(source.acknowledged);
            let now = *now.get_or_insert_with(Clock::instant);
            for published in source.waiting.drain(..(count as usize).min(source.waiting.len())) {
                times.add(now.since(published).as_nanos() as u64);
            }
            source.acknowledged += count;
            *acknowledged += count;
        };
        if waits { connection.receive(take) } else { connection.receive_ready(take) }.map(drop)
    }

    fn finish(mut self) -> Result<()> {
        for sources in self.sources.chunks(AT_ONCE) {
            for source in sources {
                self.connection.session.end_writer(Clock::now(), source.id)?;
            }
            wait(&mut self.connection, sources, Writer::is_done)?;
        }
        self.connection.close()
    }
}

/// Waits until something is so for the writers of all these sources; what was so stays so.
fn wait(connection: &mut Connection, sources: &[Source], done: impl Fn(&Writer) -> bool) -> Result<()> {
    let mut left = sources.iter().peekable();
    let is_done = |session: &Session| {
        while left.next_if(|source| session.writer(source.id).is_none_or(&done)).is_some() {}
        left.peek().is_none()
    };
    connection.wait_within(PATIENCE, is_done, |_| ())
}
