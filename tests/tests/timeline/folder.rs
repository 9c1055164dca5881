//! A timeline in a folder of files says what it would say in one.

use std::fs;
use std::path::{Path, PathBuf};
use std::slice;
use std::time::Duration;

use dict_protocol::dictionary;
use dict_protocol::pattern::Pattern;
use dict_protocol::record::{Batch, EntryKind, GapReason};
use dict_protocol::time::Time;
use dict_timeline::export::wide;
use dict_timeline::{Amount, Error, Filter, Finding, Kind, Limit, Options, Reader, Timeline};
use rusqlite::Connection;

use super::maker::{Maker, START, STEP, all, assert_sound, missing, place, shorts};

/// Options that make a file of each group.
fn each_group() -> Options {
    let mut options = Options::default();
    options.rotate = Some(Amount::Time(Duration::ZERO));
    options
}

/// Groups with all that a timeline can hold, each about the ones before it.
fn groups() -> Vec<Batch> {
    let (mut groups, mut maker) = (Vec::new(), Maker::default());
    let mut next = |maker: &mut Maker| groups.push(maker.take());
    maker.update("psu", 7, 1, &[], dictionary! { "voltage" => 1.5, "mode" => "cv", "spare" => f64::NAN });
    maker.set("oven", 3, 1, "temperature", 20);
    maker.set("meter", 5, 1, "reading", 7);
    let online = dictionary! { "event" => "online", "source" => "oven", "client" => "oven" };
    maker.set("$hub/lab", 1, 1, "connection", online);
    next(&mut maker);
    maker.update("psu", 7, 2, &["spare"], dictionary! { "voltage" => 2.5 });
    maker.update("oven", 3, 2, &["temperature"], dictionary! {});
    maker.set("$hub/lab", 1, 2, "note", dictionary! { "text" => "run 7 starts" });
    next(&mut maker);
    let offline = dictionary! { "event" => "offline", "source" => "oven", "client" => "oven" };
    maker.set("$hub/lab", 1, 3, "connection", offline);
    maker.end("meter", 5, 2);
    next(&mut maker);
    maker.set("new", 1, 1, "x", vec![1, 2]);
    next(&mut maker);
    // A new life, which states other keys; and what came of the one before when that was past.
    maker.entry("psu", 9, EntryKind::Gap { missing: missing(7, 2, GapReason::EpochEnded) }, 0, &[]);
    maker.update("psu", 9, 1, &[], dictionary! { "mode" => "cc", "current" => 0.25 });
    maker.state("oven", 3, 9, missing(3, 2, GapReason::SpoolFull), &dictionary! { "temperature" => 21 });
    next(&mut maker);
    maker.set("psu", 7, 3, "voltage", 99);
    next(&mut maker);
    // Sent again from a spool: of a time that an earlier file is of.
    let replayed = maker.update("oven", 3, 10, &[], dictionary! { "temperature" => 22, "door" => true });
    (replayed.time, replayed.replayed) = (Time::from_nanos(START + 4 * STEP + 1), true);
    next(&mut maker);
    maker.set("psu", 9, 2, "current", 0.5);
    next(&mut maker);
    groups
}

/// The same groups in one file, and in a folder with a file for each.
struct Both {
    place: super::maker::Place,
    folder: PathBuf,
}

fn both() -> Both {
    let place = place();
    let folder = place.path.with_file_name("folder");
    for (path, options) in [(&place.path, Options::default()), (&folder, each_group())] {
        let mut timeline = Timeline::create_or_open(path, options).unwrap();
        groups().iter().for_each(|group| timeline.append(slice::from_ref(group)).unwrap());
        timeline.close().unwrap();
    }
    Both { place, folder }
}

fn parts(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut parts: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "db")).collect();
    parts.sort();
    parts
}

/// Every time at which something happened, and those between.
fn times() -> impl Iterator<Item = Time> {
    (-1..60).map(|step| Time::from_nanos(START + step * STEP / 2))
}

