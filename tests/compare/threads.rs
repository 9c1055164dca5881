//! Threads that may fail.

use std::thread::ScopedJoinHandle;

use crate::trouble::{Result, wrong};

/// What a thread came to; its panic, which is a defect of this program, is an error like others.
pub(crate) fn join<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|_| Err(wrong("compare", "a thread panicked, as told above")))
}
