//! The properties that fuzz targets check, with the committed seeds of those targets and with random bytes.

use std::fs;
use std::path::Path;

use dict_cli::properties::{access_any_text, config_any_text};
use dict_hub::properties::{greeting_any_bytes, hub_operations};
use dict_protocol::properties::{
    any_bytes_as_value, decode_any_chunking, link_any_text, packet_round_trip, patch_round_trip,
    value_round_trip,
};

/// Inputs made up for each property.
const RANDOM: usize = 2_000;
/// Bytes of one of them at most.
const LONGEST: usize = 400;

/// Bytes that a property may hold at once besides what its input gives cause for: a hub, say.
const FIXED: u64 = 64 << 10;

/// And for each byte of its input.
const PER_BYTE: u64 = 200;

/// Checks a property with every seed of the fuzz target of its name, and with random bytes.
fn check(target: &str, property: fn(&[u8])) {
    check_within(FIXED, target, property);
}

fn check_within(fixed: u64, target: &str, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let seeds = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let (mut count, mut most) = (0, 0);
    let mut bounded = |bytes: &[u8]| {
        let held = allocation_counter::measure(|| property(bytes)).bytes_max;
        assert!(held <= fixed + PER_BYTE * bytes.len() as u64, "{held} bytes for {} of input", bytes.len());
        most = most.max(held);
    };
    for seed in seeds {
        let path = seed.expect("a folder can be listed").path();
        eprintln!("{}", path.display());
        bounded(&fs::read(&path).expect("a seed can be read"));
        count += 1;
    }
    assert!(count > 0, "{} has no seeds", folder.display());

    for number in 0..RANDOM {
        // Printed by a test that fails: with it the bytes come again.
        eprintln!("random input {number}");
        let mut random = fastrand::Rng::with_seed(number as u64);
        let mut bytes = vec![0; random.usize(..LONGEST)];
        random.fill(&mut bytes);
        bounded(&bytes);
    }
    println!("{target}: at most {most} bytes at once");
}

#[test]
fn the_decoder_finds_the_same_frames_however_a_stream_is_cut() {
    check("decode_any_chunking", decode_any_chunking);
}

#[test]
fn packets_are_the_same_after_a_round_trip() {
    check("packet_round_trip", packet_round_trip);
}

#[test]
fn values_are_the_same_after_a_round_trip() {
    check("value_round_trip", value_round_trip);
}

#[test]
fn any_bytes_are_refused_or_a_value() {
    check("any_bytes_as_value", any_bytes_as_value);
}

#[test]
fn a_difference_makes_the_new_of_the_old() {
    check("patch_round_trip", patch_round_trip);
}

#[test]
fn a_hub_stays_sound_whatever_connections_do() {
    check("hub_operations", hub_operations);
}

#[test]
fn a_greeting_is_the_same_however_it_is_cut() {
    check("greeting_any_bytes", greeting_any_bytes);
}

#[test]
fn links_are_the_same_after_a_round_trip() {
    check("link_any_text", link_any_text);
}

#[test]
fn files_of_options_are_read_or_refused() {
    // A reader of YAML has tables of its own, and says again what aliases stand for, up to a bound.
    check_within(1 << 20, "config_any_text", config_any_text);
}

#[test]
fn files_of_access_rules_are_read_or_refused() {
    check_within(1 << 20, "access_any_text", access_any_text);
}

#[test]
fn every_fuzz_target_has_seeds_and_every_seed_a_target() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let names = |folder: &str| {
        let entries = fs::read_dir(fuzz.join(folder)).expect("it can be listed");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("it can be listed").path())
            .map(|path| path.file_stem().expect("it has a name").to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("fuzz_targets"), names("seeds"));
}
