//! The checksum of frames: CRC-32/ISO-HDLC, the one of Ethernet, zip and Python's `zlib.crc32`.
//!
//! The `crc` crate's catalogue defines it; `crc32fast` computes it, several times as fast. A test holds them together.

/// CRC-32/ISO-HDLC of `bytes`.
///
/// ```
/// assert_eq!(dict_protocol::crc::checksum(b"123456789"), 0xCBF4_3926);
/// ```
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

#[cfg(test)]
mod tests {
    use super::checksum;
    use proptest::prelude::*;

    const DEFINITION: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

    proptest! {
        #[test]
        fn agrees_with_the_definition(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            prop_assert_eq!(checksum(&bytes), DEFINITION.checksum(&bytes));
        }
    }
}
