//! Under construction.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod change;
pub mod clock;
pub mod connection;
pub mod crc;
pub mod decoder;
pub mod encoding;
pub mod frame;
pub mod limits;
pub mod link;
pub mod mirror;
pub mod name;
pub mod output;
pub mod packet;
pub mod pattern;
#[cfg(feature = "properties")]
pub mod properties;
pub mod raw;
pub mod record;
pub mod recorder;
pub mod session;
mod spool;
pub mod time;
pub mod typed;
pub mod value;
pub mod writer;
