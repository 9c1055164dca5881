//! Which value a key had when.

use dict_protocol::dictionary;
use dict_protocol::pattern::Pattern;
use dict_protocol::record::{EntryKind, GapReason};
use dict_protocol::time::Time;
use dict_protocol::value::Dictionary;
use dict_timeline::{Filter, Reader};

use super::maker::{Place, START, STEP, assert_sound, missing, place, shorts};

/// The state of `psu` at the time of entry number `entry`, counted from 0, and whether it was online.
fn at(reader: &Reader, entry: i64) -> Option<(bool, Dictionary)> {
    let states =
        reader.state(Some(Time::from_nanos(START + entry * STEP)), &[Pattern::Name("psu".into())]).unwrap();
    states.into_iter().next().map(|state| (state.online, state.values))
}

#[test]
fn keys_that_a_new_epoch_does_not_state_are_gone() {
    let place = place();
    place.store(|maker| {
        maker.update("psu", 1, 1, &[], dictionary! { "a" => 1, "b" => 2, "c" => 3 });
        maker.update("psu", 1, 2, &["c"], dictionary! {});
        maker.set("other", 1, 1, "b", 1);
        maker.end("psu", 1, 3);
        maker.update("psu", 2, 1, &[], dictionary! { "b" => 2, "d" => 4 });
    });
    // Vanished keys are known after opening again, too.
    let mut timeline = place.write();
    let mut maker = super::maker::Maker::default();
    maker.end("psu", 2, 2);
    maker.update("psu", 3, 1, &[], dictionary! { "a" => 9 });
    for entry in &mut maker.batch.entries {
        entry.time = entry.time.offset_by(5 * STEP);
    }
    maker.store(&mut timeline);
    timeline.close().unwrap();

    let reader = place.read();
    assert_sound(&reader);
    let filter = Filter { sources: vec![Pattern::Name("psu".into())], ..Filter::default() };
    let rows = shorts(&reader, &filter);
    let rows: Vec<_> = rows.iter().map(|row| row.split_once(' ').unwrap().1).collect();
    assert_eq!(
        rows,
        [
            "psu.a=Integer(1)",
            "psu.b=Integer(2)",
            "psu.c=Integer(3)",
            "psu.c-",
            "psu.a-",
            "psu.b=Integer(2)",
            "psu.d=Integer(4)",
            "psu.b-",
            "psu.d-",
            "psu.a=Integer(9)",
        ]
    );
    assert_eq!(at(&reader, -1), None);
    assert_eq!(at(&reader, 0), Some((true, dictionary! { "a" => 1, "b" => 2, "c" => 3 })));
    assert_eq!(at(&reader, 2), Some((true, dictionary! { "a" => 1, "b" => 2 })));
    assert_eq!(at(&reader, 3), Some((false, dictionary! { "a" => 1, "b" => 2 })));
    assert_eq!(at(&reader, 4), Some((true, dictionary! { "b" => 2, "d" => 4 })));
    assert_eq!(at(&reader, 6), Some((true, dictionary! { "a" => 9 })));
}

#[test]
fn a_state_stands_in_for_what_is_missing() {
    let place = place();
    place.store(|maker| {
        maker.update("psu", 1, 1, &[], dictionary! { "a" => 1, "b" => 2 });
        maker.state("psu", 1, 7, missing(1, 1, GapReason::SpoolFull), &dictionary! { "b" => 2, "c" => 3 });
        maker.set("psu", 1, 8, "c", 4);
    });
    let reader = place.read();
    assert_sound(&reader);
    assert_eq!(
        shorts(&reader, &Filter::default()),
        [
            "1 psu.a=Integer(1)",
            "2 psu.b=Integer(2)",
            "3 gap psu 1:2..7",
            "4 psu.a-",
            "5 psu.b=Integer(2)",
            "6 psu.c=Integer(3)",
            "7 psu.c=Integer(4)",
        ]
    );
    assert_eq!(at(&reader, 2), Some((true, dictionary! { "b" => 2, "c" => 4 })));
}

