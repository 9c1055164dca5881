//! The logger's part on the server's loop: sessions with hubs, the recorder's decisions, and the thread that commits.
//!
//! Updates come on one session a hub: the one of this process over a local stream, others over TCP. The recorder decides
//! what of it is new and gathers it into batches; the committer puts those on the disk and gives them back; only then
//! does the recorder answer the hubs.

use std::collections::{HashMap, VecDeque};
use std::iter;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dict_event_loop::server::{Origin, Party, StreamId, Wish, access};
use dict_event_loop::{Close, Retry, may_send_token, token_is_withheld};
use dict_protocol::connection::ConnectionError;
use dict_protocol::frame::Encoding;
use dict_protocol::link as protocol;
use dict_protocol::packet::{Mode, Payload};
use dict_protocol::pattern::Pattern;
use dict_protocol::record::Batch;
use dict_protocol::recorder::{Answer, LinkIndex, Recorder};
use dict_protocol::session::{Event, Session, Settings};
use dict_protocol::time::{Instant, Now};
use dict_timeline::{Committer, Outage, Refused};

use crate::serve::Remote;

/// Batches on their way to the disk; while there are so many, a small one waits to grow.
const UNDER_WAY: usize = 2;

/// A batch of so many entries waits no longer.
const LARGE: usize = 5_000;

/// Where the link to this process's own hub stands.
const LOCAL: u32 = 0;

/// How that connection is named to people.
const OWN_ADDRESS: &str = "this process";

/// Between the end of the connection to the own hub and the next.
const REJOIN: Duration = Duration::from_millis(100);

/// How long a note of the logger's own may take to be on the disk.
const NOTE_TIMEOUT: Duration = Duration::from_secs(10);

/// The committer, shared with whoever closes it in the end.
pub(crate) type SharedCommitter = Arc<Mutex<Option<Committer>>>;

/// A session with one hub.
struct Link {
    index: LinkIndex,
    /// The hub's address, for people.
    address: String,
    session: Session,
    stream: Option<StreamId>,
    /// Where it leads; `None` for this process's own hub.
    to: Option<protocol::Link>,
    /// It was not reached when last tried, or was not to be told the token, and that was said.
    unreachable: bool,
    /// Why it did not accept this logger when last tried, which was told; empty if it did.
    refused: String,
}

impl Link {
    /// Whether it has a token that must not be sent to the peer at that `ip:port`.
    fn withholds_token(&self, peer: &str) -> bool {
        let has_token = !self.session.settings().credentials.is_empty();
        let may_send = |link: &protocol::Link| peer.parse().is_ok_and(|peer| may_send_token(link, peer));
        has_token && !self.to.as_ref().is_some_and(may_send)
    }

    /// Has the hub put it in the timeline that for a time nothing could be stored.
    fn note_outage(&mut self, now: Now, Outage { reason, lasted, .. }: &Outage) {
        let text = format!("nothing was stored for {:.1} s: {reason}", lasted.as_secs_f64());
        let payload = Payload { encoding: Encoding::Text, bytes: text.as_bytes() };
        let timeout = NOTE_TIMEOUT.min(self.session.settings().limits.deadline);
        if let Err(error) = self.session.request(now, None, "$note", payload, timeout) {
            tracing::warn!(%error, text, "not noted in the timeline");
        }
    }
}

/// See the [module](self).
pub(crate) struct Recording {
    recorder: Recorder,
    /// The one to this process's own hub stands first.
    links: Vec<Link>,
    /// Which link a stream is of.
    streams: HashMap<StreamId, usize>,
    wishes: VecDeque<Wish>,
    committer: SharedCommitter,
    under_way: usize,
    /// One that the committer had no room for.
    refused: Option<Batch>,
    ready: VecDeque<StreamId>,
    finishing: bool,
}

