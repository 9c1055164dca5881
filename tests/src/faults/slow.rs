//! Row 18: connections that say a byte a second.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::hostile::{Addresses, Port, Target, claim, comet, connect, has_ended, hello};
use super::{Miss, Setting, ensure};
use crate::programs::PATIENCE;

/// How the connections of one dialect are kept waiting.
const KINDS: [(Port, usize); 3] = [(Port::Native, 1_000), (Port::Comet, 500), (Port::Comms, 500)];

/// Beyond the deadline, for timers, the step of a second and a busy machine.
const LEEWAY: Duration = Duration::from_secs(1);

pub(super) fn run(setting: &Setting) -> Result<String, Miss> {
    let (deadline, step, share) = setting.form(
        (Duration::from_secs(5), Duration::from_secs(1), 1),
        (Duration::from_millis(500), Duration::from_millis(100), 10),
    );
    let milliseconds = deadline.as_millis();
    let [greeting, unfinished] = ["greeting", "unfinished"].map(|limit| format!("{limit}={milliseconds}ms"));
    let target = Target::start(&["--limit", &greeting, "--limit", &unfinished]);
    let service = &target.service.running;
    target.client("witness")?.ping(PATIENCE).map_err(|error| error.to_string())?;
    let (memory, descriptors) = (service.resident_kib(), service.descriptors());

    let mut slow: Vec<Slow> = Vec::new();
    for (port, count) in KINDS {
        slow.extend((0..count / share).map(|_| Slow::new(&target.addresses, port)));
    }
    let begun = Instant::now();
    let mut good = Duration::ZERO;
    let mut largest = memory;
    let mut longest = Duration::ZERO;
    let count = slow.len();
    while !slow.is_empty() {
        ensure(begun.elapsed() < PATIENCE, || {
            format!("{} are there still: {}", slow.len(), slow[0].port_name())
        })?;
        let next = Instant::now() + step;
        slow.iter_mut().for_each(Slow::say);
        let (started, number) = (Instant::now(), slow.len());
        let client = target.client("good")?;
        client.ping(PATIENCE).map_err(|error| format!("beside {number}: {error}"))?;
        good = good.max(started.elapsed());
        largest = largest.max(service.resident_kib());
        drop(client);
        // In small steps, so that the end of each is seen when it comes.
        while Instant::now() < next {
            let mut outlived = None;
            slow.retain_mut(|slow| {
                let ended = has_ended(&mut slow.stream);
                let lasted = slow.begun.elapsed();
                longest = longest.max(lasted);
                if lasted > deadline + LEEWAY {
                    outlived = Some(lasted);
                }
                !ended
            });
            if let Some(lasted) = outlived {
                setting.within("a slow connection", lasted, deadline + LEEWAY)?;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    setting.within("serving a good client", good, Duration::from_secs(1))?;
    super::systems::wait_until("their descriptors are freed", || service.descriptors() <= descriptors)?;
    Ok(format!(
        "{count} connections, a byte each every {step:?}: the last was gone {:.2} s after it was made; a good client was \
         served within {:.0} ms meanwhile; the hub took {} KiB more, {:.1} for each",
        longest.as_secs_f64(),
        good.as_secs_f64() * 1e3,
        largest - memory,
        (largest - memory) as f64 / count as f64
    ))
}

/// A connection that says little.
struct Slow {
    port: Port,
    stream: TcpStream,
    begun: Instant,
    /// What it has left to say, which is never all.
    bytes: Vec<u8>,
}

impl Slow {
    fn new(addresses: &Addresses, port: Port) -> Self {
        let bytes = said(port);
        Self { port, stream: connect(addresses.of(port)), begun: Instant::now(), bytes }
    }

    fn say(&mut self) {
        if self.bytes.len() > 1 {
            // It may be over.
            let _ = self.stream.write_all(&self.bytes[..1]);
            self.bytes.remove(0);
        }
    }

    fn port_name(&self) -> String {
        format!("{:?}", self.port)
    }
}

fn said(port: Port) -> Vec<u8> {
    match port {
        Port::Native => hello("slow"),
        Port::Comet => comet(1_000, b"{"),
        // Its first message never ends.
        _ => [&1_000_u32.to_le_bytes()[..], &b"[".repeat(1_000)].concat(),
    }
}

/// Connections of every dialect that have said a little, for an attack.
pub(super) fn crowd(addresses: &Addresses, count: usize) -> Vec<TcpStream> {
    let ports = [Port::Native, Port::Native, Port::Comet, Port::Comms];
    let mut slow: Vec<TcpStream> = Vec::with_capacity(count);
    for port in ports.into_iter().cycle().take(count) {
        let mut stream = connect(addresses.of(port));
        let bytes =
            if port == Port::Native { claim(dict_protocol::frame::Kind::Hello, 1_000) } else { said(port) };
        let _ = stream.write_all(&bytes[..6]);
        slow.push(stream);
    }
    slow
}
