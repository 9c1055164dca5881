//! Who may do what: every right, in every dialect, at real sockets, and what new rules take away.
#![allow(clippy::unwrap_used, reason = "what helps a test panics as the test does")]

mod credentials;
mod dialects;
mod lab;
mod native;
mod programs;
mod reload;
mod rules;
mod wire;
