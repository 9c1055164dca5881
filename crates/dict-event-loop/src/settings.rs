//! What can be set on an event loop, all in one place.

use std::time::Duration;

/// Sizes, budgets and times of an [`EventLoop`](crate::EventLoop).
///
/// ```
/// use dict_event_loop::Settings;
/// use std::time::Duration;
///
/// let settings = Settings { drain_timeout: Duration::from_millis(200), ..Settings::default() };
/// assert_eq!(settings.read_buffer, 256 * 1024);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of the one buffer that all connections are read into, and so the most that one of them is given in a
    /// turn. Zero is taken as 1. Default 256 KiB.
    pub read_buffer: usize,
    /// Events taken from the operating system in one turn; the rest come in the next. Zero is taken as 1. Default
    /// 1,024.
    pub events: usize,
    /// Connections accepted from one listener in a turn, before everything else has its part. Zero is taken as 1.
    /// Default 128.
    pub accepts: usize,
    /// Connections that the operating system holds for a listener until they are accepted. Default 1,024; systems
    /// have a limit of their own.
    pub backlog: u32,
    /// How long a listener rests when the process is out of descriptors or memory. Default 200 ms.
    pub accept_pause: Duration,
    /// How long one address of a link may take to connect. Default 5 s.
    pub connect_timeout: Duration,
    /// How long [`Close::Drain`](crate::Close::Drain) may take. Default 1 s.
    pub drain_timeout: Duration,
    /// The first delay before a link is tried again; each further one is twice as long. Default 50 ms.
    pub retry_least: Duration,
    /// The longest delay before a link is tried again. Default 2 s.
    pub retry_most: Duration,
}

impl Settings {
    /// A budget of nothing would be a loop that spins.
    pub(crate) fn at_least_one_of_each(mut self) -> Self {
        for budget in [&mut self.read_buffer, &mut self.events, &mut self.accepts] {
            *budget = (*budget).max(1);
        }
        self
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            read_buffer: 256 * 1024,
            events: 1_024,
            accepts: 128,
            backlog: 1_024,
            accept_pause: Duration::from_millis(200),
            connect_timeout: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(1),
            retry_least: Duration::from_millis(50),
            retry_most: Duration::from_secs(2),
        }
    }
}
