//! The simulation over many seeds. One seed alone, with a trace:
//!
//! ```text
//! DICTWIRE_SEED=17 cargo test -p dictwire-tests --test integration simulation::one_seed -- --nocapture
//! ```

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use dictwire_tests::simulation::{self, Coverage, Failure};

/// How many seeds are tried; `DICTWIRE_SEEDS` names another number.
const SEEDS: u64 = 500;
/// How many lines of a failed run's trace are shown; `DICTWIRE_TRACE` names another number.
const LINES: usize = 120;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("the variable holds a number"))
}

#[test]
fn every_seed_comes_to_rest_and_nothing_is_lost() {
    let seeds = number("DICTWIRE_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let outcome: Mutex<(Coverage, Vec<Failure>)> = Mutex::default();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                break;
            }
            let result = simulation::run(seed);
            let (coverage, failures) = &mut *outcome.lock().expect("no run panics while it holds the lock");
            match result {
                Ok(counts) => *coverage += &counts,
                Err(failure) => failures.push(*failure),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let (coverage, mut failures) = outcome.into_inner().expect("no run panicked");
    failures.sort_by_key(|failure| failure.seed);
    println!("{seeds} seeds:\n{coverage}");
    for failure in &failures {
        println!("{failure}");
    }
    assert!(failures.is_empty(), "{} of {seeds} seeds failed", failures.len());
    assert_eq!(coverage.missing(), Vec::<&str>::new(), "it never happened");
}

#[test]
fn a_seed_makes_the_same_run_again() {
    for seed in 0..5 {
        assert_eq!(simulation::run(seed).ok(), simulation::run(seed).ok());
    }
}

/// Shows the run of the seed in `DICTWIRE_SEED`, if it fails.
#[test]
fn one_seed() {
    let Some(seed) = number("DICTWIRE_SEED") else { return };
    let lines = number("DICTWIRE_TRACE").map_or(LINES, |lines| lines as usize);
    match simulation::run(seed) {
        Ok(coverage) => println!("{coverage}"),
        Err(failure) => {
            for line in &failure.trace[failure.trace.len().saturating_sub(lines)..] {
                println!("{line}");
            }
            panic!("{failure}");
        }
    }
}
