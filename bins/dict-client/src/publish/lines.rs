//! `dict-client publish --stdin`.

use std::io::{self, BufRead};
use std::process;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use dict_cli::on_interrupt;
use dict_event_loop::client::{Client, WriteError, Writer, WriterOptions};
use dict_protocol::value::Dictionary;

use super::input::Lines;
use super::ledger::Ledger;
use super::{begin, end, flush, why_not};

/// How often it is told what is waited for.
const REMINDER: Duration = Duration::from_secs(30);

/// Publishes a dictionary a line; to `kept`, if there is such, each line's keys are added.
///
/// Waits as long as it takes: nothing that was read is given up but by whoever ends the program.
pub(super) fn publish(
    client: Client,
    source: String,
    options: WriterOptions,
    kept: Option<Dictionary>,
) -> Result<()> {
    let publication =
        Arc::new(Publication { client, source, options, ledger: Mutex::default(), writer: OnceLock::new() });
    let interrupted = publication.clone();
    on_interrupt(move || {
        eprintln!("dict-client: interrupted; {}", interrupted.told());
        process::exit(1);
    })?;
    let published = publication.publish(&mut Lines::new(io::stdin().lock()), kept);
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
    ledger: Mutex<Ledger>,
    /// Made for the first line: an input without any leaves the source alone.
    writer: OnceLock<Writer>,
}

impl Publication {
    fn publish(&self, lines: &mut Lines<impl BufRead>, kept: Option<Dictionary>) -> Result<()> {
        let Some(mut first) = lines.next()? else { return Ok(()) };
        let is_patch = kept.is_some();
        if let Some(mut kept) = kept {
            // The first update of an epoch states the whole dictionary.
            kept.extend(first);
            first = kept;
        }
        let made = begin(&self.client, &self.source, self.options)?;
        let writer = self.writer.get_or_init(|| made);
        self.account(writer, lines.number(), writer.publish(&first))?;
        while let Some(dictionary) = lines.next()? {
            let published =
                if is_patch { writer.patch(&dictionary, &[]) } else { writer.publish(&dictionary) };
            self.account(writer, lines.number(), published)?;
        }
        Ok(())
    }

    fn account(&self, writer: &Writer, line: u64, published: Result<Option<u64>, WriteError>) -> Result<()> {
        let published = published.with_context(|| format!("line {line}"))?;
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.published(line, published.is_some());
        if ledger.is_long() {
            ledger.acknowledge(writer.unacknowledged());
        }
        Ok(())
    }

    /// Waits until everything is acknowledged.
    fn wait(&self) -> Result<()> {
        let Some(writer) = self.writer.get() else { return Ok(()) };
        loop {
            match writer.flush(REMINDER) {
                Err(WriteError::TimedOut { unacknowledged, .. }) => {
                    tracing::warn!(
                        "waiting for {unacknowledged} updates to be acknowledged{}",
                        why_not(&self.client, writer)
                    );
                }
                _ => return flush(&self.client, writer, REMINDER),
            }
        }
    }

    /// Which lines need not be published again.
    fn told(&self) -> String {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = self.writer.get() {
            ledger.acknowledge(writer.unacknowledged());
        }
        match ledger.acknowledged_line() {
            0 => "no line is acknowledged".to_owned(),
            line => format!("the last acknowledged line is {line}"),
        }
    }
}
