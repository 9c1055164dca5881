//! Identities by certificate and of the hub's own parts, and what new rules leave of an epoch that loggers follow.

use dict_hub::ConnectionId;
use dict_hub::access::{Access, Identity, LOCAL, Rights, TokenHash};
use dict_protocol::limits::Limits;
use dict_protocol::packet::{Level, LoggerPresence, Mode, Packet};
use dict_protocol::pattern::Pattern;

use super::exchange::text;
use super::lab::{Client, Lab, announcement};

/// Somebody with a token and a certificate of its name, who may do everything to sources that match `patterns`, and say
/// anything to clients of such names.
fn identity(name: &str, patterns: &[&str]) -> Identity {
    let patterns: Vec<Pattern> = patterns.iter().map(|text| Pattern::parse(text)).collect();
    let (read, write, send, log) = (patterns.clone(), patterns.clone(), patterns.clone(), patterns);
    Identity {
        name: name.into(),
        token: Some(TokenHash::of(name)),
        certificate: Some(name.to_owned()),
        rights: Rights { read, write, send, log, ..Rights::default() },
    }
}

fn set(lab: &mut Lab, identities: &[(&str, &[&str])]) {
    let identities = identities.iter().map(|(name, patterns)| identity(name, patterns));
    let access = Access::new(identities).expect("they differ");
    lab.hub.set_access(lab.now, Some(access));
    lab.turn();
}

fn open(lab: &mut Lab) -> ConnectionId {
    lab.hub.open(lab.now, "192.0.2.1:1000")
}

fn client(lab: &mut Lab, name: &str, client_id: u8) -> Client {
    let id = open(lab);
    lab.greet(id, name, client_id, name)
}

#[test]
fn a_verified_certificate_says_who_a_client_is() {
    let mut lab = Lab::new();
    set(&mut lab, &[("psu", &["psu"]), ("oven", &["oven"])]);
    let id = open(&mut lab);
    lab.hub.certified(id, vec!["nobody".to_owned(), "psu".to_owned(), "oven".to_owned()]);
    let mut psu = lab.greet(id, "a", 1, "");
    lab.announce(&mut psu, "psu", 10, Level::None);
    // A token counts before the certificate.
    let id = open(&mut lab);
    lab.hub.certified(id, vec!["psu".to_owned()]);
    let mut oven = lab.greet(id, "b", 2, "oven");
    lab.announce(&mut oven, "oven", 10, Level::None);
    // What this hub's own parts are is not for others to say.
    let id = lab.hub.open_local(lab.now, "here", LOCAL);
    let mut own = lab.greet(id, "c", 3, "");
    lab.announce(&mut own, "anything", 10, Level::None);
}

#[test]
fn who_is_who_stands_in_the_journal() {
    let mut lab = Lab::new();
    set(&mut lab, &[("root", &["*", "$*"])]);
    let mut root = client(&mut lab, "root", 1);
    lab.subscribe(&root, 1, Mode::Every, "$");
    lab.told(&mut root);
    let _other = client(&mut lab, "root", 2);
    lab.turn();
    let output = lab.hub.output(root.id).to_vec();
    let told = String::from_utf8_lossy(&output);
    assert!(told.contains("opened") && told.contains("identity") && told.contains("root#2"), "{told:?}");
}

#[test]
fn an_epoch_that_was_withdrawn_goes_on_for_loggers_when_its_writer_may_again() {
    let all: (&str, &[&str]) = ("logger", &["*"]);
    let mut lab = Lab::new();
    set(&mut lab, &[all, ("writer", &["psu"])]);
    let mut logger = client(&mut lab, "logger", 1);
    lab.subscribe(&logger, 1, Mode::Durable, "");
    let mut writer = client(&mut lab, "writer", 2);
    let source = lab.announce(&mut writer, "psu", 10, Level::Logged);
    lab.told(&mut logger);
    lab.resume(&logger, source, 0);
    lab.update(&writer, source, 1, &[("V", 1)], &[]);
    assert_eq!(lab.told(&mut logger), ["Update 1 V=1"]);
    lab.ack(&logger, source, 1);
    lab.turn();

    set(&mut lab, &[all, ("writer", &["oven"])]);
    let told = lab.told(&mut writer);
    assert_eq!(told.last().map(String::as_str), Some("Error Forbidden"), "{told:?}");
    assert!(lab.hub.is_ended(writer.id));
    let id = writer.id;
    lab.hub.closed(lab.now, id, "gone");
    let told = lab.told(&mut logger);
    assert_eq!(told.last().map(String::as_str), Some("Source psu epoch 10 offline"), "{told:?}");

    set(&mut lab, &[all, ("writer", &["psu"])]);
    let mut writer = client(&mut lab, "writer", 2);
    let again = lab.announce(&mut writer, "psu", 10, Level::Logged);
    assert_ne!(again, source);
    assert_eq!(lab.told(&mut logger), ["Source psu epoch 10 online"]);
    lab.resume(&logger, again, 1);
    lab.update(&writer, again, 2, &[("V", 2)], &[]);
    assert_eq!(lab.told(&mut logger), ["Update 2 V=2"]);
    lab.ack(&logger, again, 2);
    let told = lab.told(&mut writer);
    assert_eq!(told.last().map(String::as_str), Some("Ack 2"), "{told:?}");
}

