//! Which loggers there are, and who is told of them.
//!
//! Writers choose by it what their acknowledgements mean. So a logger counts for a client only if it may log something that
//! the client may write: where there are no rules, each for everybody.

use dict_protocol::packet::{Logger, LoggerPresence, Packet};

use crate::access::{Access, Standing};
use crate::hub::Hub;
use crate::peers::PeerIndex;

/// As whom clients have subscribed as loggers in this run: no more than there are identities.
#[derive(Debug, Default)]
pub(crate) struct Loggers {
    known: Vec<Known>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    standing: Standing,
    is_here: bool,
}

impl Loggers {
    /// What a client is told that stands for this.
    pub(crate) fn presence(&self, standing: &Standing) -> LoggerPresence {
        presence(self.known.iter().filter(|logger| logger.standing.logs_for(standing)))
    }

    /// Whether there is any at all, whoever it counts for.
    pub(crate) fn any(&self) -> LoggerPresence {
        presence(self.known.iter())
    }

    fn note(&mut self, standing: Standing, is_here: bool) {
        match self.known.iter_mut().find(|known| known.standing == standing) {
            Some(known) => known.is_here |= is_here,
            None => self.known.push(Known { standing, is_here }),
        }
    }

    /// Those that are known stand for what the rules say of them now.
    fn follow(&mut self, access: Option<&Access>) {
        for Known { standing, is_here } in std::mem::take(&mut self.known) {
            let standing = match (standing, access) {
                (Standing::Limited(identity), Some(access)) => {
                    access.named(&identity.name).cloned().map(Standing::Limited)
                }
                (Standing::Nobody(_), _) => None,
                (Standing::Unlimited, _) | (_, None) => Some(Standing::Unlimited),
            };
            if let Some(standing) = standing {
                self.note(standing, is_here);
            }
        }
    }
}

fn presence<'a>(loggers: impl Iterator<Item = &'a Known>) -> LoggerPresence {
    match loggers.map(|logger| logger.is_here).max() {
        None => LoggerPresence::Never,
        Some(false) => LoggerPresence::Away,
        Some(true) => LoggerPresence::Present,
    }
}

impl Hub {
    /// A logger came or went: tells each client whether there is one for it, if that changed.
    pub(crate) fn loggers_changed(&mut self) {
        let before = self.loggers.known.clone();
        self.loggers.known.iter_mut().for_each(|logger| logger.is_here = false);
        for (_, peer) in self.peers.iter().filter(|(_, peer)| peer.is_logger()) {
            self.loggers.note(peer.standing.clone(), true);
        }
        if self.loggers.known != before {
            self.tell_of_loggers();
        }
    }

    /// The rules have changed, and those whom that concerns were ended.
    pub(crate) fn logger_rules_changed(&mut self) {
        self.loggers.follow(self.access.as_ref());
        self.tell_of_loggers();
    }

    fn tell_of_loggers(&mut self) {
        let all: Vec<PeerIndex> =
            self.peers.iter().filter(|(_, peer)| peer.is_open()).map(|(index, _)| index).collect();
        for index in all {
            let peer = &mut self.peers[index];
            let presence = match self.loggers.presence(&peer.standing) {
                // There was one, whatever the rules say now.
                LoggerPresence::Never if peer.logger != LoggerPresence::Never => LoggerPresence::Away,
                presence => presence,
            };
            if std::mem::replace(&mut peer.logger, presence) != presence {
                self.peers.send(index, &Packet::Logger(Logger { presence }));
            }
        }
    }
}
