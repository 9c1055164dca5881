//! What one client may send, whatever it is, costs the others nothing.

use std::time::Duration;

use dict_hub::Notice;
use dict_protocol::frame::{self, Encoding, Kind};
use dict_protocol::limits::Limits;
use dict_protocol::packet::{
    Bye, Error, ErrorCode, Handle, Handling, Level, Message, MessageFields, MissingFrom, Mode, Packet,
    Payload, Ping, Reply, ReplyFields, Request, RequestFields, Resume, State, Status, Unsubscribe, Update,
};
use dict_protocol::record::{GapReason, Stamp};
use dict_protocol::time::Time;

use super::exchange::text;
use super::lab::{Client, Lab, patch, update};

fn request<'a>(id: u32, action: &'a str, payload: Payload<'a>) -> Packet<'a> {
    Packet::Request(Request {
        fields: RequestFields { id, deadline: 60_000, action, to: "", from: "" },
        payload,
    })
}

fn state(source: u32, sequence: u64, missing: Option<MissingFrom>) -> Packet<'static> {
    Packet::State(State {
        source,
        sequence,
        stamp: Stamp::default(),
        missing,
        end_of_slice: false,
        replayed: false,
        dictionary: &[0x80],
    })
}

/// The largest body of a frame that the hub has for a client; all of it is taken.
fn largest_frame(lab: &mut Lab, client: &Client) -> usize {
    let mut largest = 0;
    loop {
        lab.turn();
        let output = lab.hub.output(client.id).to_vec();
        if output.is_empty() {
            return largest;
        }
        lab.hub.wrote(client.id, output.len());
        let mut rest = &output[..];
        while !rest.is_empty() {
            let length = u32::from_le_bytes([rest[4], rest[5], rest[6], rest[7]]) as usize;
            largest = largest.max(length);
            rest = &rest[length + frame::OVERHEAD..];
        }
    }
}

#[test]
fn the_highest_sequences_there_are_do_no_harm() {
    let mut lab = Lab::new();
    let mut writer = lab.client("writer", 1);
    let source = lab.announce(&mut writer, "psu", 10, Level::Logged);
    let mut logger = lab.client("logger", 2);
    lab.subscribe(&logger, 1, Mode::Durable, "");
    lab.told(&mut logger);
    lab.resume(&logger, source, u64::MAX);
    lab.told(&mut writer);
    let missing = MissingFrom { first: 1, since: Time::default(), reason: GapReason::NotKept };
    lab.send(&writer, &state(source, u64::MAX, Some(missing)));
    lab.update(&writer, source, 1, &[("V", 1)], &[]);
    lab.update(&writer, source, u64::MAX, &[("V", 1)], &[]);
    lab.turn();
}

#[test]
fn a_logger_that_claims_more_than_there_is_acknowledges_nothing_of_it() {
    let mut lab = Lab::new();
    let mut writer = lab.client("writer", 1);
    let source = lab.announce(&mut writer, "psu", 10, Level::Logged);
    lab.update(&writer, source, 1, &[("V", 1)], &[]);
    let mut logger = lab.client("logger", 2);
    lab.subscribe(&logger, 1, Mode::Durable, "");
    lab.told(&mut logger);
    lab.resume(&logger, source, 1_000);
    assert_eq!(lab.told(&mut writer), ["Logger Present", "Ack 1"]);
}

#[test]
fn a_listener_that_is_cut_off_does_not_spoil_the_message_for_the_next() {
    let limits = Limits { every_output: 10_000, ..Limits::default() };
    let mut lab = Lab::with_limits(limits);
    let mut asker = lab.client("asker", 1);
    let slow = lab.client("slow", 2);
    lab.send(&slow, &Packet::Handle(Handle { handling: Handling::On, action: "ramp" }));
    let nothing = Payload { encoding: Encoding::MessagePack, bytes: &[0xC0] };
    lab.send(&asker, &request(1, "ramp", nothing));
    lab.subscribe(&slow, 1, Mode::Messages, "");
    let mut listener = lab.client("listener", 3);
    lab.subscribe(&listener, 1, Mode::Messages, "");
    lab.told(&mut listener);
    let sender = lab.client("sender", 4);
    let long = "x".repeat(6_000);
    for id in 1..=2 {
        lab.send(&sender, &text(id, "", &long));
        let told = lab.told(&mut listener);
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("Message from sender"), "{told:?}");
    }
    assert!(lab.hub.is_ended(slow.id));
    assert_eq!(lab.told(&mut asker), ["Reply 1 Unknown"]);
}

