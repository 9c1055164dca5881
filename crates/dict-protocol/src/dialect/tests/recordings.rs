//! What the original programs sent, read and written.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::{DEPTH, Recording, received, told, unhex};
use crate::dialect::comet::{self, Answer, Request};
use crate::dialect::comms::Payload;
use crate::dialect::{Content, Dialect, Incoming, Outgoing, Side};
use crate::dictionary;
use crate::value::Value;

#[test]
fn recordings_decode_to_their_meaning() {
    for recording in Recording::all() {
        let (said, fault) = received(&mut *recording.receiver(), [&recording.bytes[..]]);
        assert_eq!(fault, None, "{}", recording.what);
        assert_eq!(said, expected(&recording), "{}", recording.what);
    }
}

#[test]
fn recordings_encode_to_identical_bytes() {
    let mut request = Vec::new();
    for recording in Recording::all() {
        let mut out = Vec::new();
        say(&recording, &request, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&recording.bytes));
        assert_eq!(out, recording.bytes, "{}", recording.what);
        request.clone_from(&recording.bytes);
    }
}

#[test]
fn recordings_in_any_two_pieces_and_byte_by_byte() {
    for recording in Recording::framed() {
        let whole = received(&mut *recording.receiver(), [&recording.bytes[..]]);
        for at in 0..=recording.bytes.len() {
            let (first, second) = recording.bytes.split_at(at);
            let pieces = received(&mut *recording.receiver(), [first, second]);
            assert_eq!(pieces, whole, "{} cut at {at}", recording.what);
        }
        let bytes = received(&mut *recording.receiver(), recording.bytes.chunks(1));
        assert_eq!(bytes, whole, "{}", recording.what);
    }
}

#[test]
fn recordings_with_others_after_them() {
    let recordings: Vec<_> = Recording::framed().collect();
    for pair in recordings.windows(2) {
        let [first, second] = pair else { unreachable!("windows of two") };
        if (first.dialect, first.comms, first.from) != (second.dialect, second.comms, second.from) {
            continue;
        }
        let mut said = expected(first);
        said.extend(expected(second));
        let stream = [&first.bytes[..], &second.bytes].concat();
        for size in [1, 7, stream.len()] {
            let got = received(&mut *first.receiver(), stream.chunks(size));
            assert_eq!(got, (said.clone(), None), "{} and {}", first.what, second.what);
        }
    }
}

#[test]
fn a_comet_end_passes_over_what_follows() {
    for recording in Recording::all().iter().filter(|recording| recording.dialect == Dialect::Comet) {
        let stream = [&recording.bytes[..], b"\0\x02{}", &recording.bytes].concat();
        for size in [1, 7, stream.len()] {
            let got = received(&mut *recording.receiver(), stream.chunks(size));
            assert_eq!(got, (expected(recording), None), "{}", recording.what);
        }
    }
}

/// What the receiving end should make of a recording.
fn expected(recording: &Recording) -> Vec<String> {
    if recording.meaning.is_none() {
        return vec![];
    }
    let text = recording.meaning();
    let binary = if is_binary(recording) { unhex(text) } else { vec![] };
    let incoming = match (recording.dialect, recording.to) {
        (Dialect::PyTcp, _) => Incoming::State(dictionary(recording.json())),
        (Dialect::Comms, _) => Incoming::Message(match recording.comms.incoming {
            Payload::Json => Content::Value(Cow::Owned(recording.json())),
            Payload::Text => Content::Text(text),
            Payload::Binary => Content::Binary(&binary),
        }),
        (Dialect::Comet, Side::Server) if is_binary(recording) => Incoming::Request(Request::Binary(&binary)),
        (Dialect::Comet, Side::Client) if is_binary(recording) => Incoming::Answer(Answer::Binary(&binary)),
        (Dialect::Comet, Side::Server) => Incoming::Request(request(&recording.json())),
        (Dialect::Comet, Side::Client) => {
            Incoming::Answer(Answer::Result(dictionary(recording.json())["result"].clone()))
        }
        (Dialect::PingPong, Side::Client) => Incoming::Pong,
        (Dialect::PingPong, Side::Server) if text == "ping" => Incoming::Ping,
        (Dialect::PingPong, Side::Server) => {
            Incoming::Set(dictionary! { "time" => "2023-10-30 12:00:00.000001", "value" => 102 })
        }
        (Dialect::Native, _) => unreachable!("the native protocol is not among the recordings"),
    };
    vec![told(&incoming)]
}

