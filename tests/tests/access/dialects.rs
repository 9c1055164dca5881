//! The matrix of the older dialects: what a program of each may do is what the identity of its link may.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use dict_event_loop::client::{Client, RequestOptions, Watch, WatchOptions, WriterOptions};
use dict_protocol::dialect::comet::{self, Answer};
use dict_protocol::dialect::{Content, Incoming, Options, comms, pytcp};
use dict_protocol::dictionary;
use dict_protocol::pattern::Pattern;
use dict_protocol::value::Value;

use super::lab::{A_WHILE, Lab, wait_for, wait_for_client};
use super::rules::{Granted, ROOT, access};
use super::wire::SOON;

/// What a program of a dialect does, the right that it takes, and on what.
struct Verb {
    what: &'static str,
    link: &'static str,
    right: &'static str,
    /// What grants it, and what is near it and does not.
    grants: &'static str,
    other: &'static str,
    /// Tries it; whether it came about.
    happens: fn(&Lab, &Root) -> bool,
}

const VERBS: [Verb; 8] = [
    Verb {
        what: "pytcp serves a source",
        link: "pytcp://127.0.0.1:0?source=bench1/psu",
        right: "read",
        grants: "bench1/",
        other: "bench2/",
        happens: pytcp_serves,
    },
    Verb {
        what: "pytcp serves all",
        link: "pytcp://127.0.0.1:0?",
        right: "read",
        grants: "*",
        other: "bench2/",
        happens: pytcp_serves,
    },
    Verb {
        what: "comms speaks to everybody",
        link: "comms://127.0.0.1:0?",
        right: "send",
        grants: "*",
        other: "root",
        happens: comms_speaks,
    },
    Verb {
        what: "comms feeds a source",
        link: "comms://127.0.0.1:0?source=bench1/chamber",
        right: "write",
        grants: "bench1/",
        other: "bench1/chamber2",
        happens: comms_feeds,
    },
    Verb {
        what: "comms watches",
        link: "comms://127.0.0.1:0?watch=bench1/",
        right: "read",
        grants: "bench1/psu",
        other: "bench2/psu",
        happens: comms_watches,
    },
    Verb {
        what: "comet asks",
        link: "comet://127.0.0.1:0?",
        right: "request",
        grants: "ramp",
        other: "rampart",
        happens: comet_asks,
    },
    Verb {
        what: "pingpong reads",
        link: "pingpong://127.0.0.1:0?",
        right: "write",
        grants: "pingpong/",
        other: "comms/",
        happens: pingpong_reads,
    },
    Verb {
        what: "pingpong reads into a source",
        link: "pingpong://127.0.0.1:0?source=sensor",
        right: "write",
        grants: "sensor",
        other: "sensors",
        happens: pingpong_reads,
    },
];

/// A client that may do everything, and what it sees.
struct Root {
    /// How long something may take to happen: long, unless it must not.
    patience: Duration,
    client: Client,
    messages: Receiver<String>,
    all: Watch,
}

impl Root {
    fn new(lab: &Lab, expected: bool) -> Self {
        let client = lab.client("root", "root");
        let (said, messages) = channel();
        client.on_message(move |message| drop(said.send(format!("{:?}", message.content)))).unwrap();
        client.handle("ramp", |_| Ok("done".into())).unwrap();
        let psu = client.writer("bench1/psu", WriterOptions::default()).unwrap();
        psu.publish(&dictionary! { "V" => 5 }).unwrap();
        psu.flush(SOON).unwrap();
        let all = client.watch(Pattern::all(), WatchOptions::default()).unwrap();
        all.wait_current(SOON).unwrap();
        Self { patience: if expected { SOON } else { A_WHILE * 2 }, client, messages, all }
    }

    /// Waits until the hub has a client of that name.
    fn sees(&self, name: &str) {
        wait_for_client(&self.client, name, |_| true);
    }

