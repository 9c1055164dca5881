//! Everything that strangers can do, at once, beside ordinary clients: rows 15, 17 to 20 and 22.
//!
//! The ordinary clients are measured alone and under attack in turn, several times, so that what else happens on the
//! machine falls on both alike. The attack comes from a process of its own, which leaves the processors to the others
//! where it can: it stands for other machines. It ends by itself, after a number of seconds and of tries.

use std::io::Read as _;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use dict_event_loop::client::{Client, Mode, RequestOptions, WatchEvent, WatchOptions};
use dict_protocol::limits::Limits;
use dict_protocol::pattern::Pattern;
use dict_protocol::value::Value;

use super::hostile::{Addresses, Port, Shot, Target, comet_request, comms, received};
use super::{Miss, Setting, bombs, browser, children, ensure, lengths, poison, slow};
use crate::programs::{PATIENCE, Running, is_missing};

/// Ordinary clients.
const CLIENTS: usize = 20;

/// Updates a second of each.
const RATE: u32 = 50;

/// Every so many updates it asks another one.
const ASKS: u32 = 5;

/// Connections that say little, in an attack.
const SLOW: usize = 1_000;

/// Descriptors of the hub while it is attacked: fewer than those connections.
const DESCRIPTORS: usize = 600;

/// Tries of one kind in an attack, at most, and how long it rests between two.
const TRIES: usize = 20_000;
const REST: Duration = Duration::from_millis(20);

pub(super) fn run(setting: &Setting) -> Result<String, Miss> {
    if is_missing("prlimit", Command::new("prlimit").arg("--version")) {
        return Err(Miss::LeftOut("there is no prlimit".to_owned()));
    }
    let (rounds, seconds) = (setting.times(4, 1), setting.form(10, 2));
    let target = Target::start(&[]);
    let limited = Command::new("prlimit")
        .args([format!("--nofile={DESCRIPTORS}"), format!("--pid={}", target.service.running.id())])
        .status();
    ensure(limited.is_ok_and(|status| status.success()), || "prlimit does not limit".to_owned())?;
    let lab = Lab::start(&target)?;
    // What is slow only once is over before it counts.
    lab.work(Duration::from_secs(1))?;
    let (mut alone, mut beside) = (Samples::default(), Samples::default());
    let mut tries = 0;
    let mut most = 0;
    for _ in 0..rounds {
        alone.add(lab.work(Duration::from_secs(seconds))?);
        let mut attack = Attack::start(setting, &target.addresses, seconds)?;
        beside.add(lab.work(Duration::from_secs(seconds))?);
        most = most.max(target.service.running.descriptors());
        tries += attack.finish()?;
    }
    lab.finish()?;
    let mut told = format!(
        "{CLIENTS} clients, {rounds} times {seconds} s alone and under attack ({tries} connections, up to {most} \
         descriptors of {DESCRIPTORS}): no error;"
    );
    for (what, alone, beside) in [
        ("updates", &mut alone.updates, &mut beside.updates),
        ("requests", &mut alone.requests, &mut beside.requests),
    ] {
        let (before, after) = (p99(alone), p99(beside));
        let ratio = after.as_secs_f64() / before.as_secs_f64();
        let (before, after) = (before.as_secs_f64() * 1e3, after.as_secs_f64() * 1e3);
        let figure =
            format!(" {what}: p99 {before:.2} ms alone, {after:.2} ms under attack, {ratio:.2} times;");
        ensure(setting.short || ratio <= 1.2, || format!("{told}{figure}"))?;
        told += &figure;
    }
    Ok(told.trim_end_matches(';').to_owned())
}

/// How long things took.
#[derive(Default)]
struct Samples {
    updates: Vec<Duration>,
    requests: Vec<Duration>,
}

impl Samples {
    fn add(&mut self, mut other: Self) {
        self.updates.append(&mut other.updates);
        self.requests.append(&mut other.requests);
    }
}

fn p99(samples: &mut [Duration]) -> Duration {
    samples.sort_unstable();
    samples.get(samples.len() * 99 / 100).copied().unwrap_or_default()
}

/// The ordinary clients: each writes a source, watches the one before it, and asks the one after it.
struct Lab {
    clients: Vec<Ordinary>,
    shared: Arc<Shared>,
}

struct Shared {
    begun: Instant,
    /// What is measured is kept.
    measuring: AtomicBool,
    stop: AtomicBool,
    samples: Mutex<Samples>,
    updates: AtomicU64,
    /// What an ordinary client should not see.
    errors: Mutex<Vec<String>>,
    closed: AtomicUsize,
}

