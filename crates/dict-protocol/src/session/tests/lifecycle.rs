//! Greeting, heartbeats, the end, subscriptions.

use super::*;
use crate::packet::Mode;
use crate::pattern::Pattern;

#[test]
fn everything_is_asked_for_on_each_connection() {
    let mut fixture = Fixture::new(Limits::default());
    fixture.add(Some(Level::Received));
    let subscription = fixture.session.subscribe(Pattern::all(), Mode::Every, Duration::ZERO).unwrap();
    fixture.session.handle("move").unwrap();
    for ping in [1, 1] {
        fixture.greet(LoggerPresence::Away);
        let connected = Told::Connected { name: "client#2".into(), logger: LoggerPresence::Away };
        assert_eq!(fixture.told(), [connected]);
        assert_eq!(
            fixture.sent(),
            [
                Sent::Ping(ping),
                Sent::Announce {
                    epoch: 5_000,
                    previous: 0,
                    newest: 0,
                    level: Level::Received,
                    replay: false,
                    take_over: false
                },
                Sent::Subscribe(subscription.0),
                Sent::Handle { handling: Handling::On, action: "move".into() },
            ]
        );
        fixture.disconnect();
        assert_eq!(fixture.told(), [Told::Disconnected("cut".into())]);
    }
}

#[test]
fn silence_ends_a_connection_and_pings_keep_it() {
    let mut fixture = Fixture::open(Limits::default(), LoggerPresence::Never);
    for _ in 0..10 {
        let due = fixture.session.poll_timeout().unwrap().since(fixture.now.instant);
        assert!(due <= Duration::from_secs(5));
        fixture.after(due);
        let [Sent::Ping(id)] = fixture.sent()[..] else { panic!("no ping") };
        fixture.give(&Packet::Pong(Pong { client_time: fixture.now.time, time: fixture.now.time, id }));
        assert_eq!(fixture.told(), [Told::Pong(Duration::ZERO)]);
    }
    fixture.after(Duration::from_millis(14_999));
    assert_eq!(fixture.told(), []);
    fixture.after(Duration::from_millis(1));
    assert_eq!(
        fixture.told(),
        [Told::Disconnected("silent for 15000 ms, three times the limit heartbeat".into())]
    );
    assert!(fixture.session.should_close());
    assert_eq!(fixture.sent().last(), Some(&Sent::Error(ErrorCode::Silence)));
    fixture.disconnect();
    assert_eq!(fixture.told(), [], "the end is told once");
}

#[test]
fn a_hub_that_does_not_greet_is_given_up() {
    let mut fixture = Fixture::new(Limits::default());
    fixture.session.connected(fixture.now);
    assert_eq!(fixture.session.poll_timeout().unwrap().since(fixture.now.instant), Duration::from_secs(5));
    fixture.after(Duration::from_secs(5));
    assert_eq!(
        fixture.told(),
        [Told::Disconnected("no greeting came within 5000 ms (limit greeting)".into())]
    );
}

#[test]
fn bad_bytes_end_a_connection_whatever_follows() {
    for bad in [&b"HTTP/1.1 200 OK\r\n"[..], &[0xD1, 0x77], &[0xD1, 0x02, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]] {
        let mut fixture = Fixture::open(Limits::default(), LoggerPresence::Never);
        fixture.give_bytes(bad);
        assert!(matches!(&fixture.told()[..], [Told::Disconnected(_)]));
        fixture.welcome(LoggerPresence::Present);
        assert_eq!(fixture.told(), []);
        assert!(matches!(fixture.sent()[..], [Sent::Error(ErrorCode::Protocol | ErrorCode::Limit)]));
    }
}

#[test]
fn the_hubs_last_words_are_passed_on() {
    let mut fixture = Fixture::open(Limits::default(), LoggerPresence::Never);
    fixture.give(&Packet::Bye(packet::Bye { reason: "shutting down" }));
    assert_eq!(fixture.told(), [Told::Disconnected("ended by the other side: shutting down".into())]);

    let mut fixture = Fixture::new(Limits::default());
    fixture.session.connected(fixture.now);
    let error = packet::Error {
        code: ErrorCode::Credentials,
        about: 1,
        reference: 0,
        closing: true,
        text: "who are you?",
    };
    fixture.give(&Packet::Error(error));
    assert_eq!(fixture.told(), [Told::Disconnected("ended by the other side: who are you?".into())]);
}

#[test]
fn a_subscription_that_is_cut_is_asked_for_again() {
    let mut fixture = Fixture::open(Limits::default(), LoggerPresence::Never);
    let id = fixture.session.subscribe(Pattern::all(), Mode::Every, Duration::ZERO).unwrap();
    assert_eq!(fixture.sent(), [Sent::Subscribe(id.0)]);
    let error = |code| {
        let (about, reference) = (Kind::Subscribe as u8, id.0.into());
        Packet::Error(packet::Error { code, about, reference, closing: false, text: "" })
    };
    fixture.give(&error(ErrorCode::TooSlow));
    assert_eq!(fixture.told(), [Told::TooSlow(id.0)]);
    assert_eq!(fixture.sent(), [Sent::Subscribe(id.0)]);
    fixture.give(&error(ErrorCode::Limit));
    assert_eq!(fixture.told(), [Told::SubscriptionRefused(id.0)]);
    fixture.session.unsubscribe(id);
    assert_eq!(fixture.sent(), [], "it was over");
}

#[test]
fn a_greeting_again_is_out_of_place() {
    let mut fixture = Fixture::open(Limits::default(), LoggerPresence::Never);
    fixture.welcome(LoggerPresence::Never);
    assert_eq!(fixture.told(), [Told::Disconnected("Welcome out of place while Open".into())]);
}

#[test]
fn the_offset_is_measured_by_the_greeting_and_reported_at_once() {
    let mut fixture = Fixture::new(Limits::default());
    fixture.session.connected(fixture.now);
    fixture.sent();
    let sent = fixture.now.time;
    fixture.now.instant = fixture.now.instant + Duration::from_micros(200);
    fixture.give(&Packet::Welcome(Welcome {
        version: VERSION,
        run: 1,
        client_time: sent,
        time: sent.offset_by(1_100_000),
        max_body: 1 << 16,
        heartbeat: 1_000,
        logger: LoggerPresence::Never,
        hub: "lab",
        name: "client",
    }));
    assert_eq!(fixture.session.offset(), Some(Offset { nanoseconds: 1_000_000, uncertainty: 100_000 }));
    assert_eq!(fixture.session.limits().dictionary, (1 << 16) - Limits::STATE_OVERHEAD);
}

#[test]
fn a_token_is_not_shown() {
    let token = "0123456789abcdef";
    let settings = Settings {
        name: "client".into(),
        product: "test".into(),
        credentials: token.into(),
        client_id: [0; 16],
        limits: Limits::default(),
    };
    let mut session = Session::new(settings);
    session.connected(Now::default());
    let mut decoder = Decoder::new(1 << 20);
    let mut cut = &session.output()[..session.output().len() - 1];
    assert!(cut.windows(token.len()).any(|bytes| bytes == token.as_bytes()));
    assert_eq!(decoder.decode(&mut cut), Ok(None));
    // As a text, and as bytes.
    let bytes = format!("{:?}", token.as_bytes());
    for shown in [format!("{session:?} {decoder:?}"), format!("{session:#?}").replace([' ', '\n'], "")] {
        assert!(!shown.contains(token) && !shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
        assert!(!shown.contains("48,49,50,51"), "{shown}");
    }
}
