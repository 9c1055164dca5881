//! Packets about sources: announcing, updating, subscribing.

use alloc::vec::Vec;

use super::PacketError;
use super::fields::{Field, Fields, code, packet};
use crate::frame::{self, Encoding, Kind, flags};
use crate::record::{GapReason, Stamp};
use crate::time::Time;

code! {
    /// What an acknowledgement means to a writer.
    pub enum Level: u8 = "level" {
        /// None are sent.
        None = 0,
        /// The hub holds it in memory.
        Received = 1,
        /// Every logger of the hub has it on disk.
        Logged = 2,
    }
}

code! {
    /// How a subscriber wants its sources.
    pub enum Mode: u8 = "mode" {
        /// The newest state; updates are merged when it reads slowly.
        Latest = 0,
        /// Each update.
        Every = 1,
        /// Each update, with a position that survives: a logger.
        Durable = 2,
        /// No sources: messages that are addressed to everybody. The pattern is ignored.
        Messages = 3,
    }
}

packet! {
    /// A writer names its source and its life.
    pub struct Announce<'a> {
        /// The writer's life.
        epoch: u64,
        /// The epoch before it that this writer knows of; 0: none.
        previous: u64,
        /// The last update that this writer made in the epoch; 0: none yet. So the hub knows what there is to ask for.
        newest: u64,
        /// What acknowledgements are to mean.
        level: Level,
        /// The rest of an epoch that is over: for loggers only, no live writer.
        replay: bool,
        /// To replace a live writer of another client.
        take_over: bool,
        /// The source's name.
        source: &'a str,
    }
}

packet! {
    /// The hub's answer to [`Announce`].
    pub struct Announced<'a> {
        /// [`Announce::epoch`], back.
        epoch: u64,
        /// Accepted, or why not.
        outcome: Outcome,
        /// The number of this (source, epoch) on this hub in this run; 0 where it was refused.
        id: u32,
        /// The hub's position: the last sequence that its dictionary holds.
        live: u64,
        /// The highest epoch of this source that the hub knows of.
        highest: u64,
        /// The epoch before an accepted one as the hub has it, which may have seen others than the writer did; 0: none.
        previous: u64,
        /// [`Announce::source`], back.
        source: &'a str,
        /// Why it was refused, for people.
        reason: &'a str,
    }
}

code! {
    /// What became of an announcement.
    pub enum Outcome: u8 = "outcome" {
        /// It is the source's writer now (or its replay is taken).
        Accepted = 0,
        /// A higher epoch is known.
        Lower = 1,
        /// Another client has the same epoch.
        Equal = 2,
        /// Another client's writer is live, and taking over was not asked for.
        Live = 3,
        /// The name cannot be.
        Name = 4,
        /// A limit of the hub.
        Limit = 5,
        /// The rights do not cover it.
        Forbidden = 6,
    }
}

/// What changed in a source at once.
///
/// A writer leaves the hub's fields of the stamp zero and unknown; the hub fills them in as it passes the update on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update<'a> {
    /// The hub's number of the (source, epoch).
    pub source: u32,
    /// Counts updates of the epoch from 1; update 1 states the whole dictionary.
    pub sequence: u64,
    /// The clocks.
    pub stamp: Stamp,
    /// The epoch is complete: its End.
    pub end: bool,
    /// The last one that answers a Resume.
    pub end_of_slice: bool,
    /// Sent again from a spool.
    pub replayed: bool,
    /// Keys removed and keys set: see [`Patch`](crate::change::Patch).
    pub patch: &'a [u8],
}

impl<'a> Update<'a> {
    pub(super) fn read(fields: &mut Fields<'a>, kind: Kind, flags: u8) -> Result<Self, PacketError> {
        Ok(Self {
            source: Field::read(fields)?,
            sequence: sequence(fields)?,
            stamp: Field::read(fields)?,
            end: kind == Kind::End,
            end_of_slice: flags & flags::END_OF_SLICE != 0,
            replayed: flags & flags::REPLAYED != 0,
            patch: fields.rest(),
        })
    }

