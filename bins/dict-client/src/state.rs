//! A source's dictionary as it is now.

use std::time::Instant;

use anyhow::Result;
use dict_event_loop::client::{Client, WatchError, WatchEvent, WatchOptions};
use dict_protocol::pattern::Pattern;
use dict_protocol::time::Time;
use dict_protocol::value::Dictionary;

use crate::PATIENCE;

/// A source's dictionary as the hub has it.
#[derive(Debug, Default)]
pub(crate) struct Current {
    pub(crate) online: bool,
    /// The hub's time of the update that it is as of.
    pub(crate) time: Time,
    pub(crate) values: Dictionary,
}

/// Asks the hub for a source's dictionary; `None` if it knows of none.
pub(crate) fn current(client: &Client, source: &str) -> Result<Option<Current>> {
    let watch = client.watch(Pattern::Name(source.to_owned()), WatchOptions::default())?;
    watch.wait_current(PATIENCE)?;
    let deadline = Instant::now() + PATIENCE;
    let mut online = false;
    let mut found = None;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match watch.next(left)?.ok_or(WatchError::TimedOut { after: PATIENCE })? {
            WatchEvent::Source(source) => online = source.online,
            WatchEvent::State(state) => found = Some((state.stamp.hub_time, state.dictionary)),
            WatchEvent::Current => break,
            _ => {}
        }
    }
    Ok(found.map(|(time, values)| Current { online, time, values }))
}
