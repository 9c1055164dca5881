//! A program that watches every source of its hub.

use std::collections::BTreeMap;

use dict_protocol::change::{self, Patch};
use dict_protocol::encoding::messagepack::decode_dictionary;
use dict_protocol::limits::Limits;
use dict_protocol::mirror::Mirror;
use dict_protocol::packet::{Mode, Source, State, Update};
use dict_protocol::session::Event;
use dict_protocol::value::Dictionary;

use super::notes::Notes;
use super::plan::WatcherPlan;

const DEPTH: usize = 128;

/// What a watcher knows.
#[derive(Debug)]
pub(super) struct Watcher {
    /// How it watches.
    pub(super) plan: WatcherPlan,
    name: String,
    /// Names and epochs by the hub's numbers, on this connection.
    declared: BTreeMap<u32, (String, u64)>,
    views: BTreeMap<String, View>,
    /// What the library makes of the same.
    mirror: Mirror,
}

/// One source as a watcher sees it.
#[derive(Debug, Default)]
struct View {
    epoch: u64,
    online: bool,
    /// `None` until there is a State on this connection.
    sequence: Option<u64>,
    dictionary: Dictionary,
}

impl Watcher {
    /// Knows nothing yet.
    pub(super) fn new(plan: WatcherPlan, name: String, limits: &Limits) -> Self {
        Self { plan, name, declared: BTreeMap::new(), views: BTreeMap::new(), mirror: Mirror::new(limits) }
    }

    /// Whether it, and the mirror beside it, see a source so.
    pub(super) fn sees(&self, source: &str, epoch: u64, sequence: u64, dictionary: &Dictionary) -> bool {
        if sequence == 0 {
            return self.views.get(source).is_some_and(|view| view.online && view.epoch == epoch);
        }
        let sees = self.views.get(source).is_some_and(|view| {
            view.online
                && view.epoch == epoch
                && view.sequence == Some(sequence)
                && view.dictionary == *dictionary
        });
        let mirrors = self.mirror.get(source).is_some_and(|mirrored| {
            mirrored.is_online()
                && mirrored.position() == Some((epoch, sequence))
                && mirrored.dictionary() == Some(dictionary)
        });
        sees && mirrors
    }

    /// What it sees of a source, in words.
    pub(super) fn describe(&self, source: &str) -> String {
        format!("{:?} and in the mirror {:?}", self.views.get(source), self.mirror.get(source))
    }

    /// Something came.
    pub(super) fn event(&mut self, event: &Event<'_>, notes: &mut Notes) {
        let result = self.reflect(event).and_then(|()| self.look(event, notes));
        if let Err(complaint) = result {
            notes.complain(format_args!("{}: {complaint}", self.name));
        }
    }

    fn reflect(&mut self, event: &Event<'_>) -> Result<(), String> {
        let result = match event {
            Event::Source(source) => self.mirror.source(source).map(drop),
            Event::State(state) => self.mirror.state(state).map(drop),
            Event::Update(update) => self.mirror.update(update).map(drop),
            Event::Disconnected { .. } => {
                self.mirror.disconnected("the link broke");
                Ok(())
            }
            _ => Ok(()),
        };
        result.map_err(|error| error.to_string())
    }

    fn look(&mut self, event: &Event<'_>, notes: &mut Notes) -> Result<(), String> {
        match event {
            Event::Source(source) => {
                self.source(source);
                Ok(())
            }
            Event::State(state) => self.state(state, notes),
            Event::Update(update) => self.update(update, notes),
            Event::Disconnected { .. } => {
                self.declared.clear();
                // A hub that was restarted may know less of epochs than this watcher does.
                self.views.clear();
                Ok(())
            }
            Event::TooSlow { .. } => {
                notes.coverage.too_slow += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn source(&mut self, source: &Source<'_>) {
        self.declared.insert(source.id, (source.name.to_owned(), source.epoch));
        let view = self.views.entry(source.name.to_owned()).or_default();
        if source.epoch > view.epoch {
            *view = View { epoch: source.epoch, ..View::default() };
        }
        if source.epoch == view.epoch {
            view.online = source.online;
        }
    }

    fn view(&mut self, id: u32) -> Result<(&str, &mut View), String> {
        let (name, epoch) = self.declared.get(&id).ok_or_else(|| format!("source {id} was not declared"))?;
        let view = self.views.get_mut(name).ok_or("a declared source is known")?;
        if *epoch != view.epoch {
            return Err(format!("{name}: epoch {epoch} comes after {}", view.epoch));
        }
        Ok((name, view))
    }

    fn state(&mut self, state: &State<'_>, notes: &mut Notes) -> Result<(), String> {
        let mode = self.plan.mode;
        let (name, view) = self.view(state.source)?;
        if let Some(before) = view.sequence {
            if state.sequence < before {
                return Err(format!("{name}: a State at {} comes after {before}", state.sequence));
            }
            if mode == Mode::Every {
                notes.coverage.missed += state.sequence - before;
            }
        }
        view.dictionary = decode_dictionary(state.dictionary, DEPTH).map_err(|error| error.to_string())?;
        view.sequence = Some(state.sequence);
        check(name, view, notes)
    }

    fn update(&mut self, update: &Update<'_>, notes: &mut Notes) -> Result<(), String> {
        let mode = self.plan.mode;
        let (name, view) = self.view(update.source)?;
        // Where there was no State, there was nothing before.
        let before = view.sequence.unwrap_or(0);
        if before == 0 {
            view.dictionary.clear();
        }
        if update.sequence <= before || (mode == Mode::Every && update.sequence != before + 1) {
            return Err(format!("{name}: update {} comes after {before}", update.sequence));
        }
        notes.coverage.merged += update.sequence - before - 1;
        let patch = Patch::parse(update.patch, DEPTH).map_err(|error| error.to_string())?;
        change::apply(&patch, &mut view.dictionary);
        view.sequence = Some(update.sequence);
        check(name, view, notes)
    }
}

/// Whether the dictionary is what the writer's was as of that sequence.
fn check(name: &str, view: &View, notes: &Notes) -> Result<(), String> {
    if name.starts_with('$') {
        return Ok(());
    }
    let Some(sequence) = view.sequence.filter(|sequence| *sequence > 0) else { return Ok(()) };
    let state = notes.journal.epoch(name, view.epoch).and_then(|epoch| epoch.state(sequence));
    match state {
        None => Err(format!("{name} epoch {}: {sequence} never was", view.epoch)),
        Some(state) if *state != view.dictionary => {
            Err(format!("{name} as of {sequence} is {:?}, was {state:?}", view.dictionary))
        }
        Some(_) => Ok(()),
    }
}
