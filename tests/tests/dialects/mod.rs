//! Programs of four older systems, and what behaves as they do, at the gateways.
#![allow(clippy::unwrap_used, reason = "what helps a test panics as the test does")]

mod comet;
mod comms;
mod hostile;
mod lab;
mod logger;
mod parity;
mod peers;
mod pingpong;
mod pytcp;
