//! Each row of the decision table.

use alloc::vec;
use alloc::vec::Vec;

use super::sources::KEPT;
use super::*;
use crate::packet::MissingFrom;

const EMPTY_PATCH: &[u8] = &[0x90, 0x80];
const EMPTY_DICTIONARY: &[u8] = &[0x80];

fn recorder(positions: &[(u64, u64, bool)]) -> (Recorder, LinkIndex) {
    let position = |&(epoch, sequence, ended): &(u64, u64, bool)| Position {
        source: "psu".into(),
        epoch,
        sequence,
        ended,
        time: Time::from_nanos(1_000),
    };
    let mut recorder = Recorder::new(&Limits::default(), positions.iter().map(position));
    let link = recorder.add_link("");
    recorder.opened(link, "lab");
    (recorder, link)
}

fn source(id: u32, epoch: u64, previous: u64) -> Source<'static> {
    Source { id, epoch, previous, online: true, replay: false, name: "psu", writer: "script", reason: "" }
}

fn update(source: u32, sequence: u64) -> Update<'static> {
    let stamp = Stamp { hub_time: Time::from_nanos(5_000), ..Stamp::default() };
    Update { source, sequence, stamp, end: false, end_of_slice: false, replayed: false, patch: EMPTY_PATCH }
}

fn state(source: u32, sequence: u64, first: Option<u64>) -> State<'static> {
    State {
        source,
        sequence,
        stamp: Stamp::default(),
        missing: first.map(|first| MissingFrom {
            first,
            since: Time::default(),
            reason: GapReason::SpoolFull,
        }),
        end_of_slice: false,
        replayed: false,
        dictionary: EMPTY_DICTIONARY,
    }
}

fn answers(recorder: &mut Recorder, link: LinkIndex) -> Vec<(&'static str, u32, u64, u64)> {
    core::iter::from_fn(|| recorder.poll_answer(link))
        .map(|answer| match answer {
            Answer::Resume(resume) => ("resume", resume.source, resume.after, resume.highest),
            Answer::Ack(ack) => ("ack", ack.source, ack.sequence, 0),
        })
        .collect()
}

fn commit(recorder: &mut Recorder) {
    while let Some(batch) = recorder.take_batch() {
        recorder.committed(batch);
    }
}

fn kinds(batch: &Batch) -> Vec<(EntryKind, u64)> {
    batch.entries.iter().map(|entry| (entry.kind, entry.sequence)).collect()
}

fn gap(after_epoch: u64, after: u64) -> EntryKind {
    EntryKind::Gap { missing: Missing { after_epoch, after, reason: GapReason::EpochEnded, since: None } }
}

#[test]
fn a_new_source_is_answered_with_what_is_committed() {
    let (mut recorder, link) = recorder(&[(7, 3, false), (9, 4, false)]);
    recorder.source(link, &source(1, 7, 0)).unwrap();
    assert_eq!(answers(&mut recorder, link), [("resume", 1, 3, 9)]);
    recorder.source(link, &source(1, 7, 0)).unwrap();
    assert_eq!(answers(&mut recorder, link), []);
}

#[test]
fn what_is_next_is_stored_and_acknowledged_once_committed() {
    let (mut recorder, link) = recorder(&[]);
    recorder.source(link, &source(1, 7, 0)).unwrap();
    answers(&mut recorder, link);
    assert_eq!(recorder.update(link, &update(1, 1)), Ok(Taken::Stored));
    assert_eq!(recorder.update(link, &update(1, 2)), Ok(Taken::Stored));
    assert_eq!(answers(&mut recorder, link), []);

    let batch = recorder.take_batch().unwrap();
    assert_eq!(kinds(&batch), [(EntryKind::Update, 1), (EntryKind::Update, 2)]);
    assert_eq!(batch.streams, [Stream { index: 0, hub: "lab".into(), source: "psu".into(), epoch: 7 }]);
    assert_eq!(batch.body(&batch.entries[1]), EMPTY_PATCH);
    assert!(recorder.uncommitted_bytes() > 0);
    recorder.committed(batch);
    assert_eq!(recorder.uncommitted_bytes(), 0);
    assert_eq!(answers(&mut recorder, link), [("ack", 1, 2, 0)]);
}

