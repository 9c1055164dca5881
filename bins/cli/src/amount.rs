//! How much, as people write it.

/// Units of sizes, the longer of those that end alike first.
const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// What has the unit of a size, and is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a size: write a number and its unit, as 64KiB, 4MiB, 500MB or 8GB")]
pub struct SizeError(String);

/// Reads a size, as `500MB` or `1.5 GiB`: bytes. `None` if it has no unit of one.
///
/// # Errors
///
/// If there is no number before the unit, or it is less than a byte or more than any disk holds.
pub fn parse_size(text: &str) -> Option<Result<u64, SizeError>> {
    let (number, unit) =
        UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?.trim_end(), *bytes)))?;
    let whole = || number.parse::<u64>().ok()?.checked_mul(unit).map(|bytes| bytes as f64);
    let bytes = whole().or_else(|| number.parse().ok().map(|number: f64| number * unit as f64));
    let bytes = bytes.filter(|bytes| (1.0..1e18).contains(bytes));
    Some(bytes.map(|bytes| bytes as u64).ok_or_else(|| SizeError(text.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("8GB", 8_000_000_000),
            ("1.5 MiB", 1_572_864),
            ("20kB", 20_000),
            ("64KiB", 65_536),
            ("1TiB", 1_099_511_627_776),
        ] {
            assert_eq!(parse_size(text), Some(Ok(bytes)), "{text}");
        }
        for text in ["0GB", "-8GB", "GB", "NaNGB", "infGB", "1e30TB", "x MiB"] {
            assert_eq!(parse_size(text), Some(Err(SizeError(text.to_owned()))), "{text}");
        }
        for text in ["", "1", "1d", "8 lots"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
