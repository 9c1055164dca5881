//! What is put in comes out the same.

use dict_protocol::dictionary;
use dict_protocol::limits::Limits;
use dict_protocol::pattern::Pattern;
use dict_protocol::record::{EntryKind, GapReason};
use dict_protocol::value::{Dictionary, Integer, Value};
use dict_timeline::{Content, Filter, Kind};

use super::maker::{all, assert_sound, place};

fn of_every_type() -> Dictionary {
    // In a dictionary, which is a level of its own.
    let deep = (0..Limits::DEEPEST - 1).fold(Value::from(1), |value, level| match level % 2 {
        0 => Value::from_iter([value]),
        _ => dictionary! { "$dict" => value }.into(),
    });
    dictionary! {
        "null" => Value::Null,
        "true" => true,
        "false" => false,
        "one" => 1,
        "one as float" => 1.0,
        "least" => i64::MIN,
        "64 bits" => u64::MAX,
        "70 bits" => "1180591620717411303424".parse::<Integer>().unwrap(),
        "long" => "-123456789012345678901234567890".parse::<Integer>().unwrap(),
        "nan" => f64::NAN,
        "infinity" => f64::INFINITY,
        "-infinity" => f64::NEG_INFINITY,
        "minus zero" => -0.0,
        "tiny" => f64::MIN_POSITIVE / 3.0,
        "text" => "Größe \u{1F600} \0 \"'\n",
        "1" => "1",
        "empty text" => "",
        "binary" => vec![0_u8, 255, 10],
        "empty binary" => Vec::<u8>::new(),
        "list" => Value::from_iter([Value::from(f64::NAN), Value::from(vec![1_u8]), Value::Null]),
        "empty list" => Value::List(Vec::new()),
        "dictionary" => dictionary! { "$float" => "NaN" },
        "empty dictionary" => Dictionary::new(),
        "deep" => deep,
        "" => "the empty key",
        "a\0b" => 1,
        "*" => 2,
        "/" => 3,
        "line\nbreak" => 4,
        "$hub/" => 5,
        "'; DROP TABLE record; --" => 6,
    }
}

#[test]
fn through_records_through_the_table_by_key_and_as_state() {
    let place = place();
    let values = of_every_type();
    place.store(|maker| {
        maker.update("poison '\"%_ \u{0} quelle", 1, 1, &[], values.clone());
    });
    let reader = place.read();
    assert_sound(&reader);
    let read = |filter: &Filter| -> Dictionary {
        all(&reader, filter)
            .into_iter()
            .map(|row| match row.content {
                Content::Change(change) => (change.key, change.value.unwrap()),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    assert_eq!(read(&Filter::default()), values);
    for (key, value) in &values {
        let filter = Filter { keys: vec![Pattern::Name(key.into())], ..Filter::default() };
        assert_eq!(read(&filter), Dictionary::from([(key, value.clone())]));
    }
    let states = reader.state(None, &[]).unwrap();
    assert_eq!(states[0].values, values);
    assert_eq!(states[0].values.keys().collect::<Vec<_>>(), values.keys().collect::<Vec<_>>());
}

#[test]
fn a_body_that_is_no_patch_is_kept_and_reported_as_a_gap() {
    let place = place();
    place.store(|maker| {
        maker.set("psu", 1, 1, "v", 1);
        maker.entry("psu", 1, EntryKind::Update, 2, b"\xc1 no patch");
        let missing = super::maker::missing(1, 2, GapReason::Unreadable);
        maker.entry("psu", 1, EntryKind::Unreadable { missing }, 3, b"\xc1 neither");
        maker.set("psu", 1, 4, "v", 2);
    });
    let reader = place.read();
    assert_sound(&reader);
    let gaps = all(&reader, &Filter { kinds: vec![Kind::Gap], ..Filter::default() });
    let described: Vec<_> = gaps
        .iter()
        .map(|row| match &row.content {
            Content::Gap(gap) => (gap.first_sequence, gap.last_sequence, gap.reason),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(described, [(2, Some(2), GapReason::Unreadable), (3, Some(3), GapReason::Unreadable)]);
    assert_eq!(place.write().positions().unwrap()[0].sequence, 4);
    let database = rusqlite::Connection::open(&place.path).unwrap();
    let kept: Vec<u8> =
        database.query_row("SELECT body FROM record WHERE sequence = 3", (), |row| row.get(0)).unwrap();
    assert_eq!(kept, b"\xc1 neither");
}