#[test]
fn a_repetition_is_ignored_and_acknowledged_again_if_committed() {
    let (mut recorder, link) = recorder(&[(7, 3, false)]);
    recorder.source(link, &source(1, 7, 0)).unwrap();
    recorder.update(link, &update(1, 4)).unwrap();
    answers(&mut recorder, link);
    assert_eq!(recorder.update(link, &update(1, 4)), Ok(Taken::Repeated));
    assert_eq!(answers(&mut recorder, link), []);
    assert_eq!(recorder.update(link, &update(1, 2)), Ok(Taken::Repeated));
    assert_eq!(recorder.state(link, &state(1, 3, None)), Ok(Taken::Repeated));
    assert_eq!(answers(&mut recorder, link), [("ack", 1, 3, 0)]);
    assert_eq!(recorder.take_batch().unwrap().entries.len(), 1);
}

#[test]
fn what_leaves_something_out_is_an_error() {
    let (mut recorder, link) = recorder(&[(7, 3, false)]);
    recorder.source(link, &source(1, 7, 0)).unwrap();
    for error in [
        recorder.update(link, &update(1, 5)).unwrap_err(),
        recorder.state(link, &state(1, 9, Some(5))).unwrap_err(),
        recorder.state(link, &state(1, 9, None)).unwrap_err(),
    ] {
        assert!(matches!(error, RecorderError::OutOfOrder { held: 3, .. }), "{error}");
    }
    assert_eq!(recorder.update(link, &update(2, 1)), Err(RecorderError::Undeclared { id: 2 }));
    assert_eq!(recorder.take_batch().map(|batch| batch.entries), None);
}

#[test]
fn a_state_is_stored_with_the_gap_from_what_is_held() {
    let (mut recorder, link) = recorder(&[(7, 3, false)]);
    recorder.source(link, &source(1, 7, 0)).unwrap();
    assert_eq!(recorder.state(link, &state(1, 9, Some(2))), Ok(Taken::Stored));
    assert_eq!(recorder.update(link, &update(1, 10)), Ok(Taken::Stored));
    let missing = Missing { after_epoch: 7, after: 3, reason: GapReason::SpoolFull, since: None };
    let batch = recorder.take_batch().unwrap();
    assert_eq!(kinds(&batch), [(EntryKind::State { missing }, 9), (EntryKind::Update, 10)]);
}

#[test]
fn a_loss_before_an_epoch_is_the_reason_only_where_nothing_of_the_epoch_is_held() {
    for (held, reason) in [(0, GapReason::LinkLost), (3, GapReason::NotKept)] {
        let (mut recorder, link) = recorder(&[(7, held, false)]);
        recorder.source(link, &source(1, 7, 0)).unwrap();
        let missing =
            Some(MissingFrom { first: 1, since: Time::from_nanos(500), reason: GapReason::LinkLost });
        recorder.state(link, &State { missing, ..state(1, 9, None) }).unwrap();
        let since = Some(Time::from_nanos(500));
        let missing = Missing { after_epoch: 7, after: held, reason, since };
        assert_eq!(kinds(&recorder.take_batch().unwrap()), [(EntryKind::State { missing }, 9)]);
    }
}

