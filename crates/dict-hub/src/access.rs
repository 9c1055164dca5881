//! Who may do what: identities, how each is recognised, and its rights.
//!
//! | right | what its patterns are of | without it |
//! |---|---|---|
//! | [`Read`](Right::Read) | sources that may be watched, and are listed | Subscribe is refused where nothing of it may be read |
//! | [`Log`](Right::Log) | sources that may be followed as a logger does, and read | the same |
//! | [`Write`](Right::Write) | sources that may be announced, and forgotten | Announced says that it is forbidden |
//! | [`Handle`](Right::Handle) | actions that may be answered | Error |
//! | [`Request`](Right::Request) | actions that may be asked for | Reply says that it is refused |
//! | [`Send`](Right::Send) | names of clients that messages may be sent to; `*` alone is for everybody too | Error |
//!
//! No matching pattern means no. As everywhere, a pattern is for names that begin with `$`, the hub's own, only if it does
//! so itself. Whoever is accepted receives the messages that are for everybody, but for a local stream that no rule names.
//!
//! A logger counts for a client only if it may log something of what that client may write: nobody else's
//! acknowledgements change because somebody has the right to log a little.
//!
//! A client is recognised when it greets: by the token that it sends, or if it sends none by the certificate that it
//! showed. An identity that has neither is for local streams alone, the gateways of older dialects say.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use dict_protocol::limits::Limits;
use dict_protocol::name::{self, NameError};
use dict_protocol::pattern::Pattern;
use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};

/// The identity of a hub's own parts, its logger say, which may do everything. No rules can name it.
pub const LOCAL: &str = "$local";

/// All identities that a hub knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// In the order of their names.
    identities: Vec<Arc<Identity>>,
}

/// Somebody who may do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What it is called by people, and in the hub's journal.
    pub name: Arc<str>,
    /// What its token has to be.
    pub token: Option<TokenHash>,
    /// The name that its certificate has to hold, where whoever drives the hub verifies certificates.
    pub certificate: Option<String>,
    /// What it may do.
    pub rights: Rights,
}

/// What somebody may do: a list of patterns for each right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Sources that it may watch.
    pub read: Vec<Pattern>,
    /// Sources that it may write.
    pub write: Vec<Pattern>,
    /// Actions that it may answer.
    pub handle: Vec<Pattern>,
    /// Actions that it may ask for.
    pub request: Vec<Pattern>,
    /// Clients that it may send messages to.
    pub send: Vec<Pattern>,
    /// Sources that it may follow as a logger: what it acknowledges, their writers forget.
    pub log: Vec<Pattern>,
}

/// A sort of thing to do; see the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// Watch sources.
    Read,
    /// Write sources.
    Write,
    /// Answer actions.
    Handle,
    /// Ask for actions.
    Request,
    /// Send messages.
    Send,
    /// Follow sources as a logger.
    Log,
}

impl Right {
    /// All there are.
    pub const ALL: [Self; 6] = [Self::Read, Self::Write, Self::Handle, Self::Request, Self::Send, Self::Log];

    /// Its name, as it stands in rules.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Handle => "handle",
            Self::Request => "request",
            Self::Send => "send",
            Self::Log => "log",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Rights {
    /// The patterns of a right.
    pub const fn of_mut(&mut self, right: Right) -> &mut Vec<Pattern> {
        match right {
            Right::Read => &mut self.read,
            Right::Write => &mut self.write,
            Right::Handle => &mut self.handle,
            Right::Request => &mut self.request,
            Right::Send => &mut self.send,
            Right::Log => &mut self.log,
        }
    }

    /// The patterns that grant a right: who may log a source may read it too.
    fn granting(&self, right: Right) -> impl Iterator<Item = &Pattern> {
        let (patterns, also): (&[Pattern], &[Pattern]) = match right {
            Right::Read => (&self.read, &self.log),
            Right::Write => (&self.write, &[]),
            Right::Handle => (&self.handle, &[]),
            Right::Request => (&self.request, &[]),
            Right::Send => (&self.send, &[]),
            Right::Log => (&self.log, &[]),
        };
        patterns.iter().chain(also)
    }

    /// Whether they hold a right on `name`. The empty name is everybody, or every action: for that it takes `*`.
    pub fn permit(&self, right: Right, name: &str) -> bool {
        self.granting(right).any(|pattern| pattern.matches(name))
    }

    /// Whether they hold a right on anything that `pattern` could be for.
    fn permit_some(&self, right: Right, pattern: &Pattern) -> bool {
        self.granting(right).any(|granted| meet(granted, pattern))
    }
}

/// Whether there can be a name that both patterns are for.
fn meet(a: &Pattern, b: &Pattern) -> bool {
    match (a, b) {
        (Pattern::Name(name), other) | (other, Pattern::Name(name)) => other.matches(name),
        (Pattern::Prefix(a), Pattern::Prefix(b)) => {
            a.starts_with('$') == b.starts_with('$') && (a.starts_with(&**b) || b.starts_with(&**a))
        }
    }
}

/// The SHA-256 of a token.
///
/// Tokens are 256 random bits: nobody can try them all, so that it takes no salt and no slow hash, as passwords do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    const PREFIX: &str = "sha256:";

