//! What is left when the writer's end was not its own choice.

use std::fs;
use std::path::Path;

use dict_protocol::dictionary;
use dict_protocol::pattern::Pattern;
use dict_timeline::{Filter, Options, Reader, Timeline};

use super::maker::{Maker, assert_sound, place, shorts};

/// The sequence of `a` that a copy of the files holds when it is opened again.
fn held(path: &Path) -> u64 {
    let timeline = Timeline::create_or_open(path, Options::default()).unwrap();
    let positions = timeline.positions().unwrap();
    timeline.close().unwrap();
    let reader = Reader::open(path).unwrap();
    assert_sound(&reader);
    let held =
        positions.iter().find(|position| position.source == "a").map_or(0, |position| position.sequence);
    let rows = shorts(&reader, &Filter { sources: vec![Pattern::Name("a".into())], ..Filter::default() });
    assert_eq!(
        rows.last().map(|row| row.split_once('=').unwrap().1.to_owned()),
        Some(format!("Integer({held})"))
    );
    held
}

#[test]
fn a_log_cut_or_flipped_in_its_last_commit_loses_that_commit_alone() {
    const COMMITS: u64 = 5;
    let place = place();
    let log = place.path.with_file_name("timeline.db-wal");
    let mut timeline = place.write();
    let mut maker = Maker::default();
    let mut before = 0;
    for sequence in 1..=COMMITS {
        maker.set("a", 1, sequence, "x", sequence);
        maker.set("b", 1, sequence, "y", sequence);
        maker.set("$hub/lab", 1, sequence, "note", dictionary! { "text" => "tick" });
        before = fs::metadata(&log).unwrap().len();
        maker.store(&mut timeline);
    }
    let (database, log) = (fs::read(&place.path).unwrap(), fs::read(&log).unwrap());
    let whole = log.len();
    assert!(before > 0 && before < whole as u64);

    let copy = place.path.with_file_name("copy.db");
    let copy_log = place.path.with_file_name("copy.db-wal");
    let with_log = |log: &[u8]| {
        let _ = fs::remove_file(place.path.with_file_name("copy.db-shm"));
        fs::write(&copy, &database).unwrap();
        fs::write(&copy_log, log).unwrap();
        held(&copy)
    };
    assert_eq!(with_log(&log), COMMITS);
    for cut in (before as usize..whole).step_by(512) {
        assert_eq!(with_log(&log[..cut]), COMMITS - 1, "cut at {cut} of {whole}");
    }
    for place in (before as usize + 16..whole).step_by(1_531) {
        let mut flipped = log.clone();
        flipped[place] ^= 0x10;
        assert_eq!(with_log(&flipped), COMMITS - 1, "flipped at {place} of {whole}");
    }
}

#[test]
fn killed_while_changes_wait_for_their_order_or_are_half_in() {
    let place = place();
    let mut timeline = place.write();
    let mut maker = Maker::default();
    for sequence in 1..=30_000_u64 {
        maker.set(["a", "b"][sequence as usize % 2], 1, sequence.div_ceil(2), "x", sequence.div_ceil(2));
    }
    maker.store(&mut timeline);
    assert!(!timeline.is_derived());
    timeline.derive().unwrap();
    assert!(!timeline.is_derived(), "a piece is not all of it");
    drop(timeline);

    let by_key = Filter { sources: vec![Pattern::Name("a".into())], ..Filter::default() };
    assert_sound(&place.read());
    let rows = shorts(&place.read(), &by_key);
    assert_eq!(rows.len(), 15_000);
    assert_eq!(held(&place.path), 15_000);
    assert_eq!(shorts(&place.read(), &by_key), rows);
}
