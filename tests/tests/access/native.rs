//! The matrix of the native protocol: identity by verb by name, and each cell as the rules' texts say.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use dict_protocol::encoding::messagepack;
use dict_protocol::frame::Kind;
use dict_protocol::packet::{ErrorCode, Handling, Mode, Outcome, Packet, Status, Unsubscribe};

use super::lab::Lab;
use super::rules::{RULES, access, could_grant, covers, grants};
use super::wire::{Heard, Wire};

/// Sources that are there.
const SOURCES: [&str; 6] = ["bench1/oven", "bench1/psu", "bench2/psu", "benchmark", "shared", "shared2"];
/// What is watched and followed.
const PATTERNS: [&str; 10] =
    ["*", "bench1/", "bench1/psu", "bench2/", "bench*", "shared", "other/", "$*", "$hub/", "$hub/lab"];
/// What is written: names that are there and others.
const NAMES: [&str; 6] = ["bench1/psu", "bench1/new", "bench2/psu", "benchmark", "shared", "new"];
const ACTIONS: [&str; 6] = ["ramp", "stop", "", "$status", "$clients", "$nothing"];
const RECEIVERS: [&str; 4] = ["psu", "oven", "nobody", ""];

/// What became of something that somebody tried.
#[derive(Debug, PartialEq, Eq)]
enum Became {
    Forbidden,
    Done,
    /// It was permitted, and came to nothing for another reason.
    Failed,
    /// Sources that were told.
    Told(BTreeSet<String>),
}

/// The cells, as they are looked at.
#[derive(Default)]
struct Matrix {
    cells: usize,
    permitted: usize,
    wrong: Vec<String>,
}

impl Matrix {
    fn cell(&mut self, cell: impl fmt::Display, became: &Became, expected: &Became) {
        self.cells += 1;
        self.permitted += usize::from(*expected != Became::Forbidden);
        if became != expected {
            self.wrong.push(format!("{cell}: {became:?}, and the rules say {expected:?}"));
        }
    }
}

fn when(permitted: bool, then: Became) -> Became {
    if permitted { then } else { Became::Forbidden }
}

/// Whether something was refused for want of a right, which the text names with who and what.
fn is_forbidden(heard: &Heard, kind: Kind, number: u32, identity: &str, right: &str) -> bool {
    let Heard::Error { code, about, reference, closing, text } = heard else { return false };
    let is_it = (*code, *about, *reference) == (ErrorCode::Forbidden, kind as u8, number.into());
    if is_it {
        assert!(!closing, "{text}");
        assert!(text.starts_with(&format!("identity {identity:?} has no right to {right} ")), "{text}");
    }
    is_it
}

fn watch(wire: &mut Wire, identity: &str, mode: Mode, pattern: &str) -> Became {
    let right = if mode == Mode::Durable { "log" } else { "read" };
    let (id, told) = wire.subscribe(mode, pattern);
    if told.iter().any(|heard| is_forbidden(heard, Kind::Subscribe, id, identity, right)) {
        return Became::Forbidden;
    }
    wire.send(&Packet::Unsubscribe(Unsubscribe { id }));
    wire.settle();
    let sources = told.into_iter().filter_map(|heard| match heard {
        // Others were written by whoever was looked at before.
        Heard::Source { name, .. } => (SOURCES.contains(&&*name) || name.starts_with('$')).then_some(name),
        _ => None,
    });
    Became::Told(sources.collect())
}

fn write(wire: &mut Wire, identity: &str, source: &str) -> Became {
    static EPOCH: AtomicU64 = AtomicU64::new(2);
    // Who tried it before may not be known yet to be gone; what is there stays root's.
    let take_over = !SOURCES.contains(&source);
    let (outcome, _, reason) = wire.announce(source, EPOCH.fetch_add(1, Ordering::Relaxed), take_over);
    match outcome {
        Outcome::Accepted => Became::Done,
        Outcome::Forbidden => {
            let text = format!("identity {identity:?} has no right to write source {source:?}");
            assert_eq!(reason, text);
            Became::Forbidden
        }
        _ => Became::Failed,
    }
}

fn send(wire: &mut Wire, roots: &mut [Wire; 2], identity: &str, to: &str) -> Became {
    let id = wire.message(to);
    let told = wire.settle();
    // The hub had passed it on before it answered.
    let came = |root: &mut Wire| root.settle().iter().any(|heard| matches!(heard, Heard::Message { .. }));
    let [psu, oven] = roots.each_mut().map(came);
    match (psu, oven) {
        (false, false)
            if told.iter().any(|heard| is_forbidden(heard, Kind::Message, id, identity, "send")) =>
        {
            Became::Forbidden
        }
        (false, false) => Became::Failed,
        came => {
            assert_eq!(came, (to != "oven", to != "psu"), "{identity}: to {to:?}");
            Became::Done
        }
    }
}