fn wide_of(reader: &Reader, filter: &Filter) -> String {
    let mut out = Vec::new();
    wide::write_csv(&mut reader.wide(filter, None).unwrap(), &mut out, |_, _| {}).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn rows_of_every_filter_are_those_of_one_file() {
    let both = both();
    let (one, many) = (both.place.read(), Reader::open(&both.folder).unwrap());
    assert_eq!(parts(&both.folder).len(), groups().len());
    assert_sound(&one);
    assert_sound(&many);
    let named = |name: &str| vec![Pattern::Name(name.into())];
    let mut filters = vec![
        Filter::default(),
        Filter { sources: named("psu"), ..Filter::default() },
        Filter { keys: named("temperature"), ..Filter::default() },
        Filter { kinds: vec![Kind::Gap, Kind::Note, Kind::Connection], ..Filter::default() },
    ];
    for time in times() {
        filters.push(Filter { since: Some(time), ..Filter::default() });
        filters.push(Filter { until: Some(time), sources: named("oven"), ..Filter::default() });
    }
    for count in 0..25 {
        filters.push(Filter { limit: Some(Limit::First(count)), ..Filter::default() });
        filters.push(Filter { limit: Some(Limit::Last(count)), ..Filter::default() });
        filters.push(Filter { after: Some(count), limit: Some(Limit::Last(3)), ..Filter::default() });
    }
    for filter in filters {
        assert_eq!(shorts(&many, &filter), shorts(&one, &filter), "{filter:?}");
        assert_eq!(many.rows(&filter).unwrap().end(), one.rows(&filter).unwrap().end());
    }
    assert_eq!(wide_of(&many, &Filter::default()), wide_of(&one, &Filter::default()));
}

#[test]
fn the_state_at_any_time_is_that_of_one_file() {
    let both = both();
    let (one, many) = (both.place.read(), Reader::open(&both.folder).unwrap());
    let sorted = |reader: &Reader, at, sources: &[Pattern]| {
        let mut states = reader.state(at, sources).unwrap();
        states.sort_by(|a, b| a.source.cmp(&b.source));
        format!("{states:?}")
    };
    for sources in [&[][..], &[Pattern::Name("oven".into())]] {
        assert_eq!(sorted(&many, None, sources), sorted(&one, None, sources));
        for at in times() {
            assert_eq!(sorted(&many, Some(at), sources), sorted(&one, Some(at), sources), "{at:?}");
        }
    }
}

#[test]
fn only_files_with_rows_of_the_time_asked_for_are_opened() {
    let both = both();
    let late = Time::from_nanos(START + 9 * STEP);
    let filter = Filter { since: Some(late), ..Filter::default() };
    let rows = shorts(&both.place.read(), &filter);
    let state = both.place.read().state(Some(late), &[]).unwrap().len();
    for part in &parts(&both.folder)[..3] {
        fs::write(part, "not a database").unwrap();
    }
    let reader = Reader::open(&both.folder).unwrap();
    assert_eq!(shorts(&reader, &filter), rows);
    assert_eq!(reader.state(Some(late), &[]).unwrap().len(), state);
    let last = Filter { limit: Some(Limit::Last(2)), ..Filter::default() };
    assert_eq!(shorts(&reader, &last), shorts(&both.place.read(), &last));
    assert!(reader.rows(&Filter::default()).unwrap().any(|row| row.is_err()));
}

#[test]
fn each_file_alone_can_be_read() {
    let both = both();
    let one = both.place.read();
    let mut numbers = Vec::new();
    for part in parts(&both.folder) {
        let alone = part.with_file_name("alone.db");
        fs::copy(&part, &alone).unwrap();
        let reader = Reader::open(&alone).unwrap();
        assert_sound(&reader);
        let rows = all(&reader, &Filter::default());
        numbers.extend(rows.iter().filter_map(|row| row.n));
        let last = rows.iter().map(|row| row.time).max().unwrap();
        // Of the times after that a later file has a row, too.
        if last < Time::from_nanos(START + 4 * STEP) {
            let values = |reader: &Reader| format!("{:?}", reader.state(Some(last), &[]).unwrap());
            assert_eq!(values(&reader), values(&one));
        }
    }
    assert_eq!(numbers, all(&one, &Filter::default()).iter().filter_map(|row| row.n).collect::<Vec<_>>());
}

#[test]
fn figures_add_up() {
    let both = both();
    let (one, many) =
        (both.place.read().info().unwrap(), Reader::open(&both.folder).unwrap().info().unwrap());
    assert_eq!((one.files, many.files, many.pruned), (1, groups().len() as u64, 0));
    assert_eq!((many.numbers, many.times, &many.rows), (one.numbers, one.times, &one.rows));
    for (many, one) in many.sources.iter().zip(&one.sources) {
        assert_eq!((&many.source, many.gaps, many.epochs), (&one.source, one.gaps, one.epochs));
        assert_eq!((many.epoch, many.sequence, many.last), (one.epoch, one.sequence, one.last));
    }
}

#[test]
fn rows_from_when_the_clock_was_ahead_do_not_say_how_it_grows() {
    let place = place();
    let folder = place.path.with_file_name("folder");
    let mut timeline = Timeline::create_or_open(&folder, each_group()).unwrap();
    let mut maker = Maker::default();
    for sequence in 1..=100_u64 {
        let ahead = if sequence == 50 { 10 * 365 * 86_400 * STEP } else { 0 };
        let entry = maker.update("a", 1, sequence, &[], dictionary! { "x" => sequence });
        entry.time = entry.time.offset_by(ahead);
        if sequence % 49 == 0 || sequence == 50 {
            maker.store(&mut timeline);
        }
    }
    maker.store(&mut timeline);
    timeline.close().unwrap();
    let info = Reader::open(&folder).unwrap().info().unwrap();
    // All of it came within 100 s.
    let daily = info.size as f64 * 86_400.0 / 99.0;
    assert!((info.growth.overall.unwrap() / daily - 1.0).abs() < 0.01, "{info:?}");
    let last_hour = info.growth.last_hour.unwrap() / daily;
    assert!((0.5..1.01).contains(&last_hour), "{last_hour}: {info:?}");
}

#[test]
fn a_writer_goes_on_with_the_newest_file_alone() {
    let both = both();
    let positions = both.place.write().positions().unwrap();
    let timeline = Timeline::create_or_open(&both.folder, Options::default()).unwrap();
    assert_eq!(timeline.positions().unwrap(), positions);
    timeline.close().unwrap();
    // Without the others, too; and without --rotate in the same file.
    let files = parts(&both.folder);
    files[..files.len() - 1].iter().for_each(|part| fs::remove_file(part).unwrap());
    let mut timeline = Timeline::create_or_open(&both.folder, Options::default()).unwrap();
    assert_eq!(timeline.positions().unwrap(), positions);
    let mut maker = Maker::default();
    maker.set("psu", 9, 3, "current", 0.75);
    maker.store(&mut timeline);
    timeline.close().unwrap();
    assert_eq!(parts(&both.folder).len(), 1);
    let reader = Reader::open(&both.folder).unwrap();
    let findings = reader.verify(|_| {}).unwrap();
    assert!(matches!(findings[..], [Finding::NumbersMissing { first: 1, .. }]), "{findings:?}");
}

#[test]
fn files_go_by_size_and_by_what_all_may_take() {
    let folder = place().path.with_file_name("folder");
    let mut options = Options::default();
    options.rotate = Some(Amount::Bytes(500_000));
    options.keep = Some(Amount::Bytes(2_000_000));
    fs::create_dir_all(&folder).unwrap();
    let mut timeline = Timeline::create_or_open(&folder, options).unwrap();
    let mut maker = Maker::default();
    for sequence in 1..=400_u64 {
        maker.set("a", 1, sequence, "text", "x".repeat(10_000));
        maker.store(&mut timeline);
    }
    timeline.close().unwrap();
    let reader = Reader::open(&folder).unwrap();
    assert_sound(&reader);
    let (info, files) = (reader.info().unwrap(), parts(&folder).len());
    assert!((3..=5).contains(&files), "{files}");
    assert!(info.pruned > 200 && info.size < 2_700_000, "{info:?}");
    let rows = all(&reader, &Filter::default());
    assert_eq!(rows.first().and_then(|row| row.n), Some(info.pruned + 1));
    assert_eq!(rows.len() as u64, 400 - info.pruned);
    // Of a time before, only what has not changed since is known.
    let early = reader.state(Some(Time::from_nanos(START)), &[]).unwrap_err();
    assert!(matches!(early, Error::TooEarly { .. }), "{early}");
    assert_eq!(reader.state(Some(rows[0].time), &[]).unwrap().len(), 1);
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn followers_go_on_from_file_to_file() {
    let place = place();
    let folder = place.path.with_file_name("folder");
    let mut timeline = Timeline::create_or_open(&folder, each_group()).unwrap();
    let reader = Reader::open(&folder).unwrap();
    let mut following = reader.follow(&Filter::default()).unwrap();
    let mut maker = Maker::default();
    for sequence in 1..=5_u64 {
        maker.set("a", 1, sequence, "x", sequence);
        maker.store(&mut timeline);
        let rows = following.poll().unwrap();
        assert_eq!(rows.iter().map(|row| row.n).collect::<Vec<_>>(), [Some(sequence)]);
        assert!(following.poll().unwrap().is_empty());
    }
}

#[test]
fn who_may_write_what() {
    let both = both();
    let open = |path: &Path, options| Timeline::create_or_open(path, options).unwrap_err();
    let error = open(&both.place.path, each_group());
    assert!(matches!(error, Error::OneFile { .. }), "{error}");
    let error = open(&parts(&both.folder)[0], Options::default());
    assert!(matches!(error, Error::PartOfFolder { .. }), "{error}");
    let empty = both.folder.with_file_name("empty");
    fs::create_dir(&empty).unwrap();
    let error = open(&empty, Options::default());
    assert!(error.to_string().contains("give --rotate"), "{error}");
    assert!(matches!(Reader::open(&empty), Err(Error::Foreign { .. })));
    let error = open(&both.folder.with_file_name("nowhere").join("folder"), each_group());
    assert!(matches!(error, Error::NoDirectory { .. }), "{error}");

    let _writing = Timeline::create_or_open(&both.folder, each_group()).unwrap();
    let error = open(&both.folder, Options::default());
    assert!(matches!(error, Error::Locked { process: Some(_), .. }), "{error}");
}

#[test]
fn foreign_files_are_left_alone() {
    let place = place();
    let folder = place.path.with_file_name("folder");
    fs::create_dir(&folder).unwrap();
    let names = ["notes.txt", "2001-01-01.db", "9999-01-01T00-00-00Z.db.bak", "x.new"];
    names.iter().for_each(|name| fs::write(folder.join(name), name).unwrap());
    let mut options = each_group();
    options.keep = Some(Amount::Time(Duration::ZERO));
    let mut timeline = Timeline::create_or_open(&folder, options).unwrap();
    groups().iter().for_each(|group| timeline.append(slice::from_ref(group)).unwrap());
    timeline.close().unwrap();
    for name in names {
        assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), name);
    }
    assert_sound(&Reader::open(&folder).unwrap());
}

