//! What each watch still has to be told, and which sources it is about.
//!
//! Events wait in a queue for the program to take them. When that is full, what comes is not queued: its source is
//! remembered as **behind**, and when the queue has been taken, its state as it is then is told, after what was missed
//! of it. So a program that never looks, or not often enough, costs bounded memory and always gets the newest.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;

use dict_protocol::limits::Limits;
use dict_protocol::mirror::{Mirror, Mirrored, Seen};
use dict_protocol::packet::{State, Update};
use dict_protocol::pattern::Pattern;
use dict_protocol::record::Stamp;
use dict_protocol::session::SubscriptionId;

use super::error::WatchError;
use super::shared::Ready;
use super::watch::{Mode, SourceState, StateEvent, WatchEvent};

/// The watches of a client.
#[derive(Default)]
pub(super) struct Watches {
    watches: BTreeMap<SubscriptionId, Watching>,
    /// By the hub's number of a source: its name, and who watches it.
    routes: HashMap<u32, Route>,
    /// Watches with something new for a thread that waits.
    ready: Vec<Ready>,
}

struct Route {
    name: Arc<str>,
    watches: Vec<SubscriptionId>,
}

/// One watch.
pub(super) struct Watching {
    pattern: Pattern,
    mode: Mode,
    limit_events: usize,
    limit_bytes: usize,
    /// Whether events are queued: in mode `latest` from when the program first asks for one.
    queues: bool,
    queue: VecDeque<Queued>,
    /// What the queue holds.
    bytes: usize,
    behind: BTreeMap<Arc<str>, Behind>,
    /// Current is to be told after the sources that are behind.
    owes_current: bool,
    pub(super) is_current: bool,
    /// Why it is over, if it is.
    pub(super) ended: Option<WatchError>,
    /// The versions of dictionaries that the program has read.
    pub(super) read: HashMap<String, u64>,
    pub(super) ready: Ready,
    /// Threads that wait for it.
    pub(super) waiting: usize,
}

/// An event as it waits.
pub(super) enum Queued {
    Event(WatchEvent),
    /// Not decoded yet: that is for the program's thread to do.
    Raw(Raw),
}

/// A State or an Update as it was received.
pub(super) struct Raw {
    pub(super) name: Arc<str>,
    pub(super) epoch: u64,
    pub(super) sequence: u64,
    pub(super) stamp: Stamp,
    pub(super) kind: RawKind,
    pub(super) bytes: Box<[u8]>,
}

/// What the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RawKind {
    Dictionary,
    Patch { end: bool },
}

/// What is to be told of a source when the queue has been taken.
#[derive(Default)]
struct Behind {
    presence: bool,
    state: bool,
    /// With the epoch that they are of.
    missed: Option<(u64, RangeInclusive<u64>)>,
}

impl Watches {
    pub(super) fn add(
        &mut self,
        id: SubscriptionId,
        pattern: Pattern,
        mode: Mode,
        mirror: &Mirror,
        limits: &Limits,
    ) {
        for route in self.routes.values_mut().filter(|route| pattern.matches(&route.name)) {
            route.watches.push(id);
        }
        let mut watching = Watching {
            pattern,
            mode,
            limit_events: limits.watch_events,
            limit_bytes: limits.watch_bytes,
            queues: false,
            queue: VecDeque::new(),
            bytes: 0,
            behind: BTreeMap::new(),
            owes_current: false,
            is_current: false,
            ended: None,
            read: HashMap::new(),
            ready: Ready::default(),
            waiting: 0,
        };
        if mode == Mode::Every {
            watching.begin_to_queue(mirror);
            // As it is now: what comes next is to be told by itself.
            while let Some((name, behind)) = watching.behind.pop_first() {
                watching.catch_up(&name, &behind, mirror);
            }
        }
        self.watches.insert(id, watching);
    }

    /// Removes a watch.
    pub(super) fn remove(&mut self, id: SubscriptionId, mirror: &mut Mirror) {
        self.watches.remove(&id);
        self.forget_unwatched(mirror);
    }

