//! Epochs that begin after a loss.

use super::*;
use crate::record::GapReason;
use crate::writer::PublishError;

const EPOCH: u64 = 5_000;
const SINCE: Time = Time::from_nanos(4_000_000);

fn lost() -> Option<MissingFrom> {
    Some(MissingFrom { first: 1, since: SINCE, reason: GapReason::LinkLost })
}

/// A State that answers nothing.
fn state(source: u32, sequence: u64, missing: Option<MissingFrom>, n: i64) -> Sent {
    Sent::State { source, sequence, missing, end_of_slice: false, replayed: false, n }
}

fn update(source: u32, sequence: u64, n: i64) -> Sent {
    Sent::Update { source, sequence, end: false, end_of_slice: false, replayed: false, n: Some(n) }
}

fn again(source: u32, sequence: u64, n: i64, end_of_slice: bool) -> Sent {
    Sent::Update { source, sequence, end: false, end_of_slice, replayed: true, n: Some(n) }
}

fn state_again(source: u32, sequence: u64, n: i64, end_of_slice: bool) -> Sent {
    Sent::State { source, sequence, missing: lost(), end_of_slice, replayed: true, n }
}

impl Fixture {
    fn publish_after_loss(&mut self, writer: WriterId, n: i64) -> Result<u64, PublishError> {
        self.session.publish_after_loss(self.now, writer, &dictionary! { "n" => n }, SINCE)
    }

    fn dropped(&self, writer: WriterId) -> (u64, u64) {
        let writer = self.session.writer(writer).unwrap();
        (writer.dropped(), writer.unacknowledged())
    }
}

/// A live writer whose epoch began after a loss; what it sent so far is forgotten.
fn live(limits: Limits, level: Level) -> (Fixture, WriterId) {
    let mut fixture = Fixture::open(limits, LoggerPresence::Present);
    let writer = fixture.add(Some(level));
    fixture.accept(EPOCH, 1, 0);
    fixture.sent();
    fixture.told.clear();
    assert_eq!(fixture.publish_after_loss(writer, 1), Ok(1));
    assert_eq!(fixture.sent(), [state(1, 1, lost(), 1)]);
    (fixture, writer)
}

#[test]
fn the_dictionary_is_sent_as_a_state_and_the_epoch_goes_on() {
    let (mut fixture, writer) = live(Limits::default(), Level::Logged);
    assert_eq!(fixture.publish(writer, 1), None);
    assert_eq!(fixture.publish(writer, 2), Some(2));
    assert_eq!(fixture.sent(), [update(1, 2, 2)]);
    fixture.resume(1, 0, 1, 1 << 20);
    assert_eq!(fixture.sent(), [state_again(1, 1, 1, true)], "a slice of one");
    fixture.resume(1, 0, 10, 1 << 20);
    assert_eq!(fixture.sent(), [state_again(1, 1, 1, false), again(1, 2, 2, true)]);
    fixture.resume(1, 1, 10, 1 << 20);
    assert_eq!(fixture.sent(), [again(1, 2, 2, true)]);
    assert_eq!(fixture.dropped(writer), (0, 2));
    fixture.ack(1, 1);
    assert_eq!(fixture.dropped(writer), (0, 1), "that it is missing is on disk");
    fixture.ack(1, 2);
    assert_eq!(fixture.dropped(writer), (0, 0));
}

#[test]
fn only_the_first_update_can_be_missing() {
    let (mut fixture, writer) = live(Limits::default(), Level::Logged);
    let begun = Err(PublishError::Begun { epoch: EPOCH, newest: 1 });
    assert_eq!(fixture.publish_after_loss(writer, 2), begun);
    fixture.session.end_writer(fixture.now, writer).unwrap();
    assert_eq!(fixture.publish_after_loss(writer, 2), Err(PublishError::Ended));
    let next = fixture.add(Some(Level::Logged));
    assert_eq!(fixture.publish_after_loss(next, 2), Ok(1));
    assert_eq!(fixture.publish_after_loss(writer, 2), Err(PublishError::Removed));
}

#[test]
fn what_is_over_a_limit_begins_no_epoch() {
    let limits = Limits { dictionary: 20, ..Limits::default() };
    let mut fixture = Fixture::open(limits, LoggerPresence::Present);
    let writer = fixture.add(Some(Level::Logged));
    let large = dictionary! { "text" => "x".repeat(40) };
    let refused = fixture.session.publish_after_loss(fixture.now, writer, &large, SINCE);
    assert!(matches!(refused, Err(PublishError::Size { limit: 20, .. })), "{refused:?}");
    assert_eq!(fixture.publish_after_loss(writer, 1), Ok(1));
}

