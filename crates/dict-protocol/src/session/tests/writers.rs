//! Writers: epochs, levels, slices, gaps, refusals, reconnections.

use super::*;
use crate::record::GapReason;
use crate::writer::{Phase as WriterPhase, PublishError, Refusal, WhenFull};

const EPOCH: u64 = 5_000;

fn announce(epoch: u64, newest: u64) -> Sent {
    Sent::Announce { epoch, previous: 0, newest, level: Level::Logged, replay: false, take_over: false }
}

fn update(source: u32, sequence: u64, n: i64) -> Sent {
    Sent::Update { source, sequence, end: false, end_of_slice: false, replayed: false, n: Some(n) }
}

fn again(source: u32, sequence: u64, n: i64, end_of_slice: bool) -> Sent {
    Sent::Update { source, sequence, end: false, end_of_slice, replayed: true, n: Some(n) }
}

fn state(source: u32, sequence: u64, n: i64) -> Sent {
    Sent::State { source, sequence, missing: None, end_of_slice: false, replayed: false, n }
}

fn missing(first: u64, reason: GapReason) -> Option<MissingFrom> {
    Some(MissingFrom { first, since: Time::default(), reason })
}

/// A live writer at level `logged` that has published nothing.
fn live(limits: Limits) -> (Fixture, WriterId) {
    let mut fixture = Fixture::open(limits, LoggerPresence::Present);
    let writer = fixture.add(Some(Level::Logged));
    fixture.accept(EPOCH, 1, 0);
    fixture.sent();
    fixture.told.clear();
    (fixture, writer)
}

#[test]
fn what_changed_is_sent_at_once_and_once() {
    let (mut fixture, writer) = live(Limits::default());
    assert_eq!(fixture.publish(writer, 1), Some(1));
    assert_eq!(fixture.publish(writer, 1), None);
    let set = [("n", &2.into())];
    assert_eq!(fixture.session.patch(fixture.now, writer, set, []), Ok(Some(2)));
    assert_eq!(fixture.session.patch(fixture.now, writer, set, ["m"]), Ok(None));
    assert_eq!(fixture.session.patch(fixture.now, writer, [], ["n"]), Ok(Some(3)));
    let last =
        Sent::Update { source: 1, sequence: 3, end: false, end_of_slice: false, replayed: false, n: None };
    assert_eq!(fixture.sent(), [update(1, 1, 1), update(1, 2, 2), last]);

    assert_eq!(fixture.session.writer(writer).unwrap().unacknowledged(), 3);
    fixture.ack(1, 2);
    fixture.ack(1, 1);
    let acknowledged = Told::Writer(WriterChange::Acknowledged { sequence: 2 });
    assert_eq!(fixture.told(), [acknowledged.clone(), acknowledged]);
    assert_eq!(fixture.session.writer(writer).unwrap().unacknowledged(), 1);
}

#[test]
fn an_empty_dictionary_is_a_first_update() {
    let (mut fixture, writer) = live(Limits::default());
    assert_eq!(fixture.session.publish(fixture.now, writer, &Dictionary::new()), Ok(Some(1)));
    assert_eq!(fixture.session.publish(fixture.now, writer, &Dictionary::new()), Ok(None));
}

#[test]
fn the_newest_state_comes_before_the_old_updates() {
    let mut fixture = Fixture::new(Limits::default());
    let writer = fixture.add(None);
    (1..=5).for_each(|n| assert_eq!(fixture.publish(writer, n), Some(n as u64)));
    fixture.greet(LoggerPresence::Away);
    assert_eq!(fixture.sent()[1..], [announce(EPOCH, 5)]);
    fixture.accept(EPOCH, 3, 0);
    assert_eq!(fixture.sent(), [state(3, 5, 5)]);
    fixture.publish(writer, 6);
    fixture.resume(3, 0, 3, 1 << 20);
    assert_eq!(
        fixture.sent(),
        [update(3, 6, 6), again(3, 1, 1, false), again(3, 2, 2, false), again(3, 3, 3, true)]
    );
    fixture.resume(3, 3, 10, 0);
    assert_eq!(fixture.sent(), [again(3, 4, 4, true)], "at least one, whatever its size");
    fixture.resume(3, 4, 10, 1 << 20);
    assert_eq!(fixture.sent(), [again(3, 5, 5, false), again(3, 6, 6, true)]);
}

