//! Row 20: values and names that programs stumble over, in every dialect, beside programs that must not.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dict_event_loop::client::{Client, Content, Mode, Watch, WatchEvent, WatchOptions, Writer};
use dict_protocol::crc;
use dict_protocol::decoder::Decoder;
use dict_protocol::dialect::{Incoming, Options, comms, pytcp};
use dict_protocol::frame::Encoding;
use dict_protocol::packet::{
    self, Announce, Level, Message, MessageFields, Outcome, Packet, Payload, Request, RequestFields, State,
    Subscribe,
};
use dict_protocol::pattern::Pattern;
use dict_protocol::record::Stamp;
use dict_protocol::value::{Dictionary, Value};

use super::hostile::{
    Fate, Port, Shot, Target, comet_request, comms as message, connect, ends, greeted, hello, received,
};
use super::systems::{free_address, wait_until};
use super::{Miss, Setting, ensure};
use crate::programs::PATIENCE;

/// What is made of it where it comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is passed on as it is.
    Taken,
    /// It alone is not, and its sender goes on.
    Refused,
    /// Its sender's connection is ended.
    Ended,
}

use Verdict::{Ended, Refused, Taken};

/// JSON, and what each of comms, comet and pytcp makes of it. A comet connection has one request: what is refused is
/// answered with an error.
const JSON: [(&str, &[u8], [Verdict; 3]); 14] = [
    ("NaN", br#"{"a": NaN}"#, [Taken, Taken, Taken]),
    ("infinities", br#"{"a": [Infinity, -Infinity]}"#, [Taken, Taken, Taken]),
    ("broken UTF-8", b"{\"a\": \"\xC3\x28\"}", [Ended, Refused, Refused]),
    ("a lone surrogate", br#"{"a": "\ud800"}"#, [Refused, Refused, Refused]),
    ("a lone surrogate as a key", br#"{"\udc00": 1}"#, [Refused, Refused, Refused]),
    ("doubled keys", br#"{"a": 1, "a": 2}"#, [Taken, Taken, Taken]),
    ("an integer past 64 bits", br#"{"a": 36893488147419103232}"#, [Taken, Taken, Taken]),
    ("a float past all floats", br#"{"a": 1e400}"#, [Refused, Refused, Refused]),
    ("an empty key", br#"{"": 1}"#, [Taken, Taken, Taken]),
    ("keys with * and /", br#"{"*": 1, "a/": 2, "/": 3}"#, [Taken, Taken, Taken]),
    ("keys with NUL and a newline", br#"{"\u0000": 1, "\n": 2}"#, [Taken, Taken, Taken]),
    ("keys that begin with $", br#"{"$float": "NaN", "$dict": {}}"#, [Taken, Taken, Taken]),
    ("an integer that is no integer", br#"{"a": 1_000}"#, [Ended, Refused, Refused]),
    ("nothing", br"", [Ended, Refused, Refused]),
];

/// Names of sources, and whether they can be.
const NAMES: [(&str, &str, Verdict); 9] = [
    ("a name with *", "a*", Refused),
    ("a name that ends with /", "a/", Refused),
    ("a name with NUL", "a\0b", Refused),
    ("a name with a newline", "a\nb", Refused),
    ("an empty name", "", Refused),
    ("the hub's name", "$hub/x", Refused),
    ("a name with spaces and quotes", " \"a'", Taken),
    ("a name in another script", "オシロ/ä/\u{1F600}", Taken),
    ("a name of dots", "../../etc/passwd", Taken),
];

/// MessagePack, and what the hub makes of it.
const MESSAGEPACK: [(&str, &[u8], Verdict); 10] = [
    ("NaN with a payload", &[0xCB, 0x7F, 0xF8, 0, 0, 0, 0, 0, 9], Taken),
    ("broken UTF-8", &[0xA2, 0xC3, 0x28], Ended),
    ("a surrogate as UTF-8", &[0xA3, 0xED, 0xA0, 0x80], Ended),
    ("doubled keys", &[0x82, 0xA1, b'a', 1, 0xA1, b'a', 2], Taken),
    ("an integer past 64 bits", b"\xC7\x1401234567890123456789", Ended),
    ("a long integer", b"\xC7\x14\x0136893488147419103232", Taken),
    ("an empty key", &[0x81, 0xA0, 1], Taken),
    ("a key that is no text", &[0x81, 1, 1], Ended),
    ("a type that is none", &[0xC1], Ended),
    ("an extension that is unknown", &[0xD4, 9, 0], Ended),
];

pub(super) fn run(setting: &Setting) -> Result<String, Miss> {
    let times = setting.times(10, 1);
    let server = PyTcpServer::start();
    let target = Target::start(&["--connect", &format!("pytcp://{}?source=poison", server.address)]);
    let mut bystanders = Bystanders::start(&target)?;
    let mut tried = 0;
    for _ in 0..times {
        tried += json(&target, &server, &mut bystanders)?;
        tried += names(&target, &mut bystanders)?;
        tried += messagepack(&target, &mut bystanders)?;
        tried += texts(&target, &mut bystanders)?;
    }
    bystanders.check(&target, "the end")?;
    Ok(format!(
        "{tried} poisons in every dialect: each has the one verdict that it is to have, and of {} bystanders of all \
         dialects nobody was dropped or told what it cannot read",
        Bystanders::COUNT
    ))
}

fn is(what: &str, found: Verdict, expected: Verdict) -> Result<(), Miss> {
    ensure(found == expected, || format!("{what} is {found:?}, and has to be {expected:?}"))
}

fn json(target: &Target, server: &PyTcpServer, bystanders: &mut Bystanders) -> Result<usize, Miss> {
    for (what, text, [comms, comet, pytcp]) in JSON {
        let found = bystanders.comms_verdict(target, text).map_err(|miss| format!("{what}: {miss}"))?;
        is(&format!("{what} in comms"), found, comms)?;
        let request = [&br#"{"action": "poison", "value": "#[..], text, b"}"].concat();
        let found = bystanders.comet_verdict(target, &request)?;
        is(&format!("{what} in comet"), found, comet)?;
        let found = bystanders.pytcp_verdict(server, text)?;
        is(&format!("{what} in pytcp"), found, pytcp)?;
        bystanders.check(target, what)?;
    }
    Ok(3 * JSON.len())
}

fn names(target: &Target, bystanders: &mut Bystanders) -> Result<usize, Miss> {
    for (what, name, expected) in NAMES {
        let mut native = Native::greet(target, "poison")?;
        let found = match native.announce(name)? {
            Some(Outcome::Accepted) => Taken,
            Some(_) => Refused,
            None => Ended,
        };
        is(&format!("{what} of a source"), found, expected)?;
        // As the name of a client it is refused with the connection, as there is nothing to go on with; nobody's is its own.
        let mut stream = connect(target.addresses.of(Port::Native));
        let _ = stream.write_all(&hello(name));
        let welcomed = Native::welcomed(&mut stream);
        let expected = if name.is_empty() { Taken } else { expected };
        let found = if welcomed { Taken } else { Refused };
        is(&format!("{what} of a client"), found, expected)?;
        bystanders.check(target, what)?;
    }
    Ok(2 * NAMES.len())
}

fn messagepack(target: &Target, bystanders: &mut Bystanders) -> Result<usize, Miss> {
    for (what, bytes, expected) in MESSAGEPACK {
        let payload = Payload { encoding: Encoding::MessagePack, bytes };
        let fields = MessageFields { id: 1, to: "", from: "" };
        let found =
            Native::greet(target, "poison")?.verdict(&Packet::Message(Message { fields, payload }))?;
        is(&format!("{what} in a message"), found, expected)?;
        let fields = RequestFields { id: 1, deadline: 5_000, action: "poison", to: "", from: "" };
        let found =
            Native::greet(target, "poison")?.verdict(&Packet::Request(Request { fields, payload }))?;
        is(&format!("{what} in a request"), found, expected)?;
        // One key, and the value under it.
        let dictionary = [&[0x81, 0xA1, b'k'], bytes].concat();
        let mut native = Native::greet(target, "poison")?;
        native.announce("poisoned")?;
        let source = native.source;
        let (sequence, stamp, missing, end_of_slice, replayed) = (1, Stamp::default(), None, false, false);
        let state =
            State { source, sequence, stamp, missing, end_of_slice, replayed, dictionary: &dictionary };
        is(&format!("{what} in a dictionary"), native.verdict(&Packet::State(state))?, expected)?;
        bystanders.check(target, what)?;
    }
    for (what, bytes, expected) in [
        ("text that is not UTF-8", &b"\xC3\x28"[..], Ended),
        ("text with NUL", b"a\0b", Taken),
        ("no text", b"", Taken),
    ] {
        let payload = Payload { encoding: Encoding::Text, bytes };
        let fields = MessageFields { id: 1, to: "", from: "" };
        let found =
            Native::greet(target, "poison")?.verdict(&Packet::Message(Message { fields, payload }))?;
        is(&format!("{what} in a message"), found, expected)?;
        bystanders.check(target, what)?;
    }
    for (what, pattern) in [("a pattern with NUL", "a\0*"), ("a pattern of anything", "*//\n$")] {
        let mut native = Native::greet(target, "poison")?;
        let subscribe = Subscribe { id: 1, mode: packet::Mode::Every, prefix: false, interval: 0, pattern };
        is(what, native.verdict(&Packet::Subscribe(subscribe))?, Taken)?;
        bystanders.check(target, what)?;
    }
    Ok(3 * MESSAGEPACK.len() + 5)
}

/// Dialects that take text.
fn texts(target: &Target, bystanders: &mut Bystanders) -> Result<usize, Miss> {
    for (what, text, expected) in [
        ("text that is not UTF-8", &b"\xC3\x28"[..], Ended),
        ("text with NUL and newlines", b"a\0\r\n", Taken),
        ("a reading that is none", b"('2026-11-21 10:00:00', nan)", Taken),
        ("a reading of 5,000 digits", &[b'1'; 5_000], Taken),
    ] {
        let mut stream = connect(target.addresses.of(Port::Text));
        let _ = stream.write_all(&[message(Port::Text, text), message(Port::Text, b"marker")].concat());
        let is_marker = |content: &Content| matches!(content, Content::Text(heard) if heard == "marker");
        let found = bystanders.heard(&mut stream, is_marker).map_err(|miss| format!("{what}: {miss}"))?;
        is(&format!("{what} in comms"), found, expected)?;
        let mut stream = connect(target.addresses.of(Port::PingPong));
        let _ = stream.write_all(text);
        let mut pong = [0; 4];
        let answered = stream.read_exact(&mut pong).is_ok() && &pong == b"pong";
        ensure(answered, || format!("{what} in pingpong has no answer"))?;
        let _ = stream.write_all(b"ping");
        let goes_on = stream.read_exact(&mut pong).is_ok();
        is(&format!("{what} in pingpong"), if goes_on { Taken } else { Ended }, expected)?;
        bystanders.check(target, what)?;
    }
    Ok(8)
}

/// What is JSON in the table.
pub(super) fn texts_of_json() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    JSON.iter().map(|&(what, text, _)| (what, text))
}

/// Names and values of the tables, each as a greeted client sends it.
pub(super) fn native_shots() -> Vec<Shot> {
    let encoded = |packet: Packet<'_>| {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes);
        greeted(&bytes)
    };
    let values = MESSAGEPACK.iter().map(|&(what, bytes, _)| {
        let payload = Payload { encoding: Encoding::MessagePack, bytes };
        let fields = MessageFields { id: 1, to: "", from: "" };
        Shot::new(what, Port::Native, encoded(Packet::Message(Message { fields, payload })), Fate::Ended)
    });
    let names = NAMES.iter().map(|&(what, source, _)| {
        let (epoch, previous, newest, level) = (1, 0, 0, Level::Received);
        let (replay, take_over) = (false, false);
        let announce = Announce { epoch, previous, newest, level, replay, take_over, source };
        Shot::new(what, Port::Native, encoded(Packet::Announce(announce)), Fate::Ended)
    });
    values.chain(names).collect()
}

/// A client made by hand, so that it can say what no client does.
struct Native {
    stream: TcpStream,
    decoder: Decoder,
    source: u32,
}

impl Native {
    fn greet(target: &Target, name: &str) -> Result<Self, Miss> {
        let mut stream = connect(target.addresses.of(Port::Native));
        stream.write_all(&hello(name)).map_err(|error| error.to_string())?;
        Ok(Self { stream, decoder: Decoder::new(u32::MAX), source: 0 })
    }

    /// Whether the hub welcomes whoever has just greeted.
    fn welcomed(stream: &mut TcpStream) -> bool {
        let mut decoder = Decoder::new(u32::MAX);
        first(stream, &mut decoder, |packet| match packet {
            Packet::Welcome(_) => Some(true),
            Packet::Error(_) => Some(false),
            _ => None,
        })
        .unwrap_or(false)
    }

    fn say(&mut self, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes);
        // The hub may have ended it.
        let _ = self.stream.write_all(&bytes);
    }

    /// What the hub says to a source of that name; `None` if it ends the connection.
    fn announce(&mut self, source: &str) -> Result<Option<Outcome>, Miss> {
        let epoch = dict_event_loop::Clock::now().time.as_epoch();
        let (previous, newest, level) = (0, 0, Level::Received);
        let (replay, take_over) = (false, true);
        self.say(&Packet::Announce(Announce { epoch, previous, newest, level, replay, take_over, source }));
        let told = first(&mut self.stream, &mut self.decoder, |packet| match packet {
            Packet::Announced(announced) => Some((announced.outcome, announced.id)),
            _ => None,
        });
        if let Some((_, id)) = told {
            self.source = id;
        }
        Ok(told.map(|(outcome, _)| outcome))
    }

    /// What the hub makes of a packet: ended, or a further request is answered.
    fn verdict(&mut self, packet: &Packet<'_>) -> Result<Verdict, Miss> {
        self.say(packet);
        let fields = RequestFields { id: 99, deadline: 60_000, action: "$status", to: "", from: "" };
        let payload = Payload { encoding: Encoding::MessagePack, bytes: &[0xC0] };
        self.say(&Packet::Request(Request { fields, payload }));
        let mut refused = false;
        let goes_on = first(&mut self.stream, &mut self.decoder, |packet| match packet {
            Packet::Reply(reply) if reply.fields.id == 99 => Some(true),
            Packet::Error(error) => {
                refused = true;
                error.closing.then_some(false)
            }
            _ => None,
        });
        Ok(match goes_on {
            Some(true) if refused => Refused,
            Some(true) => Taken,
            _ => Ended,
        })
    }
}

/// The first packet that is looked for; `None` if the connection ends before.
fn first<T>(
    stream: &mut TcpStream,
    decoder: &mut Decoder,
    mut look: impl FnMut(&Packet<'_>) -> Option<T>,
) -> Option<T> {
    let mut buffer = [0; 16_384];
    loop {
        let length = stream.read(&mut buffer).ok().filter(|length| *length > 0)?;
        let mut bytes = &buffer[..length];
        while let Some(frame) = decoder.decode(&mut bytes).expect("a hub writes frames") {
            if let Some(found) = look(&Packet::parse(&frame).expect("a hub writes packets")) {
                return Some(found);
            }
        }
    }
}

/// A pytcp server whose program the hub connects to.
struct PyTcpServer {
    address: String,
    stream: Arc<Mutex<Option<TcpStream>>>,
}

impl PyTcpServer {
    fn start() -> Self {
        let address = free_address();
        let listener = TcpListener::bind(&address).expect("it was free");
        let stream = Arc::new(Mutex::new(None));
        let accepted = stream.clone();
        std::thread::spawn(move || {
            let connected = listener.accept().map(|(stream, _)| stream).ok();
            *accepted.lock().unwrap_or_else(PoisonError::into_inner) = connected;
        });
        Self { address, stream }
    }

    fn say(&self, json: &[u8]) -> Result<(), Miss> {
        let said = || {
            self.stream.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.write_all(&framed(json)).ok()
        };
        wait_until("the hub connects to a pytcp server", || said().is_some()).map(drop)
    }
}

/// A pytcp frame with a true checksum.
pub(super) fn framed(json: &[u8]) -> Vec<u8> {
    let length = u32::try_from(json.len()).expect("it is short");
    let sum = crc::checksum(json);
    [&[pytcp::START][..], &length.to_be_bytes(), &sum.to_be_bytes(), json, &[pytcp::STOP]].concat()
}

/// Programs that have nothing to do with it.
struct Bystanders {
    native: Client,
    /// Every source, every update.
    watch: Watch,
    writer: Writer,
    number: i64,
    closed: Arc<AtomicUsize>,
    messages: Arc<Mutex<Vec<Content>>>,
    requests: Arc<AtomicUsize>,
    pytcp: Reader,
    comms: Reader,
    pingpong: TcpStream,
    markers: u32,
}

/// What a program of an older system reads: how often it could not, and the newest number of `good`.
struct Reader {
    newest: Arc<Mutex<Option<i64>>>,
    faults: Arc<AtomicUsize>,
}

impl Bystanders {
    /// How many there are.
    const COUNT: usize = 4;

    fn start(target: &Target) -> Result<Self, Miss> {
        let closed = Arc::new(AtomicUsize::new(0));
        let counts = closed.clone();
        let on_close = move |_: &str| {
            counts.fetch_add(1, Ordering::AcqRel);
        };
        let native = Client::builder().name("bystander").on_close(on_close);
        let native = native.connect(target.addresses.of(Port::Native)).map_err(|error| error.to_string())?;
        let messages = Arc::new(Mutex::new(Vec::new()));
        let heard = messages.clone();
        let on_message = move |message: &dict_event_loop::client::Incoming| {
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(message.content.clone());
        };
        native.on_message(on_message).map_err(|error| error.to_string())?;
        let requests = Arc::new(AtomicUsize::new(0));
        let asked = requests.clone();
        let handler = move |_: &dict_event_loop::client::Asked| {
            asked.fetch_add(1, Ordering::AcqRel);
            Ok(Value::from("done"))
        };
        native.handle("poison", handler).map_err(|error| error.to_string())?;
        native.ping(PATIENCE).map_err(|error| error.to_string())?;
        let options = WatchOptions { mode: Mode::Every, ..WatchOptions::default() };
        let watch = native.watch(Pattern::all(), options).map_err(|error| error.to_string())?;
        let writer = native.writer("good", received()).map_err(|error| error.to_string())?;
        let pytcp = Reader::start(connect(target.addresses.of(Port::PyTcp)), |dictionary| {
            dictionary.get("good")?.as_dictionary()?.get("n")?.as_i64()
        });
        let comms = connect(target.addresses.of(Port::Comms));
        let comms = Reader::start_comms(comms, |dictionary| dictionary.get("n")?.as_i64());
        let pingpong = connect(target.addresses.of(Port::PingPong));
        let (number, markers) = (0, 0);
        Ok(Self {
            native,
            watch,
            writer,
            number,
            closed,
            messages,
            requests,
            pytcp,
            comms,
            pingpong,
            markers,
        })
    }

    /// All of them are told what is new, on the connections that they had.
    fn check(&mut self, target: &Target, after: &str) -> Result<(), Miss> {
        self.number += 1;
        let number = self.number;
        self.writer.set("n", number).map_err(|error| format!("after {after}: {error}"))?;
        let is = |newest: Option<i64>| newest == Some(number);
        wait_until(&format!("after {after}: the native watcher sees what is new"), || {
            while let Ok(Some(_)) = self.watch.next(Duration::ZERO) {}
            is(self.watch.latest("good").and_then(|good| good.get("n")?.as_i64()))
        })?;
        wait_until(&format!("after {after}: the pytcp client sees what is new"), || is(self.pytcp.newest()))?;
        wait_until(&format!("after {after}: the comms client sees what is new"), || is(self.comms.newest()))?;
        let mut pong = [0; 4];
        let ponged = self.pingpong.write_all(b"ping").and_then(|()| self.pingpong.read_exact(&mut pong));
        ensure(ponged.is_ok(), || format!("after {after}: the ping/pong client is dropped"))?;
        let dropped = self.closed.load(Ordering::Acquire) > 0 || !self.native.is_connected();
        ensure(!dropped, || format!("after {after}: a client was dropped"))?;
        let faults = self.pytcp.faults.load(Ordering::Acquire) + self.comms.faults.load(Ordering::Acquire);
        ensure(faults == 0, || format!("after {after}: an older client was told what it cannot read"))?;
        let still = || target.service.running.descriptors() > 0;
        ensure(still(), || format!("after {after}: the hub is gone"))
    }

    /// What a comms client's message came to: the next one is a marker.
    fn comms_verdict(&mut self, target: &Target, json: &[u8]) -> Result<Verdict, Miss> {
        self.markers += 1;
        let marker = format!("marker {}", self.markers);
        let mut stream = connect(target.addresses.of(Port::Comms));
        let next = message(Port::Comms, format!("\"{marker}\"").as_bytes());
        let _ = stream.write_all(&[message(Port::Comms, json), next].concat());
        self.heard(&mut stream, |content| match content {
            Content::Text(heard) => *heard == marker,
            Content::Value(value) => value.as_str() == Some(&marker),
            Content::Binary(_) => false,
        })
    }

    /// Waits for a marker or the end of the connection that it is to come on; what came before is taken.
    fn heard(&self, stream: &mut TcpStream, is_marker: impl Fn(&Content) -> bool) -> Result<Verdict, Miss> {
        let mut verdict = None;
        let mut others = 0;
        wait_until("a marker of comms comes, or the end of its connection", || {
            let heard = std::mem::take(&mut *self.messages.lock().unwrap_or_else(PoisonError::into_inner));
            for content in heard {
                if is_marker(&content) {
                    verdict = Some(if others > 0 { Taken } else { Refused });
                } else {
                    others += 1;
                }
            }
            if verdict.is_none() && super::hostile::has_ended(stream) {
                verdict = Some(Ended);
            }
            verdict.is_some()
        })?;
        verdict.ok_or_else(|| "no verdict".to_owned().into())
    }

    fn comet_verdict(&self, target: &Target, request: &[u8]) -> Result<Verdict, Miss> {
        let before = self.requests.load(Ordering::Acquire);
        let mut stream = connect(target.addresses.of(Port::Comet));
        let _ = stream.write_all(&comet_request(request));
        ensure(ends(&mut stream), || "a comet request has no answer".to_owned())?;
        Ok(if self.requests.load(Ordering::Acquire) > before { Taken } else { Refused })
    }

    /// What a pytcp server's dictionary came to: the one before and the next one are markers.
    fn pytcp_verdict(&mut self, server: &PyTcpServer, json: &[u8]) -> Result<Verdict, Miss> {
        // An epoch is there, so that each dictionary is an update of its own.
        self.pytcp_marker(server)?;
        server.say(json)?;
        let others = self.pytcp_marker(server)?;
        Ok(if others { Taken } else { Refused })
    }

    /// Waits for a dictionary of a pytcp server; whether another came before.
    fn pytcp_marker(&mut self, server: &PyTcpServer) -> Result<bool, Miss> {
        self.markers += 1;
        let marker = i64::from(self.markers);
        server.say(format!("{{\"marker\": {marker}}}").as_bytes())?;
        let (mut others, mut done) = (false, false);
        wait_until("the next dictionary of a pytcp server", || {
            while let (false, Ok(Some(event))) = (done, self.watch.next(Duration::ZERO)) {
                let (source, set) = match event {
                    WatchEvent::Update(update) => (update.source, update.set),
                    WatchEvent::State(state) => (state.source, state.dictionary),
                    _ => continue,
                };
                if &*source == "poison" {
                    let number = set.get("marker").and_then(Value::as_i64);
                    others |= number.is_none() && !set.is_empty();
                    done = number == Some(marker);
                }
            }
            done
        })?;
        Ok(others)
    }
}

impl Reader {
    fn start(stream: TcpStream, newest: impl Fn(&Dictionary) -> Option<i64> + Send + 'static) -> Self {
        let mut end = pytcp::ClientEnd::new(&Options::default());
        Self::read(stream, move |mut bytes, see| {
            while let Some(incoming) = end.decode(&mut bytes) {
                match incoming {
                    Incoming::State(dictionary) => see(newest(&dictionary)),
                    _ => return false,
                }
            }
            true
        })
    }

    fn start_comms(stream: TcpStream, newest: impl Fn(&Dictionary) -> Option<i64> + Send + 'static) -> Self {
        let mut end = comms::End::new(&Options::default());
        Self::read(stream, move |mut bytes, see| {
            loop {
                match end.decode(&mut bytes) {
                    Ok(None) => return true,
                    Ok(Some(Incoming::Message(dict_protocol::dialect::Content::Value(value)))) => {
                        see(value.as_dictionary().and_then(&newest));
                    }
                    _ => return false,
                }
            }
        })
    }

    /// Reads for as long as the connection lasts; its end is a fault too.
    fn read(
        mut stream: TcpStream,
        mut take: impl FnMut(&[u8], &mut dyn FnMut(Option<i64>)) -> bool + Send + 'static,
    ) -> Self {
        let (newest, faults) = (Arc::new(Mutex::new(None)), Arc::new(AtomicUsize::new(0)));
        let (sees, counts) = (newest.clone(), faults.clone());
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            stream.set_read_timeout(None).expect("none is one");
            while let Ok(length) = stream.read(&mut buffer)
                && length > 0
            {
                let mut see = |number: Option<i64>| {
                    if number.is_some() {
                        *sees.lock().unwrap_or_else(PoisonError::into_inner) = number;
                    }
                };
                if !take(&buffer[..length], &mut see) {
                    break;
                }
            }
            counts.fetch_add(1, Ordering::AcqRel);
        });
        Self { newest, faults }
    }

    fn newest(&self) -> Option<i64> {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