#[test]
fn what_is_wrong_between_files_is_found() {
    let findings = |meddle: &dyn Fn(&[PathBuf])| {
        let both = both();
        meddle(&parts(&both.folder));
        Reader::open(&both.folder).unwrap().verify(|_| {}).unwrap()
    };
    let run = |path: &Path, sql: &str| Connection::open(path).unwrap().execute_batch(sql).unwrap();

    let found = findings(&|parts| fs::remove_file(&parts[2]).unwrap());
    assert!(matches!(found[..], [Finding::NumbersMissing { .. }]), "{found:?}");
    let found = findings(&|parts| fs::write(&parts[2], "gone").unwrap());
    assert!(matches!(found[..], [Finding::Database(_), Finding::NumbersMissing { .. }]), "{found:?}");
    for sql in [
        "UPDATE change_row SET value = 'cc' WHERE n < (SELECT first_n FROM position) AND value = 'cv'",
        "DELETE FROM change_row WHERE n < (SELECT first_n FROM position)",
        "UPDATE carried SET sequence = sequence + 1 WHERE current AND NOT ended",
        "DELETE FROM carried WHERE epoch = 3",
    ] {
        let found = findings(&|parts| run(&parts[3], sql));
        assert!(matches!(found[0], Finding::Beginning { .. }), "{sql}: {found:?}");
        assert!(!found[0].to_string().is_empty());
    }
    for sql in ["UPDATE part SET time_max = time_max - 1", "UPDATE part SET last_n = 2", "DELETE FROM part"] {
        let found = findings(&|parts| run(parts.last().unwrap(), sql));
        assert!(matches!(found[0], Finding::Beginning { .. }), "{sql}: {found:?}");
    }
    for sql in ["UPDATE resume SET ended = NOT ended", "DELETE FROM span"] {
        let found = findings(&|parts| run(&parts[3], sql));
        assert!(!found.is_empty(), "{sql}");
    }
    for gone in [1, 2] {
        let found =
            findings(&|parts| parts.iter().rev().take(gone).for_each(|part| fs::remove_file(part).unwrap()));
        assert!(matches!(found[..], [Finding::FileMissing { .. }]), "{found:?}");
    }
    // An update that is missing at the seam.
    let found = findings(&|parts| run(parts.last().unwrap(), "DELETE FROM record"));
    assert!(!found.is_empty());
}

