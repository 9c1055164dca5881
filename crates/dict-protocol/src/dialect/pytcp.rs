//! pytcp: framed dictionaries from a server to its client.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 1 | start byte `A5` |
//! | 1 | 4 | length of the JSON, n, big-endian |
//! | 5 | 4 | CRC-32/ISO-HDLC of the JSON, big-endian |
//! | 9 | n | JSON as Python writes it |
//! | 9+n | 1 | stop byte `5A` |
//!
//! The server owns the dictionary and sends the whole of it each time it differs from the last one sent; an empty one is
//! not sent at first. The client sends nothing, ever.
//!
//! What to know of the original programs:
//!
//! - The **client** dies of JSON that Python does not read, an integer of more than 4,300 digits included; none can
//!   leave here. It never connects again: whoever serves it never cuts it, and merges to the newest dictionary when it
//!   reads slowly, which is to say, calls [`ServerEnd::send`] only when there is room.
//! - The **server** accepts once in its life. It is never to be hung up on, however long it is silent. When it ends its
//!   output, the connection is closed with a reset, or it could not bind its port again; and when a later connection
//!   to it stays silent, that program has to be restarted.

use alloc::string::String;
use alloc::vec::Vec;

use super::fault::read_dictionary;
use super::python;
use super::{Codec, Dialect, Fault, Incoming, Options, Outgoing, SayError};
use crate::crc::checksum;
use crate::value::Dictionary;

/// The first byte of a frame.
pub const START: u8 = 0xA5;
/// The last byte of a frame.
pub const STOP: u8 = 0x5A;
/// Bytes before the JSON.
pub const HEADER: usize = 9;
/// The longest JSON that a [`ClientEnd`] takes, bytes, whatever its options say. So a length begins with a zero byte,
/// which JSON cannot hold, and a frame within what was taken for another's JSON is always told by its header.
pub const LONGEST: u32 = (1 << 24) - 1;

/// Appends the frame of `dictionary` to `out`. Binary takes the `$` form, see [`python::sayable`].
///
/// # Errors
///
/// If it nests deeper than `depth`, or its JSON has 4 GiB. `out` then ends as it was.
pub fn encode(dictionary: &Dictionary, depth: usize, out: &mut Vec<u8>) -> Result<(), SayError> {
    let mut json = String::new();
    python::write_dictionary(dictionary, depth, &mut json)?;
    let length = u32::try_from(json.len())
        .map_err(|_| SayError::TooLong { dialect: Dialect::PyTcp, length: json.len() })?;
    out.reserve(HEADER + json.len() + 1);
    out.push(START);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&checksum(json.as_bytes()).to_be_bytes());
    out.extend_from_slice(json.as_bytes());
    out.push(STOP);
    Ok(())
}

/// The server's end of a connection: what its client has, and so what it has to be sent.
#[derive(Debug)]
pub struct ServerEnd {
    depth: usize,
    last: Dictionary,
    /// Bytes that came from the client.
    received: u64,
}

impl ServerEnd {
    /// A connection's end, before the first byte.
    pub fn new(options: &Options) -> Self {
        Self { depth: options.depth, last: Dictionary::new(), received: 0 }
    }

    /// Appends the frame of `dictionary` to `out` and returns true, if it differs from the last one sent, as Python's
    /// `==` [has it](python::equal). The client is thought to begin with the empty dictionary.
    ///
    /// # Errors
    ///
    /// As [`encode`]; the client then has what it had.
    pub fn send(&mut self, dictionary: &Dictionary, out: &mut Vec<u8>) -> Result<bool, SayError> {
        if python::equal_dictionaries(&self.last, dictionary) {
            return Ok(false);
        }
        encode(dictionary, self.depth, out)?;
        self.last.clone_from(dictionary);
        Ok(true)
    }
}

