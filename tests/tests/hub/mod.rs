//! The hub's rules, packet by packet.

mod abuse;
mod access;
mod allocations;
mod exchange;
mod lab;
mod limits;
mod losses;

use std::time::Duration;

use dict_protocol::frame::Kind;
use dict_protocol::limits::Limits;
use dict_protocol::packet::{Announce, Level, Mode, Packet, Ping, Update};

use lab::{Client, Lab, announcement, patch, raw_frame, update};

fn ping(lab: &mut Lab, client: &Client) {
    let time = lab.now.time;
    lab.send(client, &Packet::Ping(Ping { time, offset: 0, uncertainty: None, id: 0 }));
}

#[test]
fn a_watcher_gets_state_then_current_then_changes() {
    let mut lab = Lab::new();
    let mut writer = lab.client("writer", 1);
    let source = lab.announce(&mut writer, "psu", 10, Level::Received);
    lab.update(&writer, source, 1, &[("V", 5), ("I", 1)], &[]);
    let mut watcher = lab.client("watcher", 2);
    lab.subscribe(&watcher, 1, Mode::Latest, "");
    assert_eq!(lab.told(&mut watcher), ["Source psu epoch 10 online", "State 1 V=5 I=1", "Current 1"]);
    lab.update(&writer, source, 2, &[("V", 6)], &["I"]);
    assert_eq!(lab.told(&mut watcher), ["Update 2 -I V=6"]);
    assert_eq!(lab.told(&mut writer), ["Ack 1", "Ack 2"]);
    for sequence in 3..=9 {
        lab.update(&writer, source, sequence, &[("V", 7)], &[]);
    }
    assert_eq!(lab.told(&mut writer), ["Ack 9"], "one acknowledgement a turn");
}

#[test]
fn a_repetition_changes_nothing_and_a_hole_is_not_applied() {
    let mut lab = Lab::new();
    let mut writer = lab.client("writer", 1);
    let source = lab.announce(&mut writer, "psu", 10, Level::Received);
    let mut watcher = lab.client("watcher", 2);
    lab.subscribe(&watcher, 1, Mode::Every, "psu");
    lab.told(&mut watcher);
    lab.update(&writer, source, 1, &[("V", 1)], &[]);
    lab.update(&writer, source, 1, &[("V", 9)], &[]);
    lab.update(&writer, source, 3, &[("V", 3)], &[]);
    assert_eq!(lab.told(&mut watcher), ["Update 1 V=1"]);
}

#[test]
fn a_higher_epoch_needs_to_take_over_from_a_live_writer_and_then_replaces_it() {
    let mut lab = Lab::new();
    let mut first = lab.client("first", 1);
    let old = lab.announce(&mut first, "psu", 10, Level::Received);
    lab.update(&first, old, 1, &[("V", 1)], &[]);
    lab.told(&mut first);
    let mut second = lab.client("second", 2);
    lab.send(&second, &Packet::Announce(announcement("psu", 11, Level::Received)));
    assert_eq!(lab.told(&mut second), ["Announced Live highest 10"]);
    lab.send(
        &second,
        &Packet::Announce(Announce { take_over: true, ..announcement("psu", 11, Level::Received) }),
    );
    assert_eq!(lab.told(&mut second), ["Announced Accepted highest 11"]);
    assert_eq!(lab.told(&mut first), ["Error Replaced"]);
    // What the replaced writer still had on its way harms nobody.
    lab.update(&first, old, 2, &[("V", 2)], &[]);
    assert!(!lab.hub.is_ended(first.id));
    lab.send(&first, &Packet::Announce(announcement("psu", 10, Level::Received)));
    assert_eq!(lab.told(&mut first), ["Announced Lower highest 11"]);
}

#[test]
fn an_epoch_of_two_clients_is_refused_with_an_alarm_and_the_same_client_takes_its_connection_over() {
    let mut lab = Lab::new();
    let mut first = lab.client("first", 1);
    lab.announce(&mut first, "psu", 10, Level::Received);
    let mut copy = lab.client("copy", 2);
    lab.send(
        &copy,
        &Packet::Announce(Announce { take_over: true, ..announcement("psu", 10, Level::Received) }),
    );
    assert_eq!(lab.told(&mut copy), ["Announced Equal highest 10"]);
    let alarms = std::iter::from_fn(|| lab.hub.poll_notice());
    assert_eq!(alarms.filter(|notice| matches!(notice, dict_hub::Notice::Alarm(_))).count(), 1);
    let mut again = lab.client("first", 1);
    let source = lab.announce(&mut again, "psu", 10, Level::Received);
    lab.update(&again, source, 1, &[("V", 1)], &[]);
    assert_eq!(lab.told(&mut again), ["Ack 1"]);
}

