//! `TCPServer` and `TCPClient`.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use dict_event_loop::client::{ClientClosed, WatchError, WatchOptions, WriterOptions};
use dict_protocol::dialect::pytcp::{self, ClientEnd};
use dict_protocol::dialect::{Incoming, Options};
use dict_protocol::dictionary;
use dict_protocol::pattern::Pattern;
use dict_protocol::value::Dictionary;

use super::super::lab::{Lab, SOON, wait_for};
use super::older_server;

/// A client as the original one: connects, says nothing, and takes what comes.
struct Older {
    stream: TcpStream,
    codec: ClientEnd,
}

impl Older {
    fn new(lab: &Lab) -> Self {
        Self { stream: lab.connect(0), codec: ClientEnd::new(&Options::default()) }
    }

    fn hears(&mut self) -> Dictionary {
        loop {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            match self.codec.decode(&mut &byte[..]) {
                Some(Incoming::State(dictionary)) => return dictionary,
                None => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

/// A lab that records an original server, and that server's end of the connection.
fn recorded() -> (TcpListener, Lab, TcpStream) {
    let (server, address) = older_server();
    let lab = Lab::new(&[], &[&format!("pytcp://{address}?source=psu")]);
    let (stream, _) = server.accept().unwrap();
    (server, lab, stream)
}

/// Sends as the original server.
fn send(stream: &mut TcpStream, dictionary: &Dictionary) {
    let mut frame = Vec::new();
    pytcp::encode(dictionary, 8, &mut frame).unwrap();
    stream.write_all(&frame).unwrap();
}

#[test]
fn a_server_is_started() {
    let lab = Lab::new(&["pytcp://127.0.0.1:0?source=psu"], &[]);
    let psu = lab.client("program").writer("psu", WriterOptions::default()).unwrap();
    psu.set("V", 5.0).unwrap();
    let (mut first, mut second) = (Older::new(&lab), Older::new(&lab));
    assert_eq!((first.hears(), second.hears()), (dictionary! { "V" => 5.0 }, dictionary! { "V" => 5.0 }));
    drop((first, second));
    assert_eq!(Older::new(&lab).hears(), dictionary! { "V" => 5.0 }, "and the next one, for ever");
}

#[test]
fn a_server_is_stopped() {
    let mut lab = Lab::new(&["pytcp://127.0.0.1:0?source=psu"], &[]);
    let psu = lab.client("program").writer("psu", WriterOptions::default()).unwrap();
    psu.set("V", 5.0).unwrap();
    let mut older = Older::new(&lab);
    older.hears();
    lab.stop();
    assert_eq!(older.stream.read(&mut [0]).unwrap(), 0, "its client is told");
    let address = lab.gateways[0].to_string();
    drop(older);
    wait_for("the port", || TcpListener::bind(&address).ok());
}

#[test]
fn its_dictionary_is_set_and_read() {
    let lab = Lab::new(&["pytcp://127.0.0.1:0?source=psu"], &[]);
    let psu = lab.client("program").writer("psu", WriterOptions::default()).unwrap();
    let mut older = Older::new(&lab);
    psu.publish(&dictionary! { "V" => 1, "on" => true }).unwrap();
    assert_eq!(older.hears(), dictionary! { "V" => 1, "on" => true });
    psu.set("V", 1.0).unwrap();
    psu.flush(SOON).unwrap();
    psu.set("V", 2).unwrap();
    assert_eq!(older.hears(), dictionary! { "V" => 2, "on" => true }, "to Python, 1.0 is no change");
    assert_eq!(psu.dictionary(), dictionary! { "V" => 2, "on" => true });
}

#[test]
fn a_client_is_started() {
    let (server, lab, mut stream) = recorded();
    let watch = lab.client("program").watch(Pattern::all(), WatchOptions::default()).unwrap();
    for n in 0..3 {
        send(&mut stream, &dictionary! { "n" => n });
        wait_for("it", || (watch.latest("psu") == Some(dictionary! { "n" => n })).then_some(()));
        // The server is started again, and is found by itself.
        drop(stream);
        stream = server.accept().unwrap().0;
    }
}

#[test]
fn a_client_is_stopped() {
    let (_server, mut lab, mut stream) = recorded();
    let client = lab.client("program");
    let watch = client.watch(Pattern::all(), WatchOptions::default()).unwrap();
    send(&mut stream, &dictionary! { "n" => 1 });
    wait_for("it", || watch.latest("psu"));
    client.close(SOON);
    while let Ok(Some(_)) = watch.next(SOON) {}
    assert_eq!(watch.next(SOON), Err(WatchError::Closed(ClientClosed::ByProgram)));
    assert_eq!(watch.latest("psu"), Some(dictionary! { "n" => 1 }), "the last one stays");
    lab.stop();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let ended = stream.read(&mut [0]).unwrap_err();
    assert_eq!(
        ended.kind(),
        std::io::ErrorKind::ConnectionReset,
        "so that the server can have its port again"
    );
}

#[test]
fn the_last_received_data_is_read() {
    let (_server, lab, mut stream) = recorded();
    let watch = lab.client("program").watch(Pattern::all(), WatchOptions::default()).unwrap();
    assert_eq!(watch.latest("psu"), None, "nothing was received");
    send(&mut stream, &dictionary! { "V" => 5.0, "text" => "größer" });
    send(&mut stream, &dictionary! { "V" => f64::INFINITY });
    wait_for("the last one", || (watch.value("psu", "V") == Some(f64::INFINITY.into())).then_some(()));
    assert_eq!(watch.latest("psu"), Some(dictionary! { "V" => f64::INFINITY }), "the whole of it");
    assert_eq!(watch.latest("psu"), Some(dictionary! { "V" => f64::INFINITY }), "reading takes nothing away");
}

#[test]
fn reading_clears_the_updated_flag() {
    let (_server, lab, mut stream) = recorded();
    let watch = lab.client("program").watch(Pattern::all(), WatchOptions::default()).unwrap();
    assert!(!watch.updated("psu"));
    send(&mut stream, &dictionary! { "n" => 1 });
    wait_for("news", || watch.updated("psu").then_some(()));
    send(&mut stream, &dictionary! { "n" => 2 });
    wait_for("the next one", || (watch.latest("psu") == Some(dictionary! { "n" => 2 })).then_some(()));
    assert!(!watch.updated("psu"));
}
