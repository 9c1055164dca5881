//! Messages, requests and who answers them.

use std::time::Duration;

use dict_protocol::frame::{Encoding, Kind};
use dict_protocol::limits::Limits;
use dict_protocol::packet::{
    Error, ErrorCode, Handle, Handling, Message, MessageFields, Mode, Packet, Payload, Refuse, Reply,
    ReplyFields, Request, RequestFields, Status,
};

use super::lab::Lab;

pub(super) fn text<'a>(id: u32, to: &'a str, text: &'a str) -> Packet<'a> {
    let fields = MessageFields { id, to, from: "" };
    Packet::Message(Message { fields, payload: Payload { encoding: Encoding::Text, bytes: text.as_bytes() } })
}

#[test]
fn messages_reach_everybody_who_listens_or_the_one_who_is_named() {
    let mut lab = Lab::new();
    let mut sender = lab.client("sender", 1);
    let mut listener = lab.client("listener", 2);
    let mut deaf = lab.client("deaf", 3);
    lab.subscribe(&listener, 1, Mode::Messages, "");
    lab.told(&mut listener);
    lab.send(&sender, &text(1, "", "hello"));
    lab.send(&sender, &text(2, "deaf", "you"));
    lab.send(&sender, &text(3, "nobody", "?"));
    assert_eq!(lab.told(&mut listener), ["Message from sender \"hello\""]);
    assert_eq!(lab.told(&mut deaf), ["Message from sender \"you\""]);
    assert_eq!(lab.told(&mut sender), ["Error NoSuchPeer"]);
}

#[test]
fn a_message_that_is_refused_is_noticed_by_its_sender_alone() {
    let mut lab = Lab::new();
    let mut sender = lab.client("sender", 1);
    let mut picky = lab.client("picky", 2);
    for _ in 0..2 {
        lab.send(&sender, &text(7, "picky", "you"));
    }
    lab.told(&mut picky);
    let refuse = |to, text| Packet::Refuse(Refuse { id: 7, to, text });
    lab.send(&picky, &refuse("sender", "no text, please"));
    let long = "x".repeat(5_000);
    lab.send(&picky, &refuse("sender", &long));
    lab.collect(&mut sender);
    sender.expect(|packet| {
        let about = Kind::Message as u8;
        let text = "\"picky\" cannot take the message: no text, please";
        let code = ErrorCode::NotTaken;
        *packet == Packet::Error(Error { code, about, reference: 7, closing: false, text })
    });
    sender.expect(|packet| matches!(packet, Packet::Error(error) if error.text.len() < 1_100));
    lab.send(&picky, &refuse("sender", "each of the two was refused"));
    lab.send(&picky, &Packet::Refuse(Refuse { id: 8, to: "sender", text: "this was never sent" }));
    assert_eq!(lab.told(&mut sender), [""; 0]);
    lab.send(&picky, &refuse("nobody", "?"));
    assert_eq!(lab.told(&mut picky), [""; 0]);
    assert!(!lab.hub.is_ended(picky.id));
}

#[test]
fn refusals_that_are_not_read_do_not_pile_up() {
    let limits = Limits { every_output: 20_000, ..Limits::default() };
    let mut lab = Lab::with_limits(limits);
    let mut slow = lab.client("slow", 1);
    let mut picky = lab.client("picky", 2);
    for id in 0..100 {
        lab.send(&slow, &text(id, "picky", "?"));
        lab.told(&mut picky);
        lab.send(&picky, &Packet::Refuse(Refuse { id, to: "slow", text: &"x".repeat(1_000) }));
    }
    assert!(lab.hub.output(slow.id).len() < 10_000, "there is room for others");
    assert!(!lab.hub.is_ended(slow.id) && !lab.hub.is_ended(picky.id));
    assert!(lab.told(&mut slow).iter().all(|told| told == "Error NotTaken"));
}

#[test]
fn a_refusal_is_not_larger_for_a_name_of_odd_characters() {
    let mut lab = Lab::new();
    let mut sender = lab.client("sender", 1);
    let name = "\u{300}".repeat(127);
    let picky = lab.client(&name, 2);
    lab.send(&sender, &text(7, &name, "you"));
    lab.send(&picky, &Packet::Refuse(Refuse { id: 7, to: "sender", text: "no\r\nForged: \u{1b}[2J" }));
    lab.collect(&mut sender);
    let expected = format!("\"{name}\" cannot take the message: no  Forged:  [2J");
    sender.expect(|packet| matches!(packet, Packet::Error(error) if error.text == expected));
}

fn ask<'a>(id: u32, action: &'a str, to: &'a str, deadline: u32) -> Packet<'a> {
    Packet::Request(Request {
        fields: RequestFields { id, deadline, action, to, from: "" },
        payload: Payload { encoding: Encoding::MessagePack, bytes: &[5] },
    })
}