#[test]
fn a_logger_is_told_of_both_epochs_that_came_before_one() {
    let mut lab = Lab::new();
    // This hub was restarted: that another one has written epoch 20 it does not know.
    let mut first = lab.client("first", 1);
    lab.announce(&mut first, "psu", 10, Level::Received);
    let mut second = lab.client("second", 2);
    let announce = Announce { previous: 20, take_over: true, ..announcement("psu", 21, Level::Received) };
    lab.send(&second, &Packet::Announce(announce));
    assert_eq!(lab.told(&mut second), ["Announced Accepted highest 21"]);
    let both = ["Source psu epoch 21 after 10 online", "Source psu epoch 21 after 20 online"];
    let mut logger = lab.client("logger", 3);
    lab.subscribe(&logger, 1, Mode::Durable, "");
    assert_eq!(lab.told(&mut logger)[1..3], both);
    let mut watcher = lab.client("watcher", 4);
    lab.subscribe(&watcher, 1, Mode::Latest, "");
    assert_eq!(lab.told(&mut watcher)[..2], [both[1], "Current 1"]);
    // The other way round: the writer knows the lower one.
    let announce = Announce { previous: 15, take_over: true, ..announcement("psu", 22, Level::Received) };
    lab.send(&first, &Packet::Announce(announce));
    assert_eq!(lab.told(&mut first).last().map(String::as_str), Some("Announced Accepted highest 22"));
    let told = lab.told(&mut logger);
    assert!(told.ends_with(&[
        "Source psu epoch 22 after 15 online".to_owned(),
        "Source psu epoch 22 after 21 online".to_owned()
    ]));
}

#[test]
fn logged_is_acknowledged_by_the_slowest_logger_alone() {
    let mut lab = Lab::new();
    let mut writer = lab.client("writer", 1);
    let source = lab.announce(&mut writer, "psu", 10, Level::Logged);
    lab.update(&writer, source, 1, &[("V", 1)], &[]);
    assert_eq!(lab.told(&mut writer), [""; 0], "there is no logger");
    let mut loggers = [lab.client("a", 2), lab.client("b", 3)];
    for logger in &loggers {
        lab.subscribe(logger, 1, Mode::Durable, "");
    }
    for logger in &mut loggers {
        assert_eq!(lab.told(logger), ["Logger Present", "Source psu epoch 10 online", "Current 1"]);
    }
    assert_eq!(lab.told(&mut writer), ["Logger Present"]);
    lab.resume(&loggers[0], source, 0);
    assert_eq!(lab.told(&mut writer), ["Resume after 0"]);
    let again = patch(&[("V", 1)], &[]);
    let slice = Update { end_of_slice: true, replayed: true, ..update(source, 1, &again) };
    lab.send(&writer, &Packet::Update(slice));
    assert_eq!(lab.told(&mut loggers[0]), ["Update 1 V=1 replayed"]);
    lab.ack(&loggers[0], source, 1);
    assert_eq!(lab.told(&mut writer), [""; 0], "b has not told its position");
    lab.resume(&loggers[1], source, 1);
    assert_eq!(lab.told(&mut writer), ["Ack 1"]);
    lab.update(&writer, source, 2, &[("V", 2)], &[]);
    for logger in &mut loggers {
        assert_eq!(lab.told(logger), ["Update 2 V=2"]);
    }
    lab.ack(&loggers[1], source, 2);
    assert_eq!(lab.told(&mut writer), [""; 0]);
    // What a logger was never sent it cannot hold.
    lab.ack(&loggers[0], source, 99);
    assert_eq!(lab.told(&mut writer), ["Ack 2"]);
}

#[test]
fn a_logger_that_comes_late_to_a_source_that_is_not_kept_gets_its_state_and_a_gap() {
    let mut lab = Lab::new();
    let mut writer = lab.client("writer", 1);
    let source = lab.announce(&mut writer, "psu", 10, Level::Received);
    for sequence in 1..=3 {
        lab.update(&writer, source, sequence, &[("V", sequence as i64)], &[]);
    }
    let mut logger = lab.client("logger", 2);
    lab.subscribe(&logger, 1, Mode::Durable, "");
    lab.told(&mut logger);
    lab.resume(&logger, source, 0);
    assert_eq!(lab.told(&mut logger), ["State 3 V=3 missing from 1"]);
}

