//! A program against its file: killed, damaged, in use, full.

use std::fs;
use std::path::PathBuf;

use dict_protocol::dictionary;
use dict_protocol::limits::Limits;
use dict_protocol::session::{Session, Settings, WriterId};
use dict_protocol::time::{Instant, Now, Time};
use tempfile::TempDir;

use super::*;

const ID: [u8; 16] = [7; 16];

struct Place {
    folder: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.spool");
        Self { folder, path }
    }

    fn open(&self) -> (SpoolFile, Session) {
        let (file, kept) = SpoolFile::open(&self.path, ID, Durability::Process).unwrap();
        (file, session(kept))
    }

    fn refusal(&self) -> Error {
        SpoolFile::open(&self.path, ID, Durability::Process).unwrap_err()
    }
}

fn session(kept: Kept) -> Session {
    let limits = Limits { spool_updates: 64, ..Limits::default() };
    let (name, product) = ("test".into(), "test".into());
    Session::restore(Settings { name, product, credentials: String::new(), client_id: [0; 16], limits }, kept)
}

fn now() -> Now {
    Now { instant: Instant::from_nanos(1), time: Time::from_nanos(5_000_000) }
}

fn add(session: &mut Session) -> WriterId {
    session.add_writer(now(), "psu", Default::default()).unwrap()
}

fn publish(file: &mut SpoolFile, session: &mut Session, writer: WriterId, n: i64) -> Result<()> {
    session
        .publish(now(), writer, &dictionary! { "n" => n, "text" => "x".repeat(100 + n as usize % 2) })
        .unwrap();
    session.set_bookmark(writer, &n.to_le_bytes());
    file.write(session)
}

#[test]
fn what_was_written_is_there_again_whatever_ended_the_program() {
    for cleanly in [true, false] {
        for durability in [Durability::Process, Durability::Power] {
            let place = Place::new();
            let (mut file, kept) = SpoolFile::open(&place.path, ID, durability).unwrap();
            let mut session = session(kept);
            let writer = add(&mut session);
            for n in 1..=500 {
                publish(&mut file, &mut session, writer, n).unwrap();
            }
            let copy = Place::new();
            if cleanly {
                drop(file);
                fs::copy(&place.path, &copy.path).unwrap();
            } else {
                for end in ["", "-wal"] {
                    let name = format!("a.spool{end}");
                    fs::copy(place.folder.path().join(&name), copy.folder.path().join(&name)).unwrap();
                }
            }
            let (_file, again) = copy.open();
            assert_eq!(again.settings().client_id, ID);
            let left = again.left("psu").unwrap();
            let (then, now) = (session.writer(writer).unwrap(), again.left("psu").unwrap());
            assert_eq!(left.content(), then.content());
            assert_eq!(left.bookmark(), 500_i64.to_le_bytes());
            assert_eq!(now.spooled().0, then.spooled().0);
            assert_eq!((now.unacknowledged(), now.dropped()), (then.unacknowledged(), then.dropped()));
            assert!(then.dropped() > 0, "it was full in between");
        }
    }
}

#[test]
fn a_log_that_is_cut_or_flipped_loses_its_end_alone() {
    let place = Place::new();
    let (mut file, mut session) = place.open();
    let writer = add(&mut session);
    (1..=20).for_each(|n| publish(&mut file, &mut session, writer, n).unwrap());
    let (database, log) =
        (fs::read(&place.path).unwrap(), fs::read(place.folder.path().join("a.spool-wal")).unwrap());
    let mut least = 20;
    let mut held = |log: &[u8]| {
        let copy = Place::new();
        fs::write(&copy.path, &database).unwrap();
        fs::write(copy.folder.path().join("a.spool-wal"), log).unwrap();
        let (mut file, mut session) = copy.open();
        let n = session.left("psu").map_or(0, |left| left.spooled().0 as u64);
        if let Some(left) = session.left("psu").filter(|_| n > 0) {
            assert_eq!(left.content().get("n"), Some(&(n as i64).into()));
            assert_eq!(left.bookmark(), (n as i64).to_le_bytes(), "both are of one transaction");
        }
        let writer = add(&mut session);
        publish(&mut file, &mut session, writer, 99).unwrap();
        least = least.min(n);
        n
    };
    assert_eq!(held(&log), 20);
    let mut last = 20;
    for cut in (0..log.len()).rev().step_by(1_009) {
        let n = held(&log[..cut]);
        assert!(n <= last, "the more is cut, the less there is");
        last = n;
    }
    for place in (0..log.len()).step_by(4_001) {
        let mut flipped = log.clone();
        flipped[place] ^= 0x20;
        assert!(held(&flipped) <= 20);
    }
    assert_eq!(least, 0);
}

