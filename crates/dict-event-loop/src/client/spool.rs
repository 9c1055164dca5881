//! A spool that outlives the program: each call that publishes stores first, and sends then.
//!
//! The session says what is to be kept whenever the lock on it is given back, so before its output can be taken. If that
//! cannot be stored the client ends: none of it is sent, and the program is told.

use std::time::Duration;

use dict_protocol::kept::Kept;
use dict_protocol::session::Session;
use dict_protocol::value::Dictionary;

use super::shared::{Stage, State, deadline};
use super::{Client, ClientClosed, ConnectError, WriteError};

/// Where a session's spool is kept.
pub(super) trait Store: Send {
    /// Stores what is new; says why it cannot.
    fn write(&mut self, session: &mut Session) -> Result<(), String>;
}

/// Opens a store for a client with this id if it is a new one; with what is in it.
pub(super) type Opening = Box<dyn FnOnce([u8; 16]) -> Result<(Box<dyn Store>, Kept), ConnectError> + Send>;

/// What a former run of a program has left of a source in the spool's file.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Left {
    /// The dictionary as it was published last.
    pub dictionary: Dictionary,
    /// Updates that are not acknowledged: they are being sent again.
    pub unacknowledged: u64,
    /// What the program kept with it; see [`Step`](super::Step).
    pub bookmark: Vec<u8>,
}

impl Client {
    /// What a former run of this program has left of `source` in the [spool's file](super::Builder::spool); `None` if
    /// nothing, or once this one writes it too.
    pub fn left(&self, source: &str) -> Option<Left> {
        let state = self.lock();
        let left = state.session.left(source)?;
        Some(Left {
            dictionary: left.content().clone(),
            unacknowledged: left.unacknowledged(),
            bookmark: left.bookmark().to_vec(),
        })
    }

    /// Waits until everything that this client keeps is acknowledged at its level, also of sources that it does not
    /// write itself but that a former run has left. Returns how many updates were given up.
    ///
    /// # Errors
    ///
    /// If that takes longer than `timeout`, or the client is closed.
    pub fn flush(&self, timeout: Duration) -> Result<u64, WriteError> {
        let waited = self.inner.shared.wait_for(deadline(timeout), |state| {
            if unacknowledged(state) == 0 {
                let dropped = state.session.writers().map(|(_, writer)| writer.dropped()).sum();
                return Some(Ok(dropped));
            }
            (state.stage == Stage::Closed).then(|| Err(state.closed().into()))
        });
        waited.unwrap_or_else(|| {
            let unacknowledged = unacknowledged(&self.lock());
            Err(WriteError::TimedOut { unacknowledged, after: timeout })
        })
    }
}

fn unacknowledged(state: &State) -> u64 {
    state.session.writers().map(|(_, writer)| writer.unacknowledged()).sum()
}

impl State {
    /// Stores what is new in the session, if there is a store. To be called before its output is taken.
    ///
    /// # Errors
    ///
    /// If it cannot be stored: that is the client's end.
    pub(super) fn keep(&mut self) -> Result<(), ClientClosed> {
        if let Some(closed @ ClientClosed::Spool { .. }) = &self.lost {
            return Err(closed.clone());
        }
        let Self { session, inbox, store: Some(store), .. } = self else { return Ok(()) };
        let Err(reason) = store.write(session) else { return Ok(()) };
        let told = format!("the connection was given up: {reason}");
        session.disconnected(&told, &mut |event| inbox.take(&event));
        inbox.changed = true;
        if self.stage != Stage::Closed {
            self.stage = Stage::Closing;
        }
        let closed = ClientClosed::Spool { reason };
        self.lost = Some(closed.clone());
        Err(closed)
    }
}

#[cfg(feature = "spool")]
pub use file::Durability;

#[cfg(feature = "spool")]
mod file {
    use std::path::PathBuf;
    use std::sync::Arc;

    use dict_protocol::session::Session;
    pub use dict_spool::Durability;
    use dict_spool::SpoolFile;

    use super::Store;
    use crate::client::Builder;

    impl Store for SpoolFile {
        fn write(&mut self, session: &mut Session) -> Result<(), String> {
            Self::write(self, session).map_err(|error| error.to_string())
        }
    }

