//! A watcher's dictionaries: what [`Source`], [`State`] and [`Update`] add up to.
//!
//! A [`Mirror`] keeps each source's newest dictionary, across reconnections, hub restarts and epochs. What it is told
//! counts only if it is new:
//!
//! | what comes | of the epoch that is held | of a higher one | of a lower one |
//! |---|---|---|---|
//! | Source | presence | the epoch to expect; the old dictionary stays until there is a newer | ignored |
//! | State at `s` | taken if `s` is not before what is held | taken | ignored |
//! | Update `s` | taken if `s` is after what is held | taken, onto an empty dictionary | ignored |
//!
//! A Source that says that its hub has forgotten it leaves the dictionary as it is; what comes of the name after counts, as
//! on a new connection.
//!
//! That holds within a connection. On a new one the first epoch told of counts, whatever it is: a hub that was restarted
//! may know less of epochs than this watcher, and what it says is the source now.
//!
//! A watcher in mode `every` has missed what lies between: [`Seen::missed`] says which.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use hashbrown::HashMap;

use crate::change::{self, Patch};
use crate::encoding::{DecodeError, messagepack};
use crate::limits::Limits;
use crate::packet::{Source, State, Update};
use crate::record::Stamp;
use crate::value::Dictionary;

/// The newest dictionaries of a connection's sources.
#[derive(Debug)]
pub struct Mirror {
    depth: usize,
    limit: usize,
    sources: Vec<Mirrored>,
    by_name: HashMap<String, usize>,
    by_id: HashMap<u32, usize>,
}

/// One source as it was last told.
#[derive(Clone, Debug)]
pub struct Mirrored {
    name: String,
    epoch: u64,
    /// The hub's number of the epoch; `None` where nothing was told of the source on this connection.
    id: Option<u32>,
    online: bool,
    writer: String,
    reason: String,
    held: Option<Held>,
    /// The hub has forgotten what is held: no update follows it.
    forgotten: bool,
    dictionary: Dictionary,
    version: u64,
}

/// The update that a dictionary is as of.
#[derive(Clone, Copy, Debug)]
struct Held {
    epoch: u64,
    sequence: u64,
    stamp: Stamp,
}

/// What was taken in.
#[derive(Debug)]
pub struct Seen<'m, 'p> {
    /// The source as it is now.
    pub source: &'m Mirrored,
    /// What changed; `None` where the whole dictionary was stated.
    pub patch: Option<Patch<'p>>,
    /// Sequences of the source's epoch that no Update told.
    pub missed: Option<RangeInclusive<u64>>,
}

/// What a mirror cannot take in; of that source it is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MirrorError {
    /// It is no dictionary or no patch.
    #[error("a dictionary that cannot be read: {0}")]
    Decode(#[from] DecodeError),
    /// There are more sources than may be.
    #[error("more than {limit} sources (limit sources)")]
    Sources {
        /// How many may be.
        limit: usize,
    },
}

impl Mirrored {
    /// The source's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The hub's number of the epoch on this connection; `None` where nothing was told of the source on it.
    pub fn id(&self) -> Option<u32> {
        self.id
    }

    /// The writer's life that was told of last.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether its writer is connected, and so is this client.
    pub fn is_online(&self) -> bool {
        self.online
    }

    /// The name of the client that writes it.
    pub fn writer(&self) -> &str {
        &self.writer
    }

    /// Where it is offline: why.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The dictionary; `None` before the first was told.
    pub fn dictionary(&self) -> Option<&Dictionary> {
        self.held.map(|_| &self.dictionary)
    }

    /// The epoch and sequence of the update that the dictionary is as of.
    pub fn position(&self) -> Option<(u64, u64)> {
        self.held.map(|held| (held.epoch, held.sequence))
    }

    /// The clocks at that update.
    pub fn stamp(&self) -> Option<Stamp> {
        self.held.map(|held| held.stamp)
    }

    /// Counts the changes of the dictionary: who remembers it sees whether there was one since.
    pub fn version(&self) -> u64 {
        self.version
    }
}

impl Mirror {
    /// A mirror of nothing yet.
    pub fn new(limits: &Limits) -> Self {
        Self {
            depth: limits.depth,
            limit: limits.sources,
            sources: Vec::new(),
            by_name: HashMap::new(),
            by_id: HashMap::new(),
        }
    }

