use std::fs;

use dict_timeline::{Error, Options, Reader, Timeline};
use rusqlite::Connection;

use super::maker::{Maker, place};

#[test]
fn a_new_file_and_what_is_left_of_it_when_closed() {
    let place = place();
    let mut timeline = place.write();
    let mut maker = Maker::default();
    maker.set("psu", 1, 1, "voltage", 1.5);
    maker.store(&mut timeline);
    timeline.close().unwrap();
    place.read().rows(&Default::default()).unwrap().for_each(drop);

    let directory = place.path.parent().unwrap();
    let mut left: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["timeline.db", "timeline.db.lock"]);

    let database = Connection::open(&place.path).unwrap();
    let pragma = |name: &str| database.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((pragma("page_size"), pragma("user_version")), (8_192, 2));
    assert_eq!(pragma("application_id"), 0x6474_7772);
}

#[test]
fn a_second_writer_is_refused_with_the_process_named() {
    let place = place();
    let first = place.write();
    let error = Timeline::create_or_open(&place.path, Options::default()).unwrap_err();
    assert!(matches!(error, Error::Locked { process: Some(id), .. } if id == std::process::id()), "{error}");
    assert!(error.to_string().contains("another logger"), "{error}");

    // By another name, too.
    let directory = place.path.parent().unwrap();
    fs::create_dir(directory.join("sub")).unwrap();
    let roundabout = directory.join("sub/../timeline.db");
    assert!(matches!(Timeline::create_or_open(roundabout, Options::default()), Err(Error::Locked { .. })));

    drop(first);
    place.write().close().unwrap();
}

#[test]
fn readers_create_nothing() {
    let place = place();
    assert!(matches!(Reader::open(&place.path), Err(Error::NotFound { .. })));
    assert!(matches!(
        Reader::open(place.path.join("x/y.db")),
        Err(Error::NotFound { .. } | Error::Access { .. })
    ));
    assert_eq!(fs::read_dir(place.path.parent().unwrap()).unwrap().count(), 0);
}

#[test]
fn a_directory_that_is_not_there() {
    let place = place();
    let path = place.path.parent().unwrap().join("nowhere/timeline.db");
    let error = Timeline::create_or_open(path, Options::default()).unwrap_err();
    assert!(matches!(error, Error::NoDirectory { .. }), "{error}");
    let error = Timeline::create_or_open(place.path.parent().unwrap(), Options::default()).unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
}

#[test]
fn foreign_files_are_refused_and_not_changed() {
    let text = b"time,value\n1,2\n".repeat(100);
    let place = place();
    let other = place.path.with_file_name("other.db");
    let database = Connection::open(&other).unwrap();
    database.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)").unwrap();
    drop(database);
    let third = place.path.with_file_name("third.db");
    let database = Connection::open(&third).unwrap();
    database.execute_batch("PRAGMA application_id = 7; CREATE TABLE t (a)").unwrap();
    drop(database);
    fs::write(&place.path, &text).unwrap();

    for (path, found) in [
        (&place.path, "not an SQLite database"),
        (&other, "some other program"),
        (&third, "application id 0x00000007"),
    ] {
        let before = fs::read(path).unwrap();
        for error in
            [Timeline::create_or_open(path, Options::default()).unwrap_err(), Reader::open(path).unwrap_err()]
        {
            assert!(matches!(error, Error::Foreign { .. }), "{error}");
            assert!(error.to_string().contains(found), "{error}");
        }
        assert_eq!(fs::read(path).unwrap(), before);
    }
    assert_eq!(fs::read_dir(place.path.parent().unwrap()).unwrap().count(), 3);
}

#[test]
fn a_newer_schema_is_refused_and_an_unfinished_one_finished() {
    let place = place();
    place.write().close().unwrap();
    let database = Connection::open(&place.path).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    for error in [
        Timeline::create_or_open(&place.path, Options::default()).unwrap_err(),
        Reader::open(&place.path).unwrap_err(),
    ] {
        assert!(matches!(error, Error::Newer { found: 99, known: 2, .. }), "{error}");
    }

    // Killed after the first write of all.
    let begun = place.path.with_file_name("begun.db");
    let database = Connection::open(&begun).unwrap();
    database.execute_batch("PRAGMA page_size = 8192; PRAGMA application_id = 0x64747772").unwrap();
    drop(database);
    assert!(matches!(Reader::open(&begun), Err(Error::Older { found: 0, .. })));
    Timeline::create_or_open(&begun, Options::default()).unwrap().close().unwrap();
    Reader::open(&begun).unwrap();
}

#[cfg(unix)]
#[test]
fn what_may_not_be_written() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = place();
    place.write().close().unwrap();
    fs::remove_file(place.path.with_file_name("timeline.db.lock")).unwrap();
    let directory = place.path.parent().unwrap();
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(directory.join("probe"), "").is_ok() {
        return; // whoever runs this may write everything
    }
    let error = Timeline::create_or_open(&place.path, Options::default()).unwrap_err();
    assert!(matches!(error, Error::Access { .. }), "{error}");
    assert!(place.read().rows(&Default::default()).unwrap().next().is_none());
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
}
