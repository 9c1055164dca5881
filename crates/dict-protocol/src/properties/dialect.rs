//! The older dialects: streams of what their programs send, damaged and arbitrary parts between.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::str;

use super::Choices;
use crate::dialect::comms::{Order, Payload, Settings};
use crate::dialect::pingpong::{self, Reading};
use crate::dialect::{
    Codec, Content, Dialect, Fault, Incoming, Options, Outgoing, Side, comet, comms, pytcp,
};
use crate::value::Dictionary;

/// Lengths and levels are limited to these, so that a few choices reach them.
const LIMIT: u32 = 512;
const DEPTH: usize = 4;

/// However a stream of pytcp frames is cut, a client hears the same; and all frames that came undamaged, in order,
/// whatever came between them.
///
/// # Panics
///
/// If it does not hold.
pub fn pytcp_any_chunking(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let cuts = choices.some_bytes(16);
    let (mut stream, mut good) = (Vec::new(), Vec::new());
    while !choices.is_empty() {
        match choices.below(8) {
            0 => stream.extend_from_slice(choices.some_bytes(64)),
            1 => {
                let start = stream.len();
                let Ok(()) = pytcp::encode(&choices.dictionary(2), DEPTH, &mut stream) else { continue };
                damage(&mut choices, &mut stream[start..]);
            }
            _ => {
                let (start, state) = (stream.len(), choices.dictionary(2));
                let Ok(()) = pytcp::encode(&state, DEPTH, &mut stream) else { continue };
                if stream.len() - start <= LIMIT as usize + pytcp::HEADER + 1 {
                    good.push(told(&Incoming::State(read_again(&state))));
                }
            }
        }
    }
    let heard = heard_alike(Dialect::PyTcp, Side::Client, &options(Settings::default()), &stream, cuts);
    assert_eq!(heard.fault, None, "no damage ends a stream");
    let mut said = heard.said.iter();
    assert!(good.iter().all(|good| said.any(|said| said == good)), "{good:?} within {:?}", heard.said);
}

/// However a stream of comms messages is cut, an end hears the same; and all that came before the first damage.
///
/// # Panics
///
/// If it does not hold.
pub fn comms_any_chunking(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let payload = [Payload::Json, Payload::Text, Payload::Binary][usize::from(choices.below(3))];
    let order = if choices.yes() { Order::Big } else { Order::Little };
    let options = options(Settings { incoming: payload, outgoing: payload, order });
    let cuts = choices.some_bytes(16);
    let (mut stream, mut good) = (Vec::new(), Vec::new());
    let mut is_damaged = false;
    while !choices.is_empty() {
        let start = stream.len();
        match choices.below(8) {
            0 => stream.extend_from_slice(choices.some_bytes(64)),
            1 => {
                say_in_comms(&mut choices, &options, &mut stream);
                damage(&mut choices, &mut stream[start..]);
            }
            _ => {
                let said = say_in_comms(&mut choices, &options, &mut stream);
                if stream.len() - start <= LIMIT as usize + comms::HEADER && !is_damaged {
                    good.extend(said);
                    continue;
                }
            }
        }
        is_damaged |= stream.len() > start;
    }
    let heard = heard_alike(Dialect::Comms, Side::Server, &options, &stream, cuts);
    assert!(heard.said.starts_with(&good), "{good:?} before all of {:?}", heard.said);
}

/// Says something, and says how it is heard; `None` if it cannot be said.
fn say_in_comms(choices: &mut Choices<'_>, options: &Options, stream: &mut Vec<u8>) -> Option<String> {
    let mut end = Dialect::Comms.codec(Side::Client, options);
    let (text, binary, value);
    let content = match options.comms.outgoing {
        Payload::Json => {
            value = choices.value(2);
            Content::Value(Cow::Borrowed(&value))
        }
        Payload::Text => {
            text = choices.text();
            Content::Text(&text)
        }
        Payload::Binary => {
            binary = choices.some_bytes(40);
            Content::Binary(binary)
        }
    };
    end.encode(&Outgoing::Message(content.clone()), stream).ok()?;
    Some(told(&Incoming::Message(content)))
}

