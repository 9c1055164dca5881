//! A session's writers.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hashbrown::HashMap;

use super::{Event, Events, Session};
use crate::connection::{ConnectionError, Phase};
use crate::kept::{Entry, Kept};
use crate::limits::Limits;
use crate::name::{self, NameError};
use crate::output::Output;
use crate::packet::{Ack, Announced, LoggerPresence, Resume};
use crate::time::{Now, Time};
use crate::value::{Dictionary, Value};
use crate::writer::{self, Former, Line, PublishError, Writer, WriterChange, WriterOptions};

/// A writer of a session. Never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriterId(u64);

/// Why a session cannot have a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddWriterError {
    /// No source can have that name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The session writes that source already.
    #[error("this client writes that source already")]
    Written,
    /// There are as many as there may be.
    #[error("a client writes at most {limit} sources (limit sources)")]
    Limit {
        /// How many that is.
        limit: usize,
    },
}

#[derive(Debug, Default)]
pub(super) struct Writers {
    last: u64,
    writers: HashMap<WriterId, Writer>,
    by_source: HashMap<String, WriterId>,
    /// Of sources whose writer was removed: the next one follows it.
    former: HashMap<String, Former>,
    /// By the hub's numbers, on this connection.
    by_id: HashMap<u32, WriterId>,
    /// Those that wait for room in the output.
    behind: Vec<WriterId>,
    /// Whether what they write is kept beyond the program's end.
    keeps: bool,
    /// Those that have something to tell for it.
    touched: Vec<WriterId>,
    /// There may be updates among it.
    has_updates: bool,
}

impl Writers {
    /// What a former run of the program has left, until it is written again.
    pub(super) fn restore(kept: Kept, limits: &Limits) -> Self {
        let client_id = kept.client_id();
        let mut writers = Self { keeps: true, ..Self::default() };
        for (source, kept) in kept.sources {
            writers.last += 1;
            let id = WriterId(writers.last);
            writers.by_source.insert(source.clone(), id);
            writers.writers.insert(id, Writer::restore(source, kept, limits, client_id));
        }
        writers
    }

    /// Tells what is new, for it to be kept.
    pub(super) fn keep(&mut self, out: &mut dyn FnMut(Entry<'_>)) {
        self.has_updates = false;
        for id in self.touched.drain(..) {
            if let Some(writer) = self.writers.get_mut(&id) {
                writer.keep(out);
            }
        }
    }

    /// A writer may have updates to tell.
    fn touch_updates(&mut self, id: WriterId) {
        self.touch(id);
        self.has_updates |= self.keeps;
    }

    /// A writer may have something new to tell.
    fn touch(&mut self, id: WriterId) {
        if self.keeps && self.writers.get_mut(&id).is_some_and(Writer::touch) {
            self.touched.push(id);
        }
    }

    pub(super) fn connected(&mut self, output: &mut Output, limits: &Limits, logger: LoggerPresence) {
        // In the order in which they were added: what a seed decides must not depend on a hash.
        let mut ids: Vec<WriterId> = self.writers.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let writer = self.writers.get_mut(&id).expect("it is one of the keys");
            writer.connected(&mut Line { output: Some(output), limits }, logger);
        }
    }

    pub(super) fn disconnected(&mut self) {
        self.by_id.clear();
        self.behind.clear();
        self.writers.values_mut().for_each(Writer::disconnected);
    }

    pub(super) fn announced(
        &mut self,
        now: Now,
        announced: &Announced<'_>,
        output: &mut Output,
        limits: &Limits,
        events: Events<'_>,
    ) {
        let Some(&id) = self.by_source.get(announced.source) else { return };
        let Some(writer) = self.writers.get_mut(&id) else { return };
        let change = writer.announced(&mut Line { output: Some(output), limits }, now, announced);
        for number in writer.ids() {
            self.by_id.insert(number, id);
        }
        if writer.is_behind() {
            self.queue(id);
        }
        self.touch_updates(id);
        tell(id, change, events);
    }

    pub(super) fn acknowledged(&mut self, ack: &Ack, events: Events<'_>) -> Result<(), ConnectionError> {
        let Some((id, writer)) = self.by_number(ack.source) else { return Ok(()) };
        let change = writer.acknowledged_through(ack.source, ack.sequence).map_err(|newest| {
            ConnectionError::Rule(format!(
                "update {} of {} was acknowledged, the newest is {newest}",
                ack.sequence,
                writer.source()
            ))
        })?;
        self.touch(id);
        tell(id, change, events);
        Ok(())
    }

