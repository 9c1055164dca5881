//! `logger verify`.

use std::io::Write;

use anyhow::{Result, bail};
use dict_cli::Stdout;
use dict_timeline::{Finding, Kind, Reader, Stage};

use crate::arguments::VerifyArguments;
use crate::progress::Progress;

pub(crate) fn run(VerifyArguments { timeline }: VerifyArguments) -> Result<()> {
    let reader = Reader::open(&timeline.timeline)?;
    let findings = check(&reader, &Progress::new())?;
    let mut out = Stdout::new();
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    let path = reader.path().display();
    if findings.is_empty() {
        let info = reader.info()?;
        if info.pruned > 0 {
            writeln!(out, "rows up to {} were removed with the files that they stood in", info.pruned)?;
        }
        match info.rows.iter().find(|(kind, _)| *kind == Kind::Gap).map_or(0, |(_, count)| *count) {
            0 => {}
            1 => writeln!(out, "1 gap is recorded: see `logger show --kind gap`")?,
            gaps => writeln!(out, "{gaps} gaps are recorded: see `logger show --kind gap`")?,
        }
        writeln!(out, "{path}: nothing is wrong")?;
    }
    out.flush()?;
    match findings.len() {
        0 => Ok(()),
        1 => bail!("{path}: 1 thing is wrong"),
        count => bail!("{path}: {count} things are wrong"),
    }
}

/// What is wrong with a timeline.
pub(crate) fn check(reader: &Reader, progress: &Progress) -> Result<Vec<Finding>> {
    Ok(reader.verify(|now| {
        let task = match now.stage {
            Stage::Database => "checking the database",
            Stage::Records => "checking records",
            Stage::Changes => "checking changes",
        };
        progress.show(task, now.done, now.total);
    })?)
}
