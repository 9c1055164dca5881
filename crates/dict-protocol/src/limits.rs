//! Every limit, with its default, in one place.

use core::time::Duration;

/// What a hub, a client or a decoder takes at most. Lengths are bytes unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The body of a frame, once a peer is accepted; agreed to be the lesser of both ends'.
    pub body: u32,
    /// The body of a frame before that.
    pub greeting_body: u32,
    /// How long a peer may take to greet.
    pub greeting: Duration,
    /// How often each end sends something; three intervals of silence end a connection.
    pub heartbeat: Duration,
    /// Lists and dictionaries within each other; a plain value has depth 0.
    pub depth: usize,
    /// The name of a source, client or action.
    pub name: usize,
    /// Keys of one dictionary.
    pub keys: usize,
    /// Keys and values of one source's dictionary, as MessagePack; at most `body` less [`Limits::STATE_OVERHEAD`].
    pub dictionary: usize,
    /// Connections of one hub.
    pub connections: usize,
    /// Programs of an older dialect that are connected to one gateway.
    pub peers: usize,
    /// Epochs of sources that a hub keeps track of.
    pub sources: usize,
    /// Subscriptions of one connection.
    pub subscriptions: usize,
    /// Actions that one connection handles.
    pub handlers: usize,
    /// Requests of one connection that are not answered yet.
    pub requests: usize,
    /// Bytes that those carry; one alone may carry as much as fits in a frame.
    pub request_bytes: usize,
    /// The longest deadline of a request.
    pub deadline: Duration,
    /// Output queued for a `latest` subscriber, beyond which its updates are merged.
    pub latest_output: usize,
    /// Output queued for an `every` subscriber, beyond which its subscription is ended, and for answers and
    /// messages, beyond which the connection is.
    pub every_output: usize,
    /// Output queued for a durable subscriber, beyond which it is sent the rest from the writers' spools.
    pub durable_output: usize,
    /// Output queued at a client, beyond which its writers wait and send their newest state later, and messages and
    /// requests are refused.
    pub client_output: usize,
    /// Events that wait for a program to take them from a watch, beyond which a source's are merged into its state.
    pub watch_events: usize,
    /// Bytes that such events hold.
    pub watch_bytes: usize,
    /// Messages and requests that wait for a program's callbacks, beyond which messages are dropped and requests refused.
    pub callbacks: usize,
    /// Bytes that those hold.
    pub callback_bytes: usize,
    /// Output queued for a connection, whatever it is: beyond, one that goes on asking without reading is ended.
    pub output: usize,
    /// Updates that a writer's spool holds, of all its epochs.
    pub spool_updates: usize,
    /// Bytes that a writer's spool holds, of all its epochs.
    pub spool: usize,
    /// Updates of one slice that answers a Resume.
    pub slice_updates: u32,
    /// Bytes of one slice, beyond the first update.
    pub slice: u32,
    /// Bytes that a logger holds received and not yet committed, beyond which it stops reading.
    pub uncommitted: usize,
}

impl Limits {
    /// What a State's frame has besides the dictionary, rounded up.
    pub const STATE_OVERHEAD: usize = 128;

    /// What a Message, Request or Reply may have besides its payload: names, action and fields, rounded up.
    pub const PAYLOAD_OVERHEAD: usize = 4 * 1024;

    /// The text that says why a message is refused: beyond, it is cut.
    pub const REFUSAL: usize = 1_024;

    /// How deep what a Message, Request or Reply carries may nest: in the hub's own source it stands within two
    /// dictionaries.
    pub const fn payload_depth(&self) -> usize {
        self.depth.saturating_sub(2)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1 << 20,
            greeting_body: 16 << 10,
            greeting: Duration::from_secs(5),
            heartbeat: Duration::from_secs(5),
            depth: 128,
            name: 255,
            keys: 65_536,
            dictionary: (1 << 20) - Self::STATE_OVERHEAD,
            connections: 10_000,
            peers: 1_000,
            sources: 200_000,
            subscriptions: 1_000,
            handlers: 1_000,
            requests: 1_000,
            request_bytes: 16 << 20,
            deadline: Duration::from_secs(3_600),
            latest_output: 256 << 10,
            every_output: 4 << 20,
            durable_output: 8 << 20,
            output: 16 << 20,
            client_output: 4 << 20,
            watch_events: 100_000,
            watch_bytes: 8 << 20,
            callbacks: 10_000,
            callback_bytes: 16 << 20,
            spool_updates: 1_000_000,
            spool: 64 << 20,
            slice_updates: 10_000,
            slice: 1 << 20,
            uncommitted: 32 << 20,
        }
    }
}
