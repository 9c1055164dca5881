//! What is on the wire of each peer.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::peers::Peer;
use crate::trouble::{Result, Trouble, While, wrong};

/// Five keys, 62 bytes.
pub(crate) const DICTIONARY: &str = r#"{"A1": 3, "A2": 0, "A4": 4, "Stop": 0, "T": 1763706612.123456}"#;

/// The bytes of one publication, and of one delivery of it.
pub(crate) fn message(peer: Peer) -> (Vec<u8>, Vec<u8>) {
    let length = DICTIONARY.len();
    match peer {
        Peer::Nats | Peer::JetStream => (
            format!("PUB a {length}\r\n{DICTIONARY}\r\n").into(),
            format!("MSG a 1 {length}\r\n{DICTIONARY}\r\n").into(),
        ),
        Peer::Redis | Peer::RedisAlways | Peer::RedisEverysec => (
            format!("*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n${length}\r\n{DICTIONARY}\r\n").into(),
            format!("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n${length}\r\n{DICTIONARY}\r\n").into(),
        ),
        Peer::Mosquitto => {
            // Lengths below 128 are one byte.
            let mut packet = vec![0x30, (3 + length) as u8, 0, 1, b'a'];
            packet.extend_from_slice(DICTIONARY.as_bytes());
            (packet.clone(), packet)
        }
    }
}

/// What a client says first, and hears.
pub(crate) fn greet(peer: Peer, socket: &mut TcpStream, client: &str) -> Result<()> {
    match peer {
        Peer::Nats | Peer::JetStream => {
            read_line(peer.name(), socket)?;
            write(peer.name(), socket, b"CONNECT {\"verbose\":false}\r\n")
        }
        Peer::Mosquitto => {
            let length = client.len() as u8;
            let mut packet = vec![0x10, 12 + length, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, length];
            packet.extend_from_slice(client.as_bytes());
            write(peer.name(), socket, &packet)?;
            expect(peer.name(), socket, &[0x20, 2, 0, 0])
        }
        Peer::Redis | Peer::RedisAlways | Peer::RedisEverysec => Ok(()),
    }
}

/// Greets and subscribes to `topic`, one letter.
pub(crate) fn subscribe(peer: Peer, socket: &mut TcpStream, client: &str, topic: char) -> Result<()> {
    greet(peer, socket, client)?;
    match peer {
        Peer::Nats | Peer::JetStream => {
            write(peer.name(), socket, format!("SUB {topic} 1\r\nPING\r\n").as_bytes())?;
            expect(peer.name(), socket, b"PONG\r\n")
        }
        Peer::Redis | Peer::RedisAlways | Peer::RedisEverysec => {
            write(peer.name(), socket, format!("SUBSCRIBE {topic}\r\n").as_bytes())?;
            let answer = format!("*3\r\n$9\r\nsubscribe\r\n$1\r\n{topic}\r\n:1\r\n");
            expect(peer.name(), socket, answer.as_bytes())
        }
        Peer::Mosquitto => {
            write(peer.name(), socket, &[0x82, 6, 0, 1, 0, 1, topic as u8, 0])?;
            expect(peer.name(), socket, &[0x90, 3, 0, 1, 0])
        }
    }
}

pub(crate) fn write(who: &str, socket: &mut TcpStream, bytes: &[u8]) -> Result<()> {
    socket.write_all(bytes).trying(|| format!("writing to {who}"))
}

pub(crate) fn read(who: &str, socket: &mut TcpStream, buffer: &mut [u8]) -> Result<usize> {
    match socket.read(buffer).trying(|| format!("reading from {who}"))? {
        0 => Err(wrong(who, "closed the connection")),
        count => Ok(count),
    }
}

/// Reads a line, without its end.
pub(crate) fn read_line(who: &str, socket: &mut TcpStream) -> Result<String> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while byte[0] != b'\n' {
        read(who, socket, &mut byte)?;
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn expect(who: &str, socket: &mut TcpStream, expected: &[u8]) -> Result<()> {
    let mut answer = vec![0; expected.len()];
    socket.read_exact(&mut answer).trying(|| format!("reading from {who}"))?;
    if answer == expected {
        return Ok(());
    }
    let (answer, expected) = (String::from_utf8_lossy(&answer), String::from_utf8_lossy(expected));
    Err(wrong(who, format!("answered {answer:?} instead of {expected:?}")))
}

/// Looks whether a stream is one delivery after another, byte for byte, however it is cut.
pub(crate) struct Check {
    who: &'static str,
    length: usize,
    /// Deliveries in a row, more than is read at once.
    expected: Vec<u8>,
    /// Bytes of the current delivery that have come.
    at: usize,
    /// Bytes of a NATS server's PING that are still to come.
    ping: usize,
    /// Deliveries that have come whole.
    pub(crate) whole: u64,
}

const PING: &[u8] = b"PING\r\n";

impl Check {
    /// Of a stream that is read by `most` bytes at once.
    pub(crate) fn new(who: &'static str, delivery: &[u8], most: usize) -> Self {
        let expected = delivery.repeat(most / delivery.len() + 2);
        Self { who, length: delivery.len(), expected, at: 0, ping: 0, whole: 0 }
    }

    /// Takes what was read.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            if self.ping == 0 && self.at == 0 && bytes[0] == PING[0] && self.expected[0] != PING[0] {
                self.ping = PING.len();
            }
            if self.ping > 0 {
                let count = self.ping.min(bytes.len());
                let from = PING.len() - self.ping;
                if bytes[..count] != PING[from..from + count] {
                    return Err(self.wrong());
                }
                self.ping -= count;
                bytes = &bytes[count..];
                continue;
            }
            let expected = &self.expected[self.at..][..bytes.len()];
            let same = if bytes == expected {
                bytes.len()
            } else {
                bytes.iter().zip(expected).take_while(|(came, expected)| came == expected).count()
            };
            let end = self.at + same;
            if same < bytes.len() && (same == 0 || !end.is_multiple_of(self.length)) {
                return Err(self.wrong());
            }
            self.whole += (end / self.length) as u64;
            self.at = end % self.length;
            bytes = &bytes[same..];
        }
        Ok(())
    }

    fn wrong(&self) -> Trouble {
        wrong(self.who, format!("what came after {} messages is not what was sent", self.whole))
    }
}