#[test]
fn a_hub_that_has_the_newest_is_sent_nothing() {
    let (mut fixture, writer) = live(Limits::default());
    fixture.publish(writer, 1);
    fixture.sent();
    fixture.disconnect();
    fixture.greet(LoggerPresence::Present);
    let expected = Sent::Announce {
        epoch: EPOCH,
        previous: 0,
        newest: 1,
        level: Level::Logged,
        replay: false,
        take_over: true,
    };
    assert_eq!(fixture.sent()[1..], [expected]);
    fixture.ack(1, 1);
    assert_eq!(
        fixture.session.writer(writer).unwrap().acknowledged(),
        0,
        "the number is the old connection's"
    );
    fixture.accept(EPOCH, 2, 1);
    fixture.ack(2, 1);
    assert_eq!(fixture.session.writer(writer).unwrap().acknowledged(), 1);
    assert_eq!(fixture.sent(), []);
    fixture.publish(writer, 2);
    assert_eq!(fixture.sent(), [update(2, 2, 2)]);
}

#[test]
fn a_full_spool_leaves_a_gap_that_is_reported() {
    let limits = Limits { spool_updates: 4, ..Limits::default() };
    let (mut fixture, writer) = live(limits);
    fixture.disconnect();
    (1..=10).for_each(|n| assert_eq!(fixture.publish(writer, n), Some(n as u64)));
    let dropped = |fixture: &Fixture| fixture.session.writer(writer).unwrap().dropped();
    assert_eq!((dropped(&fixture), fixture.session.writer(writer).unwrap().unacknowledged()), (6, 4));
    fixture.greet(LoggerPresence::Present);
    fixture.accept(EPOCH, 1, 0);
    fixture.sent();
    fixture.resume(1, 2, 3, 1 << 20);
    let gap = Sent::State {
        source: 1,
        sequence: 6,
        missing: missing(3, GapReason::SpoolFull),
        end_of_slice: false,
        replayed: true,
        n: 6,
    };
    assert_eq!(fixture.sent(), [gap, again(1, 7, 7, false), again(1, 8, 8, true)]);
    fixture.ack(1, 8);
    assert_eq!(dropped(&fixture), 4, "1 and 2 were there already: 3 to 6 are lost");
    fixture.ack(1, 10);
    assert_eq!((dropped(&fixture), fixture.session.writer(writer).unwrap().unacknowledged()), (4, 0));
}

#[test]
fn what_was_dropped_and_still_acknowledged_is_not_lost() {
    let limits = Limits { spool_updates: 2, ..Limits::default() };
    let (mut fixture, writer) = live(limits);
    (1..=5).for_each(|n| assert!(fixture.publish(writer, n).is_some()));
    assert_eq!(fixture.session.writer(writer).unwrap().dropped(), 3);
    fixture.ack(1, 5);
    assert_eq!(fixture.session.writer(writer).unwrap().dropped(), 0);
}

#[test]
fn what_was_dropped_counts_once_whatever_follows_it() {
    let limits = Limits { spool_updates: 2, ..Limits::default() };
    let (mut fixture, writer) = live(limits);
    (1..=5).for_each(|n| assert!(fixture.publish(writer, n).is_some()));
    fixture.session.end_writer(fixture.now, writer).unwrap();
    let next = fixture.add(Some(Level::Logged));
    let dropped = |fixture: &Fixture| fixture.session.writer(next).unwrap().dropped();
    assert_eq!(dropped(&fixture), 4, "its replay has the last two");
    fixture.accept(EPOCH, 1, 0);
    fixture.resume(1, 0, 10, 1 << 20);
    fixture.ack(1, 6);
    assert_eq!(dropped(&fixture), 4, "a gap stands for them");
}

#[test]
fn a_logger_that_came_later_gets_the_state() {
    let (mut fixture, writer) = live(Limits::default());
    (1..=5).for_each(|n| assert!(fixture.publish(writer, n).is_some()));
    fixture.ack(1, 5);
    fixture.sent();
    fixture.resume(1, 0, 10, 1 << 20);
    let state = |sequence, missing, n| Sent::State {
        source: 1,
        sequence,
        missing,
        end_of_slice: true,
        replayed: true,
        n,
    };
    assert_eq!(fixture.sent(), [state(5, missing(1, GapReason::BeforeLogger), 5)]);
    fixture.resume(1, 5, 10, 1 << 20);
    assert_eq!(fixture.sent(), [state(5, None, 5)], "nothing is left: a State that says so ends the slice");
    fixture.publish(writer, 6);
    fixture.sent();
    fixture.resume(1, 0, 10, 0);
    assert_eq!(
        fixture.sent(),
        [state(5, missing(1, GapReason::BeforeLogger), 5)],
        "a slice of the State alone"
    );
}

