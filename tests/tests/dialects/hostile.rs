//! Broken bytes at real sockets: each recording cut at every place, and damaged in every byte. Nothing of them is applied,
//! whoever has to be answered is, and a good program beside them notices nothing.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use dict_event_loop::Settings;
use dict_event_loop::client::{Content, RequestOptions, WatchEvent, WatchOptions, WriterOptions};
use dict_protocol::dialect::comet::{self, Answer};
use dict_protocol::dialect::{Incoming, Options, pytcp};
use dict_protocol::dictionary;
use dict_protocol::encoding::json;
use dict_protocol::limits::Limits;
use dict_protocol::pattern::Pattern;
use dict_protocol::value::Value;

use super::lab::{Lab, SOON, wait_for};

/// What was recorded off the original programs: bytes that `from` sent in `dialect`, the short ones.
fn recordings(dialect: &str, from: &str) -> Vec<Vec<u8>> {
    let text = include_str!("../../../crates/dict-protocol/vectors/older-dialects.jsonl");
    let mut found = Vec::new();
    for line in text.lines() {
        let line = json::read(line.as_bytes(), 1).unwrap();
        let text = |field: &str| line.as_dictionary().unwrap()[field].as_str().unwrap().to_owned();
        let digits = text("bytes_hex");
        if text("dialect") == dialect && text("from") == from && (1..400).contains(&digits.len()) {
            let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
            found.push((0..digits.len()).step_by(2).map(byte).collect());
        }
    }
    assert!(!found.is_empty());
    found
}

/// Every beginning of `bytes` that is not all of it.
fn cuts(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len()).map(|length| bytes[..length].to_vec())
}

/// `bytes` with one of them changed, each in turn.
fn damages(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len()).map(|at| {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 0x41;
        damaged
    })
}

/// Sends bytes, ends the output, and reads until the other side has closed.
fn exchange(mut stream: TcpStream, bytes: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    // A connection that is reset in the middle has its answer too: what came before.
    let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn comet_answer(bytes: &[u8]) -> Answer<'static> {
    let mut client = comet::ClientEnd::new(&Options::default());
    match client.decode(&mut &bytes[..]) {
        Ok(Some(Incoming::Answer(Answer::Result(value)))) => Answer::Result(value),
        Ok(Some(Incoming::Answer(Answer::Binary(_)))) => Answer::Binary(b""),
        other => panic!("{other:?} is no answer: {}", String::from_utf8_lossy(bytes)),
    }
}

#[test]
fn a_comet_client_is_answered_whatever_it_sent() {
    let lab = Lab::new(&["comet://127.0.0.1:0"], &[]);
    let responder = lab.client("responder");
    responder.handle("", |_| Ok("done".into())).unwrap();
    responder.ping(SOON).unwrap();
    for recording in recordings("comet", "client") {
        for cut in cuts(&recording) {
            let answer = exchange(lab.connect(0), &cut);
            let Answer::Result(Value::Text(text)) = comet_answer(&answer) else { panic!("a result") };
            assert!(text.starts_with("Error: "), "{text}");
        }
        for damaged in damages(&recording) {
            comet_answer(&exchange(lab.connect(0), &damaged));
        }
        let whole = exchange(lab.connect(0), &recording);
        comet_answer(&whole);
    }
    let asked = lab.client("asker").request("still", Value::Null, &RequestOptions::default()).unwrap();
    assert_eq!(asked, Value::from("done"));
}

#[test]
fn a_comet_client_that_reads_slowly_gets_all_of_a_long_answer() {
    let lab = Lab::new(&["comet://127.0.0.1:0"], &[]);
    let responder = lab.client("responder");
    // Six bytes each, as JSON: more than any system holds for a socket.
    let long = "\u{1}".repeat(1_000_000);
    let answer = Value::from(long);
    let given = answer.clone();
    responder.handle("", move |_| Ok(given.clone())).unwrap();
    responder.ping(SOON).unwrap();
    let mut request = Vec::new();
    comet::encode_request("on", &1.into(), 2, &mut request).unwrap();
    let mut client = lab.connect(0);
    client.write_all(&request).unwrap();
    // Longer than any other connection has to take what is written last.
    std::thread::sleep(Settings::default().drain_timeout * 2);
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).unwrap();
    let mut end = comet::ClientEnd::new(&Options { limit: 8 << 20, ..Options::default() });
    let decoded = end.decode(&mut &bytes[..]).unwrap();
    assert_eq!(decoded, Some(Incoming::Answer(Answer::Result(answer))), "{} bytes", bytes.len());
}

