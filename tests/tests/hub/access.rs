//! Identities by certificate and of the hub's own parts, and what new rules leave of an epoch that loggers follow.

use dict_hub::ConnectionId;
use dict_hub::access::{Access, Identity, LOCAL, Rights, TokenHash};
use dict_protocol::packet::{Level, Mode};
use dict_protocol::pattern::Pattern;

use super::lab::{Client, Lab};

/// Somebody with a token and a certificate of its name, who may do everything to sources that match `patterns`.
fn identity(name: &str, patterns: &[&str]) -> Identity {
    let patterns: Vec<Pattern> = patterns.iter().map(|text| Pattern::parse(text)).collect();
    let (read, write, log) = (patterns.clone(), patterns.clone(), patterns);
    Identity {
        name: name.into(),
        token: Some(TokenHash::of(name)),
        certificate: Some(name.to_owned()),
        rights: Rights { read, write, log, ..Rights::default() },
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
