//! What a client's calls can fail with.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dict_protocol::dialect::Dialect;
use dict_protocol::encoding::{DecodeError, EncodeError};
use dict_protocol::link::LinkError as LinkTextError;
use dict_protocol::packet::ErrorCode;
use dict_protocol::session::{self, AddWriterError, SubscribeError};
use dict_protocol::writer::{PublishError, Refusal};
use thiserror::Error;

use crate::error::{AddressError, LinkError, LoopError};
use crate::secret::{TokenError, token_is_withheld};
use crate::tls::TlsError;

/// Why a client takes no more calls.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClientClosed {
    /// The program closed it.
    #[error("the client was closed")]
    ByProgram,
    /// Its connection was lost, or not made, and it is [not to reconnect](super::Builder::reconnect).
    #[error("the client is closed, as it is not to reconnect: {reason}")]
    Lost {
        /// Why there is no connection.
        reason: String,
    },
    /// Its [spool's file](super::Builder::spool) cannot be written. What was published before is in it.
    #[error("{reason}")]
    Spool {
        /// The file, what went wrong, and what to do.
        reason: String,
    },
}

/// Why there is no connection.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The link cannot be understood.
    #[error(transparent)]
    Link(#[from] LinkTextError),
    /// The link's host cannot be one.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A hub is reached in the native protocol.
    #[error("a link to a hub begins with dictwire://, or with its host: {}:// is no hub's", .dialect.scheme())]
    Dialect {
        /// What the link is for.
        dialect: Dialect,
    },
    /// A client takes sources' names as they are: a prefix is for loggers.
    #[error("a link with prefix={prefix:?}: prefixes are for loggers of several hubs")]
    Prefix {
        /// What was given.
        prefix: String,
    },
    /// There is no token in the file that is to hold it.
    #[error(transparent)]
    Token(#[from] Arc<TokenError>),
    /// The token would travel in the clear.
    #[error("{}", token_is_withheld(peer))]
    TokenWithheld {
        /// Who was reached.
        peer: SocketAddr,
    },
    /// The link's certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] Arc<TlsError>),
    /// The spool's file cannot be used.
    #[cfg(feature = "spool")]
    #[error(transparent)]
    Spool(#[from] Arc<dict_spool::Error>),
    /// The operating system has no descriptors or threads left.
    #[error("cannot start the client's threads: {0}")]
    Start(Arc<io::Error>),
    /// The event loop cannot be made.
    #[error(transparent)]
    Loop(Arc<LoopError>),
    /// The hub cannot be reached.
    #[error(transparent)]
    Unreachable(#[from] Arc<LinkError>),
    /// Somebody was reached, and this end or the other one does not go on with TLS.
    #[error("no secure connection with {address}: {reason}")]
    Insecure {
        /// Who was reached.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// Somebody was reached, and the connection ended before it was greeted.
    #[error("the hub did not accept this client: {text}")]
    Refused {
        /// The hub's code, where it gave one.
        code: Option<ErrorCode>,
        /// Why.
        text: String,
    },
    /// The hub had accepted this client, and then the connection ended.
    #[error("no longer connected: {reason}")]
    Lost {
        /// Why.
        reason: String,
    },
    /// No connection came about in time.
    #[error("not connected within {after:?}")]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// The client is closed.
    #[error(transparent)]
    Closed(#[from] ClientClosed),
}

impl From<Infallible> for ConnectError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<LoopError> for ConnectError {
    fn from(error: LoopError) -> Self {
        Self::Loop(Arc::new(error))
    }
}

/// Why something was not published, flushed or ended.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// What was to be published is over a limit, or the source is not this writer's any more.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// It took too long; what is kept is still on its way.
    #[error("{unacknowledged} updates were not acknowledged within {after:?}")]
    TimedOut {
        /// How many are kept and not acknowledged.
        unacknowledged: u64,
        /// How long was waited.
        after: Duration,
    },
    /// The hub did not answer the announcement in time.
    #[error("the hub did not answer within {after:?}")]
    NotAnnounced {
        /// How long was waited.
        after: Duration,
    },
    /// The client is closed.
    #[error(transparent)]
    Closed(#[from] ClientClosed),
}

impl From<Refusal> for WriteError {
    fn from(refusal: Refusal) -> Self {
        Self::Publish(PublishError::Refused(refusal))
    }
}

/// Why a source cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WriterError {
    /// The name cannot be, this client writes the source already, or too many.
    #[error(transparent)]
    Add(#[from] AddWriterError),
    /// The client is closed.
    #[error(transparent)]
    Closed(#[from] ClientClosed),
}

/// Why nothing can be watched.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The pattern is too long, or there are too many watches.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// The hub refused it.
    #[error("the hub refused the subscription: {text}")]
    Refused {
        /// Why.
        text: String,
    },
    /// One of its sources is more than this client takes, or cannot be read.
    #[error("the source {name:?} cannot be watched: {reason}")]
    Unusable {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// Not everything was told in time.
    #[error("the hub has not told everything within {after:?}")]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// The client is closed.
    #[error(transparent)]
    Closed(#[from] ClientClosed),
}

/// Why a message was not sent, or an action not offered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// There is no connection, or a limit is passed.
    #[error(transparent)]
    Send(#[from] session::SendError),
    /// The value cannot be encoded.
    #[error("a value cannot be sent: {0}")]
    Value(#[from] EncodeError),
    /// There can be no more subscriptions, of which messages to everybody need one.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// The client is closed.
    #[error(transparent)]
    Closed(#[from] ClientClosed),
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It was not sent.
    #[error(transparent)]
    NotSent(#[from] session::RequestError),
    /// The value cannot be encoded: it was not sent.
    #[error("a value cannot be sent: {0}")]
    Value(#[from] EncodeError),
    /// Whoever handles it says that it failed.
    #[error("{0}")]
    Failed(String),
    /// Nobody handles the action, or nobody of that name is connected.
    #[error("nobody answers {action:?}")]
    NoHandler {
        /// The action.
        action: String,
    },
    /// The hub did not pass it on.
    #[error("the hub refused the request: {0}")]
    Refused(String),
    /// The link or the handler went away in between: it may have been done or not.
    #[error("the connection was lost before the answer came: it may have been done or not")]
    Unknown,
    /// No answer came in time: it may have been done or not.
    #[error("no answer in time: it may have been done or not")]
    Late,
    /// The answer cannot be read.
    #[error("the answer cannot be read: {0}")]
    Answer(String),
    /// The client is closed.
    #[error(transparent)]
    Closed(#[from] ClientClosed),
}

impl From<DecodeError> for RequestError {
    fn from(error: DecodeError) -> Self {
        Self::Answer(error.to_string())
    }
}
