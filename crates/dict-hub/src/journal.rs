//! The hub's own events, as a source like any other: `$hub/<name>`, with the hub's run as its epoch.
//!
//! Each update sets one key, which names the kind of event, to a dictionary:
//!
//! | key | its dictionary |
//! |---|---|
//! | `connection` | `event` (`opened` or `closed`), `client`, `address`, `product` or `reason`; or `event` (`online` or `offline`), `source`, `client`, `reason`; with rules of access also `identity` |
//! | `message` | `from`, `to` (empty: everybody), `encoding`, `value` |
//! | `request` | `from`, `to`, `action`, `value`, `outcome`, `result`, `duration_ns` |
//! | `clock` | `client`, `offset_ns`, `uncertainty_ns` |
//! | `note` | `from`, `text` |
//! | `alarm` | `text` |
//!
//! What loggers have not committed is kept in a bounded spool; what falls out of it is a gap, as everywhere.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use dict_protocol::change::{Patch, PatchBuilder};
use dict_protocol::encoding::EncodeError;
use dict_protocol::encoding::messagepack::{self, DictionaryBytes};
use dict_protocol::limits::Limits;
use dict_protocol::name::HUB_SOURCE;
use dict_protocol::packet::{Level, MissingFrom, State, Update};
use dict_protocol::raw::RawDictionary;
use dict_protocol::record::{GapReason, Stamp};
use dict_protocol::time::{Instant, Now, Time};
use dict_protocol::value::{Dictionary, Value};

use crate::hub::Hub;
use crate::packed;
use crate::sources::{Source, SourceId, Writer};

/// An event of the hub.
pub(crate) enum Event<'a> {
    Opened {
        client: &'a str,
        identity: Option<&'a str>,
        address: &'a str,
        product: &'a str,
    },
    Closed {
        client: &'a str,
        identity: Option<&'a str>,
        address: &'a str,
        reason: &'a str,
    },
    Online {
        source: &'a str,
        client: &'a str,
        identity: Option<&'a str>,
    },
    Offline {
        source: &'a str,
        client: &'a str,
        identity: Option<&'a str>,
        reason: &'a str,
    },
    Message {
        from: &'a str,
        to: &'a str,
        encoding: &'a str,
        value: Value,
    },
    Request {
        from: &'a str,
        to: &'a str,
        action: &'a str,
        value: Value,
        outcome: &'a str,
        result: Value,
        duration_ns: u64,
    },
    Clock {
        client: &'a str,
        offset: i64,
        uncertainty: u64,
    },
    Note {
        from: &'a str,
        text: &'a str,
    },
    Alarm {
        text: &'a str,
    },
}

impl Event<'_> {
    fn into_entry(self) -> (&'static str, Dictionary) {
        fn of<const N: usize>(pairs: [(&str, Value); N]) -> Dictionary {
            pairs.into_iter().collect()
        }
        /// Says as whom a client acted, where there are rules.
        fn named(mut details: Dictionary, identity: Option<&str>) -> Dictionary {
            if let Some(identity) = identity {
                details.insert("identity", identity);
            }
            details
        }
        match self {
            Self::Opened { client, identity, address, product } => (
                "connection",
                named(
                    of([
                        ("event", "opened".into()),
                        ("client", client.into()),
                        ("address", address.into()),
                        ("product", product.into()),
                    ]),
                    identity,
                ),
            ),
            Self::Closed { client, identity, address, reason } => (
                "connection",
                named(
                    of([
                        ("event", "closed".into()),
                        ("client", client.into()),
                        ("address", address.into()),
                        ("reason", reason.into()),
                    ]),
                    identity,
                ),
            ),
            Self::Online { source, client, identity } => (
                "connection",
                named(
                    of([("event", "online".into()), ("source", source.into()), ("client", client.into())]),
                    identity,
                ),
            ),
            Self::Offline { source, client, identity, reason } => (
                "connection",
                named(
                    of([
                        ("event", "offline".into()),
                        ("source", source.into()),
                        ("client", client.into()),
                        ("reason", reason.into()),
                    ]),
                    identity,
                ),
            ),
            Self::Message { from, to, encoding, value } => (
                "message",
                of([
                    ("from", from.into()),
                    ("to", to.into()),
                    ("encoding", encoding.into()),
                    ("value", value),
                ]),
            ),
            Self::Request { from, to, action, value, outcome, result, duration_ns } => (
                "request",
                of([
                    ("from", from.into()),
                    ("to", to.into()),
                    ("action", action.into()),
                    ("value", value),
                    ("outcome", outcome.into()),
                    ("result", result),
                    ("duration_ns", duration_ns.into()),
                ]),
            ),
            Self::Clock { client, offset, uncertainty } => (
                "clock",
                of([
                    ("client", client.into()),
                    ("offset_ns", offset.into()),
                    ("uncertainty_ns", i64::try_from(uncertainty).unwrap_or(i64::MAX).into()),
                ]),
            ),
            Self::Note { from, text } => ("note", of([("from", from.into()), ("text", text.into())])),
            Self::Alarm { text } => ("alarm", of([("text", text.into())])),
        }
    }
}

