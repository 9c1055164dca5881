//! Commits in groups, on a thread of their own.

use std::fmt;
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, TrySendError, channel, sync_channel,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use dict_protocol::record::Batch;

use crate::error::{Error, Result};
use crate::store::Timeline;

/// How commits are grouped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitOptions {
    /// The longest that an entry waits for others to be committed with.
    pub delay: Duration,
    /// With so many entries, a group waits no longer.
    pub entries: usize,
    /// Batches that may wait for the committing thread.
    pub queue: usize,
    /// The longest wait between two attempts while the disk is full; the first is a hundredth of it.
    pub retry: Duration,
}

impl Default for CommitOptions {
    fn default() -> Self {
        Self { delay: Duration::from_millis(10), entries: 20_000, queue: 64, retry: Duration::from_secs(2) }
    }
}

/// The thread that commits, from outside.
///
/// Batches go in with [`submit`](Self::submit) and come back from [`committed`](Self::committed) when they are on the
/// disk, in the same order; a batch that does not come back is not, and nothing of it may be acknowledged.
///
/// While the disk is full nothing comes back, and the same group is tried again, ever more rarely; when that is over
/// [`outages`](Self::outages) tells of it. After any other error of the disk nothing is tried again and
/// [`failure`](Self::failure) tells why: the program should end.
#[derive(Debug)]
pub struct Committer {
    batches: SyncSender<Batch>,
    committed: Receiver<Batch>,
    outages: Receiver<Outage>,
    failure: Arc<Mutex<Option<Arc<Error>>>>,
    thread: JoinHandle<Result<()>>,
}

/// A time in which nothing could be stored, though nothing was lost by it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outage {
    /// Why: the error in words.
    pub reason: String,
    /// How long.
    pub lasted: Duration,
}

/// Why a batch was not taken. It comes back with the refusal.
#[derive(Debug)]
pub enum Refused {
    /// So many wait already: try again after the next notice.
    Full(Batch),
    /// The thread has ended: see [`Committer::failure`].
    Stopped(Batch),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "as many batches wait to be committed as may",
            Self::Stopped(_) => "nothing is committed any more, since the disk failed",
        })
    }
}

impl std::error::Error for Refused {}

impl Committer {
    /// Starts the thread. It calls `notify` whenever something was committed, and when it fails.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the system gives no thread.
    pub fn start(
        timeline: Timeline,
        options: CommitOptions,
        notify: impl Fn() + Send + 'static,
    ) -> Result<Self> {
        let (batches, incoming) = sync_channel(options.queue.max(1));
        let (done, committed) = channel();
        let (over, outages) = channel();
        let failure = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&failure);
        let thread = thread::Builder::new().name("committer".into()).spawn(move || {
            let mut worker = Worker { timeline, options, incoming, done, over, notify, group: Vec::new() };
            match worker.run() {
                Ok(()) => worker.timeline.close(),
                Err(error) => {
                    tracing::error!(%error, "nothing is stored any more");
                    *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(error));
                    (worker.notify)();
                    Ok(())
                }
            }
        })?;
        Ok(Self { batches, committed, outages, failure, thread })
    }

    /// Hands a batch over, without waiting.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the batch.
    pub fn submit(&self, batch: Batch) -> Result<(), Refused> {
        self.batches.try_send(batch).map_err(|error| match error {
            TrySendError::Full(batch) => Refused::Full(batch),
            TrySendError::Disconnected(batch) => Refused::Stopped(batch),
        })
    }

    /// The batches that were committed since the last call, in the order in which they were handed over. What they hold
    /// is on the disk; their memory is free to be used again.
    pub fn committed(&self) -> impl Iterator<Item = Batch> {
        self.committed.try_iter()
    }

    /// The times since the last call in which nothing could be stored, now that they are over.
    pub fn outages(&self) -> impl Iterator<Item = Outage> {
        self.outages.try_iter()
    }

    /// Why nothing is committed any more, if that is so.
    pub fn failure(&self) -> Option<Arc<Error>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Commits what was handed over, closes the timeline, and gives back the batches that were not asked for yet.
    ///
    /// While the disk is full, one more attempt is made and then no other.
    ///
    /// # Errors
    ///
    /// Why something that was handed over could not be committed, or the file not be closed.
    pub fn close(self) -> Result<Vec<Batch>> {
        let Self { batches, committed, failure, thread, .. } = self;
        drop(batches);
        thread.join().map_err(|_| Error::Stopped("the committing thread panicked".to_owned()))??;
        let failure = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        match failure {
            Some(error) => {
                Err(Arc::try_unwrap(error).unwrap_or_else(|error| Error::Stopped(error.to_string())))
            }
            None => Ok(committed.into_iter().collect()),
        }
    }
}

