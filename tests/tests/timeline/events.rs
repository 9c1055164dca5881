//! A hub's own events.

use dict_protocol::dictionary;
use dict_protocol::value::Value;
use dict_timeline::row::{Clock, Connection, Message, Note, Request};
use dict_timeline::{Content, Filter, Kind, export};

use super::maker::{all, assert_sound, place};

#[test]
fn each_stands_in_the_table_of_its_kind() {
    let place = place();
    place.store(|maker| {
        let opened = dictionary! { "event" => "opened", "client" => "psu", "address" => "10.0.0.1:5", "product" => "lab 1" };
        maker.set("$hub/lab", 7, 1, "connection", opened);
        let message = dictionary! { "from" => "psu", "to" => Value::Null, "encoding" => "binary", "value" => vec![1_u8] };
        maker.set("$hub/lab", 7, 2, "message", message);
        let request = dictionary! {
            "id" => 3, "from" => "gui", "to" => "psu", "action" => "set", "value" => f64::NAN,
            "outcome" => "answered", "result" => Value::Null, "duration_ns" => 1_500,
        };
        let clock = dictionary! { "client" => "psu", "offset_ns" => -4, "uncertainty_ns" => 2 };
        let both = dictionary! { "request" => request, "clock" => clock };
        maker.update("$hub/lab", 7, 3, &[], both);
        maker.set("$hub/lab", 7, 4, "note", dictionary! { "from" => "me", "text" => "run 7" });
        maker.set("$hub/lab", 7, 5, "alarm", dictionary! { "text" => "two of one name" });
        maker.set("$hub/lab", 7, 6, "eclipse", dictionary! { "of" => "moon" });
        maker.set("$hub/lab", 7, 7, "clock", "not a dictionary");
    });
    let reader = place.read();
    assert_sound(&reader);
    let text = |text: &str| Some(text.to_owned());
    let expected = [
        Content::Connection(Connection {
            event: "opened".into(),
            client: text("psu"),
            address: text("10.0.0.1:5"),
            product: text("lab 1"),
            ..Default::default()
        }),
        Content::Message(Message {
            from: text("psu"),
            to: None,
            encoding: text("binary"),
            value: vec![1_u8].into(),
        }),
        Content::Request(Request {
            id: Some(3),
            from: text("gui"),
            to: text("psu"),
            action: text("set"),
            value: f64::NAN.into(),
            outcome: text("answered"),
            result: Some(Value::Null),
            duration: Some(1_500),
        }),
        Content::Clock(Clock { client: text("psu"), offset: Some(-4), uncertainty: Some(2) }),
        Content::Note(Note { event: "note".into(), from: text("me"), text: "run 7".into() }),
        Content::Note(Note { event: "alarm".into(), from: None, text: "two of one name".into() }),
        Content::Note(Note { event: "eclipse".into(), from: None, text: r#"{"of":"moon"}"#.into() }),
        Content::Note(Note { event: "clock".into(), from: None, text: r#""not a dictionary""#.into() }),
    ];
    let by_record: Vec<_> = all(&reader, &Filter::default()).into_iter().map(|row| row.content).collect();
    assert_eq!(by_record, expected);
    let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Change).collect();
    let by_kind = all(&reader, &Filter { kinds, ..Filter::default() });
    assert_eq!(by_kind.iter().map(|row| row.content.clone()).collect::<Vec<_>>(), expected);
    assert!(reader.state(None, &[]).unwrap().is_empty(), "events are nobody's state");

    let mut line = String::new();
    export::json::write_row(&by_kind[2], &mut line);
    let time = "2026-11-21T10:00:02.000000000Z";
    assert_eq!(
        line,
        format!(
            r#"{{"kind":"request","n":3,"time":"{time}","hub":"lab","id":3,"from":"gui","to":"psu","action":"set","value":{{"$float":"NaN"}},"outcome":"answered","result":null,"duration_ns":1500}}"#
        )
    );
}