    /// The hash of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

/// Why a text is no [`TokenHash`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token stands as sha256: and 64 hexadecimal digits")]
pub struct TokenHashError;

impl FromStr for TokenHash {
    type Err = TokenHashError;

    fn from_str(text: &str) -> Result<Self, TokenHashError> {
        let digits = text.strip_prefix(Self::PREFIX).ok_or(TokenHashError)?.as_bytes();
        let mut hash = [0; 32];
        if digits.len() != 2 * hash.len() {
            return Err(TokenHashError);
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(TokenHashError);
        for (byte, digits) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).map_err(|_| TokenHashError)?;
        }
        Ok(Self(hash))
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why identities cannot be known together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// An identity's name cannot be one.
    #[error("identity {name:?}: {error}")]
    Name {
        /// The name.
        name: Arc<str>,
        /// Which rule it breaks.
        error: NameError,
    },
    /// A name is there twice.
    #[error("there are two identities {name:?}")]
    Twice {
        /// The name.
        name: Arc<str>,
    },
    /// Two have one token.
    #[error("{first:?} and {second:?} have the same token: make one for each")]
    Token {
        /// One of them.
        first: Arc<str>,
        /// The other.
        second: Arc<str>,
    },
    /// Two have one certificate.
    #[error("{first:?} and {second:?} have the same certificate: one name means one identity")]
    Certificate {
        /// One of them.
        first: Arc<str>,
        /// The other.
        second: Arc<str>,
    },
}

impl Access {
    /// Rules for these identities and nobody else.
    ///
    /// # Errors
    ///
    /// If a name cannot be one or is there twice, or two have the same token or certificate.
    pub fn new(identities: impl IntoIterator<Item = Identity>) -> Result<Self, AccessError> {
        let mut identities: Vec<Arc<Identity>> = identities.into_iter().map(Arc::new).collect();
        identities.sort_by(|a, b| a.name.cmp(&b.name));
        for (place, second) in identities.iter().enumerate() {
            let name = second.name.clone();
            name::validate(&name, Limits::default().name)
                .map_err(|error| AccessError::Name { name: name.clone(), error })?;
            for first in &identities[..place] {
                let (first_name, second_name) = (first.name.clone(), name.clone());
                if first.name == second.name {
                    return Err(AccessError::Twice { name });
                }
                if first.token.is_some() && first.token == second.token {
                    return Err(AccessError::Token { first: first_name, second: second_name });
                }
                if first.certificate.is_some() && first.certificate == second.certificate {
                    return Err(AccessError::Certificate { first: first_name, second: second_name });
                }
            }
        }
        Ok(Self { identities })
    }

    /// The identities, in the order of their names.
    pub fn identities(&self) -> impl ExactSizeIterator<Item = &Identity> {
        self.identities.iter().map(|identity| &**identity)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Identity>> {
        let place = self.identities.binary_search_by(|identity| (*identity.name).cmp(name)).ok()?;
        Some(&self.identities[place])
    }

    /// Who has a token. All hashes are compared in full, whichever it is: how long that takes tells nothing of any.
    fn with_token(&self, token: &str) -> Option<&Arc<Identity>> {
        let TokenHash(presented) = TokenHash::of(token);
        let mut found = u32::MAX;
        for (place, identity) in (0..).zip(&self.identities) {
            // One that has none is compared with a hash that is not the presented one's.
            let other = presented.map(|byte| !byte);
            let TokenHash(known) = identity.token.unwrap_or(TokenHash(other));
            found.conditional_assign(&place, known.ct_eq(&presented));
        }
        self.identities.get(found as usize)
    }

    /// Who has the first of these names in its certificate that anybody has.
    fn with_certificate(&self, names: &[String]) -> Option<&Arc<Identity>> {
        let known = |name: &String| {
            self.identities.iter().find(|identity| identity.certificate.as_ref() == Some(name))
        };
        names.iter().find_map(known)
    }
}

/// As whom a connection acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may do nothing: it was not accepted yet, or is a local stream of this name, which no rule names.
    Nobody(Arc<str>),
    /// It may do everything: there are no rules, or it is one of the hub's own.
    Unlimited,
    /// It may do what this one may.
    Limited(Arc<Identity>),
}

impl Default for Standing {
    fn default() -> Self {
        Self::Nobody("".into())
    }
}

impl Standing {
    /// What a local stream stands for.
    pub(crate) fn of_local(access: Option<&Access>, name: &Arc<str>) -> Self {
        match access {
            None => Self::Unlimited,
            Some(_) if **name == *LOCAL => Self::Unlimited,
            Some(access) => match access.named(name) {
                Some(identity) => Self::Limited(identity.clone()),
                None => Self::Nobody(name.clone()),
            },
        }
    }