#[test]
fn what_cannot_be_read_is_set_aside_and_holds_nobody_up() {
    let (mut recorder, link) = recorder(&[(7, 3, false)]);
    recorder.source(link, &source(1, 7, 0)).unwrap();
    recorder.update(link, &Update { patch: &[0xC1], ..update(1, 4) }).unwrap();
    recorder.update(link, &update(1, 5)).unwrap();
    recorder.state(link, &State { dictionary: &[0xC1], ..state(1, 9, Some(6)) }).unwrap();
    let unreadable = |after| EntryKind::Unreadable {
        missing: Missing { after_epoch: 7, after, reason: GapReason::Unreadable, since: None },
    };
    let batch = recorder.take_batch().unwrap();
    assert_eq!(kinds(&batch), [(unreadable(3), 4), (EntryKind::Update, 5), (unreadable(5), 9)]);
    assert_eq!(batch.body(&batch.entries[0]), [0xC1]);
}

#[test]
fn an_epoch_begins_with_a_gap_unless_it_follows_an_end_that_is_held() {
    let first_row = |held: &[(u64, u64, bool)], previous| {
        let (mut recorder, link) = recorder(held);
        recorder.source(link, &source(1, 9, previous)).unwrap();
        recorder.update(link, &update(1, 1)).unwrap();
        kinds(&recorder.take_batch().unwrap())
    };
    let alone = [(EntryKind::Update, 1)];
    assert_eq!(first_row(&[], 0), alone);
    assert_eq!(first_row(&[(7, 3, true)], 7), alone);
    assert_eq!(first_row(&[], 7), [(gap(0, 0), 0), alone[0]]);
    assert_eq!(first_row(&[(7, 3, false)], 7), [(gap(7, 3), 0), alone[0]]);
    assert_eq!(first_row(&[(7, 3, true)], 8), [(gap(7, 3), 0), alone[0]]);
    assert_eq!(first_row(&[(7, 3, false)], 0), [(gap(7, 3), 0), alone[0]]);
}

#[test]
fn an_epoch_that_was_declared_and_never_came_is_under_a_gap() {
    let (mut recorder, link) = recorder(&[(7, 3, true)]);
    recorder.source(link, &source(1, 8, 7)).unwrap();
    recorder.source(link, &source(2, 9, 7)).unwrap();
    recorder.update(link, &update(2, 1)).unwrap();
    assert_eq!(kinds(&recorder.take_batch().unwrap()), [(gap(7, 3), 0), (EntryKind::Update, 1)]);

    let (mut recorder, link) = self::recorder(&[(7, 3, true), (9, 4, false)]);
    recorder.source(link, &source(1, 8, 7)).unwrap();
    recorder.source(link, &source(2, 6, 0)).unwrap();
    let batch = recorder.take_batch().unwrap();
    assert_eq!(kinds(&batch), [(gap(7, 3), 0), (gap(0, 0), 0)]);
    let epochs: Vec<u64> = batch.streams.iter().map(|stream| stream.epoch).collect();
    assert_eq!(epochs, [9, 7]);
}

#[test]
fn an_epoch_that_another_one_names_as_the_one_before_is_known_by_that() {
    // 8 was written at a hub that knew of no 9, and lost; whoever wrote 10 was told of it there.
    let (mut recorder, link) = recorder(&[(7, 3, true), (9, 4, true)]);
    recorder.source(link, &source(1, 10, 8)).unwrap();
    let before_9 = recorder.take_batch().unwrap();
    assert_eq!((kinds(&before_9), before_9.streams[0].epoch), (vec![(gap(7, 3), 0)], 9));
    // The hub says both that came before it: this one is held, and says nothing more.
    recorder.source(link, &source(1, 10, 9)).unwrap();
    assert!(recorder.take_batch().is_none());
    recorder.update(link, &update(1, 1)).unwrap();
    assert_eq!(kinds(&recorder.take_batch().unwrap()), [(EntryKind::Update, 1)]);

    // Said the other way round it is the same, and once something of 10 is held it is over.
    let (mut recorder, link) = self::recorder(&[(7, 3, true), (9, 4, true)]);
    recorder.source(link, &source(1, 10, 9)).unwrap();
    recorder.source(link, &source(1, 10, 8)).unwrap();
    assert_eq!(kinds(&recorder.take_batch().unwrap()), [(gap(7, 3), 0)]);
    recorder.update(link, &update(1, 1)).unwrap();
    recorder.take_batch().unwrap();
    recorder.source(link, &source(1, 10, 6)).unwrap();
    assert!(recorder.take_batch().is_none());
}

