//! What only the inside of a timeline can bring about: a full disk, and a crash at each step.

use dict_protocol::dictionary;
use dict_protocol::record::{Batch, Entry, EntryKind, Stamp, Stream};

use std::cell::RefCell;
use std::fs;
use std::ops::RangeInclusive;
use std::rc::Rc;

use dict_protocol::time::Time;
use dict_protocol::value::Value;

use super::*;
use crate::{CommitOptions, Committer, Filter, Reader};

type Hook = Box<dyn FnMut(&'static str)>;

thread_local! {
    static HOOK: RefCell<Option<Hook>> = RefCell::new(None);
}

/// Tells the test at hand that a step was done.
pub(super) fn reached(step: &'static str) {
    HOOK.with_borrow_mut(|hook| {
        if let Some(hook) = hook {
            hook(step);
        }
    });
}

/// Updates of a source with many keys, from one sequence to another.
fn batch(sequences: RangeInclusive<u64>) -> Batch {
    let mut batch = Batch::default();
    if *sequences.start() == 1 {
        batch.streams.push(Stream { index: 0, hub: "lab".into(), source: "a".into(), epoch: 1 });
    }
    for sequence in sequences {
        let start = batch.bytes.len();
        let change = dictionary! { format!("key{}", sequence % 100) => "x".repeat(500) };
        dict_protocol::change::write_whole(&change, 128, &mut batch.bytes).unwrap();
        batch.entries.push(Entry {
            stream: 0,
            kind: EntryKind::Update,
            sequence,
            time: now(),
            stamp: Stamp { hub_time: now(), ..Stamp::default() },
            replayed: false,
            late: false,
            body: start..batch.bytes.len(),
        });
    }
    batch
}

fn now() -> Time {
    super::clock::Moment::now().time
}

/// SQLite's journal of a transaction that wrote the first page of an empty database: a header of one sector, after its
/// magic the count of pages kept, a nonce, the pages that there were, and the sizes of a sector and of a page.
/// <https://sqlite.org/fileformat2.html#the_rollback_journal>
fn journal_of_nothing() -> Vec<u8> {
    let mut journal = vec![0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    let page = settings::PAGE_SIZE as u32;
    journal.extend([0, 0, 0, 512, page].into_iter().flat_map(u32::to_be_bytes));
    journal.resize(512, 0);
    journal
}

#[test]
fn a_file_whose_writer_was_killed_at_its_first_page_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("timeline.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.pragma_update(None, "page_size", settings::PAGE_SIZE).unwrap();
    database.pragma_update(None, "application_id", crate::schema::APPLICATION_ID).unwrap();
    database.close().unwrap();
    fs::write(beside(&path, "-journal"), journal_of_nothing()).unwrap();
    let other = directory.path().join("other.db");
    // As after a power cut.
    fs::write(&other, vec![0; fs::metadata(&path).unwrap().len() as usize]).unwrap();
    fs::write(beside(&other, "-journal"), journal_of_nothing()).unwrap();

    for path in [path, other] {
        let mut timeline = Timeline::create_or_open(&path, OPTIONS).unwrap();
        timeline.append(&[batch(1..=10)]).unwrap();
        assert_eq!(Reader::open(&path).unwrap().rows(&Filter::default()).unwrap().count(), 10);
        timeline.close().unwrap();
        assert_eq!(Timeline::create_or_open(&path, OPTIONS).unwrap().positions().unwrap()[0].sequence, 10);
    }
}

#[test]
fn zeros_alone_are_no_timeline_begun() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("zeros");
    fs::write(&path, [0; 8_192]).unwrap();
    assert!(matches!(Timeline::create_or_open(&path, OPTIONS), Err(Error::Foreign { .. })));
    assert_eq!(fs::read(&path).unwrap(), [0; 8_192]);
}

#[test]
fn updates_of_many_keys_under_load_do_not_pile_up() {
    const KEYS: usize = 30;
    const UPDATES: u64 = 1_000;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("timeline.db");
    let mut timeline = Timeline::create_or_open(&path, OPTIONS).unwrap();
    let mut most = 0;
    for group in 0..10 {
        let mut batch = batch(group * UPDATES + 1..=(group + 1) * UPDATES);
        batch.bytes.clear();
        for entry in &mut batch.entries {
            let start = batch.bytes.len();
            let change = (0..KEYS).map(|key| (format!("key{key}"), Value::from(entry.sequence))).collect();
            dict_protocol::change::write_whole(&change, 128, &mut batch.bytes).unwrap();
            entry.body = start..batch.bytes.len();
        }
        timeline.append(&[batch]).unwrap();
        most = most.max(timeline.file.waiting());
    }
    assert!(most <= 2 * KEYS * UPDATES as usize, "{most} changes wait");
    timeline.close().unwrap();
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.verify(|_| {}).unwrap(), []);
    assert_eq!(reader.rows(&Filter::default()).unwrap().count(), 10 * KEYS * UPDATES as usize);
}