impl Recording {
    /// A recording of the hub of this process, and of those at the `remote` links.
    ///
    /// That hub `goes_on` where it stopped if the timeline holds all of its last run.
    pub(crate) fn new(
        mut recorder: Recorder,
        goes_on: bool,
        settings: &Settings,
        remote: &[Remote],
        committer: SharedCommitter,
    ) -> Self {
        let reached = (LOCAL + 1..).zip(remote).map(|(place, remote)| Wish::Reach {
            place,
            address: remote.address.clone(),
            retry: Retry::Always,
            tls: remote.tls.clone(),
        });
        let wishes = iter::once(join(Duration::ZERO)).chain(reached).collect();
        let mut link = |remote: Option<&Remote>| Link {
            index: recorder.add_link(remote.map_or("", |remote| &remote.prefix)),
            address: remote.map_or_else(|| OWN_ADDRESS.to_owned(), |remote| remote.address.to_string()),
            session: subscribed(&Settings {
                credentials: remote.map(|remote| remote.token.clone()).unwrap_or_default(),
                ..settings.clone()
            }),
            stream: None,
            to: remote.map(|remote| remote.link.clone()),
            unreachable: false,
            refused: String::new(),
        };
        let links: Vec<_> =
            iter::once(link(None)).chain(remote.iter().map(|remote| link(Some(remote)))).collect();
        if goes_on {
            recorder.goes_on(links[LOCAL as usize].index);
        }
        Self {
            recorder,
            links,
            streams: HashMap::new(),
            wishes,
            committer,
            under_way: 0,
            refused: None,
            ready: VecDeque::new(),
            finishing: false,
        }
    }