    /// Ends the watches that are about a source, which cannot be taken in; those are returned.
    pub(super) fn give_up(
        &mut self,
        source: &str,
        error: &WatchError,
        mirror: &mut Mirror,
    ) -> Vec<SubscriptionId> {
        let mut ended = Vec::new();
        for (&id, watch) in self.watches.iter_mut().filter(|(_, watch)| watch.is_about(source)) {
            watch.ended = Some(error.clone());
            watch.wake(&mut self.ready);
            ended.push(id);
        }
        self.forget_unwatched(mirror);
        ended
    }

    /// Forgets sources that nobody watches any more.
    fn forget_unwatched(&mut self, mirror: &mut Mirror) {
        let Self { watches, routes, .. } = self;
        routes.retain(|_, route| {
            route.watches.retain(|id| watches.get(id).is_some_and(|watch| watch.ended.is_none()));
            !route.watches.is_empty()
        });
        mirror.retain(|source| watches.values().any(|watch| watch.is_about(source.name())));
    }

    /// Whether somebody watches that source.
    pub(super) fn are_about(&self, source: &str) -> bool {
        self.watches.values().any(|watch| watch.is_about(source))
    }

    pub(super) fn get(&self, id: SubscriptionId) -> Option<&Watching> {
        self.watches.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: SubscriptionId) -> Option<&mut Watching> {
        self.watches.get_mut(&id)
    }

    /// The watches with something new for threads that wait.
    pub(super) fn take_ready(&mut self) -> Vec<Ready> {
        std::mem::take(&mut self.ready)
    }

    /// A source's presence was told, under the number `id` in place of `before`.
    pub(super) fn source(&mut self, before: Option<u32>, id: u32, source: &Mirrored) {
        let Self { watches, routes, .. } = self;
        if let Some(before) = before.filter(|&before| before != id) {
            routes.remove(&before);
        }
        routes.entry(id).or_insert_with(|| {
            let watching = watches.iter().filter(|(_, watch)| watch.is_about(source.name()));
            Route { name: source.name().into(), watches: watching.map(|(&id, _)| id).collect() }
        });
        self.route(id, |watch, name| watch.presence(name, source));
    }

    /// A source's dictionary was stated.
    pub(super) fn state(&mut self, state: &State<'_>, seen: &Seen<'_, '_>) {
        self.route(state.source, |watch, name| {
            watch.raw(name, seen, state.sequence, || Raw {
                name: name.clone(),
                epoch: seen.source.epoch(),
                sequence: state.sequence,
                stamp: state.stamp,
                kind: RawKind::Dictionary,
                bytes: state.dictionary.into(),
            });
        });
    }

    /// A source's dictionary was changed.
    pub(super) fn update(&mut self, update: &Update<'_>, seen: &Seen<'_, '_>) {
        self.route(update.source, |watch, name| {
            watch.raw(name, seen, update.sequence, || Raw {
                name: name.clone(),
                epoch: seen.source.epoch(),
                sequence: update.sequence,
                stamp: update.stamp,
                kind: RawKind::Patch { end: update.end },
                bytes: update.patch.into(),
            });
        });
    }

    /// All there is for a subscription was told.
    pub(super) fn current(&mut self, id: SubscriptionId) {
        let Some(watch) = self.watches.get_mut(&id).filter(|watch| watch.ended.is_none()) else { return };
        watch.current();
        watch.wake(&mut self.ready);
    }

    pub(super) fn refused(&mut self, id: SubscriptionId, text: &str) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        watch.ended = Some(WatchError::Refused { text: text.to_owned() });
        watch.wake(&mut self.ready);
    }

    /// The connection is gone: every source is offline, and nothing is known to be current.
    pub(super) fn disconnected(&mut self, mirror: &Mirror) {
        self.routes.clear();
        for watch in self.watches.values_mut() {
            watch.is_current = false;
            watch.owes_current = false;
            for source in mirror.iter() {
                if watch.is_about(source.name()) {
                    watch.presence(&source.name().into(), source);
                }
            }
            watch.wake(&mut self.ready);
        }
    }

    /// Wakes all threads that wait for a watch.
    pub(super) fn wake_all(&mut self) {
        for watch in self.watches.values() {
            watch.wake(&mut self.ready);
        }
    }

    fn route(&mut self, id: u32, mut tell: impl FnMut(&mut Watching, &Arc<str>)) {
        let Self { watches, routes, ready } = self;
        let Some(route) = routes.get(&id) else { return };
        for watch in &route.watches {
            let Some(watch) = watches.get_mut(watch) else { continue };
            tell(watch, &route.name);
            watch.wake(ready);
        }
    }
}

