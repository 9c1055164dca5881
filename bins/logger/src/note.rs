//! `logger note`.

use std::time::Duration;

use anyhow::{Context as _, Result};
use dict_cli::Role;
use dict_event_loop::client::{Client, RequestOptions};
use dict_protocol::value::Value;

use crate::arguments::NoteArguments;

/// How long loggers may take to have it on disk.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn run(NoteArguments { text, hub, limits }: NoteArguments) -> Result<()> {
    let product = concat!("logger ", env!("CARGO_PKG_VERSION"));
    let limits = dict_cli::limits(Role::Client, &limits.limits)?;
    let hub = hub.native()?;
    let client = Client::builder().name("note").product(product).limits(limits);
    let client = client.credentials(dict_cli::token_for(&hub)?).connect(hub)?;
    let options = RequestOptions { timeout: TIMEOUT, ..RequestOptions::default() };
    client.request("$note", Value::from(text), &options).context("not noted")?;
    client.close(Duration::from_secs(1));
    Ok(())
}