/// However a comet request or answer is cut, its end hears the same, which is one thing or a fault; and whatever a
/// server hears, it can answer so that a client hears a result.
///
/// # Panics
///
/// If it does not hold.
pub fn comet_any_chunking(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let side = if choices.yes() { Side::Client } else { Side::Server };
    let cuts = choices.some_bytes(16);
    let options = options(Settings::default());
    let mut stream = Vec::new();
    match (choices.below(4), side) {
        (0, _) => {}
        (1, _) => comet::encode_binary_request(choices.some_bytes(40), &mut stream),
        (_, Side::Server) => {
            let (action, value) = (choices.text(), choices.value(2));
            // Binary cannot be said; what is left is the empty stream.
            let _ = comet::encode_request(&action, &value, DEPTH, &mut stream);
        }
        (_, Side::Client) => comet::encode_answer(&choices.value(2), DEPTH, &mut stream),
    }
    if choices.yes() {
        damage(&mut choices, &mut stream);
    }
    stream.extend_from_slice(choices.rest());

    let heard = heard_alike(Dialect::Comet, side, &options, &stream, cuts);
    assert_eq!(heard.said.len() + usize::from(heard.fault.is_some()), 1, "{heard:?}");
    if let (Side::Server, Some(fault)) = (side, heard.fault) {
        let mut answer = Vec::new();
        comet::encode_error(&fault, &mut answer);
        let mut client = Dialect::Comet.codec(Side::Client, &options);
        let expected = comet::Answer::Result(format!("Error: {fault}").into());
        assert_eq!(client.decode(&mut &answer[..]), Ok(Some(Incoming::Answer(expected))));
    }
}

/// Whatever a pingpong server reads is a message or no text, and a reading is written as it was read; however answers
/// are cut, a client counts the same.
///
/// # Panics
///
/// If it does not hold.
pub fn pingpong_any_bytes(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let cuts = choices.some_bytes(16);
    let mut answers = pingpong::PONG.repeat(choices.below(9).into()).into_bytes();
    if choices.yes() {
        damage(&mut choices, &mut answers);
    }
    heard_alike(Dialect::PingPong, Side::Client, &options(Settings::default()), &answers, cuts);

    let message = choices.rest();
    let incoming = pingpong::ServerEnd::new().receive(message);
    let Ok(text) = str::from_utf8(message) else {
        assert!(matches!(incoming, Err(Fault::NotUtf8 { .. })), "{incoming:?}");
        return;
    };
    let Some(reading) = Reading::parse(text) else {
        let expected = match text {
            pingpong::PING => Incoming::Ping,
            text => Incoming::Set(Dictionary::from([("text", text)])),
        };
        assert_eq!(incoming, Ok(expected));
        return;
    };
    let again = reading.to_string();
    assert_eq!(Reading::parse(&again), Some(reading), "{again}");
    let Ok(Incoming::Set(set)) = incoming else { panic!("a reading sets keys: {incoming:?}") };
    assert_eq!(set.keys().collect::<Vec<_>>(), ["time", "value"]);
}

/// What an end made of a stream.
#[derive(Debug, PartialEq)]
struct Heard {
    said: Vec<String>,
    fault: Option<Fault>,
}

/// Gives a stream to an end of that dialect, whole, in single bytes and cut, and returns what it hears every time.
fn heard_alike(dialect: Dialect, side: Side, options: &Options, stream: &[u8], cuts: &[u8]) -> Heard {
    let whole = heard(&mut *dialect.codec(side, options), core::iter::once(stream));
    let single = heard(&mut *dialect.codec(side, options), stream.chunks(1));
    assert_eq!(single, whole, "one byte at a time");

    let mut rest = stream;
    let mut lengths = cuts.iter().map(|cut| usize::from(*cut).max(1)).chain([7]).cycle();
    let pieces = core::iter::from_fn(|| {
        let length = lengths.next()?.min(rest.len());
        let piece;
        (piece, rest) = rest.split_at(length);
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(heard(&mut *dialect.codec(side, options), pieces), whole, "cut at {cuts:?}");
    whole
}

fn heard<'a>(end: &mut dyn Codec, pieces: impl Iterator<Item = &'a [u8]>) -> Heard {
    let mut said = Vec::new();
    for mut piece in pieces {
        loop {
            match end.decode(&mut piece) {
                Ok(Some(incoming)) => said.push(told(&incoming)),
                Ok(None) => break,
                Err(fault) => return Heard { said, fault: Some(fault) },
            }
        }
        assert!(piece.is_empty(), "{} bytes were left without an error", piece.len());
    }
    loop {
        match end.finish() {
            Ok(Some(incoming)) => said.push(told(&incoming)),
            Ok(None) => return Heard { said, fault: None },
            Err(fault) => return Heard { said, fault: Some(fault) },
        }
    }
}

/// What was said, to be compared after the bytes are gone.
fn told(incoming: &Incoming<'_>) -> String {
    format!("{incoming:?}")
}

/// What a dictionary is after it went through JSON: binary in it takes another form.
fn read_again(dictionary: &Dictionary) -> Dictionary {
    let sayable = crate::dialect::python::sayable(&dictionary.clone().into(), DEPTH);
    match sayable {
        Ok(crate::value::Value::Dictionary(dictionary)) => dictionary,
        other => panic!("it was said, and is {other:?}"),
    }
}

fn damage(choices: &mut Choices<'_>, bytes: &mut [u8]) {
    let at = usize::from(choices.byte()).checked_rem(bytes.len());
    let mask = choices.byte();
    if let Some(at) = at {
        bytes[at] ^= mask;
    }
}

fn options(comms: Settings) -> Options {
    Options { limit: LIMIT, depth: DEPTH, comms }
}
