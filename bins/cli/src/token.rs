//! The token that says to a hub who a program is. It never stands on the command line, where every user of the machine
//! could read it.

use std::env;
use std::path::Path;

use dict_event_loop::{check_token, read_token};
use dict_protocol::link::Link;

/// Holds a token, for every link that has no file of its own.
const VARIABLE: &str = "DICTWIRE_TOKEN";

/// The token to greet a hub with: what the file of the link's option `token-file` holds, or else what the environment's
/// `DICTWIRE_TOKEN` is; empty where there is neither.
///
/// # Errors
///
/// If that cannot be read, or is no token. It is never told.
pub fn token_for(link: &Link) -> anyhow::Result<String> {
    if let Some(file) = &link.options().token_file {
        return Ok(read_token(Path::new(file))?);
    }
    match env::var_os(VARIABLE) {
        None => Ok(String::new()),
        Some(text) if text.is_empty() => Ok(String::new()),
        // What is not UTF-8 becomes something that no token has.
        Some(text) => Ok(check_token(&text.to_string_lossy(), VARIABLE)?),
    }
}
