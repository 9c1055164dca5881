//! What a hub says and is told, read off its connections: rules that a single frame can break are checked here.

use std::collections::{BTreeMap, BTreeSet};

use dict_protocol::decoder::Decoder;
use dict_protocol::packet::{Ack, Announce, Level, Mode, Outcome, Packet, Resume};

use super::disk::Disk;
use super::network::LinkId;
use super::notes::Notes;

/// Longer than any body.
const BODY: u32 = 1 << 20;

/// What is known of one run of a hub.
#[derive(Debug, Default)]
pub(super) struct Wire {
    taps: BTreeMap<LinkId, Tap>,
    /// What each of its numbers stands for.
    sources: BTreeMap<u32, (String, u64)>,
    /// What loggers call its sources, where that is something else.
    recorded: BTreeMap<String, String>,
    levels: BTreeMap<(String, u64), Level>,
    /// Epochs that were announced as the rest of an older one.
    replays: BTreeSet<(String, u64)>,
    /// The last epoch of each source that was accepted as its newest.
    live: BTreeMap<String, u64>,
    /// The highest epoch of each source that a logger has told it holds.
    highest: BTreeMap<String, u64>,
    /// The loggers that count, by the connection on which they subscribed.
    followers: BTreeMap<LinkId, usize>,
    /// How far each source was held at some time by every logger that counted then.
    held: BTreeMap<u32, u64>,
    /// The last Resume of each source, and how often it was repeated without news.
    resumes: BTreeMap<u32, (u64, u32)>,
}

#[derive(Debug)]
struct Tap {
    from_client: Decoder,
    to_client: Decoder,
    /// How much of the hub's waiting output was seen.
    seen: usize,
}

impl Wire {
    /// Of a hub some of whose sources have another name at loggers.
    pub(super) fn new(recorded: BTreeMap<String, String>) -> Self {
        Self { recorded, ..Self::default() }
    }

    /// A connection began.
    pub(super) fn opened(&mut self, link: LinkId) {
        let tap = Tap { from_client: Decoder::new(BODY), to_client: Decoder::new(BODY), seen: 0 };
        self.taps.insert(link, tap);
    }

    /// A connection is over.
    pub(super) fn closed(&mut self, link: LinkId) {
        self.taps.remove(&link);
        self.forget_follower(link);
    }

    /// The connections on which loggers count.
    pub(super) fn followers(&self) -> Vec<LinkId> {
        self.followers.keys().copied().collect()
    }

    /// The highest epoch of a source that a logger has told it holds; 0 for none.
    pub(super) fn highest_told(&self, source: &str) -> u64 {
        self.highest.get(source).copied().unwrap_or(0)
    }

    /// A logger on that connection does not count any more.
    pub(super) fn forget_follower(&mut self, link: LinkId) {
        if self.followers.remove(&link).is_some() {
            // What was asked for on its behalf may be asked for again on another's.
            self.resumes.clear();
        }
    }

    /// A turn begins or ends: notes what may be acknowledged. `disks` by logger.
    pub(super) fn look_at_disks(&mut self, disks: &[&Disk]) {
        for (&id, (source, epoch)) in &self.sources {
            let name = self.recorded.get(source).unwrap_or(source);
            let held = self.followers.values().map(|&logger| disks[logger].held(name, *epoch)).min();
            let most = self.held.entry(id).or_default();
            *most = held.unwrap_or(0).max(*most);
        }
    }

    /// A client's bytes come to the hub; `logger` if it is one.
    pub(super) fn hub_receives(
        &mut self,
        link: LinkId,
        mut bytes: &[u8],
        logger: Option<usize>,
        notes: &mut Notes,
    ) {
        let Some(tap) = self.taps.get_mut(&link) else { return };
        let mut decoder = std::mem::take(&mut tap.from_client);
        while let Ok(Some(frame)) = decoder.decode(&mut bytes) {
            match Packet::parse(&frame) {
                Ok(packet) => self.told(link, &packet, logger, notes),
                Err(error) => notes.complain(format_args!("a client's frame: {error}")),
            }
        }
        if let Some(tap) = self.taps.get_mut(&link) {
            tap.from_client = decoder;
        }
    }

    fn told(&mut self, link: LinkId, packet: &Packet<'_>, logger: Option<usize>, notes: &mut Notes) {
        match packet {
            Packet::Announce(Announce { source, epoch, level, replay, .. }) => {
                let key = (String::from(*source), *epoch);
                if *replay {
                    self.replays.insert(key.clone());
                } else {
                    self.replays.remove(&key);
                }
                self.levels.insert(key, *level);
                notes.coverage.replays += u64::from(*replay);
                notes.trace.line(format_args!("link {link}: {packet:?}"));
            }
            Packet::Error(error) => {
                notes.coverage.given_up += u64::from(!error.closing);
                notes.trace.line(format_args!("link {link}: {error:?}"));
            }
            Packet::Subscribe(subscribe) => {
                if let (Mode::Durable, Some(logger)) = (subscribe.mode, logger) {
                    self.followers.insert(link, logger);
                }
            }
            Packet::Resume(resume) => {
                self.resumes.remove(&resume.source);
                if let Some((source, _)) = self.sources.get(&resume.source) {
                    let highest = self.highest.entry(source.clone()).or_default();
                    *highest = resume.highest.max(*highest);
                }
                notes.trace.line(format_args!("link {link}: a logger holds {resume:?}"));
            }
            Packet::Update(update) if update.replayed => {
                notes.coverage.replayed += 1;
                let (source, sequence, end_of_slice) = (update.source, update.sequence, update.end_of_slice);
                notes.trace.line(format_args!(
                    "link {link}: source {source}: {sequence} again, end of slice: {end_of_slice}"
                ));
            }
            Packet::State(state) => {
                match state.missing {
                    Some(_) => notes.coverage.states_for_missing += 1,
                    None => notes.coverage.states_for_live += 1,
                }
                let (source, sequence, missing) = (state.source, state.sequence, state.missing);
                notes.trace.line(format_args!(
                    "link {link}: source {source}: State at {sequence}, missing {missing:?}, end of slice: {}",
                    state.end_of_slice
                ));
            }
            _ => {}
        }
    }

