//! pingpong: raw text, answered at once, for round-trip times.
//!
//! There are no frames: whatever one read returns is a message, of at most [`LONGEST`] bytes. A client sends `ping`, and
//! after the first answer, each second, a reading; a server answers whatever it reads with `pong`.
//!
//! | text | means |
//! |---|---|
//! | `ping`, the first time | the conversation begins |
//! | `ping / ('2023-10-30 12:00:00.000001', 102)` | a [`Reading`]: keys `time` and `value` |
//! | any other | key `text` |
//!
//! What to know of the original programs:
//!
//! - The **server** answers each read, that of the end of the input too, and keeps a connection until it accepts the
//!   next: never wait for its end.
//! - The **client** pairs answers with what it sent by counting, so it is sent one `pong` for each read and never one
//!   more, and it does not connect again. Its times are local, without zone, and a second old: a key like any other, never
//!   the time of a change.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::str;
use core::time::Duration;

use super::python;
use super::{Codec, Content, Dialect, Fault, Incoming, Outgoing, SayError};
use crate::encoding::json;
use crate::time::Instant;
use crate::value::{Dictionary, Value};

/// The longest message, bytes: an original reads no more at once, and neither should whoever serves its clients.
pub const LONGEST: usize = 1_024;
/// What opens a conversation.
pub const PING: &str = "ping";
/// What answers everything.
pub const PONG: &str = "pong";

/// A reading, as a client sends it: Python's `ping / {}` with a tuple of a text and a number.
///
/// ```
/// use dict_protocol::dialect::pingpong::Reading;
///
/// let text = "ping / ('2023-10-30 12:00:00', 1e-05)";
/// let reading = Reading::parse(text).expect("it has that form");
/// assert_eq!(reading, Reading { time: "2023-10-30 12:00:00", value: 1e-5.into() });
/// assert_eq!(reading.to_string(), text);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Reading<'a> {
    /// The client's local time, without zone; without a fraction when that is zero.
    pub time: &'a str,
    /// An integer or a float.
    pub value: Value,
}

impl<'a> Reading<'a> {
    /// The reading that `text` is, if it is one.
    pub fn parse(text: &'a str) -> Option<Self> {
        let tuple = text.strip_prefix("ping / ('")?.strip_suffix(')')?;
        let (time, value) = tuple.split_once("', ")?;
        is_time(time).then_some(Self { time, value: parse_number(value)? })
    }
}

impl fmt::Display for Reading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = python::to_text(&self.value, 0).map_err(|_| fmt::Error)?;
        write!(f, "ping / ('{}', {value})", self.time)
    }
}

/// Whether a text has the form of `str(datetime)`.
fn is_time(text: &str) -> bool {
    const FORM: &[u8] = b"0000-00-00 00:00:00.000000";
    let fits = |(byte, form): (u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == *form };
    [FORM.len(), "0000-00-00 00:00:00".len()].contains(&text.len()) && text.bytes().zip(FORM).all(fits)
}

/// A number as Python's `repr` has it.
fn parse_number(text: &str) -> Option<Value> {
    match text {
        "nan" => Some(f64::NAN.into()),
        "inf" => Some(f64::INFINITY.into()),
        "-inf" => Some(f64::NEG_INFINITY.into()),
        _ if text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.e".contains(&byte)) => {
            json::read(text, 0).ok()
        }
        _ => None,
    }
}

/// The server's end of a connection.
#[derive(Debug, Default)]
pub struct ServerEnd {
    has_begun: bool,
    offset: u64,
}

impl ServerEnd {
    /// A connection's end, before the first read.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what one read returned. It is to be answered with one [`PONG`], and so is the end of the input.
    ///
    /// Of what is longer than [`LONGEST`], that much is a message, and what follows is the next.
    ///
    /// # Errors
    ///
    /// If it is not UTF-8.
    pub fn receive(&mut self, message: &[u8]) -> Result<Incoming<'static>, Fault> {
        let offset = self.offset;
        self.offset += message.len() as u64;
        let text = str::from_utf8(message)
            .map_err(|error| Fault::NotUtf8 { offset: offset + error.valid_up_to() as u64 })?;
        if text == PING && !self.has_begun {
            self.has_begun = true;
            return Ok(Incoming::Ping);
        }
        Ok(Incoming::Set(match Reading::parse(text) {
            Some(Reading { time, value }) => Dictionary::from([("time", time.into()), ("value", value)]),
            None => Dictionary::from([("text", text)]),
        }))
    }
}

