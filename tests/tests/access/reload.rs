//! New rules while the hub runs: what they take away ends at once, and nobody else notices.

use std::io::Read as _;
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::time::Duration;

use dict_event_loop::client::{Client, Mode, WatchError, WatchOptions, WriterOptions};
use dict_protocol::dialect::{Incoming, Options, pytcp};
use dict_protocol::dictionary;
use dict_protocol::packet::{ErrorCode, Mode as PacketMode, Outcome};
use dict_protocol::pattern::Pattern;
use dict_protocol::value::{Dictionary, Value};

use super::lab::{A_WHILE, Lab, wait_for, wait_for_client};
use super::rules::{Granted, ROOT, access, token};
use super::wire::{Heard, SOON, Wire};

/// The next thing that a connection is told must be that the rules have changed.
fn is_ended(wire: &mut Wire) {
    let told = wire.until(|heard| matches!(heard, Heard::Error { .. })).pop();
    let Some(Heard::Error { code, closing: true, text, .. }) = told else { panic!("{told:?}") };
    assert_eq!((code, &*text), (ErrorCode::Forbidden, "access rules changed: connect again"));
    assert_eq!(wire.hear(), Heard::End);
}

#[test]
fn who_is_not_what_it_was_is_ended_and_nobody_else() {
    let before: &[(&str, Granted<'_>)] = &[
        ROOT,
        ("same", &[("read", &["a/"])]),
        ("gone", &[("read", &["a/"])]),
        ("less", &[("read", &["a/", "b/"])]),
        ("more", &[("read", &["a/"])]),
    ];
    let lab = Lab::new(access(before), &[], &[]);
    let mut writer = lab.wire("writer", "root");
    writer.write("a/1");
    writer.write("b/1");
    let mut wires = ["same", "gone", "less", "more"].map(|name| lab.wire(name, name));
    for wire in &mut wires {
        wire.subscribe(PacketMode::Every, "*");
    }
    lab.set(access(&[
        ROOT,
        ("same", &[("read", &["a/"])]),
        ("less", &[("read", &["b/"])]),
        ("more", &[("read", &["a/", "b/"])]),
    ]));
    let [same, gone, less, more] = &mut wires;
    [gone, less, more].into_iter().for_each(is_ended);
    assert_eq!(same.settle(), [], "it has noticed nothing");
    assert!(writer.settle().iter().all(|heard| *heard == Heard::Other), "it is told of no logger at most");
    let mut wire = Wire::connect(lab.hub);
    wire.greet("gone", &token("gone"));
    assert!(matches!(wire.hear(), Heard::Error { code: ErrorCode::Credentials, .. }));
    let (_, told) = lab.wire("less", "less").subscribe(PacketMode::Every, "*");
    assert!(
        matches!(&told[..], [Heard::Source { name, .. }, Heard::State { .. }, Heard::Current(_)] if name == "b/1")
    );
    let (_, told) = lab.wire("more", "more").subscribe(PacketMode::Every, "*");
    assert_eq!(told.iter().filter(|heard| matches!(heard, Heard::Source { .. })).count(), 2);
}

#[test]
fn a_programs_watch_ends_and_a_program_that_may_comes_back_by_itself() {
    let with = |read: &[&str]| {
        let mut rules = vec![ROOT];
        let rights = [("read", read)];
        rules.push(("reader", &rights[..]));
        access(&rules)
    };
    let lab = Lab::new(with(&["a/"]), &[], &[]);
    let root = lab.client("root", "root");
    let a = root.writer("a/1", WriterOptions::default()).unwrap();
    a.publish(&dictionary! { "V" => 1 }).unwrap();
    a.flush(SOON).unwrap();
    let (closed, was_closed) = channel();
    let noticed = closed.clone();
    root.on_close(move |reason| drop(noticed.send(format!("root: {reason}"))));
    let reader = lab.builder("reader", "reader").on_close(move |reason| drop(closed.send(reason.to_owned())));
    let reader = reader.connect(&*lab.hub.to_string()).unwrap();
    let watch = reader.watch(Pattern::parse("a/"), WatchOptions::default()).unwrap();
    watch.wait_current(SOON).unwrap();
    assert_eq!(watch.value("a/1", "V"), Some(1.into()));

    // More rights: it is asked for anew, and all is there.
    lab.set(with(&["a/", "b/"]));
    let reason = was_closed.recv_timeout(SOON).unwrap();
    assert!(reason.contains("access rules changed: connect again"), "{reason}");
    reader.wait_connected(SOON).unwrap();
    a.publish(&dictionary! { "V" => 2 }).unwrap();
    wait_for("the update", || (watch.value("a/1", "V") == Some(2.into())).then_some(()));

    // Less: the watch is over.
    lab.set(with(&["b/"]));
    let refusal = wait_for("the refusal", || match watch.next(Duration::from_millis(10)) {
        Err(WatchError::Refused { text }) => Some(text),
        _ => None,
    });
    assert!(refusal.contains("no right to read"), "{refusal}");

    // Nobody any more; and back.
    lab.set(access(&[ROOT]));
    wait_for("the loss", || (!reader.is_connected()).then_some(()));
    lab.set(with(&["b/"]));
    wait_for("the connection", || reader.is_connected().then_some(()));
    assert!(was_closed.try_iter().all(|reason| !reason.starts_with("root")), "root has noticed nothing");
}

#[test]
fn what_was_written_by_somebody_who_may_not_is_not_kept() {
    let with = |write: &[&str]| {
        let rights = [("write", write)];
        access(&[ROOT, ("writer", &rights[..])])
    };
    let lab = Lab::new(with(&["a", "b"]), &[], &[]);
    let mut watcher = lab.wire("watcher", "root");
    watcher.subscribe(PacketMode::Latest, "*");
    let mut writer = lab.wire("writer", "writer");
    writer.write("a");
    writer.write("b");
    let mut old = lab.wire("old", "root");
    old.write("c");
    drop(old);
    watcher.until(|heard| matches!(heard, Heard::Source { name, online: false, .. } if name == "c"));

    lab.set(with(&["b"]));
    is_ended(&mut writer);
    let withdrawn =
        Heard::Source { name: "a".to_owned(), online: false, reason: "access withdrawn".to_owned() };
    watcher.until(|heard| *heard == withdrawn);
    let (_, told) = lab.wire("new", "root").subscribe(PacketMode::Latest, "*");
    let told: Vec<&str> = told
        .iter()
        .filter_map(|heard| match heard {
            Heard::Source { name, .. } => Some(&**name),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["b", "c"], "what others wrote, and what it may write, stays");
    let mut writer = lab.wire("writer", "writer");
    assert_eq!(writer.announce("a", 2, false).0, Outcome::Forbidden);
    // Somebody else may take its place, with any epoch.
    lab.wire("other", "root").write("a");
}

/// Reads dictionaries off a pytcp connection until one satisfies `is`.
fn served(stream: &mut TcpStream, is: impl Fn(&Dictionary) -> bool) {
    let mut client = pytcp::ClientEnd::new(&Options::default());
    let mut buffer = [0; 4_096];
    loop {
        let count = stream.read(&mut buffer).expect("a dictionary comes");
        assert_ne!(count, 0, "the connection stays");
        let mut bytes = &buffer[..count];
        while let Some(incoming) = client.decode(&mut bytes) {
            if let Incoming::State(dictionary) = incoming
                && is(&dictionary)
            {
                return;
            }
        }
    }
}

#[test]
fn a_gateway_goes_on_under_the_new_rules_while_its_peers_stay() {
    let with = |read: &[&str]| {
        let rights = [("read", read)];
        access(&[ROOT, ("pytcp", &rights[..])])
    };
    let lab = Lab::new(with(&["psu"]), &["pytcp://127.0.0.1:0?source=psu"], &[]);
    let root = lab.client("root", "root");
    let desk = "pytcp://127.0.0.1".to_owned();
    let subscriptions = |count: i64| {
        wait_for_client(&root, &desk, |client| client.get("subscriptions") == Some(&Value::from(count)));
    };
    let psu = root.writer("psu", WriterOptions::default()).unwrap();
    psu.publish(&dictionary! { "V" => 1 }).unwrap();
    let mut old = lab.peer(0);
    served(&mut old, |dictionary| dictionary["V"] == 1.into());

    lab.set(with(&[]));
    subscriptions(0);
    psu.publish(&dictionary! { "V" => 2 }).unwrap();
    psu.flush(SOON).unwrap();
    // Neither the one that stays nor a new one is told more, or again what was known before.
    let mut new = lab.peer(0);
    wait_for_client(&root, "pytcp/127.0.0.1#2", |_| true);
    for stream in [&mut old, &mut new] {
        stream.set_read_timeout(Some(A_WHILE)).unwrap();
        let read = stream.read(&mut [0; 16]).map_err(|error| error.kind());
        assert!(
            matches!(read, Err(std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)),
            "{read:?}"
        );
        stream.set_read_timeout(Some(SOON)).unwrap();
    }

    lab.set(with(&["psu"]));
    for stream in [&mut old, &mut new] {
        served(stream, |dictionary| dictionary["V"] == 2.into());
    }
}

#[test]
fn a_follower_that_may_log_no_more_holds_nobody_up() {
    let rules = |log: &[&str]| {
        let rights = [("log", log)];
        access(&[ROOT, ("logger", &rights[..]), ("other", &[("log", &["*"])])])
    };
    let lab = Lab::new(rules(&["*"]), &[], &[]);
    let mut logger = lab.wire("logger", "logger");
    logger.subscribe(PacketMode::Durable, "*");
    let root: Client = lab.client("root", "root");
    let watch =
        root.watch(Pattern::all(), WatchOptions { mode: Mode::Every, ..WatchOptions::default() }).unwrap();
    watch.wait_current(SOON).unwrap();
    assert_eq!(root.logger(), dict_protocol::packet::LoggerPresence::Present);
    lab.set(rules(&[]));
    is_ended(&mut logger);
    wait_for("that there is no logger", || {
        (root.logger() == dict_protocol::packet::LoggerPresence::Away).then_some(())
    });
    let mut logger = lab.wire("logger", "logger");
    let (_, told) = logger.subscribe(PacketMode::Durable, "*");
    assert!(matches!(&told[..], [Heard::Error { code: ErrorCode::Forbidden, .. }]), "{told:?}");
}
