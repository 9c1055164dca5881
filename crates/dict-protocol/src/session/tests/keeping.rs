//! What outlives the program: kept before it is sent, restored, replayed, and over when it is acknowledged.

use super::*;
use crate::kept::{Entry, Item, Kept, KeptError, Update};
use crate::record::GapReason;
use crate::writer::{PublishError, WhenFull};

const EPOCH: u64 = 5_000;

/// A client whose spool outlives it: what it tells is taken after each step, as a driver does.
struct Program {
    fixture: Fixture,
    disk: Kept,
}

impl Program {
    fn begin(disk: &Kept, limits: &Limits) -> Self {
        let mut fixture = Fixture::new(limits.clone());
        let settings = fixture.session.settings().clone();
        fixture.session = Session::restore(settings, disk.clone());
        Self { fixture, disk: disk.clone() }
    }

    fn keep(&mut self) {
        let disk = &mut self.disk;
        self.fixture.session.keep(&mut |entry| disk.take(&entry).unwrap());
        assert!(!self.fixture.session.has_news());
    }

    fn publish(&mut self, writer: WriterId, n: i64) {
        assert!(self.fixture.publish(writer, n).is_some());
        self.keep();
    }

    fn ack(&mut self, source: u32, sequence: u64) {
        self.fixture.ack(source, sequence);
        self.keep();
    }

    fn sent(&mut self) -> Vec<Sent> {
        self.keep();
        self.fixture.sent()
    }

    fn accept(&mut self, epoch: u64, id: u32) {
        self.fixture.accept(epoch, id, 0);
        self.keep();
    }
}

fn empty() -> Kept {
    Kept::new([9; 16])
}

fn announced(epoch: u64, previous: u64, newest: u64, replay: bool) -> Sent {
    Sent::Announce { epoch, previous, newest, level: Level::Logged, replay, take_over: replay }
}

fn again(source: u32, sequence: u64, n: i64, end_of_slice: bool) -> Sent {
    Sent::Update { source, sequence, end: false, end_of_slice, replayed: true, n: Some(n) }
}

/// A program that published 1 to 5, of which 2 were acknowledged, and was killed.
fn killed() -> Kept {
    let mut program = Program::begin(&empty(), &Limits::default());
    let writer = program.fixture.add(None);
    (1..=3).for_each(|n| program.publish(writer, n));
    program.fixture.greet(LoggerPresence::Never);
    assert_eq!(
        program.sent()[1..],
        [announced(EPOCH, 0, 3, false)],
        "the level is logged where a spool is kept"
    );
    program.accept(EPOCH, 1);
    (4..=5).for_each(|n| program.publish(writer, n));
    program.ack(1, 2);
    program.disk
}

#[test]
fn a_killed_programs_updates_are_replayed_whoever_writes_the_source() {
    let mut program = Program::begin(&killed(), &Limits::default());
    assert_eq!(program.fixture.session.settings().client_id, [9; 16]);
    let left = program.fixture.session.left("a").unwrap();
    assert_eq!((left.unacknowledged(), left.content()), (3, &dictionary! { "n" => 5 }));
    program.fixture.greet(LoggerPresence::Present);
    assert_eq!(program.sent()[1..], [announced(EPOCH, 0, 5, true)]);
    program.accept(EPOCH, 7);
    program.fixture.resume(7, 2, 100, 1 << 20);
    assert_eq!(program.sent(), [again(7, 3, 3, false), again(7, 4, 4, false), again(7, 5, 5, true)]);
    let ids: Vec<WriterId> = program.fixture.session.writers().map(|(id, _)| id).collect();
    let ended = program.fixture.session.end_writer(program.fixture.now, ids[0]);
    assert_eq!(ended, Err(PublishError::Ended), "there is nothing to end");

    let writer = program.fixture.add(None);
    assert!(program.fixture.session.left("a").is_none());
    assert_eq!(
        program.sent(),
        [announced(EPOCH + 1, EPOCH, 0, false)],
        "a new epoch above, and no replay twice"
    );
    program.accept(EPOCH + 1, 8);
    program.publish(writer, 6);
    assert_eq!(program.fixture.session.writer(writer).unwrap().unacknowledged(), 4);
    program.ack(7, 5);
    assert_eq!(program.fixture.session.writer(writer).unwrap().unacknowledged(), 1);
    assert_eq!(program.disk.updates(), 1, "the old epoch is over");
}

#[test]
fn the_newest_epoch_is_remembered_when_it_is_acknowledged_in_full() {
    let mut program = Program::begin(&killed(), &Limits::default());
    program.fixture.greet(LoggerPresence::Present);
    program.accept(EPOCH, 7);
    program.ack(7, 5);
    let mut program = Program::begin(&program.disk, &Limits::default());
    let left = program.fixture.session.left("a").unwrap();
    assert_eq!((left.unacknowledged(), left.content()), (0, &dictionary! { "n" => 5 }));
    program.fixture.greet(LoggerPresence::Present);
    assert_eq!(program.sent()[1..], [], "nothing is to be replayed");
    let writer = program.fixture.add(None);
    assert_eq!(program.sent(), [announced(EPOCH + 1, EPOCH, 0, false)]);
    program.publish(writer, 5);
    assert_eq!(program.disk.updates(), 1);
}

