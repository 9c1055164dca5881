//! Watching.

use std::sync::mpsc;
use std::time::Duration;

use dict_event_loop::client::{Mode, Watch, WatchError, WatchEvent, WatchOptions, WriterOptions};
use dict_protocol::dictionary;
use dict_protocol::limits::Limits;
use dict_protocol::pattern::Pattern;
use dict_protocol::value::Value;

use super::support::{A_WHILE, Hub, SOON, eventually};

const EVERY: WatchOptions = WatchOptions { mode: Mode::Every, interval: Duration::ZERO };

fn next(watch: &Watch) -> WatchEvent {
    watch.next(SOON).unwrap().expect("an event comes")
}

#[test]
fn state_then_current_then_changes() {
    let hub = Hub::new();
    let client = hub.client("writer");
    let writer = client.writer("bench1/psu", WriterOptions::default()).unwrap();
    writer.publish(&dictionary! { "voltage" => 12.5, "on" => true }).unwrap();
    writer.flush(SOON).unwrap();
    let watcher = hub.client("watcher");
    let watch = watcher.watch(Pattern::parse("bench1/"), EVERY).unwrap();
    assert!(matches!(next(&watch), WatchEvent::Source(source) if source.online && source.writer == "writer"));
    let WatchEvent::State(state) = next(&watch) else { panic!("no state") };
    assert_eq!((&*state.source, state.epoch, state.sequence), ("bench1/psu", writer.epoch(), 1));
    assert_eq!(state.dictionary, dictionary! { "voltage" => 12.5, "on" => true });
    assert_eq!(next(&watch), WatchEvent::Current);

    writer.patch(&dictionary! { "voltage" => 13.0 }, &["on"]).unwrap();
    let WatchEvent::Update(update) = next(&watch) else { panic!("no update") };
    assert_eq!((update.sequence, update.removed, update.end), (2, vec!["on".to_owned()], false));
    assert_eq!(update.set, dictionary! { "voltage" => 13.0 });
    assert!(update.stamp.uncertainty.is_some(), "the clocks were compared");

    drop(writer);
    drop(client);
    assert!(matches!(next(&watch), WatchEvent::Update(update) if update.end && update.sequence == 3));
    assert!(matches!(next(&watch), WatchEvent::Source(source) if !source.online));
    assert_eq!(watch.next(A_WHILE), Ok(None));
}

#[test]
fn every_update_is_seen_in_order() {
    let hub = Hub::new();
    let client = hub.client("writer");
    let watch = hub.client("watcher").watch(Pattern::all(), EVERY).unwrap();
    watch.wait_current(SOON).unwrap();
    let writer = client.writer("a", WriterOptions::default()).unwrap();
    writer.wait_announced(SOON).unwrap();
    for n in 1..=20_000 {
        writer.set("n", n).unwrap();
    }
    let mut expected = 1;
    for event in watch.events() {
        let WatchEvent::Update(update) = event else { continue };
        assert_eq!((update.sequence, &update.set["n"]), (expected, &expected.into()));
        expected += 1;
        if expected > 20_000 {
            break;
        }
    }
    assert_eq!(watch.latest("a"), Some(dictionary! { "n" => 20_000 }));
}

#[test]
fn a_program_that_does_not_look_is_told_what_it_missed() {
    let few = Limits { watch_events: 100, ..Limits::default() };
    let small = Limits { watch_bytes: 1_000, ..Limits::default() };
    for limits in [few, small] {
        told_what_it_missed(limits);
    }
}

/// Of a thousand updates, with limits that so many are not within.
fn told_what_it_missed(limits: Limits) {
    let hub = Hub::new();
    let writer = hub.client("writer").writer("a", WriterOptions::default()).unwrap();
    let watcher = hub.builder("watcher").limits(limits).connect(&hub.address).unwrap();
    let watch = watcher.watch(Pattern::all(), EVERY).unwrap();
    watch.wait_current(SOON).unwrap();
    for n in 1..=1_000 {
        writer.set("n", n).unwrap();
    }
    writer.flush(SOON).unwrap();
    eventually(|| watch.value("a", "n") == Some(1_000.into()));
    let mut seen = 0;
    let mut missed = 0;
    while seen < 1_000 {
        match next(&watch) {
            WatchEvent::Update(update) => {
                assert_eq!(update.sequence, seen + 1);
                seen = update.sequence;
            }
            WatchEvent::Missed { sequences, .. } => {
                assert_eq!(*sequences.start(), seen + 1);
                missed = sequences.count();
            }
            WatchEvent::State(state) => {
                assert_eq!(state.dictionary["n"], state.sequence.into());
                seen = state.sequence;
            }
            _ => {}
        }
    }
    assert!(missed > 0);
    writer.set("n", 0).unwrap();
    assert!(matches!(next(&watch), WatchEvent::Update(update) if update.sequence == 1_001));
}

#[test]
fn the_updated_flag_is_cleared_by_reading() {
    let hub = Hub::new();
    let client = hub.client("both");
    let watch = client.watch(Pattern::all(), WatchOptions::default()).unwrap();
    let writer = client.writer("a", WriterOptions::default()).unwrap();
    assert!(!watch.updated("a"));
    writer.set("n", 1).unwrap();
    eventually(|| watch.updated("a"));
    assert!(!watch.updated("a"));
    writer.set("n", 2).unwrap();
    eventually(|| watch.latest("a") == Some(dictionary! { "n" => 2 }));
    assert!(!watch.updated("a"));
    assert_eq!(watch.latest("b"), None);
    writer.flush(SOON).unwrap();
}

