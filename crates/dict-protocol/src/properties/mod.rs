//! What holds for all inputs, as functions that take any bytes and panic if it does not hold.
//!
//! Fuzz targets and ordinary tests call the same functions, so that what a fuzzer once found stays found. Bytes are used
//! in two ways: as they are, for whatever reads bytes from outside, and as [`Choices`] of what to build or do, for what
//! can only be reached through valid input: no fuzzer guesses a checksum.

mod choices;
mod decoder;
mod dialect;
mod link;
mod packet;
mod value;

pub use choices::Choices;
pub use decoder::decode_any_chunking;
pub use dialect::{comet_any_chunking, comms_any_chunking, pingpong_any_bytes, pytcp_any_chunking};
pub use link::link_any_text;
pub use packet::packet_round_trip;
pub use value::{any_bytes_as_value, patch_round_trip, value_round_trip};
