//! Deliveries a second, from writers through a peer to subscribers.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use dictwire_tests::programs::PATIENCE;

use crate::peers::Peer;
use crate::server::connect;
use crate::threads::join;
use crate::trouble::{Result, While, wrong};
use crate::wire::{self, Check, DICTIONARY};

/// Who writes what to how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) writers: u32,
    pub(crate) subscribers: u32,
    /// Of each writer.
    pub(crate) messages: u64,
}

/// Messages of all writers together that may be on their way to a subscriber. The same for peers and ours.
pub(crate) const IN_FLIGHT: u64 = 30_000;
/// Bytes that are written at once.
const WRITTEN: usize = 32 << 10;
/// Bytes that are read at once.
const READ: usize = 256 << 10;

/// What all threads of a run look at.
struct Run {
    who: &'static str,
    /// Writers are told of each message how many have got it.
    has_replies: bool,
    load: Load,
    delivery: Vec<u8>,
    publication: Vec<u8>,
    /// Messages sent by all writers, and those that each subscriber has.
    sent: AtomicU64,
    arrived: Vec<AtomicU64>,
    failed: AtomicBool,
}

/// Deliveries a second through a peer; every byte that arrives is checked.
pub(crate) fn peer(peer: Peer, load: Load) -> Result<f64> {
    let server = peer.start(&std::env::temp_dir())?;
    let (publication, delivery) = wire::message(peer);
    let run = Run::new(peer.name(), peer.is_redis(), load, publication, delivery);
    let mut subscribers = Vec::new();
    for number in 0..load.subscribers {
        let mut socket = server.connect()?;
        wire::subscribe(peer, &mut socket, &format!("s{number}"), 'a')?;
        subscribers.push(socket);
    }
    let mut writers = Vec::new();
    for number in 0..load.writers {
        let mut socket = server.connect()?;
        wire::greet(peer, &mut socket, &format!("w{number}"))?;
        writers.push(socket);
    }
    run.time(writers, subscribers)
}

/// Deliveries a second from one socket to another, without a server: what no hub can exceed.
pub(crate) fn loopback(messages: u64) -> Result<f64> {
    let what = || "a bare connection".to_owned();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).trying(what)?;
    let port = listener.local_addr().trying(what)?.port();
    let writer = connect("the other end", port)?;
    let (subscriber, _) = listener.accept().trying(what)?;
    subscriber.set_read_timeout(Some(PATIENCE)).trying(what)?;
    let load = Load { writers: 1, subscribers: 1, messages };
    let run = Run::new("bare loopback", false, load, DICTIONARY.into(), DICTIONARY.into());
    run.time(vec![writer], vec![subscriber])
}

impl Run {
    fn new(
        who: &'static str,
        has_replies: bool,
        load: Load,
        publication: Vec<u8>,
        delivery: Vec<u8>,
    ) -> Self {
        let arrived = (0..load.subscribers).map(|_| AtomicU64::new(0)).collect();
        let (sent, failed) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { who, has_replies, load, delivery, publication, sent, arrived, failed }
    }

    fn time(&self, writers: Vec<TcpStream>, subscribers: Vec<TcpStream>) -> Result<f64> {
        let ready = Barrier::new(writers.len() + subscribers.len() + 1);
        let seconds = scope(|scope| {
            let ready = &ready;
            let mut threads = Vec::new();
            for (socket, arrived) in subscribers.into_iter().zip(&self.arrived) {
                threads.push(scope.spawn(move || {
                    ready.wait();
                    self.guard(|| self.subscribe(socket, arrived))
                }));
            }
            for socket in writers {
                threads.push(scope.spawn(move || {
                    ready.wait();
                    self.guard(|| self.write(socket))
                }));
            }
            ready.wait();
            let start = Instant::now();
            let outcomes = threads.into_iter().map(join).collect::<Vec<_>>();
            let seconds = start.elapsed().as_secs_f64();
            outcomes.into_iter().collect::<Result<()>>().map(|()| seconds)
        })?;
        let deliveries = self.all() * u64::from(self.load.subscribers);
        Ok(deliveries as f64 / seconds)
    }

    /// Messages of all writers.
    fn all(&self) -> u64 {
        self.load.messages * u64::from(self.load.writers)
    }

    /// Has everybody stop when a part fails.
    fn guard(&self, part: impl FnOnce() -> Result<()>) -> Result<()> {
        part().inspect_err(|_| self.failed.store(true, Ordering::Relaxed))
    }

    fn subscribe(&self, mut socket: TcpStream, arrived: &AtomicU64) -> Result<()> {
        let (mut check, mut buffer) = (Check::new(self.who, &self.delivery, READ), vec![0; READ]);
        while check.whole < self.all() && !self.failed.load(Ordering::Relaxed) {
            let count = wire::read(self.who, &mut socket, &mut buffer)
                .map_err(|trouble| wrong(self.who, format!("after {} messages: {trouble}", check.whole)))?;
            check.take(&buffer[..count])?;
            arrived.store(check.whole, Ordering::Relaxed);
        }
        Ok(())
    }

    fn write(&self, mut socket: TcpStream) -> Result<()> {
        let replies = socket.try_clone().trying(|| "a second handle of a connection".to_owned())?;
        scope(|scope| {
            let drain = self.has_replies.then(|| scope.spawn(|| self.guard(|| self.drain(replies))));
            let written = self.flood(&mut socket);
            drain.map_or(Ok(()), join).and(written)
        })
    }

    fn flood(&self, socket: &mut TcpStream) -> Result<()> {
        let most = (WRITTEN / self.publication.len()) as u64;
        let batch = self.publication.repeat(most as usize);
        let mut left = self.load.messages;
        while left > 0 && !self.failed.load(Ordering::Relaxed) {
            let count = left.min(most);
            if self.in_flight() + count > IN_FLIGHT {
                sleep(Duration::from_micros(50));
                continue;
            }
            self.sent.fetch_add(count, Ordering::Relaxed);
            wire::write(self.who, socket, &batch[..count as usize * self.publication.len()])?;
            left -= count;
        }
        // It stays open until all has arrived.
        while self.slowest() < self.all() && !self.failed.load(Ordering::Relaxed) {
            sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    fn in_flight(&self) -> u64 {
        let slowest = self.slowest();
        self.sent.load(Ordering::Relaxed).saturating_sub(slowest)
    }

    /// The messages that the slowest subscriber has.
    fn slowest(&self) -> u64 {
        self.arrived.iter().map(|arrived| arrived.load(Ordering::Relaxed)).min().unwrap_or(0)
    }

    fn drain(&self, mut socket: TcpStream) -> Result<()> {
        let reply = format!(":{}\r\n", self.load.subscribers);
        let (mut check, mut buffer) = (Check::new(self.who, reply.as_bytes(), READ), vec![0; READ]);
        while check.whole < self.load.messages && !self.failed.load(Ordering::Relaxed) {
            let count = wire::read(self.who, &mut socket, &mut buffer)?;
            check.take(&buffer[..count])?;
        }
        Ok(())
    }
}