    /// Whether one of these sources gets a dictionary.
    fn gets(&self, sources: &[&str]) -> bool {
        let deadline = Instant::now() + self.patience;
        while Instant::now() < deadline {
            if sources.iter().any(|source| self.all.latest(source).is_some()) {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

/// Whether anything comes that is what is waited for.
fn comes(root: &Root, stream: &mut TcpStream, is: impl Fn(&[u8]) -> bool) -> bool {
    stream.set_read_timeout(Some(root.patience)).unwrap();
    let mut bytes = Vec::new();
    let mut buffer = [0; 4_096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..count]);
        if is(&bytes) {
            return true;
        }
    }
    false
}

fn pytcp_serves(lab: &Lab, root: &Root) -> bool {
    let mut peer = lab.peer(0);
    root.sees("pytcp/127.0.0.1");
    comes(root, &mut peer, |bytes| {
        let mut client = pytcp::ClientEnd::new(&Options::default());
        let mut bytes = bytes;
        let mut served = false;
        while let Some(incoming) = client.decode(&mut bytes) {
            // All sources: a dictionary of dictionaries.
            served |= matches!(&incoming, Incoming::State(all) if all.get("V").is_some() || all.get("bench1/psu").is_some());
        }
        served
    })
}

fn comms_message(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    let end = comms::End::new(&Options::default());
    end.encode_message(&Content::Value(std::borrow::Cow::Borrowed(value)), &mut bytes).unwrap();
    bytes
}

fn comms_speaks(lab: &Lab, root: &Root) -> bool {
    let mut peer = lab.peer(0);
    root.sees("comms/127.0.0.1");
    peer.write_all(&comms_message(&dictionary! { "cmd" => "fire" }.into())).unwrap();
    root.messages.recv_timeout(root.patience).is_ok_and(|message| message.contains("fire"))
}

fn comms_feeds(lab: &Lab, root: &Root) -> bool {
    let mut peer = lab.peer(0);
    root.sees("comms/127.0.0.1");
    peer.write_all(&comms_message(&dictionary! { "T" => 20 }.into())).unwrap();
    root.gets(&["bench1/chamber"])
}

fn comms_watches(lab: &Lab, root: &Root) -> bool {
    let mut peer = lab.peer(0);
    root.sees("comms/127.0.0.1");
    comes(root, &mut peer, |bytes| {
        let mut end = comms::End::new(&Options::default());
        let mut bytes = bytes;
        matches!(end.decode(&mut bytes), Ok(Some(Incoming::Message(_))))
    })
}

fn comet_asks(lab: &Lab, _: &Root) -> bool {
    let mut peer = lab.peer(0);
    let mut bytes = Vec::new();
    comet::encode_request("ramp", &1.into(), 2, &mut bytes).unwrap();
    peer.write_all(&bytes).unwrap();
    bytes.clear();
    peer.read_to_end(&mut bytes).unwrap();
    let mut client = comet::ClientEnd::new(&Options::default());
    let Ok(Some(Incoming::Answer(Answer::Result(Value::Text(answer))))) = client.decode(&mut &bytes[..])
    else {
        panic!("{:?} is no answer", String::from_utf8_lossy(&bytes))
    };
    assert!(answer == "done" || answer.contains(" has no right to request \"ramp\""), "{answer}");
    answer == "done"
}

fn pingpong_reads(lab: &Lab, root: &Root) -> bool {
    let mut peer = lab.peer(0);
    root.sees("pingpong/127.0.0.1");
    peer.write_all(b"ping / ('yesterday', 5)").unwrap();
    let mut pong = [0; 4];
    peer.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"pong", "it is answered whatever becomes of the reading");
    root.gets(&["pingpong/127.0.0.1", "sensor"])
}

#[test]
fn every_cell_of_the_dialects_matrix_is_as_the_rules_say() {
    let looked: Vec<Vec<Option<String>>> = thread::scope(|scope| {
        let looking = VERBS.each_ref().map(|verb| scope.spawn(|| look_at(verb)));
        looking.into_iter().map(|looking| looking.join().unwrap()).collect()
    });
    let cells: Vec<Option<String>> = looked.into_iter().flatten().collect();
    let wrong: Vec<&str> = cells.iter().flatten().map(String::as_str).collect();
    println!("{} cells", cells.len());
    assert!(wrong.is_empty(), "{} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Tries something under different rules: for each whether it is wrong, and how.
fn look_at(verb: &Verb) -> Vec<Option<String>> {
    let Verb { what, link, right, grants, other, happens } = *verb;
    let scheme = link.split_once("://").unwrap().0;
    let named = format!("{link},identity=somebody");
    let all_others: Vec<(&str, &[&str])> = ["read", "write", "handle", "request", "send", "log"]
        .into_iter()
        // Whoever may log a source may read it.
        .filter(|name| *name != right && (right, *name) != ("read", "log"))
        .map(|name| (name, &["*"][..]))
        .collect();
    let granted: Granted<'_> = &[(right, &[grants])];
    let near: Granted<'_> = &[(right, &[other])];
    // Whose rights are which, by which link, and whether it is to happen.
    let cells = [
        (scheme, granted, link, true),
        (scheme, near, link, false),
        (scheme, &all_others[..], link, false),
        (scheme, &[][..], link, false),
        ("somebody", granted, link, false),
        ("somebody", granted, &named, true),
        (scheme, granted, &named, false),
    ];
    let look = |(identity, rights, link, expected)| {
        let lab = Lab::new(access(&[ROOT, (identity, rights)]), &[link], &[]);
        let root = Root::new(&lab, expected);
        let cell = || format!("{what}: [identity.{identity}] {rights:?} at {link}: expected {expected}");
        (happens(&lab, &root) != expected).then(cell)
    };
    cells.into_iter().map(look).collect()
}

#[test]
fn what_is_connected_to_may_do_what_the_links_identity_may() {
    for (patterns, expected) in [(&["psu"][..], true), (&["oven"][..], false)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = format!("pytcp://{}?source=psu", listener.local_addr().unwrap());
        let rights = [("write", patterns)];
        let lab = Lab::new(access(&[ROOT, ("pytcp", &rights[..])]), &[], &[&link]);
        let root = Root::new(&lab, expected);
        let (mut server, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        pytcp::encode(&dictionary! { "V" => 5 }, 8, &mut bytes).unwrap();
        server.write_all(&bytes).unwrap();
        assert_eq!(root.gets(&["psu"]), expected);
    }
    for (patterns, expected) in [(&["*"][..], true), (&["ramp"][..], false)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = format!("comet://{}?name=Telegram", listener.local_addr().unwrap());
        let rights = [("handle", patterns)];
        let lab = Lab::new(access(&[ROOT, ("comet", &rights[..])]), &[], &[&link]);
        let root = Root::new(&lab, expected);
        root.sees("Telegram");
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let _ = stream.read(&mut [0; 1_024]);
                let mut bytes = Vec::new();
                comet::encode_answer(&"done".into(), 8, &mut bytes);
                let _ = stream.write_all(&bytes);
            }
        });
        let options = RequestOptions { to: Some("Telegram".to_owned()), timeout: SOON };
        let answer = wait_for("an answer", || match root.client.request("go", Value::Null, &options) {
            Ok(value) => Some(Ok(value)),
            Err(error) => Some(Err(error)),
        });
        assert_eq!(answer.is_ok(), expected, "{answer:?}");
        if let Ok(value) = answer {
            assert_eq!(value, "done".into());
        }
    }
}
