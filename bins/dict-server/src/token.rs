//! `dict-server token`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::Args;
use dict_cli::{Stdout, UsageError};
use dict_event_loop::private;
use dict_event_loop::server::access::TokenHash;
use dict_protocol::limits::Limits;
use dict_protocol::name;

use crate::keygen::in_link;

/// Make a token, by which a program shows who it is
///
/// It is written to a file that nobody else can read, and never printed. What is printed is its hash, as lines for the file
/// of --access.
#[derive(Debug, Args)]
pub(crate) struct TokenArguments {
    /// The identity that it is for
    name: String,
    /// The file to write, which must not be there yet [default: NAME.token]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(TokenArguments { name, output }: &TokenArguments) -> Result<()> {
    name::validate(name, Limits::default().name)
        .map_err(|error| UsageError(format!("identity {name:?}: {error}")))?;
    let path = match output {
        Some(path) => path.clone(),
        None if name.contains(['/', '\\']) => {
            let text = format!("{name:?} makes no name of a file: give --output");
            return Err(UsageError(text).into());
        }
        None => format!("{name}.token").into(),
    };
    let token = random_token()?;
    write(&path, &token)?;
    let (key, hash) = (toml_key(name), TokenHash::of(&token));
    let (link, path) = (in_link(&path), path.display());
    let mut out = Stdout::new();
    writeln!(
        out,
        "# The token of {name} is in {path}; programs come with it by a link with ?token-file={link}"
    )?;
    writeln!(out, "# These lines are for the file of --access; each list is of patterns, and none is a no.")?;
    writeln!(out, "[identity.{key}]")?;
    writeln!(out, "token = \"{hash}\"")?;
    for right in ["read", "write", "request", "handle", "send", "log"] {
        writeln!(out, "{right} = []")?;
    }
    Ok(out.flush()?)
}

/// 256 random bits, in hexadecimal digits.
fn random_token() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("the system gives no random numbers: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes a file that nobody else can read and that was not there.
fn write(path: &Path, token: &str) -> Result<()> {
    private::create(path, format!("{token}\n").as_bytes()).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => anyhow!("{} is there already; it is left as it is", path.display()),
        _ => anyhow::Error::new(error).context(format!("cannot write {}", path.display())),
    })
}

/// A name as a key of TOML: bare, or as a text.
fn toml_key(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.bytes().all(is_plain) {
        return name.to_owned();
    }
    // No name has control characters: quotes and backslashes are all there is to be escaped.
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}