impl Watching {
    /// The sources that it is about.
    pub(super) fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// Whether it is to be told of that source.
    fn is_about(&self, source: &str) -> bool {
        self.ended.is_none() && self.pattern.matches(source)
    }

    /// Takes the next event, if there is one.
    pub(super) fn pop(&mut self, mirror: &Mirror) -> Option<Queued> {
        if !self.queues {
            self.begin_to_queue(mirror);
            self.owes_current = self.is_current;
        }
        while self.queue.is_empty() {
            if let Some((name, behind)) = self.behind.pop_first() {
                self.catch_up(&name, &behind, mirror);
            } else if std::mem::take(&mut self.owes_current) {
                self.queue.push_back(Queued::Event(WatchEvent::Current));
            } else {
                return None;
            }
        }
        let event = self.queue.pop_front()?;
        self.bytes -= event.bytes();
        Some(event)
    }

    /// Queues events from now on, and begins with what there is.
    fn begin_to_queue(&mut self, mirror: &Mirror) {
        self.queues = true;
        for source in mirror.iter().filter(|source| self.pattern.matches(source.name())) {
            let behind = Behind { presence: true, state: source.dictionary().is_some(), missed: None };
            self.behind.insert(source.name().into(), behind);
        }
    }

    /// Queues what is to be told of a source that is behind, as it is now.
    fn catch_up(&mut self, name: &str, behind: &Behind, mirror: &Mirror) {
        let Some(source) = mirror.get(name) else { return };
        if behind.presence {
            self.push(Queued::Event(WatchEvent::Source(SourceState::new(source))));
        }
        if let Some((epoch, sequences)) = &behind.missed {
            let (source, epoch, sequences) = (source.name().into(), *epoch, sequences.clone());
            self.push(Queued::Event(WatchEvent::Missed { source, epoch, sequences }));
        }
        if behind.state
            && let Some(state) = StateEvent::of(source)
        {
            self.push(Queued::Event(WatchEvent::State(state)));
        }
    }

    fn presence(&mut self, name: &Arc<str>, source: &Mirrored) {
        if !self.queues {
            return;
        }
        match self.behind(name) {
            Some(behind) => behind.presence = true,
            None => self.push(Queued::Event(WatchEvent::Source(SourceState::new(source)))),
        }
    }

    /// Queues what was received, after what was missed before it.
    fn raw(&mut self, name: &Arc<str>, seen: &Seen<'_, '_>, sequence: u64, raw: impl FnOnce() -> Raw) {
        if !self.queues {
            return;
        }
        let every = self.mode == Mode::Every;
        let epoch = seen.source.epoch();
        let missed = seen.missed.clone().filter(|_| every);
        if let Some(behind) = self.behind(name) {
            behind.state = true;
            if every {
                let first = missed.map_or(sequence, |missed| *missed.start());
                behind.miss(epoch, first..=sequence);
            }
            return;
        }
        if let Some(sequences) = missed {
            self.push(Queued::Event(WatchEvent::Missed { source: name.clone(), epoch, sequences }));
        }
        self.push(Queued::Raw(raw()));
    }

    fn current(&mut self) {
        self.is_current = true;
        if self.queues && self.behind.is_empty() && self.queue.len() < self.limit_events {
            self.push(Queued::Event(WatchEvent::Current));
        } else {
            self.owes_current = self.queues;
        }
    }

    /// The note about a source that is behind, or, as the queue is full, becomes so.
    fn behind(&mut self, name: &Arc<str>) -> Option<&mut Behind> {
        if self.queue.len() >= self.limit_events || self.bytes >= self.limit_bytes {
            return Some(self.behind.entry(name.clone()).or_default());
        }
        if self.behind.is_empty() { None } else { self.behind.get_mut(name) }
    }

    fn push(&mut self, event: Queued) {
        self.bytes += event.bytes();
        self.queue.push_back(event);
    }

    fn wake(&self, ready: &mut Vec<Ready>) {
        if self.waiting > 0 && ready.last().is_none_or(|last| !Arc::ptr_eq(last, &self.ready)) {
            ready.push(self.ready.clone());
        }
    }
}