#[test]
fn no_frame_is_larger_than_was_agreed() {
    let body = Limits::default().body as usize;
    let room = body - Limits::PAYLOAD_OVERHEAD;
    let mut lab = Lab::new();
    let asker = lab.client(&"a".repeat(200), 1);
    let mut handler = lab.client("handler", 2);
    lab.send(&handler, &Packet::Handle(Handle { handling: Handling::On, action: "" }));
    let logger = lab.client("logger", 3);
    lab.subscribe(&logger, 1, Mode::Durable, "$");
    lab.turn();
    lab.resume(&logger, 1, 0);
    // Numbers that take 4 bytes as JSON and 9 as MessagePack.
    let json = format!("[{}0.5]", "0.5,".repeat(room / 4 - 1));
    let fields = MessageFields { id: 1, to: "", from: "" };
    let payload = Payload { encoding: Encoding::Json, bytes: json.as_bytes() };
    lab.send(&asker, &Packet::Message(Message { fields, payload }));
    // A request and its result stand in one event.
    let text = "x".repeat(room);
    let payload = Payload { encoding: Encoding::Text, bytes: text.as_bytes() };
    lab.send(&asker, &request(1, "ramp", payload));
    let fields = ReplyFields { id: 1, status: Status::Result };
    lab.told(&mut handler);
    lab.send(&handler, &Packet::Reply(Reply { fields, payload }));
    lab.send(&asker, &request(2, "$note", payload));
    // An action so long that with the asker's name there is no room for it.
    let action = "x".repeat(Limits::PAYLOAD_OVERHEAD - 20);
    lab.send(&asker, &request(3, &action, payload));
    assert!(largest_frame(&mut lab, &handler) <= body);
    assert!(largest_frame(&mut lab, &logger) <= body);
    let watcher = lab.client("watcher", 4);
    lab.subscribe(&watcher, 1, Mode::Latest, "$");
    assert!(largest_frame(&mut lab, &watcher) <= body);
    assert!(largest_frame(&mut lab, &asker) <= body);
}

#[test]
fn an_answer_of_the_hubs_own_that_is_too_large_is_refused() {
    let limits = Limits { body: 100_000, dictionary: 90_000, ..Limits::default() };
    let mut lab = Lab::with_limits(limits);
    let mut writer = lab.client("writer", 1);
    for number in 0..2_000 {
        lab.announce(&mut writer, &format!("bench1/psu{number}"), 10, Level::None);
    }
    let nothing = Payload { encoding: Encoding::MessagePack, bytes: &[0xC0] };
    let mut asker = lab.client("asker", 2);
    lab.send(&asker, &request(1, "$sources", nothing));
    assert_eq!(lab.told(&mut asker), ["Reply 1 Failed"]);
    let one = Payload { encoding: Encoding::Text, bytes: b"bench1/psu7" };
    lab.send(&asker, &request(2, "$sources", one));
    assert_eq!(lab.told(&mut asker), ["Reply 2 Result"]);
}

#[test]
fn merged_updates_that_name_more_keys_than_fit_become_the_state() {
    let body = 8_192;
    let dictionary = body as usize - Limits::STATE_OVERHEAD;
    let mut lab = Lab::with_limits(Limits { body, dictionary, latest_output: 1_000, ..Limits::default() });
    let mut writer = lab.client("writer", 1);
    let source = lab.announce(&mut writer, "psu", 10, Level::None);
    lab.update(&writer, source, 1, &[("V", 1)], &[]);
    let mut watcher = lab.client("watcher", 2);
    lab.subscribe(&watcher, 1, Mode::Latest, "psu");
    lab.told(&mut watcher);
    let key = |number: u64| format!("{number:01100}");
    for sequence in 2..20 {
        lab.update(&writer, source, sequence, &[(&key(sequence), 1)], &[&key(sequence - 1)]);
    }
    assert_eq!(lab.told(&mut watcher), [format!("State 19 V=1 {}=1", key(19))]);
}

