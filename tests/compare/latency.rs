//! The time from publishing to one's own subscription, one message in flight.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Instant;

use crate::peers::Peer;
use crate::processors::Placement;
use crate::server::{Server, connect};
use crate::trouble::{Result, While, wrong};
use crate::wire::{self, Check, DICTIONARY};

/// The median round trip through a peer, microseconds.
pub(crate) fn peer(peer: Peer, messages: u64, placement: Placement) -> Result<f64> {
    let server = placement.server(|| peer.start(&std::env::temp_dir()))?;
    placement.load(|| through(peer, &server, messages))
}

fn through(peer: Peer, server: &Server, messages: u64) -> Result<f64> {
    let (publication, delivery) = wire::message(peer);
    let mut subscriber = server.connect()?;
    wire::subscribe(peer, &mut subscriber, "r", 'a')?;
    if peer.is_redis() {
        // A subscriber cannot publish. What Redis answers the writer is small and stays unread.
        let mut writer = server.connect()?;
        return median(peer.name(), &mut writer, &mut subscriber, &publication, &delivery, messages);
    }
    let mut writer = subscriber.try_clone().trying(|| "a second handle of a connection".to_owned())?;
    median(peer.name(), &mut writer, &mut subscriber, &publication, &delivery, messages)
}

/// The median round trip to a thread that sends back what it reads, microseconds: what no hub can beat.
pub(crate) fn echo(messages: u64, placement: Placement) -> Result<f64> {
    let what = || "a bare echo".to_owned();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).trying(what)?;
    let port = listener.local_addr().trying(what)?.port();
    let mut writer = connect("a bare echo", port)?;
    let (mut other, _) = listener.accept().trying(what)?;
    other.set_nodelay(true).trying(what)?;
    // It ends when our end is closed.
    placement.server(|| {
        Ok(std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = other.read(&mut buffer) {
                if other.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
        }))
    })?;
    let mut reader = writer.try_clone().trying(what)?;
    let bytes = DICTIONARY.as_bytes();
    placement.load(|| median("a bare echo", &mut writer, &mut reader, bytes, bytes, messages))
}

fn median(
    who: &'static str,
    writer: &mut TcpStream,
    reader: &mut TcpStream,
    publication: &[u8],
    delivery: &[u8],
    messages: u64,
) -> Result<f64> {
    let mut nanoseconds = Vec::with_capacity(messages as usize);
    let mut buffer = vec![0; 64 << 10];
    let mut check = Check::new(who, delivery, buffer.len());
    for number in 0..messages {
        let start = Instant::now();
        wire::write(who, writer, publication)?;
        while check.whole <= number {
            let count = wire::read(who, reader, &mut buffer)?;
            check.take(&buffer[..count])?;
        }
        nanoseconds.push(start.elapsed().as_nanos() as u64);
    }
    nanoseconds.sort_unstable();
    let middle = nanoseconds.get(nanoseconds.len() / 2);
    middle.map(|&middle| middle as f64 / 1e3).ok_or_else(|| wrong(who, "no messages"))
}
