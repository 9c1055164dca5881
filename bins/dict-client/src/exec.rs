//! Programs that answer requests.

use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use dict_cli::{TOKEN_VARIABLE, UsageError};
use dict_protocol::encoding::json::JsonError;
use dict_protocol::encoding::tagged;
use dict_protocol::value::Value;

use crate::text::{to_json, value_or_text};

/// What an answer may have at most: no message takes more.
const LONGEST: u64 = 1 << 20;
/// How often a program that closed its output is looked at for its end.
const POLL: Duration = Duration::from_millis(5);

/// A program and its arguments.
pub(crate) struct Program {
    name: String,
    arguments: Vec<String>,
    /// How deep an answer may nest.
    depth: usize,
}

impl Program {
    /// A command as words; a single one is divided at spaces, unless they are quoted.
    pub(crate) fn new(mut command: Vec<String>, depth: usize) -> Result<Self> {
        if let [whole] = &*command {
            let divided = shlex::split(whole).filter(|words| !words.is_empty());
            command = divided.ok_or_else(|| UsageError(format!("--exec {whole:?} names no program")))?;
        }
        let name = command.remove(0);
        Ok(Self { name, arguments: command, depth })
    }

    /// Runs it with `value` as JSON on its standard input, until `deadline` at most. What it writes is the answer. It gets
    /// this program's environment but for the token.
    pub(crate) fn run(&self, value: &Value, deadline: Instant) -> Result<Value, String> {
        let mut child = Command::new(&self.name)
            .args(&self.arguments)
            // Whom this program acts as is none of its business.
            .env_remove(TOKEN_VARIABLE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot run {}: {error}", self.name))?;
        feed(&mut child, value);
        let output = collect(&mut child);
        let ended = self.wait(&mut child, &output, deadline);
        if ended.is_err() {
            // It may have ended by itself meanwhile; either way it leaves no zombie.
            let _ = child.kill().and_then(|()| child.wait());
        }
        let (status, output) = ended?;
        if !status.success() {
            return Err(format!("{} failed: {status}", self.name));
        }
        let text = String::from_utf8(output)
            .map_err(|_| format!("{} wrote something that is not text", self.name))?;
        answer(text.trim_end_matches(['\r', '\n']), self.depth)
            .map_err(|error| format!("the answer of {} cannot be sent: {error}", self.name))
    }

    fn wait(
        &self,
        child: &mut Child,
        output: &Receiver<io::Result<Vec<u8>>>,
        deadline: Instant,
    ) -> Result<(ExitStatus, Vec<u8>), String> {
        let late = || format!("{} was killed: it gave no answer in time", self.name);
        let left = deadline.saturating_duration_since(Instant::now());
        let output = match output.recv_timeout(left) {
            Ok(output) => output.map_err(|error| format!("cannot read from {}: {error}", self.name))?,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Err(late()),
        };
        if output.len() as u64 > LONGEST {
            return Err(format!("{} wrote more than {LONGEST} bytes", self.name));
        }
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok((status, output)),
                Ok(None) if Instant::now() >= deadline => return Err(late()),
                Ok(None) => thread::sleep(POLL),
                Err(error) => return Err(format!("cannot wait for {}: {error}", self.name)),
            }
        }
    }
}

/// Writes the value, on a thread of its own: a program may well answer before it has read all, or read nothing.
fn feed(child: &mut Child, value: &Value) {
    let Some(mut stdin) = child.stdin.take() else { return };
    let mut text = to_json(value);
    text.push('\n');
    thread::spawn(move || drop(stdin.write_all(text.as_bytes())));
}

/// Reads what it writes, on a thread of its own that ends with the last who holds its output.
fn collect(child: &mut Child) -> Receiver<io::Result<Vec<u8>>> {
    let (collected, output) = channel();
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.take(LONGEST + 1).read_to_end(&mut bytes);
            // Nobody listens any more when it was too late.
            let _ = collected.send(read.map(|_| bytes));
        });
    }
    output
}

/// JSON as the program got it, in the `$` form; else what a person would mean.
fn answer(text: &str, depth: usize) -> Result<Value, JsonError> {
    tagged::read(text, depth).or_else(|_| value_or_text(text, depth))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn run(command: &[&str], value: impl Into<Value>) -> Result<Value, String> {
        let command = command.iter().map(|&word| word.to_owned()).collect();
        Program::new(command, 2)
            .expect("it names a program")
            .run(&value.into(), Instant::now() + Duration::from_secs(30))
    }

    #[test]
    fn what_a_program_writes_is_the_answer() {
        assert_eq!(run(&["cat"], f64::NAN), Ok(Value::from(f64::NAN)));
        assert_eq!(run(&["cat"], vec![0_u8, 255]), Ok(Value::from(vec![0_u8, 255])));
        assert_eq!(run(&["echo two  words"], 1), Ok("two words".into()));
        assert_eq!(run(&["echo", "two  words"], 1), Ok("two  words".into()));
        assert_eq!(run(&["echo 'two  words' $HOME"], 1), Ok("two  words $HOME".into()));
        assert_eq!(run(&["echo"], 1), Ok("".into()));
    }

    #[test]
    fn one_that_fails_is_an_error() {
        assert!(run(&["false"], 1).unwrap_err().contains("exit status: 1"));
        assert!(run(&["/no/such/program"], 1).unwrap_err().contains("cannot run"));
        assert!(run(&["cat /dev/zero"], 1).unwrap_err().contains("more than"));
        assert!(run(&["echo [[[1]]]"], 1).unwrap_err().contains("(limit depth)"));
        assert!(Program::new(vec![" ".to_owned()], 2).is_err());
        assert!(Program::new(vec!["'unfinished".to_owned()], 2).is_err());
    }

    #[test]
    fn one_that_is_too_slow_is_killed() {
        let program = Program::new(vec!["sleep 60".to_owned()], 2).unwrap();
        let start = Instant::now();
        let killed = program.run(&Value::Null, start + Duration::from_millis(50));
        assert!(killed.unwrap_err().contains("killed"));
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
