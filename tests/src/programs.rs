//! Dictwire's own programs as processes.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long anything may take that has to come at all; generous, since it only bounds a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where the program `name` is. The first call builds all of them: a test package cannot name another's programs to cargo.
///
/// # Panics
///
/// If they do not build.
pub fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args([
            "build",
            "--quiet",
            "--locked",
            "-p",
            "dict-server",
            "-p",
            "dict-client",
            "-p",
            "logger",
        ]);
        build.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "the programs do not build");
        // TARGET/debug/deps/integration-0123: the programs of a test are two up, those of a program one.
        let this = std::env::current_exe().expect("it knows where it is");
        let folder = this.parent().expect("it is in a folder");
        let folder = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
        folder.expect("it is in a folder of the target folder").to_owned()
    });
    folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Whether a tool is missing, which `probe` runs, so that what needs it is left out; an error where all is to be checked.
///
/// # Panics
///
/// If it is missing and the environment's `DICTWIRE_REQUIRE_TOOLS` says that none may be.
pub fn is_missing(tool: &str, probe: &mut Command) -> bool {
    let found =
        probe.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    assert!(found || std::env::var_os("DICTWIRE_REQUIRE_TOOLS").is_none(), "there is no {tool}");
    if !found {
        eprintln!("left out, since there is no {tool}");
    }
    !found
}

/// A command that runs the program `name`, undisturbed by the environment of whoever runs the tests.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(program(name));
    command.env_remove("DICTWIRE_HUB").env_remove("DICTWIRE_TIMELINE").env_remove("DICTWIRE_LOG");
    command.stdin(Stdio::null());
    command
}

/// Runs a program to its end.
///
/// # Panics
///
/// If it cannot be started.
pub fn run(name: &str, arguments: &[&str]) -> Output {
    command(name).args(arguments).output().expect("the program starts")
}

/// Runs a program to its end, which has to be success, and returns what it printed.
///
/// # Panics
///
/// If it fails.
pub fn succeed(name: &str, arguments: &[&str]) -> String {
    let output = run(name, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments:?}: {}: {error}", output.status);
    String::from_utf8(output.stdout).expect("programs print UTF-8")
}

/// A program that runs; killed when it is dropped.
pub struct Running {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts a program, its standard output kept for [`Running::line`].
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let stdout = child.stdout.take().map(BufReader::new);
        Self { child, stdout }
    }

    /// A server or logger, and the address that it says it listens on.
    ///
    /// # Panics
    ///
    /// If it does not start to listen.
    pub fn listening(name: &str, arguments: &[&str]) -> (Self, String) {
        let mut command = command(name);
        command.args(arguments);
        let mut running = Self::start(command);
        let address = running.listens_on();
        (running, address)
    }

    /// The address that its next line says it listens on.
    ///
    /// # Panics
    ///
    /// If it says something else.
    pub fn listens_on(&mut self) -> String {
        let line = self.line();
        line.strip_prefix("listening on ").unwrap_or_else(|| panic!("it printed {line:?}")).to_owned()
    }

    /// The next line that it prints; empty at the end of its output.
    ///
    /// # Panics
    ///
    /// If its output is not UTF-8.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        let stdout = self.stdout.as_mut().expect("the output was not taken");
        stdout.read_line(&mut line).expect("programs print UTF-8");
        line.trim_end().to_owned()
    }

    /// Everything else that it prints.
    ///
    /// # Panics
    ///
    /// If its output is not UTF-8.
    pub fn rest(&mut self) -> String {
        let mut rest = String::new();
        let stdout = self.stdout.as_mut().expect("the output was not taken");
        stdout.read_to_string(&mut rest).expect("programs print UTF-8");
        rest
    }

    /// Closes our end of its standard output.
    pub fn close_output(&mut self) {
        self.stdout = None;
    }

    /// Its standard output, for somebody else to read.
    ///
    /// # Panics
    ///
    /// If it was taken before.
    pub fn take_output(&mut self) -> BufReader<ChildStdout> {
        self.stdout.take().expect("the output was not taken")
    }

    /// Its standard input, which the command must have piped.
    ///
    /// # Panics
    ///
    /// If it was not, or was taken before.
    pub fn take_stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("standard input is piped")
    }

    /// Its standard error, which the command must have piped.
    ///
    /// # Panics
    ///
    /// If it was not, or was taken before.
    pub fn take_stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("standard error is piped")
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, by name.
    ///
    /// # Panics
    ///
    /// If there is no `kill`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Ends it by force, at once, and waits until it is gone.
    ///
    /// # Panics
    ///
    /// If it is not ours to end.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    ///
    /// If it is not our child.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is our child")
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Resident memory, KiB (Linux).
    ///
    /// # Panics
    ///
    /// Where there is no `/proc`.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("Linux has it");
        let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("Linux has it");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
    }

    /// Open descriptors (Linux).
    ///
    /// # Panics
    ///
    /// Where there is no `/proc`.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).expect("Linux has it").count()
    }

    /// Processor time used so far (Linux).
    ///
    /// # Panics
    ///
    /// Where there is no `/proc`.
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("Linux has it");
        // The name, in brackets, may hold anything; the 14th and 15th field are hundredths of a second.
        let (_, fields) = stat.rsplit_once(')').expect("Linux has it");
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