    /// What a client stands for that shows these credentials and this certificate.
    ///
    /// # Errors
    ///
    /// In words for it, if it stands for nobody. A bad token is refused whatever the certificate.
    pub(crate) fn of_client(
        access: Option<&Access>,
        credentials: &str,
        certified: &[String],
    ) -> Result<Self, String> {
        let Some(access) = access else { return Ok(Self::Unlimited) };
        let (found, why_not) = if !credentials.is_empty() {
            (access.with_token(credentials), "the token is not known here".to_owned())
        } else if let [first, ..] = certified {
            (access.with_certificate(certified), format!("the certificate of {first:?} is not known here"))
        } else {
            let text = "this hub wants credentials: set DICTWIRE_TOKEN, or add ?token-file=FILE to the link";
            (None, text.to_owned())
        };
        found.map(|identity| Self::Limited(identity.clone())).ok_or(why_not)
    }

    /// Whether it may do something to `name`.
    pub(crate) fn permits(&self, right: Right, name: &str) -> bool {
        match self {
            Self::Nobody(_) => false,
            Self::Unlimited => true,
            Self::Limited(identity) => identity.rights.permit(right, name),
        }
    }

    /// Whether it may do something to anything that `pattern` could be for.
    pub(crate) fn permits_some(&self, right: Right, pattern: &Pattern) -> bool {
        match self {
            Self::Nobody(_) => false,
            Self::Unlimited => true,
            Self::Limited(identity) => identity.rights.permit_some(right, pattern),
        }
    }

    /// Whether a logger that stands for this counts for a client that stands for `other`: it may log something that the
    /// client may write.
    pub(crate) fn logs_for(&self, other: &Self) -> bool {
        match other {
            Self::Nobody(_) => false,
            Self::Unlimited => self.permits_some(Right::Log, &Pattern::all()),
            Self::Limited(identity) => {
                identity.rights.write.iter().any(|written| self.permits_some(Right::Log, written))
            }
        }
    }

    /// What it is called in the rules; `None` where it may do everything.
    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        match self {
            Self::Nobody(name) => Some(name),
            Self::Unlimited => None,
            Self::Limited(identity) => Some(&identity.name),
        }
    }

    /// That it may not, in words.
    pub(crate) fn lacks(&self, right: Right, name: impl fmt::Display) -> String {
        let identity = self.name().map_or(LOCAL, |name| &**name);
        format!("identity {identity:?} has no right to {right} {name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::parse(text)).collect()
    }

    fn identity(name: &str, token: Option<&str>, certificate: Option<&str>) -> Identity {
        let token = token.map(TokenHash::of);
        let certificate = certificate.map(str::to_owned);
        Identity { name: name.into(), token, certificate, rights: Rights::default() }
    }

    fn name(standing: Result<Standing, String>) -> Result<String, String> {
        standing.map(|standing| standing.name().map_or("everything", |name| &**name).to_owned())
    }

    #[test]
    fn the_hash_of_a_token_is_written_and_read() {
        // The first test vector of FIPS 180.
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(TokenHash::of("abc").to_string(), text);
        assert_eq!(text.parse(), Ok(TokenHash::of("abc")));
        assert_eq!(text.to_uppercase().replace("SHA", "sha").parse(), Ok(TokenHash::of("abc")));
        for wrong in ["", "abc", &text[7..], &text[..70], &format!("{text}00"), &text.replace("ba", "+a")] {
            assert_eq!(wrong.parse::<TokenHash>(), Err(TokenHashError), "{wrong}");
        }
    }

    #[test]
    fn who_somebody_is_depends_on_token_then_certificate() {
        let rules = [
            identity("b", Some("token b"), Some("lab b")),
            identity("a", Some("token a"), None),
            identity("c", None, Some("lab c")),
            identity("comms", None, None),
        ];
        let access = Access::new(rules).unwrap();
        let client = |credentials: &str, names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            name(Standing::of_client(Some(&access), credentials, &names))
        };
        assert_eq!(client("token a", &[]), Ok("a".into()));
        assert_eq!(client("token b", &["lab c"]), Ok("b".into()));
        assert_eq!(client("", &["lab c"]), Ok("c".into()));
        assert_eq!(client("", &["nobody", "lab b", "lab c"]), Ok("b".into()));
        assert_eq!(client("token", &["lab c"]), Err("the token is not known here".into()));
        assert_eq!(client("comms", &[]), Err("the token is not known here".into()));
        assert_eq!(client("", &["comms"]), Err("the certificate of \"comms\" is not known here".into()));
        assert!(client("", &[]).unwrap_err().starts_with("this hub wants credentials: "));
        assert_eq!(name(Standing::of_client(None, "anything", &[])), Ok("everything".into()));
    }

