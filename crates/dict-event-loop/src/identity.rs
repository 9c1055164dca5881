//! Who a client is, among all clients there ever were.

/// A client id: 128 bits from the operating system's source of randomness, and where that fails from the clock and the
/// process, which is unique enough between the programs of a laboratory.
pub fn random_id() -> [u8; 16] {
    let mut id = [0; 16];
    if getrandom::fill(&mut id).is_err() {
        let nanoseconds = u64::try_from(crate::Clock::now().time.as_nanos()).unwrap_or(0);
        id[..8].copy_from_slice(&nanoseconds.to_le_bytes());
        id[8..12].copy_from_slice(&std::process::id().to_le_bytes());
        id[12..].copy_from_slice(&fastrand::u32(..).to_le_bytes());
    }
    id
}