impl Behind {
    /// Adds updates that were missed. Of those of an older epoch only the newer ones are told.
    fn miss(&mut self, epoch: u64, sequences: RangeInclusive<u64>) {
        let first = match &self.missed {
            Some((before, missed)) if *before == epoch => *missed.start(),
            _ => *sequences.start(),
        };
        self.missed = Some((epoch, first..=*sequences.end()));
    }
}

impl Queued {
    /// What counts against the limit, roughly.
    fn bytes(&self) -> usize {
        match self {
            Self::Raw(raw) => raw.bytes.len(),
            Self::Event(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dict_protocol::change::PatchBuilder;
    use dict_protocol::packet::Source;

    const ID: SubscriptionId = SubscriptionId(1);

    struct Fixture {
        mirror: Mirror,
        watches: Watches,
        sequence: u64,
    }

    impl Fixture {
        fn new(mode: Mode) -> Self {
            let limits = Limits { watch_events: 2, ..Limits::default() };
            let (mut mirror, mut watches) = (Mirror::new(&limits), Watches::default());
            watches.add(ID, Pattern::all(), mode, &mirror, &limits);
            let source = Source {
                id: 1,
                epoch: 5,
                previous: 0,
                online: true,
                replay: false,
                name: "a",
                writer: "w",
                reason: "",
            };
            watches.source(None, 1, mirror.source(&source).unwrap().unwrap());
            Self { mirror, watches, sequence: 0 }
        }

        fn update(&mut self) {
            self.sequence += 1;
            let mut patch = Vec::new();
            let mut builder = PatchBuilder::new(1, &mut patch);
            builder.set("n", &self.sequence.into()).unwrap();
            builder.finish().unwrap();
            let update = Update {
                source: 1,
                sequence: self.sequence,
                stamp: Stamp::default(),
                end: false,
                end_of_slice: false,
                replayed: false,
                patch: &patch,
            };
            let seen = self.mirror.update(&update).unwrap().unwrap();
            self.watches.update(&update, &seen);
        }

        fn take(&mut self) -> Vec<String> {
            let watch = self.watches.get_mut(ID).unwrap();
            std::iter::from_fn(|| watch.pop(&self.mirror))
                .map(|event| match event {
                    Queued::Raw(raw) => format!("update {}", raw.sequence),
                    Queued::Event(WatchEvent::Source(_)) => "source".to_owned(),
                    Queued::Event(WatchEvent::State(state)) => format!("state {}", state.sequence),
                    Queued::Event(WatchEvent::Missed { sequences, .. }) => format!("missed {sequences:?}"),
                    Queued::Event(other) => format!("{other:?}"),
                })
                .collect()
        }
    }

    #[test]
    fn whoever_does_not_look_is_told_what_was_missed_and_the_state() {
        let mut fixture = Fixture::new(Mode::Every);
        (0..5).for_each(|_| fixture.update());
        fixture.watches.current(ID);
        assert_eq!(fixture.take(), ["source", "update 1", "missed 2..=5", "state 5", "Current"]);
        fixture.update();
        assert_eq!(fixture.take(), ["update 6"]);
    }

    #[test]
    fn current_is_not_told_of_a_connection_that_is_gone() {
        let mut fixture = Fixture::new(Mode::Every);
        (0..5).for_each(|_| fixture.update());
        fixture.watches.current(ID);
        fixture.mirror.disconnected("gone");
        fixture.watches.disconnected(&fixture.mirror);
        assert_eq!(fixture.take(), ["source", "update 1", "source", "missed 2..=5", "state 5"]);
    }

    #[test]
    fn latest_begins_when_it_is_asked() {
        let mut fixture = Fixture::new(Mode::Latest);
        (0..5).for_each(|_| fixture.update());
        fixture.watches.current(ID);
        assert_eq!(fixture.take(), ["source", "state 5", "Current"]);
        (0..5).for_each(|_| fixture.update());
        assert_eq!(fixture.take(), ["update 6", "update 7", "state 10"]);
    }

    #[test]
    fn what_nobody_watches_is_forgotten() {
        let mut fixture = Fixture::new(Mode::Latest);
        fixture.watches.remove(ID, &mut fixture.mirror);
        assert_eq!(fixture.mirror.iter().len(), 0);
        assert!(fixture.watches.routes.is_empty());
    }
}
