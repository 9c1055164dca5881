//! Damage, poison and bombs: what is refused, by itself or with its connection, and what comes through all the same.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Recording, received, told};
use crate::dialect::comms::Settings;
use crate::dialect::pytcp::{self, ClientEnd};
use crate::dialect::{Dialect, Fault, Incoming, Options, Side};
use crate::dictionary;

/// What a byte is changed by: each bit, all of them, and to what stands for the start of a frame.
fn masks(byte: u8) -> impl Iterator<Item = u8> {
    let bits = (0..8).map(|bit| 1 << bit);
    bits.chain([0xFF, byte ^ pytcp::START, byte]).filter(|mask| *mask != 0)
}

#[test]
fn nothing_of_a_recording_that_was_cut_short_applies() {
    for recording in Recording::framed() {
        for length in 0..recording.bytes.len() {
            let (said, fault) = received(&mut *recording.receiver(), [&recording.bytes[..length]]);
            let what = format!("{} cut at {length}: {said:?} {fault:?}", recording.what);
            match recording.dialect {
                Dialect::PyTcp if length > 0 => {
                    assert!(said.len() == 1 && said[0].contains("too early") && fault.is_none(), "{what}");
                }
                Dialect::PyTcp | Dialect::Comms if length == 0 => {
                    assert!(said.is_empty() && fault.is_none(), "{what}");
                }
                _ => {
                    let is_cut = matches!(fault, Some(Fault::CutShort { .. }));
                    assert!(said.is_empty() && is_cut, "{what}");
                }
            }
        }
    }
}

#[test]
fn any_corrupt_byte_is_survived() {
    for recording in Recording::all() {
        // Of a long one, a few bytes here and there.
        let step = if recording.bytes.len() > 1_000 { 37 } else { 1 };
        for at in (0..recording.bytes.len()).step_by(step) {
            for mask in masks(recording.bytes[at]) {
                let mut bytes = recording.bytes.clone();
                bytes[at] ^= mask;
                let whole = received(&mut *recording.receiver(), [&bytes[..]]);
                if recording.dialect != Dialect::PingPong {
                    let pieces = received(&mut *recording.receiver(), bytes.chunks(5));
                    assert_eq!(pieces, whole, "{} with {mask:#04x} at {at}", recording.what);
                }
            }
        }
    }
}

#[test]
fn no_corrupt_pytcp_frame_is_accepted_and_no_good_one_lost() {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    pytcp::encode(&dictionary! { "before" => 1 }, 8, &mut before).unwrap();
    pytcp::encode(&dictionary! { "after" => "1" }, 8, &mut after).unwrap();
    let good = [dictionary! { "before" => 1 }, dictionary! { "after" => "1" }];
    let good = good.map(|state| told(&Incoming::State(state)));

    let is_one = |recording: &Recording| recording.dialect == Dialect::PyTcp && !recording.bytes.is_empty();
    for recording in Recording::framed().filter(is_one) {
        let step = if recording.bytes.len() > 1_000 { 37 } else { 1 };
        for at in (0..recording.bytes.len()).step_by(step) {
            for mask in masks(recording.bytes[at]) {
                let mut stream = [&before[..], &recording.bytes, &after].concat();
                stream[before.len() + at] ^= mask;
                for size in [1, stream.len()] {
                    let mut end = ClientEnd::new(&Options::default());
                    let (said, _) = received(&mut end, stream.chunks(size));
                    let what = format!("{} with {mask:#04x} at {at}: {said:#?}", recording.what);
                    assert!(said.len() == 3 && said[1].starts_with("refused: "), "{what}");
                    assert_eq!([&said[0], &said[2]], [&good[0], &good[1]], "{what}");
                    let damage = end.damage();
                    assert_eq!((damage.stretches, damage.bytes), (1, recording.bytes.len() as u64), "{what}");
                }
            }
        }
    }
}

#[test]
fn a_good_pytcp_frame_waits_for_no_other() {
    // A length that claims more than came: found out as soon as the next frame is whole, not when the rest has come.
    let mut stream = Vec::new();
    pytcp::encode(&dictionary! { "run" => 1 }, 8, &mut stream).unwrap();
    stream[2] ^= 0x0F;
    pytcp::encode(&dictionary! { "run" => 2 }, 8, &mut stream).unwrap();
    let mut end = ClientEnd::new(&Options::default());
    let bytes = &mut &stream[..];
    assert!(matches!(end.decode(bytes), Some(Incoming::Refused(_))));
    assert_eq!(end.decode(bytes), Some(Incoming::State(dictionary! { "run" => 2 })));
    assert_eq!((end.decode(bytes), end.finish()), (None, None));
}

#[test]
fn a_good_pytcp_frame_is_found_within_what_was_cut_short() {
    // `A5 00 00` of a frame that was cut, and then a whole one, whose header is taken for the rest of the other's.
    let mut stream = Vec::from([pytcp::START, 0, 0]);
    pytcp::encode(&dictionary! { "run" => 2 }, 8, &mut stream).unwrap();
    let (said, fault) = received(&mut ClientEnd::new(&Options::default()), [&stream[..]]);
    assert_eq!(fault, None);
    assert_eq!(said.last(), Some(&told(&Incoming::State(dictionary! { "run" => 2 }))), "{said:?}");
}

