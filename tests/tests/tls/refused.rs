//! Whom this end does not trust, or who does not trust this end: one clear line each.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use dict_event_loop::client::{Client, ConnectError};
use dict_event_loop::server::{Listen, Server, Settings};
use dict_protocol::limits::Limits;
use dictwire_tests::faults::proxy::{Manner, Proxy, Way};
use dictwire_tests::programs::{Running, command, run};

use super::files::Files;
use super::{Hub, exchange, listening_link, server_tls};
use crate::client::support::{self, SOON, eventually};

/// That `dict-client` cannot use the link, says so in one line that holds `told`, and exits 1.
#[track_caller]
fn fails(link: &str, told: &str) {
    let output = run("dict-client", &["--hub", link, "status"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{link}: {error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.starts_with("dict-client: ") && error.contains(told), "{error:?} does not tell {told:?}");
}

#[test]
fn a_certificate_that_is_not_to_be_trusted() {
    let (hub, others, namesake) = (Hub::new(), Files::of("another CA"), Files::new());
    let (ca, foreign) = (hub.files.path("ca.pem"), others.path("ca.pem"));
    let here = format!("no secure connection with {}: the other end's certificate", hub.hub.address);
    fails(
        &hub.link(&format!("ca={foreign}")),
        &format!("{here} is signed by no CA that is trusted here: say which"),
    );
    let namesake = hub.link(&format!("ca={}", namesake.path("ca.pem")));
    fails(&namesake, &format!("{here} is signed by another CA, of the same name as the one that is trusted"));
    fails(&hub.link(&format!("ca={ca},server=other.example")), &format!("{here} is for "));
    fails(&hub.link(&format!("ca={ca},server=other.example")), "and not for other.example: server=NAME says");
    let wrong = others.pin("server");
    fails(&hub.link(&format!("pin={wrong}")), &format!("{here} is not the pinned one: its SHA-256 is "));
    fails(&hub.link(&format!("pin={wrong}")), &format!("{}, pin={wrong}", hub.files.pin("server")));
    // By a connection without an event loop too.
    let bare = ["--hub", &hub.link(&format!("pin={wrong}")), "bench", "idle", "--connections", "1"];
    let error = String::from_utf8(run("dict-client", &bare).stderr).unwrap();
    assert!(error.contains(&format!("{here} is not the pinned one: its SHA-256 is ")), "{error}");
    // A client in this process is told the same.
    let refused = Client::connect(&hub.link(&format!("pin={wrong}"))).unwrap_err();
    assert!(matches!(refused, ConnectError::Insecure { .. }), "{refused:?}");
}

#[test]
fn a_certificate_that_has_expired() {
    let files = Files::new();
    files.server("old", &["127.0.0.1"], -3);
    let hub = Hub::with(files, "old", false);
    fails(&hub.trusting(), "the other end's certificate has expired, 3 days ago");
    // The pin says of which certificate the dates are of no concern.
    let pinned = hub.link(&format!("pin={}", hub.files.pin("old")));
    Client::connect(&pinned).unwrap().ping(SOON).unwrap();
}

#[test]
fn what_this_machine_trusts_is_the_default() {
    let hub = Hub::new();
    let mut command = command("dict-client");
    // Where rustls' own crates look first: a store that holds what is to be trusted, and one that does not.
    let output = command
        .args(["--hub", &hub.link(""), "status"])
        .env("SSL_CERT_FILE", hub.files.path("ca.pem"))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    if cfg!(target_os = "linux") {
        assert!(output.status.success(), "{error}");
    }
    let others = Files::new();
    let output = command.env("SSL_CERT_FILE", others.path("ca.pem")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn mutual_tls_lets_in_whom_its_ca_signed() {
    let files = Files::new();
    files.client("bench1", 2);
    files.client("late", -1);
    let (others, namesake) = (Files::of("another CA"), Files::new());
    others.client("stranger", 2);
    namesake.client("stranger", 2);
    let hub = Hub::with(files, "server", true);
    let shows = |files: &Files, name: &str| {
        let [cert, key] = ["", "-key"].map(|end| files.path(&format!("{name}{end}.pem")));
        format!("{}&cert={cert}&key={key}", hub.trusting())
    };
    Client::connect(&shows(&hub.files, "bench1")).unwrap().ping(SOON).unwrap();
    fails(&hub.trusting(), "the other end wants a certificate: give cert=FILE,key=FILE");
    fails(&shows(&hub.files, "late"), "the other end says that this end's certificate has expired");
    fails(&shows(&others, "stranger"), "the other end does not trust the CA of this end's certificate");
    fails(
        &shows(&namesake, "stranger"),
        "the other end does not accept this end's certificate (DecryptError)",
    );
    // One that is for servers is not for clients.
    fails(&shows(&hub.files, "server"), "the other end does not accept this end's certificate");
}

#[test]
fn files_that_cannot_be_used() {
    let files = Files::new();
    files.client("bench1", 2);
    let (ca, cert, key) = (files.path("ca.pem"), files.path("bench1.pem"), files.path("bench1-key.pem"));
    let link = |options: &str| format!("dictwires://127.0.0.1:1?{options}");
    fails(&link("ca=nowhere.pem"), "cannot read nowhere.pem: ");
    fails(&link(&format!("ca={key}")), "holds no certificate: PEM is needed");
    fails(&link(&format!("ca={ca},cert={cert},key={cert}")), "is not secret: its mode is ");
    let other = files.path("server-key.pem");
    fails(&link(&format!("ca={ca},cert={cert},key={other}")), "the key is another certificate's");
    let secret = files.path("no-key");
    dict_event_loop::private::create(secret.as_ref(), b"nonsense").unwrap();
    fails(&link(&format!("ca={ca},cert={cert},key={secret}")), "holds no private key: PEM is needed");
    fails(
        &format!("dictwires://a~b:1?ca={ca}"),
        "no certificate can be for \"a~b\": say what it is for, as ?server=NAME",
    );
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;
    let files = Files::new();
    let key = files.path("server-key.pem");
    for mode in [0o640, 0o604, 0o620] {
        set_permissions(&key, Permissions::from_mode(mode)).unwrap();
        let output =
            run("dict-server", &["--listen", &listening_link(&files, "server", false, "127.0.0.1:0")]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{error}");
        assert!(
            error.contains(&format!("its mode is {mode:03o}")) && error.contains(&format!("chmod 600 {key}")),
            "{error}"
        );
    }
}

#[test]
fn whoever_does_not_speak_tls_is_told_so_on_both_sides() {
    // A plain client at an encrypted hub.
    let hub = Hub::new();
    fails(&hub.hub.address, "the other end speaks TLS, as dictwires:// does");
    // An encrypted client at a plain hub.
    let plain = support::Hub::new();
    let link = format!("dictwires://{}?ca={}", plain.address, hub.files.path("ca.pem"));
    fails(&link, "the other end does not speak TLS: is it a dictwire:// link?");
    // Somebody else's service.
    let answer = exchange(&hub.hub.address, b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(answer.first(), Some(&0x15), "an alert comes, and then the end: {answer:?}");
    // The hub serves on.
    hub.client("another").ping(SOON).unwrap();
}

#[test]
fn the_hub_says_in_its_log_who_was_refused_and_why() {
    let files = Files::new();
    let mut command = command("dict-server");
    command.args(["--listen", &listening_link(&files, "server", true, "127.0.0.1:0")]);
    command.stderr(std::process::Stdio::piped());
    let mut server = Running::start(command);
    let address = server.listens_on();
    let address = address.strip_prefix("dictwires://").expect("it says that it is encrypted").to_owned();
    let mut log = std::io::BufReader::new(server.take_stderr());
    for (told, attempt) in [
        ("the other end shows no certificate", "status"),
        ("the other end does not speak TLS: its link has to be a dictwires:// one", "garbage"),
    ] {
        if attempt == "garbage" {
            exchange(&address, b"GET / HTTP/1.1\r\n\r\n");
        } else {
            run(
                "dict-client",
                &["--hub", &format!("dictwires://{address}?ca={}", files.path("ca.pem")), attempt],
            );
        }
        let mut line = String::new();
        std::io::BufRead::read_line(&mut log, &mut line).unwrap();
        assert!(line.contains(told) && line.contains("127.0.0.1:"), "{line:?} does not tell {told:?}");
    }
}

#[test]
fn a_logger_says_once_why_it_cannot_record_a_hub() {
    let hub = Hub::new();
    let others = Files::of("another CA");
    let proxy = Proxy::start(&hub.hub.address, Manner::Whole);
    let link = format!("dictwires://{}?ca={}", proxy.address, others.path("ca.pem"));
    let mut command = command("logger");
    command.args(["--listen", "127.0.0.1:0", "--timeline", &others.path("timeline.db"), "--connect", &link]);
    command.stderr(std::process::Stdio::piped());
    let mut logger = Running::start(command);
    let mut log = std::io::BufReader::new(logger.take_stderr());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut log, &mut line).unwrap();
    assert!(line.contains("signed by no CA that is trusted here") && line.contains(&proxy.address), "{line}");
    // Two attempts more: the first of them was refused by then.
    let attempt = proxy.passed(Way::There);
    eventually(|| proxy.passed(Way::There) >= 3 * attempt);
    logger.signal("INT");
    assert!(logger.wait().success());
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[test]
fn a_hub_that_is_full_says_so_after_the_handshake() {
    let files = Files::new();
    let limits = Limits { connections: 1, ..Limits::default() };
    let tls = Some(server_tls(&files, "server", false));
    let listen = vec![Listen { address: "127.0.0.1:0".parse().unwrap(), tls }];
    let hub = support::Hub::run(Server::new(Settings { listen, limits, ..Settings::default() }).unwrap());
    let link = format!("dictwires://{}?ca={}", hub.address, files.path("ca.pem"));
    let first = Client::connect(&link).unwrap();
    fails(&link, "number of connections");
    first.ping(SOON).unwrap();
}

#[test]
fn whoever_stops_in_mid_handshake_is_gone_at_the_greetings_deadline() {
    let files = Files::new();
    let greeting = Duration::from_millis(300);
    let limits = Limits { greeting, ..Limits::default() };
    let tls = Some(server_tls(&files, "server", false));
    let listen = vec![Listen { address: "127.0.0.1:0".parse().unwrap(), tls }];
    let hub = support::Hub::run(Server::new(Settings { listen, limits, ..Settings::default() }).unwrap());
    // The beginning of a record, of which the rest never comes; and nothing at all.
    for beginning in [&[0x16, 3, 1, 1, 0, 1][..], &[]] {
        let mut stream = TcpStream::connect(&hub.address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.write_all(beginning).unwrap();
        let mut answer = Vec::new();
        // An end or a reset, before patience is over.
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
        }
        assert!(answer.is_empty(), "{answer:?}");
    }
}

#[test]
fn a_handshake_without_end_is_ended() {
    let files = Files::new();
    // So that the deadline is not what ends it.
    let limits = Limits { greeting: 3 * SOON, ..Limits::default() };
    let tls = Some(server_tls(&files, "server", false));
    let listen = vec![Listen { address: "127.0.0.1:0".parse().unwrap(), tls }];
    let hub = support::Hub::run(Server::new(Settings { listen, limits, ..Settings::default() }).unwrap());
    // A ClientHello of 60,000 bytes, in records of 4 KiB, of which a third comes.
    let hello = [&[1, 0, 0xea, 0x60][..], &[0; 6 * 4_096 - 4]].concat();
    let record = |part: &[u8]| [&[0x16, 3, 1, 0x10, 0], part].concat();
    let records = hello.chunks(4_096).map(record).collect::<Vec<_>>().concat();
    assert!(exchange(&hub.address, &records).is_empty(), "nothing is said, and the end comes");
    Client::connect(&format!("dictwires://{}?ca={}", hub.address, files.path("ca.pem"))).unwrap();
}

#[test]
fn strangers_do_not_fill_the_log() {
    let files = Files::new();
    let mut command = command("dict-server");
    command.args(["--listen", &listening_link(&files, "server", false, "127.0.0.1:0")]);
    command.args(["--listen", "127.0.0.1:0"]).stderr(std::process::Stdio::piped());
    let mut server = Running::start(command);
    let encrypted = server.listens_on();
    let plain = server.line();
    let addresses = [
        encrypted.strip_prefix("dictwires://").expect("it says that it is encrypted"),
        plain.strip_prefix("listening on ").expect("it says where it listens"),
    ];
    for _ in 0..100 {
        for address in addresses {
            exchange(address, b"GET / HTTP/1.1\r\n\r\n");
        }
    }
    server.signal("INT");
    assert!(server.wait().success());
    let mut log = String::new();
    server.take_stderr().read_to_string(&mut log).unwrap();
    for told in ["connection refused", "connection failed"] {
        let count = log.lines().filter(|line| line.contains(told)).count();
        assert!((10..80).contains(&count), "{told}: {count} lines");
    }
}
