//! Row 12: bits flipped on the way, one in 10 KB.

use std::borrow::Cow;
use std::fmt::Write as _;

use dict_protocol::change;
use dict_protocol::dialect::{Codec, Content, Dialect, Incoming, Options, Outgoing, Side};
use dict_protocol::dictionary;
use dict_protocol::packet::{Packet, Update};
use dict_protocol::record::Stamp;
use dict_protocol::value::{Dictionary, Value};
use fastrand::Rng;

use super::{Miss, Setting, ensure};

/// Bytes of which one bit is flipped, on average.
const APART: f64 = 10_240.0;

/// Different messages.
const DIFFERENT: u64 = 256;

/// A message in a dialect, from the one that sends to the one that takes.
struct Way {
    dialect: Dialect,
    from: Side,
    to: Side,
    /// A connection carries one message.
    single: bool,
    /// What a checksum covers has to arrive as it was sent, or not at all.
    checked: bool,
}

const WAYS: [Way; 5] = [
    Way { dialect: Dialect::Native, from: Side::Client, to: Side::Server, single: false, checked: true },
    Way { dialect: Dialect::PyTcp, from: Side::Server, to: Side::Client, single: false, checked: true },
    Way { dialect: Dialect::Comms, from: Side::Client, to: Side::Server, single: false, checked: false },
    Way { dialect: Dialect::Comet, from: Side::Client, to: Side::Server, single: true, checked: false },
    Way { dialect: Dialect::PingPong, from: Side::Client, to: Side::Server, single: true, checked: false },
];

/// What became of the messages of a dialect.
#[derive(Default)]
struct Fate {
    flipped: u64,
    /// Taken as something that was never sent.
    altered: u64,
}

pub(super) fn run(setting: &Setting) -> Result<String, Miss> {
    let frames = setting.times(10_000_000, 20_000) as u64;
    let mut told = format!("{frames} frames of each dialect");
    for way in &WAYS {
        let fate = fly(way, frames);
        ensure(fate.flipped > 0, || "nothing was flipped".to_owned())?;
        ensure(!way.checked || fate.altered == 0, || {
            format!("{}: {} of {} flipped were taken", way.dialect, fate.altered, fate.flipped)
        })?;
        write!(
            told,
            "; {}: of {} flipped {} were taken as other than sent",
            way.dialect, fate.flipped, fate.altered
        )
        .expect("a string takes it");
    }
    Ok(told)
}

/// Sends messages through a channel that flips bits.
fn fly(way: &Way, frames: u64) -> Fate {
    let mut random = Rng::with_seed(12);
    let options = Options::default();
    let originals: Vec<Vec<u8>> = (0..DIFFERENT).map(|number| encoded(way, number, &options)).collect();
    let mut taking = way.dialect.codec(way.to, &options);
    let mut until_flip = distance(&mut random);
    let mut fate = Fate::default();
    for number in 0..frames {
        let original = &originals[(number % DIFFERENT) as usize];
        let bytes = flip(original, &mut until_flip, &mut random);
        if let Cow::Owned(_) = bytes {
            fate.flipped += 1;
        }
        if way.single {
            taking = way.dialect.codec(way.to, &options);
        }
        let mut rest = &*bytes;
        loop {
            match taking.decode(&mut rest) {
                Ok(Some(incoming)) => {
                    // After a flip, one may come late.
                    let sent = was_sent(way, &incoming, std::slice::from_ref(original), &options)
                        || was_sent(way, &incoming, &originals, &options);
                    fate.altered += u64::from(!sent);
                }
                Ok(None) => break,
                Err(_) => {
                    taking = way.dialect.codec(way.to, &options);
                    break;
                }
            }
        }
    }
    fate
}

/// Bytes up to the next that is flipped.
fn distance(random: &mut Rng) -> f64 {
    -APART * (1.0 - random.f64()).ln()
}

fn flip<'a>(original: &'a [u8], until: &mut f64, random: &mut Rng) -> Cow<'a, [u8]> {
    let mut bytes = Cow::Borrowed(original);
    let mut at = 0.0;
    while at + *until < original.len() as f64 {
        at += *until;
        bytes.to_mut()[at as usize] ^= 1 << random.u8(..8);
        *until = distance(random).max(1.0);
    }
    *until -= original.len() as f64 - at;
    bytes
}

/// Whether one of these messages says the same.
fn was_sent(way: &Way, incoming: &Incoming<'_>, originals: &[Vec<u8>], options: &Options) -> bool {
    if matches!(incoming, Incoming::Refused(_)) {
        return true;
    }
    originals.iter().any(|original| {
        let mut codec = way.dialect.codec(way.to, options);
        matches!(codec.decode(&mut &original[..]), Ok(Some(sent)) if sent == *incoming)
    })
}

fn encoded(way: &Way, number: u64, options: &Options) -> Vec<u8> {
    let mut codec = way.dialect.codec(way.from, options);
    let mut out = Vec::new();
    encode(way.dialect, number, &mut *codec, &mut out);
    out
}

fn encode(dialect: Dialect, number: u64, codec: &mut dyn Codec, out: &mut Vec<u8>) {
    let readings = readings(number);
    let value = Value::Dictionary(readings.clone());
    let mut patch = Vec::new();
    change::write_whole(&readings, 128, &mut patch).expect("it is not deep");
    let text = format!("ping / ('2026-11-21 10:00:00.000{:03}', {}.25)", number % 1_000, number);
    let outgoing = match dialect {
        Dialect::Native => Outgoing::Packet(Packet::Update(Update {
            source: 1,
            sequence: number,
            stamp: Stamp::default(),
            end: false,
            end_of_slice: false,
            replayed: false,
            patch: &patch,
        })),
        Dialect::PyTcp => Outgoing::Dictionary(&readings),
        Dialect::Comms => Outgoing::Message(Content::Value(Cow::Owned(value.clone()))),
        Dialect::Comet => Outgoing::Request { action: "set", value: &value },
        Dialect::PingPong => Outgoing::Message(Content::Text(&text)),
    };
    codec.encode(&outgoing, out).expect("it can be said");
}

/// A few readings, as programs publish them.
fn readings(number: u64) -> Dictionary {
    dictionary! {
        "number" => number as i64,
        "voltage" => number as f64 / 8.0,
        "output" => "on",
        "channel" => format!("bench1/psu {number}"),
    }
}
