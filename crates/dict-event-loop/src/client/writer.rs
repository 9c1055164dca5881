//! Writing a source.

use std::fmt;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use dict_protocol::packet::Level;
use dict_protocol::session::WriterId;
use dict_protocol::value::{Dictionary, Value};
use dict_protocol::writer::{self, Phase, PublishError, WriterOptions};

use super::shared::{Stage, State, deadline};
use super::{Client, Inner, WriteError, WriterError};
use crate::clock::Clock;

/// The writer of one source.
///
/// Publishing never waits for the network (unless the options say so): what changed is kept as the source's level asks,
/// and sent in the background. When it is dropped the source is [ended](Writer::end), without waiting.
pub struct Writer {
    inner: Arc<Inner>,
    id: WriterId,
    source: String,
}

/// What became of what was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flushed {
    /// The last update that is acknowledged at the source's level; 0: none.
    pub acknowledged: u64,
    /// Updates that were given up since the spool was full: they are gaps in the timeline.
    pub dropped: u64,
}

/// One of several things to be [published at once](Writer::publish_all).
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Step {
    /// The whole dictionary, or with `patch` keys to set.
    pub dictionary: Dictionary,
    /// Leaves the other keys as they are.
    pub patch: bool,
    /// Bytes of the program's own, as where in its input this comes from: in a [spool's file](super::Builder::spool)
    /// they are stored with the update, in one transaction, and the next run of the program finds the last ones in
    /// [`Left::bookmark`](super::Left::bookmark). Also if nothing differs.
    pub bookmark: Vec<u8>,
}

impl Client {
    /// Begins to write a source. The hub is asked in the background; [`Writer::wait_announced`] tells its answer.
    ///
    /// # Errors
    ///
    /// If the name cannot be, or this client writes that source already or too many.
    pub fn writer(&self, source: &str, options: WriterOptions) -> Result<Writer, WriterError> {
        let mut state = self.lock();
        state.check_running()?;
        let id = state.session.add_writer(Clock::now(), source, options)?;
        self.inner.shared.release(state);
        Ok(Writer { inner: self.inner.clone(), id, source: source.to_owned() })
    }
}

impl Writer {
    /// The source's name.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The epoch that it writes; it rises if the hub learns of a higher one.
    pub fn epoch(&self) -> u64 {
        self.look(writer::Writer::epoch)
    }

    /// What acknowledgements mean; `None` until the hub is known for the first time, where that decides.
    pub fn level(&self) -> Option<Level> {
        self.look(writer::Writer::level)
    }

    /// The source's dictionary, as it was published last.
    pub fn dictionary(&self) -> Dictionary {
        self.look(|writer| writer.content().clone())
    }

    /// States the whole dictionary; what changed is sent. Returns the update's sequence, `None` where nothing differs.
    ///
    /// # Errors
    ///
    /// If the dictionary is over a limit, the source is not this writer's any more, or the spool's file cannot be written.
    pub fn publish(&self, dictionary: &Dictionary) -> Result<Option<u64>, WriteError> {
        self.publishing(|state, id| state.session.publish(Clock::now(), id, dictionary))
    }

    /// Sets one key and leaves the others.
    ///
    /// # Errors
    ///
    /// As [`Writer::publish`].
    pub fn set(&self, key: &str, value: impl Into<Value>) -> Result<Option<u64>, WriteError> {
        let value = value.into();
        self.publishing(|state, id| state.session.patch(Clock::now(), id, [(key, &value)], []))
    }

    /// Removes one key.
    ///
    /// # Errors
    ///
    /// As [`Writer::publish`].
    pub fn remove(&self, key: &str) -> Result<Option<u64>, WriteError> {
        self.publishing(|state, id| state.session.patch(Clock::now(), id, [], [key]))
    }

    /// Removes keys and sets others, at once.
    ///
    /// # Errors
    ///
    /// As [`Writer::publish`].
    pub fn patch(&self, set: &Dictionary, remove: &[&str]) -> Result<Option<u64>, WriteError> {
        self.publishing(|state, id| state.session.patch(Clock::now(), id, set, remove.iter().copied()))
    }

    /// Publishes several things in their order; where there is a [spool's file](super::Builder::spool), with one
    /// transaction for as many as there is room for. Returns what came of each, up to the first that failed.
    pub fn publish_all(&self, steps: &[Step]) -> Vec<Result<Option<u64>, WriteError>> {
        let shared = &self.inner.shared;
        let mut results: Vec<Result<_, WriteError>> = Vec::with_capacity(steps.len());
        let mut kept = 0;
        let mut state = shared.lock();
        while results.len() < steps.len() && results.last().is_none_or(Result::is_ok) {
            match self.step(&mut state, &steps[results.len()]) {
                Some(result) => results.push(result),
                None if state.keep().is_err() => break,
                None => {
                    // What there is goes out, which makes room.
                    shared.release(state);
                    kept = results.len();
                    let step = &steps[kept];
                    let (guard, result) = shared.wait(shared.lock(), None, |state| self.step(state, step));
                    state = guard;
                    results.push(result.unwrap_or_else(|| Err(state.closed().into())));
                }
            }
        }
        if let Err(closed) = state.keep() {
            results.truncate(kept);
            results.push(Err(closed.into()));
        }
        shared.release(state);
        results
    }

