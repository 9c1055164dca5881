//! `logger info`.

use std::io::Write;

use anyhow::Result;
use dict_cli::{Column, Stdout, Table, time};
use dict_protocol::encoding::json::{self, Style};
use dict_protocol::time::Time;
use dict_protocol::value::{Dictionary, Value};
use dict_timeline::export::write_time;
use dict_timeline::{Info, Reader, SourceInfo};

use crate::arguments::{InfoArguments, InfoFormat};

pub(crate) fn run(InfoArguments { timeline, format }: InfoArguments) -> Result<()> {
    let info = Reader::open(&timeline.timeline)?.info()?;
    let mut out = Stdout::new();
    match format {
        InfoFormat::Table => print(&info, &mut out)?,
        InfoFormat::Json => {
            let mut text = String::new();
            json::write(&describe(&info), Style::READABLE, usize::MAX, &mut text)?;
            writeln!(out, "{text}")?;
        }
    }
    Ok(out.flush()?)
}

fn print(info: &Info, out: &mut Stdout) -> Result<()> {
    writeln!(out, "timeline  {}", info.path.display())?;
    match info.times {
        Some((first, last)) => {
            writeln!(out, "first     {}\nlast      {}", time::format_local(first), time::format_local(last))?;
        }
        None => writeln!(out, "first     nothing is recorded yet")?,
    }
    let growth =
        info.growth.map_or_else(String::new, |bytes| format!(", growing by {} a day", bytes_text(bytes)));
    writeln!(out, "size      {}{growth}", bytes_text(info.size as f64))?;
    let rows = info.rows.iter().filter(|(_, count)| *count > 0);
    let rows: Vec<_> =
        rows.map(|(kind, count)| format!("{count} {kind}{}", if *count == 1 { "" } else { "s" })).collect();
    writeln!(out, "rows      {}\n", if rows.is_empty() { "none".to_owned() } else { rows.join(", ") })?;

    let mut table = Table::new([
        Column::name("SOURCE"),
        Column::number("KEYS"),
        Column::number("EPOCHS"),
        Column::number("LAST EPOCH"),
        Column::number("UPDATES"),
        Column::text("ENDED"),
        Column::number("GAPS"),
        Column::quiet("LAST ROW"),
    ]);
    for source in &info.sources {
        table.row([
            source.source.clone(),
            source.keys.to_string(),
            source.epochs.to_string(),
            source.epoch.to_string(),
            source.sequence.to_string(),
            if source.ended { "yes" } else { "no" }.to_owned(),
            source.gaps.to_string(),
            source.last.map(time::format_local).unwrap_or_default(),
        ]);
    }
    Ok(table.write(out)?)
}

/// The same for programs: counts, bytes, times in UTC; null where nothing is known.
fn describe(info: &Info) -> Value {
    let rows: Dictionary =
        info.rows.iter().map(|(kind, count)| (kind.as_str(), Value::from(*count))).collect();
    let fields = [
        ("path", Value::from(info.path.display().to_string())),
        ("size_bytes", info.size.into()),
        ("growth_bytes_per_day", info.growth.into()),
        ("first_n", info.numbers.map(|(first, _)| first).into()),
        ("last_n", info.numbers.map(|(_, last)| last).into()),
        ("first_time", info.times.map(|(first, _)| utc(first)).into()),
        ("last_time", info.times.map(|(_, last)| utc(last)).into()),
        ("rows", rows.into()),
        ("sources", info.sources.iter().map(describe_source).collect()),
    ];
    fields.into_iter().collect::<Dictionary>().into()
}

fn describe_source(source: &SourceInfo) -> Value {
    let fields = [
        ("source", Value::from(source.source.as_str())),
        ("keys", source.keys.into()),
        ("epochs", source.epochs.into()),
        ("epoch", source.epoch.into()),
        ("sequence", source.sequence.into()),
        ("ended", source.ended.into()),
        ("last_time", source.last.map(utc).into()),
        ("gaps", source.gaps.into()),
    ];
    fields.into_iter().collect::<Dictionary>().into()
}

fn utc(time: Time) -> String {
    let mut text = String::new();
    write_time(time, &mut text);
    text
}

/// Bytes with three digits or so, as `12.3 MiB`.
fn bytes_text(mut bytes: f64) -> String {
    let mut units = ["bytes", "KiB", "MiB", "GiB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if bytes < 1024.0 {
            break;
        }
        bytes /= 1024.0;
        unit = larger;
    }
    if unit == "bytes" { format!("{bytes:.0} {unit}") } else { format!("{bytes:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        for (bytes, text) in
            [(0.0, "0 bytes"), (1023.0, "1023 bytes"), (1536.0, "1.5 KiB"), (5e12, "4656.6 GiB")]
        {
            assert_eq!(bytes_text(bytes), text);
        }
    }
}