#[test]
fn a_full_disk_stores_nothing_and_can_be_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("timeline.db");
    let mut timeline = Timeline::create_or_open(&path, Options::default()).unwrap();
    timeline.append(&[batch(1..=10)]).unwrap();
    timeline.file.limit_pages(60);
    for _ in 0..3 {
        assert!(matches!(timeline.append(&[batch(11..=2_000)]), Err(Error::DiskFull)));
        assert_eq!(timeline.positions().unwrap()[0].sequence, 10);
    }
    timeline.file.limit_pages(1 << 30);
    timeline.append(&[batch(11..=2_000)]).unwrap();
    timeline.close().unwrap();
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.verify(|_| {}).unwrap(), []);
    assert_eq!(reader.rows(&Filter::default()).unwrap().count(), 2_000);
}

/// A folder whose files are followed by another with every group.
const EACH_GROUP: Options = Options { rotate: Some(Amount::Time(Duration::ZERO)), ..OPTIONS };
const OPTIONS: Options = Options { cache: 1 << 10, log: 64 << 20, rotate: None, keep: None };

/// Copies what a crash would leave: every file as it is.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// What a crash at each step of some work would leave of a folder.
fn crashes(folder: &Path, work: impl FnOnce()) -> Vec<(&'static str, PathBuf)> {
    let found = Rc::new(RefCell::new(Vec::new()));
    let (from, seen) = (folder.to_owned(), Rc::clone(&found));
    HOOK.set(Some(Box::new(move |step| {
        let place = from.with_file_name(step);
        copy(&from, &place);
        seen.borrow_mut().push((step, place));
    })));
    work();
    HOOK.set(None);
    found.take()
}

#[test]
fn a_crash_at_any_step_from_one_file_to_the_next_loses_and_doubles_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lab");
    let options = EACH_GROUP;
    let mut timeline = Timeline::create_or_open(&path, options).unwrap();
    timeline.append(&[batch(1..=50)]).unwrap();
    timeline.append(&[batch(51..=100)]).unwrap();
    let crashes = crashes(&path, || timeline.append(&[batch(101..=200)]).unwrap());
    let acknowledged = 100;
    let steps: Vec<_> = crashes.iter().map(|(step, _)| *step).collect();
    assert_eq!(
        steps,
        [
            "made an empty file aside",
            "filled it",
            "made a file aside",
            "renamed it",
            "noted it in the one before"
        ]
    );
    for (step, crashed) in crashes {
        assert_eq!(Reader::open(&crashed).unwrap().verify(|_| {}).unwrap(), [], "{step}");
        let mut timeline = Timeline::create_or_open(&crashed, options).unwrap();
        assert_eq!(timeline.positions().unwrap()[0].sequence, acknowledged, "{step}");
        let mut rest = batch(101..=200);
        rest.streams = batch(1..=1).streams;
        timeline.append(&[rest]).unwrap();
        timeline.close().unwrap();
        let reader = Reader::open(&crashed).unwrap();
        assert_eq!(reader.verify(|_| {}).unwrap(), [], "{step}");
        assert_eq!(reader.rows(&Filter::default()).unwrap().count(), 200, "{step}");
        let left = fs::read_dir(&crashed).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(left.filter(|name| name.to_string_lossy().contains(".new")).count(), 0, "{step}");
        fs::remove_file(crate::folder::list(&crashed).unwrap().pop().unwrap().path).unwrap();
        let findings = Reader::open(&crashed).unwrap().verify(|_| {}).unwrap();
        assert!(matches!(findings[..], [crate::Finding::FileMissing { .. }]), "{step}: {findings:?}");
    }
    timeline.close().unwrap();
    assert_eq!(Reader::open(&path).unwrap().rows(&Filter::default()).unwrap().count(), 200);
}

#[test]
fn a_crash_between_the_note_and_the_removal_of_old_files_is_made_good() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lab");
    let mut timeline = Timeline::create_or_open(&path, EACH_GROUP).unwrap();
    for group in 0..4 {
        timeline.append(&[batch(group * 10 + 1..=group * 10 + 10)]).unwrap();
    }
    timeline.close().unwrap();
    let parts = crate::folder::list(&path).unwrap();
    for (year, part) in (2001..).zip(&parts[..2]) {
        fs::rename(&part.path, path.join(format!("{year}-01-01T00-00-00Z.db"))).unwrap();
    }
    fs::write(path.join("notes.txt"), "mine").unwrap();
    // All rows of the second were there before the third was begun, which is just now.
    let options = Options { keep: Some(Amount::Time(Duration::from_secs(86_400))), ..OPTIONS };
    let crashes = crashes(&path, || Timeline::create_or_open(&path, options).unwrap().close().unwrap());
    assert_eq!(crashes.len(), 1);
    for folder in [&crashes[0].1, &path] {
        let reader = Reader::open(folder).unwrap();
        assert_eq!((reader.info().unwrap().pruned, reader.verify(|_| {}).unwrap()), (10, vec![]));
        Timeline::create_or_open(folder, options).unwrap().close().unwrap();
        assert_eq!(crate::folder::list(folder).unwrap().len(), 3);
        assert_eq!(Reader::open(folder).unwrap().rows(&Filter::default()).unwrap().count(), 30);
        assert!(folder.join("notes.txt").exists());
    }
    // What nobody noted is missing.
    fs::remove_file(path.join("2002-01-01T00-00-00Z.db")).unwrap();
    let findings = Reader::open(&path).unwrap().verify(|_| {}).unwrap();
    assert_eq!(findings, [crate::Finding::NumbersMissing { first: 11, last: 20 }]);
}