impl Codec for ServerEnd {
    /// Takes all of `bytes` as one read, or [`LONGEST`] of them.
    fn decode<'s, 'b: 's>(&'s mut self, bytes: &mut &'b [u8]) -> Result<Option<Incoming<'s>>, Fault> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let (message, rest) = bytes.split_at(bytes.len().min(LONGEST));
        *bytes = rest;
        self.receive(message).map(Some)
    }

    fn finish(&mut self) -> Result<Option<Incoming<'_>>, Fault> {
        Ok(None)
    }

    fn encode(&mut self, outgoing: &Outgoing<'_>, out: &mut Vec<u8>) -> Result<bool, SayError> {
        if *outgoing != Outgoing::Pong {
            return Err(unsayable(outgoing, "pongs"));
        }
        out.extend_from_slice(PONG.as_bytes());
        Ok(true)
    }
}

/// The client's end of a connection: finds answers, also such as came together or in pieces.
#[derive(Debug, Default)]
pub struct ClientEnd {
    /// Bytes received; an answer begins at each fourth.
    offset: u64,
}

impl ClientEnd {
    /// A connection's end, before the first byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next answer from the front of `bytes`: true for a whole one, false if they were all taken before.
    ///
    /// # Errors
    ///
    /// If it is something else than `pong`.
    pub fn decode(&mut self, bytes: &mut &[u8]) -> Result<bool, Fault> {
        while let Some((&found, rest)) = bytes.split_first() {
            let at = (self.offset % PONG.len() as u64) as usize;
            if found != PONG.as_bytes()[at] {
                return Err(Fault::NotPong { offset: self.offset, found });
            }
            self.offset += 1;
            *bytes = rest;
            if at + 1 == PONG.len() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the stream so far ends within an answer.
    pub const fn is_mid_answer(&self) -> bool {
        !self.offset.is_multiple_of(PONG.len() as u64)
    }
}

impl Codec for ClientEnd {
    fn decode<'s, 'b: 's>(&'s mut self, bytes: &mut &'b [u8]) -> Result<Option<Incoming<'s>>, Fault> {
        Ok(self.decode(bytes)?.then_some(Incoming::Pong))
    }

    fn finish(&mut self) -> Result<Option<Incoming<'_>>, Fault> {
        if !self.is_mid_answer() {
            return Ok(None);
        }
        let length = PONG.len() as u64;
        Err(Fault::CutShort { offset: self.offset, missing: length - self.offset % length })
    }

    fn encode(&mut self, outgoing: &Outgoing<'_>, out: &mut Vec<u8>) -> Result<bool, SayError> {
        let Outgoing::Message(Content::Text(text)) = outgoing else {
            return Err(unsayable(outgoing, "text"));
        };
        if text.is_empty() || text.len() > LONGEST {
            return Err(unsayable(outgoing, "text of 1 to 1024 bytes"));
        }
        out.extend_from_slice(text.as_bytes());
        Ok(true)
    }
}

fn unsayable(outgoing: &Outgoing<'_>, takes: &'static str) -> SayError {
    SayError::Unsayable { dialect: Dialect::PingPong, what: outgoing.kind(), takes }
}

/// Pairs answers with what was sent, by counting, as nothing else tells which answers what.
///
/// An answer that comes after its message was given up is still that message's, or all after it would be paired wrongly.
/// Two messages that a server reads at once have one answer between them: send the next when the last is answered or
/// lost.
#[derive(Debug, Default)]
pub struct RoundTrips {
    waiting: VecDeque<Sent>,
    lost: u64,
}

#[derive(Debug)]
struct Sent {
    at: Instant,
    is_lost: bool,
}

/// What an answer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paired {
    /// A message, after so long.
    RoundTrip(Duration),
    /// A message that was given up before, after so long.
    Late(Duration),
    /// Nothing: as at the end of the input, which an original server answers too.
    Surplus,
}

impl RoundTrips {
    /// The most messages that may wait for an answer; an hour of an original client's.
    pub const MOST: usize = 3_600;

    /// Nothing sent yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that a message was sent. Returns false, and notes nothing, if [`RoundTrips::MOST`] wait already: then the
    /// message should not be sent.
    pub fn sent(&mut self, at: Instant) -> bool {
        let has_room = self.waiting.len() < Self::MOST;
        if has_room {
            self.waiting.push_back(Sent { at, is_lost: false });
        }
        has_room
    }

    /// Pairs an answer that came now.
    pub fn answered(&mut self, now: Instant) -> Paired {
        match self.waiting.pop_front() {
            None => Paired::Surplus,
            Some(Sent { at, is_lost: false }) => Paired::RoundTrip(now.since(at)),
            Some(Sent { at, is_lost: true }) => Paired::Late(now.since(at)),
        }
    }

    /// Gives up what was sent `timeout` ago or before, and returns how many that are.
    pub fn expire(&mut self, now: Instant, timeout: Duration) -> usize {
        let overdue = self.waiting.iter_mut().filter(|sent| !sent.is_lost && now.since(sent.at) >= timeout);
        let count = overdue.map(|sent| sent.is_lost = true).count();
        self.lost += count as u64;
        count
    }

