//! What callbacks may do.

use std::sync::mpsc;

use dict_event_loop::client::{Client, LoggerPresence, RequestError, RequestOptions, WriterOptions};
use dict_protocol::dictionary;
use dict_protocol::value::Value;

use super::support::{A_WHILE, Hub, SOON};

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

#[test]
fn several_are_called_in_order_and_each_can_be_removed() {
    let hub = Hub::new();
    let (client, other) = (hub.client("a"), hub.client("b"));
    let (told, heard) = mpsc::channel();
    let ids = ["one", "two", "three"].map(|name| {
        let told = told.clone();
        client.on_message(move |message| told.send((name, message.content.clone())).unwrap()).unwrap()
    });
    let expect = |text: &str, names: &[&str]| {
        other.send(Some("a"), text).unwrap();
        for name in names {
            assert_eq!(heard.recv_timeout(SOON).unwrap(), (*name, text.into()));
        }
    };
    expect("first", &["one", "two", "three"]);
    assert!(client.remove_callback(ids[1]));
    expect("second", &["one", "three"]);
    assert!(!client.remove_callback(ids[1]), "it is gone");
    assert!(!other.remove_callback(ids[0]), "it is not the other one's");
    expect("third", &["one", "three"]);
}

#[test]
fn callbacks_of_each_kind_can_be_removed() {
    let mut hub = Hub::new();
    let address = hub.address.clone();
    let (told, heard) = mpsc::channel();
    let tell = |name: &'static str| {
        let told = told.clone();
        move || told.send(name).unwrap()
    };
    let client = hub.client("a");
    let register = |kept: bool| {
        let say = |kept_name, name| tell(if kept { kept_name } else { name });
        let (connect, close) = (say("connect", "removed"), say("close", "removed"));
        let (logger, notice) = (say("logger", "removed"), say("notice", "removed"));
        [
            client.on_connect(move |_| connect()),
            client.on_close(move |_| close()),
            client.on_logger(move |_| logger()),
            client.on_notice(move |_| notice()),
        ]
    };
    let removed = register(false);
    register(true);
    assert!(removed.iter().all(|&id| client.remove_callback(id)));

    client.send(Some("nobody"), "hello?").unwrap();
    assert_eq!(heard.recv_timeout(SOON).unwrap(), "notice");
    hub.stop();
    assert_eq!(heard.recv_timeout(SOON).unwrap(), "close");
    let _hub = Hub::at(&address, Default::default());
    assert_eq!(heard.recv_timeout(SOON).unwrap(), "connect");
    assert_eq!(heard.recv_timeout(SOON).unwrap(), "logger");
}

#[test]
fn a_callback_may_remove_itself_and_others() {
    let hub = Hub::new();
    let (client, other) = (hub.client("a"), hub.client("b"));
    let (told, heard) = mpsc::channel();
    let (ids, chosen) = mpsc::channel();
    let (handle, first) = (client.clone(), told.clone());
    let remover = client.on_message(move |_| {
        first.send("remover").unwrap();
        assert!(chosen.try_iter().all(|id| handle.remove_callback(id)));
    });
    let second = told.clone();
    let next = client.on_message(move |_| second.send("next").unwrap());
    client.on_message(move |_| told.send("last").unwrap()).unwrap();
    ids.send(remover.unwrap()).unwrap();
    ids.send(next.unwrap()).unwrap();
    other.send(Some("a"), "go").unwrap();
    other.send(Some("a"), "again").unwrap();
    let heard: Vec<&str> = (0..3).map(|_| heard.recv_timeout(SOON).unwrap()).collect();
    assert_eq!(heard, ["remover", "last", "last"], "the next one was removed before its turn");
}

#[test]
fn one_that_runs_is_not_waited_for_when_it_is_removed() {
    /// Tells when the callback that holds it is dropped.
    struct Held(mpsc::Sender<&'static str>);
    impl Drop for Held {
        fn drop(&mut self) {
            let _ = self.0.send("dropped");
        }
    }
    let hub = Hub::new();
    let (client, other) = (hub.client("a"), hub.client("b"));
    let (told, heard) = mpsc::channel();
    let (release, wait) = mpsc::channel::<()>();
    let held = Held(told);
    let id = client.on_message(move |_| {
        held.0.send("begins").unwrap();
        wait.recv().unwrap();
        held.0.send("ends").unwrap();
    });
    other.send(Some("a"), "one").unwrap();
    other.send(Some("a"), "two").unwrap();
    assert_eq!(heard.recv_timeout(SOON), Ok("begins"));
    assert!(client.remove_callback(id.unwrap()));
    assert!(heard.recv_timeout(A_WHILE).is_err(), "it still runs");
    release.send(()).unwrap();
    assert_eq!(heard.recv_timeout(SOON), Ok("ends"));
    assert_eq!(heard.recv_timeout(SOON), Ok("dropped"), "it is not called with the second message");
}

/// How many subscriptions the hub says that a client has.
fn subscriptions(asker: &Client, name: &str) -> i64 {
    let clients = asker.request("$clients", Value::Null, &RequestOptions::default()).unwrap();
    let Value::List(clients) = clients else { panic!("{clients:?}") };
    let clients = clients.iter().filter_map(Value::as_dictionary);
    let client = clients.into_iter().find(|client| client["name"] == name.into()).unwrap();
    client["subscriptions"].as_i64().unwrap()
}

#[test]
fn the_hub_is_told_when_the_last_one_is_removed() {
    let hub = Hub::new();
    let (client, other) = (hub.client("a"), hub.client("b"));
    let ids = [(); 2].map(|()| client.on_message(|_| ()).unwrap());
    for (id, left) in ids.into_iter().zip([1, 0]) {
        assert!(client.remove_callback(id));
        client.ping(SOON).unwrap();
        assert_eq!(subscriptions(&other, "a"), left);
    }
    let (told, heard) = mpsc::channel();
    client.on_message(move |message| told.send(message.content.clone()).unwrap()).unwrap();
    client.ping(SOON).unwrap();
    other.send(None, "everybody").unwrap();
    assert_eq!(heard.recv_timeout(SOON).unwrap(), "everybody".into(), "it may be asked for again");

    let handler = client.handle("add", |_| Ok(1.into())).unwrap();
    client.ping(SOON).unwrap();
    let ask = || other.request("add", Value::Null, &RequestOptions::default());
    assert_eq!(ask(), Ok(1.into()));
    assert!(client.remove_callback(handler));
    client.ping(SOON).unwrap();
    assert_eq!(ask(), Err(RequestError::NoHandler { action: "add".to_owned() }));
}