fn with_late_rows() -> Place {
    let place = place();
    place.store(|maker| {
        maker.set("psu", 1, 1, "a", "old");
        // The epoch that followed was seen, the end of this one was not.
        maker.entry("psu", 2, EntryKind::Gap { missing: missing(1, 1, GapReason::EpochEnded) }, 0, &[]);
        maker.set("psu", 2, 1, "b", "new");
        let late = maker.update("psu", 1, 2, &[], dictionary! { "a" => "late", "b" => "late" });
        (late.late, late.replayed, late.time) = (true, true, Time::from_nanos(START + STEP / 2));
    });
    place
}

#[test]
fn late_rows_are_history_and_change_no_state() {
    let place = with_late_rows();
    let reader = place.read();
    assert_sound(&reader);
    assert_eq!(at(&reader, 0), Some((true, dictionary! { "a" => "old" })));
    assert_eq!(at(&reader, 2), Some((true, dictionary! { "b" => "new" })));
    assert_eq!(at(&reader, 9), Some((true, dictionary! { "b" => "new" })));
    assert_eq!(
        shorts(&reader, &Filter::default())[1..],
        [
            "2 gap psu 1:2..?",
            "3 psu.a-",
            "4 psu.b=Text(\"new\")",
            "5 psu.a=Text(\"late\")",
            "6 psu.b=Text(\"late\")"
        ]
    );
    // Nor do they after opening again: `b` is there, so the next epoch must say that it went.
    let mut timeline = place.write();
    let mut maker = super::maker::Maker::default();
    maker.entry("psu", 3, EntryKind::Gap { missing: missing(2, 1, GapReason::EpochEnded) }, 0, &[]);
    maker.set("psu", 3, 1, "c", 1);
    maker.store(&mut timeline);
    timeline.close().unwrap();
    let reader = place.read();
    assert_sound(&reader);
    assert_eq!(
        shorts(&reader, &Filter::default())[6..],
        ["7 gap psu 2:2..?", "8 psu.b-", "9 psu.c=Integer(1)"]
    );
    let positions = place.write().positions().unwrap();
    let positions: Vec<_> = positions.iter().map(|position| (position.epoch, position.sequence)).collect();
    assert_eq!(positions, [(1, 2), (2, 1), (3, 1)]);
}

#[test]
fn replayed_rows_count_at_their_own_time() {
    let place = place();
    place.store(|maker| {
        maker.set("psu", 1, 1, "a", 1);
        maker.set("other", 1, 1, "x", 1);
        maker.set("other", 1, 2, "x", 2);
        let replayed = maker.update("psu", 1, 2, &[], dictionary! { "a" => 2 });
        (replayed.replayed, replayed.time) = (true, Time::from_nanos(START + STEP));
    });
    let reader = place.read();
    assert_eq!(at(&reader, 0), Some((true, dictionary! { "a" => 1 })));
    assert_eq!(at(&reader, 1), Some((true, dictionary! { "a" => 2 })));
    let since = Time::from_nanos(START + STEP);
    let until = Some(since.offset_by(1));
    let rows = shorts(&reader, &Filter { since: Some(since), until, ..Filter::default() });
    assert_eq!(rows, ["2 other.x=Integer(1)", "4 psu.a=Integer(2)"]);
}

#[test]
fn the_hubs_last_word_says_who_is_online() {
    let place = place();
    place.store(|maker| {
        maker.set("psu", 1, 1, "a", 1);
        for (sequence, event) in [(1, "offline"), (2, "online")] {
            let fields = dictionary! { "event" => event, "source" => "psu", "reason" => "link lost" };
            maker.set("$hub/lab", 1, sequence, "connection", fields);
        }
    });
    let reader = place.read();
    assert_eq!(at(&reader, 0), Some((true, dictionary! { "a" => 1 })));
    assert_eq!(at(&reader, 1), Some((false, dictionary! { "a" => 1 })));
    assert_eq!(at(&reader, 2), Some((true, dictionary! { "a" => 1 })));
}
