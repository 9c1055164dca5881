//! Behaviour of timelines, on real files.
#![allow(clippy::unwrap_used, reason = "in a test's helper as in the test itself")]

mod commits;
mod crash;
mod events;
mod export;
mod folder;
mod maker;
mod opening;
mod reading;
mod states;
mod values;
mod verifying;