impl Codec for ServerEnd {
    /// Discards what a client sends, and reports that once.
    fn decode<'s, 'b: 's>(&'s mut self, bytes: &mut &'b [u8]) -> Result<Option<Incoming<'s>>, Fault> {
        let is_first = self.received == 0 && !bytes.is_empty();
        self.received += bytes.len() as u64;
        *bytes = &[];
        Ok(is_first.then_some(Incoming::Refused(Fault::Unasked { offset: 0 })))
    }

    fn finish(&mut self) -> Result<Option<Incoming<'_>>, Fault> {
        Ok(None)
    }

    fn encode(&mut self, outgoing: &Outgoing<'_>, out: &mut Vec<u8>) -> Result<bool, SayError> {
        let Outgoing::Dictionary(dictionary) = outgoing else {
            return Err(unsayable(outgoing, "dictionaries"));
        };
        self.send(dictionary, out)
    }
}

/// The client's end of a connection: finds frames, and the next good one after any damage.
///
/// Damage costs the frame that it is in and no other. After it, the next start byte is looked for right behind the one
/// where the bad frame began, because the length of a bad frame says nothing: `A5` cannot stand in Python's JSON, and a
/// zero byte, which begins each length, in no JSON at all. So a length that became too large is found out by the header
/// of the frame after it, at the latest.
///
/// ```
/// use dict_protocol::dialect::pytcp::{self, ClientEnd};
/// use dict_protocol::dialect::{Fault, Incoming, Options};
/// use dict_protocol::dictionary;
///
/// let mut stream = Vec::new();
/// pytcp::encode(&dictionary! { "run" => 6 }, 128, &mut stream)?;
/// stream[3] ^= 1; // its length is now larger by 256
/// pytcp::encode(&dictionary! { "run" => 7 }, 128, &mut stream)?;
///
/// let mut client = ClientEnd::new(&Options::default());
/// let bytes = &mut &stream[..];
/// let damage = client.decode(bytes);
/// assert!(matches!(damage, Some(Incoming::Refused(Fault::ControlCharacter { .. }))), "{damage:?}");
/// assert_eq!(client.decode(bytes), Some(Incoming::State(dictionary! { "run" => 7 })));
/// assert_eq!(client.damage().stretches, 1);
/// # Ok::<(), dict_protocol::dialect::SayError>(())
/// ```
#[derive(Debug)]
pub struct ClientEnd {
    limit: u32,
    depth: usize,
    /// The frame that a read cut, from `start` on, and whatever was taken for a part of it.
    partial: Vec<u8>,
    start: usize,
    /// How many of the front frame's bytes were looked through.
    checked: usize,
    /// Where in the stream the front stands.
    offset: u64,
    /// What was skipped since the last whole frame was reported.
    in_damage: bool,
    damage: Damage,
}

/// How much of a stream was no good frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// How often it began; each time a [`Fault`] said where and what.
    pub stretches: u64,
    /// Bytes that were skipped.
    pub bytes: u64,
}

impl ClientEnd {
    /// A connection's end, before the first byte.
    pub fn new(options: &Options) -> Self {
        Self {
            limit: options.limit.min(LONGEST),
            depth: options.depth,
            partial: Vec::new(),
            start: 0,
            checked: 0,
            offset: 0,
            in_damage: false,
            damage: Damage::default(),
        }
    }

    /// The damage so far.
    pub const fn damage(&self) -> Damage {
        self.damage
    }

    /// Whether the stream so far ends within a frame.
    pub fn is_mid_frame(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Takes the next thing from the front of `bytes`; `None` means that all of them were taken and more are needed.
    ///
    /// It is a [`State`](Incoming::State); or [`Refused`](Incoming::Refused), once where damage begins, or for a frame
    /// that came undamaged and holds what is not taken. No damage ends the stream, so the server is never hung up on.
    pub fn decode(&mut self, bytes: &mut &[u8]) -> Option<Incoming<'static>> {
        loop {
            match self.look(bytes) {
                Step::Skip(count, fault) => {
                    if let Some(incoming) = self.skip(count, fault, bytes) {
                        return Some(incoming);
                    }
                }
                Step::Frame(length, result) => return Some(self.frame(length, result, bytes)),
                Step::More(_) if bytes.is_empty() => return None,
                Step::More(needed) => self.gather(needed, bytes),
            }
        }
    }

