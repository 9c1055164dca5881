//! Programs of four older systems, and what behaves as they do, at the gateways.
#![allow(clippy::unwrap_used, reason = "what helps a test panics as the test does")]

mod hostile;
mod lab;
mod parity;
mod peers;