#[test]
fn other_levels_keep_nothing() {
    for (level, logger) in [(None, LoggerPresence::Never), (Some(Level::None), LoggerPresence::Present)] {
        let mut fixture = Fixture::new(Limits::default());
        let writer = fixture.add(level);
        (1..=3).for_each(|n| assert!(fixture.publish(writer, n).is_some()));
        fixture.greet(logger);
        let level = level.unwrap_or(Level::Received);
        fixture.accept(EPOCH, 1, 0);
        assert!(fixture.sent().contains(&state(1, 3, 3)));
        assert!(fixture.told().contains(&Told::Writer(WriterChange::Live { level })));
        fixture.resume(1, 1, 10, 100);
        let expected = Sent::State {
            source: 1,
            sequence: 3,
            missing: missing(2, GapReason::NotKept),
            end_of_slice: true,
            replayed: true,
            n: 3,
        };
        assert_eq!(fixture.sent(), [expected]);
        let unacknowledged = if level == Level::None { 0 } else { 3 };
        assert_eq!(fixture.session.writer(writer).unwrap().unacknowledged(), unacknowledged);
    }
}

#[test]
fn refusals_are_for_good() {
    for outcome in [Outcome::Live, Outcome::Name, Outcome::Limit, Outcome::Forbidden] {
        let mut fixture = Fixture::open(Limits::default(), LoggerPresence::Never);
        let writer = fixture.add(None);
        fixture.answer(Announced { epoch: EPOCH, outcome, id: 0, reason: "no", ..accepted() });
        let refusal = Refusal { outcome, reason: "no".into() };
        assert_eq!(fixture.told(), [Told::Writer(WriterChange::Refused(refusal.clone()))]);
        let refused = fixture.session.publish(fixture.now, writer, &Dictionary::new()).unwrap_err();
        assert_eq!(refused, PublishError::Refused(refusal));
        fixture.disconnect();
        fixture.greet(LoggerPresence::Never);
        assert_eq!(fixture.sent().len(), 1, "a ping and no announcement");
    }
}

#[test]
fn a_lower_epoch_that_has_sent_nothing_goes_above() {
    for (outcome, highest) in [(Outcome::Lower, 9_000), (Outcome::Equal, EPOCH)] {
        let mut fixture = Fixture::open(Limits::default(), LoggerPresence::Present);
        let options = WriterOptions { take_over: true, ..Default::default() };
        let writer = fixture.session.add_writer(fixture.now, "a", options).unwrap();
        fixture.publish(writer, 1);
        fixture.sent();
        fixture.answer(Announced { epoch: EPOCH, outcome, highest, ..accepted() });
        let expected = Sent::Announce {
            epoch: highest + 1,
            previous: highest,
            newest: 1,
            level: Level::Logged,
            replay: false,
            take_over: true,
        };
        assert_eq!(fixture.sent(), [expected]);
        fixture.accept(highest + 1, 4, 0);
        assert_eq!(fixture.sent(), [state(4, 1, 1)]);
    }
}

/// That it was accepted under its first number says nothing of the second: nothing is published under a number that a hub
/// has refused, and nobody is replaced by it.
#[test]
fn an_accepted_epoch_without_updates_goes_above_like_a_new_one() {
    let (mut fixture, writer) = live(Limits::default());
    fixture.answer(Announced { epoch: EPOCH, outcome: Outcome::Lower, highest: 9_000, ..accepted() });
    fixture.publish(writer, 1);
    fixture.sent();
    fixture.answer(Announced { epoch: 9_001, outcome: Outcome::Lower, highest: 9_500, ..accepted() });
    let expected = Sent::Announce {
        epoch: 9_501,
        previous: 9_500,
        newest: 1,
        level: Level::Logged,
        replay: false,
        take_over: false,
    };
    assert_eq!(fixture.sent(), [expected]);
}

