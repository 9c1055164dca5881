//! The matrix of the older dialects: what a program of each may do is what the identity of its link may.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use dict_event_loop::client::{Client, RequestOptions, Watch, WatchOptions, WriterOptions};
use dict_protocol::dialect::comet::{self, Answer};
use dict_protocol::dialect::{Content, Incoming, Options, comms, pytcp};
use dict_protocol::dictionary;
use dict_protocol::pattern::Pattern;
use dict_protocol::value::Value;

use super::lab::{A_WHILE, Lab, wait_for, wait_for_client};
use super::rules::access;
use super::wire::SOON;

const ROOT: (&str, &[(&str, &[&str])]) = (
    "root",
    &[
        ("read", &["*", "$*"]),
        ("write", &["*"]),
        ("handle", &["*"]),
        ("request", &["*", "$*"]),
        ("send", &["*"]),
    ],
);

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
    client: Client,
    messages: Receiver<String>,
    all: Watch,
}

impl Root {
    fn new(lab: &Lab) -> Self {
        let client = lab.client("root", "root");
        let (said, messages) = channel();
        client.on_message(move |message| drop(said.send(format!("{:?}", message.content)))).unwrap();
        client.handle("ramp", |_| Ok("done".into())).unwrap();
        let psu = client.writer("bench1/psu", WriterOptions::default()).unwrap();
        psu.publish(&dictionary! { "V" => 5 }).unwrap();
        psu.flush(SOON).unwrap();
        let all = client.watch(Pattern::all(), WatchOptions::default()).unwrap();
        all.wait_current(SOON).unwrap();
        Self { client, messages, all }
    }

    /// Waits until the hub has a client of that name.
    fn sees(&self, name: &str) {
        wait_for_client(&self.client, name, |_| true);
    }

    /// Whether a source gets a dictionary, in a while.
    fn gets(&self, source: &str) -> bool {
        let deadline = std::time::Instant::now() + A_WHILE * 4;
        while std::time::Instant::now() < deadline {
            if self.all.latest(source).is_some() {
                return true;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        false
    }
}

/// Whether anything comes, in a while.
fn comes(stream: &mut TcpStream, is: impl Fn(&[u8]) -> bool) -> bool {
    stream.set_read_timeout(Some(A_WHILE * 4)).unwrap();
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
    comes(&mut peer, |bytes| {
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
    root.messages.recv_timeout(A_WHILE * 4).is_ok_and(|message| message.contains("fire"))
}

fn comms_feeds(lab: &Lab, root: &Root) -> bool {
    let mut peer = lab.peer(0);
    root.sees("comms/127.0.0.1");
    peer.write_all(&comms_message(&dictionary! { "T" => 20 }.into())).unwrap();
    root.gets("bench1/chamber")
}

fn comms_watches(lab: &Lab, root: &Root) -> bool {
    let mut peer = lab.peer(0);
    root.sees("comms/127.0.0.1");
    comes(&mut peer, |bytes| {
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
    root.gets("pingpong/127.0.0.1") || root.gets("sensor")
}

#[test]
fn every_cell_of_the_dialects_matrix_is_as_the_rules_say() {
    let (mut cells, mut wrong) = (0, Vec::new());
    for Verb { what, link, right, grants, other, happens } in VERBS {
        let scheme = link.split_once("://").unwrap().0;
        let named = format!("{link},identity=somebody");
        let others: Vec<&str> = ["read", "write", "handle", "request", "send", "log"]
            .into_iter()
            .filter(|name| *name != right)
            .collect();
        let all_others: Vec<(&str, &[&str])> = others
            .iter()
            // Whoever may log a source may read it.
            .filter(|name| !(right == "read" && **name == "log"))
            .map(|name| (*name, &["*"][..]))
            .collect();
        let granted: &[(&str, &[&str])] = &[(right, &[grants])];
        let near: &[(&str, &[&str])] = &[(right, &[other])];
        // Whose rights are which, by which link, and whether it is to happen.
        for (identity, rights, link, expected) in [
            (scheme, granted, link, true),
            (scheme, near, link, false),
            (scheme, &all_others[..], link, false),
            (scheme, &[][..], link, false),
            ("somebody", granted, link, false),
            ("somebody", granted, &named, true),
            (scheme, granted, &named, false),
        ] {
            let lab = Lab::new(access(&[ROOT, (identity, rights)]), &[link], &[]);
            let root = Root::new(&lab);
            cells += 1;
            if happens(&lab, &root) != expected {
                wrong
                    .push(format!("{what}: [identity.{identity}] {rights:?} at {link}: expected {expected}"));
            }
        }
    }
    println!("{cells} cells");
    assert!(wrong.is_empty(), "{} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_is_connected_to_may_do_what_the_links_identity_may() {
    for (patterns, expected) in [(&["psu"][..], true), (&["oven"][..], false)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = format!("pytcp://{}?source=psu", listener.local_addr().unwrap());
        let rights = [("write", patterns)];
        let lab = Lab::new(access(&[ROOT, ("pytcp", &rights[..])]), &[], &[&link]);
        let root = Root::new(&lab);
        let (mut server, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        pytcp::encode(&dictionary! { "V" => 5 }, 8, &mut bytes).unwrap();
        server.write_all(&bytes).unwrap();
        assert_eq!(root.gets("psu"), expected);
    }
    for (patterns, expected) in [(&["*"][..], true), (&["ramp"][..], false)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = format!("comet://{}?name=Telegram", listener.local_addr().unwrap());
        let rights = [("handle", patterns)];
        let lab = Lab::new(access(&[ROOT, ("comet", &rights[..])]), &[], &[&link]);
        let root = Root::new(&lab);
        root.sees("Telegram");
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let _ = stream.read(&mut [0; 1_024]);
                let mut bytes = Vec::new();
                comet::encode_answer(&"done".into(), 8, &mut bytes);
                let _ = stream.write_all(&bytes);
            }
        });
        let options = RequestOptions { to: Some("Telegram".to_owned()), timeout: SOON, ..Default::default() };
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
