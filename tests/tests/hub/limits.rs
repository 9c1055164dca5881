//! Every limit of the table: whoever passes it is told which and with what, and nobody else notices.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use dict_event_loop::client::{Client as Program, RequestOptions};
use dict_event_loop::server::{Server, Settings};
use dict_hub::ConnectionId;
use dict_protocol::decoder::Decoder;
use dict_protocol::dialect::comet;
use dict_protocol::frame::{Encoding, Kind};
use dict_protocol::limits::Limits;
use dict_protocol::packet::{
    Handle, Handling, Hello, Level, Message, MessageFields, Mode, Packet, Payload, Ping, Request,
    RequestFields, Subscribe, Update,
};
use dict_protocol::session::{self, Session};
use dict_protocol::time::Now;
use dict_protocol::value::Value;
use dict_protocol::writer::WriterOptions;

use super::lab::{Client, Lab, announcement, patch, raw_frame, update};

/// Passes a limit, and looks for what names it.
type Check = fn(&str);

/// Those that a hub tells a client of.
const TOLD: [(&str, Check); 16] = [
    ("body", body),
    ("greeting_body", greeting_body),
    ("greeting", greeting),
    ("heartbeat", heartbeat),
    ("depth", depth),
    ("name", name),
    ("keys", keys),
    ("dictionary", dictionary),
    ("connections", connections),
    ("address_connections", address_connections),
    ("sources", sources),
    ("subscriptions", subscriptions),
    ("handlers", handlers),
    ("requests", requests),
    ("request_bytes", request_bytes),
    ("every_output", every_output),
];

/// Those of gateways and clients.
const OTHERS: [(&str, Check); 5] = [
    ("unfinished", unfinished),
    ("peers", peers),
    ("deadline", deadline),
    ("output", output),
    ("client_output", client_output),
];

/// Those beyond which something else is done than to refuse: merged, dropped by the writer's own choice, sent later,
/// read later.
const OTHERWISE: [(&str, fn()); 4] =
    [("durable_output", durable_output), ("spool", spool), ("slice_updates", slices), ("slice", slices)];

/// Those of them whose test is another one: its file, its name, and what is set there. Whether it runs, and what it
/// checks, is for whoever reads it.
const ELSEWHERE: [(&str, &str, &str); 7] = [
    (
        "latest_output",
        "tests/tests/hub/mod.rs",
        "a_latest_watcher_that_does_not_read_costs_little_and_then_gets_one_merged_update",
    ),
    ("watch_events", "tests/tests/client/watching.rs", "a_program_that_does_not_look_is_told_what_it_missed"),
    ("watch_bytes", "tests/tests/client/watching.rs", "a_program_that_does_not_look_is_told_what_it_missed"),
    ("callbacks", "tests/tests/client/exchange.rs", "what_callbacks_do_not_take_is_bounded"),
    ("callback_bytes", "tests/tests/client/exchange.rs", "what_callbacks_do_not_take_is_bounded"),
    (
        "spool_updates",
        "tests/tests/hub/losses.rs",
        "what_a_full_spool_gives_up_after_a_loss_is_in_the_same_gap",
    ),
    (
        "uncommitted",
        "crates/dict-protocol/src/recorder/tests.rs",
        "reading_pauses_at_the_limit_and_goes_on_after_a_commit",
    ),
];

#[test]
fn every_limit_of_the_table_is_enforced_here_or_set_in_a_test_that_is_named() {
    let mut left: Vec<&str> = Limits::TABLE.iter().map(|limit| limit.name).collect();
    for (limit, check) in TOLD.into_iter().chain(OTHERS) {
        eprintln!("{limit}");
        check(&format!("(limit {limit})"));
        left.retain(|other| *other != limit);
    }
    for (limit, check) in OTHERWISE {
        eprintln!("{limit}");
        check();
        left.retain(|other| *other != limit);
    }
    for (limit, file, test) in ELSEWHERE {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        let text = fs::read_to_string(path).expect("it is there");
        let (_, test) = text
            .split_once(&format!("#[test]\nfn {test}() {{\n"))
            .unwrap_or_else(|| panic!("{file} has no test {test}"));
        let body = test.split_once("\n}\n").map_or(test, |(body, _)| body);
        assert!(body.contains(&format!("Limits {{ {limit}: ")), "a test in {file} sets no {limit}");
        left.retain(|other| *other != limit);
    }
    assert_eq!(left, [""; 0], "limits that nothing checks");
}

