//! `dict-client respond`.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use dict_cli::{Stdout, Stop, value_text};
use dict_event_loop::client::Asked;
use dict_protocol::value::Value;

use crate::PATIENCE;
use crate::arguments::{ConnectionArguments, RespondArguments};
use crate::exec::Program;
use crate::text::argument;

/// Where answers come from.
enum Answers {
    Always(Value),
    Program(Program),
}

pub(crate) fn run(connection: ConnectionArguments, arguments: RespondArguments) -> Result<()> {
    let RespondArguments { action, with, exec } = arguments;
    let depth = connection.limits()?.depth;
    let answers = match exec {
        Some(command) => Answers::Program(Program::new(command, depth)?),
        None => Answers::Always(with.map_or(Ok(Value::Null), |text| argument(&text, depth))?),
    };
    let stop = Stop::on_interrupt()?;
    let client = connection.connect()?;
    let unheard = stop.clone();
    client.handle(&action, move |asked| {
        let answer = match &answers {
            Answers::Always(value) => Ok(value.clone()),
            Answers::Program(program) => program.run(&asked.value, asked.deadline),
        };
        if print(asked, &answer).is_err() {
            unheard.ask();
        }
        answer
    })?;
    // The hub has the handler when it answers this.
    client.ping(PATIENCE)?;
    let mut out = Stdout::new();
    writeln!(out, "answering {action:?} as {}", client.name())?;
    out.flush()?;
    while !stop.within(Duration::from_secs(3_600)) {}
    client.close(PATIENCE);
    Ok(())
}

/// Tells of a request that was answered.
fn print(Asked { action, value, from, .. }: &Asked, answer: &Result<Value, String>) -> std::io::Result<()> {
    let mut out = Stdout::new();
    let value = value_text(value);
    match answer {
        Ok(answer) => writeln!(out, "{from}: {action} {value} -> {}", value_text(answer))?,
        Err(error) => writeln!(out, "{from}: {action} {value} failed: {}", error.escape_debug())?,
    }
    out.flush()
}
