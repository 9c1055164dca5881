//! TLS: everything that this crate has to do with rustls.
//!
//! A [`ServerTls`] is what a listener needs, a [`ClientTls`] what a link needs; both are made from a
//! [`Link`](dict_protocol::link::Link) and the files that it names, and are cheap to clone. With one of them a connection
//! is an ordinary one to its [`Application`](crate::Application), which is told once, by
//! [`secured`](crate::Application::secured), that the handshake is over and what the other end's certificate is for.
//!
//! What holds for every connection:
//!
//! - TLS 1.3, and nothing older: every program at both ends is ours.
//! - Nothing is resumed: each connection shows and checks its certificates anew. There is no early data.
//! - Who connects says that it wants to speak `dictwire` (ALPN). A listener does not ask for that, but refuses whoever says
//!   that it wants something else, such as a browser.
//! - A connection that ends without TLS's own goodbye has failed: it may have been cut off by somebody else.
//!
//! | file | what it does |
//! |---|---|
//! | `settings` | makes settings of rustls from links and files |
//! | `stream` | moves bytes between a socket, rustls and the application |
//! | `blocking` | the same for a client whose thread reads and writes itself |
//! | `pinned` | trusts one certificate |
//! | `names` | reads names from certificates |
//! | `failure` | says in one line what went wrong |

mod blocking;
mod failure;
mod names;
mod pinned;
mod settings;
mod stream;

use std::io;
use std::path::PathBuf;

pub use blocking::BlockingStream;
pub use names::PeerCertificate;
pub use settings::{ClientTls, ServerTls, fingerprint};

pub(crate) use failure::told;
pub(crate) use stream::{Incoming, Rest, Stream};

use crate::private::PrivateError;

/// Why there can be no TLS as a link asks for it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A private key cannot be read, or others can read it too.
    #[error(transparent)]
    Secret(#[from] PrivateError),
    /// A file is no PEM, or holds no certificate.
    #[error("{} holds no certificate: PEM is needed, with a line BEGIN CERTIFICATE", .path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file is no PEM, or holds no private key that can be used.
    #[error(
        "{} holds no private key: PEM is needed, with a line BEGIN PRIVATE KEY, and without a password",
        .path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A certificate and a key cannot be used together.
    #[error("{} and {} cannot be used: {reason}", .certificate.display(), .key.display())]
    Pair {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why.
        reason: String,
    },
    /// What a file holds cannot be trusted as a CA.
    #[error("{} is no CA's certificate: {reason}", .path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Somebody who listens has to show a certificate.
    #[error(
        "to listen encrypted takes a certificate: add ?cert=FILE,key=FILE (`dict-server keygen` makes them)"
    )]
    NothingToShow,
    /// The certificates that this machine trusts cannot be found.
    #[error(
        "the certificates that this machine trusts cannot be used: {reason}; say which to trust, as \
         ?ca=FILE or ?pin=SHA256"
    )]
    NoSystemRoots {
        /// Why.
        reason: String,
    },
    /// A certificate cannot be for this name.
    #[error("no certificate can be for {name:?}: say what it is for, as ?server=NAME")]
    Name {
        /// The name.
        name: String,
    },
    /// Anything else that rustls has to say.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}
