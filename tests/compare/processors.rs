//! On which processors something runs.
//!
//! One message in flight takes a few microseconds where both ends share a processor, and most of its time is waking the
//! other one where they do not; left to itself, a system does now this and now that.

#[cfg(target_os = "linux")]
use crate::trouble::While;
use crate::trouble::{Result, Trouble};

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
    pub(crate) fn server<T>(self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        on(0, work)
    }

    /// Runs `work` where the load is to be, and has what it starts be there as well.
    pub(crate) fn load<T>(self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        match self {
            Self::Apart => on(1, work),
            Self::Together => on(0, work),
        }
    }
}

/// Runs `work` on one of the processors that this program may use, counted from 0; threads and processes that it starts
/// stay there.
#[cfg(target_os = "linux")]
fn on<T>(number: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    let place = |processors: &CpuSet| {
        let placed = sched_setaffinity(None, processors).map_err(std::io::Error::from);
        placed.trying(|| "choosing a processor".to_owned())
    };
    let all = sched_getaffinity(None).map_err(std::io::Error::from);
    let all = all.trying(|| "asking for the processors".to_owned())?;
    let mut usable = (0..CpuSet::MAX_CPU).filter(|processor| all.is_set(*processor));
    let Some(processor) = usable.nth(number) else {
        return Err(Trouble::LeftOut(format!("it takes {} processors", number + 1)));
    };
    let mut one = CpuSet::new();
    one.set(processor);
    place(&one)?;
    let outcome = work();
    place(&all)?;
    outcome
}

/// Only on Linux is anything placed.
#[cfg(not(target_os = "linux"))]
fn on<T>(_: usize, _: impl FnOnce() -> Result<T>) -> Result<T> {
    Err(Trouble::LeftOut("processors are chosen by means which Linux has".into()))
}