impl Shared {
    fn error(&self, error: String) {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).push(error);
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn keep(&self, add: impl FnOnce(&mut Samples)) {
        if self.measuring.load(Ordering::Acquire) {
            add(&mut self.samples.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

struct Ordinary {
    client: Arc<Client>,
    threads: Vec<JoinHandle<()>>,
}

impl Lab {
    fn start(target: &Target) -> Result<Self, Miss> {
        let shared = Arc::new(Shared {
            begun: Instant::now(),
            measuring: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            samples: Mutex::default(),
            updates: AtomicU64::new(0),
            errors: Mutex::default(),
            closed: AtomicUsize::new(0),
        });
        let clients = (0..CLIENTS).map(|number| Ordinary::start(target, number, &shared));
        let mut clients = clients.collect::<Result<Vec<_>, Miss>>()?;
        for (number, client) in clients.iter_mut().enumerate() {
            client.begin(number, &shared)?;
        }
        Ok(Self { clients, shared })
    }

    /// Lets them work for so long; what was measured, if none of them saw an error.
    fn work(&self, long: Duration) -> Result<Samples, Miss> {
        let before = self.shared.updates.load(Ordering::Acquire);
        self.shared.measuring.store(true, Ordering::Release);
        sleep(long);
        self.shared.measuring.store(false, Ordering::Release);
        let errors = self.shared.errors.lock().unwrap_or_else(PoisonError::into_inner);
        ensure(errors.is_empty(), || format!("{} errors, the first: {}", errors.len(), errors[0]))?;
        let closed = self.shared.closed.load(Ordering::Acquire);
        ensure(closed == 0, || format!("{closed} connections of ordinary clients were lost"))?;
        let seen = self.shared.updates.load(Ordering::Acquire) - before;
        ensure(seen > 0, || "no update came".to_owned())?;
        Ok(std::mem::take(&mut *self.shared.samples.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn finish(self) -> Result<(), Miss> {
        self.shared.stop.store(true, Ordering::Release);
        for ordinary in self.clients {
            for thread in ordinary.threads {
                ensure(thread.join().is_ok(), || "an ordinary client panicked".to_owned())?;
            }
            drop(ordinary.client);
        }
        let errors = self.shared.errors.lock().unwrap_or_else(PoisonError::into_inner);
        ensure(errors.is_empty(), || format!("at the end: {}", errors[0]))
    }
}

fn name(number: usize) -> String {
    format!("ordinary{}", number % CLIENTS)
}

impl Ordinary {
    fn start(target: &Target, number: usize, shared: &Arc<Shared>) -> Result<Self, Miss> {
        let closes = shared.clone();
        let on_close = move |_: &str| {
            if !closes.stopped() {
                closes.closed.fetch_add(1, Ordering::AcqRel);
            }
        };
        let client = Client::builder().name(name(number)).on_close(on_close).connect_timeout(PATIENCE);
        let client = client.connect(target.addresses.of(Port::Native)).map_err(|error| error.to_string())?;
        let answer = |asked: &dict_event_loop::client::Asked| Ok(asked.value.clone());
        client.handle(&format!("echo{number}"), answer).map_err(|error| error.to_string())?;
        client.ping(PATIENCE).map_err(|error| error.to_string())?;
        Ok(Self { client: Arc::new(client), threads: Vec::new() })
    }

    /// Begins to work, when all are there.
    fn begin(&mut self, number: usize, shared: &Arc<Shared>) -> Result<(), Miss> {
        let (client, before) = (self.client.clone(), name(number + CLIENTS - 1));
        let options = WatchOptions { mode: Mode::Every, ..WatchOptions::default() };
        let watch = client.watch(Pattern::Name(before), options).map_err(|error| error.to_string())?;
        let watching = shared.clone();
        self.threads.push(std::thread::spawn(move || {
            while !watching.stopped() {
                match watch.next(Duration::from_millis(100)) {
                    // Nothing is set by an end.
                    Ok(Some(WatchEvent::Update(update))) if !update.set.is_empty() => {
                        watching.saw(update.set.get("at"));
                    }
                    Ok(Some(WatchEvent::Missed { source, .. })) => {
                        watching.error(format!("updates of {source} were missed"));
                    }
                    Ok(_) => {}
                    Err(error) => return watching.error(error.to_string()),
                }
            }
        }));
        let writer = client.writer(&name(number), received()).map_err(|error| error.to_string())?;
        writer.wait_announced(PATIENCE).map_err(|error| error.to_string())?;
        let writing = shared.clone();
        self.threads.push(std::thread::spawn(move || {
            let options = RequestOptions { timeout: PATIENCE, ..RequestOptions::default() };
            let action = format!("echo{}", (number + 1) % CLIENTS);
            // Not all at the same moment.
            let first = Instant::now() + Duration::from_millis(number as u64);
            for count in 0_u32.. {
                let due = first + Duration::from_secs(1) * count / RATE;
                sleep(due.saturating_duration_since(Instant::now()));
                if writing.stopped() {
                    return;
                }
                let at = writing.begun.elapsed().as_nanos() as i64;
                if let Err(error) = writer.set("at", at) {
                    return writing.error(error.to_string());
                }
                if count % ASKS == 0 {
                    let asked = Instant::now();
                    match client.request(&action, Value::from(at), &options) {
                        Ok(_) => writing.keep(|samples| samples.requests.push(asked.elapsed())),
                        Err(error) => return writing.error(error.to_string()),
                    }
                }
            }
        }));
        Ok(())
    }
}

impl Shared {
    /// An update came that was written at that time.
    fn saw(&self, at: Option<&Value>) {
        let Some(at) = at.and_then(Value::as_i64) else {
            return self.error("an update without its time".into());
        };
        let took = self.begun.elapsed().saturating_sub(Duration::from_nanos(at.unsigned_abs()));
        self.updates.fetch_add(1, Ordering::AcqRel);
        self.keep(|samples| samples.updates.push(took));
    }
}

/// The process that attacks.
struct Attack {
    running: Running,
}

impl Attack {
    fn start(setting: &Setting, addresses: &Addresses, seconds: u64) -> Result<Self, Miss> {
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(&setting.program).args(["child", "attack", &seconds.to_string()]);
        command.args(&addresses.0).stdin(Stdio::piped());
        let mut running = Running::start(command);
        ensure(running.line() == "attacking", || "the attack does not begin".to_owned())?;
        Ok(Self { running })
    }

    /// Waits for its end; how many connections it made.
    fn finish(&mut self) -> Result<u64, Miss> {
        let line = self.running.line();
        let count = line.strip_prefix("tried ").and_then(|count| count.parse().ok());
        self.running.wait();
        count.ok_or_else(|| format!("the attack says {line:?}").into())
    }
}

/// What the process that attacks does, for so many seconds.
pub(super) fn attack(seconds: u64, addresses: &[String]) {
    let addresses: [String; 6] = addresses.to_vec().try_into().expect("an address for each port");
    let addresses = Addresses(addresses);
    let until = Instant::now() + Duration::from_secs(seconds);
    // Whoever started it may be gone.
    let gone = children::when_input_ends();
    let tried = AtomicU64::new(0);
    let kinds = [lengths::shots(&Limits::default()), bombs::shots(), browser::shots(), poisons()];
    children::say("attacking");
    let goes_on = || Instant::now() < until && !gone.load(Ordering::Acquire);
    std::thread::scope(|scope| {
        for shots in &kinds {
            let (addresses, tried, goes_on) = (&addresses, &tried, &goes_on);
            scope.spawn(move || {
                for shot in shots.iter().cycle().take(TRIES).take_while(|_| goes_on()) {
                    fire(shot, addresses);
                    tried.fetch_add(1, Ordering::Relaxed);
                    sleep(REST);
                }
            });
        }
        scope.spawn(|| {
            while goes_on() {
                let mut crowd = Vec::new();
                while crowd.len() < SLOW && goes_on() {
                    crowd.extend(slow::crowd(&addresses, 10));
                    sleep(REST);
                }
                tried.fetch_add(crowd.len() as u64, Ordering::Relaxed);
                // Until all of them are too slow; what has no descriptor waits in the system's queue.
                let next = Instant::now() + Duration::from_secs(8);
                while goes_on() && Instant::now() < next {
                    sleep(Duration::from_millis(100));
                }
            }
        });
    });
    children::say(&format!("tried {}", tried.load(Ordering::Relaxed)));
}

/// Sends it, and reads a little of what comes.
fn fire(shot: &Shot, addresses: &Addresses) {
    let mut stream: TcpStream = shot.send(addresses);
    let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
    let _ = stream.read(&mut [0; 1_024]);
}

/// What programs stumble over, where it can be sent without a greeting.
fn poisons() -> Vec<Shot> {
    use super::hostile::Fate::Ended;

    let mut shots = Vec::new();
    for (what, json) in poison::texts_of_json() {
        shots.push(Shot::new(what, Port::Comms, comms(Port::Comms, json), Ended));
        shots.push(Shot::new(what, Port::Comet, comet_request(json), Ended));
        shots.push(Shot::new(what, Port::PingPong, json.to_vec(), Ended));
        shots.push(Shot::new(what, Port::PyTcp, poison::framed(json), Ended));
    }
    shots.extend(poison::native_shots());
    shots
}