/// A hub with these limits, and a neighbour that is to go on.
struct Street {
    lab: Lab,
    neighbour: Client,
    offender: Client,
}

impl Street {
    fn new(limits: Limits) -> Self {
        let mut lab = Lab::with_limits(limits);
        let (neighbour, offender) = (lab.client("neighbour", 1), lab.client("offender", 2));
        Self { lab, neighbour, offender }
    }

    fn send(&mut self, packet: &Packet<'_>) {
        self.lab.send(&self.offender, packet);
        self.lab.turn();
    }

    /// The offender is told that, and the neighbour is answered.
    fn is_told(&mut self, limit: &str) {
        let text = self.told(self.offender.id);
        assert!(text.contains(limit), "{text:?} does not tell {limit}");
        self.neighbour_goes_on();
    }

    fn neighbour_goes_on(&mut self) {
        let time = self.lab.now.time;
        self.lab.send(&self.neighbour, &Packet::Ping(Ping { time, offset: 0, uncertainty: None, id: 7 }));
        let told = self.lab.told(&mut self.neighbour);
        assert!(told.last().is_some_and(|told| told.contains("Pong")), "{told:?}");
    }

    /// All texts that come for a connection.
    fn told(&mut self, id: ConnectionId) -> String {
        self.lab.turn();
        let output = self.lab.hub.output(id).to_vec();
        self.lab.hub.wrote(id, output.len());
        let mut decoder = Decoder::new(u32::MAX);
        let mut bytes = &output[..];
        let mut told = String::new();
        while let Some(frame) = decoder.decode(&mut bytes).expect("a hub writes frames") {
            told += match Packet::parse(&frame).expect("a hub writes packets") {
                Packet::Error(error) => error.text,
                Packet::Announced(announced) => announced.reason,
                Packet::Reply(reply) => std::str::from_utf8(reply.payload.bytes).unwrap_or_default(),
                _ => "",
            };
        }
        told
    }
}

fn text<'a>(id: u32, bytes: &'a [u8]) -> Packet<'a> {
    let fields = RequestFields { id, deadline: 60_000, action: "ramp", to: "", from: "" };
    Packet::Request(Request { fields, payload: Payload { encoding: Encoding::Text, bytes } })
}

/// Somebody takes requests and does not answer.
fn handled(street: &mut Street) {
    let handle = Packet::Handle(Handle { handling: Handling::On, action: "ramp" });
    street.lab.send(&street.neighbour, &handle);
}

fn body(limit: &str) {
    let mut street = Street::new(Limits::default());
    let claim = [&[0xD1, Kind::Ping as u8, 0, 0][..], &(1_u32 << 20 | 1).to_le_bytes()].concat();
    street.lab.hub.receive(street.lab.now, street.offender.id, &claim);
    street.is_told(limit);
    assert!(street.lab.hub.is_ended(street.offender.id));
    // What fits a frame and not a message is refused by itself.
    let mut street = Street::new(Limits::default());
    let large = vec![b'x'; (1 << 20) - Limits::PAYLOAD_OVERHEAD + 1];
    street.send(&text(1, &large));
    street.is_told(limit);
    assert!(!street.lab.hub.is_ended(street.offender.id));
}

fn greeting_body(limit: &str) {
    let mut street = Street::new(Limits::default());
    let id = street.lab.hub.open(street.lab.now, "192.0.2.2:1");
    let hello = raw_frame(Kind::Hello, &[0; (16 << 10) + 1]);
    street.lab.hub.receive(street.lab.now, id, &hello[..100]);
    assert!(street.told(id).contains(limit));
    street.neighbour_goes_on();
}

fn greeting(limit: &str) {
    let mut street = Street::new(Limits::default());
    let id = street.lab.hub.open(street.lab.now, "192.0.2.2:1");
    street.lab.pass(Duration::from_secs(5));
    let told = street.told(id);
    assert!(told.contains(limit) && told.contains("5000 ms"), "{told}");
    street.neighbour_goes_on();
}

