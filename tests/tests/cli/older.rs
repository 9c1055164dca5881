//! `dict-client` and programs of older systems, with no hub between: `ping` and `request`.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};

use dict_protocol::dialect::comet::{Request, ServerEnd, encode_answer, encode_error};
use dict_protocol::dialect::pingpong::Reading;
use dict_protocol::dialect::{Incoming, Options};
use dict_protocol::dictionary;
use dict_protocol::value::Value;
use dictwire_tests::programs::{Running, command, run, succeed};

use super::{fails, text};

/// A server of one connection, and its address.
fn serve<T: Send + 'static>(
    scheme: &str,
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (JoinHandle<T>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("{scheme}://{}", listener.local_addr().expect("it is bound"));
    let serving = thread::spawn(move || serve(listener.accept().expect("a client").0));
    (serving, address)
}

/// A pingpong server that answers the reads that it is told to, each with so many answers; it returns what it read.
fn pong(answers: &'static [usize]) -> (JoinHandle<Vec<String>>, String) {
    serve("pingpong", move |mut stream| {
        let (mut read, mut buffer) = (Vec::new(), [0; 1024]);
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            read.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
            let count = answers.get(read.len() - 1).copied().unwrap_or_default();
            stream.write_all("pong".repeat(count).as_bytes()).expect("the client reads");
        }
        read
    })
}

/// A comet server that answers one request, and tells what was asked.
fn comet(answer: impl Fn(&mut Vec<u8>) + Send + 'static) -> (Receiver<(String, Value)>, String) {
    let (asked, asking) = channel();
    let (_, address) = serve("comet", move |mut stream| {
        let (mut end, mut buffer) = (ServerEnd::new(&Options::default()), [0; 7]);
        let request = loop {
            let length = stream.read(&mut buffer).expect("a request");
            if let Some(Incoming::Request(request)) = end.decode(&mut &buffer[..length]).expect("a request") {
                break request;
            }
        };
        let Request::Action { action, value } = request else { panic!("no action: {request:?}") };
        asked.send((action, value)).expect("the test waits");
        let mut out = Vec::new();
        answer(&mut out);
        stream.write_all(&out).expect("the client reads");
    });
    (asking, address)
}

/// An address where nobody listens.
fn nobody(scheme: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("{scheme}://{}", listener.local_addr().expect("it is bound"))
}

#[test]
fn a_ping_server_is_measured_as_its_own_client_does() {
    let (server, address) = pong(&[1; 3]);
    let printed = succeed("dict-client", &["--hub", &address, "ping", "--count", "3", "--interval", "10ms"]);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 5, "{printed}");
    assert!(lines[0].starts_with(&format!("connected to {address} in ")) && lines[0].ends_with(" ms"));
    for (line, number) in lines[1..4].iter().zip(1..) {
        assert!(line.starts_with(&format!("{number}: ")) && line.ends_with(" ms"), "{printed}");
    }
    for figure in ["min ", "mean ", "p50 ", "p99 ", "max ", "loss 0 of 3 (0.0 %)"] {
        assert!(lines[4].contains(figure), "{printed}");
    }
    let read = server.join().expect("it served");
    assert_eq!((read.len(), &*read[0]), (3, "ping"), "nothing surplus: {read:?}");
    for (text, value) in read[1..].iter().zip([2, 3]) {
        assert_eq!(Reading::parse(text).map(|reading| reading.value), Some(value.into()), "{text}");
    }
}

#[test]
fn what_a_ping_server_does_not_answer_is_lost_and_late_answers_stay_with_theirs() {
    let (server, address) = pong(&[0, 2, 1]);
    let arguments = ["--hub", &address, "ping", "--count", "3", "--interval", "0s", "--timeout", "2s"];
    let printed = succeed("dict-client", &arguments);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[1], "1: lost: no answer within 2s");
    assert!(lines[2].starts_with("1: too late, after "), "{printed}");
    assert!(lines[3].starts_with("2: ") && lines[4].starts_with("3: "), "{printed}");
    assert!(lines[5].ends_with("loss 1 of 3 (33.3 %)"), "{printed}");
    assert_eq!(server.join().expect("it served").len(), 3);
}

#[test]
fn a_ping_server_that_never_answers_is_a_failure() {
    let (server, address) = pong(&[]);
    let arguments = ["--hub", &address, "ping", "--count", "2", "--interval", "0s", "--timeout", "1s"];
    let output = run("dict-client", &arguments);
    let printed = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = printed.lines().skip(1).collect();
    let told = ["1: lost: no answer within 1s", "2: lost: no answer within 1s", "loss 2 of 2 (100.0 %)"];
    assert_eq!(lines, told);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(server.join().expect("it served").len(), 2, "each after the one before was given up");
}