    /// Appends it as a frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let kind = if self.end { Kind::End } else { Kind::Update };
        let flags = slice_flags(self.end_of_slice, self.replayed);
        frame::write(out, kind, Encoding::MessagePack, flags, |out| {
            let fixed = fixed_fields(self.source, self.sequence, &self.stamp);
            out.extend_from_slice(&fixed);
            out.extend_from_slice(self.patch);
        });
    }
}

/// Bytes of an Update's body before its patch.
pub const UPDATE_FIELDS: usize = 44;

/// The fields that Update and State begin with, laid out in one piece: this is on the path of every update.
fn fixed_fields(source: u32, sequence: u64, stamp: &Stamp) -> [u8; UPDATE_FIELDS] {
    let mut fields = [0; UPDATE_FIELDS];
    fields[0..4].copy_from_slice(&source.to_le_bytes());
    fields[4..12].copy_from_slice(&sequence.to_le_bytes());
    fields[12..20].copy_from_slice(&stamp.writer_time.as_nanos().to_le_bytes());
    fields[20..28].copy_from_slice(&stamp.hub_time.as_nanos().to_le_bytes());
    fields[28..36].copy_from_slice(&stamp.offset.to_le_bytes());
    fields[36..44].copy_from_slice(&stamp.uncertainty.unwrap_or(u64::MAX).to_le_bytes());
    fields
}

/// A source's whole dictionary.
///
/// It takes no sequence itself. Where `missing` is not `None` it stands in for updates that are no more; one that nobody
/// asked for, and so is not `replayed`, says by it that its epoch began after a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State<'a> {
    /// The hub's number of the (source, epoch).
    pub source: u32,
    /// The last update that the dictionary holds.
    pub sequence: u64,
    /// The clocks at that update.
    pub stamp: Stamp,
    /// The updates that it stands in for.
    pub missing: Option<MissingFrom>,
    /// The last one that answers a Resume.
    pub end_of_slice: bool,
    /// Sent again from a spool.
    pub replayed: bool,
    /// One MessagePack map.
    pub dictionary: &'a [u8],
}

/// Updates that a writer no longer has, up to the State's sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingFrom {
    /// The first one missing.
    pub first: u64,
    /// Since when they are missing, by the writer's clock; zero where that is not known either.
    pub since: Time,
    /// Why; where there are several reasons, the first one's.
    pub reason: GapReason,
}

impl<'a> State<'a> {
    pub(super) fn read(fields: &mut Fields<'a>, flags: u8) -> Result<Self, PacketError> {
        Ok(Self {
            source: Field::read(fields)?,
            sequence: Field::read(fields)?,
            stamp: Field::read(fields)?,
            missing: Field::read(fields)?,
            end_of_slice: flags & flags::END_OF_SLICE != 0,
            replayed: flags & flags::REPLAYED != 0,
            dictionary: fields.rest(),
        })
    }

    /// Appends it as a frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let flags = slice_flags(self.end_of_slice, self.replayed);
        frame::write(out, Kind::State, Encoding::MessagePack, flags, |out| {
            out.extend_from_slice(&fixed_fields(self.source, self.sequence, &self.stamp));
            self.missing.write(out);
            out.extend_from_slice(self.dictionary);
        });
    }
}

fn slice_flags(end_of_slice: bool, replayed: bool) -> u8 {
    (u8::from(end_of_slice) * flags::END_OF_SLICE) | (u8::from(replayed) * flags::REPLAYED)
}

fn sequence(fields: &mut Fields<'_>) -> Result<u64, PacketError> {
    match Field::read(fields)? {
        0 => Err(fields.invalid("sequence", 0)),
        sequence => Ok(sequence),
    }
}