/// A hub that was restarted learns of a higher epoch while the writer is live.
#[test]
fn a_higher_epoch_that_is_learned_later_opens_a_new_one_and_replays_the_old() {
    let (mut fixture, writer) = live(Limits::default());
    (1..=3).for_each(|n| assert!(fixture.publish(writer, n).is_some()));
    fixture.ack(1, 1);
    fixture.sent();
    fixture.told.clear();
    fixture.answer(Announced { epoch: EPOCH, outcome: Outcome::Lower, highest: 9_000, ..accepted() });
    assert_eq!(fixture.told(), [Told::Writer(WriterChange::Raised { from: EPOCH, to: 9_001 })]);
    let replay = Sent::Announce {
        epoch: EPOCH,
        previous: 0,
        newest: 3,
        level: Level::Logged,
        replay: true,
        take_over: true,
    };
    let raised = Sent::Announce {
        epoch: 9_001,
        previous: 9_000,
        newest: 1,
        level: Level::Logged,
        replay: false,
        take_over: false,
    };
    assert_eq!(fixture.sent(), [replay.clone(), raised]);
    fixture.publish(writer, 4);
    fixture.accept(EPOCH, 1, 0);
    fixture.accept(9_001, 2, 0);
    assert_eq!(fixture.sent(), [state(2, 2, 4)]);
    fixture.resume(1, 1, 10, 1 << 20);
    assert_eq!(fixture.sent(), [again(1, 2, 2, false), again(1, 3, 3, true)]);
    fixture.resume(2, 0, 10, 1 << 20);
    assert_eq!(fixture.sent(), [again(2, 1, 3, false), again(2, 2, 4, true)]);
    assert_eq!(fixture.session.writer(writer).unwrap().unacknowledged(), 4);

    // A cut: both are announced again, until the replay is acknowledged.
    fixture.disconnect();
    fixture.greet(LoggerPresence::Present);
    let accepted_once = Sent::Announce {
        epoch: 9_001,
        previous: 9_000,
        newest: 2,
        level: Level::Logged,
        replay: false,
        take_over: true,
    };
    assert_eq!(fixture.sent()[1..], [replay, accepted_once.clone()]);
    fixture.accept(EPOCH, 5, 0);
    fixture.ack(5, 3);
    assert_eq!(fixture.session.writer(writer).unwrap().unacknowledged(), 2);
    fixture.disconnect();
    fixture.greet(LoggerPresence::Present);
    assert_eq!(fixture.sent()[1..], [accepted_once]);
    assert_eq!(fixture.session.writer(writer).unwrap().dropped(), 0);
}

#[test]
fn a_raised_epoch_does_not_take_a_live_writers_place() {
    let (mut fixture, writer) = live(Limits::default());
    fixture.publish(writer, 1);
    fixture.sent();
    fixture.answer(Announced { epoch: EPOCH, outcome: Outcome::Lower, highest: 9_000, ..accepted() });
    fixture.answer(Announced { epoch: 9_001, outcome: Outcome::Live, id: 0, ..accepted() });
    fixture.accept(EPOCH, 1, 0);
    fixture.sent();
    assert!(matches!(fixture.session.writer(writer).unwrap().phase(), WriterPhase::Refused(_)));
    fixture.resume(1, 0, 10, 1 << 20);
    assert_eq!(fixture.sent(), [again(1, 1, 1, true)], "a logger still gets what the old epoch had");
}

#[test]
fn a_replaced_writer_never_announces_again_but_gives_what_it_has() {
    let (mut fixture, writer) = live(Limits::default());
    fixture.publish(writer, 1);
    fixture.sent();
    let (about, reference) = (0, 1);
    let code = ErrorCode::Replaced;
    fixture.give(&Packet::Error(packet::Error { code, about, reference, closing: false, text: "" }));
    assert_eq!(fixture.told(), [Told::Writer(WriterChange::Replaced)]);
    assert_eq!(fixture.session.publish(fixture.now, writer, &Dictionary::new()), Err(PublishError::Replaced));
    fixture.resume(1, 0, 10, 1 << 20);
    assert_eq!(fixture.sent(), [again(1, 1, 1, true)]);
    fixture.ack(1, 1);
    assert_eq!(fixture.session.writer(writer).unwrap().acknowledged(), 1);
    fixture.disconnect();
    fixture.greet(LoggerPresence::Present);
    assert_eq!(fixture.sent().len(), 1, "a ping and no announcement");
}

