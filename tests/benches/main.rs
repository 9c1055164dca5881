//! What single steps cost, without sockets: `cargo bench -p dictwire-benches`, with a part of a name for some of them.
//!
//! Figures of one machine say little; compare two states of the code, by `--save-baseline` and `--baseline`.

#![forbid(unsafe_code)]

mod decode;
mod hub;
mod samples;

fn main() {
    let mut criterion = criterion::Criterion::default().configure_from_args();
    decode::benches(&mut criterion);
    hub::benches(&mut criterion);
    criterion.final_summary();
}
