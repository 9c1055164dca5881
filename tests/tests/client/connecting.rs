//! Connecting, losing the connection, closing.

use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use dict_event_loop::client::{
    Client, ClientClosed, ConnectError, RequestError, RequestOptions, SendError, WatchError, WatchOptions,
    WriteError, WriterOptions,
};
use dict_protocol::dictionary;
use dict_protocol::limits::Limits;
use dict_protocol::pattern::Pattern;

use super::support::{Hub, SOON, eventually, free_address};

#[test]
fn definite_failures_are_told_at_once() {
    let started = Instant::now();
    let refused = Client::connect(&free_address()).unwrap_err();
    assert!(refused.to_string().contains("connection refused"), "{refused}");
    let unknown = Client::connect("no-such-host.invalid:7450").unwrap_err();
    assert!(matches!(unknown, ConnectError::Unreachable(_)), "{unknown:?}");
    let bad = Client::connect("ftp://127.0.0.1").unwrap_err();
    assert!(matches!(bad, ConnectError::Link(_)), "{bad:?}");
    let older = Client::connect("comet://127.0.0.1").unwrap_err();
    assert!(older.to_string().contains("comet:// is no hub's"), "{older}");
    let prefix = Client::connect("127.0.0.1?prefix=a/").unwrap_err();
    assert!(matches!(prefix, ConnectError::Prefix { .. }), "{prefix:?}");
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[test]
fn whoever_is_no_hub_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let garbage = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let error = Client::connect(&address).unwrap_err();
    assert!(matches!(&error, ConnectError::Refused { text, .. } if text.contains("no frame")), "{error}");
    garbage.join().unwrap();
}

#[test]
fn a_silent_hub_is_not_waited_for_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let patience = Duration::from_millis(200);
    let started = Instant::now();
    let error = Client::builder().connect_timeout(patience).connect(&address).unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_hub_that_comes_later_is_found() {
    let address = free_address();
    let client = Client::builder().name("early").start(&address).unwrap();
    assert!(!client.is_connected());
    let writer = client.writer("a", WriterOptions::default()).unwrap();
    assert_eq!(writer.publish(&dictionary! { "n" => 1 }), Ok(Some(1)));
    assert!(matches!(client.send(None, "hello"), Err(SendError::Send(_))));
    assert!(client.wait_connected(Duration::from_millis(50)).is_err());

    let hub = Hub::at(&address, Limits::default());
    client.wait_connected(SOON).unwrap();
    writer.flush(SOON).unwrap();
    let watcher = hub.client("watcher");
    let watch = watcher.watch(Pattern::all(), WatchOptions::default()).unwrap();
    watch.wait_current(SOON).unwrap();
    assert_eq!(watch.latest("a"), Some(dictionary! { "n" => 1 }));
    assert_eq!(client.name(), "early");
    assert!(client.ping(SOON).unwrap() < SOON);
}

#[test]
fn everything_goes_on_after_a_restart_of_the_hub() {
    let mut hub = Hub::new();
    let address = hub.address.clone();
    let (told, events) = mpsc::channel();
    let (connects, closes) = (told.clone(), told);
    let client = hub
        .builder("writer")
        .on_connect(move |hub| connects.send(format!("connected as {}", hub.client)).unwrap())
        .on_close(move |_| closes.send("closed".to_owned()).unwrap())
        .connect(&address)
        .unwrap();
    let watcher = hub.client("watcher");
    let writer = client.writer("a", WriterOptions::default()).unwrap();
    writer.publish(&dictionary! { "n" => 1 }).unwrap();
    let watch = watcher.watch(Pattern::all(), WatchOptions::default()).unwrap();
    eventually(|| watch.value("a", "n") == Some(1.into()));

    hub.stop();
    eventually(|| !client.is_connected());
    eventually(|| watch.sources().iter().all(|source| !source.online));
    writer.set("n", 2).unwrap();
    assert_eq!(watch.value("a", "n"), Some(1.into()), "the last dictionary stays");

    let _hub = Hub::at(&address, Limits::default());
    client.wait_connected(SOON).unwrap();
    eventually(|| watch.value("a", "n") == Some(2.into()));
    eventually(|| watch.sources().iter().all(|source| source.online));
    for expected in ["connected as writer", "closed", "connected as writer"] {
        assert_eq!(events.recv_timeout(SOON).unwrap(), expected);
    }
}