#[test]
fn an_older_epoch_is_late_and_its_end_is_never_taken_for_certain() {
    let (mut recorder, link) = recorder(&[(9, 4, false)]);
    recorder.source(link, &source(1, 9, 0)).unwrap();
    recorder.source(link, &source(2, 7, 0)).unwrap();
    recorder.source(link, &source(3, 8, 0)).unwrap();
    recorder.update(link, &update(2, 1)).unwrap();
    recorder.update(link, &update(3, 1)).unwrap();
    recorder.update(link, &update(1, 5)).unwrap();
    let batch = recorder.take_batch().unwrap();
    let update = EntryKind::Update;
    assert_eq!(kinds(&batch), [(gap(0, 0), 0), (update, 1), (update, 1), (update, 5)]);
    let streams: Vec<u64> =
        batch.entries.iter().map(|entry| batch.streams[entry.stream as usize].epoch).collect();
    assert_eq!(streams, [9, 7, 8, 9]);
    let late: Vec<bool> = batch.entries.iter().map(|entry| entry.late).collect();
    assert_eq!(late, [false, true, true, false]);
    recorder.committed(batch);
    assert_eq!(answers(&mut recorder, link).last(), Some(&("ack", 1, 5, 0)));
}

#[test]
fn a_replayed_row_is_held_between_the_row_before_it_and_now() {
    let (mut recorder, link) = recorder(&[(7, 3, false)]);
    recorder.source(link, &source(1, 7, 0)).unwrap();
    let mut time = |sequence, writer_time, offset| {
        let mut update = Update { replayed: true, ..update(1, sequence) };
        update.stamp.writer_time = Time::from_nanos(writer_time);
        update.stamp.offset = offset;
        recorder.update(link, &update).unwrap();
        recorder.take_batch().unwrap().entries[0].time.as_nanos()
    };
    assert_eq!(time(4, 1_500, 100), 1_600);
    assert_eq!(time(5, 200, 0), 1_600);
    assert_eq!(time(6, 9_000, 0), 5_000);
}

#[test]
fn a_closed_link_is_told_anew_and_what_is_in_flight_comes_to_its_acknowledgement() {
    let (mut recorder, link) = recorder(&[]);
    recorder.source(link, &source(1, 7, 0)).unwrap();
    recorder.update(link, &update(1, 1)).unwrap();
    let in_flight = recorder.take_batch().unwrap();
    recorder.closed(link);
    recorder.opened(link, "lab");
    assert_eq!(recorder.update(link, &update(1, 2)), Err(RecorderError::Undeclared { id: 1 }));
    recorder.source(link, &source(4, 7, 0)).unwrap();
    assert_eq!(answers(&mut recorder, link), [("resume", 4, 0, 7)]);
    assert_eq!(recorder.update(link, &update(4, 1)), Ok(Taken::Repeated));
    recorder.committed(in_flight);
    assert_eq!(answers(&mut recorder, link), [("ack", 4, 1, 0)]);
    recorder.update(link, &update(4, 2)).unwrap();
    assert_eq!(recorder.take_batch().unwrap().streams, [], "declared in the batch before");
}

