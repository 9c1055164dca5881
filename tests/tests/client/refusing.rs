//! A client on the hub's own loop that takes no messages.

use std::time::Duration;

use dict_event_loop::Close;
use dict_event_loop::server::access::LOCAL;
use dict_event_loop::server::{Origin, Party, Server, Settings, StreamId, Wish};
use dict_protocol::limits::Limits;
use dict_protocol::session::{self, Event, Session};
use dict_protocol::time::{Instant, Now};
use dictwire_tests::programs::run;

use super::support::Hub;

/// Refuses each message, with what it said.
struct Deaf {
    session: Session,
    wish: Option<Wish>,
    stream: Option<StreamId>,
}

impl Deaf {
    fn new() -> Self {
        let wish = Wish::Join {
            place: 0,
            address: "here".to_owned(),
            identity: LOCAL.to_owned(),
            after: Duration::ZERO,
        };
        let session = Session::new(session::Settings {
            name: "deaf".to_owned(),
            product: "test".to_owned(),
            credentials: String::new(),
            client_id: [1; 16],
            limits: Limits::default(),
        });
        Self { session, wish: Some(wish), stream: None }
    }
}

impl Party for Deaf {
    fn poll_wish(&mut self) -> Option<Wish> {
        self.wish.take()
    }

    fn opened(&mut self, now: Now, stream: StreamId, _: Origin, _: &str) {
        self.stream = Some(stream);
        self.session.connected(now);
    }

    fn received(&mut self, now: Now, _: StreamId, bytes: &[u8]) {
        let mut refused = Vec::new();
        self.session.receive(now, bytes, &mut |event| {
            if let Event::Message(message) = event {
                let said = String::from_utf8_lossy(message.payload.bytes).into_owned();
                refused.push((message.fields.id, message.fields.from.to_owned(), said));
            }
        });
        for (id, from, said) in refused {
            self.session.refuse(id, &from, &format!("{said:?} says nothing to me")).unwrap();
        }
    }

    fn output(&mut self, _: StreamId) -> &[u8] {
        self.session.output()
    }

    fn written(&mut self, _: Now, _: StreamId, count: usize) {
        self.session.wrote(count);
    }

    fn closed(&mut self, _: Now, _: StreamId, reason: &str) {
        self.stream = None;
        self.session.disconnected(reason, &mut |_| ());
    }

    fn ending(&self, _: StreamId) -> Option<Close> {
        self.session.should_close().then_some(Close::Drain)
    }

    fn is_established(&self, _: StreamId) -> bool {
        self.session.is_open()
    }

    fn link_failed(&mut self, _: Now, _: u32, _: &str) {}

    fn takes_input(&self) -> bool {
        true
    }

    fn woken(&mut self, _: Now) {}

    fn poll_timeout(&self) -> Option<Instant> {
        self.session.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Now) {
        self.session.handle_timeout(now, &mut |_| ());
    }

    fn end_turn(&mut self, _: Now) {}

    fn poll_ready(&mut self) -> Option<StreamId> {
        self.stream.filter(|_| !self.session.output().is_empty() || self.session.should_close())
    }

    fn is_finished(&mut self, _: Now) -> bool {
        true
    }

    fn failure(&mut self) -> Option<String> {
        None
    }
}

#[test]
fn a_message_that_is_refused_is_a_failure_of_who_sent_it() {
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let mut server = Server::new(Settings { listen, ..Settings::default() }).unwrap();
    server.add_party(Box::new(Deaf::new()), &[]).unwrap();
    let hub = Hub::run(server);
    for _ in 0..10 {
        let output = run("dict-client", &["--hub", &hub.address, "send", "hello", "--to", "deaf"]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("\"deaf\" cannot take the message: \"hello\" says nothing to me"), "{error}");
    }
    // Whoever does not listen to messages to everybody is not asked.
    let output = run("dict-client", &["--hub", &hub.address, "send", "hello"]);
    assert!(output.status.success());
}
