//! Dictwire's integration tests: one binary, since each further one links everything again.

mod cli;
mod hub;
mod main_job;
mod properties;
mod simulation;
