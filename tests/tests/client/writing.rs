//! Publishing.

use std::time::Duration;

use dict_event_loop::client::{
    ClientClosed, Level, PublishError, WatchOptions, WhenFull, WriteError, WriterError, WriterOptions,
};
use dict_protocol::dictionary;
use dict_protocol::limits::Limits;
use dict_protocol::pattern::Pattern;

use super::support::{A_WHILE, Hub, SOON, eventually};

#[test]
fn only_what_changed_is_an_update() {
    let hub = Hub::new();
    let client = hub.client("writer");
    let writer = client.writer("a", WriterOptions::default()).unwrap();
    assert_eq!(writer.publish(&dictionary! { "n" => 1, "m" => 1 }), Ok(Some(1)));
    assert_eq!(writer.publish(&dictionary! { "m" => 1, "n" => 1 }), Ok(None));
    assert_eq!(writer.set("n", 1), Ok(None));
    assert_eq!(writer.set("n", 1.0), Ok(Some(2)));
    assert_eq!(writer.remove("m"), Ok(Some(3)));
    assert_eq!(writer.remove("m"), Ok(None));
    assert_eq!(writer.patch(&dictionary! { "k" => "v" }, &["n"]), Ok(Some(4)));
    assert_eq!(writer.dictionary(), dictionary! { "k" => "v" });
    let flushed = writer.flush(SOON).unwrap();
    assert_eq!((flushed.acknowledged, flushed.dropped), (4, 0));
    assert_eq!((writer.unacknowledged(), writer.acknowledged()), (0, 4));
    assert_eq!(writer.level(), Some(Level::Received), "the hub has never had a logger");

    let watch = client.watch(Pattern::Name("a".into()), WatchOptions::default()).unwrap();
    watch.wait_current(SOON).unwrap();
    assert_eq!(watch.latest("a"), Some(dictionary! { "k" => "v" }));
}

#[test]
fn at_level_none_a_flush_waits_until_the_hub_has_taken_it() {
    let hub = Hub::new();
    let client = hub.client("writer");
    let writer =
        client.writer("a", WriterOptions { level: Some(Level::None), ..Default::default() }).unwrap();
    for n in 0..10_000 {
        writer.set("n", n).unwrap();
    }
    writer.flush(SOON).unwrap();
    assert_eq!(writer.unacknowledged(), 0);
    let watch = client.watch(Pattern::all(), WatchOptions::default()).unwrap();
    watch.wait_current(SOON).unwrap();
    assert_eq!(watch.value("a", "n"), Some(9_999.into()));
}

#[test]
fn a_source_has_one_writer() {
    let hub = Hub::new();
    let (first, second) = (hub.client("first"), hub.client("second"));
    let writer = first.writer("a", WriterOptions::default()).unwrap();
    writer.publish(&dictionary! { "by" => "first" }).unwrap();
    writer.wait_announced(SOON).unwrap();
    assert!(matches!(first.writer("a", WriterOptions::default()), Err(WriterError::Add(_))));

    let refused = second.writer("a", WriterOptions::default()).unwrap();
    let error = refused.wait_announced(SOON).unwrap_err();
    assert!(matches!(&error, WriteError::Publish(PublishError::Refused(_))), "{error}");
    assert_eq!(refused.publish(&dictionary! {}), Err(error));
    drop(refused);

    let taken = second.writer("a", WriterOptions { take_over: true, ..Default::default() }).unwrap();
    taken.publish(&dictionary! { "by" => "second" }).unwrap();
    taken.flush(SOON).unwrap();
    // Nothing differs, so nothing is published before it is told.
    eventually(|| writer.set("by", "first") == Err(WriteError::Publish(PublishError::Replaced)));
    assert_eq!(writer.flush(SOON).unwrap().acknowledged, 1, "what was published before is held");
}

