//! The incremental frame decoder.
//!
//! The caller owns what it read; the decoder owns the progress. A frame that lies whole in the caller's bytes is
//! borrowed from there; only one that was cut by the end of a read is copied, and only as its bytes arrive, so nothing
//! is reserved for a length that was merely claimed.

use alloc::vec::Vec;
use core::fmt;

use crate::frame::{self, Frame, FrameError};

/// Finds frames in a stream of bytes, however it was cut.
///
/// ```
/// use dict_protocol::decoder::Decoder;
/// use dict_protocol::frame::{self, Encoding, Kind};
///
/// let mut stream = Vec::new();
/// frame::write(&mut stream, Kind::Bye, Encoding::None, 0, |_| ());
/// let mut decoder = Decoder::new(1024);
/// let (first, second) = stream.split_at(5);
///
/// assert_eq!(decoder.decode(&mut &first[..]).unwrap(), None);
/// let mut rest = second;
/// assert_eq!(decoder.decode(&mut rest).unwrap().unwrap().kind, Kind::Bye);
/// assert!(rest.is_empty());
/// ```
#[derive(Default)]
pub struct Decoder {
    limit: u32,
    /// The frame that a read cut, or that was handed out last.
    partial: Vec<u8>,
    /// `partial` holds a whole frame that was handed out.
    handed_out: bool,
    /// Bytes of the stream up to the frame that is being looked for.
    offset: u64,
}

impl Decoder {
    /// A decoder of frames whose body has at most `limit` bytes.
    pub fn new(limit: u32) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Sets the largest body from the next frame on.
    pub fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// The largest body that it takes, bytes.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Where in the stream the next frame begins, bytes from its beginning; after an error, where the bad one begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the stream so far ends within a frame.
    pub fn is_mid_frame(&self) -> bool {
        !self.handed_out && !self.partial.is_empty()
    }

    /// Takes the next frame from the front of `bytes`; `None` means that all of them were taken and more are needed.
    ///
    /// # Errors
    ///
    /// After an error the stream has lost its thread; every further call returns an error of the same bytes or worse.
    pub fn decode<'s, 'b: 's>(&'s mut self, bytes: &mut &'b [u8]) -> Result<Option<Frame<'s>>, FrameError> {
        if self.handed_out {
            self.handed_out = false;
            self.partial.clear();
        }
        if !self.partial.is_empty() {
            return self.complete(bytes);
        }
        match frame::length(bytes, self.limit)? {
            Some(length) if length <= bytes.len() => {
                let (whole, rest) = bytes.split_at(length);
                let frame = frame::verify(whole)?;
                *bytes = rest;
                self.offset += length as u64;
                Ok(Some(frame))
            }
            _ => {
                self.partial.extend_from_slice(bytes);
                *bytes = &[];
                Ok(None)
            }
        }
    }

    /// Adds to the frame that an earlier read cut.
    fn complete<'s>(&'s mut self, bytes: &mut &[u8]) -> Result<Option<Frame<'s>>, FrameError> {
        if self.partial.len() < frame::HEADER {
            self.take(bytes, frame::HEADER);
        }
        let Some(length) = frame::length(&self.partial, self.limit)? else { return Ok(None) };
        self.take(bytes, length);
        if self.partial.len() < length {
            return Ok(None);
        }
        let frame = frame::verify(&self.partial)?;
        self.offset += length as u64;
        self.handed_out = true;
        Ok(Some(frame))
    }

    /// Moves bytes over until `partial` has `length` of them.
    fn take(&mut self, bytes: &mut &[u8], length: usize) {
        let (taken, rest) = bytes.split_at((length - self.partial.len()).min(bytes.len()));
        self.partial.extend_from_slice(taken);
        *bytes = rest;
    }

    /// Gives back the memory of frames past; an idle connection calls it now and then.
    pub fn release(&mut self) {
        if !self.is_mid_frame() {
            self.partial = Vec::new();
            self.handed_out = false;
        }
    }
}

/// Without the bytes of a frame: a greeting holds a token.
impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("limit", &self.limit)
            .field("partial", &self.partial.len())
            .field("handed_out", &self.handed_out)
            .field("offset", &self.offset)
            .finish()
    }
}