/// JSON that nests so deep.
fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

#[test]
fn what_nests_deeper_than_a_message_may_is_refused_by_itself() {
    let lab = Lab::new(&["comms://127.0.0.1:0", "comet://127.0.0.1:0"], &[]);
    let native = lab.client("native");
    native.handle("", |_| Ok("done".into())).unwrap();
    let (sender, messages) = std::sync::mpsc::channel();
    native.on_message(move |message| drop(sender.send(message.content.clone()))).unwrap();
    native.ping(SOON).unwrap();

    // Deeper than the hub takes, and not too deep for a value.
    let mut comms = lab.connect(0);
    for text in [nested(127), nested(128), "1".to_owned()] {
        comms.write_all(&u32::try_from(text.len()).unwrap().to_le_bytes()).unwrap();
        comms.write_all(text.as_bytes()).unwrap();
    }
    assert_eq!(messages.recv_timeout(SOON).unwrap(), Content::Value(1.into()), "the connection goes on");

    for (depth, expected) in [(127, "Error: nested deeper than 126 levels (limit depth)"), (1, "done")] {
        let mut request = Vec::new();
        let value = json::read(nested(depth).replace("[]", "[1]").as_bytes(), 128).unwrap();
        comet::encode_request("on", &value, 200, &mut request).unwrap();
        assert_eq!(comet_answer(&exchange(lab.connect(1), &request)), Answer::Result(expected.into()));
    }

    let deep = json::read(nested(127).as_bytes(), 128).unwrap();
    assert!(native.send(None, Content::Value(deep)).is_err());
    native.ping(SOON).unwrap();
}

#[test]
fn a_comms_client_beside_broken_ones_notices_nothing() {
    let lab = Lab::new(&["comms://127.0.0.1:0?type=json,source=bench", "comms://127.0.0.1:0"], &[]);
    let native = lab.client("native");
    let watch = native.watch(Pattern::Name("bench".to_owned()), WatchOptions::default()).unwrap();
    let mut good = lab.connect(0);
    let mut say = |n: u32| {
        let text = format!("{{\"good\": {n}}}");
        good.write_all(&u32::try_from(text.len()).unwrap().to_le_bytes()).unwrap();
        good.write_all(text.as_bytes()).unwrap();
    };
    say(0);
    wait_for("the good one's dictionary", || watch.latest("bench"));
    for (n, recording) in (1..).zip(recordings("comms-json-little", "client")) {
        // The good one feeds the source, so nothing of the others may come into it, broken or whole.
        for bytes in cuts(&recording).chain(damages(&recording)) {
            exchange(lab.connect(0), &bytes);
        }
        say(n);
        wait_for("its next one", || {
            (watch.latest("bench") == Some(dictionary! { "good" => n })).then_some(())
        });
    }
    while let Some(event) = watch.next(Duration::ZERO).unwrap() {
        if let WatchEvent::State(state) = event {
            assert!(state.dictionary.contains_key("good"), "{state:?}");
        }
    }
}

#[test]
fn what_a_comms_client_cut_short_is_no_message() {
    let lab = Lab::new(&["comms://127.0.0.1:0?source=bench"], &[]);
    let native = lab.client("native");
    let (sender, messages) = std::sync::mpsc::channel();
    native
        .on_message(move |message| {
            let _ = sender.send(message.content.clone());
        })
        .unwrap();
    native.ping(SOON).unwrap();
    for recording in recordings("comms-json-little", "client") {
        for cut in cuts(&recording) {
            exchange(lab.connect(0), &cut);
        }
    }
    let mut last = lab.connect(0);
    last.write_all(b"\x06\0\0\0\"last\"").unwrap();
    let first = messages.recv_timeout(SOON).unwrap();
    assert_eq!(first, Content::Text("last".to_owned()), "a message that was never whole");
    let sources = native.watch(Pattern::all(), WatchOptions::default()).unwrap();
    sources.wait_current(SOON).unwrap();
    assert_eq!(sources.latest("bench"), None);
}

