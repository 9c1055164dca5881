//! Links.

use alloc::string::{String, ToString};

use crate::link::Link;

/// A text is refused, or it is a link that is the same when it is written and read again.
///
/// # Panics
///
/// If it does not hold.
pub fn link_any_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(link) = text.parse::<Link>() else { return };
    let written = link.to_string();
    let again: Link = written.parse().expect("what is written is a link");
    assert_eq!(again, link, "{text:?}, written as {written:?}");
    assert_eq!(again.to_string(), written);
}
