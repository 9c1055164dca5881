//! The rules that the matrix is made of, and what they mean, worked out here from their texts alone.

use dict_event_loop::server::access::{Access, Identity, Right, Rights, TokenHash};
use dict_protocol::pattern::Pattern;

/// Who has which rights, as they would stand in a file.
pub(super) type Rules = &'static [(&'static str, Granted<'static>)];

/// Rights, each with its patterns.
pub(super) type Granted<'a> = &'a [(&'a str, &'a [&'a str])];

/// An identity with all rights that a program needs, but for `log`.
pub(super) const ROOT: (&str, Granted<'_>) = (
    "root",
    &[
        ("read", &["*", "$*"]),
        ("write", &["*"]),
        ("handle", &["*"]),
        ("request", &["*", "$*"]),
        ("send", &["*"]),
    ],
);

/// Of each right somebody who has nothing else, and mixtures.
pub(super) const RULES: Rules = &[
    (
        "root",
        &[
            ("read", &["*", "$*"]),
            ("write", &["*"]),
            ("handle", &["*"]),
            ("request", &["*", "$*"]),
            ("send", &["*"]),
            ("log", &["*", "$*"]),
        ],
    ),
    ("nothing", &[]),
    ("reader", &[("read", &["bench1/", "shared"])]),
    ("one", &[("read", &["bench1/psu"])]),
    ("everything", &[("read", &["*"])]),
    ("journal", &[("read", &["$hub/"])]),
    ("writer", &[("write", &["bench1/"])]),
    ("prefix", &[("write", &["bench*"])]),
    ("follower", &[("log", &["bench1/"])]),
    ("logger", &[("log", &["*", "$*"])]),
    ("handler", &[("handle", &["ramp"])]),
    ("handlers", &[("handle", &["*"])]),
    ("asker", &[("request", &["ramp", "$status"])]),
    ("lister", &[("request", &["$*"]), ("read", &["bench2/"])]),
    ("askers", &[("request", &["*"])]),
    ("sender", &[("send", &["psu"])]),
    ("senders", &[("send", &["*"])]),
    ("janitor", &[("request", &["$forget"]), ("write", &["shared"])]),
    ("bench1", &[("read", &["bench1/", "shared"]), ("write", &["bench1/"]), ("request", &["*"])]),
];

/// The token of an identity.
pub(super) fn token(identity: &str) -> String {
    format!("the-token-of-{identity}")
}

/// The same rules, as a hub takes them.
pub(super) fn access(rules: &[(&str, Granted<'_>)]) -> Access {
    let identities = rules.iter().map(|(name, granted)| {
        let mut rights = Rights::default();
        for (right, patterns) in *granted {
            let right = Right::ALL.into_iter().find(|known| known.name() == *right).unwrap();
            rights.of_mut(right).extend(patterns.iter().map(|text| Pattern::parse(text)));
        }
        let token = Some(TokenHash::of(&token(name)));
        Identity { name: (*name).into(), token, certificate: None, rights }
    });
    Access::new(identities).unwrap()
}

/// Whether the rules give an identity a right on a name: by the texts, not by what the hub has of them.
pub(super) fn grants(identity: &str, right: &str, name: &str) -> bool {
    let (_, granted) = RULES.iter().find(|(known, _)| *known == identity).unwrap();
    let also = if right == "read" { "log" } else { right };
    granted
        .iter()
        .filter(|(known, _)| [right, also].contains(known))
        .flat_map(|(_, patterns)| *patterns)
        .any(|pattern| covers(pattern, name))
}

/// Whether a pattern is for a name. What begins with `$` is the hub's own, and meant by what begins so alone.
pub(super) fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        _ if pattern == name => true,
        Some(beginning) => begins(name, beginning),
        None if pattern.ends_with('/') => begins(name, pattern),
        None => false,
    }
}

fn begins(name: &str, beginning: &str) -> bool {
    let is_hubs = |text: &str| text.starts_with('$');
    name.starts_with(beginning) && (!is_hubs(name) || is_hubs(beginning))
}

/// Whether there can be any name at all that `pattern` is for and the right covers: looked for among all names that could
/// tell the patterns apart.
pub(super) fn could_grant(identity: &str, right: &str, pattern: &str) -> bool {
    let patterns = RULES.iter().flat_map(|(_, granted)| *granted).flat_map(|(_, patterns)| *patterns);
    patterns.copied().chain([pattern]).any(|text| {
        let beginning = text.trim_end_matches('*');
        [beginning.to_owned(), format!("{beginning}x")]
            .iter()
            .any(|name| covers(pattern, name) && grants(identity, right, name))
    })
}
