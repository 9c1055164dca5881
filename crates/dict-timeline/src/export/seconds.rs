//! Times as text, one after another: most are within a second that was written just before.

use std::fmt::Write as _;

use dict_protocol::time::Time;

use super::write_time;

const SECOND: i64 = 1_000_000_000;

/// How many seconds are remembered: a row has several times, which may be some seconds apart.
const REMEMBERED: usize = 16;

/// The seconds that were written last.
#[derive(Debug, Default)]
pub(super) struct Seconds {
    /// Each in the place that its number gives it, with its text up to the fraction; none yet where that is empty.
    remembered: [(i64, String); REMEMBERED],
}

impl Seconds {
    /// Appends a time as [`write_time`] does.
    pub(super) fn write(&mut self, time: Time, out: &mut String) {
        let (second, fraction) = (time.as_nanos().div_euclid(SECOND), time.as_nanos().rem_euclid(SECOND));
        let (remembered, text) = &mut self.remembered[second.rem_euclid(REMEMBERED as i64) as usize];
        if *remembered == second && !text.is_empty() {
            out.push_str(text);
            // Writing to a string does not fail.
            let _ = write!(out, "{fraction:09}Z");
            return;
        }
        let start = out.len();
        write_time(time, out);
        *remembered = second;
        text.clear();
        text.push_str(&out[start..out.len() - "000000000Z".len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_alike_whatever_was_before() {
        let mut seconds = Seconds::default();
        let around =
            [i64::MIN, -17 * SECOND, -SECOND, 0, 1, SECOND, 16 * SECOND, 1_795_950_000 * SECOND, i64::MAX];
        for nanos in around.iter().flat_map(|at| (-2..=2).map(|by| at.saturating_add(by))) {
            let (mut ours, mut theirs) = (String::new(), String::new());
            seconds.write(Time::from_nanos(nanos), &mut ours);
            write_time(Time::from_nanos(nanos), &mut theirs);
            assert_eq!(ours, theirs, "{nanos}");
        }
    }
}