/// The thread's own side.
struct Worker<N> {
    timeline: Timeline,
    options: CommitOptions,
    incoming: Receiver<Batch>,
    done: Sender<Batch>,
    over: Sender<Outage>,
    notify: N,
    group: Vec<Batch>,
}

/// How long nothing must come before changes are put in order meanwhile.
const IDLE: Duration = Duration::from_millis(20);

impl<N: Fn()> Worker<N> {
    fn run(&mut self) -> Result<()> {
        while self.gather()? {
            self.commit()?;
            for batch in self.group.drain(..) {
                // Nobody is interested any more when this is being closed.
                let _ = self.done.send(batch);
            }
            (self.notify)();
        }
        Ok(())
    }

    /// Waits for a group. Returns whether there is one: if not, no more will come.
    fn gather(&mut self) -> Result<bool> {
        let first = loop {
            if self.timeline.is_derived() {
                match self.incoming.recv() {
                    Ok(batch) => break batch,
                    Err(_) => return Ok(false),
                }
            }
            match self.incoming.recv_timeout(IDLE) {
                Ok(batch) => break batch,
                Err(RecvTimeoutError::Timeout) => self.derive()?,
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
            }
        };
        let deadline = Instant::now() + self.options.delay;
        let mut entries = first.entries.len();
        self.group.push(first);
        while entries < self.options.entries && self.group.len() < self.options.queue {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.incoming.recv_timeout(left) {
                Ok(batch) => {
                    entries += batch.entries.len();
                    self.group.push(batch);
                }
                Err(_) => break,
            }
        }
        Ok(true)
    }

    /// Puts changes in order until something comes.
    fn derive(&mut self) -> Result<()> {
        match self.timeline.derive() {
            // It can wait; the next commit will tell.
            Err(error) if error.is_passing() => {
                thread::sleep(self.options.retry);
                Ok(())
            }
            result => result,
        }
    }

    fn commit(&mut self) -> Result<()> {
        let mut wait = self.options.retry / 100;
        let mut outage: Option<(Instant, String)> = None;
        loop {
            match self.timeline.append(&self.group) {
                Err(error) if error.is_passing() => {
                    outage.get_or_insert_with(|| {
                        tracing::error!(%error, "nothing is stored or acknowledged meanwhile; trying again");
                        (Instant::now(), error.to_string())
                    });
                    if self.is_closing() {
                        return Err(error);
                    }
                    thread::sleep(wait);
                    wait = (wait * 2).min(self.options.retry);
                }
                result => {
                    if let Some((since, reason)) = outage.filter(|_| result.is_ok()) {
                        let lasted = since.elapsed();
                        tracing::warn!(?lasted, "everything is stored again");
                        // Nobody is interested any more when this is being closed.
                        let _ = self.over.send(Outage { reason, lasted });
                    }
                    return result;
                }
            }
        }
    }

    /// Whether no more will come. What came in the meantime joins the group, which is as good a place as any.
    fn is_closing(&mut self) -> bool {
        loop {
            if self.group.len() > 2 * self.options.queue {
                return false;
            }
            match self.incoming.try_recv() {
                Ok(batch) => self.group.push(batch),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
    }
}
