//! `dict-client publish`.

mod input;
mod ledger;

use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use dict_cli::UsageError;
use dict_event_loop::client::{Client, Level, LoggerPresence, WhenFull, WriteError, Writer, WriterOptions};
use dict_protocol::value::{Dictionary, Value};

use crate::PATIENCE;
use crate::arguments::{ConnectionArguments, PublishArguments};
use crate::state::current;
use crate::text::{Pair, value_or_text};
use input::Lines;
use ledger::Ledger;

/// How long no acknowledgement may come before the command gives up.
const STALLED: Duration = Duration::from_secs(30);

pub(crate) fn run(connection: ConnectionArguments, arguments: PublishArguments) -> Result<()> {
    let PublishArguments { source, pairs, replace, text, stdin, patch, take_over, ack, spool } = arguments;
    if spool.is_some() {
        return Err(UsageError(
            "--spool is not supported yet: what is not acknowledged is kept in memory".into(),
        )
        .into());
    }
    let client = connection.connect()?;
    // What is not replaced is kept: it has to be asked for before a new epoch begins without it.
    let kept = if replace || (stdin && !patch) { None } else { current(&client, &source)? };
    let kept = kept.map(|current| current.values).unwrap_or_default();
    let options = WriterOptions { level: ack.map(Level::from), take_over, when_full: WhenFull::Block };
    let writer = client.writer(&source, options)?;
    writer.wait_announced(PATIENCE)?;
    if stdin {
        publish_lines(&client, writer, Lines::new(io::stdin().lock()), patch.then_some(kept))?;
    } else {
        writer.publish(&with_pairs(kept, pairs, text))?;
        wait(&client, &writer)?;
        end(writer)?;
    }
    client.close(PATIENCE);
    Ok(())
}

fn with_pairs(mut dictionary: Dictionary, pairs: Vec<Pair>, text: bool) -> Dictionary {
    for Pair { key, value } in pairs {
        let value = if text { Value::Text(value) } else { value_or_text(&value) };
        dictionary.insert(key, value);
    }
    dictionary
}

/// Publishes a dictionary a line; to `kept`, if there is such, each line's keys are added.
fn publish_lines(
    client: &Client,
    writer: Writer,
    mut lines: Lines<impl io::BufRead>,
    kept: Option<Dictionary>,
) -> Result<()> {
    let mut ledger = Ledger::default();
    let published = publish_all(&writer, &mut lines, kept, &mut ledger);
    // Also after a bad line: those before it count.
    let acknowledged = wait(client, &writer);
    ledger.acknowledge(writer.unacknowledged());
    let last = match ledger.acknowledged_line() {
        0 => "no line is acknowledged".to_owned(),
        line => format!("the last acknowledged line is {line}"),
    };
    published.and(acknowledged).map_err(|error| anyhow!("{error:#}; {last}"))?;
    end(writer)
}

fn publish_all(
    writer: &Writer,
    lines: &mut Lines<impl io::BufRead>,
    kept: Option<Dictionary>,
    ledger: &mut Ledger,
) -> Result<()> {
    let is_patch = kept.is_some();
    // The first update of an epoch states the whole dictionary.
    let mut whole = kept;
    while let Some(dictionary) = lines.next()? {
        let published = match whole.take() {
            Some(mut whole) => {
                whole.extend(dictionary);
                writer.publish(&whole)
            }
            None if is_patch => writer.patch(&dictionary, &[]),
            None => writer.publish(&dictionary),
        };
        let published = published.with_context(|| format!("line {}", lines.number()))?;
        ledger.published(lines.number(), published.is_some());
        if ledger.is_long() {
            ledger.acknowledge(writer.unacknowledged());
        }
    }
    Ok(())
}

/// Waits until everything is acknowledged, as long as acknowledgements come.
fn wait(client: &Client, writer: &Writer) -> Result<()> {
    let (mut least, mut since) = (u64::MAX, Instant::now());
    loop {
        match writer.flush(Duration::from_secs(1)) {
            Ok(flushed) if flushed.dropped > 0 => {
                bail!("{} updates were dropped: nobody has them", flushed.dropped)
            }
            Ok(_) => return Ok(()),
            Err(WriteError::TimedOut { unacknowledged, .. }) if unacknowledged < least => {
                (least, since) = (unacknowledged, Instant::now());
            }
            Err(WriteError::TimedOut { unacknowledged, .. }) if since.elapsed() >= STALLED => {
                let why = match client.logger() {
                    _ if !client.is_connected() => "the connection to the hub is lost",
                    LoggerPresence::Present => "none came for long",
                    LoggerPresence::Never | LoggerPresence::Away => "the hub has no logger",
                };
                bail!("{unacknowledged} updates are not acknowledged: {why}");
            }
            Err(WriteError::TimedOut { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Ends the source, everything of which is acknowledged.
fn end(writer: Writer) -> Result<()> {
    writer.end(PATIENCE).context("all is acknowledged but the end of it")?;
    Ok(())
}
