//! `logger info`.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use dict_cli::{Column, Stdout, Table, time};
use dict_protocol::encoding::json::{self, Style};
use dict_protocol::time::Time;
use dict_protocol::value::{Dictionary, Value};
use dict_timeline::export::write_time;
use dict_timeline::{Info, Reader, SourceInfo};

use crate::arguments::{InfoArguments, InfoFormat};

pub(crate) fn run(InfoArguments { timeline, format }: InfoArguments) -> Result<()> {
    let info = Reader::open(&timeline.timeline)?.info()?;
    let disk = Disk::of(&info)?;
    let mut out = Stdout::new();
    match format {
        InfoFormat::Table => print(&info, disk, &mut out)?,
        InfoFormat::Json => {
            let mut text = String::new();
            json::write(&describe(&info, disk), Style::READABLE, usize::MAX, &mut text)?;
            writeln!(out, "{text}")?;
        }
    }
    Ok(out.flush()?)
}

/// What is left of the disk that a timeline is on.
#[derive(Clone, Copy, Debug)]
struct Disk {
    free: u64,
    /// How many days that will do, if it goes on as in the last hour; as ever, if that was too short.
    days: Option<f64>,
}

impl Disk {
    fn of(info: &Info) -> Result<Self> {
        let path = info.path.display();
        let free = fs4::available_space(&info.path).with_context(|| format!("the disk of {path}"))?;
        let growth = info.growth.last_hour.or(info.growth.overall).filter(|growth| *growth > 0.0);
        Ok(Self { free, days: growth.map(|growth| free as f64 / growth) })
    }

    /// When it is full; `None` if that is not known, or so far away that it means nothing.
    fn full(self) -> Option<Time> {
        /// Ten years.
        const FAR: f64 = 3_652.0;
        let seconds = self.days.filter(|days| *days < FAR)? * 86_400.0;
        let time = SystemTime::now().duration_since(UNIX_EPOCH).ok()? + Duration::from_secs_f64(seconds);
        Some(Time::from_nanos(i64::try_from(time.as_nanos()).ok()?))
    }
}

fn print(info: &Info, disk: Disk, out: &mut Stdout) -> Result<()> {
    let files = if info.files > 1 { format!(" ({} files)", info.files) } else { String::new() };
    writeln!(out, "timeline  {}{files}", info.path.display())?;
    match info.times {
        Some((first, last)) => {
            writeln!(out, "first     {}\nlast      {}", time::format_local(first), time::format_local(last))?;
        }
        None => writeln!(out, "first     nothing is recorded yet")?,
    }
    if info.pruned > 0 {
        writeln!(out, "removed   rows up to {}, with the files that they stood in", info.pruned)?;
    }
    writeln!(out, "size      {}", bytes_text(info.size as f64))?;
    let growth = [("last hour", info.growth.last_hour), ("overall", info.growth.overall)];
    let growth = growth.into_iter().filter_map(|(of, bytes)| Some((of, bytes?)));
    let growth: Vec<_> = growth.map(|(of, bytes)| format!("{} a day ({of})", bytes_text(bytes))).collect();
    writeln!(
        out,
        "growth    {}",
        if growth.is_empty() { "not known yet".to_owned() } else { growth.join(", ") }
    )?;
    let full = match (disk.full(), disk.days) {
        (Some(time), Some(days)) => {
            format!(", full in {} on {}", days_text(days), &time::format_local(time)[..10])
        }
        (None, Some(_)) => ", enough for more than ten years".to_owned(),
        (_, None) => String::new(),
    };
    writeln!(out, "disk      {} free{full}", bytes_text(disk.free as f64))?;
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
fn describe(info: &Info, disk: Disk) -> Value {
    let rows: Dictionary =
        info.rows.iter().map(|(kind, count)| (kind.as_str(), Value::from(*count))).collect();
    let fields = [
        ("path", Value::from(info.path.display().to_string())),
        ("size_bytes", info.size.into()),
        ("files", info.files.into()),
        ("growth_bytes_per_day", info.growth.overall.into()),
        ("growth_bytes_per_day_last_hour", info.growth.last_hour.into()),
        ("free_bytes", disk.free.into()),
        ("full_in_days", disk.days.into()),
        ("full_time", disk.full().map(utc).into()),
        ("pruned_n", info.pruned.into()),
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

/// Days for people, as `3.0 hours`, `12.5 days`.
fn days_text(days: f64) -> String {
    if days < 2.0 { format!("{:.1} hours", days * 24.0) } else { format!("{days:.1} days") }
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