    /// Takes what is left when the stream has ended; to be called until it gives `None`. A frame that was cut short is
    /// damage, and good frames are looked for even in that.
    pub fn finish(&mut self) -> Option<Incoming<'static>> {
        let bytes = &mut &[][..];
        while self.is_mid_frame() {
            let (count, fault) = match self.look(bytes) {
                Step::Frame(length, result) => return Some(self.frame(length, result, bytes)),
                Step::Skip(count, fault) => (count, fault),
                Step::More(needed) => {
                    let there = self.partial.len() - self.start;
                    let (offset, missing) = (self.offset + there as u64, (needed - there) as u64);
                    (1, Fault::CutShort { offset, missing })
                }
            };
            if let Some(incoming) = self.skip(count, fault, bytes) {
                return Some(incoming);
            }
        }
        None
    }

    /// What the front of the stream is, which stands in `partial` if anything does, else in `bytes`.
    fn look(&mut self, bytes: &[u8]) -> Step {
        let front = if self.partial.is_empty() { bytes } else { &self.partial[self.start..] };
        let offset = self.offset;
        let Some(&first) = front.first() else { return Step::More(1) };
        if first != START {
            let count = front.iter().position(|&byte| byte == START).unwrap_or(front.len());
            return Step::Skip(count, Fault::NotStart { offset, found: first });
        }
        let Some(length) = be_u32(front, 1) else { return Step::More(HEADER) };
        if length > self.limit {
            return Step::Skip(1, Fault::TooLong { offset, length: length.into(), limit: self.limit });
        }
        let Some(found) = be_u32(front, 5) else { return Step::More(HEADER) };
        let end = HEADER + length as usize;
        let from = self.checked.max(HEADER);
        let json = &front[HEADER..end.min(front.len())];
        if let Some(at) = json[from - HEADER..].iter().position(is_forbidden) {
            let (offset, found) = (offset + (from + at) as u64, front[from + at]);
            return Step::Skip(1, Fault::ControlCharacter { offset, found });
        }
        self.checked = HEADER + json.len();
        let Some(&stop) = front.get(end) else { return Step::More(end + 1) };
        let computed = checksum(json);
        if found != computed {
            return Step::Skip(1, Fault::Checksum { offset, found, computed });
        }
        if stop != STOP {
            return Step::Skip(1, Fault::NotStop { offset: offset + end as u64, found: stop });
        }
        Step::Frame(end + 1, read_dictionary(json, offset + HEADER as u64, self.depth))
    }

    /// Moves bytes over until the front has `needed` of them, or all have been.
    fn gather(&mut self, needed: usize, bytes: &mut &[u8]) {
        self.partial.drain(..self.start);
        self.start = 0;
        let missing = needed - self.partial.len();
        let (taken, rest) = bytes.split_at(missing.min(bytes.len()));
        self.partial.extend_from_slice(taken);
        *bytes = rest;
    }

    /// Passes over bytes that are no good frame; says so where damage begins.
    fn skip(&mut self, count: usize, fault: Fault, bytes: &mut &[u8]) -> Option<Incoming<'static>> {
        self.pass(count, bytes);
        self.damage.bytes += count as u64;
        if self.in_damage {
            return None;
        }
        self.in_damage = true;
        self.damage.stretches += 1;
        Some(Incoming::Refused(fault))
    }

    /// Passes over a whole frame.
    fn frame(
        &mut self,
        length: usize,
        result: Result<Dictionary, Fault>,
        bytes: &mut &[u8],
    ) -> Incoming<'static> {
        self.pass(length, bytes);
        self.in_damage = false;
        result.map_or_else(Incoming::Refused, Incoming::State)
    }

    fn pass(&mut self, count: usize, bytes: &mut &[u8]) {
        self.offset += count as u64;
        self.checked = 0;
        if self.partial.is_empty() {
            *bytes = &bytes[count..];
            return;
        }
        self.start += count;
        if self.start == self.partial.len() {
            self.partial.clear();
            self.start = 0;
        }
    }

    /// Gives back the memory of frames past; an idle connection calls it now and then.
    pub fn release(&mut self) {
        if !self.is_mid_frame() {
            self.partial = Vec::new();
        }
    }
}

