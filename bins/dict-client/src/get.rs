//! `dict-client get`.

use std::io::Write;

use anyhow::{Result, bail};
use dict_cli::Stdout;
use dict_timeline::State;
use dict_timeline::export::json;

use crate::arguments::{ConnectionArguments, GetArguments};
use crate::state::{Current, current};
use crate::text::to_json;

pub(crate) fn run(
    connection: ConnectionArguments,
    GetArguments { source, key }: &GetArguments,
) -> Result<()> {
    let Some(Current { online, time, values }) = current(&connection.connect()?, source)? else {
        bail!("there is no source {source:?} on this hub");
    };
    let mut line = String::new();
    match key.as_deref().map(|key| (key, values.get(key))) {
        Some((_, Some(value))) => line = to_json(value),
        Some((key, None)) => bail!("{source:?} has no key {key:?}"),
        None => json::write_state(&State { source: source.as_str().into(), online, time, values }, &mut line),
    }
    let mut out = Stdout::new();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