fn request(wire: &mut Wire, root: &mut Wire, action: &str, is_passed_on: bool) -> Became {
    let id = wire.request(action, "");
    if is_passed_on {
        let told = root.until(|heard| matches!(heard, Heard::Request { .. })).pop();
        let Some(Heard::Request { id, action: asked }) = told else { panic!("{told:?}") };
        assert_eq!(asked, action);
        root.reply(id);
    }
    match wire.answer(id) {
        (Status::Result, _) => Became::Done,
        (Status::Refused, text) => {
            let text = String::from_utf8(text).unwrap();
            assert!(text.contains(" has no right to request "), "{text}");
            assert!(!root.settle().iter().any(|heard| matches!(heard, Heard::Request { .. })));
            Became::Forbidden
        }
        _ => Became::Failed,
    }
}

fn handle(wire: &mut Wire, identity: &str, handling: Handling, action: &str) -> Became {
    wire.handle(handling, action);
    let told = wire.settle();
    wire.handle(Handling::Off, action);
    let forbidden = |heard: &Heard| is_forbidden(heard, Kind::Handle, 0, identity, "handle");
    let invalid = |heard: &Heard| matches!(heard, Heard::Error { code: ErrorCode::Invalid, .. });
    if told.iter().any(forbidden) {
        Became::Forbidden
    } else if told.iter().any(invalid) {
        Became::Failed
    } else {
        Became::Done
    }
}

fn forget(wire: &mut Wire, source: &str) -> Became {
    let id = wire.request("$forget", source);
    match wire.answer(id) {
        (Status::Refused, _) => Became::Forbidden,
        (Status::Failed, _) => Became::Failed,
        (status, _) => panic!("{source}: {status:?}"),
    }
}

/// The sources that the hub lists for somebody.
fn listed(wire: &mut Wire) -> Option<BTreeSet<String>> {
    let id = wire.request("$sources", "");
    let (status, payload) = wire.answer(id);
    let value = (status == Status::Result).then(|| messagepack::decode(&payload, 128).unwrap())?;
    let name = |source: &dict_protocol::value::Value| {
        source.as_dictionary().unwrap()["source"].as_str().unwrap().to_owned()
    };
    Some(value.as_list().unwrap().iter().map(name).collect())
}

#[test]
fn every_cell_of_the_matrix_is_as_the_rules_say() {
    let lab = Lab::new(access(RULES), &[], &[]);
    let mut roots = ["psu", "oven"].map(|name| lab.wire(name, "root"));
    for root in &mut roots {
        root.subscribe(Mode::Messages, "*");
    }
    for source in SOURCES {
        roots[0].write(source);
    }
    roots[0].handle(Handling::On, "");
    roots[0].settle();
    let mut matrix = Matrix::default();
    for (identity, _) in RULES {
        look_at(&mut matrix, &lab, &mut roots, identity);
    }
    println!("{} cells, {} of them permitted", matrix.cells, matrix.permitted);
    assert!(matrix.wrong.is_empty(), "{} cells are wrong:\n{}", matrix.wrong.len(), matrix.wrong.join("\n"));
}

