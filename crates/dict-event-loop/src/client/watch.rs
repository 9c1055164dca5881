//! Watching sources.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dict_protocol::change::Patch;
use dict_protocol::encoding::messagepack;
use dict_protocol::mirror::Mirrored;
use dict_protocol::packet;
use dict_protocol::pattern::Pattern;
use dict_protocol::record::Stamp;
use dict_protocol::session::SubscriptionId;
use dict_protocol::value::{Dictionary, Value};

use super::shared::{Stage, State, deadline, time_left, wait_on};
use super::watches::{Queued, Raw, RawKind, Watching};
use super::{Client, Inner, WatchError};

/// How sources are to be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct WatchOptions {
    /// Whether each update counts, or the newest state.
    pub mode: Mode,
    /// The least time between two updates of a source, in mode `latest`.
    pub interval: Duration,
}

/// What a watcher wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// The newest state: updates may be merged.
    #[default]
    Latest,
    /// Each update; where one is not seen, [`WatchEvent::Missed`] says so.
    Every,
}

/// Sources that are watched.
///
/// They are received in the background whether the program looks or not. [`Watch::latest`] gives the newest dictionary
/// of one at any time; [`Watch::next`] gives one event after the other. Those wait in a queue bounded by
/// [`Limits::watch_events`](dict_protocol::limits::Limits::watch_events) and
/// [`watch_bytes`](dict_protocol::limits::Limits::watch_bytes); when it is full, a source's updates are merged into a
/// [`WatchEvent::State`] that is told when the queue has been taken, in mode `every` after a [`WatchEvent::Missed`].
pub struct Watch {
    inner: Arc<Inner>,
    id: SubscriptionId,
}

/// What happened to a source that is watched.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WatchEvent {
    /// It is there, or its presence changed.
    Source(SourceState),
    /// Its whole dictionary.
    State(StateEvent),
    /// What changed in it.
    Update(UpdateEvent),
    /// All there was when the connection was made has been told.
    Current,
    /// Updates that were not seen, in mode `every`: the link was lost, or the program or the connection too slow.
    Missed {
        /// The source's name.
        source: Arc<str>,
        /// The epoch that they are of.
        epoch: u64,
        /// Which.
        sequences: RangeInclusive<u64>,
    },
}

/// A source, as it was last told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceState {
    /// Its name.
    pub name: String,
    /// The life of its writer.
    pub epoch: u64,
    /// Whether its writer is connected, and so is this client.
    pub online: bool,
    /// The name of the client that writes it.
    pub writer: String,
    /// Where it is offline: why.
    pub reason: String,
    /// The epoch and sequence of the update that its dictionary is as of; `None` before the first.
    pub position: Option<(u64, u64)>,
}

/// A source's whole dictionary.
#[derive(Clone, Debug, PartialEq)]
pub struct StateEvent {
    /// The source's name.
    pub source: Arc<str>,
    /// The epoch of the update that it is as of.
    pub epoch: u64,
    /// That update's sequence.
    pub sequence: u64,
    /// The clocks at that update.
    pub stamp: Stamp,
    /// The dictionary.
    pub dictionary: Dictionary,
}

/// What changed in a source at once.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateEvent {
    /// The source's name.
    pub source: Arc<str>,
    /// Its epoch.
    pub epoch: u64,
    /// Its sequence.
    pub sequence: u64,
    /// The clocks.
    pub stamp: Stamp,
    /// It is the epoch's End.
    pub end: bool,
    /// Keys removed.
    pub removed: Vec<String>,
    /// Keys set, with their values; removals come first.
    pub set: Dictionary,
}

