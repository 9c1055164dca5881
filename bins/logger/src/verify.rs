//! `logger verify`.

use std::io::Write;

use anyhow::{Result, bail};
use dict_cli::Stdout;
use dict_timeline::{Reader, Stage};

use crate::arguments::VerifyArguments;
use crate::progress::Progress;

pub(crate) fn run(VerifyArguments { timeline }: VerifyArguments) -> Result<()> {
    let reader = Reader::open(&timeline.timeline)?;
    let progress = Progress::new();
    let findings = reader.verify(|now| {
        let task = match now.stage {
            Stage::Database => "checking the database",
            Stage::Records => "checking records",
            Stage::Changes => "checking changes",
        };
        progress.show(task, now.done, now.total);
    })?;
    drop(progress);
    let mut out = Stdout::new();
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    if findings.is_empty() {
        writeln!(out, "{}: nothing is wrong", reader.path().display())?;
    }
    out.flush()?;
    match findings.len() {
        0 => Ok(()),
        1 => bail!("{}: 1 thing is wrong", reader.path().display()),
        count => bail!("{}: {count} things are wrong", reader.path().display()),
    }
}
