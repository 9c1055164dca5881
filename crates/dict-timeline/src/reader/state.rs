//! Every dictionary as it was at a time, whichever files say it.

use std::sync::Arc;

use dict_protocol::pattern::Pattern;
use dict_protocol::time::Time;
use dict_protocol::value::Dictionary;

use super::Reader;
use crate::error::{Error, Result};

/// A source's dictionary at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Whose.
    pub source: Arc<str>,
    /// Whether its writer had not ended, and no hub had reported it offline.
    pub online: bool,
    /// The time of its newest change by then.
    pub time: Time,
    /// Its values, the keys in the order in which the timeline first saw them.
    pub values: Dictionary,
}

impl Reader {
    /// The dictionary of each source that passes, as it was at a time; without one, as it is.
    ///
    /// It is made of the newest row of each key whose time is not later. Newest is the one with the greatest number,
    /// but for rows that came late. Sources that had no row by then are left out; no pattern means all.
    ///
    /// # Errors
    ///
    /// What SQLite says, [`Error::Corrupt`], and [`Error::TooEarly`] where the rows of that time were removed.
    pub fn state(&self, at: Option<Time>, sources: &[Pattern]) -> Result<Vec<State>> {
        let Some(at) = at else { return self.newest(|file| file.state(None, sources)) };
        // The first file that goes beyond that time has it all, but for rows of that time that came to later ones.
        let mut beyond = self.parts(|extent| extent.time_max > at)?.into_iter();
        let (path, file) = loop {
            let Some(path) = beyond.next() else { return Ok(Vec::new()) };
            if let Some(file) = self.part(&path)? {
                break (path, file);
            }
        };
        let mut states = file.state(Some(at), sources)?;
        for later in self.parts(|extent| extent.time_min <= at)?.into_iter().filter(|later| *later > path) {
            if let Some(file) = self.part(&later)? {
                file.amend(&mut states, at, sources)?;
            }
        }
        Ok(states)
    }

    /// The dictionaries as they stood before the first row that there is: none, unless files before it were removed.
    pub(crate) fn beginning(&self, sources: &[Pattern]) -> Result<Vec<State>> {
        for path in self.parts(|_| true)? {
            if let Some(file) = self.part(&path)? {
                return file.beginning(sources);
            }
        }
        Ok(Vec::new())
    }

    /// The dictionaries as they stood at a time, or, if that was before the first row that there is, as that found them.
    pub(crate) fn state_before(&self, at: Option<Time>, sources: &[Pattern]) -> Result<Vec<State>> {
        let Some(at) = at else { return self.beginning(sources) };
        match self.state(Some(at.offset_by(-1)), sources) {
            Err(Error::TooEarly { .. }) => self.beginning(sources),
            states => states,
        }
    }
}
