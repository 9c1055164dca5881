//! Moving what is ready: between the hub and the parties at once, to sockets by asking for a write.

use dict_hub::ConnectionId;
use dict_protocol::time::Now;

use super::node::{Node, Owner, Way};
use super::party::StreamId;
use crate::application::Close;
use crate::io::Io;

/// Rounds between the hub and the parties in one turn; what is left goes on in the next.
const ROUNDS: usize = 32;

impl Node {
    /// Moves everything that is ready. Returns whether there was anything between the hub and the parties.
    pub(super) fn exchange(&mut self, io: &mut Io<'_>) -> bool {
        let now = io.now();
        for round in 0..ROUNDS {
            let hub_moved = self.serve_hub(io, now);
            let parties_moved = self.serve_parties(io, now);
            if !hub_moved && !parties_moved {
                self.log_notices(now);
                return round > 0;
            }
        }
        io.again();
        true
    }

    /// Ends the hub's turn and sends on what it has. Returns whether a party got some of it.
    fn serve_hub(&mut self, io: &mut Io<'_>, now: Now) -> bool {
        self.hub.end_turn(now);
        let mut moved = false;
        while let Some(id) = self.hub.poll_ready() {
            if let Some(&token) = self.sockets.get(id) {
                io.write(token);
                if self.hub.is_ended(id) {
                    io.close(token, Close::Drain);
                }
            } else if let Some(&(guest, stream)) = self.locals.get(&id) {
                moved |= self.give_local(now, id, guest, stream);
            }
        }
        moved || self.hub.wants_turn()
    }

    /// Hands a party what the hub has for it.
    fn give_local(&mut self, now: Now, id: ConnectionId, guest: usize, stream: StreamId) -> bool {
        let guest = &mut self.guests[guest];
        if !guest.takes_input {
            if !self.held_up.contains(&id) {
                self.held_up.push(id);
            }
            return false;
        }
        let count = self.hub.output(id).len();
        if count > 0 {
            guest.party.received(now, stream, self.hub.output(id));
            self.hub.wrote(id, count);
        }
        if self.hub.is_ended(id) {
            self.hub.closed(now, id, "ended");
            self.end_local(now, id, "the hub ended the connection");
        }
        count > 0
    }

    /// A local stream is over for the hub; the party is told.
    fn end_local(&mut self, now: Now, id: ConnectionId, reason: &str) {
        if let Some((guest, stream)) = self.locals.remove(&id) {
            self.ways.remove(&stream);
            self.guests[guest].party.closed(now, stream, reason);
        }
    }

    /// Ends the parties' turns, sends on what they have, and grants what they wish. Returns whether the hub got some of
    /// it, or a party a stream.
    fn serve_parties(&mut self, io: &mut Io<'_>, now: Now) -> bool {
        let mut moved = false;
        for guest in 0..self.guests.len() {
            self.guests[guest].party.end_turn(now);
            self.hold_up(io, guest);
            while let Some(stream) = self.guests[guest].party.poll_ready() {
                moved |= self.take(io, now, guest, stream);
            }
            self.take_wishes(io, guest);
        }
        self.join_due(now) || moved
    }

    /// Takes what a party has for one of its streams.
    fn take(&mut self, io: &mut Io<'_>, now: Now, guest: usize, stream: StreamId) -> bool {
        let party = &mut self.guests[guest].party;
        match self.ways.get(&stream) {
            Some(&Way::Socket(token)) => {
                io.write(token);
                if party.is_established(stream) {
                    io.established(token);
                }
                if let Some(how) = party.ending(stream) {
                    io.close(token, how);
                }
                false
            }
            Some(&Way::Local(id)) => {
                let count = party.output(stream).len();
                if count > 0 {
                    self.hub.receive(now, id, party.output(stream));
                    party.written(now, stream, count);
                }
                if party.ending(stream).is_some() {
                    self.hub.closed(now, id, "the party ended the connection");
                    self.end_local(now, id, "ended");
                }
                count > 0
            }
            None => false,
        }
    }

    /// Stops or resumes a party's input, as it wishes.
    fn hold_up(&mut self, io: &mut Io<'_>, place: usize) {
        let guest = &mut self.guests[place];
        let takes = guest.party.takes_input();
        if std::mem::replace(&mut guest.takes_input, takes) == takes {
            return;
        }
        for &(token, owner) in self.owners.iter() {
            if matches!(owner, Owner::Party(other, _) if other == place) {
                if takes {
                    io.resume_reading(token);
                } else {
                    io.pause_reading(token);
                }
            }
        }
        if takes {
            for id in std::mem::take(&mut self.held_up) {
                if let Some(&(guest, stream)) = self.locals.get(&id) {
                    self.give_local(io.now(), id, guest, stream);
                }
            }
            io.again();
        }
    }
}
