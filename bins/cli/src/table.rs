//! Tables: aligned for people, coloured on a terminal.

use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use crate::stdout::Stdout;

/// A column of a [`Table`].
#[derive(Clone, Copy, Debug)]
pub struct Column {
    title: &'static str,
    style: Style,
    right: bool,
}

impl Column {
    /// Text, plain.
    pub const fn text(title: &'static str) -> Self {
        Self { title, style: Style::new(), right: false }
    }

    /// Numbers, whose ends stand below each other.
    pub const fn number(title: &'static str) -> Self {
        Self { right: true, ..Self::text(title) }
    }

    /// Numbers that are there on every line and seldom looked at.
    pub const fn quiet_number(title: &'static str) -> Self {
        Self { right: true, ..Self::quiet(title) }
    }

    /// What is there on every line and seldom looked at, such as times.
    pub const fn quiet(title: &'static str) -> Self {
        Self { style: Style::new().dimmed(), ..Self::text(title) }
    }

    /// What a line is about, such as a source.
    pub const fn name(title: &'static str) -> Self {
        Self { style: AnsiColor::Cyan.on_default(), ..Self::text(title) }
    }
}

/// Lines in columns. Those that are added before [`write`](Table::write) are aligned with each other; columns only grow
/// after that, so a table may go on for ever.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    widths: Vec<usize>,
    rows: Vec<Vec<String>>,
    coloured: bool,
    begun: bool,
}

impl Table {
    /// A longer cell does not widen its column; it pushes the rest of its line to the right.
    const WIDEST: usize = 40;

    /// A table for standard output.
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self::with_colour(columns.into(), Stdout::is_coloured())
    }

    fn with_colour(columns: Vec<Column>, coloured: bool) -> Self {
        let widths = columns.iter().map(|column| column.title.width()).collect();
        Self { columns, widths, rows: Vec::new(), coloured, begun: false }
    }

    /// Adds a line, of a cell for each column; characters that would disturb the table are written as escapes.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<_> = cells.into_iter().map(escape_controls).collect();
        debug_assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = cell.width().min(Self::WIDEST).max(*width);
        }
        self.rows.push(cells);
    }

    /// Writes what was added since it was last called; the first time, the titles before it.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write(&mut self, out: &mut impl Write) -> io::Result<()> {
        if !self.begun {
            self.begun = true;
            let titles: Vec<_> = self.columns.iter().map(|column| column.title.to_owned()).collect();
            out.write_all(self.line(&titles, |_| Style::new().bold()).as_bytes())?;
        }
        for row in &self.rows {
            out.write_all(self.line(row, |column| column.style).as_bytes())?;
        }
        self.rows.clear();
        Ok(())
    }

    fn line(&self, cells: &[String], style: impl Fn(&Column) -> Style) -> String {
        let mut line = String::new();
        for (index, (cell, column)) in cells.iter().zip(&self.columns).enumerate() {
            let padding = " ".repeat(self.widths[index].saturating_sub(cell.width()));
            let style = if self.coloured { style(column) } else { Style::new() };
            let (before, after) = if column.right { (&*padding, "") } else { ("", &*padding) };
            write!(line, "{before}{style}{cell}{style:#}{after}  ").expect("a String takes all");
        }
        line.truncate(line.trim_end_matches(' ').len());
        line.push('\n');
        line
    }
}

fn escape_controls(cell: String) -> String {
    if !cell.contains(char::is_control) {
        return cell;
    }
    let mut escaped = String::with_capacity(cell.len() + 8);
    for character in cell.chars() {
        if character.is_control() {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        vec![Column::name("SOURCE"), Column::number("KEYS"), Column::text("VALUE")]
    }

    fn written(table: &mut Table) -> String {
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_aligned_and_only_grow() {
        let mut table = Table::with_colour(columns(), false);
        table.row(["名前".into(), "12".into(), "a".into()]);
        table.row(["bench1/psu".into(), "3".into(), String::new()]);
        assert_eq!(written(&mut table), "SOURCE      KEYS  VALUE\n名前          12  a\nbench1/psu     3\n");
        table.row(["x".into(), "100000".into(), "line\nbreak \u{1b}[31m".into()]);
        assert_eq!(written(&mut table), "x           100000  line\\nbreak \\u{1b}[31m\n");
        table.row(["y".repeat(50), "1".into(), "far".into()]);
        assert_eq!(written(&mut table), format!("{}       1  far\n", "y".repeat(50)));
    }

    #[test]
    fn colour_does_not_count_as_width() {
        let mut table = Table::with_colour(columns(), true);
        table.row(["a".into(), "1".into(), "b".into()]);
        let text = written(&mut table);
        assert!(text.contains("\u{1b}[36ma\u{1b}[0m       "), "{text:?}");
    }

    #[test]
    fn an_empty_table_has_its_titles() {
        assert_eq!(written(&mut Table::with_colour(columns(), false)), "SOURCE  KEYS  VALUE\n");
    }
}
