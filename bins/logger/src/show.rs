//! `logger show`.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Result;
use dict_cli::{RowTable, Stdout, Stop};
use dict_timeline::export::csv::CsvWriter;
use dict_timeline::export::json;
use dict_timeline::{Filter, Kind, Reader, Row};

use crate::arguments::{RowFormat, ShowArguments};

/// Rows that a terminal gets if no other limit was asked for.
const SCREENFULS: u64 = 100;
/// Rows whose columns are aligned with each other.
const ALIGNED: usize = 1_000;
/// How often a followed timeline is asked for more.
const POLL: Duration = Duration::from_millis(100);

pub(crate) fn run(ShowArguments { timeline, filter, follow, format }: ShowArguments) -> Result<()> {
    let reader = Reader::open(&timeline.timeline)?;
    let filter = filter.into_filter(Stdout::is_terminal().then_some(SCREENFULS));
    let mut out = RowWriter::new(Stdout::new(), format, &filter.kinds)?;
    let mut rows = reader.rows(&filter)?;
    for row in rows.by_ref() {
        out.write(&row?)?;
    }
    out.flush()?;
    if !follow {
        return Ok(());
    }
    let stop = Stop::on_interrupt()?;
    let mut following = reader.follow(&Filter { after: Some(rows.end()), ..filter })?;
    loop {
        let rows = following.poll()?;
        if rows.is_empty() && stop.within(POLL) {
            return Ok(());
        }
        for row in rows {
            out.write(&row)?;
        }
        out.flush()?;
    }
}

/// Writes rows in one of the formats.
pub(crate) enum RowWriter<W: Write> {
    Table { table: RowTable, gathered: usize, out: W },
    Csv(Box<CsvWriter<W>>),
    Jsonl { line: String, out: W },
}

impl<W: Write> RowWriter<W> {
    /// A writer of rows of `kinds`, or of all kinds if that is empty.
    pub(crate) fn new(out: W, format: RowFormat, kinds: &[Kind]) -> io::Result<Self> {
        Ok(match format {
            RowFormat::Table => Self::Table { table: RowTable::new(true), gathered: 0, out },
            RowFormat::Csv => Self::Csv(Box::new(CsvWriter::new(out, kinds)?)),
            RowFormat::Jsonl => Self::Jsonl { line: String::new(), out },
        })
    }

    pub(crate) fn write(&mut self, row: &Row) -> io::Result<()> {
        match self {
            Self::Table { table, gathered, out } => {
                table.add(row);
                *gathered += 1;
                if *gathered == ALIGNED {
                    *gathered = 0;
                    table.write(out)?;
                }
                Ok(())
            }
            Self::Csv(writer) => writer.write(row),
            Self::Jsonl { line, out } => {
                line.clear();
                json::write_row(row, line);
                line.push('\n');
                out.write_all(line.as_bytes())
            }
        }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Table { table, out, .. } => {
                table.write(out)?;
                out.flush()
            }
            Self::Csv(writer) => writer.flush(),
            Self::Jsonl { out, .. } => out.flush(),
        }
    }
}