#[test]
fn subscribing_again_and_again_without_reading_piles_nothing_up() {
    let mut lab = Lab::with_limits(Limits { latest_output: 200, ..Limits::default() });
    let mut writer = lab.client("writer", 1);
    for number in 0..10 {
        lab.announce(&mut writer, &format!("psu{number}"), 10, Level::None);
    }
    let mut watcher = lab.client("watcher", 2);
    for id in 1..=1_000 {
        lab.subscribe(&watcher, id, Mode::Latest, "");
        lab.turn();
        lab.send(&watcher, &Packet::Unsubscribe(Unsubscribe { id }));
        lab.turn();
    }
    lab.subscribe(&watcher, 1_001, Mode::Latest, "");
    let told = lab.told(&mut watcher);
    assert_eq!(told.last().map(String::as_str), Some("Current 1001"));
    assert!(told.len() < 30, "{told:?}");
}

#[test]
fn unanswered_requests_carry_so_much_at_most() {
    let mut lab = Lab::with_limits(Limits { request_bytes: 10_000, ..Limits::default() });
    let mut asker = lab.client("asker", 1);
    let mut handler = lab.client("handler", 2);
    lab.send(&handler, &Packet::Handle(Handle { handling: Handling::On, action: "ramp" }));
    let payload = Payload { encoding: Encoding::Binary, bytes: &[7; 4_000] };
    for id in 1..=3 {
        lab.send(&asker, &request(id, "ramp", payload));
    }
    assert_eq!(lab.told(&mut asker), ["Reply 3 Refused"]);
    lab.told(&mut handler);
    let fields = ReplyFields { id: 1, status: Status::Result };
    lab.send(&handler, &Packet::Reply(Reply { fields, payload }));
    assert_eq!(lab.told(&mut asker), ["Reply 1 Result"]);
    lab.send(&asker, &request(4, "ramp", payload));
    assert_eq!(lab.told(&mut asker), [""; 0]);
}

#[test]
fn a_logger_that_unsubscribes_in_the_middle_of_a_slice_keeps_its_room() {
    let mut lab = Lab::new();
    let mut writer = lab.client("writer", 1);
    let source = lab.announce(&mut writer, "psu", 10, Level::Logged);
    lab.update(&writer, source, 1, &[("V", 1)], &[]);
    let mut logger = lab.client("logger", 2);
    for id in 1..=10 {
        lab.subscribe(&logger, id, Mode::Durable, "");
        lab.told(&mut logger);
        lab.resume(&logger, source, 0);
        lab.told(&mut writer);
        lab.send(&logger, &Packet::Unsubscribe(Unsubscribe { id }));
        let again = patch(&[("V", 1)], &[]);
        let slice = Update { end_of_slice: true, replayed: true, ..update(source, 1, &again) };
        lab.send(&writer, &Packet::Update(slice));
        lab.told(&mut logger);
        lab.told(&mut writer);
    }
    lab.subscribe(&logger, 11, Mode::Durable, "");
    lab.told(&mut logger);
    lab.resume(&logger, source, 0);
    assert_eq!(lab.told(&mut writer), ["Logger Present", "Resume after 0"]);
}

