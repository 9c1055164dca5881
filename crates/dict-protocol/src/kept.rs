//! What a client keeps beyond its own end: the spool in a file, without the file.
//!
//! At level `logged` a writer keeps each update until every logger has it. In memory that does not outlive the program.
//! A driver that is to keep it longer [restores](Session::restore) its session from a [`Kept`], an empty one the first
//! time, and from then on:
//!
//! 1. after anything it had the session do, and **before it takes the session's output**, it asks
//!    [`keep`](Session::keep) for the [`Entry`]s that are new, and stores them all in one transaction;
//! 2. only then does it write the output, and tell its program that an update was published. So whatever a hub may have
//!    heard of is kept, and a program that is killed at any moment loses nothing that it was told to be published;
//! 3. when it begins again it gives the entries that it stored to [`Kept::take`], in their order or as a digest in the
//!    same form, and restores a session from that.
//!
//! What is kept is the client id, and for each source
//!
//! - the **epochs** that are not acknowledged in full, and the newest one in any case: their [`Marks`] (how far each is
//!   acknowledged, what was given up), their updates, and the dictionary as of the last update that left, the *base*;
//! - the **bookmark**: bytes of the program's own, which are stored with the updates that were published with them. With
//!   it a program that reads an input knows how much of it has been published.
//!
//! A restored session opens new epochs above those that are kept, and announces these as replays until they are
//! acknowledged in full, whether or not the program writes their sources again. It never adds to one: a program that was
//! killed has made no End, so a timeline says of such an epoch that its end was unseen.
//!
//! If what was stored last is lost (the power failed before it was synced), then what is left is an earlier moment of the
//! same life, and all of this still holds from there: a hub that has acknowledged more of an epoch than is kept of it
//! is believed.
//!
//! ```
//! use dict_protocol::dictionary;
//! use dict_protocol::kept::Kept;
//! use dict_protocol::session::{Session, Settings};
//! use dict_protocol::time::Now;
//! # let settings = || Settings {
//! #     name: "a".into(), product: "a".into(), credentials: "".into(), client_id: [0; 16], limits: Default::default(),
//! # };
//!
//! let mut disk = Kept::new([7; 16]);
//! let mut session = Session::restore(settings(), disk.clone());
//! let psu = session.add_writer(Now::default(), "psu", Default::default())?;
//! session.publish(Now::default(), psu, &dictionary! { "voltage" => 12.5 })?;
//! session.keep(&mut |entry| disk.take(&entry).expect("entries come in order"));
//! drop(session); // the program is killed
//!
//! let session = Session::restore(settings(), disk);
//! let left = session.left("psu").expect("it was kept");
//! assert_eq!(left.content(), &dictionary! { "voltage" => 12.5 });
//! assert_eq!(left.unacknowledged(), 1, "and is announced as a replay on the next connection");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

#[cfg(doc)]
use crate::session::Session;

use crate::change::{DictionaryBytes, Patch};
use crate::time::Time;

/// Something that is to be kept of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The source's name.
    pub source: &'a str,
    /// What is to be kept.
    pub item: Item<'a>,
}

/// What an [`Entry`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// The program's bookmark, in the place of the one before.
    Bookmark(&'a [u8]),
    /// There is an epoch, or its marks have changed.
    Epoch {
        /// Its number.
        epoch: u64,
        /// How far it is.
        marks: Marks,
    },
    /// An epoch's updates up to `sequence` are needed no longer: this dictionary stands for them.
    Base {
        /// The epoch.
        epoch: u64,
        /// The last of them; later ones may follow, kept already or not.
        sequence: u64,
        /// When that one was made.
        time: Time,
        /// The dictionary as of it, a MessagePack map.
        dictionary: &'a [u8],
    },
    /// The update after the last one of its epoch.
    Update {
        /// The epoch.
        epoch: u64,
        /// Its sequence.
        sequence: u64,
        /// What it is.
        update: Update<'a>,
    },
    /// Nothing of an epoch is needed any more.
    Over {
        /// The epoch.
        epoch: u64,
    },
}

/// An update as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update<'a> {
    /// When the writer made it, by the writer's clock.
    pub time: Time,
    /// It is its epoch's End.
    pub end: bool,
    /// What changed.
    pub patch: &'a [u8],
}