#[test]
fn a_request_is_answered_exactly_once_whatever_becomes_of_its_handler() {
    let mut lab = Lab::new();
    let mut asker = lab.client("asker", 1);
    let mut handler = lab.client("handler", 2);
    let mut second = lab.client("second", 3);
    lab.send(&asker, &ask(1, "ramp", "", 1_000));
    assert_eq!(lab.told(&mut asker), ["Reply 1 NoHandler"]);
    for client in [&handler, &second] {
        lab.send(client, &Packet::Handle(Handle { handling: Handling::On, action: "ramp" }));
    }
    assert_eq!(lab.told(&mut second), ["Error HandlerTaken"]);
    for id in 2..=4 {
        lab.send(&asker, &ask(id, "ramp", "", 1_000));
    }
    assert_eq!(lab.told(&mut handler), ["Request ramp from asker"; 3]);
    let payload = Payload { encoding: Encoding::MessagePack, bytes: &[6] };
    // The hub's numbers: 1 was the one that nobody handled.
    let reply = |id| Packet::Reply(Reply { fields: ReplyFields { id, status: Status::Result }, payload });
    lab.send(&handler, &reply(2));
    lab.send(&handler, &reply(2));
    assert_eq!(lab.told(&mut asker), ["Reply 2 Result"]);
    for _ in 0..2 {
        lab.pass(Duration::from_millis(500));
    }
    let mut late = lab.told(&mut asker);
    late.sort();
    assert_eq!(late, ["Reply 3 Late", "Reply 4 Late"]);
    lab.send(&asker, &ask(5, "ramp", "", 1_000));
    lab.hub.closed(lab.now, handler.id, "gone");
    assert_eq!(lab.told(&mut asker), ["Reply 5 Unknown"]);
    lab.send(&asker, &ask(6, "ramp", "second", 1_000));
    assert_eq!(lab.told(&mut second), ["Request ramp from asker"], "the second follows the first");
}

#[test]
fn who_answers_by_name_alone_is_no_rival_and_answers_nobody_else() {
    let mut lab = Lab::new();
    let mut asker = lab.client("asker", 1);
    let mut target = lab.client("target", 2);
    let mut handler = lab.client("handler", 3);
    let handle = |handling, action| Packet::Handle(Handle { handling, action });
    lab.send(&target, &handle(Handling::Addressed, ""));
    lab.send(&target, &handle(Handling::Addressed, "ramp"));
    lab.send(&asker, &ask(1, "ramp", "", 1_000));
    assert_eq!(lab.told(&mut asker), ["Reply 1 NoHandler"]);
    lab.send(&handler, &handle(Handling::On, "ramp"));
    assert_eq!(lab.told(&mut handler), [""; 0], "the first that answers anybody");
    lab.send(&asker, &ask(2, "ramp", "", 1_000));
    assert_eq!(lab.told(&mut handler), ["Request ramp from asker"]);
    for (id, action) in [(3, "ramp"), (4, "zero")] {
        lab.send(&asker, &ask(id, action, "target", 1_000));
        assert_eq!(lab.told(&mut target), [format!("Request {action} from asker")]);
    }

    // What is said last of an action counts, as if it were said for the first time.
    lab.send(&target, &handle(Handling::On, "ramp"));
    assert_eq!(lab.told(&mut target), ["Error HandlerTaken"]);
    lab.send(&handler, &handle(Handling::Addressed, "ramp"));
    lab.send(&asker, &ask(5, "ramp", "", 1_000));
    assert_eq!(lab.told(&mut target), ["Request ramp from asker"], "the next in turn");
    lab.send(&target, &handle(Handling::Off, "ramp"));
    lab.send(&target, &handle(Handling::Off, ""));
    lab.send(&asker, &ask(6, "ramp", "", 1_000));
    lab.send(&asker, &ask(7, "ramp", "target", 1_000));
    assert_eq!(lab.told(&mut asker), ["Reply 6 NoHandler", "Reply 7 NoHandler"]);
    assert_eq!(lab.told(&mut handler), [""; 0]);
}

#[test]
fn a_note_is_answered_when_every_logger_has_it() {
    let mut lab = Lab::new();
    let mut asker = lab.client("asker", 1);
    let note = |id| {
        Packet::Request(Request {
            fields: RequestFields { id, deadline: 60_000, action: "$note", to: "", from: "" },
            payload: Payload { encoding: Encoding::Text, bytes: b"run 7 starts" },
        })
    };
    lab.send(&asker, &note(1));
    assert_eq!(lab.told(&mut asker), ["Reply 1 Failed"]);
    let mut other = lab.client("other", 3);
    lab.subscribe(&other, 1, Mode::Durable, "");
    assert_eq!(lab.told(&mut other), ["Logger Present", "Current 1"]);
    assert_eq!(lab.told(&mut asker), ["Logger Present"]);
    lab.send(&asker, &note(1));
    assert_eq!(lab.told(&mut asker), ["Reply 1 Failed"], "that one follows other sources");
    lab.hub.closed(lab.now, other.id, "gone");
    let mut logger = lab.client("logger", 2);
    lab.subscribe(&logger, 1, Mode::Durable, "$");
    assert_eq!(lab.told(&mut logger), ["Logger Present", "Source $hub/lab epoch 7 online", "Current 1"]);
    // The hub's own source is its first.
    lab.resume(&logger, 1, 0);
    lab.told(&mut logger);
    lab.told(&mut asker);
    lab.send(&asker, &note(2));
    let told = lab.told(&mut logger);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("note=.."), "{told:?}");
    assert_eq!(lab.told(&mut asker), [""; 0]);
    let sequence = told[0].split(' ').nth(1).expect("it has a sequence").parse().expect("a number");
    lab.ack(&logger, 1, sequence);
    assert_eq!(lab.told(&mut asker), ["Reply 2 Result"]);
}

#[test]
fn two_clients_of_one_name_are_told_apart() {
    let mut lab = Lab::new();
    let _first = lab.client("psu", 1);
    let _second = lab.client("psu", 2);
    let mut sender = lab.client("sender", 3);
    lab.send(&sender, &text(1, "psu#2", "you"));
    assert_eq!(lab.told(&mut sender), [""; 0]);
}