#[test]
fn what_a_client_says_when_it_goes_is_passed_on_in_one_short_line() {
    let long = format!("bye\r\nforged \u{1b}[2J{}", "x".repeat(60_000));
    let error = |about, reference, closing| {
        Packet::Error(Error { code: ErrorCode::Protocol, about, reference, closing, text: &long })
    };
    let mut lab = Lab::new();
    let mut watcher = lab.client("watcher", 1);
    lab.subscribe(&watcher, 1, Mode::Latest, "");
    lab.told(&mut watcher);
    for last in 0..3 {
        let mut writer = lab.client("writer", 2 + last);
        let source = lab.announce(&mut writer, "psu", 10 + u64::from(last), Level::None);
        lab.collect(&mut watcher);
        watcher.expect(|packet| matches!(packet, Packet::Source(source) if source.online));
        while lab.hub.poll_notice().is_some() {}
        let last = match last {
            0 => Packet::Bye(Bye { reason: &long }),
            1 => error(0, 0, true),
            _ => error(Kind::Announce as u8, source.into(), false),
        };
        lab.send(&writer, &last);
        lab.collect(&mut watcher);
        let reason = watcher.expect_map(|packet| match packet {
            Packet::Source(source) if !source.online => Some(source.reason.to_owned()),
            _ => None,
        });
        assert!(reason.contains("bye  forged  [2Jxxx") && reason.len() <= Limits::REFUSAL, "{reason:?}");
        if let Some(notice) = lab.hub.poll_notice() {
            assert!(matches!(notice, Notice::Closed { reason: told, .. } if told == reason));
        }
        lab.hub.closed(lab.now, writer.id, "gone");
    }
    let journal = lab.client("journal", 9);
    lab.subscribe(&journal, 1, Mode::Latest, "$");
    assert!(largest_frame(&mut lab, &journal) < 3 * Limits::REFUSAL);
}

#[test]
fn an_epoch_that_cannot_be_is_not_believed_of_a_logger_either() {
    let mut lab = Lab::new();
    let mut writer = lab.client("writer", 1);
    let source = lab.announce(&mut writer, "psu", 10, Level::Logged);
    let mut logger = lab.client("logger", 2);
    lab.subscribe(&logger, 1, Mode::Durable, "");
    lab.told(&mut logger);
    lab.told(&mut writer);
    while lab.hub.poll_notice().is_some() {}
    for highest in [u64::MAX, (1 << 62) + 1, u64::MAX] {
        lab.send(&logger, &Packet::Resume(Resume { source, after: 0, highest, updates: 0, bytes: 0 }));
    }
    assert_eq!(lab.told(&mut writer), [""; 0]);
    let Some(Notice::Alarm(text)) = lab.hub.poll_notice() else { panic!("nobody was told") };
    assert_eq!(text, "logger \"logger\" says that it holds epoch 18446744073709551615 of psu: not believed");
    assert_eq!(lab.hub.poll_notice(), None, "once is enough");
    let mut writer = lab.client("writer", 1);
    lab.announce(&mut writer, "psu", 11, Level::Logged);
}

#[test]
fn a_clock_that_jumps_at_each_heartbeat_does_not_fill_the_journal() {
    let mut lab = Lab::new();
    let mut journal = lab.client("journal", 1);
    lab.subscribe(&journal, 1, Mode::Every, "$");
    let client = lab.client("client", 2);
    let mut rows = |lab: &mut Lab, pings: i64| {
        let time = lab.now.time;
        lab.send(&journal, &Packet::Ping(Ping { time, offset: 0, uncertainty: None, id: 0 }));
        lab.told(&mut journal);
        for number in 0..pings {
            let (time, offset) = (lab.now.time, 1_000_000 * (number % 2));
            lab.send(&client, &Packet::Ping(Ping { time, offset, uncertainty: Some(10), id: 0 }));
            lab.hub.wrote(client.id, lab.hub.output(client.id).len());
        }
        lab.told(&mut journal).iter().filter(|told| told.contains("clock=..")).count()
    };
    assert_eq!(rows(&mut lab, 1), 1, "the first at once");
    assert_eq!(rows(&mut lab, 2_000), 0);
    lab.pass(Duration::from_secs(10));
    assert_eq!(rows(&mut lab, 2_000), 1);
    lab.pass(Duration::from_secs(10));
    assert_eq!(rows(&mut lab, 1), 1, "it is not what the last row says");
    lab.pass(Duration::from_secs(10));
    assert_eq!(rows(&mut lab, 1), 0);
}
