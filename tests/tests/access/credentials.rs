//! Who comes in: each kind of bad credentials, and where a token does not go.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use dict_event_loop::client::{Client, ConnectError};
use dict_event_loop::server::access::TokenHash;
use dict_protocol::packet::ErrorCode;

use super::lab::Lab;
use super::rules::{RULES, access, token};
use super::wire::{Heard, Wire};

#[test]
fn whoever_has_no_good_token_is_told_so_in_one_line_and_gets_no_further() {
    let lab = Lab::new(access(RULES), &["comms://127.0.0.1:0"], &[]);
    let mut root = lab.wire("root", "root");
    root.subscribe(dict_protocol::packet::Mode::Every, "$*");
    let good = token("reader");
    let hash = TokenHash::of(&good).to_string();
    let long = "x".repeat(10_000);
    let upper = good.to_uppercase();
    for (credentials, told) in [
        ("", "this hub wants credentials: "),
        ("the-token-of-nobody", "the token is not known here"),
        // The name of an identity, that of a gateway's and that of the hub's own.
        ("reader", "the token is not known here"),
        ("comms", "the token is not known here"),
        ("$local", "the token is not known here"),
        (&hash, "the token is not known here"),
        (&hash["sha256:".len()..], "the token is not known here"),
        (&upper, "the token is not known here"),
        (&good[..good.len() - 1], "the token is not known here"),
        (&format!("{good} "), "the token is not known here"),
        (&format!("{good}\0"), "the token is not known here"),
        (&long, "the token is not known here"),
    ] {
        let mut wire = Wire::connect(lab.hub);
        wire.greet("stranger", credentials);
        let Heard::Error { code, closing: true, text, .. } = wire.hear() else {
            panic!("{credentials:?} was not refused")
        };
        assert_eq!(code, ErrorCode::Credentials, "{credentials:?}");
        assert!(text.starts_with(told) && text.lines().count() == 1, "{text}");
        assert!(credentials.is_empty() || !text.contains(credentials), "{text}");
        assert_eq!(wire.hear(), Heard::End);
    }
    let rows = root.settle();
    assert!(!rows.iter().any(|heard| matches!(heard, Heard::Update { .. })), "nobody came: {rows:?}");
    lab.wire("reader", "reader");
}

#[test]
fn a_program_is_told_why_it_is_refused() {
    let lab = Lab::new(access(RULES), &[], &[]);
    for (credentials, told) in
        [("wrong", "the token is not known here"), ("", "this hub wants credentials: set DICTWIRE_TOKEN")]
    {
        let refused = Client::builder().credentials(credentials).connect(&*lab.hub.to_string());
        let Err(ConnectError::Refused { code: Some(ErrorCode::Credentials), text }) = refused else {
            panic!("it was not refused")
        };
        assert!(text.starts_with(told), "{text}");
    }
}

/// An address of this machine that is not loopback, if it has any; nothing is sent to find it.
fn elsewhere() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

#[test]
fn a_token_is_not_sent_in_clear_to_another_machine() {
    let Some(ip) = elsewhere() else {
        eprintln!("left out, since this machine has no address but loopback");
        return;
    };
    // Nothing but the listening end: whatever comes would be seen. It is never read from but to see that nothing came.
    let listener = std::net::TcpListener::bind(SocketAddr::new(ip, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let client = || Client::builder().credentials("secret-token").connect_timeout(Duration::from_secs(10));
    let Err(ConnectError::TokenWithheld { peer }) = client().connect(&*address.to_string()) else {
        panic!("it was sent")
    };
    assert_eq!(peer, address);
    let text = ConnectError::TokenWithheld { peer }.to_string();
    assert!(text.contains("insecure-token=true") && !text.contains("secret"), "{text}");
    let (mut stream, _) = listener.accept().unwrap();
    let mut bytes = Vec::new();
    let _ = std::io::Read::read_to_end(&mut stream, &mut bytes);
    assert_eq!(bytes, b"");

    let link = format!("{address}?insecure-token=true");
    let _client = client().start(&*link).unwrap();
    let mut bytes = [0; 12];
    let (mut stream, _) = listener.accept().unwrap();
    std::io::Read::read_exact(&mut stream, &mut bytes).unwrap();
    assert_eq!(bytes[..2], [0xD1, 1], "it says Hello");
}

#[test]
fn a_token_is_never_shown() {
    use dict_protocol::limits::Limits;
    use dict_protocol::packet::Hello;
    use dict_protocol::session::{Session, Settings};
    let settings = Settings {
        name: "a".to_owned(),
        product: "b".to_owned(),
        credentials: "secret-token".to_owned(),
        client_id: [1; 16],
        limits: Limits::default(),
    };
    let hello = Hello {
        version_min: 1,
        version_max: 1,
        client_id: [0; 16],
        time: Default::default(),
        max_body: 1,
        heartbeat: 1,
        name: "a",
        product: "b",
        credentials: "secret-token",
    };
    let builder = Client::builder().credentials("secret-token");
    let shown = [
        format!("{settings:?}"),
        format!("{:?}", Session::new(settings)),
        format!("{hello:?}"),
        format!("{:?}", dict_protocol::packet::Packet::Hello(hello)),
        format!("{builder:?}"),
    ];
    assert!(shown.iter().all(|text| !text.contains("secret")), "{shown:#?}");
}
