//! The record: what is stored of each entry in the order of arrival, and all that a timeline really knows.
//!
//! Every other table of rows is derived from records by [`Record::contents`] alone, so it can be filled later, checked,
//! and filled again after a crash.

use dict_protocol::change::{DictionaryBytes, Patch};
use dict_protocol::encoding::messagepack::{self, Raw};
use dict_protocol::limits::Limits;
use dict_protocol::record::{GapReason, Missing};
use dict_protocol::time::Time;
use dict_protocol::value::Value;

use crate::error::{Error, Result};

/// How deep values may nest: the most that a recorder's limit can be. What is deeper is stored, but not taken apart.
pub(crate) const DEPTH: usize = Limits::DEEPEST;

/// The checksum of a stream, which no record's covers: they have its number alone.
pub(crate) fn stream_checksum(source: &str, epoch: u64, hub: &str) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&epoch.to_le_bytes());
    hasher.update(&(source.len() as u64).to_le_bytes());
    hasher.update(source.as_bytes());
    hasher.update(hub.as_bytes());
    hasher.finalize()
}

/// What a record is; the numbers stand in the column `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordKind {
    /// The body is a patch.
    Update = 1,
    /// The body is a patch, and the last of its epoch.
    End = 2,
    /// The body is a dictionary, in place of updates that are missing.
    State = 3,
    /// There is no body: only updates that are missing.
    Gap = 4,
    /// The body came in an update's place and is none: it is kept, and counts as missing.
    Unreadable = 5,
}

impl RecordKind {
    pub(crate) const fn from_code(code: i64) -> Option<Self> {
        Some(match code {
            1 => Self::Update,
            2 => Self::End,
            3 => Self::State,
            4 => Self::Gap,
            5 => Self::Unreadable,
            _ => return None,
        })
    }
}

/// One record, its bytes borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    /// The number of its first row.
    pub n: i64,
    /// How many numbers it takes, at least one.
    pub rows: i64,
    pub kind: RecordKind,
    pub replayed: bool,
    pub late: bool,
    pub stream_id: i64,
    pub sequence: u64,
    pub time: Time,
    /// When the hub passed it on, where that is not `time`.
    pub hub_time: Option<Time>,
    pub writer_time: Time,
    pub offset: i64,
    pub uncertainty: Option<u64>,
    /// A [`Context`] that is not empty.
    pub context: Option<&'a [u8]>,
    pub body: &'a [u8],
}

const REPLAYED: i64 = 1;
const LATE: i64 = 2;

impl Record<'_> {
    /// The column `flags`.
    pub(crate) const fn flags(&self) -> i64 {
        (if self.replayed { REPLAYED } else { 0 }) | (if self.late { LATE } else { 0 })
    }

    /// The meaning of the column `flags`: replayed, late.
    pub(crate) const fn from_flags(flags: i64) -> (bool, bool) {
        (flags & REPLAYED != 0, flags & LATE != 0)
    }

    /// A checksum of everything in it: CRC-32/ISO-HDLC of its numbers, little-endian, then context and body.
    pub(crate) fn checksum(&self) -> u32 {
        let numbers = [
            self.n,
            self.rows,
            self.kind as i64,
            self.flags(),
            self.stream_id,
            self.sequence.cast_signed(),
            self.time.as_nanos(),
            self.hub_time.unwrap_or(self.time).as_nanos(),
            self.writer_time.as_nanos(),
            self.offset,
            self.uncertainty.map_or(-1, u64::cast_signed),
            self.context.map_or(-1, |context| context.len() as i64),
        ];
        let mut bytes = [0; 8 * 12];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&bytes);
        hasher.update(self.context.unwrap_or_default());
        hasher.update(self.body);
        hasher.finalize()
    }
}

impl<'a> Record<'a> {
    /// Takes it apart.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`]: only what could be taken apart was stored.
    pub(crate) fn contents(&self) -> Result<Contents<'a>> {
        let corrupt = |what: String| Error::Corrupt { n: self.n.cast_unsigned(), what };
        let context = self.context.map_or(Ok(Context::default()), Context::decode).map_err(corrupt)?;
        let body = Body::parse(self.kind, self.body).map_err(|error| corrupt(error.to_string()))?;
        Ok(Contents { context, body })
    }
}

/// What the logger knew when it stored a record, which the body does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Context {
    /// Updates that are missing before, or in place of, this record.
    pub missing: Option<Missing>,
    /// Keys that had values and that this record, which states the whole dictionary, does not state.
    pub vanished: Vec<String>,
}

