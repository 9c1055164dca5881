//! Row 22: a web browser is made to post what a hub would understand.

use dict_event_loop::client::Client;
use dict_protocol::frame::Encoding;
use dict_protocol::limits::Limits;
use dict_protocol::packet::{Announce, Level, Message, MessageFields, Mode, Packet, Payload, Subscribe};
use dict_protocol::pattern::Pattern;
use dict_protocol::value::Value;

use super::hostile::{Fate, Port, Shot, Target, comet_request, comms, hello};
use super::{Miss, Setting, ensure};
use crate::programs::PATIENCE;

/// The source that a browser would write.
const SOURCE: &str = "browser";

pub(super) fn run(setting: &Setting) -> Result<String, Miss> {
    let times = setting.times(50, 2);
    let target = Target::start(&[]);
    let witness = target.client("witness")?;
    let messages = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let heard = messages.clone();
    let on_message = move |_: &dict_event_loop::client::Incoming| {
        heard.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
    };
    witness.on_message(on_message).map_err(|error| error.to_string())?;
    let asked = messages.clone();
    let handler = move |_: &dict_event_loop::client::Asked| {
        asked.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
        Ok(Value::Null)
    };
    witness.handle("browser", handler).map_err(|error| error.to_string())?;
    witness.ping(PATIENCE).map_err(|error| error.to_string())?;
    let shots = shots();
    for _ in 0..times {
        for shot in &shots {
            shot.fire(&target, &witness)?;
        }
    }
    accepted_nothing(&witness)?;
    let heard = messages.load(std::sync::atomic::Ordering::Acquire);
    ensure(heard == 0, || format!("{heard} messages or requests of a browser were passed on"))?;
    Ok(format!("{} web requests, {times} times: none that they carry was accepted", shots.len()))
}

/// The hub knows no client and no source that a browser made.
fn accepted_nothing(witness: &Client) -> Result<(), Miss> {
    let ask = |action: &str| {
        let answer = witness.request(action, Value::Null, &Default::default());
        answer.map(|answer| format!("{answer:?}")).map_err(|error| error.to_string())
    };
    for action in ["$clients", "$sources"] {
        let told = ask(action)?;
        ensure(!told.contains(SOURCE) && !told.contains("stranger"), || format!("{action}: {told}"))?;
    }
    let watch = witness.watch(Pattern::Name(SOURCE.into()), Default::default());
    let watch = watch.map_err(|error| error.to_string())?;
    watch.wait_current(PATIENCE).map_err(|error| error.to_string())?;
    ensure(watch.latest(SOURCE).is_none(), || "a browser wrote a source".to_owned())
}

/// What would be accepted if it came alone: a greeting, a source, an update, a message to everybody.
fn frames() -> Vec<u8> {
    let mut bytes = hello(SOURCE);
    let (epoch, previous, newest, level) = (1, 0, 0, Level::Received);
    let (replay, take_over) = (false, false);
    Packet::Announce(Announce { epoch, previous, newest, level, replay, take_over, source: SOURCE })
        .encode(&mut bytes);
    let subscribe = Subscribe { id: 1, mode: Mode::Latest, prefix: true, interval: 0, pattern: "" };
    Packet::Subscribe(subscribe).encode(&mut bytes);
    let fields = MessageFields { id: 1, to: "", from: "" };
    let payload = Payload { encoding: Encoding::Text, bytes: b"from a browser" };
    Packet::Message(Message { fields, payload }).encode(&mut bytes);
    bytes
}

/// Requests of several shapes, at each port that could understand their bodies.
pub(super) fn shots() -> Vec<Shot> {
    let json = br#"{"browser": 1}"#;
    let request = br#"{"action": "browser", "value": 1}"#;
    let bodies: [(Port, Vec<u8>); 4] = [
        (Port::Native, frames()),
        (Port::Comms, comms(Port::Comms, json)),
        (Port::Text, comms(Port::Text, b"from a browser")),
        (Port::Comet, comet_request(request)),
    ];
    let mut shots = Vec::new();
    for (port, body) in bodies {
        for (what, bytes) in shapes(&body) {
            let fate = if outlives(port, &bytes) { Fate::Stays } else { Fate::Ended };
            shots.push(Shot::new(format!("{what} at {port:?}"), port, bytes, fate));
        }
    }
    shots
}

/// Whether what begins so is waited for: a comet header may be as long as the first two letters of a request say, a
/// comms message as the first four bytes, if that is within the limit. Their deadlines end them.
fn outlives(port: Port, bytes: &[u8]) -> bool {
    match port {
        Port::Comet => bytes.len() < 2 + usize::from(u16::from_be_bytes([bytes[0], bytes[1]])),
        Port::Comms => {
            let claimed = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            claimed <= Limits::default().body && bytes.len() < 4 + claimed as usize
        }
        _ => false,
    }
}

/// A body as browsers send one, or what stands for it.
fn shapes(body: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let length = body.len();
    let host = "Host: 127.0.0.1:7450\r\nOrigin: http://evil.example\r\n";
    let head = |line: &str, more: &str| format!("{line} HTTP/1.1\r\n{host}{more}\r\n").into_bytes();
    let posted = |more: &str, body: &[u8]| [&head("POST / ", more)[..], body].concat();
    let plain = format!("Content-Type: text/plain\r\nContent-Length: {length}\r\n");
    let chunked = [format!("{length:x}\r\n").as_bytes(), body, b"\r\n0\r\n\r\n"].concat();
    let boundary = "Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n";
    let part = b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
    let masked: Vec<u8> = body.iter().map(|byte| byte ^ 0x55).collect();
    let frame =
        [&[0x82, 0xFE, (length >> 8) as u8, length as u8, 0x55, 0x55, 0x55, 0x55][..], &masked].concat();
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
                   Sec-WebSocket-Version: 13\r\n";
    // A TLS record: what https:// sends.
    let record = [&[0x16, 3, 1, (length >> 8) as u8, length as u8][..], body].concat();
    vec![
        ("a post", posted(&plain, body)),
        ("a post in chunks", posted("Transfer-Encoding: chunked\r\n", &chunked)),
        ("a post that expects to go on", posted(&format!("{plain}Expect: 100-continue\r\n"), body)),
        ("a form", posted(boundary, &[&part[..], body, b"\r\n--b--\r\n"].concat())),
        ("a body alone after an empty request", [b"\r\n\r\n", body].concat()),
        ("a get with a body", [&head("GET /?a=b ", &plain)[..], body].concat()),
        ("a preflight", [&head("OPTIONS * ", "Access-Control-Request-Method: PUT\r\n")[..], body].concat()),
        ("a request after another", [&head("GET / ", "")[..], &posted(&plain, body)].concat()),
        ("a web socket", [&head("GET / ", upgrade)[..], &frame].concat()),
        ("HTTP/2", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", body].concat()),
        ("https", record),
    ]
}
