//! Tokens: read from files that nobody else can read, and kept off lines that others can listen to.

use std::net::SocketAddr;
use std::path::Path;

use dict_protocol::link::Link;

use crate::private::{self, PrivateError};

/// Why a token cannot be had from a file, or from a text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The file cannot be read, or others can read it too.
    #[error(transparent)]
    File(#[from] PrivateError),
    /// There is none in it, or more than one.
    #[error("there is no token in {place}: it is one line of letters, digits and signs, without spaces")]
    Text {
        /// The file, or what else holds the text.
        place: String,
    },
}

/// Reads the token that is all a file holds.
///
/// On Unix the file must be its owner's alone (mode 600 or 400): a token that others can read says nothing of who comes
/// with it. On Windows that is not looked at.
///
/// # Errors
///
/// If it cannot be read, if others can read it, or if it holds no token.
pub fn read_token(path: &Path) -> Result<String, TokenError> {
    let text = private::read(path)?;
    check_token(&String::from_utf8_lossy(&text), &path.display().to_string())
}

/// A token from a text that may have space around it. `place` says where it is from, for people.
///
/// # Errors
///
/// If it is none. The text is not told.
pub fn check_token(text: &str, place: &str) -> Result<String, TokenError> {
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenError::Text { place: place.to_owned() });
    }
    Ok(token.to_owned())
}

/// Whether a token may be sent to whoever was reached by `link`: it is encrypted, or stays on this machine, or the link
/// accepts that others may read it. What counts is the address that was reached, not the name.
pub fn may_send_token(link: &Link, peer: SocketAddr) -> bool {
    link.is_encrypted() || peer.ip().to_canonical().is_loopback() || link.options().insecure_token
}

/// That it may not, for people.
pub fn token_is_withheld(peer: impl std::fmt::Display) -> String {
    format!(
        "the token is not sent to {peer}, since it is not encrypted and others could read it: \
         use dictwires://, or add insecure-token=true to the link"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word() {
        assert_eq!(check_token(" abc-123_+/= \r\n", "here").unwrap(), "abc-123_+/=");
        for text in ["", "\n", "a b", "a\nb", "ä", "a\0"] {
            let error = check_token(text, "here").unwrap_err().to_string();
            assert!(error.starts_with("there is no token in here: "), "{error}");
        }
    }

    #[test]
    fn a_token_stays_on_this_machine_unless_told_otherwise() {
        let may = |link: &str, peer: &str| may_send_token(&link.parse().unwrap(), peer.parse().unwrap());
        assert!(may("lab", "127.0.0.1:7450") && may("lab", "127.8.0.1:1") && may("lab", "[::1]:7450"));
        assert!(may("lab", "[::ffff:127.0.0.1]:7450"));
        assert!(!may("localhost", "10.0.0.7:7450") && !may("lab", "[fe80::1]:7450"));
        assert!(may("lab?insecure-token=true", "10.0.0.7:7450"));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::fs::{self, Permissions};
        use std::os::unix::fs::PermissionsExt as _;
        let path = std::env::temp_dir().join(format!("dictwire-token-{}", std::process::id()));
        fs::write(&path, "0123456789\n").unwrap();
        for (mode, permitted) in
            [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)]
        {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let read = read_token(&path);
            assert_eq!(read.is_ok(), permitted, "{mode:o}");
            if let Err(error) = read {
                let text = error.to_string();
                assert!(text.contains("chmod 600") && !text.contains("0123456789"), "{text}");
            }
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(read_token(&path), Err(TokenError::File(PrivateError::Read { .. }))));
    }
}
