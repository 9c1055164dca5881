//! What the oracle says of timelines that are not as they should be.

use dictwire_tests::faults::journal::{Journal, Life, content};
use dictwire_tests::faults::oracle::{Entry, Tail, Tally, compare, notices};

const SOURCE: &str = "bench1/psu";

/// Ten updates were sent in one life, eight of them acknowledged.
fn journal() -> Journal {
    Journal { lives: vec![Life { epoch: 7, first: 1 }], sent: 10, acknowledged: 8, ..Journal::new(SOURCE) }
}

fn update(number: u64) -> Entry {
    Entry::Update { source: SOURCE.to_owned(), epoch: 7, sequence: number, text: content(SOURCE, number) }
}

fn gap(first: u64, last: u64) -> Entry {
    Entry::Gap { source: SOURCE.to_owned(), from: (7, first), to: (7, last) }
}

fn tally(entries: &[Entry], tail: Tail) -> Tally {
    compare(&[journal()], entries, tail)
}

#[test]
fn what_is_whole_is_zero() {
    let whole: Vec<Entry> = (1..=10).map(update).collect();
    let found = tally(&whole, Tail::Settled);
    assert!(found.is_zero());
    assert_eq!((found.sent, found.acknowledged, found.held), (10, 8, 10));
    assert_eq!(notices(&[journal()], &whole), Ok(()));
}

#[test]
fn a_loss_is_what_is_acknowledged_and_not_there_gap_or_no_gap() {
    let mut entries: Vec<Entry> = (1..=10).filter(|&number| number != 4).map(update).collect();
    assert_eq!(tally(&entries, Tail::Settled).lost, 1);
    entries.push(gap(4, 4));
    assert_eq!(tally(&entries, Tail::Settled).lost, 1);
}

#[test]
fn what_was_never_acknowledged_may_be_missing_under_a_gap_or_on_its_way() {
    let entries: Vec<Entry> = (1..=8).map(update).collect();
    assert_eq!(tally(&entries, Tail::Settled).lost, 2);
    assert!(tally(&entries, Tail::Pending).is_zero());
    let stated = [entries, vec![gap(9, 10)]].concat();
    let found = tally(&stated, Tail::Settled);
    assert!(found.is_zero());
    assert_eq!(found.stated, 2);
    // One that came after it is there: it was passed over.
    let hole: Vec<Entry> = (1..=8).chain([10]).map(update).collect();
    assert_eq!(tally(&hole, Tail::Pending).lost, 1);
}

#[test]
fn the_other_three_are_told_apart() {
    let at = |numbers: &[u64]| numbers.iter().map(|&number| update(number)).collect::<Vec<_>>();
    let found = tally(&at(&[1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10]), Tail::Settled);
    assert_eq!((found.lost, found.doubled, found.reordered, found.altered), (0, 1, 0, 0));
    let found = tally(&at(&[1, 2, 4, 3, 5, 6, 7, 8, 9, 10]), Tail::Settled);
    assert_eq!((found.lost, found.doubled, found.reordered, found.altered), (0, 0, 1, 0));
    let mut entries = at(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    if let Entry::Update { sequence, .. } = &mut entries[9] {
        *sequence = 11;
    }
    assert_eq!(tally(&entries, Tail::Settled).altered, 1, "under another sequence");
    entries[9] = Entry::Update { source: SOURCE.into(), epoch: 7, sequence: 10, text: content(SOURCE, 11) };
    let found = tally(&entries, Tail::Settled);
    assert_eq!((found.altered, found.lost), (1, 1), "never sent, and the one that was is not there");
}
