//! A logger as a process, with gateways, and what its timeline holds.

use std::fs::OpenOptions;
use std::net::TcpListener;
use std::process::Output;
use std::time::{Duration, Instant};

use dict_event_loop::client::Client;
use dict_protocol::encoding::tagged;
use dict_protocol::value::{Dictionary, Value};
use dictwire_tests::programs::{PATIENCE, Running, command, run, succeed};
use tempfile::TempDir;

/// A logger with a timeline of its own. What it tells on standard error is shown when the test fails.
pub(crate) struct Logger {
    running: Running,
    /// Where it listens natively.
    pub(crate) hub: String,
    /// The ports on which its gateways listen, in the order of their links.
    pub(crate) ports: Vec<u16>,
    arguments: Vec<String>,
    /// What its gateways print before `://`.
    schemes: Vec<String>,
    folder: TempDir,
}

impl Logger {
    /// Starts one that has gateways at some links and is connected to programs at others.
    pub(crate) fn new(listen: &[&str], connect: &[&str]) -> Self {
        let links = listen.iter().flat_map(|link| ["--listen", link]);
        let links = links.chain(connect.iter().flat_map(|link| ["--connect", link]));
        let schemes: Vec<&str> = listen.iter().map(|link| link.split_once("://").unwrap().0).collect();
        Self::with(&links.collect::<Vec<_>>(), &schemes)
    }

    /// Starts one with what a file says, in which there are listeners of these schemes.
    pub(crate) fn configured(file: &str, schemes: &[&str]) -> Self {
        Self::with(&["--config", file], schemes)
    }

