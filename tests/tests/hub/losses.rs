//! A source whose program was out of reach: what watchers see and timelines hold of it.

use std::ops::RangeInclusive;
use std::time::Duration;

use dict_hub::{Config, ConnectionId, Hub};
use dict_protocol::dictionary;
use dict_protocol::limits::Limits;
use dict_protocol::mirror::Mirror;
use dict_protocol::packet::{Level, Mode};
use dict_protocol::pattern::Pattern;
use dict_protocol::recorder::{Answer, LinkIndex, Recorder};
use dict_protocol::session::{Event, Session, Settings, WriterId};
use dict_protocol::time::{Now, Time};
use dict_protocol::writer::{Writer, WriterOptions};
use dict_timeline::{Content, Filter, Options, Reader, Timeline};
use tempfile::TempDir;

/// A session and its connection.
struct Client {
    session: Session,
    connection: ConnectionId,
}

impl Client {
    fn new(hub: &mut Hub, now: Now, name: &str, limits: Limits) -> Self {
        let client_id = [name.as_bytes()[0]; 16];
        let (name, product, credentials) = (name.into(), "test".into(), String::new());
        let mut session = Session::new(Settings { name, product, credentials, client_id, limits });
        session.connected(now);
        Self { session, connection: hub.open(now, "192.0.2.1:1000") }
    }

