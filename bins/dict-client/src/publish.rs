//! `dict-client publish`.

mod input;
mod ledger;
mod lines;

use std::time::Duration;

use anyhow::{Result, bail};
use dict_cli::UsageError;
use dict_event_loop::client::{Client, Level, LoggerPresence, WhenFull, WriteError, Writer, WriterOptions};
use dict_protocol::value::{Dictionary, Value};

use crate::PATIENCE;
use crate::arguments::{ConnectionArguments, PublishArguments};
use crate::state::current;
use crate::text::{Pair, value_or_text};

/// How long acknowledgements may take, if nothing more is to come.
const ACKNOWLEDGED: Duration = Duration::from_secs(30);

pub(crate) fn run(connection: ConnectionArguments, arguments: PublishArguments) -> Result<()> {
    let PublishArguments { source, pairs, replace, text, stdin, patch, take_over, ack, spool } = arguments;
    if spool.is_some() {
        let text = "--spool is not supported yet: what is not acknowledged is kept in memory";
        return Err(UsageError(text.to_owned()).into());
    }
    let options = WriterOptions { level: ack.map(Level::from), take_over, when_full: WhenFull::Block };
    let client = connection.connect()?;
    // What is not replaced is kept: it has to be asked for before a new epoch begins without it.
    let kept = if replace || (stdin && !patch) { None } else { current(&client, &source)? };
    let kept = kept.map(|current| current.values).unwrap_or_default();
    if stdin {
        return lines::publish(client, source, options, patch.then_some(kept));
    }
    let writer = begin(&client, &source, options)?;
    writer.publish(&with_pairs(kept, pairs, text))?;
    flush(&client, &writer, ACKNOWLEDGED)?;
    end(&client)
}

/// Begins to write, or says why that cannot be.
fn begin(client: &Client, source: &str, options: WriterOptions) -> Result<Writer> {
    let writer = client.writer(source, options)?;
    writer.wait_announced(PATIENCE)?;
    Ok(writer)
}

fn with_pairs(mut dictionary: Dictionary, pairs: Vec<Pair>, text: bool) -> Dictionary {
    for Pair { key, value } in pairs {
        let value = if text { Value::Text(value) } else { value_or_text(&value) };
        dictionary.insert(key, value);
    }
    dictionary
}

/// Waits until everything is acknowledged.
fn flush(client: &Client, writer: &Writer, timeout: Duration) -> Result<()> {
    match writer.flush(timeout) {
        Ok(flushed) if flushed.dropped > 0 => {
            bail!("{} updates were dropped: nobody has them", flushed.dropped)
        }
        Ok(_) => Ok(()),
        Err(error @ WriteError::TimedOut { .. }) => bail!("{error}{}", why_not(client, writer)),
        Err(error) => Err(error.into()),
    }
}

/// Why nothing may be acknowledged, as far as is known.
fn why_not(client: &Client, writer: &Writer) -> &'static str {
    if !client.is_connected() {
        ": the connection to the hub is lost"
    } else if writer.level() == Some(Level::Logged) && client.logger() != LoggerPresence::Present {
        ": the hub has no logger"
    } else {
        ""
    }
}

/// Ends the source, everything of which is acknowledged, and the connection.
fn end(client: &Client) -> Result<()> {
    match client.close(PATIENCE) {
        0 => Ok(()),
        _ => bail!("everything is acknowledged but that it has ended"),
    }
}
