//! One exchange in each dialect that has frames, with a logger, through a proxy; and what came of it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dict_event_loop::client::{Client, Content, Mode, Watch, WatchEvent, WatchOptions};
use dict_protocol::dialect::{self, Codec, Dialect, Incoming, Options, Outgoing, Side, pytcp};
use dict_protocol::dictionary;
use dict_protocol::pattern::Pattern;
use dict_protocol::value::{Dictionary, Value};

use super::Miss;
use super::journal::{Journal, KEY, number};
use super::load::{logged, publish};
use super::proxy::{Manner, Proxy};
use super::systems::{Logger, free_address, wait_until};
use crate::programs::PATIENCE;

/// How long an older program waits for anything.
const SOON: Duration = Duration::from_secs(20);

/// What is said in exchange `number`; always of one length.
fn said(dialect: Dialect, number: u64) -> Dictionary {
    dictionary! { KEY => format!("{number:06} was said in {dialect}") }
}

/// A partner that speaks a dialect with a logger, through a proxy.
pub(super) trait Partner {
    fn dialect(&self) -> Dialect;

    fn proxy(&self) -> &Proxy;

    /// Says the next thing on a connection of its own, which may fail; its number.
    fn say(&mut self) -> u64;

    /// What has arrived so far, in its order: numbers of what was said; `None` for what never was.
    fn arrived(&self) -> Vec<Option<u64>>;

    /// Waits until something has arrived.
    fn wait(&self, number: u64) -> Result<(), Miss> {
        let what = format!("{}: exchange {number} arrives", self.dialect());
        wait_until(&what, || self.arrived().contains(&Some(number))).map(drop)
    }
}

/// A logger, and partners of all older dialects that have frames.
pub(super) fn older(usual: Manner) -> Result<(Logger, Vec<Box<dyn Partner + Send>>), Miss> {
    let (comms, comet) = (free_address(), free_address());
    let serving = Arc::new(Serving { number: AtomicU64::new(0), streams: Mutex::default() });
    let proxy = Proxy::start(&serve(&serving), usual);
    let logger = Logger::with(&[
        "--listen",
        &format!("comms://{comms}?type=json"),
        "--listen",
        &format!("comet://{comet}"),
        "--connect",
        &format!("pytcp://{}?source=pytcp", proxy.address),
    ]);
    let client =
        Client::builder().name("partner").connect(&*logger.address).map_err(|error| error.to_string())?;
    let served = Served::new(&client, serving, proxy)?;
    let comms = Speaking::new(&client, Proxy::start(&comms, usual))?;
    let comet = Asking::new(&client, Proxy::start(&comet, usual))?;
    Ok((logger, vec![Box::new(served), Box::new(comms), Box::new(comet)]))
}

type Arrived = Arc<Mutex<Vec<Option<u64>>>>;

fn look(arrived: &Arrived) -> Vec<Option<u64>> {
    arrived.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Notes which exchange a value is of.
fn note(arrived: &Arrived, dialect: Dialect, value: &Value) {
    let dictionary = value.as_dictionary();
    let text = dictionary.and_then(|dictionary| dictionary.get(KEY)).and_then(Value::as_str);
    let number = text.and_then(number);
    let whole = number.filter(|&number| dictionary == Some(&said(dialect, number)));
    arrived.lock().unwrap_or_else(PoisonError::into_inner).push(whole);
}

/// A pytcp server, whose dictionary the logger records.
struct Served {
    serving: Arc<Serving>,
    proxy: Proxy,
    watch: Watch,
    seen: Arrived,
}

struct Serving {
    number: AtomicU64,
    streams: Mutex<Vec<TcpStream>>,
}

/// Sends each client the present dictionary, and holds the connection.
fn serve(serving: &Arc<Serving>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let address = listener.local_addr().expect("it is bound").to_string();
    let serving = Arc::downgrade(serving);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Some(serving), Ok(mut stream)) = (serving.upgrade(), stream) else { return };
            let number = serving.number.load(Ordering::Acquire);
            let mut frame = Vec::new();
            let depth = Options::default().depth;
            pytcp::encode(&said(Dialect::PyTcp, number), depth, &mut frame).expect("it can be said");
            // It may be cut off in the middle.
            let _ = stream.write_all(&frame);
            serving.streams.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        }
    });
    address
}

impl Served {
    fn new(client: &Client, serving: Arc<Serving>, proxy: Proxy) -> Result<Self, Miss> {
        let options = WatchOptions { mode: Mode::Every, ..WatchOptions::default() };
        let watch =
            client.watch(Pattern::Name("pytcp".into()), options).map_err(|error| error.to_string())?;
        Ok(Self { serving, proxy, watch, seen: Arc::default() })
    }
}

impl Partner for Served {
    fn dialect(&self) -> Dialect {
        Dialect::PyTcp
    }

    fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    fn say(&mut self) -> u64 {
        let number = self.serving.number.fetch_add(1, Ordering::AcqRel) + 1;
        self.serving.streams.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.proxy.cut();
        number
    }

