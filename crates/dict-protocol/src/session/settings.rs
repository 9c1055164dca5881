//! Who a client is.

use alloc::string::String;

use crate::limits::Limits;

/// What a [`Session`](super::Session) is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The name that others reach it by. On a hub where it is taken, the client is called by it and `#2`, `#3` ...
    pub name: String,
    /// Which program it is, and its version.
    pub product: String,
    /// Who it says it is; empty where the hub asks for nothing.
    pub credentials: String,
    /// 128 random bits, kept for as long as the client's unacknowledged updates are: who has them may take over its
    /// connection.
    pub client_id: [u8; 16],
    /// What it takes at most, and how often it wants to hear something.
    pub limits: Limits,
}