#[test]
fn what_came_late_is_no_fault_when_the_gap_that_covers_it_was_removed() {
    let place = place();
    let folder = place.path.with_file_name("folder");
    let mut timeline = Timeline::create_or_open(&folder, each_group()).unwrap();
    let mut maker = Maker::default();
    maker.set("psu", 3, 1, "x", 1);
    maker.store(&mut timeline);
    maker.entry("psu", 9, EntryKind::Gap { missing: missing(3, 1, GapReason::EpochEnded) }, 0, &[]);
    maker.set("psu", 9, 1, "x", 2);
    maker.store(&mut timeline);
    maker.set("psu", 9, 2, "x", 3);
    maker.store(&mut timeline);
    // From a spool, of a life that nobody had heard of, and that did not end in order.
    for sequence in 1..=2 {
        maker.set("psu", 7, sequence, "x", 4);
    }
    maker.store(&mut timeline);
    timeline.close().unwrap();
    let files = parts(&folder);
    assert_sound(&Reader::open(&folder).unwrap());
    let alone = folder.with_file_name("alone.db");
    fs::copy(&files[3], &alone).unwrap();
    assert_sound(&Reader::open(&alone).unwrap());
    files[..2].iter().for_each(|part| fs::remove_file(part).unwrap());
    let newest = Connection::open(&files[3]).unwrap();
    newest.execute_batch("UPDATE position SET pruned_n = 3; DELETE FROM part WHERE last_n <= 3").unwrap();
    drop(newest);
    assert_sound(&Reader::open(&folder).unwrap());
}