    /// Publishes one thing; `None` if it has to wait for room.
    fn step(&self, state: &mut State, step: &Step) -> Option<Result<Option<u64>, WriteError>> {
        if let Err(closed) = state.check_running() {
            return Some(Err(closed.into()));
        }
        let (session, now) = (&mut state.session, Clock::now());
        let published = if step.patch {
            session.patch(now, self.id, &step.dictionary, [])
        } else {
            session.publish(now, self.id, &step.dictionary)
        };
        match published {
            Err(PublishError::Full) => return None,
            Err(_) => {}
            Ok(_) => session.set_bookmark(self.id, &step.bookmark),
        }
        Some(published.map_err(WriteError::from))
    }

    /// The last update that is acknowledged at the source's level, in its epoch; 0: none.
    pub fn acknowledged(&self) -> u64 {
        self.look(writer::Writer::acknowledged)
    }

    /// Updates that are neither acknowledged nor given up. Always 0 at level `none`.
    pub fn unacknowledged(&self) -> u64 {
        self.look(writer::Writer::unacknowledged)
    }

    /// Updates that were given up since the spool was full.
    pub fn dropped(&self) -> u64 {
        self.look(writer::Writer::dropped)
    }

    /// Waits until the hub has accepted this writer.
    ///
    /// # Errors
    ///
    /// If it refuses, another writer has taken over, or nothing is known after `timeout`.
    pub fn wait_announced(&self, timeout: Duration) -> Result<(), WriteError> {
        let done = self.wait(timeout, |writer| (*writer.phase() == Phase::Live).then_some(())).1;
        done.unwrap_or(Err(WriteError::NotAnnounced { after: timeout }))
    }

    /// Waits until everything published so far is acknowledged at the source's level; at level `none`, until the hub has
    /// taken it.
    ///
    /// # Errors
    ///
    /// If that takes longer than `timeout`, or the source is not this writer's any more.
    pub fn flush(&self, timeout: Duration) -> Result<Flushed, WriteError> {
        let started = std::time::Instant::now();
        let (epoch, newest) = self.look(|writer| (writer.epoch(), writer.newest()));
        let (state, done) = self.wait(timeout, |writer| match writer.level() {
            Some(Level::None) => (*writer.phase() == Phase::Live && !writer.is_behind()).then_some(()),
            _ => writer.holds(epoch, newest).then_some(()),
        });
        let Some(writer) = state.session.writer(self.id) else { return Err(state.closed().into()) };
        let flushed = Flushed { acknowledged: writer.acknowledged(), dropped: writer.dropped() };
        let (unacknowledged, level) = (writer.unacknowledged(), writer.level());
        drop(state);
        let late = WriteError::TimedOut { unacknowledged, after: timeout };
        done.unwrap_or_else(|| Err(late.clone()))?;
        if level == Some(Level::None) {
            let client = Client { inner: self.inner.clone() };
            client.ping(timeout.saturating_sub(started.elapsed())).map_err(|_| late)?;
        }
        Ok(flushed)
    }

    /// Ends the source: nothing more will come of it in this epoch, and everybody is told. Waits as [`Writer::flush`].
    ///
    /// # Errors
    ///
    /// As [`Writer::flush`]. The source is ended all the same, as soon as the hub reads it.
    pub fn end(self, timeout: Duration) -> Result<Flushed, WriteError> {
        self.publishing(|state, id| state.session.end_writer(Clock::now(), id))?;
        self.flush(timeout)
    }

    /// Publishes; where there is no room and the writer is to wait, waits.
    fn publishing<R>(
        &self,
        mut operation: impl FnMut(&mut State, WriterId) -> Result<R, PublishError>,
    ) -> Result<R, WriteError> {
        let shared = &self.inner.shared;
        let mut state = shared.lock();
        state.check_running()?;
        let mut result = operation(&mut state, self.id);
        if let Err(PublishError::Full) = result {
            let (guard, waited) = shared.wait(state, None, |state| {
                if let Err(closed) = state.check_running() {
                    return Some(Err(closed));
                }
                match operation(state, self.id) {
                    Err(PublishError::Full) => None,
                    result => Some(Ok(result)),
                }
            });
            state = guard;
            result = waited.unwrap_or_else(|| Err(state.closed()))?;
        }
        let kept = state.keep();
        shared.release(state);
        let published = result?;
        kept?;
        Ok(published)
    }

    /// Waits for `until` to give something, or for the writer's end.
    fn wait<R>(
        &self,
        timeout: Duration,
        until: impl Fn(&writer::Writer) -> Option<R>,
    ) -> (MutexGuard<'_, State>, Option<Result<R, WriteError>>) {
        let shared = &self.inner.shared;
        shared.wait(shared.lock(), deadline(timeout), |state| {
            let Some(writer) = state.session.writer(self.id) else { return Some(Err(state.closed().into())) };
            if let Some(result) = until(writer) {
                return Some(Ok(result));
            }
            match writer.phase() {
                Phase::Refused(refusal) => Some(Err(refusal.clone().into())),
                Phase::Replaced => Some(Err(PublishError::Replaced.into())),
                _ if state.stage == Stage::Closed => Some(Err(state.closed().into())),
                _ => None,
            }
        })
    }

    fn look<R: Default>(&self, look: impl FnOnce(&writer::Writer) -> R) -> R {
        self.inner.shared.lock().session.writer(self.id).map(look).unwrap_or_default()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let shared = &self.inner.shared;
        let mut state = shared.lock();
        // One that has ended, was refused or was replaced has nothing to end.
        let _ = state.session.end_writer(Clock::now(), self.id);
        state.released.push(self.id);
        shared.release(state);
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("source", &self.source).finish_non_exhaustive()
    }
}