    /// Calls the session of a link, and brings to the recorder what it tells.
    fn drive(&mut self, place: usize, call: impl FnOnce(&mut Session, &mut dyn FnMut(Event<'_>))) {
        let Self { recorder, links, .. } = self;
        let stopping = self.finishing;
        let Link { index, address, session, refused, .. } = &mut links[place];
        let mut failure = None;
        call(session, &mut |event| {
            let taken = match event {
                Event::Connected(connected) => {
                    tracing::info!(hub = connected.hub, %address, "recording");
                    recorder.opened(*index, connected.hub);
                    refused.clear();
                    Ok(())
                }
                Event::Disconnected { reason } => {
                    let text = reason.to_string();
                    // What stops it from being recorded at all is tried again every few seconds, and told once.
                    if stopping || *refused == text {
                        tracing::debug!(%address, %reason, "connection to hub ended");
                    } else {
                        tracing::warn!(%address, %reason, "connection to hub lost");
                        *refused = text;
                    }
                    recorder.closed(*index);
                    Ok(())
                }
                Event::Source(source) => {
                    if let Err(taken) = recorder.source(*index, &source) {
                        tracing::error!("{taken}");
                    }
                    Ok(())
                }
                Event::Update(update) if failure.is_none() => recorder.update(*index, &update).map(drop),
                Event::State(state) if failure.is_none() => recorder.state(*index, &state).map(drop),
                Event::SubscriptionRefused { text, .. } => {
                    tracing::warn!(%address, text, "not all of the hub is recorded");
                    Ok(())
                }
                Event::Notice(error) => {
                    tracing::warn!(%address, text = error.text, "the hub says");
                    Ok(())
                }
                _ => Ok(()),
            };
            if let Err(error) = taken {
                failure = Some(error);
            }
        });
        if let Some(error) = failure {
            // A new connection tells positions anew.
            tracing::error!(%address, %error, "what the hub sent does not follow what is held; connecting anew");
            self.fail(place, &ConnectionError::Rule(error.to_string()));
        }
    }

    /// Ends the connection of a link.
    fn fail(&mut self, place: usize, error: &ConnectionError) {
        self.drive(place, |session, events| session.fail(error, events));
    }

    /// Hands what has gathered to the committer, unless it has enough to do and more may still join.
    fn submit(&mut self) {
        let guard = self.committer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(committer) = &*guard else { return };
        loop {
            if self.refused.is_none() && self.under_way >= UNDER_WAY && self.recorder.gathered() < LARGE {
                return;
            }
            let Some(batch) = self.refused.take().or_else(|| self.recorder.take_batch()) else { return };
            match committer.submit(batch) {
                Ok(()) => self.under_way += 1,
                Err(Refused::Full(batch) | Refused::Stopped(batch)) => {
                    self.refused = Some(batch);
                    return;
                }
            }
        }
    }

    /// Sends the answers that are due, and notes whose output is to be written.
    fn answer(&mut self) {
        for Link { index, session, stream, .. } in &mut self.links {
            while session.is_open()
                && let Some(answer) = self.recorder.poll_answer(*index)
            {
                match answer {
                    Answer::Resume(resume) => session.resume(resume),
                    Answer::Ack(ack) => session.acknowledge(ack),
                };
            }
            if let Some(stream) = *stream
                && (!session.output().is_empty() || session.should_close())
            {
                self.ready.push_back(stream);
            }
        }
    }
}

/// To be joined to the own hub.
fn join(after: Duration) -> Wish {
    let (address, identity) = (OWN_ADDRESS.to_owned(), access::LOCAL.to_owned());
    Wish::Join { place: LOCAL, address, identity, after }
}

/// A session that asks for everything, durably.
fn subscribed(settings: &Settings) -> Session {
    let mut session = Session::new(settings.clone());
    for pattern in [Pattern::all(), Pattern::Prefix("$".to_owned())] {
        session
            .subscribe(pattern, Mode::Durable, Duration::ZERO)
            .expect("two short patterns are within any limit");
    }
    session
}

impl Party for Recording {
    fn poll_wish(&mut self) -> Option<Wish> {
        self.wishes.pop_front()
    }

    fn opened(&mut self, now: Now, stream: StreamId, origin: Origin, peer: &str) {
        let (Origin::Local(place) | Origin::Link(place) | Origin::Listener(place)) = origin;
        let place = place as usize;
        let link = &mut self.links[place];
        if link.withholds_token(peer) {
            // A stream that is none of ours is closed.
            self.ready.push_back(stream);
            if !std::mem::replace(&mut link.unreachable, true) {
                tracing::error!(address = %link.address, "not recorded: {}", token_is_withheld(peer));
            }
            return;
        }
        self.streams.insert(stream, place);
        link.stream = Some(stream);
        link.unreachable = false;
        link.session.connected(now);
    }

    fn received(&mut self, now: Now, stream: StreamId, bytes: &[u8]) {
        if let Some(&place) = self.streams.get(&stream) {
            self.drive(place, |session, events| session.receive(now, bytes, events));
        }
    }

    fn output(&mut self, stream: StreamId) -> &[u8] {
        self.streams.get(&stream).map_or(&[], |&place| self.links[place].session.output())
    }

    fn written(&mut self, _: Now, stream: StreamId, count: usize) {
        if let Some(&place) = self.streams.get(&stream) {
            self.links[place].session.wrote(count);
        }
    }

    fn closed(&mut self, _: Now, stream: StreamId, reason: &str) {
        if let Some(place) = self.streams.remove(&stream) {
            self.links[place].stream = None;
            self.drive(place, |session, events| session.disconnected(reason, events));
            if place == LOCAL as usize {
                self.wishes.push_back(join(REJOIN));
            }
        }
    }

    fn ending(&self, stream: StreamId) -> Option<Close> {
        let ended = self.streams.get(&stream).is_none_or(|&place| self.links[place].session.should_close());
        ended.then_some(Close::Drain)
    }

    fn is_established(&self, stream: StreamId) -> bool {
        self.streams.get(&stream).is_some_and(|&place| self.links[place].session.is_open())
    }

    fn link_failed(&mut self, _: Now, place: u32, error: &str) {
        let link = &mut self.links[place as usize];
        // It is tried several times a second at first: once is enough to be told of.
        if std::mem::replace(&mut link.unreachable, true) {
            tracing::debug!(address = %link.address, %error, "cannot reach hub yet");
        } else {
            tracing::warn!(address = %link.address, %error, "cannot reach hub; trying until it is there");
        }
    }

    fn takes_input(&self) -> bool {
        !self.recorder.should_pause()
    }

    fn woken(&mut self, now: Now) {
        let guard = self.committer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(committer) = &*guard else { return };
        for batch in committer.committed() {
            self.under_way -= 1;
            self.recorder.committed(batch);
        }
        for outage in committer.outages() {
            self.links[LOCAL as usize].note_outage(now, &outage);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.links.iter().filter_map(|link| link.session.poll_timeout()).min()
    }

    fn handle_timeout(&mut self, now: Now) {
        let held_up = !self.takes_input();
        for place in 0..self.links.len() {
            self.drive(place, |session, events| {
                if held_up {
                    // It is this side that does not listen: silence says nothing about the hub.
                    session.excuse(now);
                }
                session.handle_timeout(now, events);
            });
        }
    }

    fn end_turn(&mut self, _: Now) {
        self.submit();
        self.answer();
    }

    fn poll_ready(&mut self) -> Option<StreamId> {
        self.ready.pop_front()
    }

    fn is_finished(&mut self, _: Now) -> bool {
        if !std::mem::replace(&mut self.finishing, true) {
            // Other hubs send no more; what they sent is still committed. The own one ends after that.
            for place in LOCAL as usize + 1..self.links.len() {
                self.drive(place, |session, events| session.bye("the logger is stopping", events));
            }
        }
        self.under_way == 0 && self.refused.is_none() && self.recorder.gathered() == 0
    }

    fn failure(&mut self) -> Option<String> {
        let guard = self.committer.lock().unwrap_or_else(PoisonError::into_inner);
        Some(guard.as_ref()?.failure()?.to_string())
    }
}
