//! `dict-client publish --stdin`.

use std::io::{self, Read};
use std::process;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use dict_cli::on_interrupt;
use dict_event_loop::client::{Client, Left, Step, WriteError, Writer, WriterOptions};
use dict_protocol::value::Dictionary;

use super::bookmark::Bookmark;
use super::input::{Lines, Start};
use super::ledger::Ledger;
use super::{begin, end, flush, why_not};

/// How often it is told what is waited for.
const REMINDER: Duration = Duration::from_secs(30);
/// Lines that are published at once, if so many can be had without waiting.
const GROUP: usize = 1_024;

/// Publishes a dictionary a line; to `kept`, if there is such, each line's keys are added. What a spool has `left` of an
/// earlier run is not published again.
///
/// Waits as long as it takes: nothing that was read is given up but by whoever ends the program.
pub(super) fn publish(
    client: Client,
    source: String,
    options: WriterOptions,
    kept: Option<Dictionary>,
    left: Option<Left>,
    depth: usize,
) -> Result<()> {
    let publication = Publication {
        client,
        source,
        options,
        is_patch: kept.is_some(),
        ledger: Mutex::default(),
        writer: OnceLock::new(),
    };
    let publication = Arc::new(publication);
    let interrupted = publication.clone();
    on_interrupt(move || {
        eprintln!("dict-client: interrupted; {}", interrupted.told());
        process::exit(1);
    })?;
    let mut lines = Lines::new(io::stdin().lock(), depth);
    let published = publication.publish(&mut lines, &kept.unwrap_or_default(), left);
    // Also after a bad line: those before it count.
    let acknowledged = publication.wait();
    published.and(acknowledged).map_err(|error| anyhow!("{error:#}; {}", publication.told()))?;
    end(&publication.client)
}

/// What is published, and how far that is; looked at from the thread that hears of Ctrl-C too.
struct Publication {
    client: Client,
    source: String,
    options: WriterOptions,
    /// Each line holds keys to set.
    is_patch: bool,
    /// `None` until it is known where in the input this run begins.
    ledger: Mutex<Option<Ledger>>,
    /// Made for the first line that is to be published: an input without any leaves the source alone.
    writer: OnceLock<Writer>,
}

impl Publication {
    fn publish(&self, lines: &mut Lines<impl Read>, kept: &Dictionary, left: Option<Left>) -> Result<()> {
        let taken =
            left.as_ref().map_or(Ok(Bookmark::default()), |left| Bookmark::from_bytes(&left.bookmark))?;
        let first = match lines.start(&taken)? {
            Start::Empty => None,
            Start::Anew => {
                self.begin_ledger(Ledger::default());
                Some(self.on(kept, lines.dictionary()?))
            }
            Start::After => {
                let left = left.unwrap_or_default();
                self.begin_ledger(Ledger::after(taken.lines, left.unacknowledged));
                self.next_that_differs(lines, &left.dictionary)?
            }
        };
        let Some(first) = first else { return Ok(()) };
        let made = begin(&self.client, &self.source, self.options)?;
        let writer = self.writer.get_or_init(|| made);
        // The first update of an epoch states the whole dictionary.
        let first = Step { dictionary: first, patch: false, bookmark: lines.bookmark().to_bytes() };
        self.publish_rest(writer, lines, first)
    }

    /// What the dictionary `kept` is with a line.
    fn on(&self, kept: &Dictionary, line: Dictionary) -> Dictionary {
        if !self.is_patch {
            return line;
        }
        let mut whole = kept.clone();
        whole.extend(line);
        whole
    }

    /// Goes on after a dictionary: the next one that is another.
    fn next_that_differs(
        &self,
        lines: &mut Lines<impl Read>,
        left: &Dictionary,
    ) -> Result<Option<Dictionary>> {
        while let Some(line) = lines.next()? {
            let dictionary = self.on(left, line);
            if dictionary != *left {
                return Ok(Some(dictionary));
            }
        }
        Ok(None)
    }

    /// Publishes `first` and all lines after it, as many at once as there are.
    fn publish_rest(&self, writer: &Writer, lines: &mut Lines<impl Read>, first: Step) -> Result<()> {
        let mut group = vec![(lines.number(), first)];
        loop {
            if group.len() >= GROUP || !lines.has_more() {
                self.publish_group(writer, &mut group)?;
            }
            match lines.next() {
                Ok(Some(dictionary)) => {
                    let bookmark = lines.bookmark().to_bytes();
                    group.push((lines.number(), Step { dictionary, patch: self.is_patch, bookmark }));
                }
                Ok(None) => return self.publish_group(writer, &mut group),
                Err(error) => return self.publish_group(writer, &mut group).and(Err(error)),
            }
        }
    }

    fn publish_group(&self, writer: &Writer, group: &mut Vec<(u64, Step)>) -> Result<()> {
        let (lines, steps): (Vec<u64>, Vec<Step>) = group.drain(..).unzip();
        let mut ledger = None;
        for (line, published) in lines.into_iter().zip(writer.publish_all(&steps)) {
            let differs = published.with_context(|| format!("line {line}"))?.is_some();
            let ledger = ledger.get_or_insert_with(|| self.ledger());
            ledger.get_or_insert_default().published(line, differs);
        }
        if let Some(ledger) = ledger.as_deref_mut().and_then(Option::as_mut).filter(|ledger| ledger.is_long())
        {
            ledger.acknowledge(writer.unacknowledged());
        }
        Ok(())
    }

    /// Waits until everything is acknowledged.
    fn wait(&self) -> Result<()> {
        let writer = self.writer.get();
        loop {
            match flush(&self.client, writer, REMINDER) {
                Err(error) if matches!(error.downcast_ref(), Some(WriteError::TimedOut { .. })) => {
                    tracing::warn!("waiting: {error}{}", why_not(&self.client, writer));
                }
                done => return done,
            }
        }
    }

    /// Which lines need not be published again.
    fn told(&self) -> String {
        let mut ledger = self.ledger();
        let Some(ledger) = &mut *ledger else { return "this run published nothing".to_owned() };
        ledger.acknowledge(match self.writer.get() {
            Some(writer) => writer.unacknowledged(),
            None => self.client.flush(Duration::ZERO).map_or(u64::MAX, |_| 0),
        });
        match ledger.acknowledged_line() {
            0 => "no line is acknowledged".to_owned(),
            line => format!("the last acknowledged line is {line}"),
        }
    }

    fn begin_ledger(&self, ledger: Ledger) {
        *self.ledger() = Some(ledger);
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Option<Ledger>> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