/// A stream that carries `json` to that end of that dialect.
fn carrying(dialect: Dialect, json: &[u8]) -> Vec<u8> {
    let length = u32::try_from(json.len()).unwrap();
    let header = format!(
        r#"{{"byteorder": "big", "content-type": "text/json", "content-encoding": "utf-8", "content-length": {length}}}"#
    );
    match dialect {
        Dialect::PyTcp => [
            &[pytcp::START][..],
            &length.to_be_bytes(),
            &crate::crc::checksum(json).to_be_bytes(),
            json,
            &[pytcp::STOP],
        ]
        .concat(),
        Dialect::Comms => [&length.to_le_bytes()[..], json].concat(),
        Dialect::Comet => {
            [&u16::try_from(header.len()).unwrap().to_be_bytes()[..], header.as_bytes(), json].concat()
        }
        Dialect::Native | Dialect::PingPong => unreachable!("they carry no JSON"),
    }
}

/// What each dialect that carries JSON makes of it: refused by itself, or with the connection.
fn verdicts(json: &[u8]) -> Vec<(Dialect, bool, Fault)> {
    let ends =
        [(Dialect::PyTcp, Side::Client), (Dialect::Comms, Side::Server), (Dialect::Comet, Side::Server)];
    ends.into_iter()
        .map(|(dialect, side)| {
            let mut end = dialect.codec(side, &Options::default());
            let stream = carrying(dialect, json);
            let verdict = match end.decode(&mut &stream[..]) {
                Ok(Some(Incoming::Refused(fault))) => (dialect, true, fault),
                Err(fault) => (dialect, false, fault),
                other => panic!("{dialect} took {other:?}"),
            };
            if verdict.1 && dialect != Dialect::Comet {
                let next = carrying(dialect, b"{}");
                let next = end.decode(&mut &next[..]);
                assert!(!matches!(next, Err(_) | Ok(None | Some(Incoming::Refused(_)))), "{next:?}");
            }
            verdict
        })
        .collect()
}

#[test]
fn poison_is_refused_by_itself() {
    let long = format!("{{\"a\": {}}}", "1".repeat(4_301));
    for json in [r#"{"a": "\ud800"}"#, r#"{"\udc00": 1}"#, r#"{"a": 1e400}"#, &long] {
        for (dialect, stays, fault) in verdicts(json.as_bytes()) {
            assert!(fault.is_poison(), "{dialect} {fault}");
            // The one request of a comet connection is answered with an error either way.
            assert_eq!(stays, dialect != Dialect::Comet, "{dialect} {fault}");
        }
    }
}

#[test]
fn malformed_json_ends_the_connection_where_no_frame_tells_the_next() {
    let bomb = "[".repeat(100_000);
    let bomb_of_dictionaries = "{\"a\":".repeat(100_000);
    let cases: [&[u8]; 7] =
        [b"", b"{", b"{}}", b"{'a': 1}", b"[\"\xff\"]", bomb.as_bytes(), bomb_of_dictionaries.as_bytes()];
    for json in cases {
        for (dialect, stays, fault) in verdicts(json) {
            assert!(!fault.is_poison() && matches!(fault, Fault::Json { .. }), "{dialect} {fault}");
            assert_eq!(stays, dialect == Dialect::PyTcp, "{dialect} {fault}");
        }
    }
}

#[cfg(feature = "std")]
#[test]
fn bombs_fit_a_small_stack() {
    let bombs = || {
        for bomb in ["[", "{\"a\":", "[{\"\":"] {
            for (dialect, _, fault) in verdicts(bomb.repeat(100_000).as_bytes()) {
                let is_deep = matches!(
                    fault,
                    Fault::Json { error: crate::encoding::json::JsonError::TooDeep { limit: 128, .. }, .. }
                );
                assert!(is_deep, "{dialect} {fault}");
            }
        }
    };
    std::thread::Builder::new().stack_size(512 << 10).spawn(bombs).unwrap().join().unwrap();
}

#[test]
fn values_that_look_odd_are_taken() {
    let json = r#"{"": NaN, "a*": "\u0000\n", "a": 1, "b": -Infinity, "a": 2, "c/": 36893488147419103232}"#;
    let expected = dictionary! {
        "" => f64::NAN, "a*" => "\0\n", "a" => 2, "b" => f64::NEG_INFINITY, "c/" => 1_u128 << 65,
    };
    let stream = carrying(Dialect::PyTcp, json.as_bytes());
    let mut end = ClientEnd::new(&Options::default());
    assert_eq!(end.decode(&mut &stream[..]), Some(Incoming::State(expected)));
}

#[test]
fn a_frame_whose_json_is_no_dictionary() {
    let stream = carrying(Dialect::PyTcp, b"[1]");
    let mut end = ClientEnd::new(&Options::default());
    let refused = end.decode(&mut &stream[..]).map(|incoming| told(&incoming));
    assert_eq!(refused.as_deref(), Some("refused: at byte 9: list where a dictionary was to come"));
    assert_eq!(end.damage().stretches, 0, "nothing was damaged");
}