impl Client {
    /// Watches the sources that `pattern` matches, now and in time to come.
    ///
    /// # Errors
    ///
    /// If the pattern is too long, or there are too many watches.
    pub fn watch(&self, pattern: Pattern, options: WatchOptions) -> Result<Watch, WatchError> {
        let mut state = self.lock();
        state.check_running()?;
        let mode = match options.mode {
            Mode::Latest => packet::Mode::Latest,
            Mode::Every => packet::Mode::Every,
        };
        let State { session, inbox, .. } = &mut *state;
        let id = session.subscribe(pattern.clone(), mode, options.interval)?;
        inbox.watch(id, pattern, options.mode);
        self.inner.shared.release(state);
        Ok(Watch { inner: self.inner.clone(), id })
    }
}

impl Watch {
    /// Waits until everything that the hub has of these sources was told: what is not there then does not exist.
    ///
    /// # Errors
    ///
    /// As of [`Watch::next`], or if it takes longer than `timeout`.
    pub fn wait_current(&self, timeout: Duration) -> Result<(), WatchError> {
        let done = self.wait(deadline(timeout), |state, id| {
            state.inbox.watches.get(id).is_some_and(|watch| watch.is_current).then_some(())
        })?;
        done.ok_or(WatchError::TimedOut { after: timeout })
    }

    /// The newest dictionary of a source; `None` if there is none, or it is not watched (any more: see
    /// [`Watch::next`]'s errors). Clears its [updated](Watch::updated) flag.
    pub fn latest(&self, source: &str) -> Option<Dictionary> {
        self.read(source, Dictionary::clone)
    }

    /// One value of the newest dictionary of a source. Clears its updated flag.
    pub fn value(&self, source: &str, key: &str) -> Option<Value> {
        self.read(source, |dictionary| dictionary.get(key).cloned()).flatten()
    }

    /// Whether something new has come of a source since this was last asked, or its dictionary read.
    pub fn updated(&self, source: &str) -> bool {
        let mut state = self.inner.shared.lock();
        let Some((watch, mirrored)) = find(&mut state, self.id, source) else { return false };
        watch.has_news(source, mirrored.version())
    }

    /// The sources that are watched, as last told.
    pub fn sources(&self) -> Vec<SourceState> {
        let state = self.inner.shared.lock();
        let watch = state.inbox.watches.get(self.id).filter(|watch| watch.ended.is_none());
        let Some(watch) = watch else { return Vec::new() };
        let matching = state.inbox.mirror.iter().filter(|source| watch.pattern().matches(source.name()));
        matching.map(SourceState::new).collect()
    }

    /// Waits for the next event; `None` after `timeout`. In mode `latest` the first ones are what there is when this is
    /// first called.
    ///
    /// # Errors
    ///
    /// If the hub refuses, one of the sources is more than the client's [limits](dict_protocol::limits::Limits) allow,
    /// or the client was closed.
    pub fn next(&self, timeout: Duration) -> Result<Option<WatchEvent>, WatchError> {
        self.next_until(deadline(timeout))
    }

    /// Waits for one event after the other, until [`Watch::next`] has an error.
    pub fn events(&self) -> Events<'_> {
        Events { watch: self }
    }

    fn next_until(&self, deadline: Option<Instant>) -> Result<Option<WatchEvent>, WatchError> {
        let queued = self.wait(deadline, |state, id| {
            let inbox = &mut state.inbox;
            inbox.watches.get_mut(id).and_then(|watch| watch.pop(&inbox.mirror))
        })?;
        Ok(queued.map(|queued| match queued {
            Queued::Event(event) => event,
            Queued::Raw(raw) => raw.decode(),
        }))
    }

    /// Waits for `until` to give something.
    fn wait<R>(
        &self,
        deadline: Option<Instant>,
        mut until: impl FnMut(&mut State, SubscriptionId) -> Option<R>,
    ) -> Result<Option<R>, WatchError> {
        let mut state = self.inner.shared.lock();
        loop {
            if let Some(result) = until(&mut state, self.id) {
                return Ok(Some(result));
            }
            let closed = (state.stage == Stage::Closed).then(|| state.closed());
            let Some(watch) = state.inbox.watches.get_mut(self.id) else { return Err(state.closed().into()) };
            if let Some(error) = &watch.ended {
                return Err(error.clone());
            }
            if let Some(closed) = closed {
                return Err(closed.into());
            }
            let Some(left) = time_left(deadline) else { return Ok(None) };
            watch.waiting += 1;
            let ready = watch.ready.clone();
            state = wait_on(&ready, state, left);
            if let Some(watch) = state.inbox.watches.get_mut(self.id) {
                watch.waiting -= 1;
            }
        }
    }

    fn read<R>(&self, source: &str, read: impl FnOnce(&Dictionary) -> R) -> Option<R> {
        let mut state = self.inner.shared.lock();
        let (watch, mirrored) = find(&mut state, self.id, source)?;
        watch.has_news(source, mirrored.version());
        mirrored.dictionary().map(read)
    }
}

