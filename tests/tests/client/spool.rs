//! A spool in a file: what a program that ended in whatever way has left, and the next run of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use dict_event_loop::client::{
    Client, ConnectError, Level, Step, WhenFull, WriteError, Writer, WriterOptions,
};
use dict_protocol::dictionary;
use dict_protocol::limits::Limits;
use tempfile::TempDir;

use super::logger::Logger;
use super::support::{A_WHILE, Hub, SOON, eventually};

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the program that uses the file `name` would leave if it were killed now.
    fn killed(&self, name: &str, copy: &str) {
        for end in ["", "-wal"] {
            fs::copy(self.path(&format!("{name}{end}")), self.path(&format!("{copy}{end}"))).unwrap();
        }
    }
}

fn client(hub: &Hub, file: &Path) -> Client {
    hub.builder("writer").spool(file).connect(&hub.address).unwrap()
}

fn psu(client: &Client) -> Writer {
    client.writer("psu", WriterOptions::default()).unwrap()
}

#[test]
fn a_new_run_goes_on_while_the_hub_takes_the_old_one_to_be_live() {
    let (hub, place) = (Hub::new(), Place::new());
    let old = client(&hub, &place.path("old"));
    let writer = psu(&old);
    for n in 1..=3 {
        writer.set("n", n).unwrap();
    }
    writer.wait_announced(SOON).unwrap();
    assert_eq!(writer.level(), Some(Level::Logged), "though there has been no logger");
    place.killed("old", "new");

    let new = client(&hub, &place.path("new"));
    let left = new.left("psu").unwrap();
    assert_eq!((left.dictionary, left.unacknowledged), (dictionary! { "n" => 3 }, 3));
    let again = psu(&new);
    again.wait_announced(SOON).unwrap();
    assert!(again.epoch() > writer.epoch());
    assert_eq!(new.left("psu"), None);
    again.set("n", 4).unwrap();
    assert_eq!(new.flush(A_WHILE), Err(WriteError::TimedOut { unacknowledged: 4, after: A_WHILE }));
    let logger = Logger::new(&hub);
    assert_eq!(new.flush(SOON), Ok(0));
    let mut held: Vec<_> = logger.stop().into_values().collect();
    held.sort();
    assert_eq!(held, [vec![1], vec![1, 2, 3]]);
}

#[test]
fn what_is_left_is_sent_whether_or_not_its_source_is_written_again() {
    let (hub, place) = (Hub::new(), Place::new());
    let first = client(&hub, &place.path("a"));
    let writer = psu(&first);
    let step = |n: i64| Step {
        dictionary: dictionary! { "n" => n },
        patch: false,
        bookmark: format!("line {n}").into_bytes(),
    };
    let published = writer.publish_all(&[step(1), step(2), step(2), step(3)]);
    assert_eq!(published, [Ok(Some(1)), Ok(Some(2)), Ok(None), Ok(Some(3))]);
    place.killed("a", "b");

    let second = client(&hub, &place.path("b"));
    assert_eq!(second.left("psu").unwrap().bookmark, b"line 3");
    let logger = Logger::new(&hub);
    assert_eq!(second.flush(SOON), Ok(0));
    assert_eq!(second.close(SOON), 0);
    drop(logger);

    let third = client(&hub, &place.path("b"));
    let left = third.left("psu").unwrap();
    assert_eq!((left.dictionary, left.unacknowledged), (dictionary! { "n" => 3 }, 0));
    assert_eq!(left.bookmark, b"line 3");
}

#[test]
fn it_is_as_bounded_as_in_memory() {
    let (hub, place) = (Hub::new(), Place::new());
    let limits = Limits { spool_updates: 32, ..Limits::default() };
    let builder = hub.builder("writer").limits(limits.clone()).spool(place.path("a"));
    let first = builder.connect(&hub.address).unwrap();
    let writer = psu(&first);
    for n in 0..100 {
        writer.set("n", n).unwrap();
    }
    assert_eq!(writer.dropped() + writer.unacknowledged(), 100);
    let dropped = writer.dropped();
    place.killed("a", "b");
    drop((writer, first));

    let builder = hub.builder("writer").limits(limits).spool(place.path("b"));
    let second = builder.connect(&hub.address).unwrap();
    assert_eq!(second.left("psu").unwrap().unacknowledged, 100 - dropped);
    let options = WriterOptions { when_full: WhenFull::Block, ..WriterOptions::default() };
    let writer = second.writer("psu", options).unwrap();
    let waiting = thread::spawn(move || {
        let steps: Vec<Step> =
            (0..50_i64).map(|n| Step { dictionary: dictionary! { "n" => n }, ..Step::default() }).collect();
        (writer.publish_all(&steps), writer)
    });
    thread::sleep(A_WHILE);
    assert!(!waiting.is_finished());
    let logger = Logger::new(&hub);
    let (published, writer) = waiting.join().unwrap();
    assert_eq!(published, (1..=50).map(|sequence| Ok(Some(sequence))).collect::<Vec<_>>());
    assert_eq!(second.flush(SOON), Ok(dropped), "what was given up stays so");
    drop((writer, logger));
}

#[test]
fn a_file_is_one_clients_at_a_time() {
    let (hub, place) = (Hub::new(), Place::new());
    let first = client(&hub, &place.path("a"));
    let refused = hub.builder("other").spool(place.path("a")).connect(&hub.address).unwrap_err();
    assert!(matches!(&refused, ConnectError::Spool(_)), "{refused}");
    assert!(refused.to_string().contains("in use by another program"), "{refused}");
    first.close(SOON);
    drop(client(&hub, &place.path("a")));
}

#[test]
fn a_program_may_begin_before_its_hub() {
    let place = Place::new();
    let mut hub = Hub::new();
    let address = hub.address.clone();
    hub.stop();
    let early = Client::builder().spool(place.path("a")).start(&address).unwrap();
    let writer = psu(&early);
    writer.set("n", 1).unwrap();
    writer.set("n", 2).unwrap();
    place.killed("a", "b");
    drop((writer, early));

    let hub = Hub::at(&address, Limits::default());
    let again = client(&hub, &place.path("b"));
    assert_eq!(again.left("psu").unwrap().unacknowledged, 2);
    let _logger = Logger::new(&hub);
    eventually(|| again.left("psu").is_some_and(|left| left.unacknowledged == 0));
}
