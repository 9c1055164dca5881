//! How fast updates of one key each are published into a spool's file, alone and a thousand at once.
//!
//! `cargo run --release -p dict-spool --example write_speed -- PATH [SECONDS]`
//!
//! Put PATH on the disk that is meant, not on one in memory.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::time::{Duration, Instant};

use dict_protocol::limits::Limits;
use dict_protocol::session::{Session, Settings};
use dict_protocol::time::Now;
use dict_spool::{Durability, SpoolFile};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("which PATH?")?;
    let seconds = arguments.next().map_or(Ok(3), |text| text.parse())?;
    for (durability, group) in [
        (Durability::Process, 1),
        (Durability::Process, 1_000),
        (Durability::Power, 1),
        (Durability::Power, 1_000),
    ] {
        let path = format!("{path}-{durability:?}-{group}");
        let (mut file, kept) = SpoolFile::open(&path, [1; 16], durability)?;
        let mut session = Session::restore(
            Settings {
                name: "speed".to_owned(),
                product: String::new(),
                credentials: String::new(),
                client_id: [1; 16],
                limits: Limits::default(),
            },
            kept,
        );
        let writer = session.add_writer(Now::default(), "speed", Default::default())?;
        let start = Instant::now();
        let mut published = 0_u64;
        while start.elapsed() < Duration::from_secs(seconds) {
            for _ in 0..group {
                session.patch(Now::default(), writer, [("n", &published.into())], [])?;
                published += 1;
            }
            file.write(&mut session)?;
        }
        let rate = published as f64 / start.elapsed().as_secs_f64();
        println!("{durability:?}, {group} at once: {rate:.0} updates a second");
    }
    Ok(())
}
