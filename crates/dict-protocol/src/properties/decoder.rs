//! The decoder, and streams of frames to give to it.

use alloc::vec::Vec;

use super::Choices;
use crate::decoder::Decoder;
use crate::frame::{self, Encoding, Frame, FrameError, Kind};

/// Bodies are limited to this, so that a few choices reach it.
const LIMIT: u32 = 64;

/// However a stream is cut, the decoder finds the same frames in it, at the same places, and the same error after them.
///
/// The bytes choose a stream of valid, damaged and arbitrary parts, and where it is cut.
///
/// # Panics
///
/// If it does not hold.
pub fn decode_any_chunking(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let cuts = choices.some_bytes(16);
    let stream = stream(&mut choices);

    let whole = decode(core::iter::once(&stream[..]));
    assert_eq!(decode(stream.chunks(1)), whole, "one byte at a time");
    assert_eq!(decode(Pieces { stream: &stream, cuts: cuts.iter().cycle() }), whole, "cut at {cuts:?}");
    assert!(whole.end <= stream.len() as u64, "frames end at {}, beyond the stream", whole.end);
}

/// What a decoder made of a stream.
#[derive(Debug, PartialEq)]
struct Decoded {
    frames: Vec<Copied>,
    error: Option<FrameError>,
    /// Where the frames ended.
    end: u64,
    is_mid_frame: bool,
}

#[derive(Debug, PartialEq)]
struct Copied {
    kind: Kind,
    encoding: Encoding,
    flags: u8,
    body: Vec<u8>,
    end: u64,
}

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Decoded {
    let mut decoder = Decoder::new(LIMIT);
    let mut frames = Vec::new();
    let mut error = None;
    'stream: for mut piece in pieces {
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(Frame { kind, encoding, flags, body })) => {
                    assert!(body.len() <= LIMIT as usize, "a body of {} bytes", body.len());
                    let body = body.to_vec();
                    frames.push(Copied { kind, encoding, flags, body, end: decoder.offset() });
                }
                Ok(None) => break,
                Err(found) => {
                    error = Some(found);
                    break 'stream;
                }
            }
        }
        assert!(piece.is_empty(), "{} bytes were left without an error", piece.len());
    }
    // After an error, how much of the bad frame was kept depends on the cuts and does not matter.
    let is_mid_frame = error.is_none() && decoder.is_mid_frame();
    Decoded { frames, error, end: decoder.offset(), is_mid_frame }
}

fn stream(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    while !choices.is_empty() {
        match choices.below(8) {
            0 => stream.extend_from_slice(choices.some_bytes(32)),
            1 => {
                frame(choices, &mut stream);
                let at = stream.len() - 1 - usize::from(choices.byte()) % stream.len();
                stream[at] ^= choices.byte();
            }
            _ => frame(choices, &mut stream),
        }
    }
    stream
}

/// Appends a frame with a true checksum.
fn frame(choices: &mut Choices<'_>, stream: &mut Vec<u8>) {
    let (kind, encoding, flags) = match choices.below(6) {
        0 => (Kind::Update, Encoding::MessagePack, choices.below(4)),
        1 => (Kind::Reply, Encoding::from_code(choices.below(5)).unwrap_or(Encoding::None), 0),
        2 => (Kind::Message, Encoding::Text, 0),
        3 => (Kind::Ignorable, Encoding::None, choices.byte()),
        4 => (Kind::Ping, Encoding::Json, choices.byte()),
        _ => (Kind::Ping, Encoding::None, 0),
    };
    let body = choices.some_bytes(80);
    frame::write(stream, kind, encoding, flags, |out| out.extend_from_slice(body));
}

/// A stream in pieces of lengths that repeat.
struct Pieces<'a, I> {
    stream: &'a [u8],
    cuts: I,
}

impl<'a, 'c, I: Iterator<Item = &'c u8>> Iterator for Pieces<'a, I> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.stream.is_empty() {
            return None;
        }
        let length = self.cuts.next().map_or(7, |cut| usize::from(*cut).max(1));
        let (piece, rest) = self.stream.split_at(length.min(self.stream.len()));
        self.stream = rest;
        Some(piece)
    }
}
