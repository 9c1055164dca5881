//! Runs other servers and Dictwire in turn on the same work, and prints how they compare: see BENCHMARKS.md.

#![forbid(unsafe_code)]

mod durable;
mod frozen;
mod idle;
mod latency;
mod machine;
mod ours;
mod peers;
mod processors;
mod reading;
mod rows;
mod server;
mod table;
mod threads;
mod throughput;
mod trouble;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum, value_parser};
use dict_cli::{Stop, UsageError};
use serde_json::{Map, Value, json};

use machine::Machine;
use peers::Peer;
use rows::{Row, Scale, rows};
use table::Measured;

/// Run other servers and Dictwire in turn on the same work, and print how they compare
///
/// Servers that are not installed are named and left out. Exits with 1 if something failed; a target that is missed is
/// no failure.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rows of the table: relay, fan-in, fan-out, round-trip, round-trip-1, durable-10, durable-60, idle, frozen, read-page,
    /// read-state, read-export, file-size [default: all]
    #[arg(value_name = "ROW")]
    rows: Vec<String>,
    /// How often everything runs, one after the other; the median counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// In a form of some seconds, which shows that it works; the figures mean nothing
    #[arg(long)]
    short: bool,
    /// Where durable runs, and the timeline that is read, have their files: on the disk that is meant, not in memory
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    dir: PathBuf,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for each figure, for people
    Table,
    /// One JSON object
    Json,
}

/// How the names of rows begin that have files.
const ON_DISK: [&str; 3] = ["durable", "read", "file"];
/// Idle connections, where the system allows as many.
const IDLE: u32 = 8_000;
const IDLE_SHORT: u32 = 200;
/// Open files besides those connections.
const OTHER_FILES: u64 = 200;

fn main() -> ExitCode {
    dict_cli::run("compare", run)
}

fn run(arguments: Arguments) -> Result<()> {
    let machine = Machine::new(&arguments.dir)?;
    let connections = idle_connections(if arguments.short { IDLE_SHORT } else { IDLE });
    let scale = Scale { short: arguments.short, place: arguments.dir, connections };
    let wanted = choose(rows(&scale), &arguments.rows)?;
    if wanted.iter().any(|row| ON_DISK.iter().any(|part| row.name.starts_with(part))) {
        machine.check_disk()?;
    }
    let head = json!({
        "machine": machine.as_json(),
        "versions": versions(),
        "settings": settings(),
        "rounds": arguments.rounds,
        "in_flight": { "throughput": throughput::IN_FLIGHT, "durable": durable::IN_FLIGHT },
        "short": arguments.short,
        "optimised": !cfg!(debug_assertions),
    });
    let stop = Stop::on_interrupt()?;
    let mut measured = Vec::new();
    for row in wanted {
        measured.push(measure(row, &scale, arguments.rounds, &stop)?);
    }
    match arguments.format {
        Format::Table => table::print_table(&head, &machine, &measured)?,
        Format::Json => table::print_json(head, &measured)?,
    }
    if measured.iter().any(Measured::has_failed) {
        bail!("something could not be measured, as told in the table");
    }
    Ok(())
}

fn choose(rows: Vec<Row>, names: &[String]) -> Result<Vec<Row>> {
    if let Some(unknown) = names.iter().find(|name| rows.iter().all(|row| row.name != **name)) {
        let known: Vec<_> = rows.iter().map(|row| row.name).collect();
        return Err(UsageError(format!("there is no row {unknown}: there are {}", known.join(", "))).into());
    }
    Ok(rows.into_iter().filter(|row| names.is_empty() || names.iter().any(|name| name == row.name)).collect())
}

/// Runs all parts of a row, one after the other, as often as there are rounds.
fn measure(row: Row, scale: &Scale, rounds: u32, stop: &Stop) -> Result<Measured> {
    let mut figures: Vec<Vec<trouble::Result<f64>>> = row.parts.iter().map(|_| Vec::new()).collect();
    for round in 1..=rounds {
        for (part, figures) in row.parts.iter().zip(&mut figures) {
            if stop.within(Duration::ZERO) {
                bail!("interrupted");
            }
            // What failed once is not tried again.
            if figures.iter().all(std::result::Result::is_ok) {
                eprintln!("{}, round {round} of {rounds}: {}", row.name, part.name);
                figures.push((part.run)(scale));
            }
        }
    }
    Ok(Measured { row, figures })
}

/// As many of `wanted` idle connections as the system lets this program, and each server that it starts, have.
fn idle_connections(wanted: u32) -> u32 {
    let needed = u64::from(wanted) + OTHER_FILES;
    let Some(allowed) = dict_cli::raise_open_files(needed).filter(|allowed| *allowed < needed) else {
        return wanted;
    };
    let fewer = u32::try_from(allowed.saturating_sub(OTHER_FILES)).unwrap_or(wanted).max(1);
    eprintln!(
        "a process may have {allowed} files open here: {fewer} idle connections instead of {wanted} (ulimit -Hn)"
    );
    fewer
}

/// The version of each server, or that it is not there.
fn versions() -> Map<String, Value> {
    let told = Peer::SERVERS.map(|peer| {
        let version = peer.version().unwrap_or_else(|trouble| trouble.to_string());
        (peer.name().to_owned(), version.into())
    });
    let own = ("Dictwire".to_owned(), env!("CARGO_PKG_VERSION").into());
    told.into_iter().chain([own]).collect()
}

/// How each server is set, besides where it listens and has its files.
fn settings() -> Map<String, Value> {
    Peer::ALL.map(|peer| (peer.name().to_owned(), peer.settings().into())).into_iter().collect()
}
