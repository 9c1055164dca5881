//! Dictwire's hub: the state machine that holds each source's state and passes updates on.
//!
//! It knows no socket, thread or clock. Whoever drives it, over TCP or in a simulation, does this:
//!
//! 1. [`Hub::open`] for each new connection, [`Hub::receive`] for the bytes that come on it however they are cut,
//!    [`Hub::closed`] when it is gone, [`Hub::handle_timeout`] when [`Hub::poll_timeout`] has come;
//! 2. [`Hub::end_turn`] when all that was at hand is given: acknowledgements and merged updates are gathered until then;
//! 3. for each connection that [`Hub::poll_ready`] names: write [`Hub::output`], say how much with [`Hub::wrote`], and
//!    close it once its output is written if [`Hub::is_ended`].
//!
//! Bad input ends the connection it came on, with an error for that peer and a [`Notice`] for whoever runs the hub, and
//! nothing else; a panic is a defect of the hub, never the input's.
//!
//! ```
//! use dict_hub::{Config, Hub};
//! use dict_protocol::time::Now;
//!
//! let config = Config { name: "lab".into(), run: 1, product: "example".into(), limits: Default::default() };
//! let mut hub = Hub::new(config, Now::default());
//! let browser = hub.open(Now::default(), "192.0.2.7:51234");
//! hub.receive(Now::default(), browser, b"GET / HTTP/1.1\r\n\r\n");
//! assert!(hub.is_ended(browser));
//! ```
//!
//! # Rooms
//!
//! | file | what it decides |
//! |---|---|
//! | `hub.rs` | what is given and given back; greeting, heartbeats, the end of a connection |
//! | `peers.rs`, `sources.rs` | what is known of connections and of sources |
//! | `access.rs` | who may do what: identities and their rights |
//! | `announce.rs` | who writes a source: epochs, taking over, replays |
//! | `relay.rs` | the path of an update; what a slow watcher is sent instead |
//! | `following.rs` | loggers: positions, resuming, acknowledging |
//! | `loggers.rs` | which loggers there are, and who is told of them |
//! | `subscriptions.rs` | who is sent which source, and when |
//! | `exchange.rs`, `own_actions.rs` | messages and requests; those that the hub answers itself |
//! | `forgetting.rs` | new rules while it runs; sources that are to be known no longer |
//! | `journal.rs`, `packed.rs` | the hub's own events as a source; how they are kept that no logger has yet |
//! | `words.rs` | what of a peer's words is passed on |
//! | `rules.rs` | what a simulation has it break |

#![forbid(unsafe_code)]

pub mod access;
mod announce;
mod exchange;
mod following;
mod forgetting;
mod hub;
mod journal;
mod labels;
mod loggers;
mod own_actions;
mod packed;
mod peers;
#[cfg(feature = "properties")]
pub mod properties;
mod relay;
mod rules;
mod sources;
mod subscriptions;
mod words;

pub use hub::{Config, Hub, Notice};
pub use peers::ConnectionId;
#[cfg(feature = "properties")]
pub use rules::Rule;
