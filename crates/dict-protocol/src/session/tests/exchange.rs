//! Messages, requests, handlers.

use super::*;
use crate::packet::{Reply, ReplyFields, Request, RequestFields};

fn reply(id: u32, status: Status) -> Packet<'static> {
    Packet::Reply(Reply { fields: ReplyFields { id, status }, payload: EMPTY })
}

#[test]
fn a_request_has_one_outcome() {
    let mut fixture = Fixture::open(Limits::default(), LoggerPresence::Never);
    let ask = |fixture: &mut Fixture| {
        fixture.session.request(fixture.now, None, "move", EMPTY, Duration::from_secs(1))
    };
    let answered = ask(&mut fixture).unwrap();
    let late = ask(&mut fixture).unwrap();
    assert_eq!(fixture.sent().len(), 2);
    fixture.give(&reply(answered.0, Status::Result));
    fixture.give(&reply(answered.0, Status::Result));
    assert_eq!(fixture.told(), [Told::Answered(answered.0, Status::Result)]);
    fixture.after(Duration::from_secs(2));
    assert_eq!(fixture.told(), [Told::Answered(late.0, Status::Late)]);
    fixture.give(&reply(late.0, Status::Result));
    assert_eq!(fixture.told(), []);

    let lost = ask(&mut fixture).unwrap();
    fixture.sent();
    fixture.disconnect();
    assert_eq!(fixture.told()[0], Told::Answered(lost.0, Status::Unknown));
    fixture.greet(LoggerPresence::Never);
    assert!(!fixture.sent().iter().any(|sent| matches!(sent, Sent::Request { .. })), "never sent again");
    fixture.disconnect();
    assert_eq!(ask(&mut fixture).unwrap_err(), SendError::NotConnected.into());
}

#[test]
fn a_question_is_answered_on_its_own_connection() {
    let mut fixture = Fixture::open(Limits::default(), LoggerPresence::Never);
    let fields = RequestFields { id: 9, deadline: 1_000, action: "move", to: "", from: "x" };
    let request = Packet::Request(Request { fields, payload: EMPTY });
    fixture.give(&request);
    let [Told::Asked(question, _)] = fixture.told()[..] else { panic!("nobody asked") };
    fixture.session.reply(question, Status::Result, EMPTY).unwrap();
    assert_eq!(fixture.sent(), [Sent::Reply { id: 9, status: Status::Result }]);

    fixture.give(&request);
    let [Told::Asked(question, _)] = fixture.told()[..] else { panic!("nobody asked") };
    fixture.disconnect();
    fixture.greet(LoggerPresence::Never);
    fixture.sent();
    let refused = fixture.session.reply(question, Status::Result, EMPTY).unwrap_err();
    assert_eq!(refused, SendError::NotConnected);
    assert_eq!(fixture.sent(), []);
}

#[test]
fn a_message_that_cannot_be_taken_is_refused_to_its_sender() {
    let mut fixture = Fixture::open(Limits::default(), LoggerPresence::Never);
    fixture.session.refuse(7, "sender", "no room").unwrap();
    let long = "ü".repeat(1_000);
    fixture.session.refuse(8, "sender", &long).unwrap();
    let refuse = |id, text: &str| Sent::Refuse { id, to: "sender".into(), text: text.into() };
    assert_eq!(fixture.sent(), [refuse(7, "no room"), refuse(8, &long[..Limits::REFUSAL])]);
    let refused = fixture.session.refuse(9, &"x".repeat(256), "");
    assert_eq!(refused, Err(SendError::Name { length: 256, limit: 255 }));

    let sent = fixture.session.send(Some("other"), EMPTY).unwrap();
    fixture.sent();
    let (code, about) = (ErrorCode::NotTaken, crate::frame::Kind::Message as u8);
    let reference = sent.into();
    fixture.give(&Packet::Error(packet::Error { code, about, reference, closing: false, text: "" }));
    assert_eq!(fixture.told(), [Told::Notice(ErrorCode::NotTaken)]);
    fixture.disconnect();
    assert_eq!(fixture.session.refuse(10, "sender", ""), Err(SendError::NotConnected));
}

#[test]
fn an_action_is_handled_as_was_said_last_and_so_again_on_the_next_connection() {
    let mut fixture = Fixture::open(Limits::default(), LoggerPresence::Never);
    let handle = |handling, action: &str| Sent::Handle { handling, action: action.into() };
    fixture.session.handle_addressed("").unwrap();
    fixture.session.handle_addressed("").unwrap();
    fixture.session.handle("move").unwrap();
    fixture.session.handle_addressed("move").unwrap();
    fixture.session.handle_addressed("stop").unwrap();
    fixture.session.unhandle("stop");
    fixture.session.unhandle("stop");
    let said = [
        handle(Handling::Addressed, ""),
        handle(Handling::On, "move"),
        handle(Handling::Addressed, "move"),
        handle(Handling::Addressed, "stop"),
        handle(Handling::Off, "stop"),
    ];
    assert_eq!(fixture.sent(), said);
    fixture.session.handle("move").unwrap();
    fixture.disconnect();
    fixture.greet(LoggerPresence::Never);
    assert_eq!(fixture.sent()[1..], [handle(Handling::Addressed, ""), handle(Handling::On, "move")]);
}

#[test]
fn limits_of_what_is_sent() {
    let limits = Limits { client_output: 100, requests: 1, handlers: 1, ..Limits::default() };
    let mut fixture = Fixture::open(limits, LoggerPresence::Never);
    let large = Payload { bytes: &[0; 1 << 20], ..EMPTY };
    let limit = (1 << 20) - Limits::PAYLOAD_OVERHEAD;
    let refused = fixture.session.send(Some("x"), large).unwrap_err();
    assert_eq!(refused, SendError::TooLarge { length: 1 << 20, limit });
    fixture.session.send(None, Payload { bytes: &[0; 200], ..EMPTY }).unwrap();
    assert!(matches!(fixture.session.send(None, EMPTY), Err(SendError::Full { limit: 100, .. })));
    assert_eq!(fixture.sent(), [Sent::Message { to: String::new() }]);

    let request =
        |fixture: &mut Fixture, timeout| fixture.session.request(fixture.now, None, "x", EMPTY, timeout);
    assert!(matches!(request(&mut fixture, Duration::from_secs(10_000)), Err(RequestError::Deadline { .. })));
    request(&mut fixture, Duration::from_secs(1)).unwrap();
    let refused = request(&mut fixture, Duration::from_secs(1)).unwrap_err();
    assert_eq!(refused, RequestError::Outstanding { limit: 1 });

    fixture.session.handle("x").unwrap();
    fixture.session.handle("x").unwrap();
    assert_eq!(fixture.session.handle("y"), Err(SendError::Handlers { limit: 1 }));
    fixture.session.unhandle("x");
    fixture.session.handle("y").unwrap();
}
