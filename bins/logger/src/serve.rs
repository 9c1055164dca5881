//! The running logger: a hub that listens, links to other hubs, and one timeline.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use dict_cli::Links;
use dict_event_loop::server::access::Access;
use dict_event_loop::server::{Server, ServerHandle, Settings};
use dict_event_loop::tls::ClientTls;
use dict_event_loop::{Address, read_token};
use dict_protocol::limits::Limits;
use dict_protocol::link::Link;
use dict_protocol::name::HUB_SOURCE;
use dict_protocol::record::Position;
use dict_protocol::recorder::Recorder;
use dict_protocol::session;
use dict_timeline::{CommitOptions, Committer, Timeline};

use crate::recording::{Recording, SharedCommitter};

const PRODUCT: &str = concat!("logger ", env!("CARGO_PKG_VERSION"));

/// Another hub to record.
pub(crate) struct Remote {
    /// What its sources' names get put before them.
    pub(crate) prefix: String,
    pub(crate) address: Address,
    /// The link, for how far it is to be trusted.
    pub(crate) link: Link,
    /// What it is encrypted with, if it is.
    pub(crate) tls: Option<ClientTls>,
    /// The token to come with; empty: none.
    pub(crate) token: String,
}

impl Remote {
    /// The hub that a link leads to.
    pub(crate) fn new(link: &Link) -> Result<Self> {
        let token = match &link.options().token_file {
            Some(file) => read_token(Path::new(file))?,
            None => dict_cli::token_for(link)?,
        };
        Ok(Self {
            prefix: link.options().prefix.clone(),
            address: dict_cli::address(link)?,
            link: link.clone(),
            tls: ClientTls::of_link(link).with_context(|| format!("--connect {link}"))?,
            token,
        })
    }
}

/// The logger's own hub: its listeners are bound.
pub(crate) fn server(links: &Links, access: Option<Access>, limits: &Limits) -> Result<Server> {
    Ok(Server::new(Settings {
        name: links.name.clone(),
        product: PRODUCT.to_owned(),
        listen: links.listen.clone(),
        insecure: links.insecure,
        insecure_older: links.insecure_older,
        limits: limits.clone(),
        access,
    })?)
}

/// A logger that is about to run.
pub(crate) struct Logger {
    server: Server,
    committer: SharedCommitter,
}

impl Logger {
    /// Makes a server, which is bound, and a timeline, which must be open for writing by nobody else, a logger.
    pub(crate) fn new(mut server: Server, timeline: Timeline, remotes: &[Remote]) -> Result<Self> {
        let limits = server.limits().clone();
        let positions = timeline.positions()?;
        let goes_on = ended(&positions, &format!("{HUB_SOURCE}{}", server.name()));
        let recorder = Recorder::new(&limits, positions);
        let waker = server.waker();
        let committer = Committer::start(timeline, CommitOptions::default(), move || waker.wake())?;
        let committer: SharedCommitter = Arc::new(Mutex::new(Some(committer)));
        let client = session::Settings {
            name: "logger".to_owned(),
            product: PRODUCT.to_owned(),
            credentials: String::new(),
            client_id: dict_event_loop::random_id(),
            limits,
        };
        let recording = Recording::new(recorder, goes_on, &client, remotes, committer.clone());
        server.add_party(Box::new(recording), &[])?;
        Ok(Self { server, committer })
    }

    /// Where it listens for the native protocol.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        self.server.addresses()
    }

    /// What it takes at most.
    pub(crate) fn limits(&self) -> &Limits {
        self.server.limits()
    }

    /// What stops it.
    pub(crate) fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// Serves until it is stopped; then commits what came, and closes the timeline.
    pub(crate) fn run(self, path: &Path) -> Result<()> {
        let Self { server, committer } = self;
        let served = server.run();
        let committer = committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(committer) = committer {
            committer.close().with_context(|| format!("closing {}", path.display()))?;
        }
        Ok(served?)
    }
}

/// Whether the last life of a source that a timeline holds came to its End.
fn ended(positions: &[Position], source: &str) -> bool {
    let lives = positions.iter().filter(|position| position.source == source && position.sequence > 0);
    lives.max_by_key(|position| position.epoch).is_some_and(|last| last.ended)
}