fn heartbeat(_: &str) {
    // The hub's own where there is no wish, or a greater one; a lesser one is taken, down to a tenth of a second.
    for (wish, seconds, milliseconds) in
        [(0, 2, 2_000), (60_000, 2, 2_000), (1_000, 2, 1_000), (1, 2, 100), (0, 20, 20_000)]
    {
        let limits = Limits { heartbeat: Duration::from_secs(seconds), ..Limits::default() };
        let mut street = Street::new(limits);
        let silent = street.lab.hub.open(street.lab.now, "192.0.2.2:1");
        street.offender = street.lab.greet_wishing(silent, "silent", 3, "", wish);
        for _ in 0..3 {
            street.lab.pass(Duration::from_millis(milliseconds) - Duration::from_millis(1));
            street.neighbour_goes_on();
        }
        assert!(!street.lab.hub.is_ended(silent), "{wish} ms");
        street.lab.pass(Duration::from_millis(3));
        let silence = 3 * milliseconds;
        street.is_told(&format!("silent for {silence} ms, three times the limit heartbeat"));
    }
}

fn depth(limit: &str) {
    let mut street = Street::new(Limits::default());
    let payload =
        Payload { encoding: Encoding::MessagePack, bytes: &[[0x91; 200].as_slice(), &[1]].concat() };
    let fields = MessageFields { id: 1, to: "", from: "" };
    street.send(&Packet::Message(Message { fields, payload }));
    street.is_told(limit);
}

fn name(limit: &str) {
    let long = "x".repeat(256);
    let mut street = Street::new(Limits::default());
    street.send(&Packet::Announce(announcement(&long, 1, Level::None)));
    street.is_told(limit);
    let (mode, prefix, interval) = (Mode::Latest, true, 0);
    street.send(&Packet::Subscribe(Subscribe { id: 1, mode, prefix, interval, pattern: &long }));
    street.is_told(limit);
    street.send(&Packet::Handle(Handle { handling: Handling::On, action: &long }));
    street.is_told(limit);
    let fields = RequestFields { id: 1, deadline: 1, action: &long, to: "", from: "" };
    let payload = Payload { encoding: Encoding::Text, bytes: b"" };
    street.send(&Packet::Request(Request { fields, payload }));
    street.is_told(limit);
    assert!(!street.lab.hub.is_ended(street.offender.id));
    for (name, product) in [(&*long, "test"), ("client", &*long)] {
        let id = street.lab.hub.open(street.lab.now, "192.0.2.2:1");
        let (time, max_body, heartbeat) = (street.lab.now.time, u32::MAX, 0);
        let mut bytes = Vec::new();
        let (version_min, version_max, client_id, credentials) = (1, 1, [9; 16], "");
        Packet::Hello(Hello {
            version_min,
            version_max,
            client_id,
            time,
            max_body,
            heartbeat,
            name,
            product,
            credentials,
        })
        .encode(&mut bytes);
        street.lab.hub.receive(street.lab.now, id, &bytes);
        assert!(street.told(id).contains(limit));
        assert!(street.lab.hub.is_ended(id));
    }
    street.neighbour_goes_on();
}

/// An update that sets these keys.
fn set(street: &mut Street, set: &[(&str, i64)]) {
    let source = street.lab.announce(&mut street.offender, "psu", 1, Level::None);
    street.lab.update(&street.offender, source, 1, set, &[]);
}

fn keys(limit: &str) {
    let mut street = Street::new(Limits { keys: 2, ..Limits::default() });
    set(&mut street, &[("a", 1), ("b", 2), ("c", 3)]);
    street.is_told(limit);
}

fn dictionary(limit: &str) {
    let mut street = Street::new(Limits { dictionary: 1_000, ..Limits::default() });
    set(&mut street, &[(&"x".repeat(1_000), 1)]);
    street.is_told(limit);
}

fn connections(limit: &str) {
    let mut street = Street::new(Limits { connections: 2, ..Limits::default() });
    let third = street.lab.hub.open(street.lab.now, "192.0.2.2:1");
    let told = street.told(third);
    assert!(told.contains(limit) && told.contains("of 3 is over the limit of 2"), "{told}");
    street.neighbour_goes_on();
}