    /// A source by its name.
    pub fn get(&self, name: &str) -> Option<&Mirrored> {
        self.by_name.get(name).map(|&place| &self.sources[place])
    }

    /// A source by the hub's number on this connection.
    pub fn by_id(&self, id: u32) -> Option<&Mirrored> {
        self.by_id.get(&id).map(|&place| &self.sources[place])
    }

    /// All sources, in the order in which they were first told of.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Mirrored> {
        self.sources.iter()
    }

    /// Takes a source's presence in; `None` if it is that of an older epoch.
    ///
    /// # Errors
    ///
    /// If there are too many sources.
    pub fn source(&mut self, source: &Source<'_>) -> Result<Option<&Mirrored>, MirrorError> {
        if source.replay {
            return Ok(None);
        }
        let place = match self.by_name.get(source.name) {
            Some(&place) => place,
            None => self.add(source.name)?,
        };
        let mirrored = &mut self.sources[place];
        if mirrored.id.is_some() && source.epoch < mirrored.epoch {
            return Ok(None);
        }
        if let Some(old) = mirrored.id.replace(source.id)
            && old != source.id
        {
            self.by_id.remove(&old);
        }
        self.by_id.insert(source.id, place);
        if source.is_forgotten() {
            self.by_id.remove(&source.id);
            mirrored.id = None;
            mirrored.forgotten = true;
        }
        mirrored.epoch = source.epoch;
        mirrored.online = source.online;
        replace(&mut mirrored.writer, source.writer);
        replace(&mut mirrored.reason, source.reason);
        Ok(Some(mirrored))
    }

    /// Takes a whole dictionary in; `None` if it is not new.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn state<'p>(&mut self, state: &State<'p>) -> Result<Option<Seen<'_, 'p>>, MirrorError> {
        let Some(mirrored) = find(&self.by_id, &mut self.sources, state.source) else { return Ok(None) };
        let before = mirrored.sequence();
        if before.is_some_and(|before| state.sequence < before) {
            return Ok(None);
        }
        let dictionary = messagepack::decode_dictionary(state.dictionary, self.depth)?;
        let missed = mirrored.missed_by(state);
        if before == Some(state.sequence) && mirrored.dictionary == dictionary {
            return Ok(None);
        }
        let changed = mirrored.dictionary != dictionary;
        mirrored.dictionary = dictionary;
        mirrored.hold(state.sequence, state.stamp, changed);
        Ok(Some(Seen { source: mirrored, patch: None, missed }))
    }

    /// Takes what changed in; `None` if it is not new.
    ///
    /// # Errors
    ///
    /// If it is no patch.
    pub fn update<'p>(&mut self, update: &Update<'p>) -> Result<Option<Seen<'_, 'p>>, MirrorError> {
        let Some(mirrored) = find(&self.by_id, &mut self.sources, update.source) else { return Ok(None) };
        // Where an epoch has no State, its dictionary is empty and then built up by updates.
        let before = mirrored.sequence().unwrap_or(0);
        if update.sequence <= before {
            return Ok(None);
        }
        let patch = Patch::parse(update.patch, self.depth)?;
        let changed = if before == 0 {
            let former = core::mem::take(&mut mirrored.dictionary);
            change::apply(&patch, &mut mirrored.dictionary);
            mirrored.dictionary != former
        } else {
            change::apply(&patch, &mut mirrored.dictionary);
            !patch.is_empty()
        };
        mirrored.hold(update.sequence, update.stamp, changed);
        let missed = (before + 1 < update.sequence).then(|| before + 1..=update.sequence - 1);
        Ok(Some(Seen { source: mirrored, patch: Some(patch), missed }))
    }

    /// The connection is gone: the hub's numbers mean nothing any more, and nobody is known to be online.
    pub fn disconnected(&mut self, reason: &str) {
        self.by_id.clear();
        for source in &mut self.sources {
            source.id = None;
            if core::mem::replace(&mut source.online, false) {
                replace(&mut source.reason, reason);
            }
        }
    }

    /// Forgets the sources for which `keep` is false: nobody watches them.
    pub fn retain(&mut self, mut keep: impl FnMut(&Mirrored) -> bool) {
        let mut places = Vec::with_capacity(self.sources.len());
        let mut kept = 0;
        self.sources.retain(|source| {
            let keep = keep(source);
            places.push(keep.then_some(kept));
            kept += usize::from(keep);
            keep
        });
        let moved = |place: &mut usize| places[*place].inspect(|&new| *place = new).is_some();
        self.by_name.retain(|_, place| moved(place));
        self.by_id.retain(|_, place| moved(place));
    }

    fn add(&mut self, name: &str) -> Result<usize, MirrorError> {
        let place = self.sources.len();
        if place >= self.limit {
            return Err(MirrorError::Sources { limit: self.limit });
        }
        self.sources.push(Mirrored {
            name: name.into(),
            epoch: 0,
            id: None,
            online: false,
            writer: String::new(),
            reason: String::new(),
            held: None,
            forgotten: false,
            dictionary: Dictionary::new(),
            version: 0,
        });
        self.by_name.insert(name.into(), place);
        Ok(place)
    }
}

