//! What of a writer outlives its program: told as entries, and restored from them.

use alloc::string::String;
use alloc::vec::Vec;

use super::epoch::Epoch;
use super::{Phase, Standing, Writer, WriterOptions, spool_bounds, step};
use crate::change::{self, DictionaryBytes, Patch};
use crate::kept::{Entry, Item, KeptEpoch, KeptSource, Marks};
use crate::limits::Limits;
use crate::packet::Level;
use crate::value::Dictionary;

/// What a writer has to tell besides its epochs.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// What it writes at level `logged` is kept.
    pub(super) keeps: bool,
    /// It only stands for what a former run of the program has left.
    pub(super) remains: bool,
    /// Epochs that are kept, and of which nothing is needed but that the newest shows where to go on.
    over: Vec<Over>,
    bookmark: Vec<u8>,
    bookmark_told: bool,
    /// It is in the session's list of those that have something to tell.
    pub(super) touched: bool,
}

#[derive(Debug)]
struct Over {
    epoch: u64,
    /// `None` if they were told.
    marks: Option<Marks>,
}

/// What the next writer of a source has to know of one that was forgotten.
#[derive(Debug)]
pub(crate) struct Former {
    pub(super) epoch: u64,
    pub(super) keeping: Keeping,
}

impl Keeping {
    /// Older epochs that are kept until they are acknowledged; beyond, the oldest is given up. A program that is killed
    /// again and again while there is no hub leaves one each time.
    pub(super) const fn most_replays(&self) -> usize {
        if self.keeps { 256 } else { 3 }
    }

    /// The same, for the writer that takes the place of this one.
    pub(super) fn handed_on(self) -> Self {
        Self { remains: false, touched: false, ..self }
    }

    /// Nothing of an epoch is needed any more.
    pub(super) fn over(&mut self, epoch: &Epoch) {
        if self.keeps && epoch.is_kept() {
            self.over.push(Over { epoch: epoch.number, marks: Some(epoch.marks()) });
        }
    }

    /// Nothing of an epoch is to be kept under this number.
    pub(super) fn forget(&mut self, epoch: Option<u64>) {
        self.over.extend(epoch.map(|epoch| Over { epoch, marks: None }));
    }
}

impl Writer {
    /// One that stands for what a former run of the program has left of a source.
    pub(crate) fn restore(source: String, kept: KeptSource, limits: &Limits, client_id: [u8; 16]) -> Self {
        let bounds = spool_bounds(Some(Level::Logged), limits).expect("at that level there is a spool");
        let newest = kept.epochs.last_key_value();
        let content = newest.map(|(_, epoch)| content(epoch)).unwrap_or_default();
        let last = newest.map_or(0, |(&number, _)| number);
        let (mut replays, mut over) = (Vec::new(), Vec::new());
        for (&number, epoch) in &kept.epochs {
            let epoch = Epoch::restore(number, epoch, bounds);
            if epoch.is_settled() {
                over.push(Over { epoch: number, marks: None });
            } else {
                replays.push(epoch);
            }
        }
        let keeping = Keeping {
            keeps: true,
            remains: true,
            over,
            bookmark: kept.bookmark,
            bookmark_told: true,
            touched: false,
        };
        Self {
            source,
            options: WriterOptions::default(),
            level: Some(Level::Logged),
            phase: Phase::Offline,
            standing: Standing::New,
            epoch: Epoch::new(last.saturating_add(1), last, None),
            replays,
            abandoned: 0,
            given_up: Vec::new(),
            content,
            size: 0,
            restated: None,
            sent: 0,
            step: step(client_id),
            scratch: Vec::new(),
            keeping,
        }
    }

    /// Whether it only stands for what a former run of the program has left.
    pub(crate) fn remains(&self) -> bool {
        self.keeping.remains
    }

    /// From now on what it writes at level `logged` is kept.
    pub(crate) fn keep_from_now(&mut self) {
        self.keeping.keeps = true;
    }

    /// Notes that it has something to tell; whether that is news.
    pub(crate) fn touch(&mut self) -> bool {
        !core::mem::replace(&mut self.keeping.touched, true)
    }

    /// What the program last said to be kept with its updates; see [`Session::set_bookmark`](crate::session::Session::set_bookmark).
    pub fn bookmark(&self) -> &[u8] {
        &self.keeping.bookmark
    }

    pub(crate) fn set_bookmark(&mut self, bookmark: &[u8]) {
        if self.keeping.bookmark != bookmark {
            self.keeping.bookmark.clear();
            self.keeping.bookmark.extend_from_slice(bookmark);
            self.keeping.bookmark_told = false;
        }
    }

    /// Tells what is new since it was told last, for it to be kept.
    pub(crate) fn keep(&mut self, out: &mut dyn FnMut(Entry<'_>)) {
        let Self { source, keeping, epoch, replays, .. } = self;
        keeping.touched = false;
        if !core::mem::replace(&mut keeping.bookmark_told, true) {
            out(Entry { source, item: Item::Bookmark(&keeping.bookmark) });
        }
        for epoch in replays.iter_mut().chain(core::iter::once(&mut *epoch)) {
            epoch.keep(source, out);
        }
        // The newest epoch is kept in any case: the next one goes on after it.
        let newer =
            if epoch.newest > 0 { epoch.number } else { replays.iter().map(|e| e.number).max().unwrap_or(0) };
        let newest = keeping.over.iter().map(|over| over.epoch).max().unwrap_or(0).max(newer);
        keeping.over.retain_mut(|over| {
            let epoch = over.epoch;
            if epoch < newest {
                out(Entry { source, item: Item::Over { epoch } });
            } else if let Some(marks) = over.marks.take() {
                out(Entry { source, item: Item::Epoch { epoch, marks } });
            }
            epoch == newest
        });
    }
}

/// The dictionary as of an epoch's newest update.
fn content(epoch: &KeptEpoch) -> Dictionary {
    let (_, _, base) = &epoch.base;
    let mut content = match DictionaryBytes::parse(base, usize::MAX) {
        Ok(base) => base.decode(),
        // There is none: nothing has left.
        Err(_) => Dictionary::new(),
    };
    for (_, _, patch) in &epoch.updates {
        let patch = Patch::parse(patch, usize::MAX).expect("it was looked at when it was taken in");
        change::apply(&patch, &mut content);
    }
    content
}
