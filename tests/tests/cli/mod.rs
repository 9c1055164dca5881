//! The command lines, as a person or a script meets them: what they print, how they exit, what they say when something
//! is wrong.

mod bench;
mod config;
mod demo;
mod exchange;
mod limits;
mod older;
mod publishing;
mod reading;
mod restarting;
mod retention;
mod spool;
mod trouble;
mod usage;
mod watching;

use std::path::Path;
use std::process::{Output, Stdio};

use dictwire_tests::programs::{Running, command, run, succeed};
use tempfile::TempDir;

/// A logger with a timeline of its own.
struct Lab {
    logger: Running,
    hub: String,
    folder: TempDir,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let timeline = folder.path().join("timeline.db");
        let (logger, hub) =
            Running::listening("logger", &["--listen", "127.0.0.1:0", "--timeline", text(&timeline)]);
        Self { logger, hub, folder }
    }

    /// A path in the lab's folder.
    fn path(&self, name: &str) -> String {
        text(&self.folder.path().join(name)).to_owned()
    }

    fn client_arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        ["--hub", &self.hub].into_iter().chain(arguments.iter().copied()).collect()
    }

    /// Runs dict-client to its end.
    fn try_client(&self, arguments: &[&str]) -> Output {
        run("dict-client", &self.client_arguments(arguments))
    }

    /// Runs dict-client to its end, which has to be success, and returns what it printed.
    fn client(&self, arguments: &[&str]) -> String {
        succeed("dict-client", &self.client_arguments(arguments))
    }

    /// Runs dict-client with an input.
    fn feed(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = command("dict-client");
        command.args(self.client_arguments(arguments));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        std::io::Write::write_all(&mut stdin, input.as_bytes()).expect("the program reads its input");
        drop(stdin);
        child.wait_with_output().expect("it is our child")
    }

    /// Starts dict-client.
    fn start(&self, arguments: &[&str]) -> Running {
        let mut command = command("dict-client");
        command.args(self.client_arguments(arguments));
        Running::start(command)
    }

    /// Runs a command of logger that reads this timeline; the command stands first.
    fn timeline(&self, arguments: &[&str]) -> String {
        let (subcommand, rest) = arguments.split_first().expect("a command stands first");
        let path = self.path("timeline.db");
        let arguments: Vec<&str> =
            [*subcommand, "--timeline", &path].into_iter().chain(rest.iter().copied()).collect();
        succeed("logger", &arguments)
    }

    /// Ends the logger, which has to be orderly.
    fn stop(&mut self) {
        self.logger.signal("INT");
        assert!(self.logger.wait().success());
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// That a program ended with `code`, printed nothing, and told why in one line that holds `told`.
fn fails(output: &Output, code: i32, told: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains(told), "{error:?} does not tell {told:?}");
}