#[test]
fn whoever_is_no_ping_server_is_told_in_one_line() {
    for (answer, told) in
        [(&b"pang"[..], "this is no ping server"), (b"", "the server closed the connection")]
    {
        let (server, address) = serve("pingpong", |mut stream| {
            let _ = stream.read(&mut [0; 4]);
            stream.write_all(answer).expect("the client reads");
        });
        let output = run("dict-client", &["--hub", &address, "ping"]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{error}");
        assert!(error.contains(told), "{error}");
        server.join().expect("it served");
    }
    fails(&run("dict-client", &["--hub", &nobody("pingpong"), "ping"]), 1, "connection refused");
}

#[test]
fn a_program_is_asked_at_its_address() {
    let answer = dictionary! { "volt" => 12.5, "name" => "größe" };
    let (asked, address) = comet(move |out| encode_answer(&answer.clone().into(), 128, out));
    let printed = succeed("dict-client", &["--hub", &address, "request", "status", "{\"psu\": [1, 2.0]}"]);
    assert_eq!(printed, "{\"volt\": 12.5, \"name\": \"größe\"}\n");
    let value = dictionary! { "psu" => vec![Value::from(1), 2.0.into()] };
    assert_eq!(asked.recv(), Ok(("status".to_owned(), value.into())));
}

#[test]
fn a_program_is_asked_by_its_name_in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["config.yaml", "lab.toml"] {
        let (asked, address) = comet(|out| encode_answer(&true.into(), 128, out));
        let (host, port) = address.trim_start_matches("comet://").split_once(':').expect("a port");
        let content = match name {
            "lab.toml" => format!("quiet = true\nconnect = ['pytcp://a', '{address}?name=Telegram']\n"),
            _ => format!(
                "Socket_connection:\n    Host:\n      IP: 127.0.0.2\n      Port: 65432\n    Client:\n      \
                 Telegram:\n        IP: {host}\n        Port: {port}\n      Mail:\n        IP: {host}\n        Port: 1\n"
            ),
        };
        let path = folder.path().join(name);
        fs::write(&path, content).expect("a file");
        let request = |to| ["request", "--config", text(&path), "--to", to, "send", "hello"];
        assert_eq!(succeed("dict-client", &request("Telegram")), "true\n");
        assert_eq!(asked.recv(), Ok(("send".to_owned(), "hello".into())));
        let known =
            if name == "lab.toml" { "lab.toml names Telegram" } else { "config.yaml names Telegram, Mail" };
        fails(&run("dict-client", &request("telegram")), 2, known);
    }
}

#[test]
fn a_hub_is_between_the_programs_of_a_file_and_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.yaml");
    let (asked, address) = comet(|out| encode_answer(&true.into(), 128, out));
    let port = address.rsplit(':').next().expect("a port");
    let host = "Host: {IP: 127.0.0.1, Port: 0}";
    let clients = format!("Client: {{Telegram: {{IP: 127.0.0.1, Port: {port}}}}}");
    fs::write(&path, format!("settings:\n  Socket_connection:\n    {host}\n    {clients}\n"))
        .expect("a file");
    let arguments = ["--listen", "127.0.0.1:0", "--listen", "comms://127.0.0.1:0", "--config", text(&path)];
    let (mut server, hub) = Running::listening("dict-server", &arguments);
    assert!(server.line().starts_with("listening on comms://127.0.0.1:"));
    let line = server.line();
    let comet = line.strip_prefix("listening on ").expect("it listens for COMET programs");
    assert!(comet.starts_with("comet://127.0.0.1:"), "{comet}");

    let request = ["--hub", &hub, "request", "send", "hello", "--to", "Telegram", "--timeout", "30s"];
    assert_eq!(succeed("dict-client", &request), "true\n");
    assert_eq!(asked.recv(), Ok(("send".to_owned(), "hello".into())));

    let mut respond = command("dict-client");
    respond.args(["--hub", &hub, "respond", "echo", "--exec", "cat"]);
    let mut respond = Running::start(respond);
    assert!(respond.line().starts_with("answering"));
    assert_eq!(succeed("dict-client", &["--hub", comet, "request", "echo", "[1, 2.5]"]), "[1, 2.5]\n");
    fails(&run("dict-server", &["--listen", comet]), 1, "address in use");
}

#[test]
fn an_error_is_printed_and_a_failure() {
    let (_asked, address) = comet(|out| encode_error("there is no such action", out));
    let output = run("dict-client", &["--hub", &address, "request", "fly", "1"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "\"Error: there is no such action\"\n");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.ends_with("answered with an error\n") && error.lines().count() == 1, "{error}");
}

#[test]
fn a_program_that_gives_no_answer_is_told_in_one_line() {
    let ask = |address: &str| run("dict-client", &["--hub", address, "request", "a", "1"]);
    fails(&ask(&nobody("comet")), 1, "connection refused; is that program running there?");
    let (_asked, closing) = comet(|_| ());
    fails(&ask(&closing), 1, "gave no answer that can be read");
    let (_asked, unreadable) = comet(|out| out.extend(b"\0\x02{}"));
    fails(&ask(&unreadable), 1, "gave no answer that can be read");
    let (_held, silent) = serve("comet", |stream| stream);
    let arguments = ["--hub", &silent, "request", "a", "1", "--timeout", "300ms"];
    fails(&run("dict-client", &arguments), 1, "within 300ms: it may have been done or not");
}

#[test]
fn wrong_usage_of_a_direct_request_is_told_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("empty.toml");
    fs::write(&path, "").expect("a file");
    for (arguments, code, told) in [
        (&["request", "a", "--config", text(&path)][..], 2, "--to"),
        (&["request", "a", "--config", text(&path), "--to", "b"], 2, "names no program at all"),
        (&["request", "a", "--config", "none.toml", "--to", "b"], 1, "cannot read none.toml"),
        (&["--hub", "comet://127.0.0.1", "request", "a", "--to", "b"], 2, "leave it out"),
        (&["--hub", "pytcp://127.0.0.1", "request", "a"], 2, "there is no hub"),
        (&["--hub", "comet://127.0.0.1", "ping"], 2, "there is no hub"),
        (&["--hub", "comet://127.0.0.1?timeout=1", "request", "a"], 2, "leave them out"),
        (&["--hub", "pingpong://127.0.0.1?source=a", "ping"], 2, "leave them out"),
    ] {
        fails(&run("dict-client", arguments), code, told);
    }
}