#[test]
fn watches_of_one_client_overlap() {
    let hub = Hub::new();
    let writer = hub.client("writer").writer("a/b", WriterOptions::default()).unwrap();
    writer.set("n", 1).unwrap();
    writer.flush(SOON).unwrap();
    let watcher = hub.client("watcher");
    let wide = watcher.watch(Pattern::all(), WatchOptions::default()).unwrap();
    wide.wait_current(SOON).unwrap();
    let narrow = watcher.watch(Pattern::parse("a/"), EVERY).unwrap();
    let other = watcher.watch(Pattern::parse("c/"), EVERY).unwrap();
    narrow.wait_current(SOON).unwrap();
    other.wait_current(SOON).unwrap();
    assert_eq!(narrow.latest("a/b"), Some(dictionary! { "n" => 1 }));
    assert_eq!((other.latest("a/b"), other.sources()), (None, Vec::new()));
    writer.set("n", 2).unwrap();
    eventually(|| wide.value("a/b", "n") == Some(2.into()));
    drop(wide);
    writer.set("n", 3).unwrap();
    eventually(|| narrow.value("a/b", "n") == Some(3.into()));
    let mut sequences = Vec::new();
    while let Some(event) = narrow.next(A_WHILE).unwrap() {
        match event {
            WatchEvent::State(state) => sequences.push(state.sequence),
            WatchEvent::Update(update) => sequences.push(update.sequence),
            WatchEvent::Missed { .. } => panic!("nothing was missed"),
            _ => {}
        }
    }
    assert_eq!(sequences, [1, 2, 3]);
}

#[test]
fn a_lost_link_is_a_gap_for_every_and_none_for_latest() {
    let mut hub = Hub::new();
    let address = hub.address.clone();
    let client = hub.client("writer");
    let writer = client.writer("a", WriterOptions::default()).unwrap();
    let watcher = hub.client("watcher");
    let every = watcher.watch(Pattern::all(), EVERY).unwrap();
    every.wait_current(SOON).unwrap();
    writer.set("n", 1).unwrap();
    eventually(|| every.value("a", "n") == Some(1.into()));
    hub.stop();
    eventually(|| !client.is_connected() && !watcher.is_connected());
    for n in 2..=4 {
        writer.set("n", n).unwrap();
    }
    let _hub = Hub::at(&address, Limits::default());
    eventually(|| every.value("a", "n") == Some(4.into()));
    let missed = std::iter::from_fn(|| every.next(A_WHILE).unwrap()).find_map(|event| match event {
        WatchEvent::Missed { sequences, .. } => Some(sequences),
        _ => None,
    });
    assert_eq!(missed, Some(2..=4));
}

#[test]
fn a_refused_watch_says_so() {
    let hub = Hub::with(Limits { subscriptions: 1, ..Limits::default() });
    let client = hub.client("watcher");
    let first = client.watch(Pattern::all(), WatchOptions::default()).unwrap();
    first.wait_current(SOON).unwrap();
    let second = client.watch(Pattern::all(), WatchOptions::default()).unwrap();
    assert!(matches!(second.wait_current(SOON), Err(WatchError::Refused { .. })));
    assert!(matches!(second.next(SOON), Err(WatchError::Refused { .. })));
    first.wait_current(SOON).unwrap();
}

#[test]
fn what_cannot_be_taken_ends_the_watch_and_nothing_else() {
    let hub = Hub::new();
    let writer = hub.client("writer");
    let publish = |name: &str, value: Value| {
        let source = writer.writer(name, WriterOptions::default()).unwrap();
        source.set("a", value).unwrap();
        source.flush(SOON).unwrap();
        source
    };
    let _first = publish("a/first", 1.into());
    let deeper = publish("a/deeper", 1.into());
    let limits = Limits { depth: 4, sources: 2, ..Limits::default() };
    let watcher = hub.builder("watcher").limits(limits).connect(&hub.address).unwrap();
    let (told, closes) = mpsc::channel();
    watcher.on_close(move |reason| told.send(reason.to_owned()).unwrap());
    let watch = |pattern| watcher.watch(Pattern::parse(pattern), WatchOptions::default()).unwrap();
    let (first, second) = (watch("a/first"), watch("a/deeper"));
    second.wait_current(SOON).unwrap();

    // One source too many is the end of whoever watches it.
    let _third = publish("a/third", 1.into());
    let all = watch("a/");
    let error = all.wait_current(SOON).unwrap_err().to_string();
    assert!(
        error.contains("\"a/third\"") && error.contains("more than 2 sources (limit sources)"),
        "{error}"
    );
    assert_eq!((all.latest("a/first"), all.sources()), (None, vec![]));

    // And so is a value that is too deep, when it comes.
    deeper.set("a", (0..4).fold(Value::from(1), |value, _| Value::from(vec![value]))).unwrap();
    let error = loop {
        if let Err(error) = second.next(SOON) {
            break error.to_string();
        }
    };
    assert!(error.contains("\"a/deeper\"") && error.contains("(limit depth)"), "{error}");
    let third = watch("a/third");
    third.wait_current(SOON).unwrap();
    assert_eq!(third.value("a/third", "a"), Some(1.into()), "there is room for it now");
    assert_eq!(first.value("a/first", "a"), Some(1.into()));
    assert!(watcher.is_connected() && closes.try_recv().is_err());
}
