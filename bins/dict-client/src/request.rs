//! `dict-client request`.

mod comet;

use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};
use dict_cli::config::{Config, Keys};
use dict_cli::{Stdout, UsageError};
use dict_event_loop::client::RequestOptions;
use dict_protocol::dialect::Dialect;
use dict_protocol::link::Link;
use dict_protocol::value::Value;

use crate::arguments::{ConnectionArguments, RequestArguments};
use crate::direct;
use crate::text::{argument, to_json};

/// How an answer of a COMET program begins that says what went wrong.
const ERROR: &str = "Error: ";

pub(crate) fn run(connection: ConnectionArguments, arguments: RequestArguments) -> Result<()> {
    let program = program(&connection, &arguments)?;
    let RequestArguments { action, value, to, timeout, .. } = arguments;
    let depth = connection.limits()?.depth;
    let value = value.map_or(Ok(Value::Null), |text| argument(&text, depth))?;
    let answer = match &program {
        Some(link) => comet::ask(link, &action, &value, timeout)?,
        None => connection.connect()?.request(&action, value, &RequestOptions { to, timeout })?,
    };
    let mut out = Stdout::new();
    writeln!(out, "{}", to_json(&answer))?;
    out.flush()?;
    match program {
        Some(link) if answer.as_str().is_some_and(|text| text.starts_with(ERROR)) => {
            bail!("{link} answered with an error")
        }
        _ => Ok(()),
    }
}

/// The COMET program that is to be asked itself, if it is one and not a hub.
fn program(connection: &ConnectionArguments, arguments: &RequestArguments) -> Result<Option<Link>> {
    let RequestArguments { to, config, .. } = arguments;
    let hub = &connection.hub.hub;
    match (config, to) {
        (Some(path), Some(name)) => find(path, name).map(Some),
        (None, Some(_)) if hub.dialect() == Dialect::Comet => {
            let text = format!("--to is for clients of a hub, and {hub} is one program: leave it out");
            Err(UsageError(text).into())
        }
        (None, None) if hub.dialect() == Dialect::Comet => direct::check(hub).map(|()| Some(hub.clone())),
        _ => Ok(None),
    }
}

/// The program of that name in a file of options.
fn find(path: &Path, name: &str) -> Result<Link> {
    let config = Config::read(path, Keys::LOGGER)?;
    let called = |link: &&Link| link.options().name.as_deref() == Some(name);
    if let Some(link) = config.connect().find(called) {
        return Ok(link.clone());
    }
    let known: Vec<_> = config.connect().filter_map(|link| link.options().name.as_deref()).collect();
    let known = if known.is_empty() { "no program at all".to_owned() } else { known.join(", ") };
    let text = format!("--to {name:?}: {} names {known}", path.display());
    Err(UsageError(text).into())
}
