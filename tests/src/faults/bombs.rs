//! Row 19: values that nest as deep as they are long, and lists that claim more than there is.

use std::process::Command;
use std::time::Duration;

use dict_event_loop::client::Client;
use dict_protocol::frame::{Encoding, Kind};
use dict_protocol::packet::{Message, MessageFields, Packet, Payload, Request, RequestFields, State, Update};
use dict_protocol::record::Stamp;

use super::hostile::{Fate, Port, Shot, Target, comet_request, comms, framed, greeted};
use super::{Miss, Setting, ensure};
use crate::programs::{PATIENCE, is_missing};

/// How deep.
pub const DEEP: usize = 100_000;

/// Bytes of stack that the hub has.
const STACK: usize = 512 << 10;

pub(super) fn run(setting: &Setting) -> Result<String, Miss> {
    if is_missing("prlimit", Command::new("prlimit").arg("--version")) {
        return Err(Miss::LeftOut("there is no prlimit".to_owned()));
    }
    let times = setting.times(20, 1);
    let mut target = Target::start(&[]);
    // The main thread's stack is as large as the process may make it when it begins.
    target.service.running.kill();
    target.service.restart_limited(&format!("--stack={STACK}:{STACK}"));
    let witness = target.client("witness")?;
    witness.ping(PATIENCE).map_err(|error| error.to_string())?;
    let run = witness.hub().map(|hub| hub.run);
    let shots = shots();
    let mut slowest = Duration::ZERO;
    for _ in 0..times {
        for shot in &shots {
            let (took, _) = shot.fire(&target, &witness)?;
            slowest = slowest.max(took);
        }
    }
    is_unharmed(&witness, run)?;
    Ok(format!(
        "{} bombs, {times} times, at a hub with a stack of 512 KiB: an error each, within {:.1} ms; it goes on",
        shots.len(),
        slowest.as_secs_f64() * 1e3
    ))
}

/// A client that was connected before is connected still, to the same run of the hub.
fn is_unharmed(witness: &Client, run: Option<u64>) -> Result<(), Miss> {
    witness.ping(PATIENCE).map_err(|error| error.to_string())?;
    ensure(witness.hub().map(|hub| hub.run) == run, || "the hub was gone in between".to_owned())
}

/// MessagePack that nests deep or claims what is not there.
pub fn messagepack() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("lists", vec![0x91; DEEP]),
        ("dictionaries", [0x81, 0xA1, b'a'].repeat(DEEP)),
        ("a list that claims 2^32 items", vec![0xDD, 0xFF, 0xFF, 0xFF, 0xFF]),
        ("a dictionary that claims 2^32 keys", vec![0xDF, 0xFF, 0xFF, 0xFF, 0xFF]),
        ("a text that claims 2^32 bytes", vec![0xDB, 0xFF, 0xFF, 0xFF, 0xFF]),
        ("binary that claims 2^32 bytes", vec![0xC6, 0xFF, 0xFF, 0xFF, 0xFF]),
        ("an integer that claims 2^32 digits", vec![0xC9, 0xFF, 0xFF, 0xFF, 0xFF, 1]),
        ("lists that each claim 2^32 items", [0xDD, 0xFF, 0xFF, 0xFF, 0xFF].repeat(DEEP)),
    ]
}

/// JSON that nests deep.
pub fn json() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("lists", b"[".repeat(DEEP)),
        ("dictionaries", b"{\"a\":".repeat(DEEP)),
        ("both", b"[{\"\":".repeat(DEEP)),
        ("closed lists", [b"[".repeat(DEEP), b"]".repeat(DEEP)].concat()),
    ]
}

/// All of them, wherever they can be sent.
pub(super) fn shots() -> Vec<Shot> {
    let mut shots = Vec::new();
    let mut add = |what: String, port, bytes, fate| shots.push(Shot::new(what, port, bytes, fate));
    for (what, bytes) in messagepack() {
        let payload = Payload { encoding: Encoding::MessagePack, bytes: &bytes };
        for (carrier, packet) in carriers(payload) {
            add(format!("{what} in {carrier}"), Port::Native, greeted(&packet), Fate::Ended);
        }
        // Nothing removed, and then the bomb.
        let patch = [&[0x90][..], &bytes].concat();
        let (source, sequence, stamp) = (2, 1, Stamp::default());
        let (end, end_of_slice, replayed) = (false, false, false);
        let update = Update { source, sequence, stamp, end, end_of_slice, replayed, patch: &patch };
        let mut frame = Vec::new();
        Packet::Update(update).encode(&mut frame);
        add(format!("{what} in an update"), Port::Native, greeted(&frame), Fate::Ended);
        let missing = None;
        let state = State { source, sequence, stamp, missing, end_of_slice, replayed, dictionary: &bytes };
        let mut frame = Vec::new();
        Packet::State(state).encode(&mut frame);
        add(format!("{what} in a state"), Port::Native, greeted(&frame), Fate::Ended);
        add(
            format!("{what} as a greeting"),
            Port::Native,
            framed(Kind::Hello, Encoding::None, &bytes),
            Fate::Ended,
        );
    }
    for (what, bytes) in json() {
        let payload = Payload { encoding: Encoding::Json, bytes: &bytes };
        for (carrier, packet) in carriers(payload) {
            add(format!("JSON {what} in {carrier}"), Port::Native, greeted(&packet), Fate::Ended);
        }
        add(format!("{what} in a comms message"), Port::Comms, comms(Port::Comms, &bytes), Fate::Ended);
        add(format!("{what} in a comet request"), Port::Comet, comet_request(&bytes), Fate::Ended);
        let header = &bytes[..usize::from(u16::MAX)];
        let header = [&u16::MAX.to_be_bytes()[..], header].concat();
        add(format!("{what} in a comet header"), Port::Comet, header, Fate::Ended);
        // What is no reading is a text, whatever it says.
        add(format!("{what} in a ping"), Port::PingPong, bytes, Fate::Stays);
    }
    shots
}

fn carriers(payload: Payload<'_>) -> [(&'static str, Vec<u8>); 2] {
    let encoded = |packet: Packet<'_>| {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes);
        bytes
    };
    let fields = MessageFields { id: 1, to: "", from: "" };
    let message = encoded(Packet::Message(Message { fields, payload }));
    let fields = RequestFields { id: 1, deadline: 1_000, action: "$status", to: "", from: "" };
    [("a message", message), ("a request", encoded(Packet::Request(Request { fields, payload })))]
}