/// Puts a text in the place of whatever takes most of an event: as MessagePack a message may be larger than it was, and
/// a request stands in one event with its result.
fn leave_largest_out(details: &mut Value, depth: usize) {
    let Value::Dictionary(details) = details else { return };
    let size = |value: &Value| {
        let mut bytes = Vec::new();
        messagepack::encode(value, depth, &mut bytes).map_or(usize::MAX, |()| bytes.len())
    };
    let sizes = details.iter().map(|(key, value)| (size(value), key));
    if let Some((bytes, key)) = sizes.max().map(|(bytes, key)| (bytes, key.to_owned())) {
        details.insert(key, Value::from(format!("left out: {bytes} bytes are too many for a row")));
    }
}

/// The spool of the hub's own source.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) source: SourceId,
    /// Where each entry begins, in all the bytes of this run, of which there may be more than can be counted so.
    entries: VecDeque<u32>,
    /// Of each entry when it was, in nanoseconds, and its patch, packed. They stand one after the other: an entry that had
    /// its own piece of memory would take twice as much.
    packed: VecDeque<u8>,
    /// How many of those bytes are not kept any more.
    removed: u32,
    sequence: u64,
    /// The last one that was brought to subscribers.
    passed_on: u64,
    /// The last one that every logger has.
    logged: u64,
    ended: bool,
    /// The kinds of events in the source's state, and the bytes of each.
    held: BTreeMap<&'static str, usize>,
    limits: Limits,
    /// Notes whose request is answered when they are logged: sequence, request.
    pub(crate) notes: VecDeque<(u64, u32)>,
}

impl Journal {
    /// Events kept for loggers that are away.
    const EVENTS: usize = 100_000;

    /// Bytes that they take at most, however large the spool may be: so many that a `u32` tells where each begins.
    const BYTES: usize = 1 << 31;

    /// Bytes of an entry's time.
    const TIME: usize = size_of::<i64>();

    /// So many bytes of events are not worth giving back.
    const SMALL: usize = 64 << 10;

