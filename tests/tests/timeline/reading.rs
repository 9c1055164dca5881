//! Filters, limits, and reading while somebody writes.

use dict_protocol::dictionary;
use dict_protocol::pattern::Pattern;
use dict_protocol::time::Time;
use dict_timeline::{Content, Filter, Kind, Limit, Reader, Row};
use rusqlite::Connection;

use super::maker::{Maker, Place, START, STEP, all, assert_sound, place, short, shorts};

/// Three sources with three keys each, a hub's events among them, in many commits; some of it derived at once, some
/// later, some not at all.
fn mixed() -> (Place, dict_timeline::Timeline) {
    let place = place();
    let mut timeline = place.write();
    let mut maker = Maker::default();
    for round in 1..=400_u64 {
        for source in ["a", "b", "b/c"] {
            let (x, y) = (round as i64, round as f64 / 2.0);
            maker.update(source, 1, round, &[], dictionary! { "x" => x, "y" => y, "z" => "z" });
        }
        let sort = ["note", "message", "eclipse"][round as usize % 3];
        maker.set("$hub/lab", 1, round, sort, dictionary! { "text" => "hello", "value" => round as i64 });
        // The first in small commits, then a large one that has to wait for its order.
        if round < 50 || round == 399 {
            maker.store(&mut timeline);
        }
    }
    maker.store(&mut timeline);
    assert!(!timeline.is_derived());
    (place, timeline)
}

/// The same, the slow way.
fn expected(every: &[Row], filter: &Filter) -> Vec<String> {
    let passes = |row: &&Row| {
        let names = |patterns: &[Pattern], name: &str| {
            patterns.is_empty() || patterns.iter().any(|p| p.matches(name))
        };
        let source = row.content.source().unwrap_or("$hub/lab");
        let key = match &row.content {
            Content::Change(change) => names(&filter.keys, &change.key),
            _ => filter.keys.is_empty(),
        };
        key && names(&filter.sources, source)
            && (filter.kinds.is_empty() || filter.kinds.contains(&row.content.kind()))
            && filter.since.is_none_or(|since| row.time >= since)
            && filter.until.is_none_or(|until| row.time < until)
            && filter.after.is_none_or(|after| row.n.unwrap() > after)
    };
    let rows: Vec<_> = every.iter().filter(passes).map(short).collect();
    let count = |count: u64| rows.len().min(count as usize);
    match filter.limit {
        None => rows,
        Some(Limit::First(first)) => rows[..count(first)].to_vec(),
        Some(Limit::Last(last)) => rows[rows.len() - count(last)..].to_vec(),
    }
}

/// One row, and then the others by slices.
fn in_slices(reader: &Reader, filter: &Filter) -> Vec<String> {
    let mut rows = reader.rows(filter).unwrap();
    let mut found: Vec<Row> = rows.next().map(Result::unwrap).into_iter().collect();
    while let Some(slice) = rows.next_slice() {
        let slice = slice.unwrap();
        assert!(slice.is_empty() || slice.last().unwrap().n == Some(rows.position()));
        found.extend(slice);
    }
    assert!(rows.next_slice().is_none() && rows.next().is_none());
    found.iter().map(short).collect()
}

#[test]
fn each_way_of_reading_gives_the_same_rows() {
    let (place, mut timeline) = mixed();
    for derived in [false, true] {
        while derived && !timeline.is_derived() {
            timeline.derive().unwrap();
        }
        let reader = place.read();
        let every = all(&reader, &Filter::default());
        assert_eq!(every.len(), 400 * 10);
        assert!(every.is_sorted_by_key(|row| row.n));
        let name = |name: &str| vec![Pattern::parse(name)];
        let time = |entry: i64| Some(Time::from_nanos(START + entry * STEP));
        for sources in [vec![], name("a"), name("b*"), name("b/c"), name("$hub/*"), name("none")] {
            for keys in [vec![], name("x"), name("z*")] {
                for kinds in [vec![], vec![Kind::Change], vec![Kind::Note, Kind::Message]] {
                    for (since, until, after) in [
                        (None, None, None),
                        (time(100), time(1_200), None),
                        (None, time(700), Some(601)),
                        (time(900), None, Some(5)),
                    ] {
                        for limit in
                            [None, Some(Limit::First(7)), Some(Limit::Last(1_500)), Some(Limit::First(0))]
                        {
                            let (sources, keys, kinds) = (sources.clone(), keys.clone(), kinds.clone());
                            let filter = Filter { sources, keys, kinds, since, until, after, limit };
                            assert_eq!(shorts(&reader, &filter), expected(&every, &filter), "{filter:?}");
                            assert_eq!(in_slices(&reader, &filter), expected(&every, &filter), "{filter:?}");
                        }
                    }
                }
            }
        }
    }
    timeline.close().unwrap();
    assert_sound(&place.read());
}

#[test]
fn readers_and_the_writer_do_not_disturb_each_other() {
    let place = place();
    let mut timeline = place.write();
    let mut maker = Maker::default();
    maker.set("a", 1, 1, "x", 0);
    maker.store(&mut timeline);
    let reader = place.read();
    let mut follow = reader.follow(&Filter { kinds: vec![Kind::Change], ..Filter::default() }).unwrap();
    assert_eq!(follow.poll().unwrap(), []);
    let begun = reader.rows(&Filter::default()).unwrap();
    for sequence in 2..200_u64 {
        maker.set("a", 1, sequence, "x", sequence as i64);
        maker.set("$hub/lab", 1, sequence - 1, "note", dictionary! { "text" => "t" });
        maker.store(&mut timeline);
        let seen = follow.poll().unwrap();
        assert_eq!(
            seen.iter().map(short).collect::<Vec<_>>(),
            [format!("{} a.x=Integer({sequence})", 2 * sequence - 2)]
        );
    }
    assert_eq!(begun.count(), 1, "what came after the beginning is not in it");
    timeline.close().unwrap();
    assert_eq!(follow.poll().unwrap(), []);
}

