//! Messages and requests.

use std::sync::mpsc;
use std::time::Duration;

use dict_event_loop::client::{Client, Content, Incoming, RequestError, RequestOptions};
use dict_protocol::dictionary;
use dict_protocol::limits::Limits;
use dict_protocol::value::Value;

use super::support::{A_WHILE, Hub, SOON, eventually};

/// What the client hears, from now on.
fn listen(client: &Client) -> mpsc::Receiver<Incoming> {
    let (told, messages) = mpsc::channel();
    client.on_message(move |message| told.send(message.clone()).unwrap()).unwrap();
    client.ping(SOON).unwrap();
    messages
}

#[test]
fn messages_reach_everybody_or_one() {
    let hub = Hub::new();
    let (a, b, c) = (hub.client("a"), hub.client("b"), hub.client("c"));
    let (at_b, at_c) = (listen(&b), listen(&c));
    let contents = [
        Content::Text("größer".to_owned()),
        Content::Binary(vec![0, 255]),
        Content::Value(dictionary! { "n" => f64::NAN }.into()),
    ];
    for content in &contents {
        a.send(None, content.clone()).unwrap();
        for messages in [&at_b, &at_c] {
            let expected = Incoming { from: "a".to_owned(), to: None, content: content.clone() };
            assert_eq!(messages.recv_timeout(SOON).unwrap(), expected);
        }
    }
    a.send(Some("b"), "only you").unwrap();
    let message = at_b.recv_timeout(SOON).unwrap();
    assert_eq!((message.to.as_deref(), message.content), (Some("b"), "only you".into()));
    assert!(at_c.recv_timeout(A_WHILE).is_err());
}

#[test]
fn a_message_to_nobody_is_noticed() {
    let hub = Hub::new();
    let client = hub.client("a");
    let (told, notices) = mpsc::channel();
    client.on_notice(move |text| told.send(text.to_owned()).unwrap());
    client.send(Some("nobody"), "hello?").unwrap();
    assert!(notices.recv_timeout(SOON).unwrap().contains("nobody"));
}

#[test]
fn requests_are_answered() {
    let hub = Hub::new();
    let (asker, handler) = (hub.client("asker"), hub.client("handler"));
    handler
        .handle("double", |asked| {
            assert_eq!(asked.from, "asker");
            asked.value.as_i64().map(|n| (2 * n).into()).ok_or_else(|| "no number".to_owned())
        })
        .unwrap();
    handler.handle("panic", |_| panic!("this is a test")).unwrap();
    handler.ping(SOON).unwrap();
    let options = RequestOptions::default();
    assert_eq!(asker.request("double", 21, &options), Ok(42.into()));
    assert_eq!(asker.request("double", "x", &options), Err(RequestError::Failed("no number".to_owned())));
    assert!(matches!(asker.request("panic", Value::Null, &options), Err(RequestError::Failed(_))));
    assert_eq!(asker.request("double", 1, &options), Ok(2.into()), "it survived");
    let to = RequestOptions { to: Some("handler".to_owned()), ..options.clone() };
    assert_eq!(asker.request("double", 1, &to), Ok(2.into()));
    let nobody = asker.request("halve", 1, &options);
    assert_eq!(nobody, Err(RequestError::NoHandler { action: "halve".to_owned() }));

    let (told, answers) = mpsc::channel();
    asker.request_then("double", 4, &options, move |answer| told.send(answer).unwrap()).unwrap();
    assert_eq!(answers.recv_timeout(SOON).unwrap(), Ok(8.into()));

    handler.unhandle("double");
    handler.ping(SOON).unwrap();
    assert!(matches!(asker.request("double", 1, &options), Err(RequestError::NoHandler { .. })));
    assert!(asker.request("$clients", Value::Null, &options).unwrap().as_list().unwrap().len() >= 2);
}

