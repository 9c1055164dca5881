//! Dictwire's protocol: values, frames, packets, change detection, and the state machines of both ends.
//!
//! It does no I/O, reads no clock, starts no thread and knows no async; it is `no_std` with `alloc`. Whoever links it
//! brings the bytes and the time, over TCP or whatever there is. A panic is a defect of this crate, never of its input.
//!
//! # To read and write the wire
//!
//! Bytes go through a [`Decoder`](decoder::Decoder), which finds [`Frame`](frame::Frame)s however the stream was cut;
//! [`Packet::parse`](packet::Packet::parse) reads what a frame says, and [`Packet::encode`](packet::Packet::encode)
//! writes it. `PROTOCOL.md` beside this crate has every byte.
//!
//! ```
//! use dict_protocol::decoder::Decoder;
//! use dict_protocol::packet::{Ack, Packet};
//!
//! let mut stream = Vec::new();
//! Packet::Ack(Ack { source: 3, sequence: 17 }).encode(&mut stream);
//!
//! let mut decoder = Decoder::new(1 << 20);
//! for chunk in stream.chunks(5) {
//!     let mut bytes = chunk;
//!     while let Some(frame) = decoder.decode(&mut bytes)? {
//!         assert_eq!(Packet::parse(&frame)?, Packet::Ack(Ack { source: 3, sequence: 17 }));
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # To find and apply changes
//!
//! ```
//! use dict_protocol::change::{self, Patch};
//! use dict_protocol::dictionary;
//!
//! let before = dictionary! { "voltage" => 5.0, "on" => true };
//! let after = dictionary! { "voltage" => 5.5, "on" => true };
//! let mut bytes = Vec::new();
//! assert!(change::difference(&before, &after, 128, &mut bytes)?, "something changed");
//!
//! let patch = Patch::parse(&bytes, 128)?;
//! assert_eq!(patch.set_len(), 1, "only the voltage travels");
//! let mut copy = before;
//! change::apply(&patch, &mut copy);
//! assert_eq!(copy, after);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # To be a client
//!
//! A [`Session`](session::Session) is a client's life across connections: it greets, keeps what is not acknowledged,
//! asks for its subscriptions again. A [`Mirror`](mirror::Mirror) keeps a watcher's dictionaries, a
//! [`Recorder`](recorder::Recorder) decides what a logger stores. `dict-hub` is the other end.
//!
//! # Features
//!
//! `std` (default) adds run-time choice of the CRC's instructions, and std's own traits in dependencies; nothing changes. `properties` has what holds
//! for all inputs, as functions that tests and fuzz targets share.
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
pub mod dialect;
pub mod encoding;
pub mod frame;
pub mod kept;
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
