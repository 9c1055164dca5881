//! The simulation over many seeds. One seed alone, with a trace, or more of them than here:
//!
//! ```text
//! cargo run --release -p dictwire-tests --bin simulate -- --seed 17
//! cargo run --release -p dictwire-tests --bin simulate -- --seeds 10000
//! ```

use dictwire_tests::simulation::{self, Broken};

/// How many seeds are tried.
const SEEDS: u64 = 2_000;
/// How many seeds it takes at most to notice that a rule is broken.
const NOTICED: u64 = 200;

#[test]
fn every_seed_comes_to_rest_and_nothing_is_lost() {
    let simulation::Outcome { coverage, failures } = simulation::run_all(0..SEEDS);
    println!("{SEEDS} seeds:\n{coverage}");
    for failure in &failures {
        println!("{failure}");
    }
    assert!(failures.is_empty(), "{} of {SEEDS} seeds failed", failures.len());
    assert_eq!(coverage.missing(), Vec::<&str>::new(), "it never happened");
}

#[test]
fn a_seed_makes_the_same_run_again() {
    for seed in 0..5 {
        assert_eq!(simulation::run(seed, None).ok(), simulation::run(seed, None).ok());
    }
}

#[test]
fn every_broken_rule_is_noticed() {
    let mut unnoticed = Vec::new();
    for &broken in Broken::ALL {
        match (0..NOTICED).find_map(|seed| simulation::run(seed, Some(broken)).err()) {
            Some(failure) => println!("{broken}: {failure}"),
            None => unnoticed.push(broken),
        }
    }
    assert_eq!(unnoticed, [], "broken, and {NOTICED} seeds do not notice");
}