    /// More than it takes to remove every kind of event from the source's state.
    const REMOVALS: usize = 128;

    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            source: 0,
            entries: VecDeque::new(),
            packed: VecDeque::new(),
            removed: 0,
            sequence: 0,
            passed_on: 0,
            logged: 0,
            ended: false,
            held: BTreeMap::new(),
            limits,
            notes: VecDeque::new(),
        }
    }

    /// The last event's sequence.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Takes an event in; it goes to subscribers before the call that caused it is over.
    pub(crate) fn event(&mut self, time: Time, event: Event<'_>) {
        let (kind, details) = event.into_entry();
        let parts = details.len();
        let mut details = Value::Dictionary(details);
        let most = self.most_bytes();
        // What came over the wire was within the depth, and nothing else in an event nests.
        let Ok(mut patch) = self.patch(&[], kind, &details) else { return };
        for _ in 0..parts {
            if patch.len() <= most {
                break;
            }
            leave_largest_out(&mut details, self.limits.depth);
            let Ok(smaller) = self.patch(&[], kind, &details) else { return };
            patch = smaller;
        }
        self.held.insert(kind, patch.len());
        if self.held.values().sum::<usize>() > most {
            // The events before it, of other kinds, are no more shown as the source's state: all of it has to fit a frame.
            let others: Vec<&str> = self.held.keys().copied().filter(|&other| other != kind).collect();
            let Ok(alone) = self.patch(&others, kind, &details) else { return };
            self.held.retain(|&other, _| other == kind);
            patch = alone;
        }
        self.push(time, patch);
    }

    /// The most that an event takes, with what removes the others.
    fn most_bytes(&self) -> usize {
        let frame = (self.limits.body as usize).saturating_sub(Limits::STATE_OVERHEAD);
        frame.min(self.limits.dictionary).saturating_sub(Self::REMOVALS)
    }

    fn patch(&self, remove: &[&str], kind: &str, details: &Value) -> Result<Vec<u8>, EncodeError> {
        let mut patch = Vec::new();
        let mut builder = PatchBuilder::new(self.limits.depth, &mut patch);
        builder.remove_all(remove.iter().copied())?;
        builder.set(kind, details)?;
        builder.finish()?;
        Ok(patch)
    }

    /// The last event there will be: nothing of this run is missing after it.
    pub(crate) fn end(&mut self, time: Time) {
        // Nothing removed, nothing set.
        self.push(time, vec![0x90, 0x80]);
        self.ended = true;
    }

    fn push(&mut self, time: Time, patch: Vec<u8>) {
        if self.ended {
            return;
        }
        self.sequence += 1;
        let packed = packed::pack(patch, self.limits.depth);
        let most = self.limits.spool.min(Self::BYTES);
        while !self.entries.is_empty()
            && (self.entries.len() >= Self::EVENTS || self.packed.len() + Self::TIME + packed.len() > most)
        {
            self.remove_oldest();
        }
        self.entries.push_back(self.removed.wrapping_add(self.packed.len() as u32));
        self.packed.extend(time.as_nanos().to_le_bytes());
        self.packed.extend(packed);
        // A note that is kept no more gets no answer but its deadline's.
        let first = self.first();
        while self.notes.front().is_some_and(|&(noted, _)| noted < first) {
            self.notes.pop_front();
        }
    }

    /// Every logger has all up to `sequence`.
    fn release(&mut self, sequence: u64) {
        self.logged = sequence;
        while self.first() <= sequence && self.remove_oldest() {}
        // What was kept while loggers were away may have been much, and will not soon be as much again.
        let left = self.packed.len().max(Self::SMALL);
        if self.packed.capacity() > 4 * left {
            self.packed.shrink_to(left);
            self.entries.shrink_to(self.entries.len());
        }
    }

    /// Returns whether there was one.
    fn remove_oldest(&mut self) -> bool {
        let Some(oldest) = self.entries.pop_front() else { return false };
        let bytes = self.bytes_from(oldest, self.entries.front());
        self.removed = self.removed.wrapping_add(bytes.len() as u32);
        self.packed.drain(bytes);
        true
    }

    /// The sequence of the first event that is kept, or else of the next one.
    fn first(&self) -> u64 {
        self.sequence + 1 - self.entries.len() as u64
    }

    /// Where the entry stands that begins there and is followed by `next`.
    fn bytes_from(&self, at: u32, next: Option<&u32>) -> Range<usize> {
        let place = |at: u32| at.wrapping_sub(self.removed) as usize;
        place(at)..next.map_or(self.packed.len(), |&next| place(next))
    }

    /// When an event that is kept was, and its patch.
    fn entry(&self, sequence: u64) -> Option<(Time, Vec<u8>)> {
        let place = usize::try_from(sequence.checked_sub(self.first())?).ok()?;
        let mut bytes = self.bytes_from(*self.entries.get(place)?, self.entries.get(place + 1));
        let time = std::array::from_fn(|_| self.packed[bytes.next().expect("each begins with its time")]);
        let packed = self.packed.range(bytes).copied().collect();
        Some((Time::from_nanos(i64::from_le_bytes(time)), packed::unpack(packed, self.limits.depth)))
    }
}

impl Hub {
    pub(crate) fn open_journal(&mut self) {
        let id = self.sources.next_id().expect("it is the first");
        let name: Arc<str> = format!("{HUB_SOURCE}{}", self.config.name).into();
        let entry = self.sources.names.entry(name.clone()).or_default();
        entry.highest = self.config.run;
        entry.current = Some(id);
        self.sources.add(Source {
            writer_name: self.config.name.as_str().into(),
            ..Source::new(id, name, self.config.run, 0, Level::Logged, [0; 16], Writer::Hub)
        });
        self.journal.source = id;
    }

    /// Brings events to subscribers, in order: every public call ends with it.
    pub(crate) fn settle(&mut self, now: Now) {
        while self.journal.passed_on < self.journal.sequence {
            self.journal.passed_on += 1;
            if let Some((time, patch)) = self.journal.entry(self.journal.passed_on) {
                self.pass_event_on(now, self.journal.passed_on, time, &patch, false);
            }
        }
    }

    fn pass_event_on(&mut self, now: Now, sequence: u64, time: Time, bytes: &[u8], replayed: bool) {
        let Ok(patch) = Patch::parse(bytes, self.config.limits.depth) else { return };
        let update = Update {
            source: self.journal.source,
            sequence,
            stamp: Stamp { hub_time: time, writer_time: time, offset: 0, uncertainty: Some(0) },
            end: self.journal.ended && sequence == self.journal.sequence,
            end_of_slice: false,
            replayed,
            patch: bytes,
        };
        self.pass_on(now, &update, &patch);
    }