fn address_connections(limit: &str) {
    let mut street = Street::new(Limits { address_connections: 2, ..Limits::default() });
    // The lab's clients come from there.
    let third = street.lab.hub.open(street.lab.now, "192.0.2.1:3000");
    assert!(street.told(third).contains(limit));
    let [other, local] =
        ["192.0.2.2:1", "this process"].map(|from| street.lab.hub.open(street.lab.now, from));
    assert!(!street.lab.hub.is_ended(other) && !street.lab.hub.is_ended(local));
    // Whoever is gone leaves its place.
    for gone in [third, street.offender.id] {
        street.lab.hub.closed(street.lab.now, gone, "gone");
    }
    let next = street.lab.hub.open(street.lab.now, "192.0.2.1:4000");
    assert!(!street.lab.hub.is_ended(next));
    street.neighbour_goes_on();
}

fn sources(limit: &str) {
    // The hub's own is one.
    let mut street = Street::new(Limits { sources: 3, ..Limits::default() });
    for source in ["a", "b", "c"] {
        street.send(&Packet::Announce(announcement(source, 1, Level::None)));
    }
    street.is_told(limit);
    assert!(!street.lab.hub.is_ended(street.offender.id));
}

#[test]
fn names_of_which_nothing_is_left_are_bounded_too() {
    let mut street = Street::new(Limits { sources: 20, ..Limits::default() });
    let mut refused = 0;
    for number in 0..100 {
        let source = format!("psu{number}");
        let announce = announcement(&source, 1, Level::Logged);
        street.send(&Packet::Announce(announce));
        // What was live is the rest of an older run now, and its writer gives that up.
        street.send(&Packet::Announce(dict_protocol::packet::Announce { replay: true, ..announce }));
        refused += usize::from(street.told(street.offender.id).contains("(limit sources)"));
        let (id, offender) = (street.offender.id, street.lab.client("offender", 2));
        street.lab.hub.closed(street.lab.now, id, "gone");
        street.offender = offender;
    }
    assert!(refused >= 80, "{refused} of 100");
    street.neighbour_goes_on();
}

fn subscriptions(limit: &str) {
    let mut street = Street::new(Limits { subscriptions: 2, ..Limits::default() });
    for id in 0..3 {
        street.lab.subscribe(&street.offender, id, Mode::Latest, "a");
    }
    street.is_told(limit);
}

fn handlers(limit: &str) {
    let mut street = Street::new(Limits { handlers: 2, ..Limits::default() });
    for action in ["a", "b", "c"] {
        street.send(&Packet::Handle(Handle { handling: Handling::On, action }));
    }
    street.is_told(limit);
}

fn requests(limit: &str) {
    let mut street = Street::new(Limits { requests: 2, ..Limits::default() });
    handled(&mut street);
    for id in 0..3 {
        street.send(&text(id, b""));
    }
    street.is_told(limit);
}

fn request_bytes(limit: &str) {
    let mut street = Street::new(Limits { request_bytes: 1_000, ..Limits::default() });
    handled(&mut street);
    for id in 0..3 {
        street.send(&text(id, &[b'x'; 400]));
    }
    street.is_told(limit);
}

fn every_output(limit: &str) {
    let mut street = Street::new(Limits { every_output: 4_000, ..Limits::default() });
    street.lab.subscribe(&street.offender, 1, Mode::Every, "psu");
    let mut writer = street.lab.client("writer", 3);
    let source = street.lab.announce(&mut writer, "psu", 1, Level::None);
    street.told(street.offender.id);
    for sequence in 1..=100 {
        let patch = patch(&[("a", sequence)], &[]);
        let update = Update { ..update(source, sequence.unsigned_abs(), &patch) };
        street.lab.send(&writer, &Packet::Update(update));
    }
    street.is_told(limit);
    assert!(!street.lab.hub.is_ended(street.offender.id), "the subscription alone is");
    // What is for it alone, unread, ends the connection.
    for _ in 0..100 {
        let fields = MessageFields { id: 1, to: "offender", from: "" };
        let payload = Payload { encoding: Encoding::Text, bytes: &[b'x'; 100] };
        street.lab.send(&writer, &Packet::Message(Message { fields, payload }));
    }
    street.is_told(limit);
    assert!(street.lab.hub.is_ended(street.offender.id));
}

