//! Rows as text.

use std::time::Duration;

use dict_protocol::dictionary;
use dict_protocol::record::{EntryKind, GapReason, Missing};
use dict_protocol::time::Time;
use dict_protocol::value::{Integer, Value};
use dict_timeline::export::{csv::CsvWriter, json, wide};
use dict_timeline::{Filter, Kind};

use super::maker::{Place, START, STEP, all, assert_sound, missing, place};

fn place_with_rows() -> Place {
    let place = place();
    place.store(|maker| {
        let long: Integer = "1180591620717411303424".parse().unwrap();
        maker.update("psu", 9, 1, &[], dictionary! { "v" => f64::NAN, "n" => long, "t" => "a,\"b\"\n" });
        maker.entry("psu", 10, EntryKind::Gap { missing: missing(9, 1, GapReason::EpochEnded) }, 0, &[]);
        let replayed = maker.update(
            "psu",
            10,
            1,
            &[],
            dictionary! { "v" => 1.0, "$" => dictionary! { "$x" => vec![1_u8] } },
        );
        (replayed.replayed, replayed.stamp.uncertainty) = (true, None);
        maker.state("psu", 10, 5, missing(10, 1, GapReason::SpoolFull), &dictionary! { "v" => 2 });
        maker.set("$hub/lab", 1, 1, "note", dictionary! { "text" => "run 7", "from" => "me" });
    });
    place
}