#[test]
fn a_loss_before_the_connection_and_one_after_it_are_told_alike() {
    let mut fixture = Fixture::new(Limits::default());
    let writer = fixture.add(Some(Level::Logged));
    assert_eq!(fixture.publish_after_loss(writer, 1), Ok(1));
    fixture.greet(LoggerPresence::Present);
    fixture.sent();
    fixture.accept(EPOCH, 1, 0);
    assert_eq!(fixture.sent(), [state(1, 1, lost(), 1)]);
    fixture.publish(writer, 2);
    fixture.sent();

    // Another hub, or the same one restarted: its followers ask for what is behind the newest state.
    fixture.disconnect();
    fixture.greet(LoggerPresence::Present);
    fixture.sent();
    fixture.accept(EPOCH, 7, 0);
    assert_eq!(fixture.sent(), [state(7, 2, None, 2)], "the spool has update 2");
    fixture.resume(7, 0, 10, 1 << 20);
    assert_eq!(fixture.sent(), [state_again(7, 1, 1, false), again(7, 2, 2, true)]);
}

#[test]
fn at_the_other_levels_every_state_says_so() {
    for level in [Level::None, Level::Received] {
        let (mut fixture, writer) = live(Limits::default(), level);
        (2..=3).for_each(|n| assert!(fixture.publish(writer, n).is_some()));
        assert_eq!(fixture.sent(), [update(1, 2, 2), update(1, 3, 3)]);
        fixture.disconnect();
        fixture.greet(LoggerPresence::Present);
        fixture.sent();
        fixture.accept(EPOCH, 7, 0);
        assert_eq!(fixture.sent(), [state(7, 3, lost(), 3)]);
        assert_eq!(fixture.dropped(writer).0, 0);
    }
}

#[test]
fn what_is_dropped_after_a_loss_is_counted_without_it() {
    let limits = Limits { spool_updates: 4, ..Limits::default() };
    let (mut fixture, writer) = live(limits, Level::Logged);
    fixture.disconnect();
    (2..=10).for_each(|n| assert_eq!(fixture.publish(writer, n), Some(n as u64)));
    assert_eq!(fixture.dropped(writer), (5, 4), "2 to 6, and 7 to 10 are there");
    fixture.greet(LoggerPresence::Present);
    fixture.accept(EPOCH, 1, 0);
    fixture.sent();
    fixture.resume(1, 0, 1, 1 << 20);
    assert_eq!(fixture.sent(), [state_again(1, 6, 6, true)], "the loss was first");
    fixture.ack(1, 10);
    assert_eq!(fixture.dropped(writer), (5, 0));
}

#[test]
fn a_raised_epoch_begins_with_a_loss_that_nobody_holds() {
    for acknowledged in [0, 1] {
        let (mut fixture, writer) = live(Limits::default(), Level::Logged);
        fixture.publish(writer, 2);
        fixture.ack(1, acknowledged);
        fixture.sent();
        fixture.answer(Announced { epoch: EPOCH, outcome: Outcome::Lower, highest: 9_000, ..accepted() });
        fixture.sent();
        fixture.accept(9_001, 2, 0);
        let missing = if acknowledged == 0 { lost() } else { None };
        assert_eq!(fixture.sent(), [state(2, 1, missing, 2)]);
        fixture.resume(2, 0, 10, 1 << 20);
        let expected = if acknowledged == 0 { state_again(2, 1, 2, true) } else { again(2, 1, 2, true) };
        assert_eq!(fixture.sent(), [expected]);
        // The rest of the old epoch tells of it too.
        fixture.accept(EPOCH, 1, 0);
        fixture.resume(1, acknowledged, 10, 1 << 20);
        let first = [state_again(1, 1, 1, false), again(1, 2, 2, true)];
        assert_eq!(fixture.sent(), first[acknowledged as usize..]);
        assert_eq!(fixture.dropped(writer), (0, 3 - acknowledged));
    }
}

#[test]
fn an_epoch_that_was_never_accepted_keeps_its_loss_above_a_higher_one() {
    let mut fixture = Fixture::open(Limits::default(), LoggerPresence::Present);
    let writer = fixture.add(Some(Level::Logged));
    fixture.publish_after_loss(writer, 1).unwrap();
    fixture.answer(Announced { epoch: EPOCH, outcome: Outcome::Lower, highest: 9_000, ..accepted() });
    fixture.sent();
    fixture.accept(9_001, 2, 0);
    assert_eq!(fixture.sent(), [state(2, 1, lost(), 1)]);
}

#[test]
fn a_loss_that_is_given_up_with_its_epoch_is_not_dropped() {
    let mut fixture = Fixture::new(Limits::default());
    for _ in 0..5 {
        let writer = fixture.add(Some(Level::Logged));
        fixture.publish_after_loss(writer, 1).unwrap();
        fixture.session.end_writer(fixture.now, writer).unwrap();
    }
    let writer = fixture.add(Some(Level::Logged));
    assert_eq!(fixture.dropped(writer), (2, 6), "of two epochs the End, of three all is kept");
}
