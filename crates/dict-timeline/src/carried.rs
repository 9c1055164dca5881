//! What a file begins with that goes on with another: every key's newest row, as it stood at the end of that.

use rusqlite::types::ValueRef;

/// Of so many of a source's epochs that ended, the newest, it is known how far they are held, besides all that did not end.
/// Nothing follows an end, so of an older one nothing can come but what is held. If it comes all the same, it is stored
/// once more, as late; for that a writer must have kept it while so many others of its source came and went.
pub(crate) const ENDED_EPOCHS: usize = 1_000;

/// The least of a change that readers go by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CarriedRow<'a> {
    pub series: i64,
    pub n: i64,
    pub time: i64,
    pub kind: i64,
    pub value: ValueRef<'a>,
}

/// A checksum of the rows that are carried over, in the order of their series.
#[derive(Clone, Debug, Default)]
pub(crate) struct CarriedSum(crc32fast::Hasher);

impl CarriedSum {
    /// Takes in the next row.
    pub(crate) fn add(&mut self, row: CarriedRow<'_>) {
        for number in [row.series, row.n, row.time, row.kind] {
            self.0.update(&number.to_le_bytes());
        }
        let (class, number): (u8, [u8; 8]) = match row.value {
            ValueRef::Null => (0, [0; 8]),
            ValueRef::Integer(number) => (1, number.to_le_bytes()),
            ValueRef::Real(float) => (2, float.to_bits().to_le_bytes()),
            ValueRef::Text(text) => (3, (text.len() as u64).to_le_bytes()),
            ValueRef::Blob(bytes) => (4, (bytes.len() as u64).to_le_bytes()),
        };
        self.0.update(&[class]);
        self.0.update(&number);
        if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = row.value {
            self.0.update(bytes);
        }
    }

    /// The sum of all that was taken in; 0 of nothing.
    pub(crate) fn finish(self) -> u32 {
        self.0.finalize()
    }
}