#[test]
fn a_hub_that_does_not_read_costs_no_memory() {
    for level in [Level::None, Level::Received, Level::Logged] {
        let limits = Limits { client_output: 200, ..Limits::default() };
        let mut fixture = Fixture::open(limits, LoggerPresence::Present);
        let writer = fixture.add(Some(level));
        fixture.accept(EPOCH, 1, 0);
        fixture.sent();
        (1..=100).for_each(|n| assert!(fixture.publish(writer, n).is_some()));
        assert!(fixture.session.output().len() < 300);
        let sent = fixture.sent();
        assert_eq!(sent[..2], [update(1, 1, 1), update(1, 2, 2)]);
        assert_eq!(sent.last(), Some(&state(1, 100, 100)));
        fixture.publish(writer, 101);
        fixture.resume(1, 100, 10, 1 << 20);
        assert_eq!(fixture.sent()[0], update(1, 101, 101));
    }
}

#[test]
fn a_slice_waits_for_room() {
    let limits = Limits { client_output: 150, ..Limits::default() };
    let (mut fixture, writer) = live(limits);
    (1..=4).for_each(|n| assert!(fixture.publish(writer, n).is_some()));
    fixture.resume(1, 0, 10, 1 << 20);
    let sent = fixture.sent();
    assert_eq!(sent.last(), Some(&again(1, 4, 4, true)));
    assert!(sent.contains(&state(1, 4, 4)));
}

#[test]
fn who_wants_to_wait_is_told_that_it_is_full() {
    let options =
        WriterOptions { level: Some(Level::Logged), when_full: WhenFull::Block, ..Default::default() };
    let limits = Limits { spool_updates: 4, client_output: 120, ..Limits::default() };
    let mut fixture = Fixture::open(limits, LoggerPresence::Present);
    let writer = fixture.session.add_writer(fixture.now, "a", options).unwrap();
    let publish = |fixture: &mut Fixture, n: i64| {
        fixture.session.publish(fixture.now, writer, &dictionary! { "n" => n })
    };
    for n in 1..=4 {
        assert_eq!(publish(&mut fixture, n), Ok(Some(n as u64)));
    }
    assert_eq!(publish(&mut fixture, 5), Err(PublishError::Full));
    fixture.accept(EPOCH, 1, 0);
    fixture.sent();
    fixture.ack(1, 2);
    assert_eq!(publish(&mut fixture, 5), Ok(Some(5)), "what was refused is not remembered as published");
    fixture.ack(1, 5);
    assert_eq!(publish(&mut fixture, 6), Ok(Some(6)));
    assert_eq!(publish(&mut fixture, 7), Err(PublishError::Full), "the output is full");
    assert_eq!(fixture.sent(), [update(1, 5, 5), update(1, 6, 6)]);
    assert_eq!(publish(&mut fixture, 7), Ok(Some(7)));
    assert_eq!(fixture.session.writer(writer).unwrap().dropped(), 0);
}

#[test]
fn an_end_is_an_update_and_the_last() {
    let (mut fixture, writer) = live(Limits::default());
    fixture.publish(writer, 1);
    assert_eq!(fixture.session.end_writer(fixture.now, writer), Ok(2));
    let end = |source, end_of_slice, replayed| Sent::Update {
        source,
        sequence: 2,
        end: true,
        end_of_slice,
        replayed,
        n: None,
    };
    assert_eq!(fixture.sent(), [update(1, 1, 1), end(1, false, false)]);
    let refused = fixture.session.publish(fixture.now, writer, &dictionary! { "n" => 2 });
    assert_eq!(refused, Err(PublishError::Ended));
    assert_eq!(fixture.session.end_writer(fixture.now, writer), Err(PublishError::Ended));
    fixture.disconnect();
    fixture.greet(LoggerPresence::Present);
    fixture.sent();
    fixture.accept(EPOCH, 2, 0);
    assert_eq!(
        fixture.sent(),
        [state(2, 1, 1), end(2, false, false)],
        "a State cannot say that it is the end"
    );
    fixture.resume(2, 1, 10, 1 << 20);
    assert_eq!(fixture.sent(), [end(2, true, true)]);
}

