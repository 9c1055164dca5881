//! The hub that a command is about.

use clap::Args;
use dict_protocol::link::Link;

/// `--hub`, for clap to flatten into a command's arguments.
#[derive(Clone, Debug, Args)]
pub struct HubArgument {
    /// The hub, or logger, to connect to: HOST or HOST:PORT
    #[arg(long, value_name = "LINK", env = "DICTWIRE_HUB", default_value_t)]
    pub hub: Link,
}
