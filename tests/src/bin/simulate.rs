//! Runs the simulation over as many seeds as wished, or over one with its trace; see `dictwire_tests::simulation`.
//!
//! ```text
//! cargo run --release -p dictwire-tests --bin simulate -- --seeds 10000 --from 2000
//! cargo run --release -p dictwire-tests --bin simulate -- --seed 17
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what it finds is what it is for")]

use std::env;
use std::process::ExitCode;
use std::time::Instant;

use dictwire_tests::simulation::{self, Failure, Outcome};

const USAGE: &str = "usage: simulate [--seeds COUNT] [--from SEED] [--lines COUNT]
       simulate --seed SEED [--lines COUNT]

Lets seeds 0 to 9999, or those asked for, happen; prints what failed, the last lines of the first failure's trace
(200, or as many as asked for) and how often what happened. Ends with 1 if a seed failed or something never happened.";

/// What is asked for.
struct Options {
    seed: Option<u64>,
    seeds: u64,
    from: u64,
    lines: usize,
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let seeds = match options.seed {
        Some(seed) => seed..seed + 1,
        None => options.from..options.from + options.seeds,
    };
    let started = Instant::now();
    let Outcome { coverage, failures } = simulation::run_all(seeds.clone());
    println!("{} seeds in {:.1} s:\n{coverage}", seeds.end - seeds.start, started.elapsed().as_secs_f64());
    if let Some(first) = failures.first() {
        show(first, options.lines);
    }
    for failure in &failures {
        println!("{failure}");
    }
    // A single seed need not see everything.
    let missing = if options.seed.is_some() { Vec::new() } else { coverage.missing() };
    for name in &missing {
        println!("never happened: {}", name.replace('_', " "));
    }
    ExitCode::from(u8::from(!failures.is_empty() || !missing.is_empty()))
}

fn show(failure: &Failure, lines: usize) {
    for line in &failure.trace[failure.trace.len().saturating_sub(lines)..] {
        println!("{line}");
    }
}

fn options() -> Option<Options> {
    let mut options = Options { seed: None, seeds: 10_000, from: 0, lines: 200 };
    let mut arguments = env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value: u64 = arguments.next()?.parse().ok()?;
        match name.as_str() {
            "--seed" => options.seed = Some(value),
            "--seeds" => options.seeds = value,
            "--from" => options.from = value,
            "--lines" => options.lines = usize::try_from(value).ok()?,
            _ => return None,
        }
    }
    Some(options)
}
