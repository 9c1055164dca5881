//! The thread that commits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use dict_protocol::record::Batch;
use dict_timeline::{CommitOptions, Committer, Error, Filter, Options, Refused, Timeline};
use rusqlite::Connection;

use super::maker::{Maker, all, assert_sound, place};

/// Waits until `count` batches were committed.
fn wait_for(committer: &Committer, notices: &mpsc::Receiver<()>, count: usize) -> Vec<Batch> {
    let mut committed: Vec<Batch> = committer.committed().collect();
    while committed.len() < count {
        notices.recv_timeout(Duration::from_secs(20)).expect("a notice");
        committed.extend(committer.committed());
    }
    committed
}

#[test]
fn batches_come_back_in_order_when_they_can_be_read() {
    let place = place();
    let (notify, notices) = mpsc::channel();
    let committer = Committer::start(place.write(), CommitOptions::default(), move || {
        let _ = notify.send(());
    })
    .unwrap();
    let reader = place.read();
    let mut maker = Maker::default();
    for round in 0..20_u64 {
        for sequence in 1..=5 {
            maker.set("a", 1, round * 5 + sequence, "x", round);
            committer.submit(maker.take()).unwrap();
        }
        let committed = wait_for(&committer, &notices, 5);
        let sequences: Vec<u64> = committed.iter().map(|batch| batch.entries[0].sequence).collect();
        assert_eq!(sequences, (1..=5).map(|sequence| round * 5 + sequence).collect::<Vec<_>>());
        assert_eq!(all(&reader, &Filter::default()).len() as u64, (round + 1) * 5);
    }
    assert!(committer.failure().is_none());
    maker.set("a", 1, 101, "x", 0);
    committer.submit(maker.take()).unwrap();
    assert_eq!(committer.close().unwrap().len(), 1, "what was handed over last is committed, too");
    assert_sound(&place.read());
    assert_eq!(place.write().positions().unwrap()[0].sequence, 101);
}

#[test]
fn a_repetition_is_stored_once() {
    let place = place();
    let mut timeline = place.write();
    let mut maker = Maker::default();
    for sequence in [1, 2, 2, 1, 3] {
        maker.set("a", 1, sequence, "x", sequence);
    }
    maker.store(&mut timeline);
    timeline.close().unwrap();
    assert_eq!(all(&place.read(), &Filter::default()).len(), 3);
    assert_sound(&place.read());
}

#[test]
fn after_a_failure_nothing_is_tried_again() {
    let place = place();
    let notices = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&notices);
    let committer = Committer::start(place.write(), CommitOptions::default(), move || {
        count.fetch_add(1, Ordering::SeqCst);
    })
    .unwrap();
    // No disk fails on demand; a database that somebody took a table from does.
    Connection::open(&place.path).unwrap().execute_batch("DROP TABLE span").unwrap();
    let mut maker = Maker::default();
    maker.set("a", 1, 1, "x", 1);
    committer.submit(maker.take()).unwrap();
    while committer.failure().is_none() {
        std::thread::yield_now();
    }
    while notices.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    assert_eq!(committer.committed().count(), 0);
    maker.set("a", 1, 2, "x", 1);
    loop {
        match committer.submit(maker.take()) {
            Err(Refused::Stopped(batch)) => break assert_eq!(batch.entries.len(), 1),
            // The thread is on its way out.
            Ok(()) | Err(Refused::Full(_)) => maker.set("a", 1, 2, "x", 1),
        }
    }
    assert!(matches!(committer.close(), Err(Error::Sqlite(_))));

    // So it is with a timeline used directly.
    let mut timeline =
        Timeline::create_or_open(place.path.with_file_name("2.db"), Options::default()).unwrap();
    Connection::open(timeline.path()).unwrap().execute_batch("DROP TABLE span").unwrap();
    let mut maker = Maker::default();
    maker.set("a", 1, 1, "x", 1);
    let batches = [maker.take()];
    assert!(matches!(timeline.append(&batches), Err(Error::Sqlite(_))));
    assert!(matches!(timeline.append(&batches), Err(Error::Stopped(_))));
    assert!(matches!(timeline.derive(), Err(Error::Stopped(_))));
}

#[test]
fn a_lock_of_another_program_is_waited_for_and_told_of() {
    let place = place();
    let (notify, notices) = mpsc::channel();
    let committer = Committer::start(place.write(), CommitOptions::default(), move || {
        let _ = notify.send(());
    })
    .unwrap();
    let other = Connection::open(&place.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut maker = Maker::default();
    maker.set("a", 1, 1, "x", 1);
    committer.submit(maker.take()).unwrap();
    // Longer than SQLite itself waits.
    assert!(notices.recv_timeout(Duration::from_secs(7)).is_err());
    assert!(committer.failure().is_none());
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(wait_for(&committer, &notices, 1).len(), 1);
    let outages: Vec<_> = committer.outages().collect();
    assert_eq!(outages.len(), 1, "{outages:?}");
    assert!(outages[0].reason.contains("locked") && outages[0].lasted < Duration::from_secs(60));
    committer.close().unwrap();
    assert_sound(&place.read());
}

#[test]
fn a_batch_made_wrongly_is_refused_whole() {
    let place = place();
    let mut timeline = place.write();
    let mut maker = Maker::default();
    maker.set("a", 1, 1, "x", 1);
    let mut wrong = maker.take();
    wrong.entries.push(wrong.entries[0].clone());
    wrong.entries[1].stream = 7;
    assert!(matches!(timeline.append(std::slice::from_ref(&wrong)), Err(Error::Batch(_))));
    wrong.entries[1].stream = 0;
    wrong.entries[1].sequence = 2;
    timeline.append(&[wrong]).unwrap();
    timeline.close().unwrap();
    assert_eq!(all(&place.read(), &Filter::default()).len(), 2);
    assert_sound(&place.read());
}
