//! The hub that a command is about.

use clap::Args;
use dict_protocol::dialect::Dialect;
use dict_protocol::link::Link;

use crate::run::UsageError;

/// `--hub`, for clap to flatten into a command's arguments.
#[derive(Clone, Debug, Args)]
pub struct HubArgument {
    /// The hub, or logger, to connect to: HOST, HOST:PORT, or encrypted dictwires://HOST:PORT?ca=FILE
    #[arg(long, value_name = "LINK", env = "DICTWIRE_HUB", default_value_t)]
    pub hub: Link,
}

impl HubArgument {
    /// The link, which has to lead to a hub.
    ///
    /// # Errors
    ///
    /// [`UsageError`] if it leads to a program of an older dialect.
    pub fn native(self) -> Result<Link, UsageError> {
        if self.hub.dialect() == Dialect::Native {
            return Ok(self.hub);
        }
        Err(UsageError(format!(
            "--hub {}: there is no hub, whose link is HOST:PORT alone (only `dict-client ping` takes pingpong://, and \
             `dict-client request` comet://)",
            self.hub
        )))
    }
}
