//! What a client's threads share.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dict_protocol::limits::Limits;
use dict_protocol::session::{Session, WriterId};

use super::error::{ClientClosed, ConnectError};
use super::inbox::Inbox;
use super::spool::Store;
use crate::waker::Waker;

/// How far a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Running,
    /// It takes nothing more from the program, and sends what it has.
    Finishing,
    /// It says goodbye.
    Closing,
    /// Its loop has ended.
    Closed,
}

pub(super) struct State {
    pub(super) session: Session,
    pub(super) inbox: Inbox,
    pub(super) stage: Stage,
    /// Writers that nobody holds any more, to be forgotten when they are done.
    pub(super) released: Vec<WriterId>,
    /// Why the last attempt to connect failed, since the last connection.
    pub(super) failure: Option<ConnectError>,
    /// Why it was given up, if not by the program.
    pub(super) lost: Option<ClientClosed>,
    /// Where the session's spool is kept, if not in memory alone.
    pub(super) store: Option<Box<dyn Store>>,
    /// The loop is going to look for output: nobody needs to wake it.
    pub(super) loop_looks: bool,
    /// The dispatch thread has still something to do.
    pub(super) dispatching: bool,
    /// Threads that wait for something to change.
    waiting: usize,
}

impl State {
    /// Whether the program's calls are taken.
    pub(super) fn check_running(&self) -> Result<(), ClientClosed> {
        if self.stage == Stage::Running { Ok(()) } else { Err(self.closed()) }
    }

    /// Why they are not.
    pub(super) fn closed(&self) -> ClientClosed {
        self.lost.clone().unwrap_or(ClientClosed::ByProgram)
    }
}

/// The state, and what its threads wake each other with.
pub(super) struct Shared {
    state: Mutex<State>,
    /// Something changed that a thread may wait for.
    changed: Condvar,
    /// There are jobs.
    jobs: Condvar,
    waker: Waker,
    pub(super) limits: Limits,
}

impl Shared {
    pub(super) fn new(session: Session, store: Option<Box<dyn Store>>, waker: Waker) -> Self {
        let limits = session.settings().limits.clone();
        let state = State {
            session,
            inbox: Inbox::new(&limits),
            stage: Stage::Running,
            released: Vec::new(),
            failure: None,
            lost: None,
            store,
            loop_looks: false,
            dispatching: true,
            waiting: 0,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), jobs: Condvar::new(), waker, limits }
    }

    /// Takes the lock. A thread that panicked with it has left nothing half done that another could trip over: at worst
    /// an update is missing, which the protocol notices.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the lock back after the session was given something to send.
    pub(super) fn release(&self, mut state: MutexGuard<'_, State>) {
        let failed = state.keep().is_err();
        let wake = failed || (!state.loop_looks && !state.session.output().is_empty());
        state.loop_looks |= wake;
        drop(state);
        if wake {
            self.waker.wake();
        }
        if failed {
            self.changed.notify_all();
        }
    }

    /// Gives the lock back after something happened.
    pub(super) fn announce(&self, mut state: MutexGuard<'_, State>) {
        let failed = state.keep().is_err();
        let changed = std::mem::take(&mut state.inbox.changed) && state.waiting > 0;
        let jobs = std::mem::take(&mut state.inbox.new_jobs);
        let ready = state.inbox.take_ready();
        drop(state);
        if failed {
            self.waker.wake();
        }
        if changed {
            self.changed.notify_all();
        }
        if jobs {
            self.jobs.notify_one();
        }
        for watch in ready {
            watch.notify_all();
        }
    }

    /// Makes the loop look at the stage.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    /// Waits until `until` gives something, at most until `deadline`.
    pub(super) fn wait<'a, R>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        deadline: Option<Instant>,
        mut until: impl FnMut(&mut State) -> Option<R>,
    ) -> (MutexGuard<'a, State>, Option<R>) {
        loop {
            if let Some(result) = until(&mut state) {
                return (state, Some(result));
            }
            let Some(left) = time_left(deadline) else { return (state, None) };
            state.waiting += 1;
            state = wait_on(&self.changed, state, left);
            state.waiting -= 1;
        }
    }

    /// The same for a thread that does not have the lock.
    pub(super) fn wait_for<R>(
        &self,
        deadline: Option<Instant>,
        until: impl FnMut(&mut State) -> Option<R>,
    ) -> Option<R> {
        self.wait(self.lock(), deadline, until).1
    }

    pub(super) fn wait_for_jobs<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.jobs.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

/// When something that takes `timeout` is over; `None`: never.
pub(super) fn deadline(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}

/// The time to `deadline`, or a long time; `None` when it is over.
pub(super) fn time_left(deadline: Option<Instant>) -> Option<Duration> {
    const LONG: Duration = Duration::from_secs(3_600);
    let Some(deadline) = deadline else { return Some(LONG) };
    Some(deadline.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
}

pub(super) fn wait_on<'a>(
    condvar: &Condvar,
    state: MutexGuard<'a, State>,
    timeout: Duration,
) -> MutexGuard<'a, State> {
    condvar.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0
}

/// What wakes a watch's reader.
pub(super) type Ready = Arc<Condvar>;
