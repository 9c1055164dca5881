//! Times and durations as people write and read them.

use std::time::Duration;

use dict_protocol::time::Time;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp, Zoned};

/// Reads a time, for clap.
///
/// | written | meaning |
/// |---|---|
/// | `10m`, `1h30m`, `2d` | that long ago |
/// | `2026-11-21`, `2026-11-21T10:00`, `2026-11-21T10:00:00.5` | local time |
/// | `2026-11-21T10:00Z`, `2026-11-21T10:00+01:00`, `2026-11-21T10:00[Europe/Berlin]` | time in that zone |
/// | `1795255200`, `1795255200.25` | seconds since 1970 UTC |
///
/// # Errors
///
/// If it is none of these, or not in the years 1678 to 2262.
pub fn parse(text: &str) -> Result<Time, TimeError> {
    parse_at(text, &Zoned::now())
}

/// Reads a length of time with its unit, as `5s`, `250ms`, `1m30s` or `2d`, for clap.
///
/// # Errors
///
/// If it is none, or negative.
pub fn parse_duration(text: &str) -> Result<Duration, TimeError> {
    let error = || TimeError::Duration { text: text.to_owned() };
    let span = parse_span(text).ok_or_else(error)?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| error())?;
    duration.try_into().map_err(|_| error())
}

/// Reads a length of time that is not zero, for clap.
///
/// # Errors
///
/// As [`parse_duration`], and if it is zero.
pub fn parse_interval(text: &str) -> Result<Duration, TimeError> {
    match parse_duration(text)? {
        Duration::ZERO => Err(TimeError::Zero),
        duration => Ok(duration),
    }
}

/// A time for tables: local, with its offset, to the microsecond.
pub fn format_local(time: Time) -> String {
    format_in(time, TimeZone::system())
}

/// The time now as Python has it in `str(datetime.now())`: local, without zone, to the microsecond, and without a fraction
/// where that is zero.
pub fn now_for_python() -> String {
    format_for_python(Zoned::now().datetime())
}

fn format_for_python(time: DateTime) -> String {
    let is_whole = time.subsec_nanosecond() < 1_000;
    time.strftime(if is_whole { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S%.6f" }).to_string()
}

/// Why a text is no time or duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeError {
    /// It is no time.
    #[error(
        "not a time: write 10m (ago), 2026-11-21, 2026-11-21T10:00 (local), 2026-11-21T10:00Z, or seconds since 1970"
    )]
    Time,
    /// It is a time that cannot be kept as nanoseconds.
    #[error("times reach from 1678 to 2262")]
    Range,
    /// It is no duration.
    #[error("{text:?} is not a length of time: write a number and its unit, as 5s, 250ms, 1m30s or 2d")]
    Duration {
        /// What was given.
        text: String,
    },
    /// It is zero.
    #[error("it has to be more than zero")]
    Zero,
}

fn parse_at(text: &str, now: &Zoned) -> Result<Time, TimeError> {
    if let Some(time) = parse_seconds(text) {
        return time;
    }
    let zoned = if let Some(span) = parse_span(text) {
        now.checked_sub(span).map_err(|_| TimeError::Range)?
    } else if let Ok(zoned) = text.parse::<Zoned>() {
        zoned
    } else if let Ok(timestamp) = text.parse::<Timestamp>() {
        timestamp.to_zoned(TimeZone::UTC)
    } else if let Ok(local) = text.parse::<DateTime>() {
        local.to_zoned(now.time_zone().clone()).map_err(|_| TimeError::Range)?
    } else {
        return Err(TimeError::Time);
    };
    let nanoseconds = zoned.timestamp().as_nanosecond();
    i64::try_from(nanoseconds).map(Time::from_nanos).map_err(|_| TimeError::Range)
}

