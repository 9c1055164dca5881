//! What Dictwire's programs have in common on the command line, so that they behave alike:
//!
//! - [`run`]: exit 0, 1 or 2, one clear line on an error, a quiet end on a closed pipe;
//! - [`time`]: times and durations as people write and read them;
//! - [`Stdout`], [`Table`]: output for people on a terminal and for programs in a pipe; with the feature `rows`, tables
//!   of a timeline's rows;
//! - [`on_interrupt`], [`Stop`]: an orderly end on Ctrl-C or SIGTERM;
//! - [`HubArgument`], [`LinkArguments`], [`config`]: links, on the command line and in a file;
//! - [`access`]: who may do what at a hub; [`token_for`]: as whom a program comes to one;
//! - [`LimitArguments`]: limits, on the command line and in a file; [`allow_open_files`]: what the system has to allow for them;
//! - diagnostics on standard error, at the level that `DICTWIRE_LOG` sets.
#![forbid(unsafe_code)]

pub mod access;
mod amount;
pub mod config;
mod diagnostics;
mod hub;
mod interrupt;
mod limits;
mod links;
mod open_files;
#[cfg(feature = "properties")]
pub mod properties;
#[cfg(feature = "rows")]
mod rows;
mod run;
mod stdout;
mod table;
pub mod time;
mod token;

pub use amount::{SizeError, parse_size};
pub use hub::HubArgument;
pub use interrupt::{Stop, on_interrupt};
pub use limits::{
    LIMIT_HELP, LIMIT_LONG_HELP, LimitArguments, LimitSetting, LimitSettingError, Role, limits,
};
pub use links::{Given, LINK_HELP, LinkArguments, Links, address, print_listening};
pub use open_files::{allow_open_files, raise_open_files};
#[cfg(feature = "rows")]
pub use rows::{RowTable, value_text};
pub use run::{UsageError, run};
pub use stdout::Stdout;
pub use table::{Column, Table};
pub use token::{TOKEN_VARIABLE, check_tokens, token_for};
