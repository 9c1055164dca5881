//! Updates a second that are acknowledged once they are synced: one changed key each, of one source after another.

use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use dict_protocol::pattern::Pattern;
use dict_timeline::row::Kind;
use dict_timeline::{Filter, Reader};

use crate::peers::Peer;
use crate::server::Server;
use crate::threads::join;
use crate::trouble::{Result, While, wrong};
use crate::wire;

/// What is written, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Durable {
    pub(crate) sources: u32,
    pub(crate) keys: u32,
    pub(crate) seconds: u64,
}

/// Updates that may be without acknowledgement. The same for peers and ours.
pub(crate) const IN_FLIGHT: u64 = 50_000;
/// Updates that are written at once.
const WRITTEN: u64 = 500;

/// What all threads of a run look at.
struct Run {
    peer: Peer,
    load: Durable,
    /// Updates that may be without acknowledgement on one connection.
    in_flight: u64,
    start: Instant,
    failed: AtomicBool,
}

/// One connection of a run.
struct Connection {
    /// Its number: it writes other updates than the others.
    number: u64,
    connections: u64,
    /// All its updates, once the last ones are about to be written; before that no end is known.
    all: AtomicU64,
    acknowledged: AtomicU64,
}

/// Updates a second that a peer acknowledges to so many connections together, its files in `place`.
pub(crate) fn peer(peer: Peer, load: Durable, connections: u32, place: &Path) -> Result<f64> {
    let server = peer.start(place)?;
    let mut sockets = Vec::new();
    for _ in 0..connections {
        let mut socket = server.connect()?;
        wire::greet(peer, &mut socket, "w")?;
        sockets.push(socket);
    }
    if let (Peer::JetStream, Some(socket)) = (peer, sockets.first_mut()) {
        make_stream(socket)?;
    }
    let in_flight = IN_FLIGHT / u64::from(connections);
    let run = Run { peer, load, in_flight, start: Instant::now(), failed: AtomicBool::new(false) };
    let of_each = scope(|scope| {
        let run = &run;
        let threads = (0..).zip(sockets).map(|(number, socket)| {
            let connection = Connection {
                number,
                connections: connections.into(),
                all: AtomicU64::new(u64::MAX),
                acknowledged: AtomicU64::new(0),
            };
            scope.spawn(move || run.guard(|| run.connection(&connection, socket)))
        });
        let threads = threads.collect::<Vec<_>>();
        threads.into_iter().map(join).collect::<Vec<_>>().into_iter().collect::<Result<Vec<_>>>()
    })?;
    let (seconds, acknowledged) = (run.start.elapsed().as_secs_f64(), of_each.iter().sum());
    check_peer(peer, &server, load, acknowledged)?;
    Ok(acknowledged as f64 / seconds)
}

impl Run {
    /// Has the other threads stop when a part fails.
    fn guard<T>(&self, part: impl FnOnce() -> Result<T>) -> Result<T> {
        part().inspect_err(|_| self.failed.store(true, Ordering::Relaxed))
    }

    /// Writes on one connection until the time is over; returns how many updates were acknowledged: all.
    fn connection(&self, connection: &Connection, mut socket: TcpStream) -> Result<u64> {
        let answers = socket.try_clone().trying(|| "a second handle of a connection".to_owned())?;
        scope(|scope| {
            let reader = scope.spawn(|| self.guard(|| self.read(connection, answers)));
            let written = self.guard(|| self.write(connection, &mut socket));
            join(reader).and(written)
        })?;
        Ok(connection.acknowledged.load(Ordering::Relaxed))
    }

    fn read(&self, connection: &Connection, mut socket: TcpStream) -> Result<()> {
        let (mut buffer, mut answers) = (vec![0; 256 << 10], Answers::new(self.peer));
        let mut acknowledged = 0;
        while acknowledged < connection.all.load(Ordering::Relaxed) && !self.failed.load(Ordering::Relaxed) {
            let count = wire::read(self.peer.name(), &mut socket, &mut buffer)?;
            acknowledged += answers.take(&buffer[..count])?;
            connection.acknowledged.store(acknowledged, Ordering::Relaxed);
        }
        Ok(())
    }

