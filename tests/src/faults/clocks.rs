//! Row 21: clocks that jump, of the hub and of its clients, in one thread and with time as an argument.

use std::time::Duration;

use dict_hub::{Config, ConnectionId, Hub};
use dict_protocol::dictionary;
use dict_protocol::limits::Limits;
use dict_protocol::packet::{Level, Mode};
use dict_protocol::pattern::Pattern;
use dict_protocol::recorder::{Answer, LinkIndex, Recorder};
use dict_protocol::session::{Event, Session, Settings, WriterId};
use dict_protocol::time::{Now, Time};
use dict_protocol::writer::{WhenFull, WriterOptions};
use dict_timeline::{Options, Timeline};

use super::journal::{Journal, KEY, Life, content};
use super::oracle::{self, Tail};
use super::systems::settle;
use super::{Miss, Setting, ensure};

const HOUR: i64 = 3_600 * 1_000_000_000;
const YEARS: i64 = 10 * 365 * 24 * HOUR;

/// Where clocks jump to: by so many nanoseconds, or to so many after 1970.
const JUMPS: [(&str, Jump); 6] = [
    ("one hour on", Jump::By(HOUR)),
    ("one hour back", Jump::By(-HOUR)),
    ("ten years on", Jump::By(YEARS)),
    ("ten years back", Jump::By(-YEARS)),
    ("to before 1970", Jump::To(-YEARS)),
    ("to 2026", Jump::To(1_795_000_000_000_000_000)),
];

#[derive(Clone, Copy)]
enum Jump {
    By(i64),
    To(i64),
}

/// Who has a clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Party {
    Hub,
    Writer,
    Watcher,
    Logger,
}

const PARTIES: [Party; 4] = [Party::Hub, Party::Writer, Party::Watcher, Party::Logger];

pub(super) fn run(setting: &Setting) -> Result<String, Miss> {
    let rounds = setting.times(20, 2);
    let mut world = World::new();
    world.run_for(20)?;
    for _ in 0..rounds {
        for party in PARTIES {
            for (what, jump) in JUMPS {
                world.jump(party, jump);
                world
                    .run_for(20)
                    .map_err(|miss| format!("the clock of the {party:?} went {what}: {miss}"))?;
            }
        }
    }
    let jumps = rounds * PARTIES.len() * JUMPS.len();
    let tally = world.settle()?;
    Ok(format!("{jumps} jumps of the hub's or a client's clock: no panic, no disconnection; {tally}"))
}

/// A client's end and the hub's.
struct End {
    party: Party,
    session: Session,
    connection: ConnectionId,
}

struct World {
    hub: Hub,
    clocks: [Now; 4],
    ends: Vec<End>,
    writer: WriterId,
    journal: Journal,
    recorder: Recorder,
    link: LinkIndex,
    timeline: Timeline,
    folder: tempfile::TempDir,
    /// Sequences that the watcher saw.
    seen: Vec<u64>,
    complaint: Option<String>,
}

impl World {
    fn new() -> Self {
        let Jump::To(start) = JUMPS[5].1 else { unreachable!("the last one goes to a time") };
        let now = Now { time: Time::from_nanos(start), ..Now::default() };
        let config = Config { name: "lab".into(), run: 7, product: String::new(), limits: Limits::default() };
        let mut hub = Hub::new(config, now);
        let mut ends: Vec<End> = [Party::Writer, Party::Watcher, Party::Logger]
            .into_iter()
            .map(|party| End { party, session: session(party), connection: hub.open(now, "192.0.2.1:1") })
            .collect();
        let options =
            WriterOptions { level: Some(Level::Logged), take_over: false, when_full: WhenFull::Block };
        let writer = ends[0].session.add_writer(now, "psu", options).expect("the source is new");
        let subscribe = |session: &mut Session, mode, pattern| {
            session.subscribe(pattern, mode, Duration::ZERO).expect("one is within any limit");
        };
        subscribe(&mut ends[1].session, Mode::Every, Pattern::all());
        subscribe(&mut ends[2].session, Mode::Durable, Pattern::all());
        ends.iter_mut().for_each(|end| end.session.connected(now));
        let mut recorder = Recorder::new(&Limits::default(), []);
        let link = recorder.add_link("");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("timeline.db");
        let timeline = Timeline::create_or_open(path, Options::default()).expect("the folder is new");
        let journal = Journal::new("psu");
        let (clocks, seen) = ([now; 4], Vec::new());
        Self { hub, clocks, ends, writer, journal, recorder, link, timeline, folder, seen, complaint: None }
    }

    fn jump(&mut self, party: Party, jump: Jump) {
        let clock = &mut self.clocks[party as usize];
        clock.time = match jump {
            Jump::By(nanoseconds) => clock.time.offset_by(nanoseconds),
            Jump::To(nanoseconds) => Time::from_nanos(nanoseconds),
        };
    }

