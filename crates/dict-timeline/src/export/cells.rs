//! One line of CSV on its way: each cell is written where the one before it was, without an allocation of its own.

use std::fmt::{Display, Write as _};
use std::io;

use csv::{ByteRecord, Writer};
use dict_protocol::time::Time;
use dict_protocol::value::Value;

use super::seconds::Seconds;
use crate::column;

/// What stands in one cell.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    Empty,
    Text(&'a str),
    Signed(i64),
    Unsigned(u64),
    Time(Time),
    Value(&'a Value),
}

/// The cells of one line.
#[derive(Debug, Default)]
pub(super) struct Cells {
    cells: ByteRecord,
    text: String,
    seconds: Seconds,
}

impl Cells {
    /// Appends a cell.
    pub(super) fn push(&mut self, cell: Cell<'_>) {
        self.text.clear();
        match cell {
            Cell::Empty => {}
            Cell::Text(text) => return self.cells.push_field(text.as_bytes()),
            Cell::Signed(number) => self.write(number),
            Cell::Unsigned(number) => self.write(number),
            Cell::Time(time) => self.seconds.write(time, &mut self.text),
            Cell::Value(value) => column::write_cell(value, &mut self.text),
        }
        self.cells.push_field(self.text.as_bytes());
    }

    fn write(&mut self, number: impl Display) {
        // Writing to a string does not fail.
        let _ = write!(self.text, "{number}");
    }

    /// Writes the line, and begins anew.
    ///
    /// # Errors
    ///
    /// What the output says.
    pub(super) fn end<W: io::Write>(&mut self, out: &mut Writer<W>) -> io::Result<()> {
        let written = out.write_byte_record(&self.cells);
        self.cells.clear();
        Ok(written?)
    }
}