impl Mirrored {
    /// The last update held of the epoch that was told of.
    fn sequence(&self) -> Option<u64> {
        self.held.filter(|held| held.epoch == self.epoch && !self.forgotten).map(|held| held.sequence)
    }

    /// The updates in whose place `state` stands, as far as this watcher might have seen them.
    fn missed_by(&self, state: &State<'_>) -> Option<RangeInclusive<u64>> {
        let first = match (self.sequence(), state.missing) {
            (Some(before), _) => before.saturating_add(1),
            (None, Some(missing)) => missing.first,
            // An older epoch was watched, so this one would have been. Its first update states what a State does.
            (None, None) if self.held.is_some() && state.sequence > 1 => 1,
            // Whoever has just come has missed nothing.
            (None, None) => return None,
        };
        (first <= state.sequence).then_some(first..=state.sequence)
    }

    fn hold(&mut self, sequence: u64, stamp: Stamp, changed: bool) {
        self.held = Some(Held { epoch: self.epoch, sequence, stamp });
        self.forgotten = false;
        self.version += u64::from(changed);
    }
}

fn find<'m>(by_id: &HashMap<u32, usize>, sources: &'m mut [Mirrored], id: u32) -> Option<&'m mut Mirrored> {
    by_id.get(&id).map(|&place| &mut sources[place])
}