    pub(super) fn resume(&mut self, resume: &Resume, output: &mut Output, limits: &Limits) {
        let Some((id, writer)) = self.by_number(resume.source) else { return };
        writer.resume(&mut Line { output: Some(output), limits }, resume);
        if writer.is_behind() {
            self.queue(id);
        }
        self.touch(id);
    }

    pub(super) fn replaced(&mut self, number: u64, events: Events<'_>) {
        let Ok(number) = u32::try_from(number) else { return };
        let Some((id, writer)) = self.by_number(number) else { return };
        let change = writer.replaced(number);
        tell(id, change, events);
    }

    /// The output has room again.
    pub(super) fn drained(&mut self, output: &mut Output, limits: &Limits) {
        let mut waiting = core::mem::take(&mut self.behind);
        waiting.retain(|&id| {
            self.touch(id);
            let Some(writer) = self.writers.get_mut(&id) else { return false };
            writer.drained(&mut Line { output: Some(output), limits });
            writer.is_behind()
        });
        self.behind = waiting;
    }

    fn by_number(&mut self, number: u32) -> Option<(WriterId, &mut Writer)> {
        let &id = self.by_id.get(&number)?;
        self.writers.get_mut(&id).map(|writer| (id, writer))
    }

    fn queue(&mut self, id: WriterId) {
        if !self.behind.contains(&id) {
            self.behind.push(id);
        }
    }
}

fn tell(writer: WriterId, change: Option<WriterChange>, events: Events<'_>) {
    if let Some(change) = change {
        events(Event::Writer { writer, change });
    }
}

/// Writing.
impl Session {
    /// Begins to write `source`: announces it now, or as soon as there is a connection.
    ///
    /// A source whose former writer in this session has ended, or was refused or replaced, may be written again: the new
    /// writer goes on in a new epoch, and what was not acknowledged yet is not lost.
    ///
    /// # Errors
    ///
    /// If the name cannot be, or this session writes that source already or too many.
    pub fn add_writer(
        &mut self,
        now: Now,
        source: &str,
        options: WriterOptions,
    ) -> Result<WriterId, AddWriterError> {
        let limits = &self.settings.limits;
        name::validate(source, limits.name)?;
        let writers = &mut self.writers;
        let former = writers.by_source.get(source).copied();
        if former.is_some_and(|former| !writers.writers[&former].is_over()) {
            return Err(AddWriterError::Written);
        }
        if former.is_none() && writers.writers.len() >= limits.sources {
            return Err(AddWriterError::Limit { limit: limits.sources });
        }
        let mut writer = Writer::new(source.into(), options, &self.agreed, self.settings.client_id, now.time);
        if writers.keeps {
            writer.keep_from_now();
        }
        if let Some(former) = former.and_then(|former| writers.writers.remove(&former)) {
            writer.succeed(former);
        } else if let Some(former) = writers.former.remove(source) {
            writer.follow(former);
        }
        writers.last += 1;
        let id = WriterId(writers.last);
        writers.by_source.insert(source.into(), id);
        // What is left of former epochs is this writer's to answer for.
        for number in writer.ids() {
            writers.by_id.insert(number, id);
        }
        if let Some(connection) =
            self.connection.as_mut().filter(|connection| connection.phase() == Phase::Open)
        {
            let line = &mut Line { output: Some(&mut connection.output), limits: &self.agreed };
            writer.connected(line, self.logger);
        }
        self.writers.writers.insert(id, writer);
        self.writers.touch(id);
        Ok(id)
    }

    /// What a former run of the program has left of `source` ([`content`](Writer::content),
    /// [`unacknowledged`](Writer::unacknowledged), [`bookmark`](Writer::bookmark)), until this one writes it too.
    pub fn left(&self, source: &str) -> Option<&Writer> {
        let id = self.writers.by_source.get(source)?;
        self.writers.writers.get(id).filter(|writer| writer.remains())
    }

    /// Has bytes of the program's own kept for a writer, together with what it publishes until the next
    /// [`Session::keep`]; they are there again for the next run of the program.
    pub fn set_bookmark(&mut self, id: WriterId, bookmark: &[u8]) {
        if let Some(writer) = self.writers.writers.get_mut(&id) {
            writer.set_bookmark(bookmark);
            self.writers.touch_updates(id);
        }
    }

    /// Whether [`Session::keep`] has anything to tell.
    pub fn has_news(&self) -> bool {
        !self.writers.touched.is_empty()
    }

    /// Whether updates or bookmarks may be among that; if not, it need not be safe from a power failure: a hub tells it
    /// again.
    pub fn has_new_updates(&self) -> bool {
        self.writers.has_updates
    }

