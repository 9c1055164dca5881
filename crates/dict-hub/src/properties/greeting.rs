//! What comes before two ends know each other.

use dict_protocol::decoder::Decoder;
use dict_protocol::limits::Limits;
use dict_protocol::packet::{Hello, LoggerPresence, Packet, Welcome};
use dict_protocol::properties::Choices;
use dict_protocol::session::{Session, Settings};
use dict_protocol::time::{Now, Time};

use crate::{Config, Hub};

/// Whatever comes first on a connection, however it is cut: a hub makes the same of it, and a client too; neither says
/// anything but an Error to what is no greeting.
///
/// The bytes choose a greeting, true, damaged or none, what follows it, and where it is cut.
///
/// # Panics
///
/// If it does not hold.
pub fn greeting_any_bytes(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let cuts = choices.some_bytes(16);
    let (mut to_hub, mut to_client) = (Vec::new(), Vec::new());
    let is_true = match choices.below(4) {
        0 => false,
        kind => {
            hello(&mut choices, &mut to_hub);
            welcome(&mut choices, &mut to_client);
            if kind == 1 {
                for greeting in [&mut to_hub, &mut to_client] {
                    let at = usize::from(choices.byte()) % greeting.len();
                    greeting[at] ^= choices.byte();
                }
            }
            kind > 1
        }
    };
    let rest = choices.rest();
    for stream in [&mut to_hub, &mut to_client] {
        stream.extend_from_slice(rest);
    }

    let whole = at_hub(std::iter::once(&to_hub[..]));
    assert_eq!(at_hub(to_hub.chunks(1)), whole, "a hub, one byte at a time");
    assert_eq!(at_hub(pieces(&to_hub, cuts)), whole, "a hub, cut at {cuts:?}");
    if !is_true {
        whole.said.iter().for_each(|said| assert!(said.starts_with("Error") || said.starts_with("Welcome")));
    }
    let whole = at_client(std::iter::once(&to_client[..]));
    assert_eq!(at_client(to_client.chunks(1)), whole, "a client, one byte at a time");
    assert_eq!(at_client(pieces(&to_client, cuts)), whole, "a client, cut at {cuts:?}");
}

fn hello(choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    let (version_min, version_max) = (choices.below(3).into(), choices.below(4).into());
    let max_body = if choices.yes() { u32::MAX } else { choices.byte().into() };
    let heartbeat = choices.number() as u32;
    let [name, product, credentials] = [(); 3].map(|()| choices.text());
    Packet::Hello(Hello {
        version_min,
        version_max,
        client_id: [1; 16],
        time: Time::from_nanos(choices.number().cast_signed()),
        max_body,
        heartbeat,
        name: &name,
        product: &product,
        credentials: &credentials,
    })
    .encode(out);
}

fn welcome(choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    let [hub, name] = [(); 2].map(|()| choices.text());
    Packet::Welcome(Welcome {
        version: choices.below(3).into(),
        run: choices.number(),
        client_time: Time::from_nanos(choices.number().cast_signed()),
        time: Time::from_nanos(choices.number().cast_signed()),
        max_body: choices.number() as u32,
        heartbeat: choices.number() as u32,
        logger: LoggerPresence::Never,
        hub: &hub,
        name: &name,
    })
    .encode(out);
}

/// What an end made of a stream.
#[derive(Debug, PartialEq)]
struct Made {
    /// The packets that it sent.
    said: Vec<String>,
    /// What it told its owner.
    told: Vec<String>,
    ended: bool,
}

fn limits() -> Limits {
    Limits { body: 2 << 10, greeting_body: 64, dictionary: 1 << 10, name: 12, ..Limits::default() }
}

fn at_hub<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Made {
    let now = Now::default();
    let config = Config { name: "lab".into(), run: 7, product: "properties".into(), limits: limits() };
    let mut hub = Hub::new(config, now);
    let id = hub.open(now, "192.0.2.1:1000");
    pieces.for_each(|piece| hub.receive(now, id, piece));
    hub.end_turn(now);
    let told = std::iter::from_fn(|| hub.poll_notice()).map(|notice| format!("{notice:?}")).collect();
    Made { said: said(hub.output(id)), told, ended: hub.is_ended(id) }
}

fn at_client<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Made {
    let now = Now::default();
    let settings = Settings {
        name: "client".into(),
        product: "properties".into(),
        credentials: String::new(),
        client_id: [1; 16],
        limits: limits(),
    };
    let mut session = Session::new(settings);
    session.connected(now);
    let mut told = Vec::new();
    pieces.for_each(|piece| session.receive(now, piece, &mut |event| told.push(format!("{event:?}"))));
    Made { said: said(session.output()), told, ended: session.should_close() }
}

fn said(mut output: &[u8]) -> Vec<String> {
    let mut decoder = Decoder::new(u32::MAX);
    let mut said = Vec::new();
    while let Some(frame) = decoder.decode(&mut output).expect("either end writes frames") {
        said.push(format!("{:?}", Packet::parse(&frame).expect("either end writes packets")));
    }
    said
}

/// A stream in pieces of lengths that repeat.
fn pieces<'a>(mut stream: &'a [u8], cuts: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut lengths = cuts.iter().map(|cut| usize::from(*cut).max(1)).chain([7]).cycle();
    std::iter::from_fn(move || {
        let (piece, rest) = stream.split_at(lengths.next()?.min(stream.len()));
        stream = rest;
        (!piece.is_empty()).then_some(piece)
    })
}
