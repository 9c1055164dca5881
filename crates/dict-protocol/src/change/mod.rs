//! What changed in a dictionary: found ([`difference()`]), written ([`PatchBuilder`]), read ([`Patch`]), applied
//! ([`apply`]).
//!
//! A patch is two MessagePack items back to back: a list of the keys removed, then a dictionary of the keys set with
//! their new values. Removals come first, so a key in both is moved to the end. A patch may be empty.
//!
//! ```
//! use dict_protocol::change::{self, Patch};
//! use dict_protocol::dictionary;
//!
//! let old = dictionary! { "voltage" => 12.0, "mode" => "cv" };
//! let new = dictionary! { "voltage" => 12.5 };
//! let mut bytes = Vec::new();
//! assert!(change::difference(&old, &new, 128, &mut bytes)?);
//!
//! let mut copy = old;
//! let patch = Patch::parse(&bytes, 128)?;
//! assert_eq!(patch.removed().collect::<Vec<_>>(), ["mode"]);
//! change::apply(&patch, &mut copy);
//! assert_eq!(copy, new);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod builder;
mod difference;
mod patch;

pub use crate::encoding::messagepack::DictionaryBytes;
pub use builder::PatchBuilder;
pub use difference::{difference, write_whole};
pub use patch::{Patch, Removed, apply};

#[cfg(test)]
mod tests;
