//! What a watcher is told, as the rows that a timeline would have of it.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use dict_event_loop::Clock;
use dict_event_loop::client::{Client, Content, Incoming, SourceState, StateEvent, UpdateEvent, WatchEvent};
use dict_protocol::record::{GapReason, Stamp};
use dict_protocol::time::Time;
use dict_protocol::value::{Dictionary, Value};
use dict_timeline::Row;
use dict_timeline::row::{self, Change, Connection, Gap};

/// What is done with a row.
type Take<'t, E> = &'t mut dyn FnMut(&Row) -> Result<(), E>;

/// Makes rows of events. A source's dictionary is kept, so that a State is told as what is new in it.
pub(super) struct Rows<'c> {
    client: &'c Client,
    sources: HashMap<Arc<str>, Known>,
}

/// What was told of a source.
#[derive(Default)]
struct Known {
    epoch: u64,
    online: bool,
    dictionary: Dictionary,
}

impl<'c> Rows<'c> {
    pub(super) fn new(client: &'c Client) -> Self {
        Self { client, sources: HashMap::new() }
    }

    /// The rows of an event.
    pub(super) fn event<E>(&mut self, event: WatchEvent, take: Take<'_, E>) -> Result<(), E> {
        match event {
            WatchEvent::Source(source) => self.presence(source, take),
            WatchEvent::State(state) => self.state(state, take),
            WatchEvent::Update(update) => self.update(update, take),
            WatchEvent::Missed { source, epoch, sequences } => take(&self.missed(source, epoch, sequences)),
            _ => Ok(()),
        }
    }

    /// The row of a message.
    pub(super) fn message(&self, Incoming { from, to, content }: Incoming) -> Row {
        let encoding = match content {
            Content::Text(_) => "text",
            Content::Binary(_) => "binary",
            Content::Value(_) => "messagepack",
        };
        let (encoding, value) = (Some(encoding.to_owned()), content.into_value());
        let message = row::Message { from: Some(from), to, encoding, value };
        // Messages carry no time; this one came now.
        self.row(Clock::now().time, row::Content::Message(message))
    }

    /// A row when a source's writer comes or goes; that it is there at first goes without saying.
    fn presence<E>(&mut self, source: SourceState, take: Take<'_, E>) -> Result<(), E> {
        let was_online = self.sources.get(&*source.name).is_none_or(|known| known.online);
        let name: Arc<str> = source.name.as_str().into();
        self.sources.entry(name).or_default().online = source.online;
        if was_online == source.online {
            return Ok(());
        }
        let connection = Connection {
            event: if source.online { "online" } else { "offline" }.to_owned(),
            client: Some(source.writer),
            source: Some(source.name),
            reason: Some(source.reason).filter(|reason| !reason.is_empty()),
            ..Connection::default()
        };
        take(&self.row(Clock::now().time, row::Content::Connection(connection)))
    }

    fn state<E>(&mut self, state: StateEvent, take: Take<'_, E>) -> Result<(), E> {
        let StateEvent { source, epoch, sequence, stamp, dictionary } = state;
        let known = self.sources.entry(source.clone()).or_default();
        known.epoch = epoch;
        let old = std::mem::replace(&mut known.dictionary, dictionary.clone());
        let removed = old.keys().filter(|key| !dictionary.contains_key(key)).map(|key| (key, None));
        let set = dictionary.iter().filter(|(key, value)| old.get(key) != Some(value));
        let update = Update { source: &source, epoch, sequence, stamp };
        for (key, value) in removed.chain(set.map(|(key, value)| (key, Some(value)))) {
            take(&self.change(&update, key, value))?;
        }
        Ok(())
    }

    fn update<E>(&mut self, update: UpdateEvent, take: Take<'_, E>) -> Result<(), E> {
        let UpdateEvent { source, epoch, sequence, stamp, mut removed, set, .. } = update;
        let known = self.sources.entry(source.clone()).or_default();
        if std::mem::replace(&mut known.epoch, epoch) != epoch {
            // The first update of an epoch states the whole dictionary.
            let gone = known.dictionary.keys().filter(|key| !set.contains_key(key)).map(str::to_owned);
            removed = gone.collect();
            known.dictionary.clear();
        }
        for key in &removed {
            known.dictionary.remove(key);
        }
        known.dictionary.extend(set.clone());
        let update = Update { source: &source, epoch, sequence, stamp };
        for key in &removed {
            take(&self.change(&update, key, None))?;
        }
        for (key, value) in &set {
            take(&self.change(&update, key, Some(value)))?;
        }
        Ok(())
    }

    fn missed(&self, source: Arc<str>, epoch: u64, sequences: RangeInclusive<u64>) -> Row {
        let (first_sequence, last_sequence) = (*sequences.start(), Some(*sequences.end()));
        let reason = GapReason::LinkLost;
        let gap = Gap { source, epoch, first_sequence, last_sequence, to: None, reason, since: None };
        self.row(Clock::now().time, row::Content::Gap(gap))
    }

    fn change(&self, update: &Update<'_>, key: &str, value: Option<&Value>) -> Row {
        let Stamp { hub_time, writer_time, offset, uncertainty } = update.stamp;
        let change = Change {
            source: update.source.clone(),
            epoch: update.epoch,
            sequence: update.sequence,
            key: key.to_owned(),
            value: value.cloned(),
            writer_time,
            offset,
            uncertainty,
            replayed: false,
            late: false,
        };
        self.row(hub_time, row::Content::Change(change))
    }

    fn row(&self, time: Time, content: row::Content) -> Row {
        let hub = self.client.hub().map(|hub| hub.name).unwrap_or_default();
        Row { n: None, time, hub: hub.into(), content }
    }
}

/// The update that a change is part of.
struct Update<'u> {
    source: &'u Arc<str>,
    epoch: u64,
    sequence: u64,
    stamp: Stamp,
}