#[test]
fn a_file_takes_over_the_newest_epochs_that_ended_and_all_that_did_not() {
    let place = place();
    let folder = place.path.with_file_name("folder");
    let mut timeline = Timeline::create_or_open(&folder, each_group()).unwrap();
    let mut maker = Maker::default();
    maker.set("psu", 1, 1, "x", 0);
    maker.entry("psu", 2, EntryKind::Gap { missing: missing(1, 1, GapReason::EpochEnded) }, 0, &[]);
    for epoch in 2..=1_062 {
        maker.set("psu", epoch, 1, "x", epoch);
        maker.end("psu", epoch, 2);
    }
    maker.store(&mut timeline);
    maker.set("other", 1, 1, "x", 1);
    maker.store(&mut timeline);
    let positions = timeline.positions().unwrap();
    let epochs: Vec<u64> = positions.iter().filter(|p| p.source == "psu").map(|p| p.epoch).collect();
    assert_eq!(epochs, [1].into_iter().chain(63..=1_062).collect::<Vec<_>>());
    assert_eq!(Reader::open(&folder).unwrap().state(None, &[]).unwrap().len(), 2);
    // One of which nothing is known any more is sent again; and the rest of the one that did not end.
    maker.set("psu", 5, 1, "x", 5);
    maker.end("psu", 5, 2);
    maker.set("psu", 1, 2, "x", 1);
    maker.store(&mut timeline);
    maker.set("other", 1, 2, "x", 2);
    maker.store(&mut timeline);
    timeline.close().unwrap();
    let reader = Reader::open(&folder).unwrap();
    assert_sound(&reader);
    let states = reader.state(None, &[Pattern::Name("psu".into())]).unwrap();
    assert_eq!(states[0].values["x"].as_i64(), Some(1_062));
    // One that should have been taken over.
    let second = Connection::open(&parts(&folder)[1]).unwrap();
    second.execute_batch("DELETE FROM carried WHERE epoch = 63").unwrap();
    drop(second);
    let found = reader.verify(|_| {}).unwrap();
    assert!(matches!(found[0], Finding::Beginning { .. }), "{found:?}");
}