    /// Lets so many seconds pass, with an update in each.
    fn run_for(&mut self, seconds: u32) -> Result<(), Miss> {
        for _ in 0..seconds {
            for clock in &mut self.clocks {
                clock.instant = clock.instant + Duration::from_secs(1);
                clock.time = clock.time.offset_by(1_000_000_000);
            }
            self.publish();
            self.hub.handle_timeout(self.clocks[Party::Hub as usize]);
            for place in 0..self.ends.len() {
                self.drive(place, |session, now, events| session.handle_timeout(now, events));
            }
            // Whatever is asked for is answered within a few turns.
            for _ in 0..10 {
                self.turn();
            }
        }
        self.complaint.take().map_or(Ok(()), |complaint| Err(complaint.into()))
    }

    fn publish(&mut self) {
        let now = self.clocks[Party::Writer as usize];
        let number = self.journal.sent + 1;
        let dictionary = dictionary! { KEY => content("psu", number) };
        let session = &mut self.ends[0].session;
        let sequence =
            session.publish(now, self.writer, &dictionary).expect("there is room").expect("it is new");
        let epoch = session.writer(self.writer).expect("it writes").epoch();
        self.journal.sent = number;
        if sequence == 1 {
            self.journal.lives.push(Life { epoch, first: number });
        }
    }

    /// Bytes go both ways, and what came is stored.
    fn turn(&mut self) {
        let hub_now = self.clocks[Party::Hub as usize];
        for end in &mut self.ends {
            let output = end.session.output().to_vec();
            end.session.wrote(output.len());
            self.hub.receive(hub_now, end.connection, &output);
        }
        self.hub.end_turn(hub_now);
        for place in 0..self.ends.len() {
            let connection = self.ends[place].connection;
            let output = self.hub.output(connection).to_vec();
            self.hub.wrote(connection, output.len());
            self.drive(place, |session, now, events| session.receive(now, &output, events));
            if self.hub.is_ended(connection) || self.ends[place].session.should_close() {
                self.complaint = Some(format!("the {:?} was disconnected", self.ends[place].party));
            }
        }
        self.store();
    }

    fn drive(&mut self, place: usize, call: impl FnOnce(&mut Session, Now, &mut dyn FnMut(Event<'_>))) {
        let Self { ends, clocks, recorder, link, seen, complaint, .. } = self;
        let End { party, session, .. } = &mut ends[place];
        let mut complain = |what: String| {
            complaint.get_or_insert(what);
        };
        call(session, clocks[*party as usize], &mut |event| match (*party, event) {
            (_, Event::Disconnected { reason }) => {
                complain(format!("the {party:?} was disconnected: {reason}"));
            }
            (Party::Watcher, Event::Update(update)) => seen.push(update.sequence),
            (Party::Logger, Event::Connected(connected)) => recorder.opened(*link, connected.hub),
            (Party::Logger, Event::Source(source)) => {
                recorder.source(*link, &source).unwrap_or_else(|error| complain(error.to_string()));
            }
            (Party::Logger, Event::Update(update)) => {
                recorder.update(*link, &update).map_or_else(|error| complain(error.to_string()), drop);
            }
            (Party::Logger, Event::State(state)) => {
                recorder.state(*link, &state).map_or_else(|error| complain(error.to_string()), drop);
            }
            _ => {}
        });
    }

    fn store(&mut self) {
        if let Some(batch) = self.recorder.take_batch() {
            let batches = [batch];
            self.timeline.append(&batches).expect("there is room");
            batches.into_iter().for_each(|batch| self.recorder.committed(batch));
        }
        while let Some(answer) = self.recorder.poll_answer(self.link) {
            match answer {
                Answer::Resume(resume) => self.ends[2].session.resume(resume),
                Answer::Ack(ack) => self.ends[2].session.acknowledge(ack),
            };
        }
    }

    /// Everything was acknowledged, seen in order, and is in the timeline in order.
    fn settle(mut self) -> Result<oracle::Tally, Miss> {
        for _ in 0..10 {
            self.turn();
        }
        let writer = self.ends[0].session.writer(self.writer).expect("it writes");
        ensure(writer.unacknowledged() == 0, || format!("{} are not acknowledged", writer.unacknowledged()))?;
        self.journal.acknowledged = self.journal.sent;
        let all: Vec<u64> = (1..=self.journal.sent).collect();
        let from = self.seen.first().map_or(0, |&first| first as usize - 1);
        ensure(self.seen == all[from..], || "the watcher did not see each update in its order".to_owned())?;
        self.timeline.close().map_err(|error| error.to_string())?;
        let timeline = self.folder.path().join("timeline.db");
        let (tally, entries) = settle(&timeline, &[self.journal.clone()], Tail::Settled)?;
        oracle::notices(&[self.journal], &entries)?;
        Ok(tally)
    }
}

fn session(party: Party) -> Session {
    Session::new(Settings {
        name: format!("{party:?}").to_lowercase(),
        product: String::new(),
        credentials: String::new(),
        client_id: [party as u8; 16],
        limits: Limits::default(),
    })
}
