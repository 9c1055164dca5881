//! What went wrong with TLS, in one line that says what can be done.

use std::io;
use std::time::Duration;

use rustls::{AlertDescription as Alert, CertificateError, Error, PeerIncompatible};

use super::pinned::NotPinned;
use super::stream::Role;

/// What ended a connection, as it is told to people. It is inside of an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failure(String);

/// The text of an error that TLS ended a connection with; `None` if it is another's.
pub(crate) fn told(error: &io::Error) -> Option<&str> {
    error.get_ref()?.downcast_ref::<Failure>().map(|failure| &*failure.0)
}

/// The other end has closed the connection without TLS's goodbye.
pub(super) fn cut_off(secured: bool) -> io::Error {
    let text = match secured {
        true => "cut off: the connection ended without a goodbye",
        false => "the other end closed the connection in the TLS handshake: does it speak TLS?",
    };
    io::Error::new(io::ErrorKind::UnexpectedEof, Failure(text.to_owned()))
}

/// The other end says more than anybody has to, and nothing for the application.
pub(super) fn too_long(limit: usize) -> io::Error {
    let text = format!("the other end sends more than {limit} bytes of TLS alone, as no client of ours does");
    io::Error::new(io::ErrorKind::InvalidData, Failure(text))
}

/// This end, or the other one, does not go on.
pub(super) fn refusal(error: &Error, role: Role) -> io::Error {
    let text = match error {
        Error::InvalidCertificate(error) => certificate(error, role),
        Error::NoCertificatesPresented => {
            "the other end shows no certificate, and here one is asked for".to_owned()
        }
        Error::AlertReceived(alert) => alert_received(*alert),
        // Whatever comes first in a stream that is none of TLS.
        Error::InvalidMessage(_) => match role {
            Role::Client => "the other end does not speak TLS: is it a dictwire:// link?".to_owned(),
            Role::Server => {
                "the other end does not speak TLS: its link has to be a dictwires:// one".to_owned()
            }
        },
        Error::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => {
            format!("no signature is known at both ends: {error}")
        }
        Error::PeerIncompatible(_) => {
            format!("the other end does not speak TLS 1.3 as this one does: {error}")
        }
        Error::NoApplicationProtocol => {
            "the other end wants to speak another protocol than dictwire".to_owned()
        }
        other => format!("TLS: {other}"),
    };
    io::Error::new(io::ErrorKind::InvalidData, Failure(text))
}

/// What is wrong with the certificate that the other end shows.
fn certificate(error: &CertificateError, role: Role) -> String {
    let whose = match role {
        Role::Client => "the other end's certificate",
        Role::Server => "the client's certificate",
    };
    match error {
        CertificateError::Expired => format!("{whose} has expired"),
        CertificateError::ExpiredContext { time, not_after } => {
            let ago = time.as_secs().saturating_sub(not_after.as_secs());
            format!("{whose} has expired, {} ago", days(ago))
        }
        CertificateError::NotValidYet => format!("{whose} is not valid yet: are the clocks right?"),
        CertificateError::NotValidYetContext { time, not_before } => {
            let to_come = not_before.as_secs().saturating_sub(time.as_secs());
            format!("{whose} is not valid yet, for {}: are the clocks right?", days(to_come))
        }
        CertificateError::UnknownIssuer => match role {
            Role::Client => format!(
                "{whose} is signed by no CA that is trusted here: say which to trust, as ca=FILE or pin=SHA256"
            ),
            Role::Server => format!("{whose} is not signed by the CA that this link asks for"),
        },
        CertificateError::BadSignature => match role {
            Role::Client => format!(
                "{whose} is signed by another CA, of the same name as the one that is trusted: say which to trust, as ca=FILE \
                 or pin=SHA256"
            ),
            Role::Server => format!(
                "{whose} is signed by another CA, of the same name as the one that this link asks for"
            ),
        },
        CertificateError::NotValidForName => {
            format!("{whose} is for another name than this: server=NAME says which is meant")
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let presented = match &presented[..] {
                [] => "for no name at all".to_owned(),
                names => format!("for {}", names.join(", ")),
            };
            format!(
                "{whose} is {presented}, and not for {}: server=NAME says which is meant",
                expected.to_str()
            )
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => match role {
            Role::Client => format!("{whose} is not one for servers"),
            Role::Server => format!("{whose} is not one for clients"),
        },
        CertificateError::Other(other) if other.0.downcast_ref::<NotPinned>().is_some() => {
            other.0.to_string()
        }
        other => format!("{whose} is not good: {other}"),
    }
}

fn days(seconds: u64) -> String {
    const DAY: u64 = Duration::from_secs(24 * 60 * 60).as_secs();
    match seconds / DAY {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// What the other end does not like.
fn alert_received(alert: Alert) -> String {
    let own = "this end's certificate";
    match alert {
        Alert::CertificateRequired | Alert::NoCertificate => {
            "the other end wants a certificate: give cert=FILE,key=FILE, signed by the CA that it trusts"
                .to_owned()
        }
        Alert::UnknownCA => format!("the other end does not trust the CA of {own}"),
        Alert::CertificateExpired => format!("the other end says that {own} has expired"),
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateUnknown
        | Alert::DecryptError
        | Alert::AccessDenied => format!("the other end does not accept {own} ({alert:?})"),
        Alert::ProtocolVersion | Alert::HandshakeFailure => {
            format!("the other end does not speak TLS 1.3 as this one does ({alert:?})")
        }
        Alert::NoApplicationProtocol => "the other end speaks another protocol than dictwire".to_owned(),
        Alert::UserCanceled => "the other end has given up".to_owned(),
        other => format!("the other end has ended the connection ({other:?})"),
    }
}