/// What a logger does not read it gets from the writer's spool, when it does.
fn durable_output() {
    let limits = Limits {
        body: 8 << 10,
        dictionary: 4 << 10,
        slice: 1 << 10,
        durable_output: 10_000,
        ..Limits::default()
    };
    let mut lab = Lab::with_limits(limits);
    let (mut writer, mut logger) = (lab.client("writer", 1), lab.client("logger", 2));
    let source = lab.announce(&mut writer, "psu", 1, Level::Logged);
    lab.subscribe(&logger, 1, Mode::Durable, "psu");
    lab.resume(&logger, source, 0);
    lab.told(&mut logger);
    lab.told(&mut writer);
    for sequence in 1..=1_000 {
        lab.update(&writer, source, sequence, &[("a", 1)], &[]);
        lab.turn();
    }
    assert!(lab.hub.output(logger.id).len() <= 10_000);
    assert_eq!(lab.told(&mut writer), [""; 0], "there is no room for what it would send");
    let sent = lab.told(&mut logger).len();
    assert!((1..1_000).contains(&sent), "{sent}");
    assert_eq!(lab.told(&mut writer), [format!("Resume after {sent}")]);
}

/// A writer is asked for no more at once.
fn slices() {
    let mut lab = Lab::with_limits(Limits { slice_updates: 3, slice: 2_000, ..Limits::default() });
    let (mut writer, mut logger) = (lab.client("writer", 1), lab.client("logger", 2));
    lab.subscribe(&logger, 1, Mode::Durable, "psu");
    lab.told(&mut logger);
    lab.told(&mut writer);
    let source = lab.announce(&mut writer, "psu", 1, Level::Logged);
    lab.update(&writer, source, 1, &[("a", 1)], &[]);
    lab.resume(&logger, source, 0);
    lab.collect(&mut writer);
    let asked = writer.expect_map(|packet| match packet {
        Packet::Resume(resume) => Some((resume.updates, resume.bytes)),
        _ => None,
    });
    assert_eq!(asked, (3, 2_000));
}

fn output(limit: &str) {
    let mut street = Street::new(Limits { output: 5_000, ..Limits::default() });
    let time = street.lab.now.time;
    for _ in 0..1_000 {
        street.send(&Packet::Ping(Ping { time, offset: 0, uncertainty: None, id: 0 }));
    }
    street.is_told(limit);
    assert!(street.lab.hub.is_ended(street.offender.id));
}

/// A hub on sockets, with gateways; a native program beside them.
fn serve(limits: Limits, links: &[&str]) -> (Vec<std::net::SocketAddr>, Program, impl Drop) {
    struct Stop(dict_event_loop::server::ServerHandle);
    impl Drop for Stop {
        fn drop(&mut self) {
            self.0.stop();
        }
    }
    let listen = vec!["127.0.0.1:0".parse().expect("an address")];
    let mut server =
        Server::new(Settings { listen, limits, ..Settings::default() }).expect("there are ports");
    let gateways = links.iter().map(|link| {
        dict_gateway::listen(&mut server, &link.parse().expect("a link")).expect("there are ports")
    });
    let gateways = gateways.collect();
    let (address, stop) = (server.addresses()[0].to_string(), Stop(server.handle()));
    std::thread::spawn(move || server.run());
    let native = Program::builder().name("neighbour").connect(&*address).expect("the hub listens");
    (gateways, native, stop)
}