#[test]
fn what_cannot_be_is_refused_at_its_writer() {
    let hub = Hub::new();
    let client = hub.client("writer");
    for name in ["", "a/", "$a", "a*", "a\n"] {
        assert!(
            matches!(client.writer(name, WriterOptions::default()), Err(WriterError::Add(_))),
            "{name:?}"
        );
    }
    let writer = client.writer("a", WriterOptions::default()).unwrap();
    writer.set("n", 1).unwrap();
    let large = "x".repeat(2 << 20);
    let refused = writer.set("text", large).unwrap_err();
    assert!(matches!(refused, WriteError::Publish(PublishError::Size { .. })), "{refused}");
    writer.set("n", 2).unwrap();
    writer.flush(SOON).unwrap();
    assert!(client.is_connected());
}

#[test]
fn without_a_logger_what_is_to_be_logged_waits_and_then_drops() {
    let hub = Hub::new();
    let limits = Limits { spool_updates: 100, ..Limits::default() };
    let client = hub.builder("writer").limits(limits).connect(&hub.address).unwrap();
    let writer =
        client.writer("a", WriterOptions { level: Some(Level::Logged), ..Default::default() }).unwrap();
    for n in 0..50 {
        writer.set("n", n).unwrap();
    }
    let late = writer.flush(A_WHILE).unwrap_err();
    assert_eq!(late, WriteError::TimedOut { unacknowledged: 50, after: A_WHILE });
    for n in 50..200 {
        writer.set("n", n).unwrap();
    }
    assert_eq!(writer.dropped() + writer.unacknowledged(), 200);
    assert!(writer.dropped() >= 100);
    assert_eq!(client.close(A_WHILE), writer.unacknowledged());
}

#[test]
fn whoever_wants_to_wait_waits_and_is_let_go() {
    let hub = Hub::new();
    let limits = Limits { spool_updates: 10, ..Limits::default() };
    let client = hub.builder("writer").limits(limits).connect(&hub.address).unwrap();
    let options =
        WriterOptions { level: Some(Level::Logged), when_full: WhenFull::Block, ..Default::default() };
    let writer = client.writer("a", options).unwrap();
    for n in 0..10 {
        writer.set("n", n).unwrap();
    }
    let waiting = std::thread::spawn(move || writer.set("n", 10));
    std::thread::sleep(A_WHILE);
    assert!(!waiting.is_finished());
    client.close(Duration::ZERO);
    assert_eq!(waiting.join().unwrap(), Err(WriteError::Closed(ClientClosed::ByProgram)));
}

#[test]
fn an_ended_source_may_be_written_again() {
    let hub = Hub::new();
    let client = hub.client("writer");
    let first = client.writer("a", WriterOptions::default()).unwrap();
    let epoch = first.epoch();
    first.set("n", 1).unwrap();
    first.end(SOON).unwrap();
    let second = client.writer("a", WriterOptions::default()).unwrap();
    assert!(second.epoch() > epoch);
    second.set("n", 2).unwrap();
    second.flush(SOON).unwrap();
    let watch = client.watch(Pattern::all(), WatchOptions::default()).unwrap();
    watch.wait_current(SOON).unwrap();
    assert_eq!(watch.value("a", "n"), Some(2.into()));
}

#[test]
fn many_threads_write_at_once() {
    let hub = Hub::new();
    let client = hub.client("writer");
    let writers: Vec<_> = (0..4)
        .map(|thread| {
            let client = client.clone();
            std::thread::spawn(move || {
                let writer = client.writer(&format!("source {thread}"), WriterOptions::default()).unwrap();
                for n in 0..5_000 {
                    writer.set("n", n).unwrap();
                }
                writer.flush(SOON).unwrap();
                writer
            })
        })
        .collect();
    let writers: Vec<_> = writers.into_iter().map(|thread| thread.join().unwrap()).collect();
    let watch = client.watch(Pattern::all(), WatchOptions::default()).unwrap();
    watch.wait_current(SOON).unwrap();
    for writer in &writers {
        assert_eq!(watch.value(writer.source(), "n"), Some(4_999.into()));
    }
}