    #[test]
    fn a_local_stream_is_whom_it_says_and_without_rules_for_it_may_do_nothing() {
        let access = Access::new([Identity {
            rights: Rights { read: patterns(&["*"]), ..Rights::default() },
            ..identity("comms", None, None)
        }])
        .unwrap();
        let local = |access: Option<&Access>, name: &str| Standing::of_local(access, &name.into());
        assert_eq!(local(None, "comet"), Standing::Unlimited);
        assert_eq!(local(Some(&access), LOCAL), Standing::Unlimited);
        assert!(local(Some(&access), "comms").permits(Right::Read, "a"));
        for unknown in [local(Some(&access), "comet"), Standing::default()] {
            assert!(
                Right::ALL.iter().all(|&right| !unknown.permits(right, "a") && !unknown.permits(right, ""))
            );
            assert!(Right::ALL.iter().all(|&right| !unknown.permits_some(right, &Pattern::all())));
        }
    }

    #[test]
    fn a_logger_counts_for_whom_it_may_log_something_of() {
        let with = |write: &[&str], log: &[&str]| {
            let rights = Rights { write: patterns(write), log: patterns(log), ..Rights::default() };
            Standing::Limited(Arc::new(Identity { rights, ..identity("a", None, None) }))
        };
        let everybody = Standing::Unlimited;
        for (log, write, expected) in [
            ("*", "bench1/", true),
            ("bench1/", "*", true),
            ("bench1/psu", "bench1/", true),
            ("bench2/", "bench1/", false),
            ("$hub/", "*", false),
        ] {
            let (logger, writer) = (with(&[], &[log]), with(&["x", write], &[]));
            assert_eq!(logger.logs_for(&writer), expected, "{log} {write}");
            assert!(everybody.logs_for(&writer) && !writer.logs_for(&writer));
        }
        assert!(everybody.logs_for(&everybody) && with(&[], &["a"]).logs_for(&everybody));
        for nobody in [with(&[], &["*"]), Standing::default()] {
            assert!(!everybody.logs_for(&nobody), "it writes nothing");
        }
    }

    #[test]
    fn rules_that_would_be_ambiguous_are_refused() {
        let error = |a, b| Access::new([a, b]).unwrap_err().to_string();
        let plain = |name: &str| identity(name, None, None);
        assert_eq!(error(plain("a"), plain("a")), "there are two identities \"a\"");
        let both = (identity("b", Some("x"), None), identity("a", Some("x"), None));
        assert_eq!(error(both.0, both.1), "\"a\" and \"b\" have the same token: make one for each");
        let both = (identity("a", None, Some("x")), identity("b", None, Some("x")));
        assert!(error(both.0, both.1).starts_with("\"a\" and \"b\" have the same certificate"));
        assert!(error(plain(LOCAL), plain("a")).starts_with("identity \"$local\": "));
    }

    #[test]
    fn patterns_grant_what_they_match_and_nothing_else() {
        let rights = Rights {
            read: patterns(&["bench1/", "shared"]),
            log: patterns(&["$hub/"]),
            request: patterns(&["*"]),
            send: patterns(&["psu*"]),
            ..Rights::default()
        };
        for (right, name, permitted) in [
            (Right::Read, "bench1/psu", true),
            (Right::Read, "bench1", false),
            (Right::Read, "shared", true),
            (Right::Read, "shared/a", false),
            (Right::Read, "$hub/lab", true),
            (Right::Log, "$hub/lab", true),
            (Right::Log, "bench1/psu", false),
            (Right::Write, "bench1/psu", false),
            (Right::Request, "anything", true),
            (Right::Request, "", true),
            (Right::Request, "$status", false),
            (Right::Send, "psu#2", true),
            (Right::Send, "", false),
        ] {
            assert_eq!(rights.permit(right, name), permitted, "{right} {name:?}");
        }
    }

    #[test]
    fn patterns_meet_where_a_name_can_be_for_both() {
        for (a, b, expected) in [
            ("a", "a", true),
            ("a", "b", false),
            ("a/", "a/b", true),
            ("a/b/", "a/", true),
            ("a/", "b/", false),
            ("*", "a/", true),
            ("*", "$hub/", false),
            ("*", "$hub/lab", false),
            ("$*", "$hub/lab", true),
            ("$hub/", "$*", true),
        ] {
            let (a, b) = (Pattern::parse(a), Pattern::parse(b));
            assert_eq!((meet(&a, &b), meet(&b, &a)), (expected, expected), "{a} {b}");
        }
    }
}