fn unfinished(_: &str) {
    let limits = Limits { unfinished: Duration::from_millis(200), ..Limits::default() };
    let (gateways, native, _stop) = serve(limits, &["comms://127.0.0.1:0?type=string"]);
    let (sender, heard) = std::sync::mpsc::channel();
    native.on_message(move |message| drop(sender.send(message.content.clone()))).expect("it is open");
    native.ping(Duration::from_secs(20)).expect("the neighbour goes on");
    let [mut whole, mut begun] =
        [(); 2].map(|()| TcpStream::connect(gateways[0]).expect("the gateway listens"));
    whole.write_all(b"\x03\0\0\0one").expect("it is connected");
    begun.write_all(b"\x03\0\0\0on").expect("it is connected");
    begun.set_read_timeout(Some(Duration::from_secs(20))).expect("a time is given");
    let ended = begun.read(&mut [0; 1]);
    assert!(ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    // One that has said all of its messages may be silent.
    whole.write_all(b"\x03\0\0\0two").expect("it is connected");
    for text in ["one", "two"] {
        assert_eq!(heard.recv_timeout(Duration::from_secs(20)).expect("it comes"), text.into());
    }
}

fn peers(limit: &str) {
    for (limits, held, told) in [
        (Limits { peers: 1, ..Limits::default() }, 1, limit),
        (Limits { peers: 4, ..Limits::default() }, 2, "half of all that may be (limit peers)"),
        (Limits { address_connections: 2, ..Limits::default() }, 2, "(limit address_connections)"),
    ] {
        let (gateways, native, _stop) = serve(limits, &["comet://127.0.0.1:0"]);
        let connect = || TcpStream::connect(gateways[0]).expect("the gateway listens");
        let held: Vec<_> = (0..held).map(|_| connect()).collect();
        let mut answer = String::new();
        connect().read_to_string(&mut answer).expect("an answer is text");
        assert!(answer.contains(told), "{answer}");
        native.ping(Duration::from_secs(20)).expect("the neighbour goes on");
        drop(held);
    }
}

fn deadline(limit: &str) {
    let (_, native, _stop) = serve(Limits::default(), &[]);
    let options = RequestOptions { timeout: Duration::from_secs(3_601), ..RequestOptions::default() };
    let refused = native.request("$status", Value::Null, &options).expect_err("it is too long").to_string();
    assert!(refused.contains(limit), "{refused}");
    // A comet gateway keeps to it.
    let limits = Limits { deadline: Duration::from_secs(10), ..Limits::default() };
    let (gateways, native, _stop) = serve(limits, &["comet://127.0.0.1:0"]);
    native.handle("ramp", |_| Ok("ramped".into())).expect("it is open");
    native.ping(Duration::from_secs(20)).expect("the neighbour goes on");
    let mut asked = Vec::new();
    comet::encode_request("ramp", &Value::from(5), 8, &mut asked).expect("it can be said");
    let mut client = TcpStream::connect(gateways[0]).expect("the gateway listens");
    client.write_all(&asked).expect("it is connected");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("it is answered");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("ramped"), "{answer}");
    // Of a client that does not keep to it the hub cuts it short.
    let mut street = Street::new(Limits { deadline: Duration::from_secs(1), ..Limits::default() });
    handled(&mut street);
    street.send(&text(1, b""));
    street.lab.pass(Duration::from_secs(1));
    street.is_told("no answer came in time");
}

/// What is on no hub's disk, and for which there is no room, is given up.
fn spool() {
    let mut session = session(Limits { spool: 2_000, ..Limits::default() });
    let options = WriterOptions { level: Some(Level::Logged), ..WriterOptions::default() };
    let writer = session.add_writer(Now::default(), "psu", options).expect("a good name");
    for n in 0..10 {
        let state = dict_protocol::dictionary! { "n" => n, "text" => n.to_string().repeat(600) };
        session.publish(Now::default(), writer, &state).expect("there is room");
        assert!(session.writer(writer).expect("it is there").unacknowledged() <= 3);
    }
    assert!(session.writer(writer).expect("it is there").dropped() >= 7);
}

/// A client's side, which is not connected.
fn session(limits: Limits) -> Session {
    let (product, credentials) = (String::new(), String::new());
    let settings =
        session::Settings { name: "client".into(), product, credentials, client_id: [1; 16], limits };
    Session::new(settings)
}

fn client_output(limit: &str) {
    let mut session = session(Limits { client_output: 1_000, ..Limits::default() });
    let mut lab = Lab::new();
    let id = lab.hub.open(lab.now, "192.0.2.1:1");
    session.connected(lab.now);
    lab.hub.receive(lab.now, id, session.output());
    session.wrote(session.output().len());
    session.receive(lab.now, lab.hub.output(id), &mut |_| ());
    session.wrote(session.output().len());
    let payload = Payload { encoding: Encoding::Text, bytes: &[b'x'; 600] };
    let sent: Vec<_> = (0..3).map(|_| session.send(None, payload)).collect();
    let error = sent.into_iter().find_map(Result::err).expect("three are too many").to_string();
    assert!(error.contains(limit), "{error}");
}
