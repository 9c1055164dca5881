//! `dict-client sources`, `clients` and `status`: what the hub tells of itself; `forget`: what it is to tell no more.

use std::io::Write;

use anyhow::{Context as _, Result};
use dict_cli::{Column, Stdout, Table, time, value_text};
use dict_event_loop::client::RequestOptions;
use dict_protocol::time::Time;
use dict_protocol::value::{Dictionary, Value};

use crate::PATIENCE;
use crate::arguments::ConnectionArguments;

pub(crate) fn sources(connection: ConnectionArguments) -> Result<()> {
    let columns = [
        Column::name("SOURCE"),
        Column::text("ONLINE"),
        Column::text("WRITER"),
        Column::text("LEVEL"),
        Column::number("EPOCH"),
        Column::number("UPDATES"),
        Column::number("KEYS"),
        Column::text("REASON"),
    ];
    list(connection, "$sources", columns, |source| {
        let online = if source.get("online").and_then(Value::as_bool) == Some(true) { "yes" } else { "no" };
        let rest =
            ["writer", "level", "epoch", "sequence", "keys", "reason"].map(|field| text(source, field));
        [text(source, "source"), online.to_owned()].into_iter().chain(rest).collect()
    })
}

pub(crate) fn clients(connection: ConnectionArguments) -> Result<()> {
    let columns = [
        Column::name("CLIENT"),
        Column::text("IDENTITY"),
        Column::text("ADDRESS"),
        Column::text("PRODUCT"),
        Column::quiet("SINCE"),
        Column::number("WRITES"),
        Column::number("SUBSCRIPTIONS"),
        Column::number("QUEUED BYTES"),
    ];
    list(connection, "$clients", columns, |client| {
        let since = client.get("since").and_then(Value::as_i64);
        let since = since.map(|since| time::format_local(Time::from_nanos(since))).unwrap_or_default();
        let rest = ["writes", "subscriptions", "queued"].map(|field| text(client, field));
        let first = ["name", "identity", "address", "product"].map(|field| text(client, field));
        first.into_iter().chain([since]).chain(rest).collect()
    })
}

pub(crate) fn status(connection: ConnectionArguments) -> Result<()> {
    let status = ask(connection, "$status", Value::Null)?;
    let mut out = Stdout::new();
    for (key, value) in status.as_dictionary().into_iter().flatten() {
        writeln!(out, "{key:<12}  {}", plain(value))?;
    }
    Ok(out.flush()?)
}

pub(crate) fn forget(connection: ConnectionArguments, source: String) -> Result<()> {
    ask(connection, "$forget", source.into()).map(drop)
}

/// Prints the list that an action answers with, a row for each item.
fn list<const N: usize>(
    connection: ConnectionArguments,
    action: &str,
    columns: [Column; N],
    row: impl Fn(&Dictionary) -> Vec<String>,
) -> Result<()> {
    let items = ask(connection, action, Value::Null)?;
    let mut table = Table::new(columns);
    for item in items.as_list().into_iter().flatten().filter_map(Value::as_dictionary) {
        table.row(row(item));
    }
    let mut out = Stdout::new();
    table.write(&mut out)?;
    Ok(out.flush()?)
}

fn ask(connection: ConnectionArguments, action: &str, value: Value) -> Result<Value> {
    let options = RequestOptions { timeout: PATIENCE, ..RequestOptions::default() };
    connection.connect()?.request(action, value, &options).context("the hub gives no answer")
}

fn text(item: &Dictionary, field: &str) -> String {
    item.get(field).map(plain).unwrap_or_default()
}

/// A value without the quotes of a text: where every reader knows what it is.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value_text(value), str::to_owned)
}
