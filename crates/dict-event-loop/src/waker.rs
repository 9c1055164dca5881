//! Waking the loop from other threads.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Makes an event loop that waits, or is about to, call [`Application::woken`](crate::Application::woken).
///
/// Clones wake the same loop. Waking is cheap, and many wakes before the loop comes to them are one: only the first of
/// them makes a system call. Once the loop is gone a wake does nothing.
#[derive(Clone)]
pub struct Waker(Arc<Inner>);

struct Inner {
    waker: mio::Waker,
    /// Whether a wake is on its way to the loop.
    pending: AtomicBool,
}

impl Waker {
    pub(crate) fn new(waker: mio::Waker) -> Self {
        Self(Arc::new(Inner { waker, pending: AtomicBool::new(false) }))
    }

    /// Wakes the loop. What this thread wrote before, [`Application::woken`](crate::Application::woken) sees.
    pub fn wake(&self) {
        if self.0.pending.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Err(error) = self.0.waker.wake() {
            // Let the next wake try; this one is lost, and the loop's timers still run.
            self.0.pending.store(false, Ordering::Release);
            tracing::error!(%error, "cannot wake the event loop");
        }
    }

    /// Makes the next [`Waker::wake`] a system call again. To be called before looking at what wakes are about, so that
    /// one that comes meanwhile is not swallowed.
    pub(crate) fn rearm(&self) {
        self.0.pending.swap(false, Ordering::AcqRel);
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker").field("pending", &self.0.pending).finish_non_exhaustive()
    }
}
