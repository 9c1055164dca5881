//! A source that is written on behalf of a program that knows nothing of sources.
//!
//! | what happens | the source |
//! |---|---|
//! | the first dictionary | a new epoch begins with it |
//! | another one | an update, if something differs |
//! | its program leaves in order | the epoch ends |
//! | its program is lost, or something that it said | the epoch ends, and the next begins with a stated loss |
//! | it has another writer | nothing is written; the newest is kept, and tried again every few seconds |

use std::time::Duration;

use dict_protocol::packet::{Level, LoggerPresence};
use dict_protocol::session::{Session, WriterId};
use dict_protocol::time::{Instant, Now, Time};
use dict_protocol::value::Dictionary;
use dict_protocol::writer::{PublishError, WhenFull, Writer, WriterChange, WriterOptions};

use crate::complaint::Complaint;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Feed {
    source: String,
    writer: Option<WriterId>,
    /// The writer's epoch is over.
    ended: bool,
    /// When what was said was lost, if nothing was heard since.
    lost: Option<Time>,
    /// Somebody else writes the source: it is not tried before.
    barred_until: Option<Instant>,
    /// What is to be written then.
    held_back: Option<Dictionary>,
    refusals: Complaint,
    faults: Complaint,
}

impl Feed {
    /// Between two attempts to write a source that has another writer.
    const BARRED: Duration = Duration::from_secs(5);

    pub(crate) fn new(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            writer: None,
            ended: true,
            lost: None,
            barred_until: None,
            held_back: None,
            refusals: Complaint::default(),
            faults: Complaint::default(),
        }
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Its program said its whole dictionary.
    pub(crate) fn state(&mut self, session: &mut Session, now: Now, dictionary: &Dictionary) {
        self.write(session, now, dictionary, |session, writer| session.publish(now, writer, dictionary));
    }

    /// Its program said some keys; the others stay.
    pub(crate) fn set(&mut self, session: &mut Session, now: Now, set: &Dictionary) {
        let held_back = self.held_back.clone();
        let whole = |session: &Session, writer: Option<WriterId>| {
            let written = || Some(session.writer(writer?)?.content().clone());
            let mut whole = held_back.or_else(written).unwrap_or_default();
            for (key, value) in set {
                whole.insert(key.to_owned(), value.clone());
            }
            whole
        };
        let first = if self.ended { whole(session, self.writer) } else { Dictionary::new() };
        self.write(session, now, &first, |session, writer| {
            session.patch(now, writer, set.iter(), std::iter::empty())
        });
    }

    /// Writes by `call`, or `first` if an epoch has to begin.
    fn write(
        &mut self,
        session: &mut Session,
        now: Now,
        first: &Dictionary,
        call: impl FnOnce(&mut Session, WriterId) -> Result<Option<u64>, PublishError>,
    ) {
        if self.barred_until.is_some_and(|until| now.instant < until) {
            self.lost.get_or_insert(now.time);
            self.held_back = Some(first.clone());
            return;
        }
        self.held_back = None;
        let written = match self.writer {
            Some(writer) if !self.ended => call(session, writer).map(drop),
            _ => self.begin(session, now, first),
        };
        if let Err(error) = written {
            self.failed(session, now, &error);
        }
    }

    /// Begins an epoch.
    fn begin(&mut self, session: &mut Session, now: Now, first: &Dictionary) -> Result<(), PublishError> {
        let options =
            WriterOptions { level: Some(Level::Logged), take_over: false, when_full: WhenFull::Drop };
        let writer = match session.add_writer(now, &self.source, options) {
            Ok(writer) => writer,
            Err(error) => {
                self.bar(now);
                self.held_back = Some(first.clone());
                if let Some(count) = self.refusals.raise(now.instant) {
                    tracing::warn!(source = self.source, count, "cannot write the source: {error}");
                }
                return Ok(());
            }
        };
        self.writer = Some(writer);
        self.ended = false;
        match self.lost {
            Some(since) => session.publish_after_loss(now, writer, first, since).map(drop)?,
            None => session.publish(now, writer, first).map(drop)?,
        }
        self.lost = None;
        Ok(())
    }

    /// What was said could not be written: it is lost, and what comes after it says so.
    fn failed(&mut self, session: &mut Session, now: Now, error: &PublishError) {
        if let Some(count) = self.faults.raise(now.instant) {
            tracing::warn!(source = self.source, count, "a dictionary is not recorded: {error}");
        }
        self.lost(session, now);
    }

    /// Its program was lost, or something that it said.
    pub(crate) fn lost(&mut self, session: &mut Session, now: Now) {
        if self.writer.is_some() {
            self.lost.get_or_insert(now.time);
        }
        self.end(session, now);
    }

    /// Its program left in order.
    pub(crate) fn end(&mut self, session: &mut Session, now: Now) {
        self.held_back = None;
        if let Some(writer) = self.writer
            && !std::mem::replace(&mut self.ended, true)
        {
            // One that was refused or replaced has nothing to end.
            let _ = session.end_writer(now, writer);
        }
    }

    /// Nothing of it will be written any more, nor what is not acknowledged be sent again.
    pub(crate) fn forget(&mut self, session: &mut Session) {
        if let Some(writer) = self.writer.take() {
            session.remove_writer(writer);
        }
    }

    /// Something became of a writer of the session.
    pub(crate) fn told(&mut self, session: &mut Session, now: Now, writer: WriterId, change: &WriterChange) {
        if self.writer != Some(writer) {
            return;
        }
        let reason = match change {
            WriterChange::Refused(refusal) => {
                self.held_back = session.writer(writer).map(|writer| writer.content().clone());
                // Nothing of it may come into the source of somebody else later.
                session.remove_writer(writer);
                refusal.to_string()
            }
            // What has ended may well have another writer by now.
            WriterChange::Replaced if self.ended => return,
            WriterChange::Replaced => "another writer took it over".to_owned(),
            _ => return,
        };
        if let Some(count) = self.refusals.raise(now.instant) {
            tracing::error!(source = self.source, count, "what a program says is not recorded: {reason}");
        }
        self.bar(now);
    }

    /// When [`retry`](Self::retry) is to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.barred_until.filter(|_| self.held_back.is_some())
    }

    /// Writes what was held back, if it is time and its program has not gone.
    pub(crate) fn retry(&mut self, session: &mut Session, now: Now) {
        if self.poll_timeout().is_some_and(|at| at <= now.instant)
            && let Some(dictionary) = self.held_back.take()
        {
            self.state(session, now, &dictionary);
        }
    }

    /// Nothing can be written for a while.
    fn bar(&mut self, now: Now) {
        self.ended = true;
        self.lost.get_or_insert(now.time);
        self.barred_until = Some(now.instant + Self::BARRED);
    }

    /// Whether all that can be acknowledged is.
    pub(crate) fn is_settled(&self, session: &Session) -> bool {
        let unacknowledged =
            self.writer.and_then(|writer| session.writer(writer)).map_or(0, Writer::unacknowledged);
        unacknowledged == 0 || session.logger() != LoggerPresence::Present
    }
}
