//! Packets between clients that are nobody's state: messages, requests and replies.

use super::fields::{Field, Fields, code, packet};
use super::{PacketError, Payload};
use crate::frame::Encoding;

packet! {
    /// The fixed fields of a [`Message`].
    pub struct MessageFields<'a> {
        /// The sender's number for it: an Error refers to it.
        id: u32,
        /// The name of the client it is for; empty: everybody who subscribed to messages.
        to: &'a str,
        /// The name of the client that sent it; empty on the way to the hub.
        from: &'a str,
    }
}

packet! {
    /// The fixed fields of a [`Request`].
    pub struct RequestFields<'a> {
        /// The asker's number for it on this connection; on the way to the handler, the hub's.
        id: u32,
        /// How long the answer is waited for, milliseconds from now.
        deadline: u32,
        /// What is to be done.
        action: &'a str,
        /// The name of the client that is to answer; empty: whoever handles the action.
        to: &'a str,
        /// The name of the client that asks; empty on the way to the hub.
        from: &'a str,
    }
}

packet! {
    /// The fixed fields of a [`Reply`].
    pub struct ReplyFields {
        /// The request's number.
        id: u32,
        /// What became of it.
        status: Status,
    }
}

code! {
    /// What became of a request.
    pub enum Status: u8 = "status" {
        /// It was answered: the payload is the result.
        Result = 0,
        /// Its handler failed: the payload is a text that says why.
        Failed = 1,
        /// Nobody handles the action, or nobody of that name is connected.
        NoHandler = 2,
        /// The handler went away in between: it may have been done or not.
        Unknown = 3,
        /// No answer came in time: it may have been done or not.
        Late = 4,
        /// The hub did not pass it on; the payload is a text that says why.
        Refused = 5,
    }
}

macro_rules! with_payload {
    ($(#[$doc:meta])* $name:ident<'a>, $fields:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<'a> {
            /// The fixed fields.
            pub fields: $fields,
            /// What it carries.
            pub payload: Payload<'a>,
        }

        impl<'a> $name<'a> {
            pub(super) fn read(fields: &mut Fields<'a>, encoding: Encoding) -> Result<Self, PacketError> {
                let fixed = Field::read(fields)?;
                Ok(Self { fields: fixed, payload: Payload { encoding, bytes: fields.rest() } })
            }
        }
    };
}

with_payload! {
    /// Text, bytes or a value, to everybody or to one client.
    Message<'a>, MessageFields<'a>
}
with_payload! {
    /// A question with a value, which is answered once.
    Request<'a>, RequestFields<'a>
}
with_payload! {
    /// The answer to a [`Request`].
    Reply<'a>, ReplyFields
}

packet! {
    /// An action that a client answers, or no longer does.
    pub struct Handle<'a> {
        /// Whether it does.
        handling: Handling,
        /// The action; empty: every one that has no handler of its own.
        action: &'a str,
    }
}

code! {
    /// Which requests for an action a client answers.
    pub enum Handling: u8 = "kind of handling" {
        /// None any more.
        Off = 0,
        /// Each, if it is the first of those that do.
        On = 1,
        /// Those alone that are for it by name.
        Addressed = 2,
    }
}

packet! {
    /// A message that was for this client alone, and that it cannot take: its sender is told.
    pub struct Refuse<'a> {
        /// [`MessageFields::id`], as it came.
        id: u32,
        /// [`MessageFields::from`], as it came.
        to: &'a str,
        /// Why, for people.
        text: &'a str,
    }
}
