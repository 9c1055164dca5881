//! Measures a server of the older pingpong, as its own client does: a bare `ping`, then readings, each sent only when the
//! one before is answered or given up, since answers can be told apart by counting alone.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use dict_cli::{Stop, time};
use dict_protocol::dialect::pingpong::{ClientEnd, PING, Paired, Reading, RoundTrips};
use dict_protocol::link::Link;
use dict_protocol::time::Instant as Moment;

use super::report::Report;
use crate::arguments::PingArguments;
use crate::direct;

/// How long a read blocks at most, so that Ctrl-C is heard.
const SLICE: Duration = Duration::from_millis(100);

pub(super) fn run(link: &Link, arguments: &PingArguments, stop: &Stop) -> Result<()> {
    let mut report = Report::new(link);
    let started = Instant::now();
    let stream = direct::connect(link, arguments.timeout)?;
    report.connected(started.elapsed())?;
    stream.set_write_timeout(Some(arguments.timeout))?;
    let mut talk =
        Talk { stream, end: ClientEnd::new(), trips: RoundTrips::new(), origin: started, answered: 0 };
    let ended = talk.run(arguments, stop, &mut report);
    let summed_up = report.finish();
    ended.with_context(|| format!("the conversation with {link} ended")).and(summed_up)
}

/// A conversation with a server.
struct Talk {
    stream: TcpStream,
    end: ClientEnd,
    trips: RoundTrips,
    origin: Instant,
    /// Messages that were answered, in time or not: the next answer is to the one after.
    answered: u64,
}

impl Talk {
    fn run(&mut self, arguments: &PingArguments, stop: &Stop, report: &mut Report) -> Result<()> {
        let PingArguments { count, interval, timeout } = *arguments;
        let is_asked = || stop.within(Duration::ZERO);
        for number in 1..=count {
            self.send(number)?;
            while let Some(sent) = self.trips.oldest() {
                if is_asked() {
                    return Ok(());
                }
                let left = timeout.saturating_sub(self.now().since(sent));
                self.listen(left, report)?;
                if self.trips.expire(self.now(), timeout) > 0 {
                    report.lost(number, format_args!("no answer within {timeout:?}"))?;
                }
            }
            let next = Instant::now() + interval;
            while number < count && Instant::now() < next {
                if is_asked() {
                    return Ok(());
                }
                self.listen(next.saturating_duration_since(Instant::now()), report)?;
            }
        }
        Ok(())
    }

    /// Sends a message, in one piece: a server takes what it reads at once for one.
    fn send(&mut self, number: u64) -> Result<()> {
        let time = time::now_for_python();
        let text = match number {
            1 => PING.to_owned(),
            _ => Reading { time: &time, value: number.into() }.to_string(),
        };
        self.trips.sent(self.now());
        self.stream.write_all(text.as_bytes()).context("cannot send")
    }

    /// Waits for answers, `patience` at most and perhaps less, and tells of those that came.
    fn listen(&mut self, patience: Duration, report: &mut Report) -> Result<()> {
        self.stream.set_read_timeout(Some(patience.clamp(Duration::from_millis(1), SLICE)))?;
        let mut buffer = [0; 1024];
        let length = match self.stream.read(&mut buffer) {
            Ok(0) => bail!("the server closed the connection"),
            Ok(length) => length,
            Err(error) if direct::is_passing(&error) => return Ok(()),
            Err(error) => return Err(error).context("cannot receive"),
        };
        let now = self.now();
        let mut bytes = &buffer[..length];
        while self.end.decode(&mut bytes).context("this is no ping server")? {
            let number = self.answered + 1;
            let paired = self.trips.answered(now);
            self.answered += u64::from(paired != Paired::Surplus);
            match paired {
                Paired::RoundTrip(time) => report.came(number, time)?,
                Paired::Late(time) => report.late(number, time)?,
                Paired::Surplus => tracing::warn!("the server answered what was not sent"),
            }
        }
        Ok(())
    }

    fn now(&self) -> Moment {
        Moment::from_nanos(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}
