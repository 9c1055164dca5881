//! What holds for all inputs, as functions that take any bytes and panic if it does not hold; see
//! [`dict_protocol::properties`].

use std::path::Path;

use dict_event_loop::server::access::Right;
use dict_protocol::pattern::Pattern;

use crate::config::{Config, File, Keys};
use crate::limits::LimitSetting;
use crate::run::UsageError;

/// Files of options, of either form, are read or refused with the name of the file; what they say can be said again.
///
/// # Panics
///
/// If it does not hold.
pub fn config_any_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for name in ["lab.toml", "lab.yaml", "lab"] {
        for keys in [Keys::SERVER, Keys::LOGGER] {
            match Config::parse(Path::new(name), &text, keys) {
                Ok(config) => {
                    let given = config.listen.iter().chain(&config.host).chain(&config.connect);
                    for link in given.map(|given| &given.link) {
                        assert_eq!(link.to_string().parse().as_ref(), Ok(link));
                    }
                }
                Err(error) => {
                    assert!(error.downcast_ref::<UsageError>().is_some(), "{error}");
                    assert!(error.to_string().starts_with(name), "{error}");
                }
            }
        }
    }
    // The command line's form of a limit.
    let _ = text.parse::<LimitSetting>();
}

/// Files of access rules are read or refused with the name of the file; nobody has a right that no line gives.
///
/// # Panics
///
/// If it does not hold.
pub fn access_any_text(bytes: &[u8]) {
    const NAME: &str = "access.toml";
    let text = String::from_utf8_lossy(bytes);
    let access = match crate::access::parse(&File { name: NAME.to_owned(), text: &text }) {
        Ok(access) => access,
        Err(error) => {
            assert!(error.downcast_ref::<UsageError>().is_some(), "{error}");
            assert!(error.to_string().starts_with(NAME), "{error}");
            return;
        }
    };
    let identities: Vec<_> = access.identities().collect();
    assert!(identities.is_sorted_by(|a, b| a.name < b.name), "one is there twice");
    for identity in identities {
        for right in Right::ALL {
            let mut given = identity.rights.clone();
            let mut given = std::mem::take(given.of_mut(right));
            if right == Right::Read {
                // Who may log may read.
                given.extend_from_slice(&identity.rights.log);
            }
            for name in ["a", "$status", "bench1/psu"] {
                let any = given.iter().any(|pattern| pattern.matches(name));
                assert_eq!(identity.rights.permit(right, name), any, "{right} {name:?}");
            }
            let everybody = given.contains(&Pattern::all());
            assert_eq!(identity.rights.permit(right, ""), everybody, "{right} for everybody");
        }
    }
}
