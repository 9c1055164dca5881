//! What single steps cost, without sockets: `cargo bench -p dictwire-benches`, with a part of a name for some of them.
//!
//! Figures of one machine say little; compare two states of the code, by `--save-baseline` and `--baseline`.

#![forbid(unsafe_code)]

mod change;
mod decode;
mod encode;
mod hub;
mod samples;
mod timeline;

fn main() {
    let mut criterion = criterion::Criterion::default().configure_from_args();
    decode::benches(&mut criterion);
    encode::benches(&mut criterion);
    change::benches(&mut criterion);
    hub::benches(&mut criterion);
    timeline::benches(&mut criterion);
    criterion.final_summary();
}