impl<'a> Field<'a> for Stamp {
    fn read(fields: &mut Fields<'a>) -> Result<Self, PacketError> {
        Ok(Self {
            writer_time: Field::read(fields)?,
            hub_time: Field::read(fields)?,
            offset: Field::read(fields)?,
            uncertainty: Field::read(fields)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.writer_time.write(out);
        self.hub_time.write(out);
        self.offset.write(out);
        self.uncertainty.write(out);
    }
}

impl<'a> Field<'a> for Option<MissingFrom> {
    fn read(fields: &mut Fields<'a>) -> Result<Self, PacketError> {
        let (first, since, code): (u64, Time, u8) =
            (Field::read(fields)?, Field::read(fields)?, Field::read(fields)?);
        if first == 0 {
            return Ok(None);
        }
        let reason = GapReason::from_code(code).ok_or_else(|| fields.invalid("gap reason", code.into()))?;
        Ok(Some(MissingFrom { first, since, reason }))
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.map_or(0, |missing| missing.first).write(out);
        self.map_or(Time::default(), |missing| missing.since).write(out);
        self.map_or(0, |missing| missing.reason.code()).write(out);
    }
}

packet! {
    /// How far a receiver holds a source, at the level that was asked for.
    pub struct Ack {
        /// The hub's number of the (source, epoch).
        source: u32,
        /// Every update up to this one is held, or known to be missing.
        sequence: u64,
    }
}

packet! {
    /// Where to send on from: a hub to a writer, a durable subscriber to a hub.
    pub struct Resume {
        /// The hub's number of the (source, epoch).
        source: u32,
        /// The last update held.
        after: u64,
        /// From a durable subscriber: the highest epoch that it holds of the source's name; from a hub 0.
        highest: u64,
        /// From a hub: how many updates the slice may have at most; from a durable subscriber 0.
        updates: u32,
        /// From a hub: how many bytes of frames, but for the first; from a durable subscriber 0.
        bytes: u32,
    }
}

packet! {
    /// A wish for sources.
    pub struct Subscribe<'a> {
        /// The subscription's number, chosen by the client.
        id: u32,
        /// How.
        mode: Mode,
        /// `pattern` is the beginning of names, not a name.
        prefix: bool,
        /// For `latest`: the least time between two updates of a source, milliseconds.
        interval: u32,
        /// Which.
        pattern: &'a str,
    }
}

packet! {
    /// The end of a subscription.
    pub struct Unsubscribe {
        /// Which.
        id: u32,
    }
}

packet! {
    /// A source that a subscription matches: sent before anything else of it, and whenever its presence changes.
    pub struct Source<'a> {
        /// The number of the (source, epoch) on this hub in this run.
        id: u32,
        /// The writer's life.
        epoch: u64,
        /// The epoch before it, as its writer knows; 0: none.
        previous: u64,
        /// Its writer is connected.
        online: bool,
        /// It is the rest of an epoch that is over: for loggers only.
        replay: bool,
        /// The source's name.
        name: &'a str,
        /// The name of the client that writes it.
        writer: &'a str,
        /// Where it is offline: why.
        reason: &'a str,
    }
}

impl Source<'_> {
    /// The [`reason`](Self::reason) of one that is forgotten because its writer's identity may not write it any more.
    pub const WITHDRAWN: &'static str = "access withdrawn";
    /// The [`reason`](Self::reason) of one that somebody had the hub forget.
    pub const FORGOTTEN: &'static str = "forgotten";

    /// Whether the hub knows nothing of it any more: its number is never used again, and an epoch of its name that comes
    /// after counts, whatever it is.
    pub fn is_forgotten(&self) -> bool {
        !self.online && [Self::WITHDRAWN, Self::FORGOTTEN].contains(&self.reason)
    }
}

packet! {
    /// Every state there is for a subscription has been sent.
    pub struct Current {
        /// Which subscription.
        subscription: u32,
    }
}
