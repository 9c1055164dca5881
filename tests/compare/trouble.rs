//! Why something could not be measured.

use std::io;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// It cannot be measured here, which is nobody's fault.
    #[error("{0}")]
    LeftOut(String),
    /// The system refused something.
    #[error("{what}: {error}")]
    System {
        /// What was attempted.
        what: String,
        error: io::Error,
    },
    /// What came is not what has to come.
    #[error("{who}: {what}")]
    Wrong { who: String, what: String },
}

pub(crate) type Result<T> = std::result::Result<T, Trouble>;

/// Says what was attempted, where the system refuses it.
pub(crate) trait While<T> {
    fn trying(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> While<T> for io::Result<T> {
    fn trying(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Trouble::System { what: what(), error })
    }
}

/// Something came that should not have.
pub(crate) fn wrong(who: &str, what: impl Into<String>) -> Trouble {
    Trouble::Wrong { who: who.to_owned(), what: what.into() }
}