#[test]
fn closing_is_orderly_and_final() {
    let hub = Hub::new();
    let client = hub.client("writer");
    let watcher = hub.client("watcher");
    let watch = watcher.watch(Pattern::all(), WatchOptions::default()).unwrap();
    let writer = client.writer("a", WriterOptions::default()).unwrap();
    let own = client.watch(Pattern::all(), WatchOptions::default()).unwrap();
    for n in 0..1_000 {
        writer.set("n", n).unwrap();
    }
    assert_eq!(client.close(SOON), 0);
    eventually(|| watch.value("a", "n") == Some(999.into()));
    eventually(|| watch.sources().iter().all(|source| !source.online));

    let closed = ClientClosed::ByProgram;
    assert_eq!(writer.set("n", 1), Err(WriteError::Closed(closed.clone())));
    assert_eq!(client.send(None, "x"), Err(SendError::Closed(closed.clone())));
    assert!(client.writer("b", WriterOptions::default()).is_err());
    while let Ok(Some(_)) = own.next(Duration::ZERO) {}
    assert!(own.next(SOON).is_err());
    assert!(matches!(client.wait_connected(SOON), Err(ConnectError::Closed(ClientClosed::ByProgram))));
    assert_eq!(client.close(SOON), 0);
}

#[test]
fn dropping_the_last_handle_closes_soon_whatever_callbacks_do() {
    let hub = Hub::new();
    let client = hub.client("blocked");
    let (entered, blocked) = mpsc::channel();
    client
        .on_message(move |_| {
            entered.send(()).unwrap();
            std::thread::sleep(Duration::from_secs(60));
        })
        .unwrap();
    hub.client("other").send(Some("blocked"), "hold on").unwrap();
    blocked.recv_timeout(SOON).unwrap();
    let started = Instant::now();
    let writer = client.writer("a", WriterOptions::default()).unwrap();
    drop(client);
    writer.publish(&dictionary! { "n" => 1 }).unwrap();
    drop(writer);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[test]
fn a_client_may_be_closed_by_its_own_callback() {
    let hub = Hub::new();
    let client = hub.client("tired");
    let (closed, done) = mpsc::channel();
    let handle = client.clone();
    client.on_message(move |_| closed.send(handle.close(SOON)).unwrap()).unwrap();
    hub.client("other").send(Some("tired"), "good night").unwrap();
    assert_eq!(done.recv_timeout(SOON), Ok(0));
    assert!(matches!(client.wait_connected(SOON), Err(ConnectError::Closed(ClientClosed::ByProgram))));
}

#[test]
fn one_that_is_not_to_reconnect_is_closed_when_the_connection_is_lost() {
    let mut hub = Hub::new();
    let address = hub.address.clone();
    let (told, closes) = mpsc::channel();
    let client = hub
        .builder("once")
        .reconnect(false)
        .on_close(move |reason| told.send(reason.to_owned()).unwrap())
        .connect(&address)
        .unwrap();
    let writer = client.writer("a", WriterOptions::default()).unwrap();
    let watch = client.watch(Pattern::all(), WatchOptions::default()).unwrap();
    writer.publish(&dictionary! { "n" => 1 }).unwrap();
    writer.flush(SOON).unwrap();

    hub.stop();
    eventually(|| client.wait_connected(SOON).is_err());
    let Err(ConnectError::Closed(lost)) = client.wait_connected(SOON) else { panic!("it is not closed") };
    assert!(matches!(&lost, ClientClosed::Lost { .. }), "{lost:?}");
    assert!(lost.to_string().contains(&closes.recv_timeout(SOON).unwrap()), "{lost}");
    let _hub = Hub::at(&address, Limits::default());
    assert_eq!(writer.set("n", 2), Err(WriteError::Closed(lost.clone())));
    assert_eq!(client.send(None, "x"), Err(SendError::Closed(lost.clone())));
    let asked = client.request("x", 1, &RequestOptions::default());
    assert_eq!(asked, Err(RequestError::Closed(lost.clone())));
    assert_eq!(client.handle("x", |_| Ok(1.into())), Err(SendError::Closed(lost.clone())));
    assert!(client.writer("b", WriterOptions::default()).is_err());
    assert!(matches!(client.ping(SOON), Err(ConnectError::Closed(_))));
    while let Ok(Some(_)) = watch.next(SOON) {}
    assert_eq!(watch.next(SOON), Err(WatchError::Closed(lost)));
    assert_eq!(watch.value("a", "n"), Some(1.into()), "the last dictionary stays");
    assert!(!client.is_connected());
    assert_eq!(client.close(SOON), 0);
}

#[test]
fn one_that_is_not_to_reconnect_is_closed_when_there_is_no_hub() {
    let address = free_address();
    let once = || Client::builder().reconnect(false);
    assert!(matches!(once().connect(&address), Err(ConnectError::Unreachable(_))));
    let client = once().start(&address).unwrap();
    let error = client.wait_connected(SOON).unwrap_err();
    assert!(matches!(&error, ConnectError::Closed(ClientClosed::Lost { .. })), "{error:?}");
    assert!(error.to_string().contains("connection refused"), "{error}");
}

#[test]
fn names_are_unique() {
    let hub = Hub::new();
    let (first, second) = (hub.client("twin"), hub.client("twin"));
    assert_eq!((first.name().as_str(), second.name().as_str()), ("twin", "twin#2"));
    assert_eq!(second.hub().unwrap().client, "twin#2");
}
