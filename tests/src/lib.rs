//! What Dictwire's integration tests share.

#![forbid(unsafe_code)]

pub mod dictionaries;
pub mod faults;
pub mod peers;
pub mod programs;
pub mod simulation;

/// The README's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