    /// When the oldest message was sent that is neither answered nor given up.
    pub fn oldest(&self) -> Option<Instant> {
        self.waiting.iter().find(|sent| !sent.is_lost).map(|sent| sent.at)
    }

    /// How many messages were given up, whether or not a late answer came.
    pub const fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn readings() {
        for (number, value) in [
            ("102", Value::from(102)),
            ("-7", (-7).into()),
            ("36893488147419103232", (1_u128 << 65).into()),
            ("21.5", 21.5.into()),
            ("1e-05", 1e-5.into()),
            ("1e+16", 1e16.into()),
            ("nan", f64::NAN.into()),
            ("inf", f64::INFINITY.into()),
            ("-inf", f64::NEG_INFINITY.into()),
        ] {
            for time in ["2023-10-30 12:00:00.000001", "2023-10-30 12:00:00"] {
                let text = format!("ping / ('{time}', {number})");
                let reading = Reading { time, value: value.clone() };
                assert_eq!(reading.to_string(), text);
                assert_eq!(Reading::parse(&text), Some(reading));
            }
        }
    }

    #[test]
    fn texts_that_are_no_readings() {
        for text in [
            "",
            "ping",
            "ping / ",
            "pong / ('2023-10-30 12:00:00', 102)",
            "ping / ('2023-10-30 12:00:00', 102) ",
            "ping / ('2023-10-30 12:00:00', 102",
            "ping / ('2023-10-30 12:00:00', )",
            "ping / ('2023-10-30 12:00:00', None)",
            "ping / ('2023-10-30 12:00:00', true)",
            "ping / ('2023-10-30 12:00:00', NaN)",
            "ping / ('2023-10-30 12:00:00', 'a')",
            "ping / ('2023-10-30 12:00:00', 1, 2)",
            "ping / ('2023-10-30 12:00:00', 012)",
            "ping / ('2023-10-30 12:00:00', [1])",
            "ping / ('2023-10-30T12:00:00', 1)",
            "ping / ('2023-10-30 12:00:00.', 1)",
            "ping / ('2023-10-30 12:00:00.1', 1)",
            "ping / ('2023-10-30 12:00', 1)",
            "ping / ('２', 1)",
            "ping / ('2023-10-30 12:00:00', 1e999)",
        ] {
            assert_eq!(Reading::parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_the_first_bare_ping_is_no_text() {
        let mut server = ServerEnd::new();
        let text = |text: &str| Ok(Incoming::Set(Dictionary::from([("text", text)])));
        assert_eq!(server.receive(b"hello"), text("hello"));
        assert_eq!(server.receive(b"ping"), Ok(Incoming::Ping));
        assert_eq!(server.receive(b"ping"), text("ping"));
        assert_eq!(server.receive(b"a\xff"), Err(Fault::NotUtf8 { offset: 14 }));
    }

    #[test]
    fn a_message_is_as_long_as_one_read() {
        let mut server = ServerEnd::new();
        let long = [b'a'; LONGEST + 1];
        let bytes = &mut &long[..];
        for length in [LONGEST, 1] {
            let Ok(Some(Incoming::Set(set))) = server.decode(bytes) else { panic!("no message") };
            assert_eq!(set["text"].as_str().map(str::len), Some(length));
        }
        assert_eq!(server.decode(bytes), Ok(None));
    }

    #[test]
    fn answers_are_paired_by_count() {
        let at = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
        let seconds = Duration::from_secs;
        let mut trips = RoundTrips::new();
        assert_eq!(trips.answered(at(0)), Paired::Surplus);
        assert!(trips.sent(at(1)) && trips.sent(at(2)) && trips.sent(at(8)));
        assert_eq!(trips.answered(at(3)), Paired::RoundTrip(seconds(2)));
        assert_eq!(trips.oldest(), Some(at(2)));
        assert_eq!(trips.expire(at(11), seconds(10)), 0);
        assert_eq!(trips.expire(at(12), seconds(10)), 1);
        assert_eq!(trips.expire(at(12), seconds(10)), 0);
        assert_eq!((trips.oldest(), trips.lost()), (Some(at(8)), 1));
        assert_eq!(trips.answered(at(13)), Paired::Late(seconds(11)));
        assert_eq!(trips.answered(at(13)), Paired::RoundTrip(seconds(5)));
        assert_eq!((trips.oldest(), trips.lost()), (None, 1));
        for _ in 0..RoundTrips::MOST {
            assert!(trips.sent(at(20)));
        }
        assert!(!trips.sent(at(20)), "what waits is bounded");
    }
}