    /// Tells what has to be stored, all in one transaction, before the session's output is taken. Nothing, for a session
    /// that was not [restored](Session::restore). See [`kept`](crate::kept).
    pub fn keep(&mut self, out: &mut dyn FnMut(Entry<'_>)) {
        self.writers.keep(out);
    }

    /// How a writer is; `None` once it was removed or succeeded by another of its source.
    pub fn writer(&self, id: WriterId) -> Option<&Writer> {
        self.writers.writers.get(&id)
    }

    /// All writers, in no order.
    pub fn writers(&self) -> impl Iterator<Item = (WriterId, &Writer)> {
        self.writers.writers.iter().map(|(&id, writer)| (id, writer))
    }

    /// States a writer's whole dictionary; what changed becomes an update. Returns its sequence, `None` where nothing
    /// differs.
    ///
    /// # Errors
    ///
    /// If the dictionary is over a limit, there is no room, or the writer is over.
    pub fn publish(
        &mut self,
        now: Now,
        id: WriterId,
        dictionary: &Dictionary,
    ) -> Result<Option<u64>, PublishError> {
        self.with_writer(id, |writer, line| writer.publish(line, now.time, dictionary))
    }

    /// States a writer's whole dictionary as the first thing in its epoch, on behalf of a program that was out of reach
    /// since `since` and cannot send again what it had meanwhile. Returns the sequence: 1.
    ///
    /// That first update is missing: watchers get the dictionary as always, timelines a gap with the reason
    /// [`GapReason::LinkLost`](crate::record::GapReason::LinkLost) and the dictionary after it. It counts as no update
    /// that was [dropped](Writer::dropped). After an epoch that has updates, [end it](Session::end_writer) and
    /// [add a writer](Session::add_writer) again.
    ///
    /// # Errors
    ///
    /// As [`Session::publish`], and if anything was published in the epoch before.
    pub fn publish_after_loss(
        &mut self,
        now: Now,
        id: WriterId,
        dictionary: &Dictionary,
        since: Time,
    ) -> Result<u64, PublishError> {
        self.with_writer(id, |writer, line| writer.publish_after_loss(line, now.time, dictionary, since))
    }

    /// Sets keys of a writer's dictionary and removes others; removals come first. Returns the sequence of the update,
    /// `None` where nothing differs.
    ///
    /// # Errors
    ///
    /// As [`Session::publish`].
    pub fn patch<'p>(
        &mut self,
        now: Now,
        id: WriterId,
        set: impl IntoIterator<Item = (&'p str, &'p Value)> + Clone,
        remove: impl IntoIterator<Item = &'p str>,
    ) -> Result<Option<u64>, PublishError> {
        self.with_writer(id, |writer, line| writer.patch(line, now.time, set, remove))
    }

    /// Ends a writer's epoch: its source goes offline when all before it is held. Returns the End's sequence.
    ///
    /// # Errors
    ///
    /// If the writer is over.
    pub fn end_writer(&mut self, now: Now, id: WriterId) -> Result<u64, PublishError> {
        self.with_writer(id, |writer, line| writer.end(line, now.time))
    }

    /// Forgets a writer, and with it what was not acknowledged: best when it [is done](Writer::is_done). On a connection
    /// that stands its source stays online unless it has been ended.
    pub fn remove_writer(&mut self, id: WriterId) {
        let limit = self.settings.limits.sources;
        let writers = &mut self.writers;
        let Some(writer) = writers.writers.remove(&id) else { return };
        writers.by_id.retain(|_, writer| *writer != id);
        writers.by_source.remove(writer.source());
        if writers.former.len() < limit {
            writers.former.insert(writer.source().into(), writer.into_former());
        }
    }

    fn with_writer<R>(
        &mut self,
        id: WriterId,
        operation: impl FnOnce(&mut Writer, &mut Line<'_>) -> Result<R, PublishError>,
    ) -> Result<R, PublishError> {
        let writer = self.writers.writers.get_mut(&id).ok_or(PublishError::Removed)?;
        let output = match &mut self.connection {
            Some(connection) if connection.phase() == Phase::Open => Some(&mut connection.output),
            _ => None,
        };
        let result = operation(writer, &mut Line { output, limits: &self.agreed })?;
        if writer.is_behind() {
            self.writers.queue(id);
        }
        self.writers.touch_updates(id);
        Ok(result)
    }
}

impl Writer {
    /// Whether nothing can be published by it any more.
    fn is_over(&self) -> bool {
        self.remains()
            || self.is_ended()
            || matches!(self.phase(), writer::Phase::Refused(_) | writer::Phase::Replaced)
    }
}
