//! The streams that parties wish for.

use dict_protocol::time::{Instant, Now};

use super::node::{Node, Way};
use super::party::{Origin, Wish};
use super::stage::Stage;
use crate::application::Retry;
use crate::io::Io;

/// A stream to the hub that is to be.
pub(super) struct Joining {
    at: Instant,
    guest: usize,
    place: u32,
    address: String,
    identity: String,
}

/// Whom a link is made for.
#[derive(Clone, Copy)]
pub(super) struct Reaching {
    pub(super) guest: usize,
    pub(super) place: u32,
    pub(super) retry: Retry,
}

impl Node {
    /// Hears what a party wishes now.
    pub(super) fn take_wishes(&mut self, io: &mut Io<'_>, guest: usize) {
        while let Some(wish) = self.guests[guest].party.poll_wish() {
            match wish {
                Wish::Join { place, address, identity, after } => {
                    let at = io.now().instant + after;
                    self.joins.push(Joining { at, guest, place, address, identity });
                }
                Wish::Reach { place, address, retry, tls } => {
                    let link = match tls {
                        Some(tls) => io.connect_encrypted(&address, retry, tls),
                        None => io.connect(&address, retry),
                    };
                    self.links.insert(link, Reaching { guest, place, retry });
                }
            }
        }
    }

    /// Joins to the hub what is due. Returns whether anything was.
    pub(super) fn join_due(&mut self, now: Now) -> bool {
        if self.stage != Stage::Running {
            return false;
        }
        let due: Vec<_> = self.joins.extract_if(.., |joining| joining.at <= now.instant).collect();
        for Joining { guest, place, address, identity, .. } in &due {
            let stream = self.new_stream();
            let connection = self.hub.open_local(now, address, identity);
            self.locals.insert(connection, (*guest, stream));
            self.ways.insert(stream, Way::Local(connection));
            self.guests[*guest].party.opened(now, stream, Origin::Local(*place), address);
        }
        !due.is_empty()
    }

    /// When somebody is to be joined next.
    pub(super) fn next_join(&self) -> Option<Instant> {
        self.joins.iter().map(|joining| joining.at).min()
    }
}