#[test]
fn handlers_of_one_action_are_asked_until_one_has_an_answer() {
    let hub = Hub::new();
    let (asker, handler) = (hub.client("asker"), hub.client("handler"));
    let (told, asked) = mpsc::channel();
    let handle = |action: &str, name: &'static str, answer: fn(&Value) -> Result<Value, String>| {
        let told = told.clone();
        handler
            .handle(action, move |asked| {
                told.send(name).unwrap();
                answer(&asked.value)
            })
            .unwrap()
    };
    handle("", "all", |_| Ok("for all".into()));
    handle("read", "one", |value| Ok(if *value == 1.into() { "one".into() } else { Value::Null }));
    let two = handle("read", "two", |value| match value.as_i64() {
        Some(2) => Ok(false.into()),
        Some(3) => Err("no".to_owned()),
        _ => Ok(Value::Null),
    });
    handler.ping(SOON).unwrap();
    let ask = |value: i64| {
        let answer = asker.request("read", value, &RequestOptions::default());
        (answer, asked.try_iter().collect::<Vec<_>>())
    };
    assert_eq!(ask(1), (Ok("one".into()), vec!["one"]));
    assert_eq!(ask(2), (Ok(false.into()), vec!["one", "two"]), "false is an answer");
    assert_eq!(ask(3), (Err(RequestError::Failed("no".to_owned())), vec!["one", "two"]));
    assert_eq!(ask(4), (Ok("for all".into()), vec!["one", "two", "all"]));
    assert!(handler.remove_callback(two));
    assert_eq!(ask(2), (Ok("for all".into()), vec!["one", "all"]));
    handler.unhandle("");
    handler.ping(SOON).unwrap();
    assert_eq!(ask(2), (Ok(Value::Null), vec!["one"]), "nobody has an answer");
    handler.unhandle("read");
    handler.ping(SOON).unwrap();
    assert!(matches!(ask(1).0, Err(RequestError::NoHandler { .. })));
}

#[test]
fn what_becomes_of_a_request_is_honest() {
    let hub = Hub::new();
    let asker = hub.client("asker");
    let handler = hub.client("handler");
    let (entered, asked) = mpsc::channel();
    handler
        .handle("sleep", move |_| {
            entered.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(600));
            Ok(Value::Null)
        })
        .unwrap();
    handler.ping(SOON).unwrap();
    let short = RequestOptions { timeout: Duration::from_millis(100), ..Default::default() };
    assert_eq!(asker.request("sleep", Value::Null, &short), Err(RequestError::Late));
    asked.recv_timeout(SOON).unwrap();

    let handler = {
        // The same again, and the handler goes away in between.
        let waiting = std::thread::spawn({
            let asker = asker.clone();
            move || asker.request("sleep", Value::Null, &RequestOptions::default())
        });
        asked.recv_timeout(SOON).unwrap();
        handler.close(Duration::ZERO);
        assert_eq!(waiting.join().unwrap(), Err(RequestError::Unknown));
        handler
    };
    assert!(matches!(handler.request("x", Value::Null, &short), Err(RequestError::Closed(_))));
}

#[test]
fn a_handler_that_blocks_stops_no_heartbeat() {
    let limits = Limits { heartbeat: Duration::from_millis(100), ..Limits::default() };
    let hub = Hub::with(limits);
    let (asker, handler) = (hub.client("asker"), hub.client("handler"));
    let (told, closes) = mpsc::channel();
    handler.on_close(move |reason| told.send(reason.to_owned()).unwrap());
    handler
        .handle("think", |_| {
            std::thread::sleep(Duration::from_secs(1));
            Ok("done".into())
        })
        .unwrap();
    handler.ping(SOON).unwrap();
    assert_eq!(asker.request("think", Value::Null, &RequestOptions::default()), Ok("done".into()));
    assert!(handler.is_connected());
    assert!(closes.try_recv().is_err());
}

#[test]
fn what_callbacks_do_not_take_is_bounded() {
    let few = Limits { callbacks: 5, ..Limits::default() };
    let small = Limits { callback_bytes: 5_500, ..Limits::default() };
    for limits in [few, small] {
        bounded_by(limits);
    }
}

/// By limits that five messages of 1,000 bytes are within.
fn bounded_by(limits: Limits) {
    let hub = Hub::new();
    let slow = hub.builder("slow").limits(limits).connect(&hub.address).unwrap();
    let (release, wait) = mpsc::channel::<()>();
    let (told, heard) = mpsc::channel();
    slow.on_message(move |_| {
        let _ = told.send(());
        let _ = wait.recv();
    })
    .unwrap();
    slow.handle("x", |_| Ok(Value::Null)).unwrap();
    slow.ping(SOON).unwrap();
    let other = hub.client("other");
    let text = "hurry".repeat(200);
    other.send(Some("slow"), text.as_str()).unwrap();
    heard.recv_timeout(SOON).unwrap();
    for _ in 0..20 {
        other.send(Some("slow"), text.as_str()).unwrap();
    }
    eventually(|| slow.dropped_messages() == 15);
    let ask = || other.request("x", Value::from(text.as_str()), &RequestOptions::default());
    let refused = ask();
    assert!(matches!(refused, Err(RequestError::Refused(_))), "{refused:?}");
    drop(release);
    eventually(|| ask().is_ok());
}
