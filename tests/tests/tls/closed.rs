//! Closed by default: off loopback it takes TLS and credentials, or somebody who says that it does not.

use std::net::{IpAddr, Ipv6Addr, TcpListener};
use std::path::Path;

use dict_event_loop::Address;
use dict_event_loop::server::access::Access;
use dict_event_loop::server::{Exposure, Listen, Server, ServerError, Settings};
use dictwire_tests::programs::{Running, run};

use super::files::Files;
use super::{listening_link, server_tls};

fn settings(address: &str) -> Settings {
    Settings { listen: vec![address.parse().unwrap()], ..Settings::default() }
}

fn exposure(settings: Settings) -> Option<Exposure> {
    match Server::new(settings) {
        Ok(_) => None,
        Err(ServerError::Exposed(exposure)) => Some(exposure),
        Err(error) => panic!("{error}"),
    }
}

fn has_ipv6() -> bool {
    TcpListener::bind((IpAddr::from(Ipv6Addr::LOCALHOST), 0)).is_ok()
}

#[test]
fn a_native_listener_for_others_takes_tls_and_credentials() {
    let files = Files::new();
    let with = |encrypted: bool, asks_credentials: bool, insecure: bool| {
        let tls = encrypted.then(|| server_tls(&files, "server", false));
        let listen = vec![Listen { address: "0.0.0.0:0".parse().unwrap(), tls }];
        let access = asks_credentials.then(Access::default);
        exposure(Settings { listen, access, insecure, ..Settings::default() })
    };
    for (encrypted, asks) in [(false, false), (false, true), (true, false)] {
        let refused = with(encrypted, asks, false);
        assert!(
            matches!(refused, Some(Exposure::Native { encrypted: told, asks_credentials, .. })
                if (told, asks_credentials) == (encrypted, asks)),
            "{refused:?}"
        );
        assert_eq!(with(encrypted, asks, true), None, "somebody said so");
    }
    assert_eq!(with(true, true, false), None);
}

#[test]
fn what_counts_is_where_it_is_bound() {
    for (address, is_open) in [
        ("127.0.0.1:0", false),
        ("127.1.2.3:0", cfg!(not(target_os = "linux"))),
        ("localhost:0", false),
        ("0.0.0.0:0", true),
        ("[::1]:0", false),
        ("[::ffff:127.0.0.1]:0", false),
        ("[::]:0", true),
    ] {
        if (address.starts_with('[') && !has_ipv6()) || (address.starts_with("127.1") && is_open) {
            continue;
        }
        assert_eq!(exposure(settings(address)).is_some(), is_open, "{address}");
    }
    // By a name that leads elsewhere: this machine's own, where it does.
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let resolved = std::net::ToSocketAddrs::to_socket_addrs(&(name.trim(), 0)).ok();
    if let Some(address) = resolved.and_then(|mut found| found.find(std::net::SocketAddr::is_ipv4)) {
        let listen = format!("{}:0", name.trim());
        assert_eq!(
            exposure(settings(&listen)).is_some(),
            !address.ip().is_loopback(),
            "{listen} is {address}"
        );
    }
}

#[test]
fn one_open_listener_among_others_closes_all() {
    let mut wanted = settings("127.0.0.1:0");
    wanted.listen.push("0.0.0.0:0".parse().unwrap());
    // A port that is free again can be bound.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    wanted.listen[0].address = free.into();
    assert!(exposure(wanted).is_some());
    drop(TcpListener::bind(free).unwrap());
}

#[test]
fn older_dialects_for_others_need_a_flag_of_their_own() {
    for scheme in ["pytcp", "comms", "comet", "pingpong"] {
        for (insecure, insecure_older) in [(false, false), (true, false), (false, true)] {
            let mut server =
                Server::new(Settings { insecure, insecure_older, ..settings("127.0.0.1:0") }).unwrap();
            let open = format!("{scheme}://0.0.0.0:0").parse().unwrap();
            let listened = dict_gateway::listen(&mut server, &open);
            if insecure_older {
                listened.unwrap();
            } else {
                let refused = listened.unwrap_err();
                assert!(matches!(refused, ServerError::Exposed(Exposure::Older { .. })), "{refused}");
            }
            dict_gateway::listen(&mut server, &format!("{scheme}://127.0.0.1:0").parse().unwrap()).unwrap();
        }
    }
}

#[test]
fn the_programs_say_what_to_do() {
    let files = Files::new();
    let (timeline, config) = (files.path("timeline.db"), files.path("lab.toml"));
    let encrypted = listening_link(&files, "server", false, "0.0.0.0:0");
    for (program, more) in [("dict-server", &[][..]), ("logger", &["--timeline", &timeline])] {
        for (listen, told) in [
            (
                "0.0.0.0:0",
                "without TLS and without credentials: listen on 127.0.0.1, or on 'dictwires://0.0.0.0:",
            ),
            (&encrypted, "which others can reach, without credentials: listen on"),
            (
                "comms://0.0.0.0:0",
                "in that dialect nobody can show who he is; listen on 127.0.0.1, or accept it with",
            ),
        ] {
            let output = run(program, &[&["--listen", "127.0.0.1:0", "--listen", listen], more].concat());
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{error}");
            assert!(error.contains(told), "{error:?} does not tell {told:?}");
            assert!(output.stdout.is_empty());
            assert!(!Path::new(&timeline).exists(), "a start that is refused leaves no timeline");
        }
        let open =
            ["--insecure", "--insecure-older", "--listen", "comms://0.0.0.0:0", "--listen", "0.0.0.0:0"];
        let (mut running, address) = Running::listening(program, &[&open, more].concat());
        let address: Address = address.parse().unwrap();
        assert_eq!(
            (address.host(), running.line().starts_with("listening on comms://0.0.0.0:")),
            ("0.0.0.0", true)
        );
        drop(running);
        // The same in a file.
        std::fs::write(
            &config,
            "listen = ['0.0.0.0:0', 'comms://0.0.0.0:0']\ninsecure = true\ninsecure-older = true",
        )
        .unwrap();
        let (_running, _) = Running::listening(program, &[&["--config", &config], more].concat());
    }
}
