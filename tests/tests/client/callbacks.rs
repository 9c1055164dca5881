//! What callbacks may do.

use std::sync::mpsc;

use dict_event_loop::client::{LoggerPresence, RequestOptions, WriterOptions};
use dict_protocol::dictionary;
use dict_protocol::value::Value;

use super::support::{Hub, SOON};

#[test]
fn a_callback_may_call_anything() {
    let hub = Hub::new();
    let (a, b) = (hub.client("a"), hub.client("b"));
    b.handle("name", |asked| Ok(format!("for {}", asked.from).into())).unwrap();
    b.ping(SOON).unwrap();
    let (told, done) = mpsc::channel();
    let handle = a.clone();
    a.on_message(move |_| {
        let answer = handle.request("name", Value::Null, &RequestOptions::default()).unwrap();
        let writer = handle.writer("from a callback", WriterOptions::default()).unwrap();
        writer.publish(&dictionary! { "answer" => answer.clone() }).unwrap();
        handle.on_close(|_| ());
        writer.flush(SOON).unwrap();
        told.send(answer).unwrap();
    })
    .unwrap();
    b.send(Some("a"), "go").unwrap();
    assert_eq!(done.recv_timeout(SOON).unwrap(), "for a".into());
    a.close(SOON);
}

#[test]
fn a_panic_in_one_ends_nothing() {
    let hub = Hub::new();
    let (a, b) = (hub.client("a"), hub.client("b"));
    let (told, heard) = mpsc::channel();
    a.on_message(|_| panic!("this is a test")).unwrap();
    a.on_message(move |message| told.send(message.content.clone()).unwrap()).unwrap();
    for text in ["one", "two"] {
        b.send(Some("a"), text).unwrap();
        assert_eq!(heard.recv_timeout(SOON).unwrap(), text.into());
    }
}

#[test]
fn whether_there_is_a_logger_is_told() {
    let hub = Hub::new();
    let (told, presences) = mpsc::channel();
    let client = hub
        .builder("a")
        .on_logger(move |presence| told.send(presence).unwrap())
        .connect(&hub.address)
        .unwrap();
    assert_eq!(presences.recv_timeout(SOON).unwrap(), LoggerPresence::Never);
    assert_eq!(client.logger(), LoggerPresence::Never);
}
