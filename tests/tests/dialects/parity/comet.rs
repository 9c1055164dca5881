//! `Server_` and `Client_` of COMET.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use dict_event_loop::client::{Client, RequestError, RequestOptions};
use dict_protocol::dialect::comet::{self, Answer, ClientEnd, Request, ServerEnd};
use dict_protocol::dialect::{Incoming, Options};
use dict_protocol::dictionary;
use dict_protocol::value::Value;

use super::super::lab::{Lab, SOON, wait_for};
use super::older_server;

/// Sends what is a request, or not, and waits for the whole answer as the original client does.
fn exchange(mut stream: TcpStream, request: &[u8]) -> Value {
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    match ClientEnd::new(&Options::default()).decode(&mut &answer[..]) {
        Ok(Some(Incoming::Answer(Answer::Result(value)))) => value,
        Ok(Some(Incoming::Answer(Answer::Binary(bytes)))) => bytes.into(),
        other => panic!("{other:?}"),
    }
}

fn ask(lab: &Lab, action: &str, value: impl Into<Value>) -> Value {
    let mut request = Vec::new();
    comet::encode_request(action, &value.into(), 8, &mut request).unwrap();
    exchange(lab.connect(0), &request)
}

/// Answers as many requests as that, as the original server: with the action and the value.
fn answer(server: TcpListener, requests: usize) -> JoinHandle<()> {
    thread::spawn(move || {
        for _ in 0..requests {
            let (mut stream, _) = server.accept().unwrap();
            let (mut codec, mut byte) = (ServerEnd::new(&Options::default()), [0]);
            let answer = loop {
                stream.read_exact(&mut byte).unwrap();
                match codec.decode(&mut &byte[..]).unwrap() {
                    Some(Incoming::Request(Request::Action { action, value })) => {
                        break list([action.into(), value]);
                    }
                    None => {}
                    other => panic!("{other:?}"),
                }
            };
            let mut bytes = Vec::new();
            comet::encode_answer(&answer, 8, &mut bytes);
            stream.write_all(&bytes).unwrap();
        }
    })
}

/// A client that answers requests for an action, or all.
fn responder(lab: &Lab, name: &str, action: &str, answer: Value) -> Client {
    let client = lab.client(name);
    client.handle(action, move |_| Ok(answer.clone())).unwrap();
    client.ping(SOON).unwrap();
    client
}

fn list<const N: usize>(items: [Value; N]) -> Value {
    Value::List(items.into())
}

fn to(name: &str) -> RequestOptions {
    RequestOptions { to: Some(name.to_owned()), timeout: SOON }
}

/// Asks a named server, once it has joined the hub: that begins to run as the test does.
fn request(
    program: &Client,
    name: &str,
    action: &str,
    value: impl Into<Value>,
) -> Result<Value, RequestError> {
    let value = value.into();
    wait_for(name, || match program.request(action, value.clone(), &to(name)) {
        Err(RequestError::NoHandler { .. }) => None,
        answer => Some(answer),
    })
}

#[test]
fn a_server_is_started_with_its_responder() {
    let lab = Lab::new(&["comet://127.0.0.1:0"], &[]);
    let program = lab.client("program");
    program
        .handle("", |asked| {
            Ok(list([asked.from.as_str().into(), asked.action.as_str().into(), asked.value.clone()]))
        })
        .unwrap();
    program.ping(SOON).unwrap();
    let answer = ask(&lab, "Telegram", dictionary! { "Plot" => "IV" });
    let value = dictionary! { "Plot" => "IV" }.into();
    assert_eq!(answer, list(["comet/127.0.0.1".into(), "Telegram".into(), value]));
}

#[test]
fn a_function_is_registered_for_an_action() {
    let lab = Lab::new(&["comet://127.0.0.1:0"], &[]);
    let _program = responder(&lab, "program", "query", "ready".into());
    assert_eq!(ask(&lab, "query", "status?"), "ready".into());
    let Value::Text(nobody) = ask(&lab, "start", 1) else { panic!("an error is a text") };
    assert!(nobody.starts_with("Error: nobody"), "{nobody}");
}

#[test]
fn a_function_is_registered_for_all_actions() {
    let lab = Lab::new(&["comet://127.0.0.1:0"], &[]);
    let _all = responder(&lab, "program", "", "for all".into());
    let _one = responder(&lab, "other", "query", "for this".into());
    assert_eq!((ask(&lab, "query", 1), ask(&lab, "start", 1)), ("for this".into(), "for all".into()));
}

