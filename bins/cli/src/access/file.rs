//! The file of `--access`, as TOML.

use std::fs::File as Open;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use dict_event_loop::server::access::{Access, Identity, Right, Rights, TokenHash};
use dict_protocol::pattern::Pattern;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::File;

/// What a table of an identity may have besides its rights.
const TOKEN: &str = "token";
const CERTIFICATE: &str = "certificate";

/// Reads rules.
///
/// # Errors
///
/// If the file cannot be read, or others can write or own it; a [`UsageError`](crate::UsageError) with file and line if it says what
/// cannot be.
pub(super) fn read(path: &Path) -> anyhow::Result<Access> {
    let unreadable = || format!("cannot read {}", path.display());
    let mut open = Open::open(path).with_context(unreadable)?;
    // Of the open file: the name may stand for another one by now.
    if let Some((what, mend)) = is_open_to_others(&open).with_context(unreadable)? {
        let path = path.display();
        anyhow::bail!("others {what} {path}, and so give themselves any right: {mend} {path}");
    }
    let mut text = String::new();
    open.read_to_string(&mut text).with_context(unreadable)?;
    parse(&File { name: path.display().to_string(), text: text.trim_start_matches('\u{feff}') })
}

/// What others can do with a file, if they can do too much, and what mends that.
#[cfg(unix)]
fn is_open_to_others(file: &Open) -> std::io::Result<Option<(&'static str, &'static str)>> {
    use std::os::unix::fs::MetadataExt as _;
    let file = file.metadata()?;
    let ours = [0, rustix::process::geteuid().as_raw()];
    Ok(if file.mode() & 0o022 != 0 {
        Some(("can write", "chmod go-w"))
    } else if !ours.contains(&file.uid()) {
        Some(("own", "chown root"))
    } else {
        None
    })
}

/// Not looked at elsewhere: who may write a file is more than a few bits there.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "on Unix it can fail")]
fn is_open_to_others(_: &Open) -> std::io::Result<Option<(&'static str, &'static str)>> {
    Ok(None)
}

pub(crate) fn parse(file: &File<'_>) -> anyhow::Result<Access> {
    let table = DeTable::parse(file.text).map_err(|error| {
        let line = file.line(error.span().map_or(file.text.len(), |span| span.start));
        file.wrong(line, error.message())
    })?;
    let mut identities = Vec::new();
    for (key, value) in in_order(table.get_ref()) {
        let line = file.line(key.span().start);
        if key.get_ref() != "identity" {
            let text = format_args!("unknown key {:?}: known is identity, as [identity.NAME]", key.get_ref());
            return Err(file.wrong(line, text));
        }
        let DeValue::Table(tables) = value.get_ref() else {
            return Err(file.wrong(line, "identity takes a table for each, as [identity.NAME]"));
        };
        for (name, value) in in_order(tables) {
            let line = file.line(name.span().start);
            let DeValue::Table(table) = value.get_ref() else {
                let text = format_args!("identity.{0} takes a table, as [identity.{0}]", name.get_ref());
                return Err(file.wrong(line, text));
            };
            identities.push(identity(file, name.get_ref(), table)?);
        }
    }
    // Which two do not go together is said by their names: that is in more than one line.
    Access::new(identities).map_err(|error| crate::UsageError(format!("{}: {error}", file.name)).into())
}

type Entry<'t, 'a> = (&'t Spanned<std::borrow::Cow<'a, str>>, &'t Spanned<DeValue<'a>>);

/// A table's entries as they stand in the file: the first that is wrong is told.
fn in_order<'t, 'a>(table: &'t DeTable<'a>) -> Vec<Entry<'t, 'a>> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| key.span().start);
    entries
}

fn identity(file: &File<'_>, name: &str, table: &DeTable<'_>) -> anyhow::Result<Identity> {
    let mut identity =
        Identity { name: name.into(), token: None, certificate: None, rights: Rights::default() };
    for (key, value) in in_order(table) {
        let line = file.line(key.span().start);
        let key = &**key.get_ref();
        if key == TOKEN {
            identity.token = Some(token(file, line, value.get_ref())?);
        } else if key == CERTIFICATE {
            identity.certificate = Some(certificate(file, line, value.get_ref())?);
        } else if let Some(right) = Right::ALL.into_iter().find(|right| right.name() == key) {
            *identity.rights.of_mut(right) = patterns(file, line, key, value.get_ref())?;
        } else {
            let known = [TOKEN, CERTIFICATE].into_iter().chain(Right::ALL.map(Right::name));
            let known = known.collect::<Vec<_>>().join(", ");
            return Err(file.wrong(line, format_args!("unknown key {key:?}: known are {known}")));
        }
    }
    Ok(identity)
}

/// Whatever stands there is not told: it may be a token.
fn token(file: &File<'_>, line: usize, value: &DeValue<'_>) -> anyhow::Result<TokenHash> {
    let hash = match value {
        DeValue::String(text) => text.parse().ok(),
        _ => None,
    };
    hash.ok_or_else(|| {
        let text = "token takes \"sha256:\" and 64 hexadecimal digits: the hash of a token, never the token itself. \
                    `dict-server token NAME` makes both, and `printf %s TOKEN | sha256sum` hashes one that is there";
        file.wrong(line, text)
    })
}

fn certificate(file: &File<'_>, line: usize, value: &DeValue<'_>) -> anyhow::Result<String> {
    match value {
        DeValue::String(text) if !text.is_empty() => Ok(text.to_string()),
        _ => Err(file.wrong(line, "certificate takes a name that a client's certificate has, in quotes")),
    }
}

