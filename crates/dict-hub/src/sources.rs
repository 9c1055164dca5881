//! The hub's sources: for each name its live epoch, and the rests of older ones.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use dict_protocol::connection::ConnectionError;
use dict_protocol::packet::{Level, MissingFrom, Mode};
use dict_protocol::pattern::Pattern;
use dict_protocol::raw::RawDictionary;
use dict_protocol::record::Stamp;
use dict_protocol::time::Instant;

use crate::peers::PeerIndex;

/// The number of a (source, epoch), from 1; never used again in this run.
pub(crate) type SourceId = u32;

/// Who sends a source's updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// Nobody now.
    Nobody,
    /// A connection.
    Peer(PeerIndex),
    /// The hub itself: its own events.
    Hub,
}

/// What a watcher has not been sent yet of a source it was introduced to.
#[derive(Clone, Debug)]
pub(crate) enum Pending {
    /// Nothing: updates are passed on as they come.
    Nothing,
    /// These slots of the dictionary, a bit each.
    Slots(Vec<u64>),
    /// Any of it: the whole State is due.
    All,
}

impl Pending {
    /// Slots that are told apart; beyond, the whole State is sent. Bounds what a slow watcher costs.
    const SLOTS: u32 = 4_096;

    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// Adds slots that changed.
    pub(crate) fn mark(&mut self, slots: &[u32]) {
        if matches!(self, Self::Nothing) {
            *self = Self::Slots(Vec::new());
        }
        for &slot in slots {
            let Self::Slots(bits) = self else { return };
            if slot >= Self::SLOTS {
                *self = Self::All;
                return;
            }
            let word = (slot / 64) as usize;
            if bits.len() <= word {
                bits.resize(word + 1, 0);
            }
            bits[word] |= 1 << (slot % 64);
        }
    }
}

/// A subscriber in mode `latest` or `every`.
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) peer: PeerIndex,
    pub(crate) mode: Mode,
    /// The least time between two updates, milliseconds.
    pub(crate) interval: u32,
    /// It was told of the source's presence as it is now.
    pub(crate) introduced: bool,
    /// It waits in the peer's list of what is due, or for a timer.
    pub(crate) queued: bool,
    pub(crate) pending: Pending,
    /// The last sequence that it was sent; `None` before its first State.
    pub(crate) seen: Option<u64>,
    /// With an interval: when the next update may be sent.
    pub(crate) next: Instant,
}

/// A subscriber in mode `durable`: a logger.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) peer: PeerIndex,
    pub(crate) introduced: bool,
    pub(crate) queued: bool,
    /// The last update that it holds or was sent; `None` before it has told.
    pub(crate) position: Option<u64>,
    /// The last update that it has on disk.
    pub(crate) committed: u64,
    /// The epoch had begun when it subscribed: if it then holds nothing of it, what it misses was before its time.
    pub(crate) came_late: bool,
}

/// A Resume that a writer was sent and has not answered in full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenResume {
    /// On whose behalf; `None` when that one is gone.
    pub(crate) peer: Option<PeerIndex>,
    /// Bytes of output kept free for it.
    pub(crate) reserved: usize,
    /// The slice that answers it goes beyond this.
    pub(crate) after: u64,
}

/// One epoch of one source.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) id: SourceId,
    pub(crate) name: Arc<str>,
    pub(crate) epoch: u64,
    pub(crate) previous: u64,
    /// The lower one of the epoch that its writer says was before it and the one that was live before it in this run;
    /// `previous` is the higher one. 0: there is only one.
    pub(crate) before: u64,
    pub(crate) level: Level,
    /// The rest of an epoch that is over: for followers only.
    pub(crate) replay: bool,
    pub(crate) client_id: [u8; 16],
    pub(crate) writer: Writer,
    /// The name of the client that writes it, or wrote it last.
    pub(crate) writer_name: Box<str>,
    /// As whom that client wrote; `None` where there were no rules.
    pub(crate) identity: Option<Arc<str>>,
    /// Why nobody writes it.
    pub(crate) offline: Arc<str>,
    /// Its End was applied: nothing follows, though followers may still be sent what they lack.
    pub(crate) ended: bool,
    /// The last sequence that `state` holds.
    pub(crate) live: u64,
    /// The last sequence that its writer is known to have.
    pub(crate) newest: u64,
    /// Of the last update applied.
    pub(crate) stamp: Stamp,
    pub(crate) state: RawDictionary,
    /// It began after a loss: what its writer said is missing from update 1 on.
    pub(crate) lost: Option<MissingFrom>,
    pub(crate) watchers: Vec<Watcher>,
    pub(crate) followers: Vec<Follower>,
    pub(crate) resume: Option<OpenResume>,
    /// When its writer last sent something of it, or was asked for something.
    pub(crate) heard: Instant,
    /// An older epoch's rest goes to followers first.
    pub(crate) held: bool,
    /// The last acknowledgement sent to its writer.
    pub(crate) acked: u64,
    /// Its writer was just accepted: the acknowledgement is sent even where it was sent before.
    pub(crate) announce_ack: bool,
    /// Its acknowledgement, or what its followers lack, is to be looked at when the turn ends.
    pub(crate) due: bool,
}

impl Source {
    /// What may be acknowledged to its writer.
    pub(crate) fn held_by_all(&self) -> u64 {
        let held = match self.level {
            Level::None => 0,
            Level::Received => self.live,
            Level::Logged if self.followers.iter().any(|follower| follower.position.is_none()) => 0,
            Level::Logged => self.followers.iter().map(|follower| follower.committed).min().unwrap_or(0),
        };
        held.max(self.acked)
    }

