//! `dict-client send`.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::channel;

use anyhow::{Context as _, Result, bail};
use dict_cli::UsageError;
use dict_event_loop::client::Content;
use dict_protocol::encoding::json;
use dict_protocol::limits::Limits;

use crate::PATIENCE;
use crate::arguments::{ConnectionArguments, SendArguments};

pub(crate) fn run(connection: ConnectionArguments, arguments: &SendArguments) -> Result<()> {
    let content = content(arguments, &connection.limits()?)?;
    let (notices, noticed) = channel();
    let client = connection.connect()?;
    client.on_notice(move |text| drop(notices.send(text.to_owned())));
    client.send(arguments.to.as_deref(), content)?;
    // What the hub has to say about the message it says before it answers this; closing waits for the callback.
    client.ping(PATIENCE)?;
    if arguments.to.is_some() {
        // By that answer the hub had passed the message on; a receiver in its own process that cannot take it says so
        // before the hub answers again.
        client.ping(PATIENCE)?;
    }
    client.close(PATIENCE);
    match noticed.try_recv() {
        Ok(text) => bail!("not sent: {text}"),
        Err(_) => Ok(()),
    }
}

fn content(SendArguments { text, binary, json, .. }: &SendArguments, limits: &Limits) -> Result<Content> {
    match (text, binary, json) {
        (Some(text), _, _) => Ok(Content::Text(text.clone())),
        (_, Some(path), _) => Ok(Content::Binary(read(path, limits)?)),
        (_, _, Some(text)) => json::read(text, limits.depth)
            .map(Content::Value)
            .map_err(|error| UsageError(format!("--json {text:?}: {error}")).into()),
        (None, None, None) => Err(UsageError("there is nothing to send".to_owned()).into()),
    }
}

/// Reads a file, or standard input; of more than a frame may carry, no more than that is known.
fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>> {
    let most = u64::from(limits.body);
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().take(most + 1).read_to_end(&mut bytes)
    } else {
        fs::File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.len() as u64 > most {
        bail!("{} has more than the {most} bytes that a message may (limit body)", path.display());
    }
    Ok(bytes)
}
