//! Asks a program of the older COMET itself: one connection, one request, one answer.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use dict_protocol::dialect::comet::{Answer, ClientEnd, encode_request};
use dict_protocol::dialect::{Incoming, Options};
use dict_protocol::link::Link;
use dict_protocol::value::Value;

use crate::direct;

pub(super) fn ask(link: &Link, action: &str, value: &Value, timeout: Duration) -> Result<Value> {
    let deadline = Instant::now() + timeout;
    let options = Options::default();
    let mut request = Vec::new();
    encode_request(action, value, options.depth, &mut request).context("the request cannot be sent")?;
    let mut stream = direct::connect(link, timeout)?;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(&request).with_context(|| format!("cannot send to {link}"))?;

    let mut end = ClientEnd::new(&options);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            bail!("no answer from {link} within {timeout:?}: it may have been done or not");
        }
        stream.set_read_timeout(Some(left))?;
        let length = match stream.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if direct::is_passing(&error) => continue,
            Err(error) => return Err(error).with_context(|| format!("no answer from {link}")),
        };
        let unreadable = || format!("{link} gave no answer that can be read");
        if length == 0 {
            end.finish().with_context(unreadable)?;
        }
        if let Some(Incoming::Answer(answer)) = end.decode(&mut &buffer[..length]).with_context(unreadable)? {
            return Ok(match answer {
                Answer::Result(value) => value,
                Answer::Binary(bytes) => bytes.into(),
            });
        }
    }
}