#[test]
fn a_logger_counts_for_those_that_it_may_log_something_of() {
    let mut lab = Lab::new();
    let all: (&str, &[&str]) = ("all", &["*"]);
    let rules = [all, ("tests", &["tests/"]), ("psu", &["psu"]), ("test", &["tests/1"])];
    set(&mut lab, &rules);
    let mut psu = client(&mut lab, "psu", 1);
    let mut test = client(&mut lab, "test", 2);
    let tests = client(&mut lab, "tests", 3);
    lab.subscribe(&tests, 1, Mode::Durable, "tests/");
    assert_eq!(lab.told(&mut psu), [""; 0]);
    assert_eq!(lab.told(&mut test), ["Logger Present"]);
    assert_eq!(client(&mut lab, "psu", 4).logger, LoggerPresence::Never);
    assert_eq!(client(&mut lab, "test", 5).logger, LoggerPresence::Present);
    let everything = client(&mut lab, "all", 6);
    lab.subscribe(&everything, 1, Mode::Durable, "");
    assert_eq!(lab.told(&mut psu), ["Logger Present"]);
    assert_eq!(lab.told(&mut test), [""; 0]);
    lab.hub.closed(lab.now, everything.id, "gone");
    assert_eq!(lab.told(&mut psu), ["Logger Away"], "whatever else there is");
    assert_eq!(lab.told(&mut test), [""; 0]);
    lab.hub.closed(lab.now, tests.id, "gone");
    assert_eq!(lab.told(&mut psu), [""; 0]);
    assert_eq!(lab.told(&mut test), ["Logger Away"]);
    assert_eq!(client(&mut lab, "psu", 7).logger, LoggerPresence::Away);

    // Whatever the rules say later, there was one.
    let rules = [("all", &["oven"][..]), ("tests", &["psu"]), ("psu", &["psu"]), ("test", &["tests/1"])];
    set(&mut lab, &rules);
    assert_eq!(lab.told(&mut test), [""; 0]);
    assert_eq!(client(&mut lab, "test", 8).logger, LoggerPresence::Never, "but none for one that comes now");
    assert_eq!(client(&mut lab, "psu", 9).logger, LoggerPresence::Away);
}

#[test]
fn messages_to_everybody_reach_nobody_whom_the_rules_do_not_name() {
    let mut lab = Lab::new();
    set(&mut lab, &[("all", &["*"]), ("comet", &[])]);
    let early = open(&mut lab);
    let local = |lab: &mut Lab, name| {
        let id = lab.hub.open_local(lab.now, name, name);
        let local = lab.greet(id, name, 1, "");
        lab.subscribe(&local, 1, Mode::Messages, "");
        local
    };
    let (mut comms, mut comet) = (local(&mut lab, "comms"), local(&mut lab, "comet"));
    assert_eq!(lab.told(&mut comms), ["Error Forbidden"]);
    assert_eq!(lab.told(&mut comet), ["Current 1"]);
    let sender = client(&mut lab, "all", 2);
    lab.send(&sender, &text(1, "", "hello"));
    assert_eq!(lab.told(&mut comms), [""; 0]);
    assert_eq!(lab.told(&mut comet), ["Message from all \"hello\""]);
    // Nor does anything else reach a connection that has not greeted.
    lab.subscribe(&sender, 1, Mode::Durable, "");
    lab.send(&sender, &text(2, "", "hello"));
    set(&mut lab, &[("all", &["psu"])]);
    assert!(lab.hub.is_ended(sender.id));
    assert_eq!(lab.hub.output(early), [0; 0]);
}

#[test]
fn whoever_may_not_write_a_source_is_not_told_what_is_known_of_it() {
    let mut lab = Lab::new();
    set(&mut lab, &[("writer", &["psu"]), ("other", &["oven"])]);
    let mut writer = client(&mut lab, "writer", 1);
    lab.announce(&mut writer, "psu", 10, Level::None);
    let mut other = client(&mut lab, "other", 2);
    lab.send(&other, &Packet::Announce(announcement("psu", 1, Level::None)));
    assert_eq!(lab.told(&mut other), ["Announced Forbidden highest 0"]);
}

#[test]
fn a_watcher_outlives_that_more_is_withdrawn_than_it_has_room_for() {
    let limits = Limits { every_output: 4_000, latest_output: 1_000, ..Limits::default() };
    let mut lab = Lab::with_limits(limits);
    set(&mut lab, &[("watcher", &["*"]), ("writer", &["psu/"])]);
    let mut watcher = client(&mut lab, "watcher", 1);
    lab.subscribe(&watcher, 1, Mode::Latest, "");
    let mut writer = client(&mut lab, "writer", 2);
    for number in 0..100 {
        lab.announce(&mut writer, &format!("psu/{number}"), 10, Level::None);
    }
    lab.told(&mut watcher);
    set(&mut lab, &[("watcher", &["*"])]);
    assert!(lab.hub.output(watcher.id).len() < 2_000);
    let told = lab.told(&mut watcher);
    let withdrawn = told.iter().filter(|told| told.ends_with("epoch 10 offline")).count();
    assert_eq!((withdrawn, lab.hub.is_ended(watcher.id)), (100, false), "{told:?}");
}