fn patterns(file: &File<'_>, line: usize, key: &str, value: &DeValue<'_>) -> anyhow::Result<Vec<Pattern>> {
    let expected =
        || file.wrong(line, format_args!("{key} takes a list of patterns, as {key} = [\"bench1/\"]"));
    let DeValue::Array(items) = value else { return Err(expected()) };
    items
        .iter()
        .map(|item| {
            let DeValue::String(text) = item.get_ref() else { return Err(expected()) };
            let line = file.line(item.span().start);
            match check_pattern(text) {
                Ok(()) => Ok(Pattern::parse(text)),
                Err(why) => Err(file.wrong(line, format_args!("{key} {text:?}: {why}"))),
            }
        })
        .collect()
}

/// Whether a text can be meant as a pattern: what grants nothing, or everything unseen, is a mistake.
fn check_pattern(text: &str) -> Result<(), &'static str> {
    let inner = text.strip_suffix('*').unwrap_or(text);
    if text.is_empty() {
        Err("write \"*\" for everything")
    } else if inner.contains('*') {
        Err("a * can only stand at the end")
    } else if inner.chars().any(char::is_control) {
        Err("no name has control characters")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UsageError;

    fn read(text: &str) -> Result<Access, String> {
        parse(&File { name: "lab.toml".to_owned(), text }).map_err(|error| {
            assert!(error.downcast_ref::<UsageError>().is_some(), "{error}");
            error.to_string()
        })
    }

    #[test]
    fn identities_and_their_rights() {
        let hash = TokenHash::of("a token");
        let text = format!(
            "# ours\n[identity.bench1]\ntoken = '{hash}'\nread = ['bench1/', 'shared']\nrequest = ['*', '$status']\n\
             [identity.\"lab pc/2\"]\ncertificate = 'lab-pc-2'\nlog = ['*', '$*']\n[identity.comms]\n"
        );
        let access = read(&text).unwrap();
        let [bench1, comms, lab] = &access.identities().collect::<Vec<_>>()[..] else { panic!() };
        assert_eq!((&*bench1.name, bench1.token), ("bench1", Some(hash)));
        assert_eq!(bench1.rights.read, [Pattern::Prefix("bench1/".into()), Pattern::Name("shared".into())]);
        assert_eq!(bench1.rights.request, [Pattern::all(), Pattern::Name("$status".into())]);
        assert_eq!((&*comms.name, &comms.rights), ("comms", &Rights::default()));
        assert_eq!((&*lab.name, lab.certificate.as_deref()), ("lab pc/2", Some("lab-pc-2")));
        assert_eq!(lab.rights.log, [Pattern::all(), Pattern::Prefix("$".into())]);
        assert_eq!(read("").unwrap(), Access::default());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, told) in [
            (
                "[identity.a]\nraed = []",
                "line 2: unknown key \"raed\": known are token, certificate, read, write, handle, request, send, log",
            ),
            ("[identities.a]", "line 1: unknown key \"identities\": known is identity"),
            ("identity = 5", "line 1: identity takes a table for each"),
            ("[identity]\na = 5", "line 2: identity.a takes a table"),
            ("[identity.a]\nread = 'b'", "line 2: read takes a list of patterns, as read = [\"bench1/\"]"),
            ("[identity.a]\nread = ['b',\n5]", "line 2: read takes a list of patterns"),
            ("[identity.a]\nread = ['b',\n'']", "line 3: read \"\": write \"*\" for everything"),
            ("[identity.a]\nread = ['*/b']", "line 2: read \"*/b\": a * can only stand at the end"),
            ("[identity.a]\nread = [\"b\\n\"]", "line 2: read \"b\\n\": no name has control characters"),
            ("[identity.a]\ncertificate = ''", "line 2: certificate takes a name"),
            ("[identity.a]\n[identity.a]", "line 2: "),
            ("[identity.a]\nread = [", "line 2: unclosed array"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.starts_with(&format!("lab.toml, {told}")), "{text}: {error}");
        }
        for (text, told) in [
            ("[identity.a]\ncertificate = 'x'\n[identity.b]\ncertificate = 'x'", "have the same certificate"),
            ("[identity.'$local']", "identity \"$local\": "),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.starts_with("lab.toml: ") && error.contains(told), "{error}");
        }
    }

    #[test]
    fn a_token_in_clear_is_not_told_again() {
        let hash = TokenHash::of("x").to_string();
        for token in ["secret-token", &hash[..40], &format!("{hash}0")] {
            let error = read(&format!("[identity.a]\ntoken = '{token}'")).expect_err(token);
            assert!(error.starts_with("lab.toml, line 2: token takes \"sha256:\""), "{error}");
            assert!(error.contains("dict-server token") && !error.contains(token), "{error}");
        }
        let both = format!("[identity.a]\ntoken = '{hash}'\n[identity.b]\ntoken = '{hash}'");
        assert!(read(&both).expect_err("two have it").contains("\"a\" and \"b\" have the same token"));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_write_or_own_is_refused() {
        use std::fs::{self, Permissions};
        use std::os::unix::fs::PermissionsExt as _;
        let path = std::env::temp_dir().join(format!("dictwire-access-mode-{}.toml", std::process::id()));
        fs::write(&path, "[identity.a]\n").unwrap();
        for (mode, permitted) in [(0o644, true), (0o600, true), (0o664, false), (0o646, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let read = super::read(&path);
            assert_eq!(read.is_ok(), permitted, "{mode:o}");
            assert!(read.is_ok() || read.unwrap_err().to_string().contains("chmod go-w"));
        }
        // Only root can give it away.
        if std::os::unix::fs::chown(&path, Some(1), None).is_ok() {
            fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
            assert!(super::read(&path).unwrap_err().to_string().contains("chown root"));
        }
        fs::remove_file(&path).unwrap();
    }
}
