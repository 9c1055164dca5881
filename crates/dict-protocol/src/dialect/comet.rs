//! comet: one request and one answer a connection.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 2 | length of the header, h, big-endian |
//! | 2 | h | header: a JSON dictionary |
//! | 2+h | n | content |
//!
//! A header has four fields, in any order; others are passed over:
//!
//! | field | here |
//! |---|---|
//! | `byteorder` | `"little"` is written, any text is taken: nothing depends on it |
//! | `content-type` | `"text/json"`; any other is binary |
//! | `content-encoding` | `"utf-8"` for JSON, or what is a part of it; of binary, any text |
//! | `content-length` | n, at most [`Options::limit`] |
//!
//! A request is `{"action": ACTION, "value": VALUE}`, an answer `{"result": ANSWER}`, both with characters beyond ASCII
//! as they are. Requests that a server answers by itself, see [`Request`]: those without action or value, and binary.
//!
//! What to know of the original programs: a client waits for ever, and one connection that is refused or not answered
//! spoils it for good. So whatever comes, and whatever happens, is **always answered**, completely, before the connection
//! is closed: [`encode_error`] and [`encode_answer`] cannot fail.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::fault::{read_dictionary, read_json};
use super::partial::Partial;
use super::python;
use super::{Codec, Dialect, Fault, Incoming, Options, Outgoing, SayError};
use crate::encoding::json::{self, Style};
use crate::value::{Dictionary, Value};

/// Bytes before the header.
pub const PREFIX: usize = 2;
/// How the answer to a request without action or value begins.
pub const INVALID: &str = "Error: invalid action and or value";

/// What a client asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request<'a> {
    /// An action with a value, to be answered by whoever handles it.
    Action {
        /// What is asked for; not empty.
        action: String,
        /// True in Python's [sense](python::is_true).
        value: Value,
    },
    /// JSON without an action or a value, or with one that is empty in Python's sense.
    Invalid {
        /// The answer.
        answer: String,
    },
    /// Bytes.
    Binary(&'a [u8]),
}

impl Request<'_> {
    /// Appends the answer that needs nobody to handle the request, and returns true; returns false if there is none.
    pub fn answer_by_itself(&self, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Action { .. } => return false,
            Self::Invalid { answer } => encode_answer(&answer.as_str().into(), 0, out),
            Self::Binary(bytes) => {
                let echo = &bytes[..bytes.len().min(10)];
                let content = [b"First 10 bytes of request: ", echo].concat();
                append(ContentType::Binary { side: "server" }, &content, out);
            }
        }
        true
    }
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer<'a> {
    /// What stands under `result`. What went wrong is a text there, which begins with `Error: ` as a rule.
    Result(Value),
    /// Bytes, to a binary request.
    Binary(&'a [u8]),
}

/// Appends a request.
///
/// # Errors
///
/// If the value holds binary or nests deeper than `depth` leaves room for. `out` then ends as it was.
pub fn encode_request(action: &str, value: &Value, depth: usize, out: &mut Vec<u8>) -> Result<(), SayError> {
    let mut json = String::from("{\"action\": ");
    json::write(&action.into(), Style::READABLE, 0, &mut json)?;
    json.push_str(", \"value\": ");
    json::write(value, Style::READABLE, depth.saturating_sub(1), &mut json)?;
    json.push('}');
    append(ContentType::Json, json.as_bytes(), out);
    Ok(())
}

/// Appends a binary request.
pub fn encode_binary_request(bytes: &[u8], out: &mut Vec<u8>) {
    append(ContentType::Binary { side: "client" }, bytes, out);
}

/// Appends an answer. Binary in it takes the `$` form, see [`python::sayable`]; one that nests deeper than `depth`
/// leaves room for becomes an error answer that says so.
pub fn encode_answer(value: &Value, depth: usize, out: &mut Vec<u8>) {
    let mut json = String::from("{\"result\": ");
    if let Err(error) = python::write(value, Style::READABLE, depth.saturating_sub(1), &mut json) {
        return encode_error(format_args!("the answer cannot be sent: {error}"), out);
    }
    json.push('}');
    append(ContentType::Json, json.as_bytes(), out);
}

/// Appends an error answer: `Error: ` and the reason, as the result.
pub fn encode_error(reason: impl fmt::Display, out: &mut Vec<u8>) {
    encode_answer(&format!("Error: {reason}").into(), 0, out);
}

/// The server's end of a connection.
///
/// ```
/// use dict_protocol::dialect::comet::{self, Answer, ClientEnd, Request, ServerEnd};
/// use dict_protocol::dialect::{Incoming, Options};
///
/// let (mut asked, mut answered) = (Vec::new(), Vec::new());
/// comet::encode_request("status", &"psu".into(), 128, &mut asked)?;
///
/// let mut server = ServerEnd::new(&Options::default());
/// let request = Request::Action { action: "status".into(), value: "psu".into() };
/// assert_eq!(server.decode(&mut &asked[..])?, Some(Incoming::Request(request)));
/// comet::encode_answer(&true.into(), 128, &mut answered);
///
/// let mut client = ClientEnd::new(&Options::default());
/// let answer = Answer::Result(true.into());
/// assert_eq!(client.decode(&mut &answered[..])?, Some(Incoming::Answer(answer)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ServerEnd(Exchange);

