//! What a trace of a logger's system calls says about acknowledgements.

use std::collections::HashMap;

use dict_protocol::decoder::Decoder;
use dict_protocol::limits::Limits;
use dict_protocol::packet::Packet;

use super::oracle::Entry;

/// What strace is to record for [`check`].
pub(super) const OPTIONS: [&str; 4] =
    ["-s", "200000", "-e", "trace=write,writev,sendto,sendmsg,pwrite64,pwritev,fsync,fdatasync"];

/// What was seen of a run in which nothing was acknowledged too early.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) acknowledgements: usize,
    pub(super) syncs: usize,
}

/// A call as strace prints it: when it begins, when it ends, or both in one line.
struct Line<'a> {
    thread: &'a str,
    name: &'a str,
    /// What stands in the brackets, if it begins here.
    arguments: Option<&'a str>,
    /// What stands after the last `=`, if it ends here.
    result: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (thread, rest) = line.split_once(' ')?;
        let (_, rest) = rest.trim_start().split_once(' ')?;
        let result = rest.rsplit_once(") = ").map(|(_, result)| result);
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let (name, _) = resumed.split_once(' ')?;
            return Some(Self { thread, name, arguments: None, result });
        }
        let (name, arguments) = rest.split_once('(')?;
        Some(Self { thread, name, arguments: Some(arguments), result })
    }
}

/// Sees to it that each Ack on a socket covers only what was in the log when a sync of it began that was completed before.
///
/// # Errors
///
/// The first that does not.
pub(super) fn check(trace: &str) -> Result<Seen, String> {
    check_from(trace, &[])
}

/// The same of a logger whose log held updates already, which it has to sync as well.
///
/// # Errors
///
/// As [`check`].
pub(super) fn check_from(trace: &str, held: &[Entry]) -> Result<Seen, String> {
    let mut checker = Checker::default();
    for entry in held {
        if let Entry::Update { source, sequence, .. } = entry {
            let known = checker.written.entry(source.clone()).or_insert(0);
            *known = (*known).max(*sequence);
        }
    }
    trace.lines().filter_map(Line::parse).try_for_each(|line| checker.see(&line))?;
    Ok(checker.seen)
}

/// The newest update of each source.
type Newest = HashMap<String, u64>;

#[derive(Default)]
struct Checker {
    written: Newest,
    synced: Newest,
    /// What was written when a sync began that a thread waits for.
    syncing: HashMap<String, Newest>,
    sockets: HashMap<String, Socket>,
    seen: Seen,
}

struct Socket {
    decoder: Decoder,
    /// Names of sources by the hub's numbers.
    sources: HashMap<u32, String>,
}

impl Checker {
    fn see(&mut self, line: &Line<'_>) -> Result<(), String> {
        match line.name {
            "fsync" | "fdatasync" => {
                self.sync(line);
                Ok(())
            }
            _ => match line.arguments {
                Some(arguments) => self.write(arguments),
                None => Ok(()),
            },
        }
    }

    fn sync(&mut self, line: &Line<'_>) {
        if line.arguments.is_some_and(|arguments| arguments.contains("-wal>")) {
            self.syncing.insert(line.thread.to_owned(), self.written.clone());
        }
        if let Some(result) = line.result
            && let Some(written) = self.syncing.remove(line.thread)
            // One that strace has only pretended to make says so.
            && result.trim() == "0"
        {
            self.synced = written;
            self.seen.syncs += 1;
        }
    }

    fn write(&mut self, arguments: &str) -> Result<(), String> {
        let Some((descriptor, rest)) = arguments.split_once(", ") else { return Ok(()) };
        if descriptor.ends_with("-wal>") {
            note_updates(rest, &mut self.written);
        } else if descriptor.contains("<TCP") {
            return self.send(descriptor, &unescape(rest));
        }
        Ok(())
    }

    fn send(&mut self, descriptor: &str, mut bytes: &[u8]) -> Result<(), String> {
        let socket = self.sockets.entry(descriptor.to_owned()).or_insert_with(|| Socket {
            decoder: Decoder::new(Limits::default().body),
            sources: HashMap::new(),
        });
        while let Some(frame) = socket.decoder.decode(&mut bytes).map_err(|error| error.to_string())? {
            match Packet::parse(&frame).map_err(|error| error.to_string())? {
                Packet::Announced(announced) => {
                    socket.sources.insert(announced.id, announced.source.to_owned());
                }
                Packet::Ack(ack) => {
                    let source = socket.sources.get(&ack.source).ok_or("an Ack of an unknown source")?;
                    let synced = self.synced.get(source).copied().unwrap_or(0);
                    if ack.sequence > synced {
                        let sequence = ack.sequence;
                        return Err(format!(
                            "{source}: {sequence} was acknowledged when the log was synced up to {synced}"
                        ));
                    }
                    self.seen.acknowledgements += 1;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Finds what updates of the fault tests set, as `12 of bench1/psu `, in what is written. strace leaves such text as it is.
fn note_updates(text: &str, newest: &mut Newest) {
    for (place, of) in text.match_indices(" of bench") {
        let before = &text[..place];
        let digits = before.len() - before.bytes().rev().take_while(u8::is_ascii_digit).count();
        let Ok(mut number) = before[digits..].parse::<u64>() else { continue };
        // An escape of a byte ends in digits too: `\0` before a digit has three of them.
        if before[..digits].ends_with('\\') {
            number = before[digits..].get(3..).and_then(|rest| rest.parse().ok()).unwrap_or(0);
        }
        let Some((source, _)) = text[place + of.len() - "bench".len()..].split_once(' ') else { continue };
        let known = newest.entry(source.to_owned()).or_insert(0);
        *known = number.max(*known);
    }
}

/// The bytes of the first string that strace prints.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes().skip_while(|&byte| byte != b'"').skip(1).peekable();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => match bytes.next() {
                Some(first @ b'0'..=b'7') => {
                    let mut value = u32::from(first - b'0');
                    for _ in 0..2 {
                        let Some(digit) = bytes.next_if(|byte| (b'0'..=b'7').contains(byte)) else { break };
                        value = value * 8 + u32::from(digit - b'0');
                    }
                    out.push(value as u8);
                }
                Some(b'n') => out.push(b'\n'),
                Some(b't') => out.push(b'\t'),
                Some(b'r') => out.push(b'\r'),
                Some(b'v') => out.push(0x0B),
                Some(b'f') => out.push(0x0C),
                Some(other) => out.push(other),
                None => {}
            },
            _ => out.push(byte),
        }
    }
    out
}
