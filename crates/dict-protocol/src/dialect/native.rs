//! The native protocol among the dialects: [`Decoder`] and [`Packet`](crate::packet::Packet) as a [`Codec`].

use alloc::vec::Vec;

use super::{Codec, Dialect, Fault, Incoming, Options, Outgoing, SayError};
use crate::decoder::Decoder;

/// Either end of a native connection. Greeting and heartbeats are a
/// [`Connection`](crate::connection::Connection)'s.
#[derive(Debug)]
pub struct End {
    decoder: Decoder,
}

impl End {
    /// A connection's end, before the first byte.
    pub fn new(options: &Options) -> Self {
        Self { decoder: Decoder::new(options.limit) }
    }
}

impl Codec for End {
    fn decode<'s, 'b: 's>(&'s mut self, bytes: &mut &'b [u8]) -> Result<Option<Incoming<'s>>, Fault> {
        let offset = self.decoder.offset();
        match self.decoder.decode(bytes) {
            Ok(frame) => Ok(frame.map(Incoming::Frame)),
            Err(error) => Err(Fault::Frame { offset, error }),
        }
    }

    fn finish(&mut self) -> Result<Option<Incoming<'_>>, Fault> {
        if !self.decoder.is_mid_frame() {
            return Ok(None);
        }
        Err(Fault::CutShort { offset: self.decoder.offset(), missing: 1 })
    }

    fn encode(&mut self, outgoing: &Outgoing<'_>, out: &mut Vec<u8>) -> Result<bool, SayError> {
        let Outgoing::Packet(packet) = outgoing else {
            let (dialect, what) = (Dialect::Native, outgoing.kind());
            return Err(SayError::Unsayable { dialect, what, takes: "packets" });
        };
        packet.encode(out);
        Ok(true)
    }
}