#[test]
fn a_latest_watcher_that_does_not_read_costs_little_and_then_gets_one_merged_update() {
    let limits = Limits { latest_output: 1_000, ..Limits::default() };
    let mut lab = Lab::with_limits(limits);
    let mut writer = lab.client("writer", 1);
    let source = lab.announce(&mut writer, "psu", 10, Level::None);
    let mut watcher = lab.client("watcher", 2);
    lab.update(&writer, source, 1, &[("a", 0), ("b", 0), ("gone", 0)], &[]);
    lab.subscribe(&watcher, 1, Mode::Latest, "psu");
    lab.told(&mut watcher);
    for sequence in 2..=5_000 {
        lab.update(&writer, source, sequence, &[("a", sequence as i64)], &[]);
        lab.turn();
    }
    lab.update(&writer, source, 5_001, &[], &["gone"]);
    assert!(lab.hub.output(watcher.id).len() <= 1_100, "the limit, and one update beyond it");
    let told = lab.told(&mut watcher);
    assert_eq!(told.last().map(String::as_str), Some("Update 5001 -gone a=5000"));
    lab.update(&writer, source, 5_002, &[("b", 1)], &[]);
    assert_eq!(lab.told(&mut watcher), ["Update 5002 b=1"], "in step again");
}

#[test]
fn an_every_watcher_that_does_not_read_is_told_so_and_nobody_else_notices() {
    let limits = Limits { every_output: 2_000, ..Limits::default() };
    let mut lab = Lab::with_limits(limits);
    let mut writer = lab.client("writer", 1);
    let source = lab.announce(&mut writer, "psu", 10, Level::None);
    let mut slow = lab.client("slow", 2);
    let mut good = lab.client("good", 3);
    for client in [&slow, &good] {
        lab.subscribe(client, 1, Mode::Every, "psu");
    }
    lab.told(&mut slow);
    lab.told(&mut good);
    for sequence in 1..=100 {
        lab.update(&writer, source, sequence, &[("a", sequence as i64)], &[]);
        assert_eq!(lab.told(&mut good), [format!("Update {sequence} a={sequence}")]);
    }
    let told = lab.told(&mut slow);
    assert!(told.len() < 100);
    assert_eq!(told.last().map(String::as_str), Some("Error TooSlow"));
    lab.subscribe(&slow, 2, Mode::Every, "psu");
    assert_eq!(lab.told(&mut slow), ["Source psu epoch 10 online", "State 100 a=100", "Current 2"]);
}

#[test]
fn an_interval_holds_updates_back_and_merges_them() {
    let mut lab = Lab::new();
    let mut writer = lab.client("writer", 1);
    let source = lab.announce(&mut writer, "psu", 10, Level::None);
    let mut watcher = lab.client("watcher", 2);
    lab.send(
        &watcher,
        &Packet::Subscribe(dict_protocol::packet::Subscribe {
            id: 1,
            mode: Mode::Latest,
            prefix: false,
            interval: 1_000,
            pattern: "psu",
        }),
    );
    lab.told(&mut watcher);
    for sequence in 1..=10 {
        lab.update(&writer, source, sequence, &[("a", sequence as i64)], &[]);
        lab.turn();
        lab.pass(Duration::from_millis(200));
    }
    let told = lab.told(&mut watcher);
    assert_eq!(told, ["Update 1 a=1", "Update 5 a=5", "Update 10 a=10"], "after 0, 1,000 and 2,000 ms");
}

#[test]
fn overlapping_subscriptions_bring_each_update_once() {
    let mut lab = Lab::new();
    let mut writer = lab.client("writer", 1);
    let source = lab.announce(&mut writer, "bench/psu", 10, Level::None);
    let mut watcher = lab.client("watcher", 2);
    lab.subscribe(&watcher, 1, Mode::Latest, "bench/");
    lab.subscribe(&watcher, 2, Mode::Every, "bench/psu");
    lab.told(&mut watcher);
    lab.update(&writer, source, 1, &[("a", 1)], &[]);
    assert_eq!(lab.told(&mut watcher), ["Update 1 a=1"]);
    lab.send(&watcher, &Packet::Unsubscribe(dict_protocol::packet::Unsubscribe { id: 2 }));
    lab.told(&mut watcher);
    lab.update(&writer, source, 2, &[("a", 2)], &[]);
    assert_eq!(lab.told(&mut watcher), ["Update 2 a=2"]);
    lab.send(&watcher, &Packet::Unsubscribe(dict_protocol::packet::Unsubscribe { id: 1 }));
    lab.update(&writer, source, 3, &[("a", 3)], &[]);
    assert_eq!(lab.told(&mut watcher), [""; 0]);
}