/// Tries everything as one identity.
fn look_at(matrix: &mut Matrix, lab: &Lab, roots: &mut [Wire; 2], identity: &str) {
    let mut wire = lab.wire("somebody", identity);
    let journal = format!("$hub/{}", hub_name(lab));
    for pattern in PATTERNS {
        for (mode, right) in [(Mode::Latest, "read"), (Mode::Every, "read"), (Mode::Durable, "log")] {
            let all = SOURCES.iter().copied().chain([&*journal]);
            let told = all.filter(|name| covers(pattern, name) && grants(identity, right, name));
            let told = Became::Told(told.map(str::to_owned).collect());
            let expected = when(could_grant(identity, right, pattern), told);
            let became = watch(&mut wire, identity, mode, pattern);
            matrix.cell(format_args!("{identity} {mode:?} {pattern}"), &became, &expected);
        }
    }
    for name in NAMES {
        let is_there = SOURCES.contains(&name);
        let expected =
            when(grants(identity, "write", name), if is_there { Became::Failed } else { Became::Done });
        matrix.cell(format_args!("{identity} write {name}"), &write(&mut wire, identity, name), &expected);
        let both = grants(identity, "request", "$forget") && grants(identity, "write", name);
        // Each has a writer, or is not there.
        matrix.cell(
            format_args!("{identity} forget {name}"),
            &forget(&mut wire, name),
            &when(both, Became::Failed),
        );
    }
    for to in RECEIVERS {
        let then = if to == "nobody" { Became::Failed } else { Became::Done };
        // To everybody is a right on everybody.
        let name = if to.is_empty() { "*" } else { to };
        let expected = when(grants(identity, "send", name), then);
        let became = send(&mut wire, roots, identity, to);
        matrix.cell(format_args!("{identity} send {to:?}"), &became, &expected);
    }
    for action in ACTIONS {
        let name = if action.is_empty() { "*" } else { action };
        let permitted = grants(identity, "request", name);
        let is_own = action.starts_with('$');
        let then = if action == "$nothing" { Became::Failed } else { Became::Done };
        let became = request(&mut wire, &mut roots[0], action, permitted && !is_own);
        matrix.cell(format_args!("{identity} request {action:?}"), &became, &when(permitted, then));

        let permitted = grants(identity, "handle", name);
        for handling in [Handling::On, Handling::Addressed] {
            let became = handle(&mut wire, identity, handling, action);
            // Names that begin with $ are nobody's to answer.
            let expected = if is_own { Became::Failed } else { when(permitted, Became::Done) };
            matrix.cell(format_args!("{identity} handle {action:?}"), &became, &expected);
        }
    }
    let readable = SOURCES.iter().chain(&NAMES).filter(|name| grants(identity, "read", name));
    let readable: BTreeSet<String> = readable.map(|&name| name.to_owned()).collect();
    let listed = listed(&mut wire);
    assert_eq!(listed.is_some(), grants(identity, "request", "$sources"), "{identity}");
    if let Some(listed) = listed {
        assert!(listed.iter().all(|name| readable.contains(name)), "{identity}: {listed:?}");
        assert!(SOURCES.iter().all(|name| listed.contains(*name) == readable.contains(*name)), "{identity}");
    }
    assert_eq!(wire.settle(), [], "{identity}: the connection has stayed");
}

/// The hub's name, as its own source is called after.
fn hub_name(lab: &Lab) -> String {
    let client = lab.client("namer", "root");
    client.hub().unwrap().name
}

#[test]
fn only_the_receiver_of_a_message_can_refuse_it() {
    let lab = Lab::new(access(RULES), &[], &[]);
    let mut sender = lab.wire("sender", "senders");
    let mut receiver = lab.wire("psu", "nothing");
    let mut stranger = lab.wire("stranger", "nothing");
    let id = sender.message("psu");
    sender.settle();
    assert!(matches!(receiver.hear(), Heard::Message { .. }));
    stranger.refuse(id, "sender");
    stranger.settle();
    assert_eq!(sender.settle(), [], "one that got nothing has nothing to refuse");
    receiver.refuse(id, "sender");
    receiver.settle();
    let told = sender.settle();
    assert!(matches!(&told[..], [Heard::Error { code: ErrorCode::NotTaken, .. }]), "{told:?}");
}

#[test]
fn a_forgotten_source_is_told_to_nobody_any_more() {
    let lab = Lab::new(access(RULES), &[], &[]);
    let mut watcher = lab.wire("watcher", "everything");
    watcher.subscribe(Mode::Every, "*");
    let mut writer = lab.wire("writer", "janitor");
    writer.write("shared");
    let mut janitor = lab.wire("janitor", "janitor");
    let id = janitor.request("$forget", "shared");
    let (status, text) = janitor.answer(id);
    assert_eq!(status, Status::Failed);
    assert!(String::from_utf8(text).unwrap().contains("has a writer, \"writer\""));
    drop(writer);
    watcher.until(|heard| matches!(heard, Heard::Source { online: false, .. }));
    let id = janitor.request("$forget", "shared");
    assert_eq!(janitor.answer(id).0, Status::Result);
    let told = watcher.until(|heard| matches!(heard, Heard::Source { .. })).pop();
    let forgotten = Heard::Source { name: "shared".into(), online: false, reason: "forgotten".into() };
    assert_eq!(told, Some(forgotten));
    let (_, told) = lab.wire("new", "everything").subscribe(Mode::Latest, "*");
    assert!(matches!(&told[..], [Heard::Current(_)]), "{told:?}");
    // It can come again, from anybody, with any epoch.
    let mut writer = lab.wire("writer", "root");
    writer.write("shared");
    let told = watcher.until(|heard| matches!(heard, Heard::State { .. } | Heard::Update { .. }));
    assert!(matches!(&told[0], Heard::Source { online: true, .. }), "{told:?}");
    let id = janitor.request("$forget", "shared");
    assert_eq!(janitor.answer(id).0, Status::Failed);
    let id = janitor.request("$forget", "nothing of that name");
    assert_eq!(janitor.answer(id).0, Status::Refused, "it may not write that");
}
