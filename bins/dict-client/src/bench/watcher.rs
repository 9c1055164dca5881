//! Watches the sources of a load, and checks what arrives.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Result, bail};
use dict_protocol::packet::{Mode, Source};
use dict_protocol::pattern::Pattern;
use dict_protocol::session::Event;

use super::connection::{Connection, Hub, MUCH};
use super::load;

pub(super) struct Watcher {
    connection: Connection,
    checked: Checked,
}

/// What arrived.
pub(super) struct Checked {
    /// What sources' names begin with, before their number.
    prefix: String,
    mode: Mode,
    /// By the hub's numbers, which source it is.
    places: HashMap<u32, usize>,
    /// The last of those that was asked for: mostly it is the next one too.
    last: (u32, usize),
    /// Of each source, the last update that arrived.
    at: Vec<u64>,
    /// Updates, and states in place of updates.
    pub(super) delivered: u64,
    /// Updates in place of which a later one came, as mode latest has it.
    pub(super) merged: u64,
    /// Updates in place of which a later one came, although each was asked for.
    pub(super) lost: u64,
    /// Bytes of all that came.
    pub(super) bytes: u64,
    /// What is not as it has to be.
    wrong: Option<String>,
}

/// Subscribes to sources whose names begin with `prefix`, and waits until the hub has taken that in.
pub(super) fn subscribe(connection: &mut Connection, prefix: &str, mode: Mode) -> Result<()> {
    connection.session.subscribe(Pattern::Prefix(prefix.to_owned()), mode, Duration::ZERO)?;
    let current = Cell::new(false);
    connection
        .wait(|_| current.get(), |event| current.set(current.get() || matches!(event, Event::Current(_))))
}

impl Watcher {
    /// Subscribes to `count` sources whose names begin with `prefix`.
    pub(super) fn begin(hub: &Hub, prefix: &str, mode: Mode, count: usize) -> Result<Self> {
        let mut connection = hub.connect(MUCH)?;
        subscribe(&mut connection, prefix, mode)?;
        let checked = Checked::new(prefix, mode, count);
        Ok(Self { connection, checked })
    }

    /// Reads once, waiting a moment at most. Returns whether anything came.
    ///
    /// # Errors
    ///
    /// Also if what came is not what was sent.
    pub(super) fn receive(&mut self) -> Result<bool> {
        let checked = &mut self.checked;
        let count = self.connection.receive(|event| match event {
            Event::Update(update) if !update.end => {
                checked
                    .take(update.source, update.sequence, || load::is_change(update.sequence, update.patch));
            }
            Event::State(state) => {
                let is_right = || load::is_state(state.sequence, state.dictionary);
                checked.take(state.source, state.sequence, is_right);
            }
            Event::Source(source) => checked.know(source),
            _ => {}
        })?;
        checked.bytes += count as u64;
        match checked.wrong.take() {
            Some(wrong) => bail!(wrong),
            None => Ok(count > 0),
        }
    }

    /// Of each source, the last update that arrived.
    pub(super) fn at(&self) -> &[u64] {
        &self.checked.at
    }

    /// Ends the connection. Returns what arrived.
    pub(super) fn finish(self) -> Result<Checked> {
        self.connection.close()?;
        Ok(self.checked)
    }
}

impl Checked {
    fn new(prefix: &str, mode: Mode, count: usize) -> Self {
        Self {
            prefix: prefix.to_owned(),
            mode,
            places: HashMap::new(),
            last: (u32::MAX, usize::MAX),
            at: vec![0; count],
            delivered: 0,
            merged: 0,
            lost: 0,
            bytes: 0,
            wrong: None,
        }
    }

    fn know(&mut self, source: &Source<'_>) {
        let place = source.name.strip_prefix(&self.prefix).and_then(|number| number.parse().ok());
        if let Some(place) = place.filter(|&place| place < self.at.len()) {
            self.places.insert(source.id, place);
        }
    }

    #[inline]
    fn take(&mut self, source: u32, sequence: u64, is_right: impl FnOnce() -> bool) {
        if self.last.0 != source {
            let Some(&place) = self.places.get(&source) else {
                return self.is_wrong(format!("an update came of a source {source} that was not introduced"));
            };
            self.last = (source, place);
        }
        let place = self.last.1;
        let at = self.at[place];
        if sequence <= at {
            return self
                .is_wrong(format!("update {sequence} of {}{place} came after update {at}", self.prefix));
        }
        if !is_right() {
            let name = &self.prefix;
            return self.is_wrong(format!("update {sequence} of {name}{place} is not what was published"));
        }
        self.at[place] = sequence;
        // The first one only begins the source.
        if sequence > 1 {
            self.delivered += 1;
        }
        let left_out = sequence - at - 1;
        if left_out > 0 {
            *(if self.mode == Mode::Latest { &mut self.merged } else { &mut self.lost }) += left_out;
        }
    }

    /// The first thing that is wrong is the one to tell.
    #[cold]
    fn is_wrong(&mut self, text: String) {
        self.wrong.get_or_insert(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After updates of two sources with those sequences; each has its value, unless it is 9.
    fn after(mode: Mode, updates: &[(u32, u64)]) -> Checked {
        let mut checked = Checked::new("bench/0/", mode, 2);
        for (id, name) in [(7, "bench/0/1"), (3, "bench/0/0")] {
            let (epoch, previous, online, replay, writer, reason) = (1, 0, true, false, "", "");
            checked.know(&Source { id, epoch, previous, online, replay, name, writer, reason });
        }
        for &(source, sequence) in updates {
            checked.take(source, sequence, || sequence != 9);
        }
        checked
    }

    #[test]
    fn what_is_left_out_is_lost_unless_it_may_be_merged() {
        let updates = [(7, 1), (3, 1), (3, 2), (7, 2), (7, 5), (3, 3)];
        for (mode, lost, merged) in [(Mode::Every, 2, 0), (Mode::Latest, 0, 2)] {
            let checked = after(mode, &updates);
            assert_eq!((checked.delivered, checked.lost, checked.merged), (4, lost, merged));
            assert_eq!(checked.at, [3, 5]);
            assert_eq!(checked.wrong, None);
        }
    }

    #[test]
    fn what_was_not_sent_is_told() {
        let wrong = |updates: &[_]| after(Mode::Every, updates).wrong.unwrap_or_default();
        assert_eq!(wrong(&[(3, 1), (3, 1)]), "update 1 of bench/0/0 came after update 1");
        assert_eq!(wrong(&[(7, 3), (7, 2), (7, 9)]), "update 2 of bench/0/1 came after update 3");
        assert_eq!(wrong(&[(7, 9)]), "update 9 of bench/0/1 is not what was published");
        assert_eq!(wrong(&[(4, 1)]), "an update came of a source 4 that was not introduced");
    }
}