    fn write(&self, connection: &Connection, socket: &mut TcpStream) -> Result<()> {
        let time = Duration::from_secs(self.load.seconds);
        let (mut bytes, mut sent) = (Vec::new(), 0);
        while !self.failed.load(Ordering::Relaxed) {
            if sent + WRITTEN - connection.acknowledged.load(Ordering::Relaxed) > self.in_flight {
                // All together look as often as one alone would: the server has the same processors.
                sleep(Duration::from_micros(100 * connection.connections));
                continue;
            }
            bytes.clear();
            for number in sent..sent + WRITTEN {
                append(self.peer, self.load, number * connection.connections + connection.number, &mut bytes);
            }
            sent += WRITTEN;
            let is_last = self.start.elapsed() >= time;
            if is_last {
                // Said before they are written, so that the reader does not wait for what comes after them.
                connection.all.store(sent, Ordering::Relaxed);
            }
            wire::write(self.peer.name(), socket, &bytes)?;
            if is_last {
                break;
            }
        }
        Ok(())
    }
}

/// Appends one update: key after key of source after source.
fn append(peer: Peer, load: Durable, number: u64, bytes: &mut Vec<u8>) {
    let source = number % u64::from(load.sources);
    let key = format!("key{}", number / u64::from(load.sources) % u64::from(load.keys));
    let value = format!("{}.25", number % 1_000_000);
    let text = if peer == Peer::JetStream {
        let dictionary = format!(r#"{{"{key}": {value}}}"#);
        format!("PUB s.{source} _I.a {}\r\n{dictionary}\r\n", dictionary.len())
    } else {
        let stream = format!("s{source}");
        let [stream_length, key_length, value_length] = [&stream, &key, &value].map(String::len);
        format!(
            "*5\r\n$4\r\nXADD\r\n${stream_length}\r\n{stream}\r\n$1\r\n*\r\n${key_length}\r\n{key}\r\n${value_length}\r\n{value}\r\n"
        )
    };
    bytes.extend_from_slice(text.as_bytes());
}

fn make_stream(socket: &mut TcpStream) -> Result<()> {
    let peer = Peer::JetStream;
    let stream = r#"{"name":"S","subjects":["s.*"],"storage":"file","retention":"limits","max_msgs":-1}"#;
    let request = format!("SUB _I.* 1\r\nPUB $JS.API.STREAM.CREATE.S _I.c {}\r\n{stream}\r\n", stream.len());
    wire::write(peer.name(), socket, request.as_bytes())?;
    let answer = answer(socket)?;
    if answer.contains("\"error\"") {
        return Err(wrong(peer.name(), format!("does not make a stream: {answer}")));
    }
    Ok(())
}

/// The content of the next message from a NATS server.
fn answer(socket: &mut TcpStream) -> Result<String> {
    let peer = Peer::JetStream;
    loop {
        let line = wire::read_line(peer.name(), socket)?;
        if line.starts_with("MSG ") {
            return wire::read_line(peer.name(), socket);
        }
        if line.starts_with("-ERR") {
            return Err(wrong(peer.name(), line));
        }
    }
}

/// Counts acknowledgements in lines, however they are cut.
struct Answers {
    peer: Peer,
    line: Vec<u8>,
}

impl Answers {
    fn new(peer: Peer) -> Self {
        Self { peer, line: Vec::new() }
    }

    /// How many are in what was read.
    fn take(&mut self, bytes: &[u8]) -> Result<u64> {
        let mut count = 0;
        let mut lines = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = lines.next() {
            self.line.extend_from_slice(part);
            if lines.peek().is_some() {
                count += u64::from(self.is_acknowledgement()?);
                self.line.clear();
            }
        }
        Ok(count)
    }

    fn is_acknowledgement(&self) -> Result<bool> {
        // Redis tells an entry's id after its length; JetStream a JSON object after the line of its message.
        let (sign, refusal) =
            if self.peer.is_redis() { (&b"$"[..], &b"-"[..]) } else { (&b"{"[..], &b"-ERR"[..]) };
        let refused = self.line.starts_with(refusal)
            || (!self.peer.is_redis() && self.line.windows(8).any(|part| part == b"\"error\":"));
        if refused {
            let line = String::from_utf8_lossy(&self.line);
            return Err(wrong(self.peer.name(), format!("refused an update: {}", line.trim_end())));
        }
        Ok(self.line.starts_with(sign))
    }
}

/// That a peer holds what it has acknowledged.
fn check_peer(peer: Peer, server: &Server, load: Durable, acknowledged: u64) -> Result<()> {
    let mut socket = server.connect()?;
    wire::greet(peer, &mut socket, "c")?;
    let mut held = 0;
    if peer == Peer::JetStream {
        wire::write(peer.name(), &mut socket, b"SUB _J.* 1\r\nPUB $JS.API.STREAM.INFO.S _J.i 0\r\n\r\n")?;
        let info = answer(&mut socket)?;
        let info: serde_json::Value = serde_json::from_str(&info)
            .map_err(|error| wrong(peer.name(), format!("told {info:?}: {error}")))?;
        held = info["state"]["messages"].as_u64().unwrap_or(0);
    } else {
        for source in 0..load.sources {
            wire::write(peer.name(), &mut socket, format!("XLEN s{source}\r\n").as_bytes())?;
            let line = wire::read_line(peer.name(), &mut socket)?;
            let count = line.strip_prefix(':').and_then(|count| count.parse::<u64>().ok());
            held += count.ok_or_else(|| wrong(peer.name(), format!("answered {line:?} to XLEN")))?;
        }
    }
    if held == acknowledged {
        return Ok(());
    }
    Err(wrong(peer.name(), format!("holds {held} updates of {acknowledged} that it acknowledged")))
}

/// How long it may take until what is acknowledged is read by key.
const READABLE: Duration = Duration::from_secs(2);

/// That a timeline holds what was acknowledged and no more, and gives what a source has by key without delay.
pub(crate) fn check_timeline(path: &Path, load: Durable, acknowledged: f64) -> Result<()> {
    let told = |error: dict_timeline::Error| wrong("logger", format!("{}: {error}", path.display()));
    let reader = Reader::open(path).map_err(told)?;
    let info = reader.info().map_err(told)?;
    let held = info.rows.iter().find(|(kind, _)| *kind == Kind::Change).map_or(0, |(_, rows)| *rows);
    // Each source began with an update that set all its keys, which is not counted as one of the load.
    let expected = acknowledged + f64::from(load.sources) * f64::from(load.keys);
    if held as f64 != expected {
        return Err(wrong("logger", format!("holds {held} changes, and has acknowledged {expected}")));
    }
    let Some(source) = info.sources.iter().find(|source| source.source.starts_with("bench/")) else {
        return Err(wrong("logger", "holds no source of the benchmark"));
    };
    let start = Instant::now();
    let sources = vec![Pattern::Name(source.source.clone())];
    let filter = Filter { sources, kinds: vec![Kind::Change], ..Filter::default() };
    let mut rows = reader.rows(&filter).map_err(told)?;
    let count = rows.try_fold(0_u64, |count, row| row.map(|_| count + 1)).map_err(told)?;
    let took = start.elapsed();
    // Without optimisation that proves nothing.
    if count == 0 || (took > READABLE && !cfg!(debug_assertions)) {
        return Err(wrong("logger", format!("gave {count} changes of a source after {took:.1?}")));
    }
    Ok(())
}