#[test]
fn functions_are_called_in_turn_until_one_has_an_answer() {
    let lab = Lab::new(&["comet://127.0.0.1:0"], &[]);
    let program = lab.client("program");
    let (told, called) = mpsc::channel();
    for (name, answer) in [("one", Value::Null), ("two", "it".into()), ("three", "too late".into())] {
        let told = told.clone();
        let function = move |_: &_| {
            told.send(name).unwrap();
            Ok(answer.clone())
        };
        program.handle("query", function).unwrap();
    }
    program.ping(SOON).unwrap();
    assert_eq!(ask(&lab, "query", 1), "it".into());
    assert_eq!(called.try_iter().collect::<Vec<_>>(), ["one", "two"]);
}

#[test]
fn a_server_is_closed() {
    let mut lab = Lab::new(&["comet://127.0.0.1:0"], &[]);
    let program = lab.client("program");
    let (entered, asked) = mpsc::channel();
    let (release, wait) = mpsc::channel::<()>();
    program
        .handle("think", move |_| {
            entered.send(()).unwrap();
            let _ = wait.recv();
            Ok(Value::Null)
        })
        .unwrap();
    program.ping(SOON).unwrap();
    let mut request = Vec::new();
    comet::encode_request("think", &1.into(), 8, &mut request).unwrap();
    let stream = lab.connect(0);
    let waiting = thread::spawn(move || exchange(stream, &request));
    asked.recv_timeout(SOON).unwrap();
    lab.stop();
    let Value::Text(answer) = waiting.join().unwrap() else { panic!("an error is a text") };
    assert!(answer.starts_with("Error: "), "whoever waits is answered: {answer}");
    drop(release);
}

#[test]
fn what_is_no_request_is_answered_too() {
    let lab = Lab::new(&["comet://127.0.0.1:0"], &[]);
    let _program = responder(&lab, "program", "", "for all".into());
    assert_eq!(ask(&lab, "", 0), "Error: invalid action and or value , 0".into());
    let mut request = Vec::new();
    comet::encode_binary_request(b"0123456789abc", &mut request);
    let answer = exchange(lab.connect(0), &request);
    assert_eq!(answer, b"First 10 bytes of request: 0123456789"[..].into());
}

#[test]
fn a_request_is_sent_and_awaited() {
    let (server, address) = older_server();
    let lab = Lab::new(&[], &[&format!("comet://{address}?name=Telegram")]);
    let program = lab.client("program");
    let answering = answer(server, 1);
    let answered = request(&program, "Telegram", "plot", dictionary! { "Plot" => "IV" });
    assert_eq!(answered, Ok(list(["plot".into(), dictionary! { "Plot" => "IV" }.into()])));
    answering.join().unwrap();
    let gone = program.request("plot", 1, &to("Telegram")).unwrap_err();
    assert!(matches!(&gone, RequestError::Failed(text) if text.contains("refused")), "at once: {gone:?}");
}

#[test]
fn a_request_is_sent_in_the_background() {
    let (server, address) = older_server();
    let lab = Lab::new(&[], &[&format!("comet://{address}?name=Telegram")]);
    let program = lab.client("program");
    let awaited = answer(server.try_clone().unwrap(), 1);
    request(&program, "Telegram", "plot", 1).unwrap();
    awaited.join().unwrap();
    let (told, answers) = mpsc::channel();
    program.request_then("plot", 2, &to("Telegram"), move |answer| told.send(answer).unwrap()).unwrap();
    assert!(answers.try_recv().is_err(), "nobody has answered yet");
    let answering = answer(server, 1);
    assert_eq!(answers.recv_timeout(SOON).unwrap(), Ok(list(["plot".into(), 2.into()])));
    answering.join().unwrap();
}

#[test]
fn clients_are_named() {
    let ((first, telegram), (second, camera)) = (older_server(), older_server());
    let links = [format!("comet://{telegram}?name=Telegram"), format!("comet://{camera}?name=Camera")];
    let lab = Lab::new(&["comet://127.0.0.1:0"], &[&links[0], &links[1]]);
    let program = lab.client("program");
    let answering = [answer(first, 1), answer(second, 2)];
    assert_eq!(request(&program, "Camera", "a", 1), Ok(list(["a".into(), 1.into()])));
    assert_eq!(request(&program, "Telegram", "b", 2), Ok(list(["b".into(), 2.into()])));
    assert_eq!(request(&program, "Camera", "c", 3), Ok(list(["c".into(), 3.into()])));
    answering.into_iter().for_each(|thread| thread.join().unwrap());
    let nobody = program.request("d", 4, &to("Laser")).unwrap_err();
    assert!(matches!(nobody, RequestError::NoHandler { .. }), "{nobody:?}");
}