    fn with(arguments: &[&str], schemes: &[&str]) -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let (arguments, schemes): (Vec<_>, Vec<_>) = (owned(arguments), owned(schemes));
        let folder = tempfile::tempdir().unwrap();
        let (running, hub, ports) = begin(&folder, &arguments, &schemes);
        Self { running, hub, ports, arguments, schemes, folder }
    }

    /// One that is connected to a program on this machine.
    pub(crate) fn connected(scheme: &str, port: u16, options: &str) -> Self {
        Self::new(&[], &[&format!("{scheme}://127.0.0.1:{port}?{options}")])
    }

    /// Starts it again after its end, with the same timeline.
    pub(crate) fn again(&mut self) {
        (self.running, self.hub, self.ports) = begin(&self.folder, &self.arguments, &self.schemes);
    }

    /// Ends it by force, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.running.signal("KILL");
        self.running.wait();
    }

    /// Ends it, which has to be orderly, and leaves a timeline in which nothing is wrong.
    pub(crate) fn stop(&mut self) {
        self.running.signal("TERM");
        assert!(self.running.wait().success(), "{}", self.told());
        succeed("logger", &["verify", "--timeline", &self.path("timeline.db")]);
    }

    /// A path in its folder.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// A native client of it.
    pub(crate) fn client(&self, name: &str) -> Client {
        Client::builder().name(name).connect(&*self.hub).unwrap()
    }

    /// Starts dict-client.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut command = command("dict-client");
        command.args(["--hub", &self.hub]).args(arguments);
        Running::start(command)
    }

    /// Runs dict-client to its end.
    pub(crate) fn try_run(&self, arguments: &[&str]) -> Output {
        run("dict-client", &[&["--hub", &self.hub], arguments].concat())
    }

    /// Runs dict-client to its end, which has to be success, and returns what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        succeed("dict-client", &[&["--hub", &self.hub], arguments].concat())
    }

    /// What it has told on standard error.
    pub(crate) fn told(&self) -> String {
        std::fs::read_to_string(self.path("told")).unwrap()
    }

    /// Waits until it has told something.
    #[track_caller]
    pub(crate) fn wait_until_told(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.told().contains(text) {
            assert!(Instant::now() < deadline, "{text:?} is not told");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the hub knows a client by this name.
    #[track_caller]
    pub(crate) fn wait_for_client(&self, name: &str) {
        self.wait_for_clients(name, true);
    }

    /// Waits until the hub knows no client by this name.
    #[track_caller]
    pub(crate) fn wait_until_gone(&self, name: &str) {
        self.wait_for_clients(name, false);
    }

    #[track_caller]
    fn wait_for_clients(&self, name: &str, there: bool) {
        let deadline = Instant::now() + PATIENCE;
        let is_it = |line: &str| line.split_whitespace().next() == Some(name);
        while self.run(&["clients"]).lines().any(is_it) != there {
            assert!(Instant::now() < deadline, "{name} has not come, or not gone");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The rows of its timeline, those that a filter such as `--kind message` leaves.
    pub(crate) fn rows(&self, filter: &[&str]) -> Vec<Dictionary> {
        let timeline = self.path("timeline.db");
        let export = ["export", "--timeline", &timeline, "--output", "-", "--format", "jsonl"];
        let lines = succeed("logger", &[&export, filter].concat());
        let rows = lines.lines().map(|line| tagged::read(line, 128).unwrap());
        rows.map(|row| row.as_dictionary().unwrap().clone()).collect()
    }

    /// Waits until the timeline holds so many rows of a kind; it must not hold more.
    #[track_caller]
    pub(crate) fn wait_for_rows(&self, kind: &str, count: usize) -> Vec<Dictionary> {
        self.wait_for(&["--kind", kind], |rows| rows.len() >= count, |rows| assert_eq!(rows.len(), count))
    }

    /// What the source was, update by update, when it has had so many states; it must not have had more.
    #[track_caller]
    pub(crate) fn wait_for_states(&self, source: &str, count: usize) -> Vec<Dictionary> {
        let filter = ["--kind", "change", "--source", source];
        let rows = self.wait_for(&filter, |rows| states(rows).len() >= count, |_| {});
        let states = states(&rows);
        assert_eq!(states.len(), count);
        states
    }

    #[track_caller]
    fn wait_for(
        &self,
        filter: &[&str],
        condition: impl Fn(&[Dictionary]) -> bool,
        check: impl Fn(&[Dictionary]),
    ) -> Vec<Dictionary> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let rows = self.rows(filter);
            if condition(&rows) {
                check(&rows);
                return rows;
            }
            assert!(Instant::now() < deadline, "there are {} rows of {filter:?}: {rows:?}", rows.len());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the logger told:\n{}", self.told());
        }
    }
}

fn begin(folder: &TempDir, arguments: &[String], schemes: &[String]) -> (Running, String, Vec<u16>) {
    let told = OpenOptions::new().create(true).append(true).open(folder.path().join("told"));
    let mut command = command("logger");
    command.arg("--timeline").arg(folder.path().join("timeline.db")).args(["--listen", "127.0.0.1:0"]);
    command.args(arguments).stderr(told.unwrap());
    let mut running = Running::start(command);
    let hub = running.listens_on();
    let ports = schemes.iter().map(|scheme| {
        let address = running.listens_on();
        let port = address.strip_prefix(&format!("{scheme}://127.0.0.1:")).map(str::parse);
        port.unwrap_or_else(|| panic!("it listens on {address}")).unwrap()
    });
    let ports = ports.collect();
    (running, hub, ports)
}

/// The dictionaries that a source was, update by update. Each epoch begins with what its first update states.
pub(crate) fn states(changes: &[Dictionary]) -> Vec<Dictionary> {
    let mut states = Vec::new();
    let mut state = Dictionary::new();
    let place = |row: &Dictionary| (row["epoch"].clone(), row["sequence"].clone());
    for (number, row) in changes.iter().enumerate() {
        let before = number.checked_sub(1).map(|before| &changes[before]);
        if before.is_some_and(|before| before["epoch"] != row["epoch"]) {
            state.clear();
        }
        let key = row["key"].as_str().unwrap();
        match row.get("value") {
            Some(value) => state.insert(key, value.clone()),
            None => state.remove(key),
        };
        if changes.get(number + 1).is_none_or(|next| place(next) != place(row)) {
            states.push(state.clone());
        }
    }
    states
}

/// Dictionaries of a journal.
pub(crate) fn dictionaries(journal: Vec<Value>) -> Vec<Dictionary> {
    journal.into_iter().map(|value| value.as_dictionary().unwrap().clone()).collect()
}

/// What stands under `key` in each row.
pub(crate) fn column(rows: &[Dictionary], key: &str) -> Vec<Value> {
    rows.iter().map(|row| row.get(key).cloned().unwrap_or_default()).collect()
}

/// A port of this machine that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
