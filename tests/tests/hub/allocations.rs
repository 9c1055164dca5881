//! In steady state nothing is allocated for an update, from its writer through the hub to those who get it, as long as
//! its values keep their types and sizes.

use std::cell::RefCell;
use std::time::Duration;

use dict_hub::ConnectionId;
use dict_protocol::decoder::Decoder;
use dict_protocol::dictionary;
use dict_protocol::limits::Limits;
use dict_protocol::packet::{Level, Mode, Packet, Resume, Subscribe};
use dict_protocol::pattern::Pattern;
use dict_protocol::session::{Event, Session, Settings, WriterId};
use dict_protocol::value::Value;
use dict_protocol::writer::WriterOptions;

use super::lab::{Lab, patch, update};

/// Turns before anything is counted: buffers have their sizes then.
const WARM: u64 = 20;
const COUNTED: u64 = 200;
/// Updates in a turn.
const UPDATES: u64 = 50;

/// What a turn does, and what it allocates when it is nothing new.
fn allocations(mut turn: impl FnMut(u64)) -> u64 {
    (0..WARM).for_each(&mut turn);
    allocation_counter::measure(|| (WARM..WARM + COUNTED).for_each(&mut turn)).count_total
}

/// A client's session, and its end at the hub.
struct Client {
    session: Session,
    id: ConnectionId,
}

impl Client {
    fn new(lab: &mut Lab, number: u8) -> Self {
        let settings = Settings {
            name: format!("client{number}"),
            product: "test".to_owned(),
            credentials: String::new(),
            client_id: [number; 16],
            limits: Limits::default(),
        };
        let mut client =
            Self { session: Session::new(settings), id: lab.hub.open(lab.now, "192.0.2.1:1000") };
        client.session.connected(lab.now);
        client.exchange(lab, &mut |_| ());
        assert!(client.session.is_open());
        client
    }

    /// Brings everything across, both ways, until there is no more.
    fn exchange(&mut self, lab: &mut Lab, each: &mut dyn FnMut(Event<'_>)) {
        loop {
            let output = self.session.output();
            lab.hub.receive(lab.now, self.id, output);
            let sent = output.len();
            self.session.wrote(sent);
            lab.turn();
            while lab.hub.poll_ready().is_some() {}
            let output = lab.hub.output(self.id);
            self.session.receive(lab.now, output, each);
            let received = output.len();
            lab.hub.wrote(self.id, received);
            if sent + received == 0 && !lab.hub.wants_turn() {
                return;
            }
        }
    }
}

/// A hub with a writer, one that gets each update, one that gets the newest and a logger; `publish` makes each update.
fn through_a_hub(publish: impl Fn(&mut Session, &Lab, WriterId, u64)) -> u64 {
    let mut lab = Lab::new();
    let mut writer = Client::new(&mut lab, 1);
    let options = WriterOptions { level: Some(Level::Received), ..WriterOptions::default() };
    let id = writer.session.add_writer(lab.now, "psu", options).expect("it can be");
    let mut readers = [Mode::Every, Mode::Latest, Mode::Durable].map(|mode| {
        let mut reader = Client::new(&mut lab, 2 + mode as u8);
        reader.session.subscribe(Pattern::all(), mode, Duration::ZERO).expect("it can be");
        reader.exchange(&mut lab, &mut |_| ());
        reader
    });
    writer.exchange(&mut lab, &mut |_| ());
    let mut source = 0;
    let mut sequence = 0;
    let mut seen = [0_u64; 3];
    let allocated = allocations(|turn| {
        for _ in 0..UPDATES {
            sequence += 1;
            publish(&mut writer.session, &lab, id, sequence);
        }
        writer.exchange(&mut lab, &mut |_| ());
        for (reader, seen) in readers.iter_mut().zip(&mut seen) {
            reader.exchange(&mut lab, &mut |event| match event {
                Event::Update(update) => *seen = update.sequence,
                Event::State(state) => *seen = state.sequence,
                Event::Source(described) => source = described.id,
                _ => {}
            });
        }
        if turn == 0 {
            // The logger says where it is, which is how it comes to be sent what follows.
            let logger = &mut readers[2];
            let resume = Resume { source, after: sequence, highest: 0, updates: 0, bytes: 0 };
            assert!(logger.session.resume(resume));
            logger.exchange(&mut lab, &mut |_| ());
        }
    });
    assert_eq!(seen, [sequence; 3], "each has come to the end");
    allocated
}

#[test]
fn an_update_built_as_a_patch_allocates_nothing() {
    let allocated = through_a_hub(|session, lab, id, sequence| {
        let voltage = Value::Float(sequence as f64);
        let published = session.patch(lab.now, id, [("V", &voltage)], []).expect("it is taken");
        assert_eq!(published, Some(sequence));
    });
    assert_eq!(allocated, 0);
}

#[test]
fn what_changed_in_a_whole_dictionary_allocates_nothing() {
    let dictionary = RefCell::new(dictionary! { "A1" => 3, "name" => "bench", "V" => 0.5 });
    let allocated = through_a_hub(|session, lab, id, sequence| {
        let mut dictionary = dictionary.borrow_mut();
        *dictionary.get_mut("V").expect("it is there") = Value::Float(sequence as f64);
        let published = session.publish(lab.now, id, &dictionary).expect("it is taken");
        assert_eq!(published, Some(sequence));
    });
    assert_eq!(allocated, 0);
}

#[test]
fn frames_however_they_are_cut_allocate_nothing() {
    let mut stream = Vec::new();
    let changed = patch(&[("V", 1_000_000)], &[]);
    for sequence in 1..=UPDATES {
        Packet::Update(update(7, sequence, &changed)).encode(&mut stream);
    }
    let mut decoder = Decoder::new(1 << 20);
    let mut cuts = fastrand::Rng::with_seed(1);
    let allocated = allocations(|_| {
        let (mut rest, mut found) = (&stream[..], 0);
        while !rest.is_empty() {
            let (mut chunk, left) = rest.split_at(cuts.usize(1..=rest.len().min(200)));
            while let Some(frame) = decoder.decode(&mut chunk).expect("they are frames") {
                assert!(matches!(Packet::parse(&frame), Ok(Packet::Update(_))));
                found += 1;
            }
            rest = left;
        }
        assert_eq!(found, UPDATES);
    });
    assert_eq!(allocated, 0);
}

#[test]
fn an_idle_connection_takes_little_memory() {
    const CONNECTIONS: u32 = 1_000;
    let mut lab = Lab::new();
    let mut taken = 0;
    for number in 0..CONNECTIONS {
        let name = format!("client{number}");
        let subscribe =
            Subscribe { id: 1, mode: Mode::Latest, prefix: true, interval: 0, pattern: "nobody/" };
        let measured = allocation_counter::measure(|| {
            let id = lab.hub.open(lab.now, "192.0.2.1:1000");
            let client = lab.greet(id, &name, 1, "");
            lab.send(&client, &Packet::Subscribe(subscribe));
            lab.turn();
            let length = lab.hub.output(id).len();
            lab.hub.wrote(id, length);
            while lab.hub.poll_ready().is_some() {}
            while lab.hub.poll_notice().is_some() {}
        });
        taken += measured.bytes_current;
    }
    // A third of it is what is kept for loggers: that it came.
    assert!(taken <= i64::from(CONNECTIONS) * 1_000, "{} bytes each", taken / i64::from(CONNECTIONS));
}