#[test]
fn a_logger_is_told_which_epoch_was_before_even_if_the_writer_does_not_know() {
    let mut lab = Lab::new();
    let mut logger = lab.client("logger", 9);
    lab.subscribe(&logger, 1, Mode::Durable, "");
    lab.told(&mut logger);
    for (client_id, epoch) in [(1, 10), (2, 12)] {
        let mut writer = lab.client("writer", client_id);
        lab.announce(&mut writer, "psu", epoch, Level::Logged);
        lab.hub.closed(lab.now, writer.id, "done");
    }
    let told = lab.told(&mut logger);
    assert_eq!(told.last().map(String::as_str), Some("Source psu epoch 12 after 10 offline"), "{told:?}");
}

#[test]
fn presence_is_told_when_a_writer_goes_and_comes_back() {
    let mut lab = Lab::new();
    let mut writer = lab.client("writer", 1);
    let source = lab.announce(&mut writer, "psu", 10, Level::None);
    lab.update(&writer, source, 1, &[("a", 1)], &[]);
    let mut watcher = lab.client("watcher", 2);
    lab.subscribe(&watcher, 1, Mode::Latest, "psu");
    lab.told(&mut watcher);
    lab.hub.closed(lab.now, writer.id, "unplugged");
    assert_eq!(lab.told(&mut watcher), ["Source psu epoch 10 offline"]);
    let mut writer = lab.client("writer", 1);
    let source = lab.announce(&mut writer, "psu", 10, Level::None);
    lab.update(&writer, source, 2, &[("a", 2)], &[]);
    assert_eq!(lab.told(&mut watcher), ["Source psu epoch 10 online", "Update 2 a=2"]);
}

#[test]
fn silence_ends_a_connection_and_a_heartbeat_keeps_it() {
    let mut lab = Lab::new();
    let silent = lab.client("silent", 1);
    let alive = lab.client("alive", 2);
    let mute = lab.hub.open(lab.now, "192.0.2.9:1");
    for _ in 0..4 {
        lab.pass(Duration::from_secs(4));
        ping(&mut lab, &alive);
    }
    assert!(lab.hub.is_ended(silent.id), "three heartbeats of 5 s");
    assert!(lab.hub.is_ended(mute), "5 s for the greeting");
    assert!(!lab.hub.is_ended(alive.id));
}

#[test]
fn malformed_bytes_of_every_sort_end_their_connection_alone() {
    let mut lab = Lab::new();
    let mut writer = lab.client("writer", 1);
    let source = lab.announce(&mut writer, "psu", 10, Level::None);
    let deep = [vec![0x90, 0x81, 0xA1, b'k'], vec![0x91; 100_000], vec![0x01]].concat();
    let mut too_deep = Vec::new();
    Packet::Update(update(source, 1, &deep)).encode(&mut too_deep);
    let mut unknown_source = Vec::new();
    Packet::Update(update(source + 1, 1, &patch(&[("a", 1)], &[]))).encode(&mut unknown_source);
    let cases: [(&str, &[u8]); 7] = [
        ("a web request", b"GET / HTTP/1.1\r\n\r\n"),
        ("a frame that claims 4 GiB", &[0xD1, 0x12, 1, 0, 0xFF, 0xFF, 0xFF, 0xFF]),
        ("a body that is cut short", &raw_frame(Kind::Ping, &[0; 3])),
        ("a hub's own packet", &raw_frame(Kind::Current, &[0; 4])),
        ("a patch that is too deep", &too_deep),
        ("a source that is not there", &unknown_source),
        ("a second greeting", &raw_frame(Kind::Hello, b"not a hello")),
    ];
    let mut watcher = lab.client("watcher", 2);
    lab.subscribe(&watcher, 1, Mode::Every, "psu");
    lab.told(&mut watcher);
    for (what, bytes) in cases {
        let bad = lab.client("bad", 3);
        lab.hub.receive(lab.now, bad.id, bytes);
        assert!(lab.hub.is_ended(bad.id), "{what}");
        lab.hub.closed(lab.now, bad.id, "closed");
        assert!(!lab.hub.is_ended(writer.id), "{what}");
    }
    lab.update(&writer, source, 1, &[("a", 1)], &[]);
    assert_eq!(lab.told(&mut watcher), ["Update 1 a=1"]);
}

