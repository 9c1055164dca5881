//! How much of a timeline, as people write it: a time or a size.

use dict_cli::{parse_size, time};
use dict_timeline::Amount;

/// What is neither a time nor a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AmountError(String);

impl std::fmt::Display for AmountError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = &self.0;
        write!(
            f,
            "{text:?} is neither a time nor a size: write a number and its unit, as 1d, 12h, 500MB or 8GB"
        )
    }
}

impl std::error::Error for AmountError {}

/// Reads a time, as `1d` or `12h`, or a size, as `500MB` or `8GiB`; neither can be zero.
///
/// # Errors
///
/// If it is neither.
pub(crate) fn parse(text: &str) -> Result<Amount, AmountError> {
    let error = || AmountError(text.to_owned());
    match parse_size(text) {
        Some(size) => size.map(Amount::Bytes).map_err(|_| error()),
        None => time::parse_interval(text).map(Amount::Time).map_err(|_| error()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_and_sizes() {
        for (text, amount) in [
            ("1d", Amount::Time(Duration::from_secs(86_400))),
            ("90m", Amount::Time(Duration::from_secs(5_400))),
            ("8GB", Amount::Bytes(8_000_000_000)),
            ("1.5 MiB", Amount::Bytes(1_572_864)),
        ] {
            assert_eq!(parse(text), Ok(amount), "{text}");
        }
        for text in ["", "1", "0d", "-1d", "0GB", "-8GB", "8 lots"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