impl Context {
    /// Its bytes: a MessagePack list of null or `[after_epoch, after, reason, since]`, then of the vanished keys; nothing
    /// for the empty context.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        if *self == Self::default() {
            return None;
        }
        let missing = self.missing.map_or(Value::Null, |missing| {
            Value::from_iter([
                missing.after_epoch.into(),
                missing.after.into(),
                missing.reason.code().into(),
                missing.since.map_or(Value::Null, |since| since.as_nanos().into()),
            ])
        });
        let vanished = Value::from_iter(self.vanished.iter().map(String::as_str));
        let mut bytes = Vec::new();
        messagepack::encode(&Value::List(vec![missing, vanished]), DEPTH, &mut bytes)
            .expect("two levels, and keys that came from bodies within the protocol's limits");
        Some(bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let wrong = || "its context is not one".to_owned();
        let value = messagepack::decode(bytes, DEPTH).map_err(|error| error.to_string())?;
        let [missing, Value::List(vanished)] = value.as_list().unwrap_or_default() else {
            return Err(wrong());
        };
        let missing = match missing {
            Value::Null => None,
            Value::List(fields) => Some(decode_missing(fields).ok_or_else(wrong)?),
            _ => return Err(wrong()),
        };
        let vanished: Option<_> = vanished.iter().map(|key| key.as_str().map(str::to_owned)).collect();
        Ok(Self { missing, vanished: vanished.ok_or_else(wrong)? })
    }
}

fn decode_missing(fields: &[Value]) -> Option<Missing> {
    let [after_epoch, after, reason, since] = fields else { return None };
    Some(Missing {
        after_epoch: after_epoch.as_u64()?,
        after: after.as_u64()?,
        reason: GapReason::from_code(reason.as_u64()?.try_into().ok()?)?,
        since: match since {
            Value::Null => None,
            since => Some(Time::from_nanos(since.as_i64()?)),
        },
    })
}

/// A record's body, checked and not decoded.
#[derive(Clone, Debug)]
pub(crate) enum Body<'a> {
    Patch(Patch<'a>),
    Dictionary(DictionaryBytes<'a>),
    Nothing,
}

impl<'a> Body<'a> {
    pub(crate) fn parse(
        kind: RecordKind,
        bytes: &'a [u8],
    ) -> Result<Self, dict_protocol::encoding::DecodeError> {
        Ok(match kind {
            RecordKind::Update | RecordKind::End => Self::Patch(Patch::parse(bytes, DEPTH)?),
            RecordKind::State => Self::Dictionary(DictionaryBytes::parse(bytes, DEPTH)?),
            RecordKind::Gap | RecordKind::Unreadable => Self::Nothing,
        })
    }

    fn removed(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        match self {
            Self::Patch(patch) => Some(patch.removed()),
            Self::Dictionary(_) | Self::Nothing => None,
        }
        .into_iter()
        .flatten()
    }

    /// The keys that it sets, with their values.
    pub(crate) fn set(&self) -> impl Iterator<Item = (&'a str, Raw<'a>)> + use<'a> {
        match self {
            Self::Patch(patch) => Some(patch.set()),
            Self::Dictionary(dictionary) => Some(dictionary.iter()),
            Self::Nothing => None,
        }
        .into_iter()
        .flatten()
    }

    fn len(&self) -> usize {
        match self {
            Self::Patch(patch) => patch.removed_len() + patch.set_len(),
            Self::Dictionary(dictionary) => dictionary.len(),
            Self::Nothing => 0,
        }
    }
}

/// A record taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Contents<'a> {
    pub context: Context,
    pub body: Body<'a>,
}

/// What one row of a record is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Item<'a> {
    Missing(Missing),
    Removed(&'a str),
    Set(&'a str, Raw<'a>),
}

impl Contents<'_> {
    /// How many numbers its record takes: one for each item, and one if there is none.
    pub(crate) fn rows(&self) -> i64 {
        let items =
            usize::from(self.context.missing.is_some()) + self.context.vanished.len() + self.body.len();
        items.max(1) as i64
    }

    /// Its items in the order in which they are numbered: what is missing, the keys that vanished, the keys that were
    /// removed, the keys that were set.
    pub(crate) fn items(&self) -> impl Iterator<Item = Item<'_>> {
        let missing = self.context.missing.iter().copied().map(Item::Missing);
        let vanished = self.context.vanished.iter().map(|key| Item::Removed(key));
        let removed = self.body.removed().map(Item::Removed);
        let set = self.body.set().map(|(key, value)| Item::Set(key, value));
        missing.chain(vanished).chain(removed).chain(set)
    }
}