    /// All that now waits to be written to a client.
    pub(super) fn hub_sends(&mut self, link: LinkId, waiting: &[u8], notes: &mut Notes) {
        let Some(tap) = self.taps.get_mut(&link) else { return };
        let mut bytes = &waiting[tap.seen.min(waiting.len())..];
        tap.seen = waiting.len();
        let mut decoder = std::mem::take(&mut tap.to_client);
        loop {
            match decoder.decode(&mut bytes) {
                Ok(None) => break,
                Ok(Some(frame)) => match Packet::parse(&frame) {
                    Ok(packet) => self.said(link, &packet, notes),
                    Err(error) => notes.complain(format_args!("a hub's frame: {error}")),
                },
                Err(error) => {
                    notes.complain(format_args!("a hub's bytes: {error}"));
                    break;
                }
            }
        }
        if let Some(tap) = self.taps.get_mut(&link) {
            tap.to_client = decoder;
        }
    }

    /// So much of what waited was written.
    pub(super) fn wrote(&mut self, link: LinkId, count: usize) {
        if let Some(tap) = self.taps.get_mut(&link) {
            tap.seen -= count;
        }
    }

    fn said(&mut self, link: LinkId, packet: &Packet<'_>, notes: &mut Notes) {
        match packet {
            Packet::Announced(announced) => {
                notes.trace.line(format_args!("link {link}: {announced:?}"));
                notes.coverage.refused_lower += u64::from(announced.outcome == Outcome::Lower);
                if announced.outcome == Outcome::Accepted {
                    let key = (announced.source.to_owned(), announced.epoch);
                    if !self.replays.contains(&key) {
                        self.accepts(&key.0, key.1, notes);
                    }
                    self.sources.insert(announced.id, key);
                    // What comes of the older epochs of a source holds up the newer ones.
                    let of_the_source =
                        |id: &u32| self.sources.get(id).is_some_and(|(name, _)| name == announced.source);
                    self.resumes.retain(|id, _| !of_the_source(id));
                }
            }
            Packet::Source(source) => {
                self.sources.insert(source.id, (source.name.to_owned(), source.epoch));
            }
            Packet::Ack(ack) => self.acknowledges(link, *ack, notes),
            Packet::Resume(resume) => self.asks(link, *resume, notes),
            Packet::Error(error) => notes.trace.line(format_args!("link {link}: {error:?}")),
            _ => {}
        }
    }

    /// Nothing of an epoch that comes before another on one hub may be missing without a word, whoever was there to see it.
    fn accepts(&mut self, source: &str, epoch: u64, notes: &mut Notes) {
        let key = (source.to_owned(), epoch);
        let last = self.live.insert(key.0.clone(), epoch);
        if !notes.begun.insert(key.clone()) {
            // It had begun before that other one. And if another hub, or another run, accepted it and its writer was not
            // told, nobody knows any more what that one saw.
            if last != Some(epoch) {
                notes.accepted.remove(&key);
            }
        } else if let Some(before) = last.filter(|before| *before < epoch) {
            let recorded = self.recorded.get(source).map_or(source, String::as_str).to_owned();
            notes.accepted.insert(key, (recorded, before));
        }
    }

    /// Each logger that counted must hold what a hub acknowledges as logged.
    fn acknowledges(&self, link: LinkId, ack: Ack, notes: &mut Notes) {
        let Some(key) = self.sources.get(&ack.source) else {
            return notes.complain(format_args!("link {link}: {ack:?} is of no source"));
        };
        notes.trace.line(format_args!("link {link}: {} epoch {} {ack:?}", key.0, key.1));
        if self.levels.get(key) != Some(&Level::Logged) {
            return;
        }
        let held = self.held.get(&ack.source).copied().unwrap_or(0);
        if ack.sequence > held {
            notes.complain(format_args!(
                "{} epoch {}: {} was acknowledged, all loggers together never had more than {held}",
                key.0, key.1, ack.sequence
            ));
        }
    }

    fn asks(&mut self, link: LinkId, resume: Resume, notes: &mut Notes) {
        notes.trace.line(format_args!("link {link}: the hub asks for {resume:?}"));
        notes.coverage.resumes += 1;
        // Each logger may have had no room when the others did.
        let most = self.followers.len().max(1) as u32;
        let (after, times) = self.resumes.entry(resume.source).or_insert((resume.after, 0));
        if *after == resume.after {
            *times += 1;
            if *times > most {
                notes.complain(format_args!("link {link}: the hub asks for the same again: {resume:?}"));
            }
        } else {
            (*after, *times) = (resume.after, 1);
        }
    }
}
