//! Diagnostics for whoever runs a program, apart from its output.

use std::env;
use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::run::UsageError;

/// Names the level (`error`, `warn`, `info`, `debug`, `trace`, `off`), of all or of parts as `dict_hub=debug,warn`.
const VARIABLE: &str = "DICTWIRE_LOG";

/// Sends diagnostics of the level that `DICTWIRE_LOG` names, `warn` if it is not set, to standard error.
///
/// # Errors
///
/// If `DICTWIRE_LOG` cannot be understood.
pub(crate) fn start() -> anyhow::Result<()> {
    let level = env::var(VARIABLE).unwrap_or_default();
    let level = if level.is_empty() { "warn" } else { &level };
    let filter = EnvFilter::try_new(level)
        .map_err(|error| UsageError(format!("{VARIABLE}={level:?} names no level: {error}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
    Ok(())
}
