//! Packets.

use alloc::vec::Vec;

use super::Choices;
use crate::decoder::Decoder;
use crate::frame::{self, Encoding, Frame, Kind};
use crate::packet::Packet;

/// Every kind, so that a choice of one byte reaches each.
const KINDS: [Kind; 24] = [
    Kind::Hello,
    Kind::Welcome,
    Kind::Error,
    Kind::Bye,
    Kind::Ping,
    Kind::Pong,
    Kind::Logger,
    Kind::Announce,
    Kind::Announced,
    Kind::Update,
    Kind::End,
    Kind::State,
    Kind::Ack,
    Kind::Resume,
    Kind::Subscribe,
    Kind::Unsubscribe,
    Kind::Source,
    Kind::Current,
    Kind::Message,
    Kind::Request,
    Kind::Reply,
    Kind::Handle,
    Kind::Refuse,
    Kind::Ignorable,
];

/// A body is refused, or it is a packet that comes out the same when it is written and read again.
///
/// The first bytes choose the frame's kind, encoding and flags; the rest is the body.
///
/// # Panics
///
/// If it does not hold.
pub fn packet_round_trip(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let kind = KINDS[usize::from(choices.below(KINDS.len() as u8))];
    let encoding = Encoding::from_code(choices.below(5)).unwrap_or(Encoding::None);
    let flags = choices.below(4);
    let mut first = Vec::new();
    frame::write(&mut first, kind, encoding, flags, |out| out.extend_from_slice(choices.rest()));

    let mut decoder = Decoder::new(u32::MAX);
    let Ok(Some(frame)) = decoder.decode(&mut &first[..]) else { return };
    let Ok(packet) = Packet::parse(&frame) else { return };
    let mut second = Vec::new();
    packet.encode(&mut second);
    if packet == Packet::Ignorable {
        assert!(second.is_empty(), "what is ignored is not sent");
        return;
    }

    let mut decoder = Decoder::new(u32::MAX);
    let again: Frame<'_> = decoder
        .decode(&mut &second[..])
        .expect("what is written is a frame")
        .expect("what is written is whole");
    assert_eq!((again.kind, again.encoding, again.flags), (frame.kind, frame.encoding, frame.flags));
    assert_eq!(Packet::parse(&again).expect("what is written can be read"), packet);
}
