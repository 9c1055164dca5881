//! Every rule that can be broken on purpose, to show that the simulation notices.
//!
//! A hub's own rules are broken in the hub (`dict_hub::Rule`); a logger's and a disk's by the [`Logger`](super::logger) and
//! the [`Disk`](super::disk) around the real recorder; a client's by changing what it says on its way to the hub.

use std::collections::BTreeMap;
use std::fmt;

use dict_hub::Rule;
use dict_protocol::decoder::Decoder;
use dict_protocol::packet::{Announce, Hello, Packet};

use super::network::LinkId;

/// Longer than any body.
const BODY: u32 = 1 << 20;

/// A rule that a run breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// One of the hub's.
    Hub(Rule),
    /// A logger acknowledges what is not synced.
    AcknowledgeBeforeSync,
    /// A logger stores what it holds already.
    RepetitionStored,
    /// A gap between epochs is not stored.
    GapNotStored,
    /// A State is stored without the gap that it stands for.
    StateWithoutGap,
    /// A State is stored in one transaction, and its gap in the next.
    StateBeforeGap,
    /// After a gap to an epoch's beginning nothing of older epochs is stored, as though they were held.
    GapMovesPosition,
    /// A writer sends no State for what the hub has not seen of it.
    NoStateForLive,
    /// A writer whose epoch was accepted announces it without "take over".
    NoTakeOver,
    /// A writer that begins again with its spool has another client id.
    ClientIdNotKept,
    /// A writer's output is sent before its spool is stored.
    SentBeforeKept,
    /// A client sends no heartbeats.
    NoHeartbeat,
    /// A request reaches its handler twice.
    RequestTwice,
    /// A message reaches its receiver twice.
    MessageTwice,
}

impl Broken {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Hub(Rule::LoggersAcknowledge),
        Self::Hub(Rule::UntoldHoldsNothing),
        Self::Hub(Rule::LowerIsRefused),
        Self::Hub(Rule::ReplacedIsTold),
        Self::Hub(Rule::LastIsPassedOn),
        Self::Hub(Rule::HighestIsLearned),
        Self::Hub(Rule::AckFollowsAnnounced),
        Self::Hub(Rule::ResumeIsAck),
        Self::Hub(Rule::GoingClosesResume),
        Self::Hub(Rule::RoomIsReserved),
        Self::Hub(Rule::ReplayIsWithdrawn),
        Self::AcknowledgeBeforeSync,
        Self::RepetitionStored,
        Self::GapNotStored,
        Self::StateWithoutGap,
        Self::StateBeforeGap,
        Self::GapMovesPosition,
        Self::NoStateForLive,
        Self::NoTakeOver,
        Self::ClientIdNotKept,
        Self::SentBeforeKept,
        Self::NoHeartbeat,
        Self::RequestTwice,
        Self::MessageTwice,
    ];
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub(rule) => write!(f, "not: {rule:?}"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// What a client says, changed on its way to the hub.
#[derive(Debug, Default)]
pub(super) struct Tamper {
    decoders: BTreeMap<LinkId, Decoder>,
}

impl Tamper {
    /// Whether a rule is broken on the way.
    pub(super) fn is_for(broken: Option<Broken>) -> bool {
        matches!(
            broken,
            Some(Broken::NoStateForLive | Broken::NoTakeOver | Broken::ClientIdNotKept | Broken::NoHeartbeat)
        )
    }

    /// What the hub gets in place of `bytes`, from a client whose program was begun `starts` times before.
    pub(super) fn change(
        &mut self,
        broken: Option<Broken>,
        link: LinkId,
        mut bytes: &[u8],
        starts: u8,
    ) -> Vec<u8> {
        let decoder = self.decoders.entry(link).or_insert_with(|| Decoder::new(BODY));
        let mut changed = Vec::new();
        loop {
            match decoder.decode(&mut bytes) {
                Ok(None) => return changed,
                Ok(Some(frame)) => match Packet::parse(&frame) {
                    Ok(packet) => say(broken, &packet, starts, &mut changed),
                    Err(_) => return vec![0],
                },
                // Something that is no frame either.
                Err(_) => {
                    changed.push(0);
                    return changed;
                }
            }
        }
    }
}

fn say(broken: Option<Broken>, packet: &Packet<'_>, starts: u8, out: &mut Vec<u8>) {
    match (broken, packet) {
        (Some(Broken::NoStateForLive), Packet::State(state)) if !state.replayed => {}
        (Some(Broken::NoHeartbeat), Packet::Ping(ping)) if ping.id > 1 => {}
        (Some(Broken::NoTakeOver), Packet::Announce(announce)) => {
            Packet::Announce(Announce { take_over: false, ..*announce }).encode(out);
        }
        (Some(Broken::ClientIdNotKept), Packet::Hello(hello)) => {
            let mut client_id = hello.client_id;
            client_id[15] ^= starts;
            Packet::Hello(Hello { client_id, ..*hello }).encode(out);
        }
        (_, packet) => packet.encode(out),
    }
}