impl ServerEnd {
    /// A connection's end, before the first byte.
    pub fn new(options: &Options) -> Self {
        Self(Exchange::new(options))
    }

    /// Takes the request from the front of `bytes`, once; `None` means that all of them were taken, and that more are
    /// needed, if there was no request yet. Whatever follows it is passed over.
    ///
    /// # Errors
    ///
    /// If it is none: answer with [`encode_error`], and close.
    pub fn decode<'s, 'b: 's>(&'s mut self, bytes: &mut &'b [u8]) -> Result<Option<Incoming<'s>>, Fault> {
        let depth = self.0.depth;
        let Some(content) = self.0.decode(bytes)? else { return Ok(None) };
        let request = match content.kind {
            ContentType::Binary { .. } => Request::Binary(content.bytes),
            ContentType::Json => read_request(read_json(content.bytes, content.offset, depth)?, depth),
        };
        Ok(Some(Incoming::Request(request)))
    }

    /// Says whether the client's output could end here. To be called once, when it has.
    ///
    /// # Errors
    ///
    /// If it ends within the request, or before it: answer with [`encode_error`], and close.
    pub fn finish(&mut self) -> Result<(), Fault> {
        self.0.finish()
    }
}

/// The client's end of a connection.
#[derive(Debug)]
pub struct ClientEnd(Exchange);

impl ClientEnd {
    /// A connection's end, before the first byte.
    pub fn new(options: &Options) -> Self {
        Self(Exchange::new(options))
    }

    /// Takes the answer from the front of `bytes`, once; `None` means that all of them were taken, and that more are
    /// needed, if there was no answer yet. Whatever follows it is passed over.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn decode<'s, 'b: 's>(&'s mut self, bytes: &mut &'b [u8]) -> Result<Option<Incoming<'s>>, Fault> {
        let depth = self.0.depth;
        let Some(Content { kind, offset, bytes }) = self.0.decode(bytes)? else { return Ok(None) };
        let answer = match kind {
            ContentType::Binary { .. } => Answer::Binary(bytes),
            ContentType::Json => {
                let result = read_dictionary(bytes, offset, depth)?.remove("result");
                Answer::Result(result.ok_or(Fault::NoResult { offset })?)
            }
        };
        Ok(Some(Incoming::Answer(answer)))
    }

    /// Says whether the server's output could end here. To be called once, when it has.
    ///
    /// # Errors
    ///
    /// If it ends within the answer, or before it.
    pub fn finish(&mut self) -> Result<(), Fault> {
        self.0.finish()
    }
}

fn read_request(json: Value, depth: usize) -> Request<'static> {
    let mut dictionary = match json {
        Value::Dictionary(dictionary) => dictionary,
        _ => Dictionary::new(),
    };
    let action = dictionary.remove("action").unwrap_or_default();
    let value = dictionary.remove("value").unwrap_or_default();
    match action {
        Value::Text(action) if !action.is_empty() && python::is_true(&value) => {
            Request::Action { action, value }
        }
        action => {
            // Nothing that was read is too deep to be written.
            let text = |value| python::to_text(value, depth).unwrap_or_default();
            Request::Invalid { answer: format!("{INVALID} {}, {}", text(&action), text(&value)) }
        }
    }
}

/// What a header says of the content after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContentType {
    Json,
    /// What came from one side and another cannot be told by it, but the originals name it.
    Binary {
        side: &'static str,
    },
}

fn append(kind: ContentType, content: &[u8], out: &mut Vec<u8>) {
    let length = content.len();
    let (name, encoding) = match kind {
        ContentType::Json => ("text/json".into(), "utf-8"),
        ContentType::Binary { side } => (format!("binary/custom-{side}-binary-type"), "binary"),
    };
    let header = format!(
        "{{\"byteorder\": \"little\", \"content-type\": \"{name}\", \
         \"content-encoding\": \"{encoding}\", \"content-length\": {length}}}"
    );
    let prefix = u16::try_from(header.len()).expect("a header of four short fields");
    out.reserve(PREFIX + header.len() + length);
    out.extend_from_slice(&prefix.to_be_bytes());
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(content);
}

/// What both ends share: the one thing that comes in.
#[derive(Debug)]
struct Exchange {
    limit: u32,
    depth: usize,
    partial: Partial,
    header: Option<Header>,
    /// Nothing more is to come: the content is here, or it never will be.
    done: bool,
}

/// A header that was read.
#[derive(Clone, Copy, Debug)]
struct Header {
    kind: ContentType,
    /// Of the header and what stands before it.
    end: usize,
    content: usize,
}