/// Replaces a text that mostly stays the same.
fn replace(text: &mut String, new: &str) {
    if text != new {
        text.clear();
        text.push_str(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::PatchBuilder;
    use crate::dictionary;

    fn source(id: u32, epoch: u64) -> Source<'static> {
        Source { id, epoch, previous: 0, online: true, replay: false, name: "a", writer: "w", reason: "" }
    }

    fn mirror() -> Mirror {
        let mut mirror = Mirror::new(&Limits { sources: 1, ..Limits::default() });
        mirror.source(&source(1, 10)).unwrap().unwrap();
        mirror
    }

    /// Takes in a State with `n` as given; returns what was missed, if it was new.
    fn state(mirror: &mut Mirror, id: u32, sequence: u64, n: i64) -> Option<Option<RangeInclusive<u64>>> {
        let mut dictionary = Vec::new();
        messagepack::encode_dictionary(&dictionary! { "n" => n }, 1, &mut dictionary).unwrap();
        let state = State {
            source: id,
            sequence,
            stamp: Stamp::default(),
            missing: None,
            end_of_slice: false,
            replayed: false,
            dictionary: &dictionary,
        };
        mirror.state(&state).unwrap().map(|seen| seen.missed)
    }

    /// The same for an Update.
    fn update(mirror: &mut Mirror, id: u32, sequence: u64, n: i64) -> Option<Option<RangeInclusive<u64>>> {
        let mut bytes = Vec::new();
        let mut patch = PatchBuilder::new(1, &mut bytes);
        patch.set("n", &n.into()).unwrap();
        patch.finish().unwrap();
        let update = Update {
            source: id,
            sequence,
            stamp: Stamp::default(),
            end: false,
            end_of_slice: false,
            replayed: false,
            patch: &bytes,
        };
        mirror.update(&update).unwrap().map(|seen| seen.missed)
    }

    fn n(mirror: &Mirror) -> Option<i64> {
        mirror.get("a").unwrap().dictionary().map(|dictionary| dictionary["n"].as_i64().unwrap())
    }

    #[test]
    fn only_what_is_new_counts() {
        let mut mirror = mirror();
        assert_eq!(n(&mirror), None);
        assert_eq!(state(&mut mirror, 1, 4, 4), Some(None), "whoever has just come has missed nothing");
        assert_eq!(update(&mut mirror, 1, 5, 5), Some(None));
        assert_eq!(update(&mut mirror, 1, 5, -5), None);
        assert_eq!(state(&mut mirror, 1, 3, -3), None);
        assert_eq!(update(&mut mirror, 1, 8, 8), Some(Some(6..=7)));
        assert_eq!(state(&mut mirror, 1, 8, 8), None);
        assert_eq!(state(&mut mirror, 1, 10, 10), Some(Some(9..=10)));
        assert_eq!(update(&mut mirror, 2, 11, 11), None, "nobody was told of source 2");
        assert_eq!(n(&mirror), Some(10));
        assert_eq!(mirror.get("a").unwrap().version(), 4);
    }

    #[test]
    fn an_epoch_that_begins_under_the_watchers_eyes() {
        let mut mirror = mirror();
        assert_eq!(update(&mut mirror, 1, 1, 1), Some(None));
        mirror.source(&source(2, 11)).unwrap().unwrap();
        assert_eq!(n(&mirror), Some(1), "the old dictionary stays until there is a newer");
        assert!(mirror.source(&source(1, 10)).unwrap().is_none(), "the older epoch is over");
        assert_eq!(update(&mut mirror, 1, 2, 2), None, "and so is its number");
        assert_eq!(state(&mut mirror, 2, 3, 3), Some(Some(1..=3)));
        assert_eq!(mirror.get("a").unwrap().position(), Some((11, 3)));
    }

    #[test]
    fn a_new_connection_goes_on_where_the_old_one_stopped() {
        let mut mirror = mirror();
        assert_eq!(state(&mut mirror, 1, 4, 4), Some(None));
        mirror.disconnected("gone");
        let told = mirror.get("a").unwrap();
        assert_eq!((told.is_online(), told.reason()), (false, "gone"));
        assert_eq!(update(&mut mirror, 1, 5, 5), None, "numbers of the old connection mean nothing");
        mirror.source(&source(7, 10)).unwrap().unwrap();
        assert_eq!(state(&mut mirror, 7, 6, 6), Some(Some(5..=6)));
    }

    #[test]
    fn a_restarted_hub_is_believed_even_if_it_knows_less() {
        let mut mirror = mirror();
        assert_eq!(state(&mut mirror, 1, 4, 4), Some(None));
        mirror.disconnected("gone");
        mirror.source(&source(1, 9)).unwrap().unwrap();
        assert_eq!(n(&mirror), Some(4), "the old dictionary stays until there is a newer");
        assert_eq!(state(&mut mirror, 1, 2, 2), Some(Some(1..=2)));
        assert_eq!(mirror.get("a").unwrap().position(), Some((9, 2)));
    }

    #[test]
    fn what_comes_of_a_forgotten_source_counts_whatever_it_is() {
        let mut mirror = mirror();
        assert_eq!(state(&mut mirror, 1, 4, 4), Some(None));
        let gone = Source { online: false, reason: Source::FORGOTTEN, ..source(1, 10) };
        mirror.source(&gone).unwrap().unwrap();
        let told = mirror.get("a").unwrap();
        assert_eq!((told.is_online(), told.id(), told.reason()), (false, None, "forgotten"));
        assert_eq!(n(&mirror), Some(4), "what is held stays");
        assert_eq!(update(&mut mirror, 1, 5, 5), None, "its number means nothing");
        mirror.source(&source(2, 10)).unwrap().unwrap();
        assert_eq!(state(&mut mirror, 2, 1, 1), Some(None));
        mirror.source(&Source { reason: Source::WITHDRAWN, ..gone }).unwrap();
        mirror.source(&source(3, 9)).unwrap().unwrap();
        assert_eq!(update(&mut mirror, 3, 1, 7), Some(None));
        assert_eq!(mirror.get("a").unwrap().position(), Some((9, 1)));
    }

    #[test]
    fn what_nobody_watches_is_forgotten() {
        let mut mirror = mirror();
        let other = Source { id: 2, name: "b", ..source(2, 1) };
        assert_eq!(mirror.source(&other).unwrap_err(), MirrorError::Sources { limit: 1 });
        mirror.retain(|source| source.name() != "a");
        assert!(mirror.get("a").is_none() && mirror.by_id(1).is_none());
        mirror.source(&other).unwrap().unwrap();
        assert_eq!(mirror.by_id(2).unwrap().name(), "b");
    }
}
