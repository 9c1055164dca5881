//! How a program begins and ends.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::diagnostics;
use crate::stdout;

/// The command line asks for what cannot be: exit 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Reads the command line as `A` and runs `program` with it.
///
/// | exit code | when |
/// |---|---|
/// | 0 | it went well, help or the version was asked for, or whoever read the output has closed it |
/// | 1 | it failed |
/// | 2 | the command line is wrong: it cannot be read as `A`, or the error holds a [`UsageError`] |
///
/// An error is one line on standard error, which begins with `name`; where only a command is missing, it is the help.
pub fn run<A: Parser>(name: &str, program: impl FnOnce(A) -> anyhow::Result<()>) -> ExitCode {
    let arguments = match A::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // The help is all that there is to say, and it is no line.
            eprint!("{}", error.render());
            return ExitCode::from(2);
        }
        Err(error) if error.use_stderr() => return fail(name, &usage_line(&error), 2),
        Err(help) => {
            // Help that nobody reads is no failure.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    match diagnostics::start().and_then(|()| program(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if stdout::is_closed() => ExitCode::SUCCESS,
        Err(error) => {
            let code = if error.downcast_ref::<UsageError>().is_some() { 2 } else { 1 };
            fail(name, &line(error.as_ref()), code)
        }
    }
}

// Standard error is where an error goes, whatever became of standard output.
fn fail(name: &str, line: &str, code: u8) -> ExitCode {
    eprintln!("{name}: {line}");
    ExitCode::from(code)
}

/// An error and its causes in one line. A cause that the text before it already tells is not repeated.
fn line(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    in_one_line(&line)
}

/// What is wrong with the command line, without the usage that the help shows anyway.
fn usage_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let told = text.split("\n\n").filter(|part| !part.starts_with("Usage:") && !part.starts_with("For more"));
    let told = told.map(in_one_line).collect::<Vec<_>>().join("; ");
    format!("{} (see --help)", told.strip_prefix("error: ").unwrap_or(&told))
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[derive(Debug, Parser)]
    struct Arguments {
        #[arg(long)]
        since: Option<u8>,
        source: String,
    }

    #[test]
    fn an_error_is_one_line_with_its_causes_told_once() {
        let cause = std::io::Error::other("disk\n on fire");
        let told =
            anyhow::Error::new(cause).context("cannot write x: disk\n on fire").context("cannot export");
        assert_eq!(line(told.as_ref()), "cannot export: cannot write x: disk on fire");
        let error = Err::<(), _>(UsageError("bad".to_owned())).context("outer").unwrap_err();
        assert!(error.downcast_ref::<UsageError>().is_some());
    }

    #[test]
    fn wrong_usage_is_one_line() {
        let line = |arguments: &[&str]| usage_line(&Arguments::try_parse_from(arguments).unwrap_err());
        assert_eq!(
            line(&["program"]),
            "the following required arguments were not provided: <SOURCE> (see --help)"
        );
        assert_eq!(
            line(&["program", "a", "--sinc", "1"]),
            "unexpected argument '--sinc' found; tip: a similar argument exists: '--since' (see --help)"
        );
        assert_eq!(
            line(&["program", "a", "--since", "x"]),
            "invalid value 'x' for '--since <SINCE>': invalid digit found in string (see --help)"
        );
    }
}