    /// Moves what there is, both ways; returns whether there was anything.
    fn exchange(&mut self, hub: &mut Hub, now: Now, mut event: impl FnMut(&Event<'_>)) -> bool {
        let sent = self.session.output().to_vec();
        self.session.wrote(sent.len());
        hub.receive(now, self.connection, &sent);
        hub.end_turn(now);
        let told = hub.output(self.connection).to_vec();
        hub.wrote(self.connection, told.len());
        self.session.receive(now, &told, &mut |happened| event(&happened));
        !sent.is_empty() || !told.is_empty()
    }

    fn reconnect(&mut self, hub: &mut Hub, now: Now, mut event: impl FnMut(&Event<'_>)) {
        hub.closed(now, self.connection, "cut");
        self.session.disconnected("cut", &mut |happened| event(&happened));
        self.connection = hub.open(now, "192.0.2.1:1001");
        self.session.connected(now);
    }
}

/// What a watcher in mode `every` knows.
struct View {
    mirror: Mirror,
    /// Sequences that no update told it.
    missed: Vec<(u64, u64)>,
}

impl View {
    fn event(&mut self, event: &Event<'_>) {
        let seen = match event {
            Event::Source(source) => return assert!(self.mirror.source(source).is_ok()),
            Event::State(state) => self.mirror.state(state),
            Event::Update(update) => self.mirror.update(update),
            Event::Disconnected { .. } => return self.mirror.disconnected("cut"),
            _ => return,
        };
        let missed = seen.expect("it can be read").and_then(|seen| seen.missed);
        self.missed.extend(missed.map(RangeInclusive::into_inner));
    }
}

/// What a logger does with what comes.
struct Recording {
    recorder: Recorder,
    link: LinkIndex,
    timeline: Timeline,
}

impl Recording {
    fn event(&mut self, event: &Event<'_>) {
        let (recorder, link) = (&mut self.recorder, self.link);
        match event {
            Event::Connected(connected) => recorder.opened(link, connected.hub),
            Event::Disconnected { .. } => recorder.closed(link),
            Event::Source(source) => recorder.source(link, source).expect("there is one hub"),
            Event::Update(update) => drop(recorder.update(link, update).expect("it is in order")),
            Event::State(state) => drop(recorder.state(link, state).expect("it is in order")),
            _ => {}
        }
    }

    fn commit(&mut self, session: &mut Session) {
        if let Some(batch) = self.recorder.take_batch() {
            self.timeline.append(std::slice::from_ref(&batch)).expect("it is stored");
            self.recorder.committed(batch);
        }
        while let Some(answer) = self.recorder.poll_answer(self.link) {
            match answer {
                Answer::Resume(resume) => session.resume(resume),
                Answer::Ack(ack) => session.acknowledge(ack),
            };
        }
    }
}

/// A hub, a writer of `psu`, a watcher, and a logger when it is there.
struct Lab {
    hub: Hub,
    now: Now,
    client: Client,
    writer: WriterId,
    level: Level,
    watcher: (Client, View),
    logger: Option<(Client, Recording)>,
    folder: TempDir,
}

fn hub(now: Now) -> Hub {
    let (name, product, limits) = ("lab".into(), "test".into(), Limits::default());
    Hub::new(Config { name, run: now.time.as_epoch(), product, limits }, now)
}

impl Lab {
    /// Nothing was published yet.
    fn new(level: Level, limits: Limits) -> Self {
        let now = Now { time: Time::from_nanos(1_000_000_000_000), ..Now::default() };
        let mut hub = hub(now);
        let mut client = Client::new(&mut hub, now, "writer", limits);
        let options = WriterOptions { level: Some(level), ..WriterOptions::default() };
        let writer = client.session.add_writer(now, "psu", options).expect("a good name");
        let mut watching = Client::new(&mut hub, now, "other", Limits::default());
        watching
            .session
            .subscribe(Pattern::Name("psu".into()), Mode::Every, Duration::ZERO)
            .expect("the first");
        let view = View { mirror: Mirror::new(&Limits::default()), missed: Vec::new() };
        let folder = tempfile::tempdir().expect("a folder");
        let watcher = (watching, view);
        let mut lab = Self { hub, now, client, writer, level, watcher, logger: None, folder };
        lab.settle();
        lab
    }

    /// A logger comes, or comes back.
    fn start_logger(&mut self) {
        let path = self.folder.path().join("timeline.db");
        let timeline = Timeline::create_or_open(path, Options::default()).expect("it opens");
        let mut recorder = Recorder::new(&Limits::default(), timeline.positions().expect("they can be read"));
        let link = recorder.add_link("");
        let mut client = Client::new(&mut self.hub, self.now, "logger", Limits::default());
        client.session.subscribe(Pattern::all(), Mode::Durable, Duration::ZERO).expect("the first");
        self.logger = Some((client, Recording { recorder, link, timeline }));
        self.settle();
    }

    fn stop_logger(&mut self) {
        if let Some((client, recording)) = self.logger.take() {
            self.hub.closed(self.now, client.connection, "stopped");
            recording.timeline.close().expect("it closes");
        }
    }

    /// Moves everything until nothing moves, a millisecond a round.
    fn settle(&mut self) {
        let mut moved = true;
        while moved {
            self.now.instant = self.now.instant + Duration::from_millis(1);
            self.now.time = self.now.time.offset_by(1_000_000);
            let Self { hub, now, client, watcher: (watching, view), logger, .. } = self;
            moved = client.exchange(hub, *now, |_| ());
            moved |= watching.exchange(hub, *now, |event| view.event(event));
            if let Some((client, recording)) = logger {
                moved |= client.exchange(hub, *now, |event| recording.event(event));
                recording.commit(&mut client.session);
            }
        }
    }

    fn restart_hub(&mut self) {
        self.hub = hub(self.now);
        self.reconnect();
    }

    fn reconnect(&mut self) {
        let Self { hub, now, client, watcher: (watching, view), logger, .. } = self;
        client.reconnect(hub, *now, |_| ());
        watching.reconnect(hub, *now, |event| view.event(event));
        if let Some((client, recording)) = logger {
            client.reconnect(hub, *now, |event| recording.event(event));
        }
        self.settle();
    }

    fn publish(&mut self, n: i64) {
        let dictionary = dictionary! { "n" => n };
        self.client.session.publish(self.now, self.writer, &dictionary).expect("there is room");
        self.settle();
    }

    /// The program was out of reach, and is back with `n`: ends the epoch and begins another after the loss.
    fn lose(&mut self, n: i64) {
        let session = &mut self.client.session;
        session.end_writer(self.now, self.writer).expect("it has not ended");
        self.lose_at_once(n);
    }

    fn lose_at_once(&mut self, n: i64) {
        let session = &mut self.client.session;
        if session.writer(self.writer).expect("it is there").is_ended() {
            let options = WriterOptions { level: Some(self.level), ..WriterOptions::default() };
            self.writer = session.add_writer(self.now, "psu", options).expect("the former has ended");
        }
        let since = self.now.time.offset_by(-60_000_000_000);
        let dictionary = dictionary! { "n" => n };
        assert_eq!(session.publish_after_loss(self.now, self.writer, &dictionary, since), Ok(1));
        self.settle();
    }

    fn writer(&self) -> &Writer {
        self.client.session.writer(self.writer).expect("it is there")
    }

    /// The source's rows in words, epochs counted from 1, of a timeline in which nothing is wrong.
    fn rows(&mut self) -> Vec<String> {
        self.stop_logger();
        let reader = Reader::open(self.folder.path().join("timeline.db")).expect("it opens");
        assert_eq!(reader.verify(|_| {}).expect("it can be read"), []);
        let mut epochs = Vec::new();
        let mut number = |epoch| {
            if !epochs.contains(&epoch) {
                epochs.push(epoch);
            }
            epochs.iter().position(|known| *known == epoch).map_or(0, |place| place + 1)
        };
        let rows = reader.rows(&Filter::default()).expect("it can be read");
        rows.filter_map(|row| match row.expect("it can be read").content {
            Content::Change(change) => {
                let n = change.value.and_then(|value| value.as_i64()).expect("a number");
                Some(format!("{}:{} n={n}", number(change.epoch), change.sequence))
            }
            Content::Gap(gap) => {
                let last = gap.last_sequence.map_or_else(|| "?".into(), |last| last.to_string());
                Some(format!("{}:{}-{last} {}", number(gap.epoch), gap.first_sequence, gap.reason.as_str()))
            }
            _ => None,
        })
        .collect()
    }
}

#[test]
fn a_loss_is_a_gap_in_the_timeline_and_what_follows_is_there() {
    let mut lab = Lab::new(Level::Logged, Limits::default());
    lab.start_logger();
    lab.publish(1);
    lab.lose(7);
    lab.publish(8);
    assert_eq!((lab.writer().unacknowledged(), lab.writer().dropped()), (0, 0));
    let (_, view) = &lab.watcher;
    let seen = view.mirror.get("psu").expect("it is watched");
    assert_eq!(seen.dictionary(), Some(&dictionary! { "n" => 8 }));
    assert_eq!(seen.position(), Some((lab.writer().epoch(), 2)));
    assert_eq!(view.missed, [(1, 1)], "it was told that the first of the new epoch is missing");
    assert_eq!(lab.rows(), ["1:1 n=1", "2:1-1 link lost", "2:1 n=7", "2:2 n=8"]);
}

#[test]
fn a_loss_survives_reconnections_and_a_restarted_hub() {
    let mut lab = Lab::new(Level::Logged, Limits::default());
    lab.publish(1);
    lab.reconnect();
    lab.lose(7);
    lab.publish(8);
    lab.restart_hub();
    lab.publish(9);
    lab.start_logger();
    assert_eq!((lab.writer().unacknowledged(), lab.writer().dropped()), (0, 0));
    lab.reconnect();
    lab.publish(10);
    let rows = ["1:1 n=1", "2:1-1 link lost", "2:1 n=7", "2:2 n=8", "2:3 n=9", "2:4 n=10"];
    assert_eq!(lab.rows(), rows);
}

#[test]
fn a_loss_may_be_the_first_that_is_known_of_a_source() {
    let mut lab = Lab::new(Level::Logged, Limits::default());
    lab.start_logger();
    lab.lose_at_once(7);
    lab.lose(8);
    lab.lose(9);
    let rows = ["1:1-1 link lost", "1:1 n=7", "2:1-1 link lost", "2:1 n=8", "3:1-1 link lost", "3:1 n=9"];
    assert_eq!(lab.rows(), rows);
}

#[test]
fn what_a_full_spool_gives_up_after_a_loss_is_in_the_same_gap() {
    let mut lab = Lab::new(Level::Logged, Limits { spool_updates: 2, ..Limits::default() });
    lab.lose_at_once(1);
    (2..=6).for_each(|n| lab.publish(n));
    assert_eq!((lab.writer().unacknowledged(), lab.writer().dropped()), (2, 3));
    lab.start_logger();
    assert_eq!((lab.writer().unacknowledged(), lab.writer().dropped()), (0, 3));
    assert_eq!(lab.rows(), ["1:1-4 link lost", "1:4 n=4", "1:5 n=5", "1:6 n=6"]);
}

/// A hub that was restarted learns from the logger that a higher epoch is known.
#[test]
fn a_loss_is_told_again_by_the_epoch_that_goes_above_a_higher_one() {
    // What the hub has received needs no second telling.
    for (level, again) in [(Level::Logged, true), (Level::Received, false), (Level::None, true)] {
        let mut lab = Lab::new(level, Limits::default());
        lab.lose_at_once(7);
        lab.now.time = lab.now.time.offset_by(1_000_000_000);
        let mut rival = Client::new(&mut lab.hub, lab.now, "rival", Limits::default());
        let options = WriterOptions { level: Some(level), take_over: true, ..WriterOptions::default() };
        let writer = rival.session.add_writer(lab.now, "psu", options).expect("a good name");
        rival.session.publish(lab.now, writer, &dictionary! { "n" => 100 }).expect("there is room");
        // The first writer hears nothing of it: its connection is dead.
        lab.hub.closed(lab.now, lab.client.connection, "dead");
        lab.client.session.disconnected("dead", &mut |_| ());
        while rival.exchange(&mut lab.hub, lab.now, |_| ()) {}
        lab.start_logger();
        while rival.exchange(&mut lab.hub, lab.now, |_| ()) {}
        lab.settle();
        lab.restart_hub();
        lab.publish(8);
        assert_eq!(lab.writer().dropped(), 0);
        // Epochs are numbered as they come: 1 none, 2 the rival's, 3 the one with the loss, 4 the one above.
        let mut rows = vec!["1:1-? the epoch ended unseen", "2:1 n=100", "3:1-1 link lost", "3:1 n=7"];
        rows.push("2:2-? the epoch ended unseen");
        rows.extend(again.then_some("4:1-1 link lost"));
        rows.extend(["4:1 n=7", "4:2 n=8"]);
        assert_eq!(lab.rows(), rows, "{level:?}");
    }
}

#[test]
fn at_levels_that_keep_nothing_the_hub_tells_of_the_loss() {
    for level in [Level::Received, Level::None] {
        let mut lab = Lab::new(level, Limits::default());
        lab.start_logger();
        lab.lose_at_once(7);
        lab.publish(8);
        assert_eq!(lab.rows(), ["1:1-1 link lost", "1:1 n=7", "1:2 n=8"], "{level:?}");

        let mut lab = Lab::new(level, Limits::default());
        lab.lose_at_once(7);
        lab.publish(8);
        lab.restart_hub();
        lab.start_logger();
        assert_eq!(lab.rows(), ["1:1-2 link lost", "1:2 n=8"], "{level:?}");
    }
}