/// What stands at the front of a stream.
enum Step {
    /// A frame's beginning, or nothing: this many bytes tell more.
    More(usize),
    /// So many bytes that belong to no good frame.
    Skip(usize, Fault),
    /// A whole frame of this length.
    Frame(usize, Result<Dictionary, Fault>),
}

/// The number at `offset`, once all of it is there.
fn be_u32(front: &[u8], offset: usize) -> Option<u32> {
    front[offset.min(front.len())..].first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// Control characters that stand nowhere in JSON; three others may stand between its parts.
fn is_forbidden(byte: &u8) -> bool {
    *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')
}

impl Codec for ClientEnd {
    fn decode<'s, 'b: 's>(&'s mut self, bytes: &mut &'b [u8]) -> Result<Option<Incoming<'s>>, Fault> {
        Ok(self.decode(bytes))
    }

    fn finish(&mut self) -> Result<Option<Incoming<'_>>, Fault> {
        Ok(self.finish())
    }

    fn encode(&mut self, outgoing: &Outgoing<'_>, _: &mut Vec<u8>) -> Result<bool, SayError> {
        Err(unsayable(outgoing, "nothing"))
    }
}

fn unsayable(outgoing: &Outgoing<'_>, takes: &'static str) -> SayError {
    SayError::Unsayable { dialect: Dialect::PyTcp, what: outgoing.kind(), takes }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::dictionary;

    #[test]
    fn what_differs_in_pythons_sense_is_sent() {
        let mut server = ServerEnd::new(&Options::default());
        let mut out = Vec::new();
        for (dictionary, is_sent) in [
            (Dictionary::new(), false),
            (dictionary! { "on" => 1, "x" => f64::NAN }, true),
            (dictionary! { "x" => f64::NAN, "on" => true }, false),
            (dictionary! { "on" => 1.0, "x" => f64::NAN }, false),
            (dictionary! { "on" => 1.0, "x" => 0 }, true),
            (Dictionary::new(), true),
            (Dictionary::new(), false),
        ] {
            out.clear();
            assert_eq!(server.send(&dictionary, &mut out), Ok(is_sent), "{dictionary:?}");
            assert_eq!(out.is_empty(), !is_sent);
        }
    }

    #[test]
    fn what_cannot_be_said_leaves_the_client_with_what_it_had() {
        let options = Options { depth: 1, ..Options::default() };
        let mut server = ServerEnd::new(&options);
        let deep = dictionary! { "a" => Dictionary::new() };
        let mut out = vec![7];
        assert!(matches!(server.send(&deep, &mut out), Err(SayError::Encode(_))));
        assert_eq!(out, [7]);
        assert_eq!(server.send(&dictionary! { "a" => 1 }, &mut out), Ok(true));
    }

    #[test]
    fn a_claimed_length_reserves_nothing() {
        let options = Options { limit: 1 << 20, ..Options::default() };
        for length in [0_u32, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 1 << 31, u32::MAX] {
            let mut client = ClientEnd::new(&options);
            let header = [&[START], &length.to_be_bytes()[..], b"crc."].concat();
            let incoming = client.decode(&mut &header[..]);
            let is_over = matches!(incoming, Some(Incoming::Refused(Fault::TooLong { .. })));
            assert_eq!(is_over, length > 1 << 20, "{length}: {incoming:?}");
            assert!(client.partial.capacity() < 64, "{} bytes", client.partial.capacity());
        }
    }
}
