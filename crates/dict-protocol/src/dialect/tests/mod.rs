//! Every dialect against what was recorded off the original programs, against damage, and against Python.

mod hostile;
#[cfg(all(feature = "properties", feature = "std"))]
mod properties;
#[cfg(feature = "std")]
mod python;
mod recordings;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::comms::Settings;
use super::{Codec, Dialect, Fault, Incoming, Options, Side};
use crate::encoding::json;
use crate::value::Value;

const DEPTH: usize = 128;

/// One line of the recordings.
struct Recording {
    dialect: Dialect,
    comms: Settings,
    from: Side,
    to: Side,
    what: String,
    bytes: Vec<u8>,
    meaning: Option<String>,
}

impl Recording {
    fn parse(line: &str) -> Self {
        let line = json::read(line, 1).unwrap();
        let line = line.as_dictionary().unwrap();
        let text = |field: &str| line[field].as_str().unwrap();
        let mut dialect = text("dialect").split('-');
        let side = |field| match text(field) {
            "server" => Side::Server,
            "client" => Side::Client,
            other => panic!("{other}"),
        };
        let name = dialect.next().unwrap();
        let mut comms = Settings::default();
        if let (Some(payload), Some(order)) = (dialect.next(), dialect.next()) {
            let payload = payload.parse().unwrap();
            comms = Settings { incoming: payload, outgoing: payload, order: order.parse().unwrap() };
        }
        Self {
            dialect: name.parse().unwrap(),
            comms,
            from: side("from"),
            to: side("to"),
            what: text("what").into(),
            bytes: unhex(text("bytes_hex")),
            meaning: line["meaning"].as_str().map(String::from),
        }
    }

    fn all() -> Vec<Self> {
        let text = include_str!("../../../vectors/older-dialects.jsonl");
        let all: Vec<_> = text.lines().map(Self::parse).collect();
        assert!(all.len() >= 59, "{} recordings", all.len());
        all
    }

    /// Those whose streams may be cut anywhere.
    fn framed() -> impl Iterator<Item = Self> {
        Self::all().into_iter().filter(|recording| recording.dialect != Dialect::PingPong)
    }

    fn end(&self, side: Side) -> Box<dyn Codec> {
        self.dialect.codec(side, &Options { comms: self.comms, ..Options::default() })
    }

    fn sender(&self) -> Box<dyn Codec> {
        self.end(self.from)
    }

    fn receiver(&self) -> Box<dyn Codec> {
        self.end(self.to)
    }

    fn meaning(&self) -> &str {
        self.meaning.as_deref().unwrap_or("")
    }

    fn json(&self) -> Value {
        json::read(self.meaning(), DEPTH).unwrap()
    }
}

fn unhex(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// What an end makes of a stream that comes in pieces and then ends: what was said, as text, and how it failed.
fn received<'a>(
    end: &mut dyn Codec,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<String>, Option<Fault>) {
    let mut said = Vec::new();
    for mut piece in pieces {
        loop {
            match end.decode(&mut piece) {
                Ok(Some(incoming)) => said.push(told(&incoming)),
                Ok(None) => break,
                Err(fault) => return (said, Some(fault)),
            }
        }
        assert!(piece.is_empty(), "{} bytes were left without an error", piece.len());
    }
    loop {
        match end.finish() {
            Ok(Some(incoming)) => said.push(told(&incoming)),
            Ok(None) => return (said, None),
            Err(fault) => return (said, Some(fault)),
        }
    }
}

/// What was said, to be compared after the bytes are gone.
fn told(incoming: &Incoming<'_>) -> String {
    match incoming {
        Incoming::Refused(fault) => format!("refused: {fault}"),
        other => format!("{other:?}"),
    }
}
