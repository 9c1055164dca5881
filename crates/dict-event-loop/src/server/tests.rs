//! A server and a party that cannot keep its connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dict_protocol::time::{Instant, Now};

use super::{Origin, Party, Server, Settings, StreamId, Wish};
use crate::application::Close;

/// Ends each of its streams as soon as it has it.
struct Fickle {
    opened: Arc<AtomicUsize>,
    ready: Option<StreamId>,
    wish: Option<Wish>,
}

/// To be joined to the hub.
fn join(after: Duration) -> Wish {
    Wish::Join { place: 0, address: "here".to_owned(), after }
}

impl Party for Fickle {
    fn poll_wish(&mut self) -> Option<Wish> {
        self.wish.take()
    }

    fn opened(&mut self, _: Now, stream: StreamId, _: Origin, _: &str) {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.ready = Some(stream);
    }

    fn received(&mut self, _: Now, _: StreamId, _: &[u8]) {}

    fn output(&mut self, _: StreamId) -> &[u8] {
        &[]
    }

    fn written(&mut self, _: Now, _: StreamId, _: usize) {}

    fn closed(&mut self, _: Now, _: StreamId, _: &str) {
        self.wish = Some(join(Duration::from_millis(100)));
    }

    fn ending(&self, _: StreamId) -> Option<Close> {
        Some(Close::Drain)
    }

    fn is_established(&self, _: StreamId) -> bool {
        false
    }

    fn link_failed(&mut self, _: Now, _: u32, _: &str) {}

    fn takes_input(&self) -> bool {
        true
    }

    fn woken(&mut self, _: Now) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: Now) {}

    fn end_turn(&mut self, _: Now) {}

    fn poll_ready(&mut self) -> Option<StreamId> {
        self.ready.take()
    }

    fn is_finished(&mut self, _: Now) -> bool {
        true
    }

    fn failure(&mut self) -> Option<String> {
        None
    }
}

#[test]
fn a_party_that_lost_its_connection_is_joined_again_though_nothing_else_happens_and_not_at_once() {
    let mut server = Server::new(Settings::default()).unwrap();
    let opened = Arc::new(AtomicUsize::new(0));
    let fickle = Fickle { opened: opened.clone(), ready: None, wish: Some(join(Duration::ZERO)) };
    server.add_party(Box::new(fickle), &[]).unwrap();
    let handle = server.handle();
    let running = std::thread::spawn(move || server.run());
    std::thread::sleep(Duration::from_millis(650));
    handle.stop();
    running.join().unwrap().unwrap();
    let opened = opened.load(Ordering::Relaxed);
    assert!((2..=8).contains(&opened), "joined {opened} times");
}
