//! What holds for all inputs, as functions that take any bytes and panic if it does not hold; see
//! [`dict_protocol::properties`].

use std::path::Path;

use crate::config::{Config, Keys};
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