    fn arrived(&self) -> Vec<Option<u64>> {
        while let Ok(Some(event)) = self.watch.next(Duration::ZERO) {
            let dictionary = match event {
                WatchEvent::State(state) => state.dictionary,
                WatchEvent::Update(update) if !update.set.is_empty() => update.set,
                _ => continue,
            };
            note(&self.seen, Dialect::PyTcp, &Value::Dictionary(dictionary));
        }
        look(&self.seen)
    }
}

/// A comms client, whose messages a native client hears.
struct Speaking {
    number: u64,
    proxy: Proxy,
    stream: Option<TcpStream>,
    heard: Arrived,
}

impl Speaking {
    fn new(client: &Client, proxy: Proxy) -> Result<Self, Miss> {
        let heard = Arrived::default();
        let hears = heard.clone();
        let on_message = move |message: &dict_event_loop::client::Incoming| match &message.content {
            Content::Value(value) => note(&hears, Dialect::Comms, value),
            _ => note(&hears, Dialect::Comms, &Value::Null),
        };
        client.on_message(on_message).map_err(|error| error.to_string())?;
        Ok(Self { number: 0, proxy, stream: None, heard })
    }
}

impl Partner for Speaking {
    fn dialect(&self) -> Dialect {
        Dialect::Comms
    }

    fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    fn say(&mut self) -> u64 {
        self.number += 1;
        let value = Value::Dictionary(said(Dialect::Comms, self.number));
        let mut bytes = Vec::new();
        let mut codec = Dialect::Comms.codec(Side::Client, &Options::default());
        let message = Outgoing::Message(dialect::Content::Value(std::borrow::Cow::Owned(value)));
        codec.encode(&message, &mut bytes).expect("it can be said");
        let mut stream = TcpStream::connect(&self.proxy.address).expect("the proxy listens");
        let _ = stream.write_all(&bytes);
        self.stream = Some(stream);
        self.number
    }

    fn arrived(&self) -> Vec<Option<u64>> {
        look(&self.heard)
    }
}

/// A comet client, whose requests a native client answers.
struct Asking {
    number: u64,
    proxy: Proxy,
    asked: Arrived,
}

impl Asking {
    fn new(client: &Client, proxy: Proxy) -> Result<Self, Miss> {
        let asked = Arrived::default();
        let hears = asked.clone();
        let answer = move |request: &dict_event_loop::client::Asked| {
            note(&hears, Dialect::Comet, &request.value);
            Ok(request.value.clone())
        };
        client.handle("set", answer).map_err(|error| error.to_string())?;
        client.ping(PATIENCE).map_err(|error| error.to_string())?;
        Ok(Self { number: 0, proxy, asked })
    }
}

impl Partner for Asking {
    fn dialect(&self) -> Dialect {
        Dialect::Comet
    }

    fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// An answer that comes has to be the whole one.
    fn say(&mut self) -> u64 {
        self.number += 1;
        let value = Value::Dictionary(said(Dialect::Comet, self.number));
        let options = Options::default();
        let mut codec = Dialect::Comet.codec(Side::Client, &options);
        let mut bytes = Vec::new();
        let request = Outgoing::Request { action: "set", value: &value };
        codec.encode(&request, &mut bytes).expect("it can be said");
        let mut stream = TcpStream::connect(&self.proxy.address).expect("the proxy listens");
        stream.set_read_timeout(Some(SOON)).expect("a time is given");
        let _ = stream.write_all(&bytes);
        let answered = answer(&mut stream, &mut *codec, &value);
        assert!(answered.is_none_or(|answered| answered), "another answer to {value:?}");
        self.number
    }

    fn arrived(&self) -> Vec<Option<u64>> {
        look(&self.asked)
    }
}

/// Whether the answer that comes is the value; `None` if none comes.
fn answer(stream: &mut TcpStream, codec: &mut dyn Codec, value: &Value) -> Option<bool> {
    let mut buffer = [0; 4_096];
    loop {
        let length = stream.read(&mut buffer).unwrap_or(0);
        if length == 0 {
            return None;
        }
        let mut bytes = &buffer[..length];
        if let Ok(Some(Incoming::Answer(answer))) = codec.decode(&mut bytes) {
            let text = format!("{answer:?}");
            let number = value.as_dictionary().and_then(|said| said.get(KEY)).and_then(Value::as_str);
            return Some(number.is_some_and(|number| text.contains(number)));
        }
    }
}

/// A native client that connects through a proxy, writes a source of its own, and connects anew when it is cut off.
pub(super) fn native(proxy: &Proxy, source: &str, updates: u64) -> Result<Journal, Miss> {
    let client =
        Client::builder().name("native").start(&*proxy.address).map_err(|error| error.to_string())?;
    let writer = client.writer(source, logged()).map_err(|error| error.to_string())?;
    // So that whoever watches sees each update, and not the state after several.
    writer.wait_announced(PATIENCE).map_err(|error| error.to_string())?;
    let mut journal = Journal::new(source);
    for _ in 0..updates {
        publish(&writer, &mut journal);
    }
    writer.flush(PATIENCE).map_err(|error| error.to_string())?;
    journal.acknowledged = journal.sent;
    drop(writer);
    client.close(PATIENCE);
    Ok(journal)
}