/// A content that came whole.
struct Content<'a> {
    kind: ContentType,
    offset: u64,
    bytes: &'a [u8],
}

impl Exchange {
    fn new(options: &Options) -> Self {
        let Options { limit, depth, .. } = *options;
        Self { limit, depth, partial: Partial::default(), header: None, done: false }
    }

    fn decode<'s, 'b: 's>(&'s mut self, bytes: &mut &'b [u8]) -> Result<Option<Content<'s>>, Fault> {
        if self.done {
            self.partial.clear();
            *bytes = &[];
            return Ok(None);
        }
        let (header, limit, depth) = (&mut self.header, self.limit, self.depth);
        let needed = |front: &[u8]| {
            if header.is_none() {
                let Some(prefix) = front.first_chunk() else { return Ok(PREFIX) };
                let end = PREFIX + usize::from(u16::from_be_bytes(*prefix));
                let Some(text) = front.get(PREFIX..end) else { return Ok(end) };
                *header = Some(read_header(text, limit, depth)?);
            }
            Ok(header.as_ref().map_or(0, |header| header.end + header.content))
        };
        match self.partial.take(bytes, needed) {
            Ok(None) => Ok(None),
            Ok(Some(whole)) => {
                self.done = true;
                let Header { kind, end, .. } = self.header.expect("it said how long the whole is");
                Ok(Some(Content { kind, offset: end as u64, bytes: &whole[end..] }))
            }
            Err(fault) => {
                self.done = true;
                Err(fault)
            }
        }
    }

    fn finish(&mut self) -> Result<(), Fault> {
        if self.done {
            return Ok(());
        }
        self.done = true;
        let front = self.partial.gathered();
        let prefix = front.first_chunk().map_or(0, |prefix| u16::from_be_bytes(*prefix).into());
        let whole = self.header.map_or(PREFIX + prefix, |header| header.end + header.content);
        Err(Fault::CutShort { offset: front.len() as u64, missing: (whole - front.len()) as u64 })
    }
}

fn read_header(text: &[u8], limit: u32, depth: usize) -> Result<Header, Fault> {
    let offset = PREFIX as u64;
    let header = read_dictionary(text, offset, depth)?;
    let field = |field| header.get(field).ok_or(Fault::MissingField { offset, field });
    let text_field = |name| {
        let wrong = Fault::WrongField { offset, field: name, expected: "a text" };
        field(name)?.as_str().ok_or(wrong)
    };
    text_field("byteorder")?;
    let kind = match text_field("content-type")? {
        "text/json" => ContentType::Json,
        _ => ContentType::Binary { side: "" },
    };
    let encoding = text_field("content-encoding")?;
    let is_utf8 =
        ["utf-8", "utf8", "ascii", "us-ascii"].iter().any(|name| encoding.eq_ignore_ascii_case(name));
    if kind == ContentType::Json && !is_utf8 {
        return Err(Fault::WrongField { offset, field: "content-encoding", expected: "\"utf-8\"" });
    }
    let length = field("content-length")?.as_u64().ok_or(Fault::WrongField {
        offset,
        field: "content-length",
        expected: "a count of bytes",
    })?;
    match u32::try_from(length) {
        Ok(length) if length <= limit => {
            Ok(Header { kind, end: PREFIX + text.len(), content: length as usize })
        }
        _ => Err(Fault::TooLong { offset: PREFIX as u64 + text.len() as u64, length, limit }),
    }
}

impl Codec for ServerEnd {
    fn decode<'s, 'b: 's>(&'s mut self, bytes: &mut &'b [u8]) -> Result<Option<Incoming<'s>>, Fault> {
        self.decode(bytes)
    }

    fn finish(&mut self) -> Result<Option<Incoming<'_>>, Fault> {
        self.finish().map(|()| None)
    }

    fn encode(&mut self, outgoing: &Outgoing<'_>, out: &mut Vec<u8>) -> Result<bool, SayError> {
        let Outgoing::Answer(value) = outgoing else { return Err(unsayable(outgoing, "answers")) };
        encode_answer(value, self.0.depth, out);
        Ok(true)
    }
}

impl Codec for ClientEnd {
    fn decode<'s, 'b: 's>(&'s mut self, bytes: &mut &'b [u8]) -> Result<Option<Incoming<'s>>, Fault> {
        self.decode(bytes)
    }

    fn finish(&mut self) -> Result<Option<Incoming<'_>>, Fault> {
        self.finish().map(|()| None)
    }

    fn encode(&mut self, outgoing: &Outgoing<'_>, out: &mut Vec<u8>) -> Result<bool, SayError> {
        let Outgoing::Request { action, value } = outgoing else {
            return Err(unsayable(outgoing, "requests"));
        };
        encode_request(action, value, self.0.depth, out)?;
        Ok(true)
    }
}

fn unsayable(outgoing: &Outgoing<'_>, takes: &'static str) -> SayError {
    SayError::Unsayable { dialect: Dialect::Comet, what: outgoing.kind(), takes }
}