#[test]
fn a_reader_of_a_file_left_by_a_writer_that_was_killed() {
    let place = place();
    let mut timeline = place.write();
    let mut maker = Maker::default();
    maker.set("a", 1, 1, "x", 0);
    maker.store(&mut timeline);
    drop(timeline);
    assert_eq!(shorts(&place.read(), &Filter::default()), ["1 a.x=Integer(0)"]);
    assert!(place.path.with_file_name("timeline.db-wal").exists());
    place.write().close().unwrap();
    assert_sound(&place.read());
}

#[test]
fn what_it_holds_in_figures() {
    let (place, timeline) = mixed();
    timeline.close().unwrap();
    let info = place.read().info().unwrap();
    assert_eq!(info.numbers, Some((1, 4_000)));
    let (first, last) = info.times.unwrap();
    assert_eq!(last - first, 1_599 * STEP);
    let count = |kind| info.rows.iter().find(|(of, _)| *of == kind).unwrap().1;
    assert_eq!(
        (count(Kind::Change), count(Kind::Note), count(Kind::Message), count(Kind::Gap)),
        (3_600, 266, 134, 0)
    );
    let names: Vec<_> =
        info.sources.iter().map(|source| (source.source.as_str(), source.keys, source.sequence)).collect();
    assert_eq!(names, [("$hub/lab", 0, 400), ("a", 3, 400), ("b", 3, 400), ("b/c", 3, 400)]);
    assert!(info.growth.overall.unwrap() > 0.0 && info.size > 0);
}

/// The queries that the documentation shows.
#[test]
fn views_for_people() {
    let (place, timeline) = mixed();
    timeline.close().unwrap();
    let database = Connection::open(&place.path).unwrap();
    let row: (i64, String, String, f64, String) = database
        .query_row(
            "SELECT n, time, key, value, type FROM changes WHERE source = 'a' AND key = 'y' ORDER BY n LIMIT 1",
            (),
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
        )
        .unwrap();
    assert_eq!(row, (2, "2026-11-21T10:00:00.000000000Z".into(), "y".into(), 0.5, "float".into()));
    let count = |sql: &str| database.query_row(sql, (), |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM changes"), 3_600);
    assert_eq!(count("SELECT count(*) FROM timeline"), 4_000);
    assert_eq!(count("SELECT count(*) FROM timeline WHERE kind = 'note'"), 266);
    assert_eq!(
        count("SELECT count(*) FROM changes WHERE sequence = 400 AND hub = 'lab' AND offset_ns = 5"),
        9
    );
    let text: String = database
        .query_row("SELECT group_concat(kind || ':' || coalesce(value, ''), ' ') FROM (SELECT * FROM timeline WHERE n BETWEEN 9 AND 11 ORDER BY n)", (), |row| row.get(0))
        .unwrap();
    assert_eq!(text, "change:z message:1 change:2");

    let plan = |sql: &str| -> String {
        let mut query = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = query.query_map((), |row| row.get::<_, String>("detail")).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    };
    let by_key = plan(
        "SELECT n, time, value FROM changes WHERE source = 'a' AND key = 'x' AND n > 5 ORDER BY n LIMIT 9",
    );
    assert!(by_key.contains("SEARCH c USING PRIMARY KEY (series_id=? AND n>?"), "{by_key}");
    assert!(!by_key.contains("TEMP B-TREE") && !by_key.contains("SCAN c"), "{by_key}");
}

#[test]
fn the_queries_in_the_documentation() {
    let (place, timeline) = mixed();
    timeline.close().unwrap();
    let database = Connection::open(&place.path).unwrap();
    let documentation = include_str!("../../../crates/dict-timeline/src/lib.rs");
    let (_, rest) = documentation.split_once("//! ```sql\n").unwrap();
    let (block, _) = rest.split_once("//! ```\n").unwrap();
    let sql = block.replace("//!", "").replace("bench1/psu", "a").replace("voltage", "x");
    let counts: Vec<usize> = sql
        .split_inclusive(';')
        .filter(|statement| statement.contains("SELECT"))
        .map(|statement| {
            let mut query = database.prepare(statement).unwrap();
            query.query_map((), |_| Ok(())).unwrap().map(Result::unwrap).count()
        })
        .collect();
    // A row each round; three keys of three sources; ten rows in each four of 900 seconds.
    assert_eq!(counts, [400, 9, 900 / 4 * 10]);
}

#[test]
fn times_before_1970() {
    let place = place();
    let time = Time::from_nanos(-1);
    place.store(|maker| {
        maker.update("a", 1, 1, &[], dictionary! { "x" => 1 }).time = time;
    });
    let reader = place.read();
    assert_eq!(all(&reader, &Filter { until: Some(Time::from_nanos(0)), ..Filter::default() })[0].time, time);
    let database = Connection::open(&place.path).unwrap();
    let text: String = database.query_row("SELECT time FROM changes", (), |row| row.get(0)).unwrap();
    assert_eq!(text, "1969-12-31T23:59:59.999999999Z");
    drop(Reader::open(&place.path).unwrap());
}