#[test]
fn json_lines() {
    let reader = place_with_rows().read();
    let mut lines = Vec::new();
    for row in all(&reader, &Filter::default()) {
        let mut line = String::new();
        json::write_row(&row, &mut line);
        lines.push(line);
    }
    let change = |second: u32, rest: &str| {
        format!(
            r#"{{"kind":"change","n":{rest},"writer_time":"2026-11-21T10:00:{:02}.999999993Z","offset_ns":5"#,
            second - 1
        )
    };
    let time = |second: u32| format!(r#""time":"2026-11-21T10:00:{second:02}.000000000Z","hub":"lab""#);
    assert_eq!(
        lines[0],
        r#"{"kind":"change","n":1,"time":"2026-11-21T10:00:00.000000000Z","hub":"lab","source":"psu","epoch":9,"sequence":1,"key":"v","value":{"$float":"NaN"},"writer_time":"2026-11-21T09:59:59.999999993Z","offset_ns":5,"uncertainty_ns":2}"#
    );
    assert!(lines[1].contains(r#""key":"n","value":1180591620717411303424,"#), "{}", lines[1]);
    assert!(lines[2].contains(r#""value":"a,\"b\"\n""#), "{}", lines[2]);
    assert_eq!(
        lines[3],
        format!(
            r#"{{"kind":"gap","n":4,{},"source":"psu","epoch":9,"first_sequence":2,"last_sequence":null,"to_epoch":10,"to_sequence":0,"reason":"the epoch ended unseen"}}"#,
            time(1)
        )
    );
    let removed = format!(r#"5,{},"source":"psu","epoch":10,"sequence":1,"key":"n","removed":true"#, time(2));
    assert_eq!(lines[4], change(2, &removed) + r#","uncertainty_ns":null,"replayed":true}"#);
    assert!(lines[7].contains(r#""key":"$","value":{"$dict":{"$x":{"$binary":"AQ=="}}}"#), "{}", lines[7]);
    assert_eq!(
        lines[8],
        format!(
            r#"{{"kind":"gap","n":9,{},"source":"psu","epoch":10,"first_sequence":2,"last_sequence":5,"reason":"spool full"}}"#,
            time(3)
        )
    );
    assert_eq!(
        lines.last().unwrap(),
        &format!(r#"{{"kind":"note","n":12,{},"event":"note","from":"me","text":"run 7"}}"#, time(4))
    );

    let mut state = String::new();
    json::write_state(&reader.state(None, &[]).unwrap()[0], &mut state);
    assert_eq!(
        state,
        r#"{"source":"psu","online":true,"time":"2026-11-21T10:00:03.000000000Z","values":{"v":2}}"#
    );
}

#[test]
fn csv() {
    let reader = place_with_rows().read();
    let mut out = CsvWriter::new(Vec::new(), &[Kind::Change]).unwrap();
    let filter = Filter {
        kinds: vec![Kind::Change],
        after: Some(1),
        until: Some(Time::from_nanos(START + STEP)),
        ..Filter::default()
    };
    all(&reader, &filter).iter().for_each(|row| out.write(row).unwrap());
    let time = "2026-11-21T10:00:00.000000000Z,lab,psu,9,1";
    let rest = ",,2026-11-21T09:59:59.999999993Z,5,2,,";
    assert_eq!(
        String::from_utf8(out.finish().unwrap()).unwrap(),
        format!(
            "kind,n,time,hub,source,epoch,sequence,key,type,value,removed,writer_time,offset_ns,uncertainty_ns,replayed,late\n\
             change,2,{time},n,integer,1180591620717411303424{rest}\n\
             change,3,{time},t,text,\"a,\"\"b\"\"\n\"{rest}\n"
        )
    );

    let mut out = CsvWriter::new(Vec::new(), &[]).unwrap();
    all(&reader, &Filter::default()).iter().for_each(|row| out.write(row).unwrap());
    let text = String::from_utf8(out.finish().unwrap()).unwrap();
    assert!(text.contains("change,1,2026-11-21T10:00:00.000000000Z,lab,psu,9,1,v,float,NaN,"), "{text}");
    assert!(text.contains(",n,removed,,true,"), "{text}");
    assert!(text.contains("gap,9,2026-11-21T10:00:03.000000000Z,lab,psu,10,"), "{text}");
}

fn wide_place() -> Place {
    let place = place();
    place.store(|maker| {
        maker.update("psu", 1, 1, &[], dictionary! { "v" => 1.5, "mode" => "cv" });
        maker.set("fan", 1, 1, "rpm", 900);
        maker.update("psu", 1, 2, &["mode"], dictionary! { "v" => f64::INFINITY });
        maker.set("fan", 1, 2, "rpm", 950);
        maker.set("fan", 1, 3, "rpm", Value::from_iter([1]));
    });
    place
}

fn wide_csv(place: &Place, filter: &Filter, every: Option<Duration>) -> Vec<String> {
    let reader = place.read();
    let mut out = Vec::new();
    let mut wide = reader.wide(filter, every).unwrap();
    wide::write_csv(&mut wide, &mut out, |done, total| assert!(done <= total)).unwrap();
    String::from_utf8(out)
        .unwrap()
        .lines()
        .map(|line| line.replace("2026-11-21T10:00:", "").replace(".000000000Z", ""))
        .collect()
}

#[test]
fn one_column_a_key() {
    let place = wide_place();
    assert_eq!(
        wide_csv(&place, &Filter::default(), None),
        [
            "time,n,psu:v,psu:mode,fan:rpm",
            "00,2,1.5,cv,",
            "01,3,1.5,cv,900",
            "02,5,Infinity,,900",
            "03,6,Infinity,,950",
            "04,7,Infinity,,[1]",
        ]
    );
    let filter = Filter { since: Some(Time::from_nanos(START + 2 * STEP)), ..Filter::default() };
    let from_the_middle = wide_csv(&place, &filter, Some(Duration::from_millis(1_500)));
    assert_eq!(
        from_the_middle,
        ["time,n,psu:v,psu:mode,fan:rpm", "03,6,Infinity,,950", "04.500000000Z,7,Infinity,,[1]"]
    );
    let reader = place.read();
    let mut out = Vec::new();
    let mut wide = reader.wide(&Filter::default(), Some(Duration::from_secs(4))).unwrap();
    wide::write_jsonl(&mut wide, &mut out, |_, _| {}).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"time\":\"2026-11-21T10:00:00.000000000Z\",\"n\":2,\"values\":{\"psu:v\":1.5,\"psu:mode\":\"cv\"}}\n\
         {\"time\":\"2026-11-21T10:00:04.000000000Z\",\"n\":7,\"values\":{\"psu:v\":{\"$float\":\"Infinity\"},\"fan:rpm\":[1]}}\n"
    );
}

#[test]
fn a_gap_says_since_when_if_its_writer_does() {
    let place = place();
    let lost = missing(0, 0, GapReason::LinkLost);
    let since = Some(Time::from_nanos(START - 1));
    place.store(|maker| {
        maker.state("psu", 9, 1, Missing { since, ..lost }, &dictionary! { "x" => 1 });
        maker.state("psu", 9, 5, missing(9, 1, GapReason::NotKept), &dictionary! { "x" => 2 });
    });
    let reader = place.read();
    assert_sound(&reader);
    for kinds in [vec![], vec![Kind::Gap]] {
        let gaps = all(&reader, &Filter { kinds, ..Filter::default() });
        let gaps: Vec<_> = gaps.iter().filter(|row| row.content.kind() == Kind::Gap).collect();
        let lines: Vec<String> = gaps
            .iter()
            .map(|row| {
                let mut line = String::new();
                json::write_row(row, &mut line);
                line
            })
            .collect();
        assert!(lines[0].contains(r#""since":"2026-11-21T09:59:59.999999999Z""#), "{}", lines[0]);
        assert!(!lines[1].contains("since"), "{}", lines[1]);
        let mut csv = CsvWriter::new(Vec::new(), &[Kind::Gap]).unwrap();
        gaps.iter().for_each(|row| csv.write(row).unwrap());
        let csv = String::from_utf8(csv.finish().unwrap()).unwrap();
        let lines: Vec<&str> = csv.lines().collect();
        assert!(
            lines[0].ends_with(",since") && lines[1].ends_with(",2026-11-21T09:59:59.999999999Z"),
            "{csv}"
        );
        assert!(lines[2].ends_with(",not kept by the writer,"), "{csv}");
    }
}