#[test]
fn a_name_of_two_hubs_is_taken_from_one_at_a_time() {
    let (mut recorder, first) = recorder(&[]);
    let (second, third) = (recorder.add_link(""), recorder.add_link("b/"));
    recorder.opened(second, "annex");
    recorder.opened(third, "attic");
    recorder.source(first, &source(1, 7, 0)).unwrap();
    let refused = recorder.source(second, &source(1, 8, 0)).unwrap_err();
    let expected = NameTaken { name: "psu".into(), hub: "annex".into(), holder: "lab".into() };
    assert_eq!(refused, expected);
    recorder.source(third, &source(1, 8, 0)).unwrap();
    assert_eq!(answers(&mut recorder, second), []);
    assert_eq!(answers(&mut recorder, third), [("resume", 1, 0, 0)]);
    recorder.source(first, &Source { online: false, ..source(1, 7, 0) }).unwrap();
    assert_eq!(answers(&mut recorder, second), [("resume", 1, 0, 0)]);
    recorder.update(second, &update(1, 1)).unwrap();
    let streams = recorder.take_batch().unwrap().streams;
    assert_eq!(streams, vec![Stream { index: 0, hub: "annex".into(), source: "psu".into(), epoch: 8 }]);
}

#[test]
fn reading_pauses_at_the_limit_and_goes_on_after_a_commit() {
    let limits = Limits { uncommitted: 2 * (size_of::<Entry>() + EMPTY_PATCH.len()), ..Limits::default() };
    let mut recorder = Recorder::new(&limits, []);
    let link = recorder.add_link("");
    recorder.opened(link, "lab");
    recorder.source(link, &source(1, 7, 0)).unwrap();
    recorder.update(link, &update(1, 1)).unwrap();
    assert!(!recorder.should_pause());
    recorder.update(link, &update(1, 2)).unwrap();
    assert!(recorder.should_pause());
    commit(&mut recorder);
    assert!(!recorder.should_pause());
}

#[test]
fn epochs_that_nothing_comes_of_take_a_bounded_memory_and_are_under_a_gap() {
    let (mut recorder, link) = recorder(&[(1, 3, true)]);
    // Of another source than this one it is known that nothing is missing.
    let other = |id, epoch| Source { name: "oven", ..source(id, epoch, 0) };
    recorder.source(link, &other(1, 7)).unwrap();
    for epoch in 2..20_000 {
        recorder.source(link, &source(epoch as u32, epoch, 1)).unwrap();
        answers(&mut recorder, link);
    }
    let bound = 2 * KEPT + 2;
    assert!(recorder.sources.known() <= bound + KEPT, "{}", recorder.sources.known());
    assert!(recorder.links[0].declared.len() <= KEPT + 1, "{}", recorder.links[0].declared.len());
    // The newest come as rests after the connection is made anew, and then one that names the last one held.
    recorder.closed(link);
    recorder.opened(link, "lab");
    recorder.source(link, &source(1, 20_000, 1)).unwrap();
    recorder.source(link, &other(2, 7)).unwrap();
    recorder.update(link, &update(1, 1)).unwrap();
    recorder.update(link, &update(2, 1)).unwrap();
    let update = EntryKind::Update;
    assert_eq!(kinds(&recorder.take_batch().unwrap()), [(gap(1, 3), 0), (update, 1), (update, 1)]);
}

#[test]
fn that_an_epoch_is_forgotten_makes_a_gap_where_all_of_those_that_are_known_follow() {
    let (mut recorder, link) = recorder(&[(1, 3, true)]);
    recorder.source(link, &source(2, 2, 1)).unwrap();
    recorder.closed(link);
    // All but the epoch after the one held are held and forgotten, as is that one.
    for epoch in 10..10_000 {
        recorder.opened(link, "lab");
        recorder.source(link, &source(1, epoch, 1)).unwrap();
        recorder.closed(link);
    }
    let (least, greatest) = recorder.sources.forgotten("psu").unwrap();
    assert!(least == 2 && greatest < 10_000, "{least} to {greatest}");
    recorder.opened(link, "lab");
    // Only of the one that is forgotten is it known that it was between them.
    recorder.source(link, &source(1, 5, 1)).unwrap();
    recorder.update(link, &update(1, 1)).unwrap();
    assert_eq!(kinds(&recorder.take_batch().unwrap()), [(gap(1, 3), 0), (EntryKind::Update, 1)]);
}