const DAY: Duration = Duration::from_secs(86_400);

/// A folder of three files, the first named after the beginning of `year`, whose rows are all 40 days old.
fn old_folder(directory: &tempfile::TempDir, year: u32) -> PathBuf {
    let path = directory.path().join("lab");
    for group in 0..3 {
        let mut batch = next_batch(group * 10 + 1..=group * 10 + 10);
        for entry in &mut batch.entries {
            entry.time = entry.time.offset_by(-(40 * DAY.as_nanos() as i64));
            entry.stamp.hub_time = entry.time;
        }
        let mut timeline = Timeline::create_or_open(&path, EACH_GROUP).unwrap();
        timeline.append(&[batch]).unwrap();
        timeline.close().unwrap();
        if group == 0 {
            let part = crate::folder::list(&path).unwrap().remove(0);
            fs::rename(&part.path, path.join(format!("{year}-01-01T00-00-00Z.db"))).unwrap();
        }
    }
    path
}

/// The updates that follow those, which the recorder of a later run declares.
fn next_batch(sequences: RangeInclusive<u64>) -> Batch {
    let mut next = batch(sequences);
    next.streams = batch(1..=1).streams;
    next
}

#[test]
fn when_all_rows_look_too_old_the_clock_is_not_believed_at_once() {
    // The second time as if the clock had been ahead when the files were begun.
    for year in [2001, 2201] {
        let directory = tempfile::tempdir().unwrap();
        let path = old_folder(&directory, year);
        let count = || crate::folder::list(&path).unwrap().len();
        let options = Options { keep: Some(Amount::Time(30 * DAY)), ..EACH_GROUP };
        let mut timeline = Timeline::create_or_open(&path, options).unwrap();
        assert_eq!(count(), 3);
        timeline.append(&[next_batch(31..=40)]).unwrap();
        timeline.append(&[batch(41..=50)]).unwrap();
        assert_eq!(count(), 5);
        timeline.close().unwrap();
        // A later run finds rows that are new.
        Timeline::create_or_open(&path, options).unwrap().close().unwrap();
        assert_eq!(count(), 3);
        assert_eq!(Reader::open(&path).unwrap().verify(|_| {}).unwrap(), []);
    }
}

#[test]
fn a_file_begun_while_the_clock_was_ahead_is_followed_by_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = old_folder(&directory, 2201);
    let options = Options { rotate: Some(Amount::Time(Duration::from_millis(1))), ..OPTIONS };
    let mut timeline = Timeline::create_or_open(&path, options).unwrap();
    let mut sequence = 30;
    while crate::folder::list(&path).unwrap().len() < 5 {
        sequence += 1;
        timeline.append(&[next_batch(sequence..=sequence)]).unwrap();
    }
    timeline.close().unwrap();
    assert_eq!(Reader::open(&path).unwrap().verify(|_| {}).unwrap(), []);
}

#[test]
fn while_the_disk_is_full_a_committer_acknowledges_nothing_and_does_not_fail() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("timeline.db");
    let timeline = Timeline::create_or_open(&path, OPTIONS).unwrap();
    timeline.file.limit_pages(60);
    let committer = Committer::start(timeline, CommitOptions::default(), || {}).unwrap();
    committer.submit(batch(1..=2_000)).unwrap();
    // Attempts that come to nothing, ever more rarely.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!((committer.committed().count(), committer.outages().count()), (0, 0));
    assert!(committer.failure().is_none());
    assert!(matches!(committer.close(), Err(Error::DiskFull)));

    let mut timeline = Timeline::create_or_open(&path, OPTIONS).unwrap();
    assert!(timeline.positions().unwrap().is_empty());
    timeline.append(&[batch(1..=2_000)]).unwrap();
    timeline.close().unwrap();
    assert_eq!(Reader::open(&path).unwrap().verify(|_| {}).unwrap(), []);
}

#[test]
fn a_disk_too_full_for_the_next_file_stores_nothing_and_can_be_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lab");
    let mut timeline = Timeline::create_or_open(&path, EACH_GROUP).unwrap();
    timeline.append(&[batch(1..=2_000)]).unwrap();
    // What is still to be put in order does not fit, without which no file is left.
    timeline.file.limit_pages(timeline.file.size().unwrap() as i64 / settings::PAGE_SIZE);
    for _ in 0..3 {
        assert!(matches!(timeline.append(&[batch(2_001..=2_010)]), Err(Error::DiskFull)));
        assert_eq!(timeline.positions().unwrap()[0].sequence, 2_000);
    }
    timeline.file.limit_pages(1 << 30);
    timeline.append(&[batch(2_001..=2_010)]).unwrap();
    timeline.close().unwrap();
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.verify(|_| {}).unwrap(), []);
    assert_eq!((reader.rows(&Filter::default()).unwrap().count(), reader.info().unwrap().files), (2_010, 2));
}