#[test]
fn a_dictionary_over_the_limit_ends_its_writer_and_is_not_shown() {
    let limits = Limits { keys: 2, ..Limits::default() };
    let mut lab = Lab::with_limits(limits);
    let mut writer = lab.client("writer", 1);
    let source = lab.announce(&mut writer, "psu", 10, Level::None);
    lab.update(&writer, source, 1, &[("a", 1), ("b", 1)], &[]);
    let mut watcher = lab.client("watcher", 2);
    lab.subscribe(&watcher, 1, Mode::Latest, "psu");
    lab.told(&mut watcher);
    lab.update(&writer, source, 2, &[("c", 1)], &[]);
    assert!(lab.hub.is_ended(writer.id));
    assert_eq!(lab.told(&mut watcher), ["Source psu epoch 10 offline"]);
}

#[test]
fn a_prefix_shows_nothing_of_the_hubs_own_unless_it_asks_for_that() {
    let mut lab = Lab::new();
    let mut watcher = lab.client("watcher", 1);
    lab.subscribe(&watcher, 1, Mode::Latest, "");
    assert_eq!(lab.told(&mut watcher), ["Current 1"]);
    lab.subscribe(&watcher, 2, Mode::Latest, "$");
    assert_eq!(lab.told(&mut watcher)[0], "Source $hub/lab epoch 7 online");
}

#[test]
fn an_ended_source_is_offline_though_its_writer_is_there_and_still_helps_loggers() {
    let mut lab = Lab::new();
    let mut writer = lab.client("writer", 1);
    let source = lab.announce(&mut writer, "psu", 10, Level::Logged);
    lab.update(&writer, source, 1, &[("V", 1)], &[]);
    let empty = patch(&[], &["nothing"]);
    lab.send(&writer, &Packet::Update(Update { end: true, ..update(source, 2, &empty) }));
    let mut watcher = lab.client("watcher", 2);
    lab.subscribe(&watcher, 1, Mode::Latest, "psu");
    assert_eq!(lab.told(&mut watcher), ["Source psu epoch 10 offline", "State 2 V=1", "Current 1"]);
    let mut logger = lab.client("logger", 3);
    lab.subscribe(&logger, 1, Mode::Durable, "");
    lab.told(&mut logger);
    lab.resume(&logger, source, 0);
    lab.told(&mut logger);
    assert_eq!(lab.told(&mut writer), ["Logger Present", "Resume after 0"]);
    // Nobody has to take over from a writer that has ended.
    let mut next = lab.client("next", 4);
    lab.announce(&mut next, "psu", 11, Level::Logged);
}

#[test]
fn a_second_subscription_shows_the_state_again_and_skips_no_update() {
    let mut lab = Lab::new();
    let mut writer = lab.client("writer", 1);
    let source = lab.announce(&mut writer, "psu", 10, Level::None);
    let mut watcher = lab.client("watcher", 2);
    lab.subscribe(&watcher, 1, Mode::Every, "psu");
    lab.told(&mut watcher);
    lab.update(&writer, source, 1, &[("V", 1)], &[]);
    lab.subscribe(&watcher, 2, Mode::Every, "psu");
    lab.update(&writer, source, 2, &[("V", 2)], &[]);
    assert_eq!(lab.told(&mut watcher), ["Update 1 V=1", "State 1 V=1", "Update 2 V=2", "Current 2"]);
}

#[test]
fn a_replay_that_never_comes_holds_its_source_up_for_a_time_only() {
    let mut lab = Lab::new();
    let mut writer = lab.client("writer", 1);
    let mut idler = lab.client("idler", 2);
    let mut logger = lab.client("logger", 3);
    lab.subscribe(&logger, 1, Mode::Durable, "");
    lab.told(&mut writer);
    let replay = Announce { newest: 5, replay: true, ..announcement("psu", 3, Level::Logged) };
    lab.send(&idler, &Packet::Announce(replay));
    let source = lab.announce(&mut writer, "psu", 10, Level::Logged);
    lab.update(&writer, source, 1, &[("V", 1)], &[]);
    lab.told(&mut logger);
    lab.resume(&logger, source - 1, 0);
    lab.resume(&logger, source, 0);
    assert_eq!(lab.told(&mut logger), [""; 0]);
    for _ in 0..13 {
        lab.pass(Duration::from_secs(5));
        for client in [&writer, &idler, &logger] {
            ping(&mut lab, client);
        }
    }
    assert!(lab.hub.is_ended(idler.id), "twelve heartbeats without an answer");
    assert!(lab.told(&mut idler).iter().any(|told| told == "Error Protocol"));
    let told = lab.told(&mut writer);
    assert!(told.iter().any(|told| told == "Resume after 0"), "{told:?}");
}
