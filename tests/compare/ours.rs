//! Dictwire's own programs on the same work: `dict-client bench` loads a hub or a logger.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use dictwire_tests::programs;
use serde_json::Value;

use crate::durable::{self, Durable};
use crate::idle::{self, REST};
use crate::processors::Placement;
use crate::server::Server;
use crate::throughput::{self, Load};
use crate::trouble::{Result, Trouble, While, wrong};

const CLIENT: &str = "dict-client bench";
/// How long a load may take besides the time that it is to last.
const LONGEST: Duration = Duration::from_secs(120);

/// Deliveries a second through a hub, as patches or as whole dictionaries of which the writer finds what changed.
pub(crate) fn throughput(load: Load, whole: bool) -> Result<f64> {
    let hub = hub(&[])?;
    let Load { writers, subscribers, messages } = load;
    let in_flight = throughput::IN_FLIGHT;
    let mut arguments = format!(
        "throughput --writers {writers} --subscribers {subscribers} --messages {messages} --in-flight {in_flight}"
    );
    if whole {
        arguments.push_str(" --whole");
    }
    let result = bench(&hub, &arguments, LONGEST)?;
    match number(&result, "lost")? {
        0.0 => number(&result, "deliveries_per_second"),
        lost => Err(wrong(CLIENT, format!("{lost} deliveries were lost"))),
    }
}

/// The median round trip through a hub, microseconds.
pub(crate) fn latency(messages: u64, threaded: bool, placement: Placement) -> Result<f64> {
    let hub = placement.server(|| hub(&[]))?;
    let threaded = if threaded { " --threaded" } else { "" };
    let arguments = format!("latency --messages {messages}{threaded}");
    let result = placement.load(|| bench(&hub, &arguments, LONGEST))?;
    number(&result, "p50_us")
}

/// Updates a second that a logger has on disk in `place`.
pub(crate) fn durable(load: Durable, place: &Path) -> Result<f64> {
    let logger = Server::start("logger", place, |port, folder| {
        let mut command = programs::command("logger");
        command.arg("--timeline").arg(folder.join("timeline.db"));
        command.args(["--listen", &address(port)]);
        Ok(command)
    })?;
    let Durable { sources, keys, seconds } = load;
    let in_flight = durable::IN_FLIGHT;
    let arguments =
        format!("durable --sources {sources} --keys {keys} --seconds {seconds} --in-flight {in_flight}");
    let result = bench(&logger, &arguments, Duration::from_secs(seconds) + LONGEST)?;
    durable::check_timeline(&logger.folder().join("timeline.db"), load, number(&result, "acknowledged")?)?;
    number(&result, "acknowledged_per_second")
}

/// KiB for each of so many connections of a hub.
pub(crate) fn idle(connections: u32) -> Result<f64> {
    idle::only_on_linux()?;
    let most = connections + 100;
    let hub =
        hub(&["--limit", &format!("connections={most}"), "--limit", &format!("address_connections={most}")])?;
    sleep(REST);
    let before = (hub.resident_kib()?, hub.descriptors()?);
    // It would hold them for much longer, and is ended when they have been looked at.
    let mut client = Client::start(&hub, &format!("idle --connections {connections} --hold 600"))?;
    let (started, all) = (Instant::now(), before.1 + connections as usize);
    while hub.descriptors()? < all && !client.has_ended()? && started.elapsed() < LONGEST {
        sleep(Duration::from_millis(50));
    }
    sleep(REST);
    if client.has_ended()? {
        let printed = client.result(LONGEST)?;
        return Err(wrong(CLIENT, format!("ended early: {printed}")));
    }
    let (after, held) = (hub.resident_kib()?, hub.descriptors()?);
    if held < all {
        return Err(wrong(CLIENT, format!("holds {} of {connections} connections", held - before.1)));
    }
    Ok(idle::each(before.0, after, connections))
}

/// A hub.
pub(crate) fn hub(arguments: &[&str]) -> Result<Server> {
    Server::start("dict-server", &std::env::temp_dir(), |port, _| {
        let mut command = programs::command("dict-server");
        command.args(["--listen", &address(port)]).args(arguments);
        Ok(command)
    })
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn bench(server: &Server, arguments: &str, longest: Duration) -> Result<Value> {
    Client::start(server, arguments)?.result(longest)
}

/// A `dict-client bench` that runs; ended when it is dropped.
struct Client(Child);

impl Client {
    fn start(server: &Server, arguments: &str) -> Result<Self> {
        let mut command = programs::command("dict-client");
        command.args(["--hub", &address(server.port()), "bench", "--format", "json"]);
        command.args(arguments.split_whitespace());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        child.map(Self).trying(|| format!("starting {CLIENT}"))
    }

    fn has_ended(&mut self) -> Result<bool> {
        Ok(self.0.try_wait().trying(|| format!("looking after {CLIENT}"))?.is_some())
    }

    /// The object that it prints at its end, which fits in a pipe.
    fn result(mut self, longest: Duration) -> Result<Value> {
        let started = Instant::now();
        while !self.has_ended()? {
            if started.elapsed() > longest {
                return Err(wrong(CLIENT, format!("has not ended within {longest:?}")));
            }
            sleep(Duration::from_millis(10));
        }
        let (mut out, mut errors) = (String::new(), String::new());
        if let (Some(stdout), Some(stderr)) = (&mut self.0.stdout, &mut self.0.stderr) {
            let read = stdout.read_to_string(&mut out).and_then(|_| stderr.read_to_string(&mut errors));
            read.trying(|| format!("reading what {CLIENT} prints"))?;
        }
        let status = self.0.wait().trying(|| format!("looking after {CLIENT}"))?;
        if !status.success() {
            return Err(wrong(CLIENT, format!("{status}: {}", errors.trim())));
        }
        serde_json::from_str(&out).map_err(|error| wrong(CLIENT, format!("printed {out:?}: {error}")))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Nobody is left to be told if it has gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn number(result: &Value, name: &str) -> Result<f64> {
    let number = result.get(name).and_then(Value::as_f64);
    number.ok_or_else(|| Trouble::Wrong { who: CLIENT.into(), what: format!("told no {name}: {result}") })
}