    /// Sends a follower of the hub's own source on from where it stands.
    pub(crate) fn replay_journal(&mut self, now: Now, after: u64) {
        let first = self.journal.first();
        let mut next = after + 1;
        if next < first {
            let reason =
                if after < self.journal.logged { GapReason::BeforeLogger } else { GapReason::SpoolFull };
            let nothing = [0x80];
            let whole = DictionaryBytes::parse(&nothing, 1).expect("it is an empty map");
            self.pass_state_on(
                &State {
                    source: self.journal.source,
                    sequence: first - 1,
                    stamp: Stamp {
                        hub_time: now.time,
                        writer_time: now.time,
                        offset: 0,
                        uncertainty: Some(0),
                    },
                    missing: Some(MissingFrom { first: next, since: Time::default(), reason }),
                    end_of_slice: true,
                    replayed: true,
                    dictionary: whole.as_bytes(),
                },
                &whole,
            );
            next = first;
        }
        let mut bytes = 0;
        for count in 0.. {
            let Some((time, patch)) = self.journal.entry(next) else { break };
            bytes += patch.len();
            if count > 0
                && (count >= self.config.limits.slice_updates || bytes > self.config.limits.slice as usize)
            {
                break;
            }
            self.pass_event_on(now, next, time, &patch, true);
            next += 1;
        }
        self.close_resume(self.journal.source);
        self.mark_due(self.journal.source);
    }

    /// Every logger has the hub's events up to `sequence`: what was kept for them goes, and notes are answered.
    pub(crate) fn journal_logged(&mut self, now: Now, sequence: u64) {
        self.journal.release(sequence);
        while let Some(&(noted, request)) = self.journal.notes.front()
            && noted <= sequence
        {
            self.journal.notes.pop_front();
            self.note_logged(now, request);
        }
    }
}

impl Source {
    /// A source that was just announced.
    pub(crate) fn new(
        id: SourceId,
        name: Arc<str>,
        epoch: u64,
        previous: u64,
        level: Level,
        client_id: [u8; 16],
        writer: Writer,
    ) -> Self {
        Self {
            id,
            name,
            epoch,
            previous,
            before: 0,
            level,
            replay: false,
            client_id,
            writer,
            writer_name: "".into(),
            identity: None,
            offline: "".into(),
            ended: false,
            live: 0,
            newest: 0,
            stamp: Stamp::default(),
            state: RawDictionary::new(),
            lost: None,
            watchers: Vec::new(),
            followers: Vec::new(),
            resume: None,
            heard: Instant::default(),
            held: false,
            acked: 0,
            announce_ack: false,
            due: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: i64) -> Event<'static> {
        Event::Message { from: "a", to: "b", encoding: "json", value: number.into() }
    }

    fn number_of(patch: &[u8]) -> i64 {
        let patch = Patch::parse(patch, 8).unwrap();
        let (_, details) = patch.set().next().unwrap();
        details.as_dictionary().unwrap().decode().get("value").unwrap().as_i64().unwrap()
    }

    #[test]
    fn what_is_kept_is_found_wherever_the_count_of_bytes_stands_and_the_oldest_goes() {
        let mut journal = Journal::new(Limits { spool: 1_000, ..Limits::default() });
        // Soon the bytes of this run are more than can be counted.
        journal.removed = u32::MAX - 300;
        for number in 1..=100 {
            journal.event(Time::from_nanos(number), message(number));
            assert!(journal.packed.len() <= 1_000);
            for sequence in journal.first()..=journal.sequence() {
                let (time, patch) = journal.entry(sequence).unwrap();
                assert_eq!((time.as_nanos(), number_of(&patch)), (sequence as i64, sequence as i64));
            }
        }
        assert!(journal.first() > 50 && journal.removed < 10_000, "{} {}", journal.first(), journal.removed);
        assert!(journal.entry(journal.first() - 1).is_none() && journal.entry(101).is_none());
        journal.release(100);
        assert_eq!((journal.first(), journal.packed.len()), (101, 0));
    }

    #[test]
    fn every_kind_of_event_is_packed() {
        let identity = Some("i");
        let (value, result) = (|| Value::from(1), Value::from(2));
        let events = [
            Event::Opened { client: "a", identity, address: "b", product: "c" },
            Event::Closed { client: "a", identity: None, address: "b", reason: "c" },
            Event::Online { source: "a", client: "b", identity },
            Event::Offline { source: "a", client: "b", identity: None, reason: "c" },
            Event::Message { from: "a", to: "b", encoding: "c", value: value() },
            Event::Request {
                from: "a",
                to: "b",
                action: "c",
                value: value(),
                outcome: "d",
                result,
                duration_ns: 3,
            },
            Event::Clock { client: "a", offset: -1, uncertainty: 2 },
            Event::Note { from: "a", text: "b" },
            Event::Alarm { text: "a" },
        ];
        for event in events {
            let (kind, details) = event.into_entry();
            let journal = Journal::new(Limits::default());
            let patch = journal.patch(&[], kind, &details.into()).unwrap();
            let packed = packed::pack(patch.clone(), journal.limits.depth);
            assert_ne!(packed[0], 0, "{kind} is kept as it is");
            assert_eq!(packed::unpack(packed, journal.limits.depth), patch);
        }
    }
}