#[test]
fn files_of_the_first_schema_are_brought_up_to_date() {
    let both = both();
    for path in parts(&both.folder).iter().chain([&both.place.path]) {
        let old = "ALTER TABLE stream DROP COLUMN crc; ALTER TABLE position DROP COLUMN next; \
                   PRAGMA user_version = 1";
        Connection::open(path).unwrap().execute_batch(old).unwrap();
    }
    for path in [&both.place.path, &both.folder] {
        assert!(matches!(Reader::open(path), Err(Error::Older { found: 1, .. })));
        let mut timeline = Timeline::create_or_open(path, Options::default()).unwrap();
        let mut maker = Maker::default();
        maker.set("psu", 9, 3, "current", 0.75);
        maker.store(&mut timeline);
        timeline.close().unwrap();
        let reader = Reader::open(path).unwrap();
        assert_sound(&reader);
        assert_eq!(all(&reader, &Filter::default()).last().unwrap().n, Some(reader.last_n().unwrap()));
    }
    fs::remove_file(parts(&both.folder).last().unwrap()).unwrap();
    let found = Reader::open(&both.folder).unwrap().verify(|_| {}).unwrap();
    assert!(matches!(found[..], [Finding::FileMissing { .. }]), "{found:?}");
}

#[test]
fn a_backup_is_whole_though_it_is_taken_between_commits() {
    for options in [Options::default(), each_group()] {
        let place = place();
        let (path, copy) = (place.path.with_file_name("source"), place.path.with_file_name("copy"));
        let mut timeline = Timeline::create_or_open(&path, options).unwrap();
        let mut maker = Maker::default();
        let mut sequence = 0_u64;
        let mut store = |timeline: &mut Timeline, count: u64| {
            for _ in 0..count {
                sequence += 1;
                maker.set("a", 1, sequence, "x", "y".repeat(3_000));
            }
            maker.store(timeline);
        };
        for _ in 0..3 {
            store(&mut timeline, 2_000);
        }
        let mut steps = 0;
        Reader::open(&path)
            .unwrap()
            .backup(&copy, |done, total| {
                assert!(done <= total);
                steps += 1;
                if steps < 20 {
                    store(&mut timeline, 10);
                }
                Ok(())
            })
            .unwrap();
        assert!(steps > 2, "{steps}");
        let reader = Reader::open(&copy).unwrap();
        assert_sound(&reader);
        let copied = reader.last_n().unwrap();
        assert!((6_000..=sequence).contains(&copied), "{copied}");
        assert_eq!(all(&reader, &Filter::default()).len() as u64, copied);
        assert!(matches!(reader.backup(&copy, |_, _| Ok(())), Err(Error::Access { .. })));
        // A copy is a timeline like any other.
        let mut timeline = Timeline::create_or_open(&copy, Options::default()).unwrap();
        let mut maker = Maker::default();
        maker.set("a", 1, copied + 1, "x", 1);
        maker.store(&mut timeline);
        timeline.close().unwrap();
        assert_sound(&Reader::open(&copy).unwrap());
    }
}