#[test]
fn comet_headers_that_are_refused() {
    let cases = [
        ("[]", "at byte 2: list where a dictionary was to come"),
        ("{", "in the JSON that begins at byte 2: at byte 1: expected a key in quotation marks"),
        ("{}", "at byte 2: a header without \"byteorder\""),
        (r#"{"byteorder": 1}"#, "at byte 2: a header whose \"byteorder\" is not a text"),
        (r#"{"byteorder": ""}"#, "at byte 2: a header without \"content-type\""),
        (
            r#"{"content-type": "text/json", "content-encoding": "utf-16", "byteorder": "", "content-length": 1}"#,
            "at byte 2: a header whose \"content-encoding\" is not \"utf-8\"",
        ),
        (
            r#"{"content-type": "", "content-encoding": "", "byteorder": "", "content-length": -1}"#,
            "at byte 2: a header whose \"content-length\" is not a count of bytes",
        ),
        (
            r#"{"content-type": "", "content-encoding": "", "byteorder": "", "content-length": 47.0}"#,
            "at byte 2: a header whose \"content-length\" is not a count of bytes",
        ),
        (
            r#"{"content-type": "", "content-encoding": "", "byteorder": "", "content-length": 1048577}"#,
            "at byte 90: a length of 1048577 bytes, at most 1048576 are taken",
        ),
        (
            r#"{"content-type": "", "content-encoding": "", "byteorder": "", "content-length": 4294967296}"#,
            "at byte 93: a length of 4294967296 bytes, at most 1048576 are taken",
        ),
    ];
    for (header, message) in cases {
        let stream = [&(header.len() as u16).to_be_bytes()[..], header.as_bytes()].concat();
        for size in [1, stream.len()] {
            let mut end = Dialect::Comet.codec(Side::Server, &Options::default());
            let (said, fault) = received(&mut *end, stream.chunks(size));
            let fault = format!("{}", fault.unwrap());
            assert!(said.is_empty() && fault.starts_with(message), "{header}: {fault}");
        }
    }
}

#[test]
fn comet_requests_without_action_or_value_are_answered() {
    for (json, echo) in [
        ("[1]", "None, None"),
        ("{}", "None, None"),
        (r#"{"action": "a"}"#, "a, None"),
        (r#"{"action": "a", "value": []}"#, "a, []"),
        (r#"{"action": "a", "value": {}}"#, "a, {}"),
        (r#"{"action": "a", "value": false}"#, "a, False"),
        (r#"{"action": "", "value": NaN}"#, ", nan"),
        (r#"{"action": 5, "value": {"b": "é"}}"#, r#"5, {"b": "é"}"#),
    ] {
        let stream = carrying(Dialect::Comet, json.as_bytes());
        let mut end = Dialect::Comet.codec(Side::Server, &Options::default());
        let mut out = Vec::new();
        match end.decode(&mut &stream[..]) {
            Ok(Some(Incoming::Request(request))) => assert!(request.answer_by_itself(&mut out), "{json}"),
            other => panic!("{json}: {other:?}"),
        }
        let mut client = Dialect::Comet.codec(Side::Client, &Options::default());
        let answer = format!("Error: invalid action and or value {echo}");
        let expected = format!("Answer(Result(Text({answer:?})))");
        assert_eq!(received(&mut *client, [&out[..]]), (Vec::from([expected]), None), "{json}");
    }
}

#[test]
fn whatever_is_answered_in_comet_can_be_sent() {
    let deep = (0..200).fold(crate::value::Value::Null, |inner, _| Vec::from([inner]).into());
    let mut out = Vec::new();
    crate::dialect::comet::encode_answer(&deep, 128, &mut out);
    let text = String::from_utf8_lossy(&out);
    let reason =
        r#"{"result": "Error: the answer cannot be sent: nested deeper than 127 levels (limit depth)"}"#;
    assert!(text.ends_with(reason), "{text}");
}

#[test]
fn a_pytcp_client_that_speaks_is_reported_once() {
    let mut end = Dialect::PyTcp.codec(Side::Server, &Options::default());
    let expected = Vec::from([told(&Incoming::Refused(Fault::Unasked { offset: 0 }))]);
    assert_eq!(received(&mut *end, [&b"GET / "[..], b"HTTP"]), (expected, None));
}

#[test]
fn an_empty_json_message_is_malformed_and_an_empty_text_is_none() {
    for (payload, is_taken) in [("json", false), ("string", true), ("binary", true)] {
        let comms = Settings { incoming: payload.parse().unwrap(), ..Settings::default() };
        let mut end = Dialect::Comms.codec(Side::Server, &Options { comms, ..Options::default() });
        let (said, fault) = received(&mut *end, [&[0; 4][..]]);
        assert_eq!((said.len() == 1, fault.is_none()), (is_taken, is_taken), "{payload}");
    }
}