#[test]
fn a_rest_that_its_hub_has_dropped_is_declared_no_more() {
    for gone in [
        Source { online: false, replay: true, ..source(1, 7, 0) },
        Source { online: false, reason: Source::FORGOTTEN, ..source(1, 7, 0) },
    ] {
        let (mut recorder, link) = recorder(&[]);
        recorder.source(link, &source(1, 7, 0)).unwrap();
        recorder.source(link, &gone).unwrap();
        assert_eq!(answers(&mut recorder, link), []);
        assert_eq!(recorder.update(link, &update(1, 1)), Err(RecorderError::Undeclared { id: 1 }));
        assert_eq!(recorder.sources.online_elsewhere("psu", LinkIndex(1)), None);
        assert!(recorder.links[0].passing.is_empty());
    }
}

#[test]
fn the_rest_of_an_epoch_that_ended_comes_although_it_is_offline() {
    let (mut recorder, link) = recorder(&[]);
    let ended = |id, epoch| Source { online: false, replay: true, reason: "ended", ..source(id, epoch, 0) };
    for epoch in 1..3_000 {
        recorder.source(link, &ended(epoch as u32, epoch)).unwrap();
    }
    assert_eq!(recorder.update(link, &update(1, 1)), Ok(Taken::Stored));
    // Whoever says so of each that it gives up does not make it grow.
    for epoch in 3_000..9_000 {
        recorder.source(link, &Source { replay: true, ..source(epoch as u32, epoch, 0) }).unwrap();
        recorder.source(link, &ended(epoch as u32, epoch)).unwrap();
    }
    assert!(recorder.links[0].declared.len() <= 3_000 + KEPT, "{}", recorder.links[0].declared.len());
}

#[test]
fn of_epochs_that_ended_the_newest_thousand_are_known() {
    let (mut recorder, link) = recorder(&[(1, 3, false)]);
    let mut streams = 0;
    for epoch in 2..5_000 {
        let id = epoch as u32;
        recorder.source(link, &source(id, epoch, epoch - 1)).unwrap();
        recorder.update(link, &update(id, 1)).unwrap();
        recorder.update(link, &Update { end: true, ..update(id, 2) }).unwrap();
        let batch = recorder.take_batch().unwrap();
        // After the first, which is after one that did not end, nothing is missing.
        assert_eq!(batch.entries.len(), if epoch == 2 { 3 } else { 2 });
        assert_eq!(batch.streams.iter().map(|stream| stream.epoch).collect::<Vec<_>>(), [epoch]);
        streams = streams.max(batch.entries.last().unwrap().stream);
        recorder.committed(batch);
        recorder
            .source(link, &Source { online: false, replay: true, ..source(id, epoch, epoch - 1) })
            .unwrap();
        answers(&mut recorder, link);
    }
    assert!(recorder.sources.known() <= 2 * KEPT + 2 && streams <= 2 * KEPT as u32 + 2, "{streams}");
    for (epoch, after) in [(1, 3), (4_000, 2), (4_999, 2), (2, 0)] {
        recorder.source(link, &Source { replay: true, ..source(9_000 + epoch as u32, epoch, 0) }).unwrap();
        assert_eq!(answers(&mut recorder, link), [("resume", 9_000 + epoch as u32, after, 4_999)]);
    }
}

#[test]
fn what_comes_between_epochs_that_are_forgotten_is_under_a_gap() {
    let held: Vec<_> = (1..=3_000).map(|epoch| (10 * epoch, 3, true)).collect();
    let (mut recorder, link) = recorder(&held);
    assert!(recorder.sources.known() <= 2 * KEPT, "{}", recorder.sources.known());
    recorder.source(link, &Source { replay: true, ..source(1, 15, 10) }).unwrap();
    let batch = recorder.take_batch().unwrap();
    let EntryKind::Gap { missing } = batch.entries[0].kind else { panic!("{batch:?}") };
    assert_eq!((missing.after_epoch, missing.after), (0, 0));
    assert!(batch.streams[0].epoch > 15, "{batch:?}");
}