#[test]
fn a_damaged_file_is_refused_and_not_changed() {
    let place = Place::new();
    let (mut file, mut session) = place.open();
    let writer = add(&mut session);
    (1..=64).for_each(|n| publish(&mut file, &mut session, writer, n).unwrap());
    drop(file);
    let whole = fs::read(&place.path).unwrap();
    let mut refused = 0;
    for at in (100..whole.len()).step_by(211) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x20;
        fs::write(&place.path, &flipped).unwrap();
        match SpoolFile::open(&place.path, ID, Durability::Process) {
            // That byte means nothing, or a number that may be any.
            Ok(_) => {}
            Err(
                Error::Damaged { .. } | Error::Newer { .. } | Error::Foreign { .. } | Error::Failed { .. },
            ) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 5, "{refused}");
    for part in [10, 4_096, whole.len() - 4_096] {
        fs::write(&place.path, &whole[..part]).unwrap();
        let refusal = place.refusal();
        assert!(matches!(refusal, Error::Damaged { .. } | Error::Foreign { .. }), "{part}: {refusal}");
        assert_eq!(fs::read(&place.path).unwrap().len(), part);
    }
}

#[test]
fn a_flipped_value_is_noticed() {
    let place = Place::new();
    let (mut file, mut session) = place.open();
    let writer = add(&mut session);
    (1..=10).for_each(|n| publish(&mut file, &mut session, writer, n).unwrap());
    drop(file);
    let mut bytes = fs::read(&place.path).unwrap();
    let at = bytes.windows(20).rposition(|part| part == [b'x'; 20]).expect("it is stored as it is");
    bytes[at] = b'y';
    fs::write(&place.path, &bytes).unwrap();
    assert!(place.refusal().to_string().contains("another checksum"), "{}", place.refusal());
}

#[test]
fn what_is_no_spool_is_refused_and_not_changed() {
    let place = Place::new();
    for bytes in [&b"{\"n\": 1}\n"[..], &[b'S'; 4_096]] {
        fs::write(&place.path, bytes).unwrap();
        assert!(matches!(place.refusal(), Error::Foreign { .. }));
        assert_eq!(fs::read(&place.path).unwrap(), bytes);
    }
    fs::remove_file(&place.path).unwrap();
    let other = Connection::open(&place.path).unwrap();
    other.execute_batch("CREATE TABLE a (b)").unwrap();
    drop(other);
    assert!(matches!(place.refusal(), Error::Foreign { .. }));
    fs::write(&place.path, b"").unwrap();
    drop(place.open());
    let later = Connection::open(&place.path).unwrap();
    later.pragma_update(None, "user_version", 2).unwrap();
    drop(later);
    assert!(matches!(place.refusal(), Error::Newer { found: 2, .. }));
    let nowhere = place.folder.path().join("nowhere/a.spool");
    assert!(matches!(SpoolFile::open(nowhere, ID, Durability::Process), Err(Error::Access { .. })));
    assert!(matches!(
        SpoolFile::open(place.folder.path(), ID, Durability::Process),
        Err(Error::Foreign { .. })
    ));
}

#[test]
fn one_program_at_a_time() {
    let place = Place::new();
    let (file, _session) = place.open();
    let told = place.refusal().to_string();
    assert!(told.contains(&format!("in use by another program (process {})", std::process::id())), "{told}");
    drop(file);
    drop(place.open());
}

#[test]
fn a_full_disk_is_the_end_of_it_and_nothing_kept_is_lost() {
    let place = Place::new();
    let (mut file, mut session) = place.open();
    let writer = add(&mut session);
    publish(&mut file, &mut session, writer, 1).unwrap();
    let pages: i64 = file.database.query_row("PRAGMA page_count", (), |row| row.get(0)).unwrap();
    file.database.pragma_update(None, "max_page_count", pages).unwrap();
    let (failed, error) = (2..=64)
        .find_map(|n| publish(&mut file, &mut session, writer, n).err().map(|error| (n, error)))
        .unwrap();
    assert!(error.is_disk_full(), "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
    file.database.pragma_update(None, "max_page_count", 1 << 20).unwrap();
    let again = publish(&mut file, &mut session, writer, 1_000).unwrap_err();
    assert!(matches!(again, Error::Stopped { .. }), "{again}");
    drop(file);
    let (_file, session) = place.open();
    assert_eq!(session.left("psu").unwrap().content().get("n"), Some(&(failed - 1).into()));
}
