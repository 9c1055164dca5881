//! The figures, and what they say.

use std::io::Write;

use dict_cli::{Column, Stdout, Table};
use serde_json::{Value, json};

use crate::machine::Machine;
use crate::rows::{Role, Row, Target};
use crate::trouble::{Result, Trouble};

/// A row whose parts have run.
pub(crate) struct Measured {
    pub(crate) row: Row,
    /// Of each part, what each round came to.
    pub(crate) figures: Vec<Vec<Result<f64>>>,
}

/// What there is to say of a part.
struct Told<'m> {
    name: &'static str,
    role: Role,
    note: &'static str,
    median: Option<f64>,
    runs: Vec<f64>,
    /// Why there is no figure.
    trouble: Option<&'m Trouble>,
}

impl Told<'_> {
    /// Whether something went wrong, other than that it is not there.
    fn has_failed(&self) -> bool {
        matches!(self.trouble, Some(Trouble::System { .. } | Trouble::Wrong { .. }))
    }
}

impl Measured {
    fn told(&self) -> Vec<Told<'_>> {
        let parts = self.row.parts.iter().zip(&self.figures);
        parts
            .map(|(part, figures)| {
                let runs: Vec<f64> = figures.iter().flatten().copied().collect();
                let trouble = figures.iter().find_map(|figure| figure.as_ref().err());
                // A part that failed once has no figure: what it did before may be wrong as well.
                let median = if trouble.is_none() { median(&runs) } else { None };
                Told { name: part.name, role: part.role, note: part.note, median, runs, trouble }
            })
            .collect()
    }

    /// Whether something went wrong, other than that a peer is not there.
    pub(crate) fn has_failed(&self) -> bool {
        self.told().iter().any(Told::has_failed)
    }

    /// The figure of the best peer; none if one failed, which might have been the best. One that is not there is left out.
    fn best(&self, told: &[Told<'_>]) -> Option<f64> {
        let peers = told.iter().filter(|told| told.role == Role::Peer);
        if peers.clone().any(Told::has_failed) {
            return None;
        }
        let peers = peers.filter_map(|told| told.median);
        if self.row.more_is_better { peers.reduce(f64::max) } else { peers.reduce(f64::min) }
    }

    fn is_reached(&self, target: Target, figure: f64, ratio: Option<f64>) -> Option<bool> {
        match target {
            Target::Most(most) => Some(figure <= most),
            Target::Least(least) => Some(figure >= least),
            Target::Times(times) if self.row.more_is_better => ratio.map(|ratio| ratio >= times),
            Target::Times(times) => ratio.map(|ratio| ratio <= times),
        }
    }

    fn as_json(&self) -> Value {
        let told = self.told();
        let best = self.best(&told);
        let parts = told.iter().map(|told| {
            let ratio = told.median.zip(best).map(|(figure, best)| figure / best);
            let (target, reached) = match told.role {
                Role::Ours(target) => {
                    (Some(target), told.median.and_then(|figure| self.is_reached(target, figure, ratio)))
                }
                Role::Peer | Role::Beside => (None, None),
            };
            json!({
                "name": told.name,
                "median": told.median,
                "runs": told.runs,
                "ratio": ratio,
                "target": target.map(|target| self.words(target)),
                "reached": reached,
                "note": told.note,
                "trouble": told.trouble.map(ToString::to_string),
            })
        });
        json!({
            "row": self.row.name,
            "work": self.row.work,
            "unit": self.row.unit,
            "parts": parts.collect::<Vec<_>>(),
        })
    }

    fn words(&self, target: Target) -> String {
        match target {
            Target::Most(most) => format!("≤ {most} {}", self.row.unit),
            Target::Least(least) => format!("≥ {least} {}", self.row.unit),
            Target::Times(times) if self.row.more_is_better => format!("≥ {times} ×"),
            Target::Times(times) => format!("≤ {times} ×"),
        }
    }
}

fn median(runs: &[f64]) -> Option<f64> {
    let mut sorted = runs.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

/// Prints all of it as one JSON object.
pub(crate) fn print_json(head: Value, rows: &[Measured]) -> std::io::Result<()> {
    let mut head = head;
    head["rows"] = rows.iter().map(Measured::as_json).collect();
    let mut out = Stdout::new();
    writeln!(out, "{head:#}")?;
    out.flush()
}

/// Prints the machine, the versions and settings, and a line for each figure.
pub(crate) fn print_table(head: &Value, machine: &Machine, rows: &[Measured]) -> std::io::Result<()> {
    let mut out = Stdout::new();
    for line in machine.lines() {
        writeln!(out, "{line}")?;
    }
    for (title, names) in [("versions", &head["versions"]), ("settings", &head["settings"])] {
        for (name, text) in names.as_object().into_iter().flatten() {
            writeln!(out, "{title}: {name}: {}", text.as_str().unwrap_or_default())?;
        }
    }
    writeln!(out, "rounds: {}; in flight at most: {}", head["rounds"], head["in_flight"])?;
    if head["short"] == true || head["optimised"] == false {
        writeln!(out, "short, or without optimisation: THESE FIGURES MEAN NOTHING")?;
    }
    for measured in rows {
        writeln!(out, "{}: {}", measured.row.name, measured.row.work)?;
    }
    writeln!(out)?;
    let columns = [
        Column::name("ROW"),
        Column::text("WHO"),
        Column::number("MEDIAN"),
        Column::quiet_number("LEAST"),
        Column::quiet_number("MOST"),
        Column::text("UNIT"),
        Column::number("RATIO"),
        Column::text("TARGET"),
        Column::text(""),
    ];
    let mut table = Table::new(columns);
    for measured in rows {
        let told = measured.told();
        let best = measured.best(&told);
        for part in &told {
            table.row(measured.cells(&told, part, best));
        }
    }
    table.write(&mut out)?;
    out.flush()
}

impl Measured {
    fn cells(&self, told: &[Told<'_>], part: &Told<'_>, best: Option<f64>) -> [String; 9] {
        let ratio = part.median.zip(best).map(|(figure, best)| figure / best);
        let mut target = String::new();
        let mut remark = part.note.to_owned();
        if let Role::Ours(wanted) = part.role {
            target = self.words(wanted);
            remark = match part.median.and_then(|figure| self.is_reached(wanted, figure, ratio)) {
                Some(true) => "reached".to_owned(),
                Some(false) => "missed".to_owned(),
                None if told.iter().any(Told::has_failed) => "no ratio, since somebody failed".to_owned(),
                None => "no peer to compare with".to_owned(),
            };
        }
        if let Some(trouble) = part.trouble {
            let word = if matches!(trouble, Trouble::LeftOut(_)) { "left out" } else { "FAILED" };
            remark = format!("{word}: {trouble}");
        }
        let least = part.runs.iter().copied().reduce(f64::min);
        let most = part.runs.iter().copied().reduce(f64::max);
        [
            self.row.name.to_owned(),
            part.name.to_owned(),
            shown(part.median),
            shown(least),
            shown(most),
            self.row.unit.to_owned(),
            ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            target,
            remark,
        ]
    }
}

/// With as many digits as mean something.
fn shown(figure: Option<f64>) -> String {
    match figure {
        None => "-".to_owned(),
        Some(figure) if figure >= 1_000.0 => format!("{figure:.0}"),
        Some(figure) if figure >= 10.0 => format!("{figure:.1}"),
        Some(figure) => format!("{figure:.2}"),
    }
}