fn request(json: &Value) -> Request<'static> {
    let json = dictionary(json.clone());
    let (action, value) = (json["action"].as_str().unwrap(), json["value"].clone());
    if action.is_empty() {
        return Request::Invalid { answer: "Error: invalid action and or value , 0".into() };
    }
    Request::Action { action: action.into(), value }
}

/// Says what was recorded, as the end that said it.
fn say(recording: &Recording, request: &[u8], out: &mut Vec<u8>) {
    if recording.what == "the same dictionary assigned again: nothing is sent" {
        let mut end = recording.sender();
        let state = dictionary! { "a" => 1 };
        assert_eq!(end.encode(&Outgoing::Dictionary(&state), &mut Vec::new()), Ok(true));
        assert_eq!(end.encode(&Outgoing::Dictionary(&state), out), Ok(false));
        return;
    }
    let text = recording.meaning();
    match (recording.dialect, recording.from) {
        (Dialect::PyTcp, _) => {
            // The empty dictionary is only sent after one that is not.
            let mut end = recording.sender();
            let other = dictionary! { "other" => 1 };
            assert_eq!(end.encode(&Outgoing::Dictionary(&other), &mut Vec::new()), Ok(true));
            let state = dictionary(recording.json());
            assert_eq!(end.encode(&Outgoing::Dictionary(&state), out), Ok(true));
        }
        (Dialect::Comms, _) => {
            let binary = if is_binary(recording) { unhex(text) } else { vec![] };
            let content = match recording.comms.outgoing {
                Payload::Json => Content::Value(Cow::Owned(recording.json())),
                Payload::Text => Content::Text(text),
                Payload::Binary => Content::Binary(&binary),
            };
            assert_eq!(recording.sender().encode(&Outgoing::Message(content), out), Ok(true));
        }
        (Dialect::Comet, Side::Client) if is_binary(recording) => {
            comet::encode_binary_request(&unhex(text), out);
        }
        (Dialect::Comet, Side::Client) => {
            let json = dictionary(recording.json());
            let outgoing =
                Outgoing::Request { action: json["action"].as_str().unwrap(), value: &json["value"] };
            assert_eq!(recording.sender().encode(&outgoing, out), Ok(true));
        }
        (Dialect::Comet, Side::Server) => {
            let mut end = recording.sender();
            let Ok(Some(Incoming::Request(request))) = end.decode(&mut &request[..]) else {
                panic!("the line before is its request");
            };
            if !request.answer_by_itself(out) {
                comet::encode_answer(&dictionary(recording.json())["result"], DEPTH, out);
            }
        }
        (Dialect::PingPong, Side::Client) => {
            let outgoing = Outgoing::Message(Content::Text(text));
            assert_eq!(recording.sender().encode(&outgoing, out), Ok(true));
        }
        (Dialect::PingPong, Side::Server) => {
            assert_eq!(recording.sender().encode(&Outgoing::Pong, out), Ok(true));
        }
        (Dialect::Native, _) => unreachable!("the native protocol is not among the recordings"),
    }
}

/// Whether the meaning is in hexadecimal digits.
fn is_binary(recording: &Recording) -> bool {
    match recording.dialect {
        Dialect::Comms => recording.comms.incoming == Payload::Binary,
        Dialect::Comet => recording.what.contains("binary"),
        _ => false,
    }
}

fn dictionary(value: Value) -> crate::value::Dictionary {
    match value {
        Value::Dictionary(dictionary) => dictionary,
        other => panic!("{other:?} is no dictionary"),
    }
}