/// A watch, and a source that it is about.
fn find<'s>(
    state: &'s mut State,
    id: SubscriptionId,
    source: &str,
) -> Option<(&'s mut Watching, &'s Mirrored)> {
    let watch = state.inbox.watches.get_mut(id).filter(|watch| watch.ended.is_none())?;
    let mirrored = state.inbox.mirror.get(source).filter(|_| watch.pattern().matches(source))?;
    Some((watch, mirrored))
}

impl Drop for Watch {
    fn drop(&mut self) {
        let shared = &self.inner.shared;
        let mut state = shared.lock();
        state.session.unsubscribe(self.id);
        let inbox = &mut state.inbox;
        inbox.watches.remove(self.id, &mut inbox.mirror);
        shared.release(state);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The events of a [`Watch`], one after the other; see [`Watch::events`].
#[derive(Debug)]
pub struct Events<'w> {
    watch: &'w Watch,
}

impl Iterator for Events<'_> {
    type Item = WatchEvent;

    fn next(&mut self) -> Option<WatchEvent> {
        self.watch.next_until(None).ok().flatten()
    }
}

impl Watching {
    /// Whether a source has changed since this was last asked.
    fn has_news(&mut self, source: &str, version: u64) -> bool {
        match self.read.get_mut(source) {
            Some(read) => std::mem::replace(read, version) != version,
            None => {
                self.read.insert(source.to_owned(), version);
                version > 0
            }
        }
    }
}

impl SourceState {
    pub(super) fn new(source: &Mirrored) -> Self {
        Self {
            name: source.name().to_owned(),
            epoch: source.epoch(),
            online: source.is_online(),
            writer: source.writer().to_owned(),
            reason: source.reason().to_owned(),
            position: source.position(),
        }
    }
}

impl StateEvent {
    /// The state of a source as it is now, if it has one.
    pub(super) fn of(source: &Mirrored) -> Option<Self> {
        let (epoch, sequence) = source.position()?;
        Some(Self {
            source: source.name().into(),
            epoch,
            sequence,
            stamp: source.stamp()?,
            dictionary: source.dictionary()?.clone(),
        })
    }
}

impl Raw {
    fn decode(self) -> WatchEvent {
        // The mirror has read it with the client's limit of depth.
        const READ: &str = "it was read when it was received";
        let Self { name, epoch, sequence, stamp, kind, bytes } = self;
        match kind {
            RawKind::Dictionary => {
                let dictionary = messagepack::decode_dictionary(&bytes, usize::MAX).expect(READ);
                WatchEvent::State(StateEvent { source: name, epoch, sequence, stamp, dictionary })
            }
            RawKind::Patch { end } => {
                let patch = Patch::parse(&bytes, usize::MAX).expect(READ);
                WatchEvent::Update(UpdateEvent {
                    source: name,
                    epoch,
                    sequence,
                    stamp,
                    end,
                    removed: patch.removed().map(str::to_owned).collect(),
                    set: patch.as_dictionary().decode(),
                })
            }
        }
    }
}