#[test]
fn what_was_lost_of_the_file_is_believed_to_be_held() {
    let mut program = Program::begin(&killed(), &Limits::default());
    program.fixture.greet(LoggerPresence::Present);
    program.accept(EPOCH, 7);
    program.ack(7, 9);
    assert!(program.fixture.session.is_open(), "the hub knows more of the epoch than its writer");
    assert_eq!(program.fixture.session.left("a").unwrap().unacknowledged(), 0);
}

#[test]
fn many_lives_without_a_hub_are_within_one_spools_limits() {
    let limits = Limits { spool_updates: 20, ..Limits::default() };
    let mut disk = empty();
    for life in 0..10 {
        let mut program = Program::begin(&disk, &limits);
        let options = WriterOptions { when_full: WhenFull::Block, ..Default::default() };
        let writer = program.fixture.session.add_writer(program.fixture.now, "a", options).unwrap();
        let publish = |program: &mut Program, n: i64| {
            let published =
                program.fixture.session.publish(program.fixture.now, writer, &dictionary! { "n" => n });
            program.keep();
            published
        };
        for n in 0..3 {
            let expected = if life * 3 + n < 20 { Ok(Some(n as u64 + 1)) } else { Err(PublishError::Full) };
            assert_eq!(publish(&mut program, n), expected, "life {life}");
        }
        disk = program.disk;
    }
    assert_eq!(disk.updates(), 20);

    let mut program = Program::begin(&disk, &limits);
    let writer = program.fixture.add(None);
    (100..115).for_each(|n| program.publish(writer, n));
    let (updates, _) = program.fixture.session.writer(writer).unwrap().spooled();
    assert!(updates <= 20 && program.disk.updates() <= 20);
    assert_eq!(program.fixture.session.writer(writer).unwrap().dropped(), 15, "the oldest make room");
    let mut program = Program::begin(&program.disk, &limits);
    assert_eq!(program.fixture.session.left("a").unwrap().dropped(), 15);
    program.fixture.greet(LoggerPresence::Present);
    program.accept(EPOCH, 7);
    program.fixture.resume(7, 0, 100, 1 << 20);
    let stated = Sent::State {
        source: 7,
        sequence: 3,
        missing: Some(MissingFrom { first: 1, since: Time::default(), reason: GapReason::SpoolFull }),
        end_of_slice: true,
        replayed: true,
        n: 2,
    };
    assert_eq!(program.sent().last(), Some(&stated));
}

#[test]
fn an_epoch_that_takes_another_number_is_kept_under_that() {
    let mut program = Program::begin(&empty(), &Limits::default());
    let writer = program.fixture.add(None);
    program.publish(writer, 1);
    program.fixture.greet(LoggerPresence::Present);
    let lower = Announced { epoch: EPOCH, outcome: Outcome::Lower, highest: 9_000, ..accepted() };
    program.fixture.answer(lower);
    program.keep();
    let epoch = program.fixture.session.writer(writer).unwrap().epoch();
    assert!(epoch > 9_000);
    let mut program = Program::begin(&program.disk, &Limits::default());
    program.fixture.greet(LoggerPresence::Present);
    // No hub has accepted it: who came before it is not known.
    assert_eq!(program.sent()[1..], [announced(epoch, epoch - 1, 1, true)]);
}

#[test]
fn a_bookmark_is_kept_with_what_was_published() {
    let mut program = Program::begin(&empty(), &Limits::default());
    let writer = program.fixture.add(None);
    program.fixture.publish(writer, 1);
    program.fixture.session.set_bookmark(writer, b"line 1");
    program.keep();
    program.fixture.session.set_bookmark(writer, b"line 2");
    let program = Program::begin(&program.disk, &Limits::default());
    assert_eq!(program.fixture.session.left("a").unwrap().bookmark(), b"line 1");
}

#[test]
fn other_levels_are_not_kept() {
    let mut program = Program::begin(&empty(), &Limits::default());
    let writer = program.fixture.add(Some(Level::Received));
    program.publish(writer, 1);
    assert_eq!(program.disk.updates(), 0);
}

#[test]
fn what_cannot_have_been_kept_is_refused() {
    let mut kept = killed();
    let mut take = |sequence, patch: &[u8]| {
        let update = Update { time: Time::default(), end: false, patch };
        kept.take(&Entry { source: "a", item: Item::Update { epoch: EPOCH, sequence, update } })
    };
    assert!(matches!(take(7, &[0x90, 0x80]), Err(KeptError::Hole { newest: 5, .. })));
    assert!(matches!(take(6, &[0x90]), Err(KeptError::Unreadable { sequence: 6, .. })));
    assert_eq!(take(6, &[0x90, 0x80]), Ok(()));
    let base = Item::Base { epoch: EPOCH, sequence: 8, time: Time::default(), dictionary: &[0x90] };
    assert!(matches!(kept.take(&Entry { source: "a", item: base }), Err(KeptError::Unreadable { .. })));
}
