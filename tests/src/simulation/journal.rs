//! What writers did, as the oracle remembers it: every state that an update led to.

use std::collections::BTreeMap;

use dict_protocol::value::Dictionary;

/// One epoch of one source, from its writer's side.
#[derive(Clone, Debug, Default)]
pub(super) struct Epoch {
    /// The dictionary after each update; that after update 1 first.
    pub(super) states: Vec<Dictionary>,
    /// The last update is its End.
    pub(super) ended: bool,
    /// It began after a loss: its first update is missing, though not the dictionary as of it.
    pub(super) after_loss: bool,
}

impl Epoch {
    /// One in which nothing was published.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// The last sequence.
    pub(super) fn newest(&self) -> u64 {
        self.states.len() as u64
    }

    /// The dictionary as of a sequence; `None` for one that never was.
    pub(super) fn state(&self, sequence: u64) -> Option<&Dictionary> {
        let index = usize::try_from(sequence.checked_sub(1)?).ok()?;
        self.states.get(index)
    }
}

/// Every epoch of every source.
#[derive(Debug, Default)]
pub(super) struct Journal {
    epochs: BTreeMap<(String, u64), Epoch>,
}

impl Journal {
    /// Enters what was made of an epoch so far.
    ///
    /// # Errors
    ///
    /// A complaint, if it was entered before with other updates: two writers have one epoch.
    pub(super) fn enter(&mut self, source: &str, number: u64, epoch: &Epoch) -> Result<(), String> {
        let entry = self.epochs.entry((source.to_owned(), number)).or_default();
        if !epoch.states.starts_with(&entry.states) {
            return Err(format!("{source} epoch {number} has two writers"));
        }
        entry.states.extend_from_slice(&epoch.states[entry.states.len()..]);
        entry.ended = epoch.ended;
        entry.after_loss = epoch.after_loss;
        Ok(())
    }

    /// One epoch; `None` if nothing was published in it.
    pub(super) fn epoch(&self, source: &str, epoch: u64) -> Option<&Epoch> {
        self.epochs.get(&(source.to_owned(), epoch))
    }
}
