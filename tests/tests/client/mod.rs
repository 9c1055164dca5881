//! The blocking client against a server, over TCP.
#![allow(clippy::unwrap_used, reason = "what helps a test panics as the test does")]

mod callbacks;
mod connecting;
mod exchange;
mod logger;
mod peers;
mod refusing;
mod spool;
pub(crate) mod support;
mod watching;
mod writing;
