//! Dictwire's integration tests: one binary, since each further one links everything again.
#![allow(clippy::print_stdout, reason = "what a failing test has printed is shown")]

mod access;
mod cli;
mod client;
mod compare;
mod dialects;
mod faults;
mod hub;
mod main_job;
mod properties;
mod simulation;
mod timeline;
mod tls;
