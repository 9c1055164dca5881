//! The rows of `tests/FAULTS.md` in their short form, and that the oracle which decides about them can say no.

mod memory;
mod oracle;

use std::path::PathBuf;
use std::time::Duration;

use dictwire_tests::faults::{ATTACK, Miss, ROWS, Row, Setting};

/// Runs a row in its short form, which has to hold.
fn row(number: u8) {
    run(ROWS.iter().find(|row| row.number == number).expect("there is such a row"));
}

fn run(row: &Row) {
    let setting = Setting {
        times: None,
        short: true,
        soak: Duration::from_secs(5),
        program: PathBuf::from(env!("CARGO_BIN_EXE_faults")),
    };
    match (row.run)(&setting) {
        Ok(figure) => println!("{figure}"),
        Err(Miss::LeftOut(why)) => println!("left out: {why}"),
        Err(Miss::Broken(what)) => panic!("{}: {what}", row.fault),
    }
}

#[test]
fn everything_at_once() {
    run(&ATTACK);
}

macro_rules! rows {
    ($($name:ident: $number:literal,)*) => {
        $(#[test] fn $name() { row($number) })*

        #[test]
        fn no_row_is_forgotten() {
            assert_eq!(ROWS.iter().map(|row| row.number).collect::<Vec<_>>(), [$($number),*]);
        }
    };
}

rows! {
    a_logger_that_is_killed: 1,
    a_hub_that_is_killed: 2,
    a_writer_that_is_killed_in_mid_frame: 3,
    all_killed_at_once: 4,
    a_log_that_is_torn: 5,
    a_disk_that_does_not_sync: 6,
    a_full_disk: 7,
    told_to_end: 8,
    connections_that_are_cut: 9,
    one_byte_at_a_time: 10,
    peers_that_fall_silent: 11,
    bits_that_flip: 12,
    a_subscriber_that_is_stopped: 13,
    a_flood: 14,
    no_descriptors_left: 15,
    everybody_at_once: 16,
    lengths_that_cannot_be: 17,
    connections_that_say_little: 18,
    bombs: 19,
    poison: 20,
    clocks_that_jump: 21,
    browsers: 22,
    a_soak: 24,
}
