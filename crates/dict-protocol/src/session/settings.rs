//! Who a client is.

use alloc::string::String;
use core::fmt;

use crate::limits::Limits;

/// What a [`Session`](super::Session) is made with.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// The name that others reach it by. On a hub where it is taken, the client is called by it and `#2`, `#3` ...
    pub name: String,
    /// Which program it is, and its version.
    pub product: String,
    /// The token that says who it is; empty where the hub asks for none. Never shown, by `Debug` either.
    pub credentials: String,
    /// 128 random bits, kept for as long as the client's unacknowledged updates are: who has them may take over its
    /// connection.
    pub client_id: [u8; 16],
    /// What it takes at most. How often it wants to hear something is the hub's to say, unless its heartbeat is another
    /// than the default; then the lesser of both counts.
    pub limits: Limits,
}

impl Settings {
    /// What it wishes for, in milliseconds; 0, which leaves it to the hub, unless another one than the default was set.
    pub(super) fn heartbeat_wish(&self) -> u32 {
        let heartbeat = self.limits.heartbeat;
        if heartbeat == Limits::default().heartbeat {
            return 0;
        }
        u32::try_from(heartbeat.as_millis()).unwrap_or(u32::MAX)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("name", &self.name)
            .field("product", &self.product)
            .field("client_id", &self.client_id)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
