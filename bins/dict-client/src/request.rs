//! `dict-client request`.

use std::io::Write;

use anyhow::Result;
use dict_cli::Stdout;
use dict_event_loop::client::RequestOptions;
use dict_protocol::value::Value;

use crate::arguments::{ConnectionArguments, RequestArguments};
use crate::text::{to_json, value_or_text};

pub(crate) fn run(connection: ConnectionArguments, arguments: RequestArguments) -> Result<()> {
    let RequestArguments { action, value, to, timeout } = arguments;
    let value = value.as_deref().map_or(Value::Null, value_or_text);
    let answer = connection.connect()?.request(&action, value, &RequestOptions { to, timeout })?;
    let mut out = Stdout::new();
    writeln!(out, "{}", to_json(&answer))?;
    Ok(out.flush()?)
}
