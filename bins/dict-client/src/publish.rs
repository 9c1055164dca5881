//! `dict-client publish`.

mod bookmark;
mod input;
mod ledger;
mod lines;

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use dict_cli::UsageError;
use dict_event_loop::client::{
    Client, Durability, Left, Level, LoggerPresence, WatchError, WhenFull, WriteError, Writer, WriterOptions,
};
use dict_protocol::value::{Dictionary, Value};

use crate::PATIENCE;
use crate::arguments::{Ack, ConnectionArguments, PublishArguments};
use crate::state::current;
use crate::text::{self, Pair};

/// How long acknowledgements may take, if nothing more is to come.
const ACKNOWLEDGED: Duration = Duration::from_secs(30);

pub(crate) fn run(connection: ConnectionArguments, arguments: PublishArguments) -> Result<()> {
    let PublishArguments { source, pairs, replace, text, stdin, patch, take_over, ack, spool } = arguments;
    if spool.is_some() && matches!(ack, Some(Ack::None | Ack::Received)) {
        let text =
            "--spool keeps each update until every logger has it: leave --ack out, or say --ack logged";
        return Err(UsageError(text.to_owned()).into());
    }
    let options = WriterOptions { level: ack.map(Level::from), take_over, when_full: WhenFull::Block };
    let kept_in = spool.as_ref().map_or_else(String::new, |file| {
        format!("; they are kept in {}, and sent when publish is run with it again", file.display())
    });
    let depth = connection.limits()?.depth;
    // Before anything is asked: what is wrong with the command line the hub need not know.
    let pairs = values(pairs, text, depth)?;
    let client = connection.connect_as(|client| match spool {
        Some(file) => client.spool_with(file, Durability::Power),
        None => client,
    })?;
    let left = client.left(&source);
    // What is not replaced is kept: it has to be asked for before a new epoch begins without it.
    let kept =
        if replace || (stdin && !patch) { Dictionary::new() } else { kept(&client, &source, left.as_ref())? };
    if stdin {
        return lines::publish(client, source, options, patch.then_some(kept), left, depth);
    }
    let writer = begin(&client, &source, options)?;
    let mut dictionary = kept;
    dictionary.extend(pairs);
    writer.publish(&dictionary)?;
    flush(&client, Some(&writer), ACKNOWLEDGED).map_err(|error| match error.downcast_ref() {
        Some(WriteError::TimedOut { .. }) => anyhow!("{error}{}{kept_in}", why_not(&client, Some(&writer))),
        _ => error,
    })?;
    end(&client)
}

/// The source's dictionary: as a spool has it, where that is still on its way, else as the hub does.
fn kept(client: &Client, source: &str, left: Option<&Left>) -> Result<Dictionary> {
    if let Some(left) = left.filter(|left| left.unacknowledged > 0) {
        return Ok(left.dictionary.clone());
    }
    let current = current(client, source).map_err(|error| match error.downcast_ref() {
        Some(WatchError::Refused { .. }) => {
            anyhow!("{error}; publish reads what is there first: it takes the right read, or --replace")
        }
        _ => error,
    })?;
    Ok(current.map(|current| current.values).unwrap_or_default())
}

/// Begins to write, or says why that cannot be.
fn begin(client: &Client, source: &str, options: WriterOptions) -> Result<Writer> {
    let writer = client.writer(source, options)?;
    writer.wait_announced(PATIENCE)?;
    Ok(writer)
}

fn values(pairs: Vec<Pair>, as_text: bool, depth: usize) -> Result<Dictionary, UsageError> {
    let value = |text: String| if as_text { Ok(Value::Text(text)) } else { text::argument(&text, depth) };
    pairs.into_iter().map(|Pair { key, value: text }| Ok((key, value(text)?))).collect()
}

/// Waits until everything is acknowledged, what a spool had left of other sources too.
fn flush(client: &Client, writer: Option<&Writer>, timeout: Duration) -> Result<()> {
    let waited = writer.map_or(Ok(()), |writer| writer.flush(timeout).map(drop));
    match waited.and_then(|()| client.flush(timeout))? {
        0 => Ok(()),
        dropped => bail!("{dropped} updates were dropped: nobody has them"),
    }
}

/// Why nothing may be acknowledged, as far as is known.
fn why_not(client: &Client, writer: Option<&Writer>) -> &'static str {
    let level = writer.map_or(Some(Level::Logged), Writer::level);
    if !client.is_connected() {
        ": the connection to the hub is lost"
    } else if level == Some(Level::Logged) && client.logger() != LoggerPresence::Present {
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
