//! Writes one source of a load.

use std::time::Duration;

use anyhow::{Result, ensure};
use dict_event_loop::Clock;
use dict_protocol::packet::Level;
use dict_protocol::session::WriterId;
use dict_protocol::time::Now;
use dict_protocol::value::{Dictionary, Value};
use dict_protocol::writer::{Phase, WhenFull, WriterOptions};

use super::connection::{Connection, Hub, LITTLE};
use super::load;

/// Bytes that gather before they are written.
const BATCH: usize = 32 << 10;

/// How long a writer waits before it looks again whether it may go on.
const PAUSE: Duration = Duration::from_micros(100);

pub(super) struct SourceWriter {
    connection: Connection,
    id: WriterId,
    source: String,
    /// As it was published last.
    dictionary: Dictionary,
    /// The whole dictionary is given to each publication.
    whole: bool,
    /// The last update.
    sequence: u64,
}

impl SourceWriter {
    /// Begins a source on a connection of its own, with update 1, which states the dictionary.
    pub(super) fn begin(hub: &Hub, source: String, dictionary: Dictionary, whole: bool) -> Result<Self> {
        let mut connection = hub.connect(LITTLE)?;
        let options = WriterOptions {
            level: Some(Level::None),
            when_full: WhenFull::Block,
            ..WriterOptions::default()
        };
        let session = &mut connection.session;
        let id = session.add_writer(Clock::now(), &source, options)?;
        let is_live = |writer: &dict_protocol::writer::Writer| *writer.phase() == Phase::Live;
        connection.wait(|session| session.writer(id).is_some_and(is_live), |_| ())?;
        connection.session.publish(Clock::now(), id, &dictionary)?;
        connection.flush()?;
        Ok(Self { connection, id, source, dictionary, whole, sequence: 1 })
    }

    /// The last update.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Publishes the next update, to be written when a batch is full.
    #[inline]
    fn publish(&mut self, now: Now) -> Result<()> {
        self.sequence += 1;
        let session = &mut self.connection.session;
        let published = if self.whole {
            load::change(&mut self.dictionary, self.sequence);
            session.publish(now, self.id, &self.dictionary)?
        } else {
            let value = Value::Float(load::value(self.sequence));
            session.patch(now, self.id, [(load::KEY, &value)], [])?
        };
        ensure!(published == Some(self.sequence), "update {} of {} was not made", self.sequence, self.source);
        Ok(())
    }

    /// Publishes the next update and writes it at once.
    pub(super) fn send(&mut self) -> Result<()> {
        let now = Clock::now();
        self.publish(now)?;
        self.connection.flush()?;
        self.connection.look(now)
    }

    /// Publishes the next updates, at most `count`, and writes them: one batch.
    pub(super) fn send_batch(&mut self, count: u64) -> Result<()> {
        let now = Clock::now();
        for _ in 0..count {
            self.publish(now)?;
            if self.connection.session.output().len() >= BATCH {
                break;
            }
        }
        self.connection.flush()?;
        self.connection.look(now)
    }

    /// Waits a moment.
    pub(super) fn pause(&mut self) -> Result<()> {
        std::thread::sleep(PAUSE);
        self.connection.look(Clock::now())
    }

    /// Ends the source and the connection.
    pub(super) fn finish(mut self) -> Result<()> {
        self.connection.session.end_writer(Clock::now(), self.id)?;
        self.connection.close()
    }
}