/// How far an epoch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Marks {
    /// The epoch before it, as far as its writer knows; 0: none.
    pub previous: u64,
    /// It has its End.
    pub ended: bool,
    /// The last update that is acknowledged; 0: none.
    pub acknowledged: u64,
    /// The last update that was given up before it was acknowledged; 0: none.
    pub evicted: u64,
    /// Updates that were given up and that the hub was told to be missing: first and last.
    pub stated: Option<(u64, u64)>,
    /// How many updates were acknowledged as missing.
    pub lost: u64,
    /// Update 1 is missing, since this time.
    pub begins_after_loss: Option<Time>,
}

/// Why something that was kept cannot be: it was damaged since, or made by another program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeptError {
    /// Bytes are no patch, or no dictionary.
    #[error("update {sequence} of epoch {epoch} of {source_name:?} cannot be read")]
    Unreadable {
        /// The source.
        source_name: String,
        /// The epoch.
        epoch: u64,
        /// The update, or the one that the dictionary is as of.
        sequence: u64,
    },
    /// Updates of an epoch are not one after the other, or there is no such epoch.
    #[error("update {sequence} of epoch {epoch} of {source_name:?} does not follow {newest}")]
    Hole {
        /// The source.
        source_name: String,
        /// The epoch.
        epoch: u64,
        /// The update.
        sequence: u64,
        /// The one that is kept before it.
        newest: u64,
    },
}

/// What a client has kept; see the [module](self).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Kept {
    client_id: [u8; 16],
    pub(crate) sources: BTreeMap<String, KeptSource>,
}

#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct KeptSource {
    pub(crate) bookmark: Vec<u8>,
    pub(crate) epochs: BTreeMap<u64, KeptEpoch>,
}

#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct KeptEpoch {
    pub(crate) marks: Marks,
    /// The last update that is gone, when it was made, and the dictionary as of it.
    pub(crate) base: (u64, Time, Vec<u8>),
    /// Those that follow it.
    pub(crate) updates: VecDeque<(Time, bool, Vec<u8>)>,
}

impl Kept {
    /// Nothing yet, of the client with this id.
    pub fn new(client_id: [u8; 16]) -> Self {
        Self { client_id, sources: BTreeMap::new() }
    }

    /// Whose it is.
    pub fn client_id(&self) -> [u8; 16] {
        self.client_id
    }

    /// How many updates there are.
    pub fn updates(&self) -> usize {
        let epochs = self.sources.values().flat_map(|source| source.epochs.values());
        epochs.map(|epoch| epoch.updates.len()).sum()
    }

    /// Takes in what a session wants to be kept.
    ///
    /// # Errors
    ///
    /// If it cannot come from a session after what is kept already. What is wrong in it is then not taken in.
    pub fn take(&mut self, entry: &Entry<'_>) -> Result<(), KeptError> {
        if !self.sources.contains_key(entry.source) {
            self.sources.insert(entry.source.into(), KeptSource::default());
        }
        let source = self.sources.get_mut(entry.source).expect("it was just inserted if it was not there");
        let unreadable =
            |epoch, sequence| KeptError::Unreadable { source_name: entry.source.into(), epoch, sequence };
        match entry.item {
            Item::Bookmark(bookmark) => source.bookmark = bookmark.into(),
            Item::Epoch { epoch, marks } => source.epochs.entry(epoch).or_default().marks = marks,
            Item::Base { epoch, sequence, time, dictionary } => {
                DictionaryBytes::parse(dictionary, usize::MAX).map_err(|_| unreadable(epoch, sequence))?;
                let kept = source.epochs.entry(epoch).or_default();
                let gone = usize::try_from(sequence.saturating_sub(kept.base.0)).unwrap_or(usize::MAX);
                kept.updates.drain(..gone.min(kept.updates.len()));
                kept.base = (sequence, time, dictionary.into());
            }
            Item::Update { epoch, sequence, update } => {
                let newest = source.epochs.get(&epoch).map(KeptEpoch::newest);
                if newest.and_then(|newest| newest.checked_add(1)) != Some(sequence) {
                    let (source_name, newest) = (entry.source.into(), newest.unwrap_or(0));
                    return Err(KeptError::Hole { source_name, epoch, sequence, newest });
                }
                Patch::parse(update.patch, usize::MAX).map_err(|_| unreadable(epoch, sequence))?;
                let kept = source.epochs.get_mut(&epoch).expect("it has a newest update");
                kept.updates.push_back((update.time, update.end, update.patch.into()));
            }
            Item::Over { epoch } => drop(source.epochs.remove(&epoch)),
        }
        Ok(())
    }
}

impl KeptEpoch {
    pub(crate) fn newest(&self) -> u64 {
        self.base.0 + self.updates.len() as u64
    }
}
