//! Lets the faults of `tests/FAULTS.md` happen, and tells whether what is promised holds.
#![allow(clippy::print_stdout, reason = "what it finds is for whoever runs it")]

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use dictwire_tests::faults::{ATTACK, Miss, ROWS, Row, Setting, children};

/// Let faults happen, and tell for each whether what is promised holds
///
/// Exits with 1 if something does not.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rows of the table in tests/FAULTS.md [default: all but the soak]
    #[arg(value_name = "ROW")]
    rows: Vec<u8>,
    /// How often each fault happens, in rows that repeat it
    #[arg(long, value_name = "N")]
    times: Option<usize>,
    /// In the form of some seconds that `cargo test` has
    #[arg(long)]
    short: bool,
    /// How long the soak (row 24) takes
    #[arg(long, value_name = "N", default_value_t = 20.0)]
    minutes: f64,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Attack a hub with all of rows 15, 17 to 20 and 22 at once, while ordinary clients work
    Attack,
    /// Do a part of a row in a process of its own
    #[command(subcommand, hide = true)]
    Child(children::Task),
}

/// Only runs where it is asked for.
const SOAK: u8 = 24;

fn main() -> ExitCode {
    let Arguments { rows, times, short, minutes, command } = Arguments::parse();
    if let Some(Command::Child(task)) = command {
        children::run(task);
        return ExitCode::SUCCESS;
    }
    let soak = Duration::from_secs_f64(minutes * 60.0);
    let program = std::env::current_exe().expect("a program knows where it is");
    let setting = Setting { times, short, soak, program };
    if let Some(Command::Attack) = command {
        return if holds(&ATTACK, &setting) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if let Some(unknown) = rows.iter().find(|number| ROWS.iter().all(|row| row.number != **number)) {
        let known: Vec<String> = ROWS.iter().map(|row| row.number.to_string()).collect();
        eprintln!("there is no row {unknown}: there are {}", known.join(", "));
        return ExitCode::from(2);
    }
    let wanted = |row: &&Row| if rows.is_empty() { row.number != SOAK } else { rows.contains(&row.number) };
    let broken = ROWS.iter().filter(wanted).filter(|row| !holds(row, &setting)).count();
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a row, and prints its line.
fn holds(row: &Row, setting: &Setting) -> bool {
    let started = Instant::now();
    let outcome = catch_unwind(|| (row.run)(setting));
    let (verdict, told) = match outcome {
        Ok(Ok(figure)) => ("pass", figure),
        Ok(Err(miss @ Miss::LeftOut(_))) => ("left out", miss.to_string()),
        Ok(Err(miss @ Miss::Broken(_))) => ("FAIL", miss.to_string()),
        Err(_) => ("FAIL", "it panicked, as told above".to_owned()),
    };
    let took = started.elapsed().as_secs();
    let name = if row.number == ATTACK.number { "attack".to_owned() } else { format!("{:>2}", row.number) };
    println!("{name} | {} | {told} | {verdict} | {took} s", row.fault);
    verdict != "FAIL"
}