#[test]
fn a_pytcp_server_whose_frames_are_damaged_stays_connected_and_its_good_frames_count() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let link = format!("pytcp://{}?source=psu", server.local_addr().unwrap());
    let lab = Lab::new(&[], &[&link]);
    let watch = lab.client("native").watch(Pattern::all(), WatchOptions::default()).unwrap();
    let (mut stream, _) = server.accept().unwrap();
    let mut n = 0;
    for recording in recordings("pytcp", "server").iter().filter(|recording| recording.len() < 70) {
        for damaged in cuts(recording).chain(damages(recording)) {
            let mut bytes = damaged;
            n += 1;
            pytcp::encode(&dictionary! { "good" => n }, 8, &mut bytes).unwrap();
            stream.write_all(&bytes).unwrap();
        }
    }
    wait_for("the last good frame", || {
        (watch.latest("psu") == Some(dictionary! { "good" => n })).then_some(())
    });
    for event in std::iter::from_fn(|| watch.next(Duration::ZERO).unwrap()) {
        if let WatchEvent::State(state) = event {
            assert_eq!(state.dictionary.keys().collect::<Vec<_>>(), ["good"], "only good frames are taken");
        }
    }
}

#[test]
fn a_server_that_comes_again_is_recorded_though_another_wrote_its_source_meanwhile() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let link = format!("pytcp://{}?source=psu", server.local_addr().unwrap());
    let lab = Lab::new(&[], &[&link]);
    let native = lab.client("native");
    let watch = native.watch(Pattern::all(), WatchOptions::default()).unwrap();
    let is_there =
        |n: u32| wait_for("it", || (watch.latest("psu") == Some(dictionary! { "n" => n })).then_some(()));
    let say = |n: u32| {
        let mut bytes = Vec::new();
        pytcp::encode(&dictionary! { "n" => n }, 8, &mut bytes).unwrap();
        let (mut stream, _) = server.accept().unwrap();
        stream.write_all(&bytes).unwrap();
        is_there(n);
        stream
    };
    drop(say(1));
    wait_for("the end of its source", || watch.sources().iter().find(|source| !source.online).map(drop));
    let other = native.writer("psu", WriterOptions::default()).unwrap();
    other.publish(&dictionary! { "n" => 2 }).unwrap();
    is_there(2);
    other.end(SOON).unwrap();
    say(3);
}

#[test]
fn a_ping_pong_client_is_answered_for_each_read_and_once_at_the_end() {
    let lab = Lab::new(&["pingpong://127.0.0.1:0"], &[]);
    for recording in recordings("pingpong", "client") {
        for damaged in damages(&recording) {
            let mut stream = lab.connect(0);
            stream.write_all(&damaged).unwrap();
            let mut pong = [0; 4];
            stream.read_exact(&mut pong).unwrap();
            assert_eq!(&pong, b"pong");
            if std::str::from_utf8(&damaged).is_ok() {
                assert_eq!(exchange(stream, b""), b"pong", "and one for the end");
            }
        }
    }
}

#[test]
fn whoever_is_one_too_many_is_sent_away() {
    // All come from one address.
    let most = Limits::default().peers.div_ceil(2);
    let lab = Lab::new(&["comms://127.0.0.1:0"], &[]);
    let mut silent: Vec<_> = (0..most).map(|_| lab.connect(0)).collect();
    let mut refused = lab.connect(0);
    let ended = refused.read(&mut [0; 1]);
    assert!(ended.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionReset), "{ended:?}");
    drop(silent.pop());
    wait_for("the place of one that left", || {
        let mut next = lab.connect(0);
        next.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let read = next.read(&mut [0; 1]);
        read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock).then_some(())
    });
}
