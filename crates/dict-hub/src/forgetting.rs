//! What is taken away while the hub runs: rights, when the rules change, and sources that are to be known no longer.
//!
//! A source that is forgotten is for everybody as if the hub had been started anew for it alone: subscribers are told that
//! it is offline and why, new ones do not get it, and a writer that announces it, of any epoch, is taken as the first. What
//! loggers hold of it they go on holding, and they tell the hub of its epochs when it comes again.

use std::sync::Arc;

use dict_protocol::connection::ConnectionError;
use dict_protocol::packet::{Packet, Source as SourcePacket, Status};
use dict_protocol::time::Now;

use crate::access::{Access, LOCAL, Right, Standing};
use crate::hub::Hub;
use crate::journal::Event;
use crate::peers::{Due, Peer, PeerIndex};
use crate::sources::{SourceId, Writer};

impl Hub {
    /// Who may do what from now on; `None`, as at the start: everybody everything.
    ///
    /// Each connection whose identity is gone or is not exactly what it was is ended, with an error that asks it to connect
    /// again: then all that it wants is judged by the new rules. The others notice nothing. A source whose last writer's
    /// identity may not write it any more is forgotten.
    pub fn set_access(&mut self, now: Now, access: Option<Access>) {
        self.access = access;
        let ended: Vec<PeerIndex> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.is_open() && !self.stands(peer))
            .map(|(index, _)| index)
            .collect();
        let error = ConnectionError::Forbidden("access rules changed: connect again".to_owned());
        for index in ended {
            self.fail(now, index, &error);
        }
        self.logger_rules_changed();
        self.withdraw_sources(now);
        self.settle(now);
    }

    /// Whether a connection that was accepted stands for the same as before.
    fn stands(&self, peer: &Peer) -> bool {
        let access = self.access.as_ref();
        match (peer.local(), &peer.standing) {
            (Some(name), standing) => Standing::of_local(access, name) == *standing,
            (None, Standing::Nobody(_)) => false,
            (None, Standing::Unlimited) => access.is_none(),
            (None, Standing::Limited(identity)) => {
                access.and_then(|access| access.named(&identity.name)) == Some(identity)
            }
        }
    }

    /// Forgets what was written by whoever may not write it now.
    fn withdraw_sources(&mut self, now: Now) {
        let Some(access) = &self.access else { return };
        let may_write = |identity: Option<&str>, name: &str| match identity {
            Some(LOCAL) => true,
            Some(identity) => {
                access.named(identity).is_some_and(|known| known.rights.permit(Right::Write, name))
            }
            None => false,
        };
        let withdrawn: Vec<SourceId> = self
            .sources
            .names
            .iter()
            .filter(|(name, _)| !name.starts_with('$'))
            .flat_map(|(_, name)| name.replays.iter().copied().chain(name.current))
            .filter(|&id| {
                let source = &self.sources[id];
                !may_write(source.identity.as_deref(), &source.name)
            })
            .collect();
        for id in withdrawn {
            self.forget_epoch(now, id, SourcePacket::WITHDRAWN);
        }
    }

    /// Forgets a source that nobody writes, as a client asks.
    pub(crate) fn forget(&mut self, now: Now, asker: PeerIndex, name: &str) -> Result<(), (Status, String)> {
        let standing = &self.peers[asker].standing;
        if !standing.permits(Right::Write, name) {
            let text = standing.lacks(Right::Write, format_args!("source {name:?}"));
            return Err((Status::Refused, text));
        }
        let Some(entry) = self.sources.names.get(name).filter(|_| !name.starts_with('$')) else {
            return Err((Status::Failed, format!("there is no source {name:?}, or it is the hub's own")));
        };
        let epochs: Vec<SourceId> = entry.replays.iter().copied().chain(entry.current).collect();
        if let Some(written) = epochs.iter().map(|&id| &self.sources[id]).find(|source| source.has_writer()) {
            let writer = &written.writer_name;
            return Err((
                Status::Failed,
                format!("source {name:?} has a writer, {writer:?}: end that first"),
            ));
        }
        for id in epochs {
            self.forget_epoch(now, id, SourcePacket::FORGOTTEN);
        }
        // Of a name that has no epoch left, the highest may still be known.
        self.sources.names.remove(name);
        Ok(())
    }

    /// Forgets an epoch of a source, and with its last one the source.
    fn forget_epoch(&mut self, now: Now, id: SourceId, reason: &'static str) {
        let source = &mut self.sources[id];
        let (name, client, identity) =
            (source.name.clone(), source.writer_name.clone(), source.identity.clone());
        let writer = std::mem::replace(&mut source.writer, Writer::Nobody);
        source.offline = reason.into();
        let is_current = !source.replay;
        if let Writer::Peer(writer) = writer {
            self.peers[writer].stop_writing(id);
        }
        self.tell_forgotten(now, id);
        self.drop_source(id);
        self.refresh_held(&name);
        if is_current {
            let (client, identity) = (&*client, identity.as_deref());
            self.journal.event(now.time, Event::Offline { source: &name, client, identity, reason });
        }
        let names = &mut self.sources.names;
        if names.get(&name).is_some_and(|entry| entry.current.is_none() && entry.replays.is_empty()) {
            names.remove(&name);
        }
    }

    /// Tells a source's subscribers that it is no more, each when it has room, in words that outlive the source.
    fn tell_forgotten(&mut self, now: Now, id: SourceId) {
        let source = &self.sources[id];
        let mut frame = Vec::new();
        Packet::Source(source.presence()).encode(&mut frame);
        let frame: Arc<[u8]> = frame.into();
        let watchers = source.watchers.iter().map(|watcher| watcher.peer);
        let followers = source.followers.iter().map(|follower| follower.peer);
        let peers: Vec<PeerIndex> = watchers.chain(followers).collect();
        for peer in peers {
            if !self.peers[peer].is_open() {
                continue;
            }
            // One that does not read must not grow its list by others' forgetting again and again.
            if self.peers[peer].owed() < self.config.limits.sources {
                self.owe(peer, Due::Forgotten(frame.clone()));
            } else {
                self.deliver(now, peer, &frame);
            }
        }
    }
}
