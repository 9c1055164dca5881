//! PROTOCOL.md's worked examples.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::decoder::Decoder;
use crate::record::Stamp;
use crate::time::Time;
use crate::value::{Dictionary, Value};

const DOCUMENT: &str = include_str!("../../PROTOCOL.md");

const NOON: Time = Time::from_nanos(1_763_726_400_000_000_000);

/// Each example's heading, and what it shows.
fn examples<'a>(patch: &'a [u8], dictionary: &'a [u8]) -> Vec<(&'static str, Packet<'a>)> {
    let stamp = Stamp { writer_time: NOON, ..Stamp::default() };
    let stamped = Stamp {
        writer_time: NOON,
        hub_time: NOON.offset_by(2_500),
        offset: 1_000,
        uncertainty: Some(40_000),
    };
    let slice = (false, false);
    let update =
        Update { source: 3, sequence: 2, stamp, end: false, end_of_slice: slice.0, replayed: slice.1, patch };
    let state = State {
        source: 3,
        sequence: 2,
        stamp: stamped,
        missing: None,
        end_of_slice: slice.0,
        replayed: slice.1,
        dictionary,
    };
    alloc::vec![
        (
            "A client greets",
            Packet::Hello(Hello {
                version_min: 1,
                version_max: 1,
                client_id: *b"0123456789abcdef",
                time: NOON,
                max_body: 1 << 20,
                heartbeat: 5_000,
                name: "psu",
                product: "script 1",
                credentials: "",
            })
        ),
        (
            "The hub welcomes it",
            Packet::Welcome(Welcome {
                version: 1,
                run: 1_763_726_000_000_000,
                client_time: NOON,
                time: NOON.offset_by(1_040),
                max_body: 1 << 20,
                heartbeat: 5_000,
                logger: LoggerPresence::Present,
                hub: "lab:7450",
                name: "psu",
            })
        ),
        (
            "A writer announces its source",
            Packet::Announce(Announce {
                epoch: 1_763_726_400_000_000,
                previous: 0,
                newest: 0,
                level: Level::Logged,
                replay: false,
                take_over: false,
                source: "bench1/psu",
            })
        ),
        (
            "The hub accepts it",
            Packet::Announced(Announced {
                epoch: 1_763_726_400_000_000,
                outcome: Outcome::Accepted,
                id: 3,
                live: 0,
                highest: 1_763_726_400_000_000,
                previous: 0,
                source: "bench1/psu",
                reason: "",
            })
        ),
        (
            "Update 2: the key `trip` is gone, `V` is 5.0, `n` is 2^70 (an integer beyond 64 bits)",
            Packet::Update(update)
        ),
        ("A watcher gets the whole dictionary, stamped by the hub", Packet::State(state)),
        ("Everything up to update 2 is held", Packet::Ack(Ack { source: 3, sequence: 2 })),
        (
            "The hub asks the writer to send on after update 2",
            Packet::Resume(Resume { source: 3, after: 2, highest: 0, updates: 10_000, bytes: 1 << 20 })
        ),
        (
            "A client watches everything that begins with `bench1/`",
            Packet::Subscribe(Subscribe {
                id: 1,
                mode: Mode::Latest,
                prefix: true,
                interval: 0,
                pattern: "bench1/",
            })
        ),
        (
            "It asks for action `ramp` with the value 5, and waits 5 s",
            Packet::Request(Request {
                fields: RequestFields { id: 1, deadline: 5_000, action: "ramp", to: "", from: "" },
                payload: Payload { encoding: Encoding::MessagePack, bytes: &[5] },
            })
        ),
        (
            "It cannot take message 7 of client `script`",
            Packet::Refuse(Refuse { id: 7, to: "script", text: "this client takes no messages" })
        ),
    ]
}

fn block(heading: &str, bytes: &[u8]) -> String {
    let rows: Vec<String> = bytes
        .chunks(16)
        .map(|row| row.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" "))
        .collect();
    format!("{heading}:\n\n```text\n{}\n```\n", rows.join("\n"))
}

#[test]
fn the_document_shows_what_is_sent() {
    let mut dictionary = Dictionary::new();
    dictionary.insert("V", 5.0);
    dictionary.insert("n", Value::Integer("1180591620717411303424".parse().expect("digits")));
    let mut whole = Vec::new();
    crate::encoding::messagepack::encode_dictionary(&dictionary, 8, &mut whole).expect("shallow");
    let mut patch = alloc::vec![0x91, 0xA4];
    patch.extend_from_slice(b"trip");
    patch.extend_from_slice(&whole);
    for (heading, packet) in examples(&patch, &whole) {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes);
        let shown = block(heading, &bytes);
        assert!(DOCUMENT.contains(&shown), "PROTOCOL.md does not show:\n{shown}");
        let mut decoder = Decoder::new(1 << 20);
        let mut rest = &bytes[..];
        let frame = decoder.decode(&mut rest).expect("it is a frame").expect("it is whole");
        assert_eq!(Packet::parse(&frame).as_ref(), Ok(&packet), "{heading}");
    }
}