/// Seconds since 1970, if that is what it is; exact, since a float would not be.
fn parse_seconds(text: &str) -> Option<Result<Time, TimeError>> {
    const DIGITS: usize = 9;
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (sign, number) = text.strip_prefix('-').map_or((1, text), |number| (-1, number));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let fraction = format!("{:0<DIGITS$}", fraction.get(..DIGITS).unwrap_or(fraction));
    let nanoseconds = whole.parse::<i64>().ok().and_then(|seconds| {
        seconds.checked_mul(1_000_000_000)?.checked_add(fraction.parse().ok()?)?.checked_mul(sign)
    });
    Some(nanoseconds.map(Time::from_nanos).ok_or(TimeError::Range))
}

/// A length of time that does not count backwards; units up to years are understood.
fn parse_span(text: &str) -> Option<Span> {
    let begins_with_digit = text.starts_with(|first: char| first.is_ascii_digit());
    text.parse::<Span>().ok().filter(|span| begins_with_digit && !span.is_negative())
}

fn format_in(time: Time, zone: TimeZone) -> String {
    let timestamp =
        Timestamp::from_nanosecond(time.as_nanos().into()).expect("64 bits of nanoseconds are in range");
    timestamp.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S%.6f%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Result<String, TimeError> {
        let now: Zoned = "2026-11-21T12:00:00+01:00[+01:00]".parse().unwrap();
        parse_at(text, &now).map(|time| format_in(time, TimeZone::UTC))
    }

    #[test]
    fn times() {
        for (text, expected) in [
            ("10m", "2026-11-21 10:50:00.000000+00:00"),
            ("1h30m", "2026-11-21 09:30:00.000000+00:00"),
            ("0s", "2026-11-21 11:00:00.000000+00:00"),
            ("2d", "2026-11-19 11:00:00.000000+00:00"),
            ("2026-11-21", "2026-11-20 23:00:00.000000+00:00"),
            ("2026-11-21T10:00", "2026-11-21 09:00:00.000000+00:00"),
            ("2026-11-21 10:00:00.5", "2026-11-21 09:00:00.500000+00:00"),
            ("2026-11-21T10:00Z", "2026-11-21 10:00:00.000000+00:00"),
            ("2026-11-21T10:00-05:00", "2026-11-21 15:00:00.000000+00:00"),
            ("1795255200", "2026-11-21 10:00:00.000000+00:00"),
            ("1795255200.25", "2026-11-21 10:00:00.250000+00:00"),
            ("-0.000001", "1969-12-31 23:59:59.999999+00:00"),
        ] {
            assert_eq!(at(text).as_deref(), Ok(expected), "{text}");
        }
        for text in
            ["", "yesterday", "10", "-5m", "5m ago", "2026-13-01", "1e9", ".5", "10:00", "2026-11-21T10:00Q"]
        {
            let expected = if text == "10" {
                Ok("1970-01-01 00:00:10.000000+00:00".into())
            } else {
                Err(TimeError::Time)
            };
            assert_eq!(at(text), expected, "{text}");
        }
        for text in ["1600-01-01", "9999999999999", "500y"] {
            assert_eq!(at(text), Err(TimeError::Range), "{text}");
        }
    }

    #[test]
    fn times_for_python() {
        for (time, expected) in [
            ("2023-10-30T12:00:00.000001", "2023-10-30 12:00:00.000001"),
            ("2023-10-30T12:00:00.5", "2023-10-30 12:00:00.500000"),
            ("2023-10-30T02:03:04.000000999", "2023-10-30 02:03:04"),
        ] {
            assert_eq!(format_for_python(time.parse().unwrap()), expected);
        }
    }

    #[test]
    fn durations() {
        for (text, milliseconds) in
            [("5s", 5_000), ("250ms", 250), ("1m30s", 90_000), ("2d", 172_800_000), ("0s", 0)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "5", "-5s", "5 s ago", "1mo", "s"] {
            assert_eq!(parse_duration(text), Err(TimeError::Duration { text: text.to_owned() }));
        }
        assert_eq!(parse_interval("0s"), Err(TimeError::Zero));
    }
}