    /// Whether somebody can send what followers lack.
    pub(crate) fn has_writer(&self) -> bool {
        self.writer != Writer::Nobody
    }

    /// Whether updates may still come.
    pub(crate) fn is_online(&self) -> bool {
        self.has_writer() && !self.ended
    }

    pub(crate) fn watcher(&mut self, peer: PeerIndex) -> Option<&mut Watcher> {
        self.watchers.iter_mut().find(|watcher| watcher.peer == peer)
    }

    pub(crate) fn follower(&mut self, peer: PeerIndex) -> Option<&mut Follower> {
        self.followers.iter_mut().find(|follower| follower.peer == peer)
    }
}

/// What is known of a name.
#[derive(Debug, Default)]
pub(crate) struct Name {
    /// The highest epoch known, from writers or from loggers.
    pub(crate) highest: u64,
    /// The last live epoch that was announced in this run; 0: none.
    pub(crate) last_live: u64,
    /// A logger told of an epoch that cannot be, and whoever runs the hub was told.
    pub(crate) doubted: bool,
    /// The epoch that is the source's state.
    pub(crate) current: Option<SourceId>,
    /// The rests of older epochs, oldest first.
    pub(crate) replays: Vec<SourceId>,
}

/// Sources with numbers in a row.
#[derive(Debug)]
struct Page {
    sources: Box<[Option<Box<Source>>; PAGE]>,
    count: usize,
}

const PAGE: usize = 256;

/// All sources.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// By number, less 1. A page whose sources are all gone is gone too: a number that was used costs next to nothing.
    pages: Vec<Option<Page>>,
    /// The last number that was given.
    last: SourceId,
    pub(crate) names: BTreeMap<Arc<str>, Name>,
    count: usize,
}

impl Sources {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Whether one of that name may be added. Names stay, so that an older epoch is known to be one, and count too.
    pub(crate) fn has_room(&self, name: &str, limit: usize) -> bool {
        self.count < limit && (self.names.len() < limit || self.names.contains_key(name))
    }

    pub(crate) fn find(&mut self, id: SourceId) -> Option<&mut Source> {
        let index = (id as usize).checked_sub(1)?;
        let page = self.pages.get_mut(index / PAGE)?.as_mut()?;
        page.sources[index % PAGE].as_deref_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Source> {
        self.pages.iter().flatten().flat_map(|page| page.sources.iter().flatten()).map(|source| &**source)
    }

    pub(crate) fn peek(&self, id: SourceId) -> Option<&Source> {
        let index = (id as usize).checked_sub(1)?;
        let page = self.pages.get(index / PAGE)?.as_ref()?;
        page.sources[index % PAGE].as_deref()
    }

    /// The source that a connection writes under this number; `None` where it was replaced or withdrawn meanwhile, so that
    /// what comes is out of date.
    ///
    /// # Errors
    ///
    /// If the number was never given.
    pub(crate) fn written_by(
        &mut self,
        id: SourceId,
        peer: PeerIndex,
    ) -> Result<Option<&mut Source>, ConnectionError> {
        if id == 0 || id > self.last {
            return Err(ConnectionError::Rule(format!("there is no source {id}")));
        }
        Ok(self.find(id).filter(|source| source.writer == Writer::Peer(peer)))
    }

    /// The number that the next one gets; `None` when this run has given all there are.
    pub(crate) fn next_id(&self) -> Option<SourceId> {
        self.last.checked_add(1)
    }

    /// Adds one with the next number.
    pub(crate) fn add(&mut self, source: Source) {
        debug_assert_eq!(Some(source.id), self.next_id());
        self.last = source.id;
        let index = source.id as usize - 1;
        if self.pages.len() <= index / PAGE {
            self.pages.push(None);
        }
        let page = self.pages[index / PAGE]
            .get_or_insert_with(|| Page { sources: Box::new([const { None }; PAGE]), count: 0 });
        page.sources[index % PAGE] = Some(Box::new(source));
        page.count += 1;
        self.count += 1;
    }

    pub(crate) fn remove(&mut self, id: SourceId) -> Option<Box<Source>> {
        let index = (id as usize).checked_sub(1)?;
        let place = self.pages.get_mut(index / PAGE)?;
        let page = place.as_mut()?;
        let source = page.sources[index % PAGE].take()?;
        page.count -= 1;
        if page.count == 0 {
            *place = None;
        }
        self.count -= 1;
        if let Some(name) = self.names.get_mut(&source.name) {
            name.replays.retain(|&replay| replay != id);
            if name.current == Some(id) {
                name.current = None;
            }
            // Of a name that was only ever replayed, nothing is to be known.
            if name.current.is_none() && name.replays.is_empty() && name.last_live == 0 {
                self.names.remove(&source.name);
            }
        }
        Some(source)
    }

    /// Every epoch of every name that a pattern matches: of each name the oldest first.
    pub(crate) fn matching(&self, pattern: &Pattern) -> Vec<SourceId> {
        let start: &str = match pattern {
            Pattern::Name(text) | Pattern::Prefix(text) => text,
        };
        self.names
            .range::<str, _>((Bound::Included(start), Bound::Unbounded))
            .take_while(|(name, _)| name.starts_with(start))
            .filter(|(name, _)| pattern.matches(name))
            .flat_map(|(_, name)| name.replays.iter().copied().chain(name.current))
            .collect()
    }
}

impl std::ops::Index<SourceId> for Sources {
    type Output = Source;

    fn index(&self, id: SourceId) -> &Source {
        self.peek(id).expect("a source id is kept only while the source is there")
    }
}

impl std::ops::IndexMut<SourceId> for Sources {
    fn index_mut(&mut self, id: SourceId) -> &mut Source {
        self.find(id).expect("a source id is kept only while the source is there")
    }
}
