//! `logger state`.

use std::io::Write;

use anyhow::Result;
use dict_cli::{Column, Stdout, Table, time, value_text};
use dict_timeline::Reader;
use dict_timeline::export::json;

use crate::arguments::{StateArguments, StateFormat};

pub(crate) fn run(StateArguments { timeline, at, sources, format }: StateArguments) -> Result<()> {
    let states = Reader::open(&timeline.timeline)?.state(at, &sources)?;
    let mut out = Stdout::new();
    match format {
        StateFormat::Jsonl => {
            let mut line = String::new();
            for state in &states {
                line.clear();
                json::write_state(state, &mut line);
                writeln!(out, "{line}")?;
            }
        }
        StateFormat::Table => {
            let mut table = Table::new([
                Column::name("SOURCE"),
                Column::text("ONLINE"),
                Column::quiet("TIME"),
                Column::text("KEY"),
                Column::text("VALUE"),
            ]);
            for state in &states {
                let online = if state.online { "yes" } else { "no" };
                let about = [state.source.to_string(), online.to_owned(), time::format_local(state.time)];
                if state.values.is_empty() {
                    table.row(about.iter().cloned().chain([String::new(), String::new()]));
                }
                for (key, value) in &state.values {
                    table.row(about.iter().cloned().chain([key.to_owned(), value_text(value)]));
                }
            }
            table.write(&mut out)?;
        }
    }
    Ok(out.flush()?)
}
