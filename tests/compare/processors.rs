//! On which processors something runs.
//!
//! One message in flight takes a few microseconds where both ends share a processor, and most of its time is waking the
//! other one where they do not; left to itself, a system does now this and now that.

/// Where a server is and where its load is, in a row that needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Placement {
    /// On a processor each.
    Apart,
    /// On the same one.
    Together,
}

impl Placement {
    /// Runs `work` where the server is to be, and has what it starts be there as well.
    pub(crate) fn server<T>(self, work: impl FnOnce() -> T) -> T {
        on(0, work)
    }

    /// Runs `work` where the load is to be, and has what it starts be there as well.
    pub(crate) fn load<T>(self, work: impl FnOnce() -> T) -> T {
        match self {
            Self::Apart => on(1, work),
            Self::Together => on(0, work),
        }
    }
}

/// Runs `work` on one of the processors that this program may use, counted from 0; threads and processes that it starts
/// stay there.
#[cfg(target_os = "linux")]
fn on<T>(number: usize, work: impl FnOnce() -> T) -> T {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    let Ok(all) = sched_getaffinity(None) else { return work() };
    let Some(processor) = (0..CpuSet::MAX_CPU).filter(|processor| all.is_set(*processor)).nth(number) else {
        return work();
    };
    let mut one = CpuSet::new();
    one.set(processor);
    // Where it is not allowed, the system chooses, as elsewhere.
    let _ = sched_setaffinity(None, &one);
    let outcome = work();
    let _ = sched_setaffinity(None, &all);
    outcome
}

/// Only on Linux is anything placed.
#[cfg(not(target_os = "linux"))]
fn on<T>(_: usize, work: impl FnOnce() -> T) -> T {
    work()
}
