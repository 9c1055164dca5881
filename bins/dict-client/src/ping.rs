//! `dict-client ping`.

mod pingpong;
mod report;

use std::time::Instant;

use anyhow::Result;
use dict_cli::Stop;
use dict_protocol::dialect::Dialect;

use crate::arguments::{ConnectionArguments, PingArguments};
use crate::direct;
use report::Report;

pub(crate) fn run(connection: ConnectionArguments, arguments: &PingArguments) -> Result<()> {
    let stop = Stop::on_interrupt()?;
    if connection.hub.hub.dialect() == Dialect::PingPong {
        direct::check(&connection.hub.hub)?;
        return pingpong::run(&connection.hub.hub, arguments, &stop);
    }
    let PingArguments { count, interval, timeout } = *arguments;
    let mut report = Report::new(&connection.hub.hub);
    let started = Instant::now();
    let client = connection.connect_as(|client| client.connect_timeout(timeout))?;
    report.connected(started.elapsed())?;
    for number in 1..=count {
        match client.ping(timeout) {
            Ok(time) => report.came(number, time)?,
            Err(error) => report.lost(number, error)?,
        }
        if number < count && stop.within(interval) {
            break;
        }
    }
    report.finish()
}
