//! The token that says to a hub who a program is. It never stands on the command line, where every user of the machine
//! could read it.

use std::env;

use dict_event_loop::check_token;
use dict_protocol::link::Link;

use crate::links::Given;
use crate::run::UsageError;

/// The variable of the environment that holds a token, for a link that has no file of its own.
pub const TOKEN_VARIABLE: &str = "DICTWIRE_TOKEN";

/// The token of the environment for a hub that a link leads to: what [`TOKEN_VARIABLE`] is. Empty where that is not set, and
/// where the link has the option `token-file`, which counts and is read by whoever makes the connection.
///
/// # Errors
///
/// If it is no token. It is never told.
pub fn token_for(link: &Link) -> anyhow::Result<String> {
    if link.options().token_file.is_some() {
        return Ok(String::new());
    }
    match env::var_os(TOKEN_VARIABLE) {
        None => Ok(String::new()),
        Some(text) if text.is_empty() => Ok(String::new()),
        // What is not UTF-8 becomes something that no token has.
        Some(text) => Ok(check_token(&text.to_string_lossy(), TOKEN_VARIABLE)?),
    }
}

/// Whether it is clear which of several hubs the environment's token is for: no hub is to be shown another's.
///
/// # Errors
///
/// A [`UsageError`] if one of several has no file of its own, and the environment holds a token.
pub fn check_tokens(hubs: &[Given]) -> Result<(), UsageError> {
    let without = hubs.iter().find(|hub| hub.link.options().token_file.is_none());
    match without {
        Some(hub) if hubs.len() > 1 && env::var_os(TOKEN_VARIABLE).is_some_and(|text| !text.is_empty()) => {
            Err(hub.wrong(format_args!(
                "{TOKEN_VARIABLE} would be shown to several hubs: give each link ?token-file=FILE instead"
            )))
        }
        _ => Ok(()),
    }
}
