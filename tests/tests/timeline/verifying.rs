//! What is wrong is found.

use dict_protocol::dictionary;
use dict_protocol::record::GapReason;
use dict_timeline::Finding;
use rusqlite::Connection;

use super::maker::{Place, assert_sound, missing, place};

fn sound() -> Place {
    let place = place();
    place.store(|maker| {
        for sequence in 1..=20 {
            maker.update("a", 1, sequence, &[], dictionary! { "x" => sequence, "y" => "text" });
            maker.set("$hub/lab", 1, sequence, "note", dictionary! { "text" => "hello" });
        }
        maker.state("a", 1, 30, missing(1, 20, GapReason::SpoolFull), &dictionary! { "x" => 0 });
    });
    assert_sound(&place.read());
    place
}

/// What verifying says after somebody meddled with the file.
fn after(sql: &str) -> Vec<Finding> {
    let place = sound();
    Connection::open(&place.path).unwrap().execute_batch(sql).unwrap();
    let findings = place.read().verify(|_| {}).unwrap();
    assert!(findings.iter().all(|finding| !finding.to_string().is_empty()));
    findings
}

#[test]
fn a_byte_of_a_body() {
    let findings = after(
        "UPDATE record SET body = CAST(replace(CAST(body AS TEXT), 'text', 'tExt') AS BLOB) WHERE n = 4",
    );
    assert!(matches!(findings[0], Finding::Damaged { n: 4, .. }), "{findings:?}");
}

#[test]
fn a_records_time() {
    let findings = after("UPDATE record SET time = time + 1 WHERE n = 4");
    assert!(matches!(findings[0], Finding::Damaged { n: 4, .. }), "{findings:?}");
}

#[test]
fn a_record_taken_out_of_the_middle_or_from_the_end() {
    let findings = after("DELETE FROM record WHERE n = 7");
    assert!(findings.contains(&Finding::NumbersMissing { first: 7, last: 8 }), "{findings:?}");
    assert!(
        findings.contains(&Finding::Missing { source: "a".into(), epoch: 1, first: 3, last: 3 }),
        "{findings:?}"
    );
    let findings = after("DELETE FROM record WHERE n = 61");
    assert!(findings.contains(&Finding::NumbersMissing { first: 61, last: 63 }), "{findings:?}");
    assert!(
        findings.contains(&Finding::Position { source: "a".into(), epoch: 1, stored: 30, found: 20 }),
        "{findings:?}"
    );
}

#[test]
fn rows_that_are_not_what_was_recorded() {
    for sql in [
        "UPDATE change_row SET value = 'tEXt' WHERE n = 2",
        "DELETE FROM change_row WHERE n = 2",
        "INSERT INTO change_row SELECT series_id, 63, time, late, type, value FROM change_row WHERE n = 2",
        "UPDATE change_row SET late = 1 WHERE n = 2",
        "UPDATE note SET text = 'hallo' WHERE n = 3",
        "DELETE FROM gap",
    ] {
        let findings = after(sql);
        assert!(matches!(findings[..], [Finding::Derived { .. }]), "{sql}: {findings:?}");
    }
}

#[test]
fn spans_that_are_not_where_the_records_are() {
    for sql in [
        "DELETE FROM span",
        "UPDATE span SET time_min = time_min + 1",
        "UPDATE span SET time_max = time_max - 1",
        "UPDATE span SET changes = changes + 1",
        "UPDATE span SET first_n = 2",
        "UPDATE span SET last_n = last_n - 1",
    ] {
        let findings = after(sql);
        assert!(!findings.is_empty(), "{sql}");
        let of_span = |finding: &Finding| matches!(finding, Finding::Derived { table: "span", .. });
        assert!(findings.iter().all(of_span), "{sql}: {findings:?}");
    }
}

#[test]
fn positions_that_are_not_those_of_the_records() {
    let of_a = |sequence| Finding::Standing { source: "a".into(), epoch: 1, sequence };
    let position = |epoch, stored, found| Finding::Position { source: "a".into(), epoch, stored, found };
    let a = "source_id = (SELECT id FROM source WHERE name = 'a')";
    for (sql, finding) in [
        (format!("UPDATE resume SET ended = 1 WHERE {a}"), of_a(30)),
        (format!("UPDATE resume SET time = time + 1 WHERE {a}"), of_a(30)),
        (format!("UPDATE resume SET sequence = 29 WHERE {a}"), position(1, 29, 30)),
        (format!("DELETE FROM resume WHERE {a}"), position(1, 0, 30)),
        (
            format!("INSERT INTO resume SELECT source_id, 2, 500, 0, 0 FROM resume WHERE {a}"),
            position(2, 500, 0),
        ),
    ] {
        assert_eq!(after(&sql), [finding], "{sql}");
    }
    for (sql, column, value, most) in [
        ("UPDATE position SET derived_n = derived_n + 100000", "derived_n", 100_064, 64),
        ("UPDATE position SET pruned_n = 5", "pruned_n", 5, 0),
    ] {
        let findings = after(sql);
        let [Finding::Beyond { column: found, value: is, most: can, .. }] = &findings[..] else {
            panic!("{findings:?}");
        };
        assert_eq!((*found, *is, *can), (column, value, most));
    }
}

#[test]
fn names_that_are_not_those_recorded() {
    for sql in [
        "UPDATE source SET name = 'b' WHERE name = 'a'",
        "UPDATE stream SET hub = 'other' WHERE epoch = 1 AND source_id = 1",
        "UPDATE stream SET epoch = 7 WHERE epoch = 1 AND source_id = 1",
    ] {
        let findings = after(sql);
        assert!(matches!(findings[0], Finding::Stream { .. }), "{sql}: {findings:?}");
    }
}

#[test]
fn updates_missing_without_a_gap() {
    let place = place();
    place.store(|maker| {
        maker.set("a", 1, 1, "x", 1);
        maker.set("a", 1, 4, "x", 1);
        maker.set("a", 2, 1, "x", 1);
        maker.set("b", 1, 1, "x", 1);
        maker.end("b", 1, 2);
        maker.set("b", 2, 3, "x", 1);
    });
    assert_eq!(
        place.read().verify(|_| {}).unwrap(),
        [
            Finding::Missing { source: "a".into(), epoch: 1, first: 2, last: 3 },
            Finding::Unended { source: "a".into(), epoch: 1, last: 4 },
            Finding::Missing { source: "b".into(), epoch: 2, first: 1, last: 2 },
        ]
    );
}

#[test]
fn a_page_overwritten() {
    let place = sound();
    let mut bytes = std::fs::read(&place.path).unwrap();
    // Not those of the schema, without which nothing can be read at all.
    for page in bytes.chunks_mut(8_192).filter(|page| page.windows(5).any(|text| text == b"hello")) {
        page[..300].fill(0xA5);
    }
    std::fs::write(&place.path, bytes).unwrap();
    let findings = place.read().verify(|_| {}).unwrap();
    assert!(matches!(findings[0], Finding::Database(_)), "{findings:?}");
}