    impl Builder {
        /// Keeps what is published at level `logged`, until every logger has it, in a file that outlives the program; it
        /// is made where there is none. The next run of the program with that file sends what is left of this one, and
        /// its sources go on in new epochs. The client id is kept there too.
        ///
        /// With a spool, sources are written at level `logged` if nothing else is said; what is written at the other
        /// levels is not kept. What is published is in the file when the call returns, and before it is sent: it is safe
        /// from the program's end. If the file cannot be written the client ends, and every call on it fails with
        /// [`ClientClosed::Spool`](crate::client::ClientClosed::Spool). One client uses a file at a time.
        #[must_use]
        pub fn spool(self, path: impl Into<PathBuf>) -> Self {
            self.spool_with(path, Durability::Process)
        }

        /// The same, and says what is published is to be safe from. With [`Durability::Power`] each call that publishes
        /// waits for the disk; [`Writer::publish_all`](crate::client::Writer::publish_all) waits once for many.
        #[must_use]
        pub fn spool_with(mut self, path: impl Into<PathBuf>, durability: Durability) -> Self {
            let path = path.into();
            self.opening = Some(Box::new(move |client_id| {
                let (file, kept) = SpoolFile::open(path, client_id, durability).map_err(Arc::new)?;
                Ok((Box::new(file), kept))
            }));
            self
        }
    }
}

#[cfg(test)]
mod tests {
    use dict_protocol::dictionary;
    use dict_protocol::pattern::Pattern;

    use super::*;
    use crate::client::{Step, WatchEvent, WatchOptions, WriterOptions};
    use crate::server::{Server, Settings};

    const SOON: Duration = Duration::from_secs(10);

    /// Takes so many writes, and then fails once: whoever asks again may not be told so.
    struct Failing(u32);

    impl Store for Failing {
        fn write(&mut self, session: &mut Session) -> Result<(), String> {
            if !session.has_new_updates() {
                return Ok(());
            }
            session.keep(&mut |_| ());
            let fails = self.0 == 0;
            self.0 = self.0.saturating_sub(1);
            if fails { Err("the disk is full".to_owned()) } else { Ok(()) }
        }
    }

    fn client(address: &str, writes: u32) -> Client {
        let mut builder = Client::builder().name("writer");
        builder.opening = Some(Box::new(move |id| Ok((Box::new(Failing(writes)), Kept::new(id)))));
        builder.connect(address).unwrap()
    }

    #[test]
    fn what_cannot_be_kept_is_not_sent_and_is_the_end() {
        let server =
            Server::new(Settings { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Settings::default() });
        let server = server.unwrap();
        let (address, handle) = (server.addresses()[0].to_string(), server.handle());
        let running = std::thread::spawn(move || server.run());
        let watch =
            Client::connect(&*address).unwrap().watch(Pattern::all(), WatchOptions::default()).unwrap();
        let spool = ClientClosed::Spool { reason: "the disk is full".to_owned() };

        // The hub's answer to the announcement is a write too.
        let writing = client(&address, 3);
        let writer = writing.writer("a", WriterOptions::default()).unwrap();
        writer.wait_announced(SOON).unwrap();
        assert_eq!(writer.set("n", 1), Ok(Some(1)));
        assert_eq!(writer.set("n", 2), Ok(Some(2)));
        writing.ping(SOON).unwrap();
        let step = |n: i64| Step { dictionary: dictionary! { "n" => n }, ..Step::default() };
        assert_eq!(writer.publish_all(&[step(3), step(4)]), [Err(spool.clone().into())]);
        assert_eq!(writer.set("n", 5), Err(spool.clone().into()));
        assert_eq!(writing.flush(SOON), Err(spool.clone().into()));
        assert_eq!(writing.close(SOON), 4, "so many are not acknowledged");
        drop(writer);

        let mut last = None;
        while last.is_none_or(|source: bool| source) {
            match watch.next(SOON).unwrap().expect("the source goes offline") {
                WatchEvent::Source(source) if last.is_some() || source.online => last = Some(source.online),
                _ => {}
            }
        }
        assert_eq!(watch.value("a", "n"), Some(2.into()));
        handle.stop();
        running.join().unwrap().unwrap();
    }
}
