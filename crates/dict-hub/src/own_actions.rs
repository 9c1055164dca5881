//! The actions that the hub answers itself. Their names begin with `$`.
//!
//! | action | value | result |
//! |---|---|---|
//! | `$sources` | a pattern as text, or null | a list of `source`, `epoch`, `online`, `replay`, `writer`, `level`, `sequence`, `keys`, `reason` |
//! | `$clients` | null | a list of `name`, `address`, `product`, `since` (ns since 1970), `writes`, `subscriptions`, `queued` (bytes), with rules also `identity` |
//! | `$status` | null | `hub`, `run`, `version`, `uptime_s`, `connections`, `sources`, `requests`, `logger` |
//! | `$note` | a text | null, once every logger has it on disk |
//! | `$forget` | the name of a source that nobody writes | null: nothing is known of it any more |
//!
//! Where there are rules, `$sources` lists what the asker may read, and what it has forgotten it must have the right to
//! write. `logger` is whether there is any, for whomever it counts.

use std::sync::Arc;

use dict_protocol::packet::{Level, LoggerPresence, Status};
use dict_protocol::pattern::Pattern;
use dict_protocol::time::Now;
use dict_protocol::value::{Dictionary, Value};

use crate::access::Right;
use crate::hub::Hub;
use crate::journal::Event;
use crate::peers::Peer;
use crate::sources::Source;

impl Hub {
    pub(crate) fn own_action(&mut self, now: Now, number: u32) {
        let Some((asker, action, value)) = self.asked(number) else { return };
        let action = action.to_owned();
        match action.as_str() {
            "$sources" => {
                let pattern = value.as_str().map_or_else(Pattern::all, Pattern::parse);
                let list = self.sources.matching(&pattern);
                let standing = &self.peers[asker].standing;
                let list = list
                    .into_iter()
                    .map(|id| &self.sources[id])
                    .filter(|source| standing.permits(Right::Read, &source.name))
                    .map(describe_source)
                    .collect();
                self.answer_value(now, number, Value::List(list));
            }
            "$clients" => {
                let open = self.peers.iter().filter(|(_, peer)| peer.is_open());
                let list = open.map(|(index, peer)| describe_client(peer, self.identity(index))).collect();
                self.answer_value(now, number, Value::List(list));
            }
            "$status" => self.answer_value(now, number, self.describe_hub(now)),
            "$note" => {
                let Some(text) = value.as_str() else {
                    return self.answer_text(now, number, Status::Failed, "a note is a text");
                };
                // One that follows other sources alone would never have it.
                if self.sources[self.journal.source].followers.is_empty() {
                    return self.answer_text(now, number, Status::Failed, "there is no logger to note it");
                }
                let from = Box::<str>::from(self.peers[asker].name());
                self.journal.event(now.time, Event::Note { from: &from, text });
                let sequence = self.journal.sequence();
                self.journal.notes.push_back((sequence, number));
            }
            "$forget" => {
                let Some(name) = value.as_str() else {
                    return self.answer_text(
                        now,
                        number,
                        Status::Failed,
                        "what is to be forgotten is a source's name",
                    );
                };
                match self.forget(now, asker, name) {
                    Ok(()) => self.answer_value(now, number, Value::Null),
                    Err((status, text)) => self.answer_text(now, number, status, &text),
                }
            }
            _ => {
                let text = format!(
                    "the hub has no action {action:?}; it has $sources, $clients, $status, $note, $forget"
                );
                self.answer_text(now, number, Status::NoHandler, &text);
            }
        }
    }

    /// A note is on disk.
    pub(crate) fn note_logged(&mut self, now: Now, number: u32) {
        self.answer_value(now, number, Value::Null);
    }

    fn describe_hub(&self, now: Now) -> Value {
        let logger = match self.loggers.any() {
            LoggerPresence::Never => "never",
            LoggerPresence::Away => "away",
            LoggerPresence::Present => "present",
        };
        dictionary([
            ("hub", self.config.name.as_str().into()),
            ("run", self.config.run.into()),
            ("version", self.config.product.as_str().into()),
            ("uptime_s", now.instant.since(self.started.instant).as_secs().into()),
            ("connections", (self.peers.len() as u64).into()),
            ("sources", (self.sources.len() as u64).into()),
            ("requests", (self.exchange.open_requests() as u64).into()),
            ("logger", logger.into()),
        ])
    }
}

fn describe_source(source: &Source) -> Value {
    let level = match source.level {
        Level::None => "none",
        Level::Received => "received",
        Level::Logged => "logged",
    };
    dictionary([
        ("source", (&*source.name).into()),
        ("epoch", source.epoch.into()),
        ("online", source.is_online().into()),
        ("replay", source.replay.into()),
        ("writer", (&*source.writer_name).into()),
        ("level", level.into()),
        ("sequence", source.newest.into()),
        ("keys", (source.state.len() as u64).into()),
        ("reason", (&*source.offline).into()),
    ])
}

/// With its identity, where there are rules.
fn describe_client(peer: &Peer, identity: Option<Arc<str>>) -> Value {
    let identity = identity.map(|identity| ("identity".to_owned(), Value::from(&*identity)));
    let known: [(&str, Value); 7] = [
        ("name", peer.name().into()),
        ("address", peer.address().into()),
        ("product", peer.product().into()),
        ("since", peer.since.as_nanos().into()),
        ("writes", (peer.dealings().writes.len() as u64).into()),
        ("subscriptions", (peer.subscriptions.len() as u64).into()),
        ("queued", (peer.connection.output.len() as u64).into()),
    ];
    let known = known.into_iter().map(|(key, value)| (key.to_owned(), value));
    Value::Dictionary(known.chain(identity).collect())
}

fn dictionary<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Dictionary(pairs.into_iter().collect::<Dictionary>())
}