#[test]
fn a_source_may_be_written_again_after_its_end() {
    let (mut fixture, writer) = live(Limits::default());
    let refused = fixture.session.add_writer(fixture.now, "a", WriterOptions::default());
    assert_eq!(refused, Err(AddWriterError::Written));
    fixture.publish(writer, 1);
    fixture.session.end_writer(fixture.now, writer).unwrap();
    fixture.sent();
    let next = fixture.add(Some(Level::Logged));
    let expected = [
        Sent::Announce {
            epoch: EPOCH,
            previous: 0,
            newest: 2,
            level: Level::Logged,
            replay: true,
            take_over: true,
        },
        Sent::Announce {
            epoch: EPOCH + 1,
            previous: EPOCH,
            newest: 0,
            level: Level::Logged,
            replay: false,
            take_over: false,
        },
    ];
    assert_eq!(fixture.sent(), expected);
    assert_eq!(fixture.session.publish(fixture.now, writer, &Dictionary::new()), Err(PublishError::Removed));
    assert_eq!(fixture.session.writer(next).unwrap().unacknowledged(), 2);
    fixture.accept(EPOCH, 1, 0);
    fixture.ack(1, 2);
    assert_eq!(fixture.session.writer(next).unwrap().unacknowledged(), 0);
}

#[test]
fn a_writer_that_is_done_may_be_forgotten() {
    let (mut fixture, writer) = live(Limits::default());
    fixture.publish(writer, 1);
    let is_done = |fixture: &Fixture| fixture.session.writer(writer).unwrap().is_done();
    assert!(!is_done(&fixture));
    fixture.session.end_writer(fixture.now, writer).unwrap();
    assert!(!is_done(&fixture));
    fixture.ack(1, 2);
    assert!(is_done(&fixture));
    fixture.session.remove_writer(writer);
    fixture.sent();
    fixture.add(Some(Level::Logged));
    let expected = Sent::Announce {
        epoch: EPOCH + 1,
        previous: EPOCH,
        newest: 0,
        level: Level::Logged,
        replay: false,
        take_over: false,
    };
    assert_eq!(fixture.sent(), [expected]);
}

#[test]
fn what_is_over_a_limit_is_not_published() {
    let limits = Limits { dictionary: 100, keys: 3, depth: 2, ..Limits::default() };
    let (mut fixture, writer) = live(limits);
    let publish = |fixture: &mut Fixture, dictionary: &Dictionary| {
        fixture.session.publish(fixture.now, writer, dictionary)
    };
    let text = "x".repeat(40);
    let two = dictionary! { "a" => text.clone(), "b" => text.clone() };
    assert_eq!(publish(&mut fixture, &two), Ok(Some(1)));
    let three = dictionary! { "a" => text.clone(), "b" => text.clone(), "c" => text.clone() };
    assert_eq!(publish(&mut fixture, &three), Err(PublishError::Size { bytes: 133, limit: 100 }));
    let deep = dictionary! { "d" => dictionary! { "d" => dictionary! {} } };
    assert!(matches!(publish(&mut fixture, &deep), Err(PublishError::Value(_))));
    let keys = dictionary! { "a" => 1, "b" => 1, "c" => 1, "d" => 1 };
    assert_eq!(publish(&mut fixture, &keys), Err(PublishError::Keys { keys: 4, limit: 3 }));
    let set = [("c", &1.into())];
    assert_eq!(fixture.session.patch(fixture.now, writer, set, []), Ok(Some(2)), "its exact size still fits");
    let set = [("d", &1.into())];
    let refused = fixture.session.patch(fixture.now, writer, set, []);
    assert_eq!(refused, Err(PublishError::Keys { keys: 4, limit: 3 }));
    assert_eq!(fixture.sent().len(), 2, "nothing is sent of what is refused");
}

#[test]
fn a_dictionary_over_a_new_hubs_limit_is_refused() {
    let mut fixture = Fixture::new(Limits { dictionary: 4 << 20, body: 8 << 20, ..Limits::default() });
    let writer = fixture.add(Some(Level::Received));
    let large = dictionary! { "text" => "x".repeat(2 << 20) };
    fixture.session.publish(fixture.now, writer, &large).unwrap();
    fixture.greet(LoggerPresence::Never);
    fixture.accept(EPOCH, 1, 0);
    assert!(matches!(fixture.session.writer(writer).unwrap().phase(), WriterPhase::Refused(_)));
}

#[test]
fn a_hub_that_acknowledges_what_was_never_made_is_left() {
    let (mut fixture, writer) = live(Limits::default());
    fixture.publish(writer, 1);
    fixture.ack(1, 2);
    let expected = "update 2 of a was acknowledged, the newest is 1";
    assert_eq!(fixture.told(), [Told::Disconnected(expected.into())]);
}
