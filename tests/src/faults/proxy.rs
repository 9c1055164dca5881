//! What stands between two programs, and passes bytes on in some manner.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use dict_protocol::decoder::Decoder;
use dict_protocol::limits::Limits;
use dict_protocol::packet::{Ack, Packet};

/// Which bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Those of the one that connected.
    There,
    /// Those of the one that was connected to.
    Back,
}

/// How a connection is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Everything is passed on as it comes.
    Whole,
    /// One byte a read and a write.
    Trickle,
    /// It ends when so many bytes have gone this way.
    Cut(Way, u64),
    /// What a writer says is acknowledged to it before anybody has committed it.
    Hasty,
}

/// A listener, each of whose connections leads to another address.
pub struct Proxy {
    /// Where it listens.
    pub address: String,
    shared: Arc<Shared>,
}

struct Shared {
    target: String,
    usual: Manner,
    /// How the next connections are treated; after them, as usual.
    next: Mutex<VecDeque<Manner>>,
    streams: Mutex<Vec<TcpStream>>,
    passed: [AtomicU64; 2],
    cuts: AtomicU64,
    silent: AtomicBool,
    ended: AtomicBool,
}

impl Proxy {
    /// Starts to listen, for connections to `target` that are treated as `usual`.
    ///
    /// # Panics
    ///
    /// If the system has no ports left.
    pub fn start(target: &str, usual: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
        let address = listener.local_addr().expect("it is bound").to_string();
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            usual,
            next: Mutex::default(),
            streams: Mutex::default(),
            passed: Default::default(),
            cuts: AtomicU64::new(0),
            silent: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let serving = shared.clone();
        std::thread::spawn(move || serving.serve(&listener));
        Self { address, shared }
    }

    /// Says how the next connection is to be treated, of which nothing was said yet.
    pub fn next(&self, manner: Manner) {
        lock(&self.shared.next).push_back(manner);
    }

    /// How many were cut so far.
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::Acquire)
    }

    /// Bytes that went this way, of all connections.
    pub fn passed(&self, way: Way) -> u64 {
        self.shared.passed[way as usize].load(Ordering::Relaxed)
    }

    /// From now on nothing is passed on, and no end is told.
    pub fn fall_silent(&self) {
        self.shared.silent.store(true, Ordering::Release);
    }

    /// Ends all connections.
    pub fn cut(&self) {
        for stream in lock(&self.shared.streams).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.cut();
        // Wakes the listener, which then ends.
        let _ = TcpStream::connect(&self.address);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The last update that a writer has sent of each source, by its number.
type Said = Arc<Mutex<BTreeMap<u32, u64>>>;

/// One way of a connection that is [`Manner::Hasty`].
struct Tap {
    way: Way,
    decoder: Decoder,
    said: Said,
}

impl Tap {
    fn new(way: Way, said: &Said) -> Self {
        Self { way, decoder: Decoder::new(Limits::default().body), said: said.clone() }
    }

    /// What is passed on in place of `bytes`: whole frames, and behind those of the hub acknowledgements of all that was
    /// sent to it.
    fn change(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        while let Ok(Some(frame)) = self.decoder.decode(&mut bytes) {
            let packet = Packet::parse(&frame).expect("our programs speak the protocol");
            if let (Way::There, Packet::Update(update)) = (self.way, &packet) {
                lock(&self.said).insert(update.source, update.sequence);
            }
            packet.encode(&mut out);
        }
        if self.way == Way::Back && !out.is_empty() {
            for (&source, &sequence) in lock(&self.said).iter() {
                Packet::Ack(Ack { source, sequence }).encode(&mut out);
            }
        }
        out
    }
}

impl Shared {
    fn serve(self: Arc<Self>, listener: &TcpListener) {
        for here in listener.incoming() {
            if self.ended.load(Ordering::Acquire) {
                return;
            }
            let (Ok(here), Ok(there)) = (here, TcpStream::connect(&self.target)) else { continue };
            let manner = lock(&self.next).pop_front().unwrap_or(self.usual);
            let said = Arc::new(Mutex::default());
            for (way, from, to) in [(Way::There, &here, &there), (Way::Back, &there, &here)] {
                let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
                let shared = self.clone();
                let tap = (manner == Manner::Hasty).then(|| Tap::new(way, &said));
                std::thread::spawn(move || shared.pass(way, manner, tap, from, to));
            }
            lock(&self.streams).extend([here, there]);
        }
    }

    fn pass(&self, way: Way, manner: Manner, mut tap: Option<Tap>, mut from: TcpStream, mut to: TcpStream) {
        let _ = to.set_nodelay(true);
        let mut left = match manner {
            Manner::Cut(cut, after) if cut == way => after,
            _ => u64::MAX,
        };
        let mut buffer = vec![0; if manner == Manner::Trickle { 1 } else { 1 << 16 }];
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let length = from.read(&mut buffer[..most]).unwrap_or(0);
            while self.silent.load(Ordering::Acquire) {
                if self.ended.load(Ordering::Acquire) {
                    return;
                }
                sleep(Duration::from_millis(5));
            }
            let changed = tap.as_mut().map(|tap| tap.change(&buffer[..length]));
            let bytes = changed.as_deref().unwrap_or(&buffer[..length]);
            if length == 0 || to.write_all(bytes).is_err() {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            left -= length as u64;
            self.passed[way as usize].fetch_add(length as u64, Ordering::Relaxed);
            if manner == Manner::Trickle {
                // So that it is likely read before the next one comes.
                std::thread::yield_now();
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
        self.cuts.fetch_add(1, Ordering::Release);
    }
}
