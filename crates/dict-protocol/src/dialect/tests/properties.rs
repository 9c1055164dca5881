//! What holds for any bytes, with random bytes and with the seeds of the fuzz targets.

use alloc::vec;
use std::fs;
use std::path::Path;

use proptest::prelude::*;

use crate::properties::{comet_any_chunking, comms_any_chunking, pingpong_any_bytes, pytcp_any_chunking};

fn seeds(target: &str, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut count = 0;
    for seed in fs::read_dir(&folder).expect("every target has seeds") {
        let path = seed.unwrap().path();
        // Printed by a test that fails.
        std::println!("{}", path.display());
        property(&fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}

#[test]
fn hold_for_the_seeds() {
    seeds("pytcp_any_chunking", pytcp_any_chunking);
    seeds("comms_any_chunking", comms_any_chunking);
    seeds("comet_any_chunking", comet_any_chunking);
    seeds("pingpong_any_bytes", pingpong_any_bytes);
}

proptest! {
    #[test]
    fn hold_for_random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        pytcp_any_chunking(&bytes);
        comms_any_chunking(&bytes);
        comet_any_chunking(&bytes);
        pingpong_any_bytes(&bytes);
    }

    #[test]
    fn hold_for_bytes_that_choose_small_things(bytes in prop::collection::vec(0..12_u8, 0..200)) {
        pytcp_any_chunking(&bytes);
        comms_any_chunking(&bytes);
        comet_any_chunking(&bytes);
        pingpong_any_bytes(&bytes);
    }
}

#[test]
fn hold_for_no_bytes() {
    for bytes in [vec![], vec![0], vec![1]] {
        pytcp_any_chunking(&bytes);
        comms_any_chunking(&bytes);
        comet_any_chunking(&bytes);
        pingpong_any_bytes(&bytes);
    }
}
